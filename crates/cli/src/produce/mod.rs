//! `ottla produce` (and `ottla topic produce`): every line of standard input, or of files, becomes a record.

mod input;
mod sink;

use crate::args::ConnectArgs;
use crate::connect::{Cluster, block_on, unreadable};
use crate::consume::told_to_stop;
use crate::failure::{Exit, Failure, say};
use crate::format::unescape;
use crate::refusal::{exit_of, split};
use crate::serdes::{Encoding, WriteArgs};
use crate::time::spelled;
use clap::Args;
use client::{Acks, Compression, Delivery, ErrorCode, Header, Record, RecordMetadata, Str};
use input::Gate;
use sink::{Sink, none_counts};
use std::collections::VecDeque;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

const AFTER: &str = r#"Examples:
  echo hello | ottla produce greetings
  ottla produce orders --key-separator : orders.txt      # lines such as 42:three apples
  ottla produce orders --transactional-id load orders.txt        # all lines count, or none
  seq 1000 | ottla produce numbers --acks 1 --compression zstd --verbose
  echo '{"id":1}' | ottla produce orders --value-format avro --schema order.avsc     # by a schema in a registry

By a schema, lines are JSON: Avro's JSON encoding (a union's branch may be left untagged), Protobuf's JSON mapping, or what a
JSON Schema describes. The schema is registered under TOPIC-value unless --no-auto-register says otherwise; without --schema
it is the latest there. A line that does not fit ends the command; those before it are sent.

Each record's place goes to standard output with --verbose: TOPIC [PARTITION] at offset OFFSET"#;

/// Arguments of `ottla produce`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct ProduceArgs {
    /// Topic
    #[arg(value_name = "TOPIC")]
    topic: Str,
    /// Read these files instead of standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What stands between key and value; lines without it have no key
    #[arg(short = 'K', long, value_name = "TEXT", value_parser = text)]
    key_separator: Option<Text>,
    /// The key of every record
    #[arg(short = 'k', long, value_name = "TEXT", conflicts_with = "key_separator")]
    key: Option<String>,
    /// What stands between records
    #[arg(short = 'D', long, value_name = "TEXT", default_value = "\\n", value_parser = text)]
    delimiter: Text,
    /// A fixed partition
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// A header of every record; may be repeated
    #[arg(short = 'H', long, value_name = "NAME=VALUE", value_parser = header)]
    header: Vec<Header>,
    /// The codec of batches: none, gzip, snappy, lz4, zstd
    #[arg(short = 'z', long, value_name = "CODEC", value_parser = codec)]
    compression: Option<Compression>,
    /// Who must have a record: 0, 1, all
    #[arg(short = 'a', long, value_name = "WHO", value_parser = acks)]
    acks: Option<Acks>,
    /// All records in one transaction under this name: readers of committed records see all of them, or none
    #[arg(short = 't', long, value_name = "NAME", conflicts_with = "acks")]
    transactional_id: Option<Str>,
    /// Empty keys and values become null
    #[arg(short = 'Z', long)]
    null: bool,
    /// Print where each record went
    #[arg(short, long)]
    verbose: bool,
    #[command(flatten)]
    write: WriteArgs,
}

/// Deliveries that are looked at together: enough that waiting for the oldest does not stall the newest.
const DELIVERIES_IN_MIND: usize = 100_000;

/// How often outcomes are looked after while nothing is read.
const LOOK_UP: Duration = Duration::from_millis(100);

/// Bytes that were written with backslash escapes; never empty.
#[derive(Debug, Clone)]
struct Text(Vec<u8>);

fn text(text: &str) -> Result<Text, String> {
    let bytes = unescape(text)?;
    if bytes.is_empty() { Err("it is empty".to_owned()) } else { Ok(Text(bytes)) }
}

fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    Ok(Header { key: Str::from(name), value: value.map(|value| value.as_bytes().to_vec().into()) })
}

fn codec(name: &str) -> Result<Compression, String> {
    Compression::from_name(name).ok_or_else(|| "one of none, gzip, snappy, lz4, zstd".to_owned())
}

fn acks(name: &str) -> Result<Acks, String> {
    match name {
        "0" => Ok(Acks::None),
        "1" => Ok(Acks::Leader),
        "all" | "-1" => Ok(Acks::All),
        _other => Err("one of 0, 1, all".to_owned()),
    }
}

/// Produces until the input ends, or somebody asks to stop: what was read by then is still delivered.
pub fn run(mut args: ProduceArgs, connection: &ConnectArgs) -> Result<(), Failure> {
    let cluster = Cluster::new(connection)?;
    let mut options = cluster.producer_options()?;
    options.compression = args.compression.unwrap_or(options.compression);
    if let Some(acks) = args.acks {
        options.acks = acks;
        options.idempotent &= acks == Acks::All;
    }
    options.transactional_id = args.transactional_id.take().or(options.transactional_id);
    let mut inputs: VecDeque<Box<dyn std::io::Read + Send>> = VecDeque::new();
    for file in std::mem::take(&mut args.files) {
        inputs.push_back(Box::new(std::fs::File::open(&file).map_err(|error| unreadable(&file, &error))?));
    }
    if inputs.is_empty() {
        inputs.push_back(Box::new(std::io::stdin()));
    }
    block_on(async {
        let within = TOPIC_LIMIT.min(cluster.limit());
        let topic = args.topic.clone();
        let no_topic = |error| no_topic(&topic, within, error);
        let encoding = Encoding::new(&args.write, &topic).await?;
        if options.transactional_id.is_none() {
            let begin = async {
                let producer = cluster.connect().await?.producer().options(options).build()?;
                producer.find_topic(&topic, within).await.map_err(no_topic)?;
                Ok(producer)
            };
            let producer = cluster.within_limit(begin).await?;
            return Job::new(args, encoding, Sink::Each(producer)).run(inputs).await;
        }
        let begin = async {
            let builder = cluster.connect().await?.producer().options(options);
            let owner = builder.build_transactional().await?;
            owner.find_topic(&topic, within).await.map_err(no_topic)?;
            Ok(owner)
        };
        let mut owner = cluster.within_limit(begin).await?;
        let transaction = owner.begin().await?;
        Job::new(args, encoding, Sink::Together(transaction)).run(inputs).await
    })
}

/// How long a topic may take to appear: a cluster that creates by itself does so within a moment.
const TOPIC_LIMIT: Duration = Duration::from_secs(5);

/// How long records may wait before a word about it.
const FIRST_WARNING: Duration = Duration::from_secs(2);

/// How long a refusal waits for the end of the input, which tells it in full.
const FIRST_REFUSAL: Duration = Duration::from_secs(1);

fn no_topic(topic: &Str, within: Duration, error: client::Error) -> Failure {
    if error.code() != Some(ErrorCode::UnknownTopicOrPartition) {
        return error.into();
    }
    let why = format!("{}, and the cluster has not created it within {}", split(&error).1, spelled(within));
    Failure::new(format!("there is no topic {topic:?}"), why)
        .exit(Exit::NotFound)
        .try_this(format!("ottla topic create {topic}"))
}

struct Job<'a> {
    args: ProduceArgs,
    encoding: Encoding,
    sink: Sink<'a>,
    waiting: VecDeque<Delivery>,
    sent: u64,
    /// The first refusal: what is told at the end.
    refused: Option<client::Error>,
    refused_at: Option<Instant>,
    refusals: u64,
    /// The present standstill has been told.
    warned: bool,
    /// The first refusal has been told.
    told: bool,
}

impl<'a> Job<'a> {
    fn new(args: ProduceArgs, encoding: Encoding, sink: Sink<'a>) -> Job<'a> {
        Job {
            args,
            encoding,
            sink,
            waiting: VecDeque::new(),
            sent: 0,
            refused: None,
            refused_at: None,
            refusals: 0,
            warned: false,
            told: false,
        }
    }

    /// Everything that the inputs have, then the end of it.
    async fn run(mut self, inputs: VecDeque<Box<dyn std::io::Read + Send>>) -> Result<(), Failure> {
        match self.read_all(inputs).await {
            Ok(()) => self.finish().await,
            Err(failure) => {
                self.sink.give_up().await;
                Err(failure)
            }
        }
    }

    async fn read_all(&mut self, mut inputs: VecDeque<Box<dyn std::io::Read + Send>>) -> Result<(), Failure> {
        let topic = self.args.topic.clone();
        let gate = Arc::new(Gate::default());
        let mut stop = std::pin::pin!(told_to_stop());
        while let Some(input) = inputs.pop_front().filter(|_| !gate.is_closed()) {
            let mut reading = std::pin::pin!(self.read(input, &gate));
            tokio::select! {
                read = &mut reading => read?,
                () = &mut stop => {
                    gate.close();
                    tokio::select! {
                        read = &mut reading => read?,
                        () = told_to_stop() => return Err(interrupted(&topic, "with lines in hand")),
                    }
                }
            }
        }
        Ok(())
    }

    /// Hands over every line of the input; once the gate is closed, those that have been read, and no more.
    async fn read(
        &mut self,
        input: impl std::io::Read + Send + 'static,
        gate: &Arc<Gate>,
    ) -> Result<(), Failure> {
        let mut received = input::lines(input, self.args.delimiter.0.clone(), gate.clone());
        let mut look_up = tokio::time::interval(LOOK_UP);
        loop {
            tokio::select! {
                lines = received.recv() => {
                    let Some(lines) = lines else { return Ok(()) };
                    self.send(lines?).await?;
                    self.look(DELIVERIES_IN_MIND).await?;
                }
                // The thread waits for somebody to write: whatever it has read lies in the channel.
                () = gate.closed_while_waiting() => {
                    while let Ok(lines) = received.try_recv() {
                        self.send(lines?).await?;
                    }
                    return Ok(());
                }
                // What becomes of records is told while the input is silent, too.
                _ = look_up.tick() => {
                    self.look(DELIVERIES_IN_MIND).await?;
                    self.warn();
                }
            }
        }
    }

    async fn send(&mut self, lines: Vec<Vec<u8>>) -> Result<(), Failure> {
        for line in lines {
            let mut record = self.record(line);
            if let Err(failure) = self.encoding.encode(&mut record) {
                // What stood before it is good, and goes.
                if !self.sink.is_all_or_none() {
                    self.sink.flush().await;
                }
                return Err(failure);
            }
            let delivery = {
                let mut enqueued = std::pin::pin!(self.sink.enqueue(record));
                loop {
                    tokio::select! {
                        delivery = &mut enqueued => break delivery,
                        () = tokio::time::sleep(LOOK_UP) => warn(&self.sink, &mut self.warned),
                    }
                }
            };
            self.sent += 1;
            match delivery {
                Ok(delivery) => self.waiting.push_back(delivery),
                Err(error) if self.sink.is_all_or_none() => return Err(none_counts(&error)),
                // Too large, no such partition: this record's fate alone. Anything else is everybody's.
                Err(error @ client::Error::Refused { .. }) => self.note(Err(error))?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// While the input goes on: what the end would tell too late.
    fn warn(&mut self) {
        warn(&self.sink, &mut self.warned);
        let lasting = self.refused_at.is_some_and(|refused| refused.elapsed() >= FIRST_REFUSAL);
        if let Some(error) = self.refused.as_ref().filter(|_| lasting && !self.told) {
            self.told = true;
            say(format_args!("warning: a record was not stored: {error}; going on"));
        }
    }

    fn record(&self, line: Vec<u8>) -> Record {
        let args = &self.args;
        let filled = |bytes: Vec<u8>| if bytes.is_empty() && args.null { None } else { Some(bytes.into()) };
        let (key, value) = match &args.key_separator {
            Some(Text(separator)) => match find(&line, separator) {
                Some(at) => (filled(line[..at].to_vec()), filled(line[at + separator.len()..].to_vec())),
                None => (None, filled(line)),
            },
            None => (args.key.as_ref().map(|key| key.as_bytes().to_vec().into()), filled(line)),
        };
        Record {
            topic: args.topic.clone(),
            partition: args.partition,
            timestamp_ms: None,
            key,
            value,
            headers: args.header.clone(),
        }
    }

    /// Takes note of outcomes: of all that are known, and of more while there are too many.
    async fn look(&mut self, at_most: usize) -> Result<(), Failure> {
        while let Some(first) = self.waiting.front() {
            let outcome = match first.peek() {
                Some(outcome) => outcome,
                None if self.waiting.len() > at_most => first.clone().await,
                None => break,
            };
            self.waiting.pop_front();
            self.note(outcome)?;
        }
        Ok(())
    }

    fn note(&mut self, outcome: client::Result<RecordMetadata>) -> Result<(), Failure> {
        match outcome {
            Ok(stored) if self.args.verbose => {
                let mut out = std::io::stdout().lock();
                writeln!(out, "{} [{}] at offset {}", stored.topic, stored.partition, stored.offset)?;
            }
            Ok(_) => {}
            Err(error) if self.sink.is_all_or_none() => return Err(none_counts(&error)),
            Err(error) => {
                self.refusals += 1;
                self.refused_at.get_or_insert_with(Instant::now);
                self.refused.get_or_insert(error);
            }
        }
        Ok(())
    }

    /// Waits for what is on its way, and for no more than that: a second Ctrl-C ends it at once.
    async fn finish(mut self) -> Result<(), Failure> {
        let mut stop = std::pin::pin!(told_to_stop());
        loop {
            let flushed = tokio::select! {
                () = self.sink.flush() => true,
                () = &mut stop => {
                    let with = format!("with {} records on their way", self.waiting.len());
                    return Err(interrupted(&self.args.topic, &with));
                }
                () = tokio::time::sleep(LOOK_UP) => false,
            };
            let at_most = if flushed { 0 } else { DELIVERIES_IN_MIND };
            if let Err(failure) = self.look(at_most).await {
                self.sink.give_up().await;
                return Err(failure);
            }
            if flushed {
                break;
            }
            self.warn();
        }
        match &self.refused {
            None => self.sink.commit().await,
            Some(error) => {
                let exit = if self.refusals < self.sent { Exit::Partial } else { exit_of(error) };
                let what = match self.sent {
                    1 => "the record was not stored".to_owned(),
                    sent => format!("{} of {sent} records were not stored", self.refusals),
                };
                Err(Failure::new(what, split(error).1)
                    .exit(exit)
                    .try_this(format!("ottla topic describe {}", self.args.topic)))
            }
        }
    }
}

/// Told to stop for the second time.
fn interrupted(topic: &Str, with: &str) -> Failure {
    Failure::new("not every record is known to be stored", format!("it was interrupted {with}"))
        .exit(Exit::Partial)
        .try_this(format!("ottla topic offsets {topic}"))
}

/// Says once for each standstill why records wait.
fn warn(sink: &Sink<'_>, warned: &mut bool) {
    match sink.standstill() {
        Some(standstill) if !*warned && standstill.lasting >= FIRST_WARNING => {
            *warned = true;
            say(format_args!("warning: records wait: {}; still trying", standstill.error));
        }
        Some(_) => {}
        None => *warned = false,
    }
}

fn find(line: &[u8], separator: &[u8]) -> Option<usize> {
    line.windows(separator.len()).position(|window| window == separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_may_be_longer_than_a_letter() {
        assert_eq!(find(b"key::value", b"::"), Some(3));
        assert_eq!(find(b"key", b"::"), None);
    }
}
