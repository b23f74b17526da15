//! The files on disk, both ways: `kafka-dump-log` reads what Ottla wrote, each broker serves the other's directory.
//!
//! `tests/disk/data.py` writes and takes inventory; two brokers on the same directory must print the same inventory,
//! after a clean stop and after `kill -9`. Owns the order of starts and stops.

use super::clients;
use super::workbench::Workbench;
use crate::broker::{Broker, Kind};
use crate::oracle::Oracle;
use crate::process::Finished;
use crate::tally::Tally;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `kafka-dump-log` says about a file that is not as it should be.
const COMPLAINTS: &[&str] = &[
    "isvalid: false",
    "mismatch",
    "Exception",
    "Could not",
    "corrupt",
    "out of order",
    "Mismatches",
    "not a valid",
    "rror",
];

/// Settings that make an index entry every kilobyte and let nothing be deleted while we look.
const SETTINGS: &[(&str, &str)] =
    &[("log.index.interval.bytes", "1024"), ("log.retention.check.interval.ms", "3600000")];

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    tally.absorb("a directory of Kafka", pass_on(bench, Kind::Kafka, bench.kind)?);
    tally.absorb("a directory of ours", pass_on(bench, bench.kind, Kind::Kafka)?);
    Ok(tally)
}

/// `from` writes a directory, `to` serves it; then `from` again, after a kill.
fn pass_on(bench: &Workbench, from: Kind, to: Kind) -> Result<Tally> {
    let mut tally = Tally::default();
    let directory = bench.workspace.scratch("brokers")?.join(format!("disk-{}", from.name()));
    let _ = std::fs::remove_dir_all(&directory);
    let on = |kind: Kind| Broker::start_on(&bench.workspace, kind, directory.clone(), SETTINGS);
    let name = |what: &str| format!("disk-{}-{what}", from.name());

    let mut broker = on(from)?;
    data(bench, &broker, &name("fill"), &["fill", "first"])?;
    let wanted = data(bench, &broker, &name("inventory-1"), &["inventory"])?;
    let stopped = broker.stop()?.is_some_and(|status| status.success() || status.code() == Some(143));
    tally.check(&format!("{} stops cleanly on SIGTERM", from.name()), stopped);
    if from != Kind::Kafka || bench.kind == Kind::Kafka {
        tally.absorb("kafka-dump-log", dump(bench, &broker.data())?);
    }

    let mut broker = on(to)?;
    let found = data(bench, &broker, &name("inventory-2"), &["inventory"])?;
    compare(&mut tally, &format!("served by {} after a clean stop", to.name()), &wanted, &found);
    data(bench, &broker, &name("more"), &["fill", "second"])?;
    let wanted = data(bench, &broker, &name("inventory-3"), &["inventory"])?;
    broker.kill()?;

    let mut broker = on(from)?;
    let found = data(bench, &broker, &name("inventory-4"), &["inventory"])?;
    compare(
        &mut tally,
        &format!("served by {} after {} was killed", from.name(), to.name()),
        &wanted,
        &found,
    );
    data(bench, &broker, &name("steady"), &["steady", "third"])?;
    let wanted = data(bench, &broker, &name("inventory-5"), &["inventory"])?;
    broker.kill()?;
    let steady = broker.data().join("third-steady-0/00000000000000000000.log");
    if from == Kind::Ottla {
        // Otherwise the next start would prove nothing about them.
        tally.check("a kill leaves zeros behind the batches of a steady flow", ends_in_zeros(&steady)?);
    }
    let mut broker = on(to)?;
    let found = data(bench, &broker, &name("inventory-6"), &["inventory"])?;
    compare(
        &mut tally,
        &format!("served by {} after {} was killed", to.name(), from.name()),
        &wanted,
        &found,
    );
    tally.check(&format!("{} leaves zeros behind the batches", to.name()), !ends_in_zeros(&steady)?);
    broker.stop()?;
    Ok(tally)
}

/// More of them at a file's end than a batch of random bytes may have.
fn ends_in_zeros(file: &Path) -> Result<bool> {
    let bytes = std::fs::read(file).with_context(|| file.display().to_string())?;
    Ok(bytes.ends_with(&[0; 64]))
}

/// Runs `data.py`; its lines without the last.
fn data(bench: &Workbench, broker: &Broker, name: &str, arguments: &[&str]) -> Result<Vec<String>> {
    let mut command = Command::new(clients::python_environment(bench)?);
    command
        .arg("-u")
        .arg(bench.workspace.root.join("tests/disk/data.py"))
        .arg(broker.address())
        .args(arguments);
    bench.lines(name, &mut command, 5, broker)
}

/// One check per line of the inventory.
fn compare(tally: &mut Tally, what: &str, wanted: &[String], found: &[String]) {
    for line in wanted {
        tally.check(&format!("{what}: {line}: not so"), found.contains(line));
    }
    for line in found.iter().filter(|line| !wanted.contains(line)) {
        tally.fail(format!("{what}: {line}: was not there before"));
    }
}

/// Every file of a data directory through `kafka-dump-log`, a few Java processes in all.
fn dump(bench: &Workbench, data: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    let files = files_of(data)?;
    let is = |path: &Path, ending: &str| path.extension().is_some_and(|extension| extension == ending);
    let inside = |path: &Path, name: &str| path.to_string_lossy().contains(name);
    let of = |ending: &'static str, pick: &dyn Fn(&Path) -> bool| -> Vec<PathBuf> {
        files.iter().filter(|path| is(path, ending) && pick(path)).cloned().collect()
    };
    let plain = |path: &Path| !inside(path, "__cluster_metadata") && !inside(path, "__consumer_offsets");
    let rounds: &[(&str, Vec<PathBuf>, &[&str])] = &[
        ("segments", of("log", &plain), &["--print-data-log", "--deep-iteration"]),
        ("offset indexes", of("index", &plain), &["--index-sanity-check"]),
        ("offset indexes against their segments", of("index", &plain), &["--verify-index-only"]),
        ("time indexes", of("timeindex", &plain), &[]),
        ("producer snapshots", of("snapshot", &plain), &[]),
        (
            "metadata log",
            of("log", &|path| inside(path, "__cluster_metadata")),
            &["--cluster-metadata-decoder"],
        ),
        ("committed offsets", of("log", &|path| inside(path, "__consumer_offsets")), &["--offsets-decoder"]),
    ];
    for (what, paths, flags) in rounds {
        if paths.is_empty() {
            tally.fail(format!("{what}: there is no such file below {}", data.display()));
            continue;
        }
        let finished = dump_files(bench, what, paths, flags)?;
        let complaint =
            finished.output.lines().find(|line| COMPLAINTS.iter().any(|word| line.contains(word)));
        let well = finished.success && complaint.is_none();
        tally.check(&format!("{what}: {}: {}", finished.how, complaint.unwrap_or_default()), well);
        let named = finished.output.lines().filter(|line| line.starts_with("Dumping ")).count();
        tally.check(&format!("{what}: {named} of {} files were read", paths.len()), named == paths.len());
    }
    Ok(tally)
}

fn dump_files(bench: &Workbench, what: &str, paths: &[PathBuf], flags: &[&str]) -> Result<Finished> {
    let list: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let mut command = Oracle::install(&bench.workspace)?.tool_java("512m", &[]);
    command.arg("org.apache.kafka.tools.DumpLogSegments").args(flags).arg("--files").arg(list.join(","));
    bench.run(&format!("dump-{}", what.replace(' ', "-")), &mut command, 3)
}

/// Every file below `data`, but for those of deleted topics.
fn files_of(data: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![data.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if !path.is_dir() {
                files.push(path);
            } else if !path.to_string_lossy().ends_with("-delete") {
                folders.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
