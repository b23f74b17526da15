//! `ottla dump`: what lies in the files of a log directory, in the words of kafka-dump-log. Owns the choice of reader by
//! file name; never opens anything for writing. The text for .log, .checkpoint, .index, .timeindex, .snapshot and
//! .txnindex equals kafka-dump-log's; other files of the directory, which that tool ignores, are shown as they are.

mod decode;
mod index;
mod json;
mod printing;
mod segment;
mod snapshot;
mod verify;

use crate::args::{OutputArgs, OutputFormat};
use crate::failure::{Exit, Failure};
use clap::Args;
use decode::Decoder;
pub use decode::{Internal, Plain};
use printing::{Out, Wanted};
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

const AFTER: &str = r#"Examples:
  ottla dump ottla-data/orders-0
  ottla dump --print-data-log ottla-data/orders-0/00000000000000000000.log
  ottla dump --verify ottla-data

JSON: an object for each batch, index entry or file, one a line; for a batch of a .log
  {"file":"orders-0/00000000000000000000.log","position":0,"size":73,"base_offset":0,"last_offset":0,"count":1,
   "base_sequence":0,"last_sequence":0,"producer_id":0,"producer_epoch":0,"partition_leader_epoch":0,"magic":2,
   "compression":"none","control":false,"transactional":false,"crc":3047062295,"valid":true,
   "timestamp_type":"CreateTime","max_timestamp":1795983357254,"delete_horizon_ms":null}
with --print-data-log each has "records" too

--verify reads every batch, record and index of files, partitions or whole data directories, also those of a running node, and
prints a line for each damage and one of counts. Its exit code is 1 if anything is damaged, else 0; a torn tail of the newest
segment is no damage: a node is writing there, or a crash left it and the next start cuts it.
With -o json: a line for each finding ("kind" is damage, torn_tail or unchecked), then the counts
  {"file":"orders-0/00000000000000000000.log","kind":"damage","position":73,"offset":1,
   "what":"the CRC does not match; good again at position 146, offset 2"}
  {"files":4,"bytes":292,"batches":4,"records":4,"damaged":1,"torn_tails":0,"unchecked":0}"#;

/// Arguments of `ottla dump`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct DumpArgs {
    /// Files, or directories for every file in them
    #[arg(value_name = "PATH", required_unless_present = "files")]
    paths: Vec<PathBuf>,
    /// The same, joined by commas as kafka-dump-log has it
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    files: Vec<PathBuf>,
    /// Say what is damaged and print nothing else; exit code 1 if anything is
    #[arg(long, conflicts_with_all = ["deep_iteration", "print_data_log", "decoder", "skip_record_metadata", "max_bytes",
        "index_sanity_check", "verify_index_only"])]
    verify: bool,
    /// Print every record, not only batches
    #[arg(long)]
    pub deep_iteration: bool,
    /// Print keys and values
    #[arg(long)]
    pub print_data_log: bool,
    /// Records are cluster metadata
    #[arg(long, group = "decoder")]
    pub cluster_metadata_decoder: bool,
    /// Records are of __consumer_offsets
    #[arg(long, group = "decoder")]
    pub offsets_decoder: bool,
    /// Records are of __transaction_state
    #[arg(long, group = "decoder")]
    pub transaction_log_decoder: bool,
    /// Records are of __share_group_state
    #[arg(long, group = "decoder")]
    pub share_group_state_decoder: bool,
    /// Choose the decoder by the directory's name
    #[arg(long, group = "decoder")]
    auto_decoder: bool,
    /// Print records without their metadata, and no control records
    #[arg(long)]
    pub skip_record_metadata: bool,
    /// Read batches up to so many bytes
    #[arg(long, value_name = "BYTES", default_value_t = u64::MAX, hide_default_value = true)]
    pub max_bytes: u64,
    /// Only check whether indexes look sound
    #[arg(long)]
    pub index_sanity_check: bool,
    /// Only check indexes against their logs
    #[arg(long)]
    pub verify_index_only: bool,
    /// What keys and values are that no decoder is named for
    #[arg(skip)]
    pub plain: (Plain, Plain),
    #[command(flatten)]
    output: OutputArgs,
}

/// Dumps every file.
pub fn run(args: DumpArgs) -> Result<(), Failure> {
    let any_decoder = args.cluster_metadata_decoder
        || args.offsets_decoder
        || args.transaction_log_decoder
        || args.share_group_state_decoder
        || args.auto_decoder;
    let contents = args.print_data_log || any_decoder;
    let wanted = Wanted {
        deep: args.deep_iteration || contents,
        contents,
        metadata: !args.skip_record_metadata,
        max_bytes: args.max_bytes,
        json: args.output.output == OutputFormat::Json,
        sanity_only: args.index_sanity_check,
        verify_only: args.verify_index_only,
    };
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    if args.verify {
        return verify::run(args.paths.iter().chain(&args.files), wanted.json, &mut out);
    }
    let mut failure = None;
    for file in files_of(args.paths.iter().chain(&args.files))? {
        let decoder = args.decoder_for(&file);
        if let Err(error) = dump(&file, decoder, &wanted, &mut out) {
            if error.kind() == io::ErrorKind::BrokenPipe {
                return Err(error.into());
            }
            out.flush()?;
            let what = format!("could not read {}", file.display());
            failure = Some(
                Failure::new(what, error)
                    .exit(Exit::Partial)
                    .try_this("is it a file of a Kafka log directory?"),
            );
        }
    }
    out.flush()?;
    failure.map_or(Ok(()), Err)
}

impl DumpArgs {
    /// These files, as text, and nothing else asked for.
    pub fn of_files(files: Vec<PathBuf>) -> DumpArgs {
        DumpArgs {
            paths: Vec::new(),
            files,
            verify: false,
            deep_iteration: false,
            print_data_log: false,
            cluster_metadata_decoder: false,
            offsets_decoder: false,
            transaction_log_decoder: false,
            share_group_state_decoder: false,
            auto_decoder: false,
            skip_record_metadata: false,
            max_bytes: u64::MAX,
            index_sanity_check: false,
            verify_index_only: false,
            plain: (Plain::Text, Plain::Text),
            output: OutputArgs { output: OutputFormat::Table },
        }
    }

    fn decoder_for(&self, file: &Path) -> Decoder {
        let parent =
            file.parent().and_then(Path::file_name).map(|name| name.to_string_lossy()).unwrap_or_default();
        let by_name = |topic: &str| self.auto_decoder && parent.starts_with(topic);
        if self.cluster_metadata_decoder || by_name("__cluster_metadata-") {
            Decoder::ClusterMetadata
        } else if self.offsets_decoder || by_name("__consumer_offsets-") {
            Decoder::Offsets
        } else if self.transaction_log_decoder || by_name("__transaction_state-") {
            Decoder::Transactions
        } else if self.share_group_state_decoder || by_name("__share_group_state-") {
            Decoder::ShareGroups
        } else {
            Decoder::Plain(self.plain.0, self.plain.1)
        }
    }
}

/// Files as given; directories as the files in them, by name.
fn files_of<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        let missing = |error: io::Error| crate::connect::unreadable(path, &error);
        if !fs::metadata(path).map_err(missing)?.is_dir() {
            files.push(path.clone());
            continue;
        }
        let entries =
            fs::read_dir(path).map_err(missing)?.collect::<io::Result<Vec<_>>>().map_err(missing)?;
        let mut found: Vec<PathBuf> =
            entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

fn dump(file: &Path, decoder: Decoder, wanted: &Wanted, out: &mut Out) -> io::Result<()> {
    let suffix = file.extension().map(|suffix| suffix.to_string_lossy().into_owned()).unwrap_or_default();
    if !wanted.json {
        writeln!(out, "Dumping {}", file.display())?;
    }
    match suffix.as_str() {
        "log" | "checkpoint" => segment::dump(file, decoder, wanted, out),
        "index" => index::dump_offsets(file, wanted, out),
        "timeindex" => index::dump_times(file, wanted, out),
        "snapshot" => snapshot::dump_producers(file, wanted, out),
        "txnindex" => snapshot::dump_aborted(file, wanted, out),
        _other => dump_text(file, wanted, out),
    }
}

/// Checkpoints, meta.properties and their like are text.
fn dump_text(file: &Path, wanted: &Wanted, out: &mut Out) -> io::Result<()> {
    let bytes = fs::read(file)?;
    let text = String::from_utf8(bytes).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidData, "it is neither a known kind of file nor text")
    })?;
    if wanted.json {
        let line = serde_json::json!({"file": file.display().to_string(), "text": text});
        return writeln!(out, "{line}");
    }
    let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    write!(out, "{text}{end}")
}
