//! `ottla demo`: a throw-away node in this process, a million records through real sockets, every one of them checked.
//! Owns the workload and its checks: each record is stored once, in its key's partition, in order, unchanged, and the
//! group's committed offsets end where the log ends. A single mismatch fails the command.

use crate::args::{OutputArgs, OutputFormat};
use crate::connect::block_on;
use crate::failure::Failure;
use crate::output::{print_json, print_line};
use crate::refusal::{all_ok, finish};
use ::server::main_loop::{self, Running};
use ::server::properties::Properties;
use ::server::settings::Settings;
use clap::Args;
use client::admin::NewTopic;
use client::{
    Acks, Client, Compression, ConsumerRecord, Delivery, IsolationLevel, OffsetReset, OffsetSpec, Record,
    Str, TopicPartition, murmur2_partition,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const TOPIC: &str = "demo";
const GROUP: &str = "demo-readers";

/// A step without progress for so long is a failure.
const PATIENCE: Duration = Duration::from_secs(60);

const AFTER: &str = r#"JSON: an object
  {"records":1000000,"value_bytes":100,"partitions":4,"compression":"none","node_ready_ms":9.1,
   "produced_records_per_second":912000.0,"consumed_records_per_second":1210000.0,"mismatches":0}"#;

/// Arguments of `ottla demo`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct DemoArgs {
    /// Records
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    records: u32,
    /// Bytes of each value
    #[arg(short, long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(8..1_000_000))]
    size: u32,
    /// Partitions
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(i32).range(1..1000))]
    partitions: i32,
    /// The codec of batches: none, gzip, snappy, lz4, zstd
    #[arg(short = 'z', long, value_name = "CODEC", default_value = "none", value_parser = codec)]
    compression: Compression,
    #[command(flatten)]
    output: OutputArgs,
}

fn codec(name: &str) -> Result<Compression, String> {
    Compression::from_name(name).ok_or_else(|| "one of none, gzip, snappy, lz4, zstd".to_owned())
}

/// Runs the demo.
pub fn run(args: DemoArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let node = ThrowAwayNode::start()?;
    let ready = began.elapsed();
    let outcome = block_on(async {
        tokio::select! {
            outcome = work(&args, &node.address) => outcome,
            _ = tokio::signal::ctrl_c() => Err(Failure::new("the demo is not done", "it was interrupted")),
        }
    });
    node.stop();
    print_report(&args, ready, &outcome?)
}

/// A node on a free port, with its data in a directory of its own that goes when it goes.
struct ThrowAwayNode {
    running: Option<Running>,
    address: String,
    dir: PathBuf,
}

impl ThrowAwayNode {
    fn start() -> Result<ThrowAwayNode, Failure> {
        let unique = format!("ottla-demo-{}-{}", std::process::id(), client_seed());
        let dir = std::env::temp_dir().join(unique);
        let mut node = ThrowAwayNode { running: None, address: String::new(), dir };
        let settings = Settings::embedded("127.0.0.1:0", &node.dir.to_string_lossy(), Properties::default());
        let (settings, _warnings) = settings
            .map_err(|refused| Failure::new("the demo's configuration cannot be used", refused.why))?;
        let running = main_loop::start(&settings, None)
            .map_err(|error| Failure::new(error.what, error.why).try_this(error.hint))?;
        let bound = running.bound("PLAINTEXT").map(|address| address.to_string());
        let ready = running.wait_ready(PATIENCE);
        node.running = Some(running);
        node.address =
            bound.ok_or_else(|| Failure::new("the node does not listen", "it has no PLAINTEXT listener"))?;
        if !ready {
            return Err(Failure::new(
                "the node did not start",
                format!("not ready within {} s", PATIENCE.as_secs()),
            ));
        }
        Ok(node)
    }

    fn stop(mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
    }
}

impl Drop for ThrowAwayNode {
    fn drop(&mut self) {
        // Best effort: it lies in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn client_seed() -> u32 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos())
}

/// What was measured.
struct Report {
    produced_in: Duration,
    consumed_in: Duration,
}

async fn work(args: &DemoArgs, address: &str) -> Result<Report, Failure> {
    let client = Client::connect(address).await?;
    let topic = NewTopic::new(TOPIC).partitions(args.partitions);
    let (_created, failure) = all_ok(client.admin().create_topics(&[topic], false).await?);
    finish(failure)?;
    let produced_in = produce(args, &client).await?;
    let consumed_in = consume(args, &client).await?;
    check_group(args, &client).await?;
    Ok(Report { produced_in, consumed_in })
}

fn key(index: u32) -> Vec<u8> {
    format!("key-{index:010}").into_bytes()
}

/// The index, then bytes that follow from it.
fn value(index: u32, size: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(size as usize);
    bytes.extend_from_slice(&u64::from(index).to_be_bytes());
    let mut state = u64::from(index) ^ 0x9e37_79b9_7f4a_7c15;
    while bytes.len() < size as usize {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // Letters, so that a person can look at it.
        bytes.push(b'a' + ((state >> 58) % 26) as u8);
    }
    bytes
}

async fn produce(args: &DemoArgs, client: &Client) -> Result<Duration, Failure> {
    let bar = progress("producing", args.records);
    let producer = client
        .producer()
        .acks(Acks::All)
        .linger_ms(5)
        .batch_bytes(128 * 1024)
        .compression(args.compression)
        .build()?;
    let began = Instant::now();
    let mut deliveries: Vec<Delivery> = Vec::with_capacity(args.records as usize);
    for index in 0..args.records {
        let record = Record::new(TOPIC).key(key(index)).value(value(index, args.size));
        deliveries.push(producer.enqueue(record).await?);
        if index % 4096 == 0 {
            bar.set_position(u64::from(index));
            // Enqueuing rarely waits: let the sender have its turn.
            tokio::task::yield_now().await;
        }
    }
    producer.flush().await;
    let took = began.elapsed();
    let mut next: BTreeMap<i32, i64> = BTreeMap::new();
    for (index, delivery) in (0..).zip(deliveries) {
        let stored = delivery.await?;
        let home = murmur2_partition(&key(index), args.partitions);
        let expected = next.entry(home).or_default();
        if stored.partition != home || stored.offset != *expected {
            let why = format!(
                "partition {} offset {}, expected {home} and {expected}",
                stored.partition, stored.offset
            );
            return Err(mismatch(format!("record {index} was stored in the wrong place"), why));
        }
        *expected += 1;
    }
    producer.close().await;
    bar.finish_and_clear();
    Ok(took)
}

async fn consume(args: &DemoArgs, client: &Client) -> Result<Duration, Failure> {
    let bar = progress("consuming", args.records);
    let mut consumer = client
        .consumer(GROUP)
        .topics([TOPIC])
        .offset_reset(OffsetReset::Earliest)
        .property("max.poll.records", "10000")?
        .build()?;
    let began = Instant::now();
    let mut seen = Seen::new(args);
    while seen.count < args.records {
        let records = consumer.poll(PATIENCE).await?;
        if records.is_empty() {
            let why = format!(
                "{} of {} records came, then none for {} s",
                seen.count,
                args.records,
                PATIENCE.as_secs()
            );
            return Err(mismatch("records are missing", why));
        }
        records.iter().try_for_each(|record| seen.check(record))?;
        bar.set_position(u64::from(seen.count));
    }
    let took = began.elapsed();
    consumer.close().await?;
    bar.finish_and_clear();
    Ok(took)
}

/// What a reader must find: every record once, in order.
struct Seen {
    count: u32,
    size: u32,
    partitions: i32,
    /// Partition → the next offset and the index that must be greater than the last one.
    next: BTreeMap<i32, (i64, Option<u32>)>,
    /// One mark per record.
    marks: Vec<bool>,
}

impl Seen {
    fn new(args: &DemoArgs) -> Seen {
        Seen {
            count: 0,
            size: args.size,
            partitions: args.partitions,
            next: BTreeMap::new(),
            marks: vec![false; args.records as usize],
        }
    }

    fn check(&mut self, record: &ConsumerRecord) -> Result<(), Failure> {
        let place = format!("partition {} offset {}", record.partition, record.offset);
        let wrong = |why: &str| Err(mismatch(format!("a wrong record at {place}"), why));
        let Some(index) = record.value.as_deref().and_then(|value| value.first_chunk::<8>()) else {
            return wrong("its value is too short");
        };
        let Some(index) =
            u32::try_from(u64::from_be_bytes(*index)).ok().filter(|&i| (i as usize) < self.marks.len())
        else {
            return wrong("its value names a record that was never produced");
        };
        if record.key.as_deref() != Some(&key(index)) {
            return wrong("its key is not the one that was produced");
        }
        if record.value.as_deref() != Some(&value(index, self.size)) {
            return wrong("its value is not the one that was produced");
        }
        if record.partition != murmur2_partition(&key(index), self.partitions) {
            return wrong("its key belongs to another partition");
        }
        let (next_offset, last) = self.next.entry(record.partition).or_insert((0, None));
        if record.offset != *next_offset || last.is_some_and(|last| last >= index) {
            return wrong("it is out of order");
        }
        if std::mem::replace(&mut self.marks[index as usize], true) {
            return wrong("it came before");
        }
        *next_offset += 1;
        *last = Some(index);
        self.count += 1;
        Ok(())
    }
}

/// The group's offsets end where the log ends, and all logs together hold every record.
async fn check_group(args: &DemoArgs, client: &Client) -> Result<(), Failure> {
    let admin = client.admin();
    let wanted = (0..args.partitions).map(|index| (TopicPartition::new(TOPIC, index), OffsetSpec::Latest));
    let (ends, failure) =
        all_ok(admin.list_offsets(&wanted.collect(), IsolationLevel::ReadUncommitted).await);
    finish(failure)?;
    let (committed, failure) = all_ok(admin.group_offsets(&Str::from(GROUP)).await?);
    finish(failure)?;
    let committed: BTreeMap<TopicPartition, i64> =
        committed.into_iter().map(|(t, one)| (t, one.offset)).collect();
    let total: i64 = ends.iter().map(|(_, end)| end.offset).sum();
    if total != i64::from(args.records) {
        return Err(mismatch(
            "the log has another length",
            format!("{total} records, {} produced", args.records),
        ));
    }
    for (target, end) in ends {
        let offset = committed.get(&target).copied().unwrap_or(0);
        if offset != end.offset {
            let why = format!("{offset} is committed for {target}, which ends at {}", end.offset);
            return Err(mismatch("the group did not commit what it read", why));
        }
    }
    Ok(())
}

fn mismatch(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Failure {
    Failure::new(what, why).try_this("ottla demo again; if it stays, this is a bug: please report it")
}

/// A bar on a terminal, nothing elsewhere.
fn progress(what: &'static str, total: u32) -> ProgressBar {
    let target = if std::io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(u64::from(total)), target);
    let style = ProgressStyle::with_template("{prefix:>10} [{bar:40}] {pos}/{len} {per_sec} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_prefix(what);
    bar
}

fn print_report(args: &DemoArgs, ready: Duration, report: &Report) -> Result<(), Failure> {
    let record_bytes = f64::from(args.size) + key(0).len() as f64;
    let rate = |took: Duration| f64::from(args.records) / took.as_secs_f64().max(1e-9);
    let (produced, consumed) = (rate(report.produced_in), rate(report.consumed_in));
    if args.output.output == OutputFormat::Json {
        return Ok(print_json(&json!({
            "records": args.records,
            "value_bytes": args.size,
            "partitions": args.partitions,
            "compression": args.compression.name(),
            "node_ready_ms": ready.as_secs_f64() * 1000.0,
            "produced_records_per_second": produced.round(),
            "consumed_records_per_second": consumed.round(),
            "mismatches": 0,
        }))?);
    }
    let line = |what: &str, took: Duration, rate: f64| {
        let megabytes = rate * record_bytes / 1e6;
        format!("{what:<10} {:>8.2} s {rate:>12.0} records/s {megabytes:>8.1} MB/s", took.as_secs_f64())
    };
    print_line(&format!("node ready {:>8.0} ms", ready.as_secs_f64() * 1000.0))?;
    print_line(&line("produced", report.produced_in, produced))?;
    print_line(&line("consumed", report.consumed_in, consumed))?;
    print_line(&format!(
        "checked    {} records of {} bytes in {} partitions: every one there once, in order, unchanged",
        args.records, args.size, args.partitions
    ))?;
    Ok(())
}
