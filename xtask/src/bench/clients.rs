//! Unmodified clients as load: librdkafka's `rdkafka_performance` and Kafka's own producer and consumer performance tools. What they
//! print is their throughput; what they cost the broker is read from its process.

use super::cell::{Cell, Figures, Run};
use super::contender::Running;
use super::load;
use super::measure::cpu_seconds;
use crate::oracle::Oracle;
use crate::process;
use crate::provision;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Records of 1 KiB, to four partitions.
const RECORDS: usize = 300_000;
const RECORD_BYTES: usize = 1024;
const PARTITIONS: i32 = 4;

pub fn librdkafka<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let program = rdkafka_performance(cell.workspace)?;
    let broker = cell.start()?;
    Ok(Box::new(move |run| {
        let topic = cell.topic("rdkafka", run);
        load::create(&broker.address(), &topic, PARTITIONS, &[])?;
        let (address, many) = (broker.address(), RECORDS.to_string());
        let size = RECORD_BYTES.to_string();
        let command = |arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.args(["-b", &address, "-t", &topic, "-c", &many]).args(arguments);
            command
        };
        let (produced, cpu_produce) = counted(&broker, || {
            let produce = &mut command(&[
                "-P",
                "-s",
                &size,
                "-a",
                "-1",
                "-X",
                "linger.ms=5",
                "-X",
                "queue.buffering.max.messages=500000",
            ]);
            let said = finish(cell.workspace, "bench-rdkafka-produce", produce)?;
            megabytes(&said, "msgs/s and ").context(said)
        })?;
        let (consumed, cpu_consume) = counted(&broker, || {
            let all: Vec<String> = (0..PARTITIONS).map(|partition| partition.to_string()).collect();
            let mut total = 0.0;
            // One partition after the other: the tool stops at a count, and every partition holds another.
            for partition in &all {
                let consume = &mut command(&["-C", "-p", partition, "-o", "beginning", "-e"]);
                let said = finish(cell.workspace, "bench-rdkafka-consume", consume)?;
                total += megabytes(&said, "msgs/s (").context(said)?;
            }
            Ok(total / all.len() as f64)
        })?;
        Ok(figures(produced, cpu_produce, consumed, cpu_consume))
    }))
}

pub fn java<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let oracle = Oracle::install(cell.workspace)?;
    let broker = cell.start()?;
    Ok(Box::new(move |run| {
        let topic = cell.topic("java", run);
        load::create(&broker.address(), &topic, PARTITIONS, &[])?;
        let (address, many) = (broker.address(), RECORDS.to_string());
        let (produced, cpu_produce) = counted(&broker, || {
            java_produces(cell.workspace, oracle.tool_java("512m", &[]), &address, &topic, "none")
        })?;
        let (consumed, cpu_consume) = counted(&broker, || {
            let mut command = oracle.tool_java("512m", &[]);
            command.args([
                "org.apache.kafka.tools.ConsumerPerformance",
                "--topic",
                &topic,
                "--num-records",
                &many,
            ]);
            command.args(["--bootstrap-server", &address, "--timeout", "60000"]);
            let said = finish(cell.workspace, "bench-java-consume", &mut command)?;
            fetched(&said).context(said)
        })?;
        Ok(figures(produced, cpu_produce, consumed, cpu_consume))
    }))
}

/// The codecs of `compression.type`, and the figure of each.
const CODECS: [(&str, &str); 5] = [
    ("none", "broker's CPU-s/GB, not compressed"),
    ("gzip", "broker's CPU-s/GB, gzip"),
    ("snappy", "broker's CPU-s/GB, snappy"),
    ("lz4", "broker's CPU-s/GB, lz4"),
    ("zstd", "broker's CPU-s/GB, zstd"),
];

/// Kafka's producer, idempotent as it is by default, with every codec: random capitals, which shrink to some six tenths. By GB of
/// record values.
pub fn codecs<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let oracle = Oracle::install(cell.workspace)?;
    let broker = cell.start()?;
    Ok(Box::new(move |run| {
        let gb = (RECORDS * RECORD_BYTES) as f64 / 1e9;
        let mut figures = Figures::new();
        for (codec, name) in CODECS {
            let (topic, address) = (cell.topic(codec, run), broker.address());
            load::create(&address, &topic, PARTITIONS, &[])?;
            let java = oracle.tool_java("512m", &[]);
            let (_, cpu) = counted(&broker, || java_produces(cell.workspace, java, &address, &topic, codec))?;
            figures.push((name, cpu / gb));
        }
        Ok(figures)
    }))
}

/// Kafka's producer performance tool; the MB/s that it prints.
fn java_produces(
    workspace: &Workspace,
    mut java: Command,
    address: &str,
    topic: &str,
    codec: &str,
) -> Result<f64> {
    java.args(["org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--throughput", "-1"]);
    java.args(["--num-records", &RECORDS.to_string(), "--record-size", &RECORD_BYTES.to_string()]);
    java.arg("--command-property").arg(format!("bootstrap.servers={address}"));
    java.args(["acks=all", "linger.ms=5"]).arg(format!("compression.type={codec}"));
    let said = finish(workspace, "bench-java-produce", &mut java)?;
    megabytes(&said, "records/sec (").context(said)
}

fn figures(produced: f64, cpu_produce: f64, consumed: f64, cpu_consume: f64) -> Figures {
    let gb = (RECORDS * RECORD_BYTES) as f64 / 1e9;
    vec![
        ("produce MB/s", produced),
        ("broker's CPU-s/GB of it", cpu_produce / gb),
        ("consume MB/s", consumed),
        ("broker's CPU-s/GB of that", cpu_consume / gb),
    ]
}

fn counted(broker: &Running, work: impl FnOnce() -> Result<f64>) -> Result<(f64, f64)> {
    let before = cpu_seconds(broker.id());
    let value = work()?;
    Ok((value, cpu_seconds(broker.id()) - before))
}

fn finish(workspace: &Workspace, name: &str, command: &mut Command) -> Result<String> {
    let log = workspace.scratch("test-logs")?.join(format!("{name}.log"));
    let finished = process::run(command, &log, Duration::from_secs(300))?;
    ensure!(finished.success, "{name}: {}: {}", finished.how, finished.tail(5));
    Ok(finished.output)
}

/// The number behind the last `mark`, before ` MB/s` or ` MB/sec`.
fn megabytes(said: &str, mark: &str) -> Option<f64> {
    let (_, behind) = said.rsplit_once(mark)?;
    behind.split_whitespace().next()?.parse().ok()
}

/// The last of the consumer's two lines: times, MB, MB/s, records, records/s, rebalance ms, fetch ms, MB/s of fetching …
fn fetched(said: &str) -> Option<f64> {
    let line = said.lines().rfind(|line| line.starts_with("20") && line.matches(", ").count() >= 7)?;
    line.split(", ").nth(8).or_else(|| line.split(", ").nth(3))?.trim().parse().ok()
}

/// The program's source is in Debian's package of the library's headers, the library's own in the npm package; the suites' copy of
/// that is not optimised.
fn rdkafka_performance(workspace: &Workspace) -> Result<PathBuf> {
    let home = workspace.scratch("test-tools")?.join("librdkafka-optimised");
    let options = "--disable-curl --disable-gssapi --enable-static";
    let program = "apt-get download librdkafka-dev && dpkg -x librdkafka-dev_*.deb debian && mkdir -p examples && \
        cp debian/usr/share/doc/librdkafka-dev/examples/rdkafka_performance.c examples && \
        gcc -O2 -Isrc -I. -o examples/rdkafka_performance examples/rdkafka_performance.c -Lsrc -lrdkafka \
        -Wl,-rpath,$PWD/src";
    provision::librdkafka(workspace, &home, options, program)?;
    Ok(home.join("examples/rdkafka_performance"))
}
