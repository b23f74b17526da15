//! The reference's cleaner as the oracle: both brokers clean a copy of one directory, every batch and record that survives must
//! be the same; then each serves what the other has left.
//!
//! `tests/compaction/data.py` writes and reads, `kafka-dump-log` prints the batches. Only what cannot be equal is left out of the
//! comparison: the time of a delete horizon (and the CRC over it), the compressed bytes of two implementations of one codec.

use super::clients;
use super::workbench::Workbench;
use crate::broker::{Broker, Kind};
use crate::oracle::Oracle;
use crate::process::pause;
use crate::tally::Tally;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Looks once at the start and then not for an hour.
const IDLE: &[(&str, &str)] =
    &[("log.cleaner.backoff.ms", "3600000"), ("log.retention.check.interval.ms", "3600000")];

/// Cleans at once; a map of 39,000 keys, so that one topic needs two rounds.
const CLEANING: &[(&str, &str)] = &[
    ("log.cleaner.backoff.ms", "200"),
    ("log.cleaner.dedupe.buffer.size", "1048577"),
    ("log.retention.check.interval.ms", "3600000"),
    ("log.flush.offset.checkpoint.interval.ms", "1000"),
];

/// How long the cleaning of a few megabytes may take.
const CLEANING_LIMIT: Duration = Duration::from_secs(90);

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let home = bench.workspace.scratch("brokers")?;
    let directories =
        [(Kind::Kafka, home.join("compaction-reference")), (bench.kind, home.join("compaction-tested"))];
    for (_, directory) in &directories {
        let _ = std::fs::remove_dir_all(directory);
    }
    let [(_, reference), (_, tested)] = &directories;
    // The records' time begins three hours ago: recent enough for producers not to be forgotten.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
    let start = (now - 3 * 3_600_000).to_string();
    let mut broker = Broker::start_on(&bench.workspace, Kind::Kafka, reference.clone(), IDLE)?;
    data(bench, &broker, "fill", &start)?;
    broker.stop()?;
    copy(&reference.join("data"), &tested.join("data"))?;
    for round in ["first", "second"] {
        let mut left = Vec::new();
        for (kind, directory) in &directories {
            if round == "second" {
                let mut broker = Broker::start_on(&bench.workspace, *kind, directory.clone(), IDLE)?;
                data(bench, &broker, "more", &start)?;
                broker.stop()?;
            }
            let mut broker = Broker::start_on(&bench.workspace, *kind, directory.clone(), CLEANING)?;
            until_clean(&broker.data(), round)
                .with_context(|| format!("{}, see {}", kind.name(), broker.log().display()))?;
            broker.stop()?;
            left.push(dump(bench, &directory.join("data"), &format!("{}-{round}", kind.name()))?);
        }
        if let [wanted, found] = left.as_slice() {
            compare(&mut tally, round, wanted, found);
        }
        compare_transactions(&mut tally, round, reference, tested)?;
    }
    // Each on what the other has cleaned.
    let mut read = Vec::new();
    for (kind, directory) in [(Kind::Kafka, tested), (bench.kind, reference)] {
        let mut broker = Broker::start_on(&bench.workspace, kind, directory.clone(), IDLE)?;
        read.push(data(bench, &broker, "inventory", &start)?);
        broker.stop()?;
    }
    if let [by_reference, by_tested] = read.as_slice() {
        for (wanted, found) in by_reference.iter().zip(by_tested) {
            tally.check(
                &format!("read from each other's directory: {wanted} against {found}"),
                wanted == found,
            );
        }
    }
    Ok(tally)
}

/// Runs `data.py`; its lines without the last.
fn data(bench: &Workbench, broker: &Broker, what: &str, start: &str) -> Result<Vec<String>> {
    let mut command = Command::new(clients::python_environment(bench)?);
    command
        .arg("-u")
        .arg(bench.workspace.root.join("tests/compaction/data.py"))
        .arg(broker.address())
        .args([what, start]);
    bench.lines(&format!("compaction-{what}"), &mut command, 5, broker)
}

/// Waits until the cleaner's checkpoint says of every topic that all before its active segment is clean.
fn until_clean(data: &Path, round: &str) -> Result<()> {
    let started = Instant::now();
    loop {
        let dirty = dirty(data)?;
        match dirty.first() {
            None => return Ok(()),
            Some(_) if started.elapsed() < CLEANING_LIMIT => pause(Duration::from_millis(100)),
            Some(first) => bail!("the {round} cleaning does not come to its end: {first}"),
        }
    }
}

fn dirty(data: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(data.join("cleaner-offset-checkpoint")).unwrap_or_default();
    let mut cleaned = BTreeMap::new();
    for line in text.lines().skip(2) {
        if let [topic, partition, offset] = line.split(' ').collect::<Vec<_>>().as_slice() {
            cleaned.insert(format!("{topic}-{partition}"), offset.parse::<i64>()?);
        }
    }
    let mut dirty = Vec::new();
    for partition in partitions(data)? {
        let name = partition.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let files = files(&partition, "log")?;
        let active = files.last().and_then(|path| path.file_stem()?.to_str()?.parse::<i64>().ok());
        if cleaned.get(&name).copied() != active {
            dirty.push(format!("{name} is clean up to {:?} of {active:?}", cleaned.get(&name)));
        }
    }
    Ok(dirty)
}

/// The directories of the topics that `data.py` makes.
fn partitions(data: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(data).with_context(|| data.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name.ends_with("-0") && !name.starts_with("__") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn files(directory: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// All batches and records of all segments, by file, as `kafka-dump-log` prints them.
fn dump(bench: &Workbench, data: &Path, name: &str) -> Result<BTreeMap<String, Vec<String>>> {
    let mut paths = Vec::new();
    for partition in partitions(data)? {
        paths.extend(files(&partition, "log")?);
    }
    let list: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let mut command = Oracle::install(&bench.workspace)?.tool_java("512m", &[]);
    command.args([
        "org.apache.kafka.tools.DumpLogSegments",
        "--print-data-log",
        "--deep-iteration",
        "--files",
    ]);
    command.arg(list.join(","));
    let finished = bench.run(&format!("compaction-dump-{name}"), &mut command, 3)?;
    ensure!(finished.success, "kafka-dump-log: {}: {}", finished.how, finished.tail(4));
    let mut dumped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut lines = None;
    for line in finished.output.lines() {
        if let Some(path) = line.strip_prefix("Dumping ") {
            let path = Path::new(path);
            let partition = path.parent().and_then(Path::file_name).unwrap_or_default();
            let file = path.file_name().unwrap_or_default();
            let key = format!("{}/{}", partition.to_string_lossy(), file.to_string_lossy());
            let codec = ["gzip", "snappy", "lz4", "zstd"].iter().any(|codec| key.starts_with(codec));
            lines = Some((dumped.entry(key).or_default(), codec));
        } else if let Some((lines, codec)) = &mut lines
            && (line.starts_with("baseOffset:") || line.starts_with("| "))
        {
            lines.push(comparable(line, *codec));
        }
    }
    Ok(dumped)
}

/// A line without what two cleaners cannot have in common. `codec`: the topic's batches are compressed.
fn comparable(line: &str, codec: bool) -> String {
    let horizon = line.contains("deleteHorizonMs: OptionalLong[");
    let compressed = line.contains("compresscodec: ") && !line.contains("compresscodec: none");
    let mut words: Vec<&str> = line.split(' ').collect();
    for at in 1..words.len() {
        let hidden = match words.get(at - 1).copied().unwrap_or_default() {
            "deleteHorizonMs:" => horizon,
            // The leader epoch of a restart: one broker may have been started once more.
            "partitionLeaderEpoch:" => true,
            "crc:" => horizon || compressed,
            "size:" => compressed,
            "position:" => codec,
            _ => false,
        };
        if let Some(word) = words.get_mut(at).filter(|_| hidden) {
            *word = "*";
        }
    }
    words.join(" ")
}

/// One check per segment: same names, same batches, same records.
fn compare(
    tally: &mut Tally,
    round: &str,
    wanted: &BTreeMap<String, Vec<String>>,
    found: &BTreeMap<String, Vec<String>>,
) {
    for (file, lines) in wanted {
        let Some(ours) = found.get(file) else {
            tally.fail(format!("{round} cleaning: {file} is there after the reference's, not after ours"));
            continue;
        };
        let differs = lines.iter().zip(ours).position(|(a, b)| a != b);
        let at = differs.unwrap_or(lines.len().min(ours.len()));
        let text = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "the end".to_owned());
        tally.check(
            &format!("{round} cleaning: {file}: wanted {}, found {}", text(lines), text(ours)),
            lines == ours,
        );
    }
    for file in found.keys().filter(|file| !wanted.contains_key(*file)) {
        tally.fail(format!("{round} cleaning: {file} is there after ours, not after the reference's"));
    }
}

/// The indexes of aborted transactions, byte for byte.
fn compare_transactions(tally: &mut Tally, round: &str, reference: &Path, tested: &Path) -> Result<()> {
    let all = |home: &Path| -> Result<BTreeMap<PathBuf, Vec<u8>>> {
        let mut found = BTreeMap::new();
        for partition in partitions(&home.join("data"))? {
            for file in files(&partition, "txnindex")? {
                let bytes = std::fs::read(&file)?;
                if !bytes.is_empty() {
                    found.insert(file.strip_prefix(home)?.to_owned(), bytes);
                }
            }
        }
        Ok(found)
    };
    let (wanted, found) = (all(reference)?, all(tested)?);
    let (ours, theirs) = (found.keys(), wanted.keys());
    tally.check(
        &format!("{round} cleaning: aborted transactions: wanted {theirs:?}, found {ours:?}"),
        wanted == found,
    );
    Ok(())
}

/// A directory with all in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| from.display().to_string())? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy(&path, &target)?;
        } else {
            std::fs::copy(&path, &target)?;
        }
    }
    Ok(())
}
