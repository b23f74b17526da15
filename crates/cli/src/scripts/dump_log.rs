//! `kafka-dump-log`: what lies in the files of a log directory. Owns the options; the files are read and shown by `ottla dump`.

use super::joptsimple::{Opt, Read, Takes, opt};
use super::script::{Script, Style};
use super::terms::{self, End, required, wrong};
use crate::dump::{self, DumpArgs, Plain};
use crate::failure::say;
use std::path::PathBuf;

/// The script.
pub const SCRIPT: Script = Script {
    name: "kafka-dump-log",
    style: Style::Options {
        options: OPTIONS,
        about: "This tool helps to parse a log file and dump its contents to the console, useful for debugging a seemingly corrupt log segment.",
        run,
    },
};

const OPTIONS: &[Opt] = &[
    terms::HELP,
    terms::VERSION,
    opt("files", Takes::Text, "files of a log directory, separated by commas"),
    opt("print-data-log", Takes::Nothing, "print keys and values of records"),
    opt("deep-iteration", Takes::Nothing, "print every record, not only batches"),
    opt("verify-index-only", Takes::Nothing, "only check indexes against their logs"),
    opt("index-sanity-check", Takes::Nothing, "only check whether indexes look sound"),
    opt("max-message-size", Takes::Integer, "size of the largest record; there is no bound to set here"),
    opt("max-bytes", Takes::Integer, "read batches up to so many bytes"),
    opt("value-decoder-class", Takes::Maybe, "what values are: StringDecoder, IntegerDecoder, LongDecoder"),
    opt("key-decoder-class", Takes::Maybe, "what keys are: StringDecoder, IntegerDecoder, LongDecoder"),
    opt("offsets-decoder", Takes::Nothing, "records are of __consumer_offsets"),
    opt("transaction-log-decoder", Takes::Nothing, "records are of __transaction_state"),
    opt("cluster-metadata-decoder", Takes::Nothing, "records are cluster metadata"),
    opt("remote-log-metadata-decoder", Takes::Nothing, "records are of tiered storage; not here"),
    opt("share-group-state-decoder", Takes::Nothing, "records are of __share_group_state"),
    opt("skip-record-metadata", Takes::Nothing, "no metadata of records, and no control records"),
];

fn run(read: &Read) -> Result<(), End> {
    required(read, &["files"])?;
    if read.has("remote-log-metadata-decoder") {
        say(
            "--remote-log-metadata-decoder is not part of Ottla: Kafka's own kafka-dump-log reads what tiered storage wrote",
        );
        return Err(End::Exit(1));
    }
    let files = read.value("files").map_err(wrong)?.unwrap_or_default();
    read.integer("max-message-size").map_err(wrong)?;
    let max_bytes = read.integer("max-bytes").map_err(wrong)?.filter(|bytes| *bytes != i32::MAX);
    let (key, value) = (plain(read, "key-decoder-class")?, plain(read, "value-decoder-class")?);
    // As Kafka's does: whoever names a decoder wants to see records.
    let classes = read.has("key-decoder-class") || read.has("value-decoder-class");
    let mut args =
        DumpArgs::of_files(files.split(',').filter(|name| !name.is_empty()).map(PathBuf::from).collect());
    args.deep_iteration = read.has("deep-iteration");
    args.print_data_log = read.has("print-data-log") || classes;
    args.cluster_metadata_decoder = read.has("cluster-metadata-decoder");
    args.offsets_decoder = read.has("offsets-decoder");
    args.transaction_log_decoder = read.has("transaction-log-decoder");
    args.share_group_state_decoder = read.has("share-group-state-decoder");
    args.skip_record_metadata = read.has("skip-record-metadata");
    args.index_sanity_check = read.has("index-sanity-check");
    args.verify_index_only = read.has("verify-index-only");
    args.max_bytes = max_bytes.map_or(u64::MAX, |bytes| u64::try_from(bytes).unwrap_or(0));
    args.plain = (key, value);
    Ok(dump::run(args)?)
}

/// The class by its last name, from whichever package of the years.
fn plain(read: &Read, option: &str) -> Result<Plain, End> {
    let class = read.value(option).map_err(wrong)?.unwrap_or("StringDecoder");
    match class.rsplit('.').next().unwrap_or(class) {
        "StringDecoder" | "DefaultDecoder" => Ok(Plain::Text),
        "IntegerDecoder" => Ok(Plain::Integer),
        "LongDecoder" => Ok(Plain::Long),
        _stranger => {
            say(format_args!(
                "{class} runs in a JVM; of decoders there are here org.apache.kafka.tools.api.StringDecoder, IntegerDecoder and LongDecoder"
            ));
            Err(End::Exit(1))
        }
    }
}
