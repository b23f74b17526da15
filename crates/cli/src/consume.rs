//! `ottla consume` (and `ottla topic consume`): prints records, of chosen partitions or as a member of a group.

use crate::args::ConnectArgs;
use crate::connect::{block_on, connect, properties};
use crate::failure::{Exit, Failure};
use crate::format::{Format, unescape};
use crate::time::parse_time_ms;
use clap::Args;
use client::{
    Client, Consumer, ConsumerOptions, ConsumerRecord, IsolationLevel, OffsetReset, OffsetSpec, Str,
    TimestampType, TopicPartition,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::time::Duration;

/// Arguments of `ottla consume`.
#[derive(Debug, Args)]
pub struct ConsumeArgs {
    /// Topics
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<Str>,
    /// Where to begin: beginning, end, an offset, -N (before the end), s@TIME; and e@TIME, where to stop
    #[arg(short, long, value_name = "WHERE", allow_hyphen_values = true, value_parser = place)]
    offset: Vec<Place>,
    /// Begin with the first record
    #[arg(long, conflicts_with = "offset")]
    from_beginning: bool,
    /// Partitions; all without it
    #[arg(short, long, value_name = "N", value_delimiter = ',', conflicts_with = "group")]
    partition: Vec<i32>,
    /// Read as a member of this group, and commit
    #[arg(short, long, value_name = "GROUP")]
    group: Option<Str>,
    /// Stop after so many records
    #[arg(short = 'n', long, visible_short_alias = 'c', value_name = "N")]
    max_records: Option<u64>,
    /// Stop at what was the end when reading began
    #[arg(short, long)]
    exit_at_end: bool,
    /// Stop when nothing has come for so long
    #[arg(long, value_name = "MS")]
    timeout_ms: Option<u64>,
    /// Only records of committed transactions
    #[arg(long)]
    read_committed: bool,
    #[command(flatten)]
    shape: ShapeArgs,
}

/// How records are printed.
#[derive(Debug, Args)]
struct ShapeArgs {
    /// A format as kcat has it, such as '%t[%p]@%o %k: %s\n'
    #[arg(short, long, value_name = "FORMAT", conflicts_with_all = ["json", "key_separator"])]
    format: Option<String>,
    /// One JSON object per record
    #[arg(short = 'J', long)]
    json: bool,
    /// Print the key, this text, then the value
    #[arg(short = 'K', long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// Print the key before the value
    #[arg(long)]
    print_key: bool,
    /// Print the timestamp first
    #[arg(long)]
    print_timestamp: bool,
    /// Print the partition
    #[arg(long)]
    print_partition: bool,
    /// Print the offset
    #[arg(long)]
    print_offset: bool,
    /// Print headers
    #[arg(long)]
    print_headers: bool,
    /// Print nothing of the value
    #[arg(long)]
    no_value: bool,
    /// What stands between records
    #[arg(short = 'D', long, value_name = "TEXT", default_value = "\\n")]
    delimiter: String,
    /// What stands for a null key or value
    #[arg(short = 'Z', long, value_name = "TEXT", default_value = "", num_args = 0..=1, default_missing_value = "NULL")]
    null: String,
}

/// Where to begin or to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Beginning,
    End,
    Stored,
    At(i64),
    BeforeEnd(i64),
    Since(i64),
    Until(i64),
}

fn place(text: &str) -> Result<Place, String> {
    let wrong = || "write beginning, end, stored, an offset, -N, s@TIME or e@TIME".to_owned();
    match text {
        "beginning" | "earliest" | "start" => return Ok(Place::Beginning),
        "end" | "latest" => return Ok(Place::End),
        "stored" => return Ok(Place::Stored),
        _other => {}
    }
    if let Some(time) = text.strip_prefix("s@") {
        return parse_time_ms(time).map(Place::Since).ok_or_else(wrong);
    }
    if let Some(time) = text.strip_prefix("e@") {
        return parse_time_ms(time).map(Place::Until).ok_or_else(wrong);
    }
    match text.parse::<i64>() {
        Ok(offset) if offset >= 0 => Ok(Place::At(offset)),
        Ok(back) => Ok(Place::BeforeEnd(-back)),
        Err(_) => Err(wrong()),
    }
}

/// Prints until told to stop.
pub fn run(args: ConsumeArgs, connection: &ConnectArgs) -> Result<(), Failure> {
    let printer = Printer::new(&args.shape)?;
    block_on(async {
        let mut options = ConsumerOptions::default();
        for (key, value) in properties(connection)? {
            options.set(&key, &value)?;
        }
        options.group_id = args.group.clone().or(options.group_id);
        // Printing must not create what it looks for.
        options.allow_auto_create_topics = false;
        let most = usize::try_from(args.max_records.unwrap_or(u64::MAX)).unwrap_or(usize::MAX);
        options.max_poll_records = options.max_poll_records.max(10_000).min(most.max(1));
        if args.read_committed {
            options.isolation = IsolationLevel::ReadCommitted;
        }
        let client = connect(connection).await?;
        let job = Job { client, args, options, printer };
        job.run().await
    })
}

struct Job {
    client: Client,
    args: ConsumeArgs,
    options: ConsumerOptions,
    printer: Printer,
}

/// Offsets at which partitions are done.
type Ends = BTreeMap<TopicPartition, i64>;

impl Job {
    async fn run(mut self) -> Result<(), Failure> {
        let targets = self.targets().await?;
        let ends = self.ends(&targets).await?;
        let begin = if self.args.from_beginning { Some(Place::Beginning) } else { self.begin() };
        if begin == Some(Place::Beginning) {
            self.options.offset_reset = OffsetReset::Earliest;
        }
        let builder = match &self.options.group_id {
            Some(group) => self.client.consumer(group.clone()),
            None => self.client.reader(),
        };
        let builder = builder.options(self.options.clone());
        let consumer = match &self.options.group_id {
            Some(_) => builder.topics(self.args.topics.iter().cloned()).build()?,
            None => {
                let consumer = builder.partitions(targets.iter().cloned()).build()?;
                self.seek(&consumer, begin, &targets).await?;
                consumer
            }
        };
        self.print_all(consumer, ends).await
    }

    fn begin(&self) -> Option<Place> {
        self.args.offset.iter().copied().find(|place| !matches!(place, Place::Until(_)))
    }

    /// Every partition of the topics, or those chosen.
    async fn targets(&self) -> Result<Vec<TopicPartition>, Failure> {
        let mut described = self.client.admin().describe_topics(&self.args.topics).await?;
        let mut targets = Vec::new();
        for name in &self.args.topics {
            let topic = described.remove(name).unwrap_or_else(|| unreachable!("it was asked for"))?;
            let all: Vec<i32> = (0..topic.partition_count()).collect();
            let chosen = if self.args.partition.is_empty() { &all } else { &self.args.partition };
            for &partition in chosen {
                if topic.partition(partition).is_none() {
                    let why = format!("topic {name:?} has {} partitions", all.len());
                    return Err(Failure::new(format!("no partition {partition}"), why).exit(Exit::NotFound));
                }
                targets.push(TopicPartition::new(name.clone(), partition));
            }
        }
        Ok(targets)
    }

    /// Where to stop, if anywhere: at the present end, or at a time.
    async fn ends(&self, targets: &[TopicPartition]) -> Result<Option<Ends>, Failure> {
        let until = self.args.offset.iter().find_map(|place| match place {
            Place::Until(ms) => Some(*ms),
            Place::Beginning
            | Place::End
            | Place::Stored
            | Place::At(_)
            | Place::BeforeEnd(_)
            | Place::Since(_) => None,
        });
        if until.is_none() && !self.args.exit_at_end {
            return Ok(None);
        }
        let mut ends = self.list(targets, OffsetSpec::Latest).await?;
        if let Some(ms) = until {
            for (target, offset) in self.list(targets, OffsetSpec::Timestamp(ms)).await? {
                if offset >= 0 {
                    ends.insert(target, offset);
                }
            }
        }
        Ok(Some(ends))
    }

    async fn list(&self, targets: &[TopicPartition], spec: OffsetSpec) -> Result<Ends, Failure> {
        let wanted = targets.iter().map(|target| (target.clone(), spec)).collect();
        let listed = self.client.admin().list_offsets(&wanted, self.options.isolation).await;
        listed.into_iter().map(|(target, found)| Ok((target, found?.offset))).collect()
    }

    async fn seek(
        &self,
        consumer: &Consumer,
        begin: Option<Place>,
        targets: &[TopicPartition],
    ) -> Result<(), Failure> {
        let ends = match begin {
            Some(Place::BeforeEnd(_)) => self.list(targets, OffsetSpec::Latest).await?,
            Some(_) | None => Ends::new(),
        };
        let begins = match begin {
            Some(Place::BeforeEnd(_)) => self.list(targets, OffsetSpec::Earliest).await?,
            Some(_) | None => Ends::new(),
        };
        for target in targets {
            match begin {
                None | Some(Place::Stored | Place::Until(_)) => {}
                Some(Place::Beginning) => consumer.seek_to(target, OffsetSpec::Earliest)?,
                Some(Place::End) => consumer.seek_to(target, OffsetSpec::Latest)?,
                Some(Place::At(offset)) => consumer.seek(target, offset)?,
                Some(Place::BeforeEnd(back)) => {
                    consumer.seek(target, (ends[target] - back).max(begins[target]))?
                }
                Some(Place::Since(ms)) => consumer.seek_to(target, OffsetSpec::Timestamp(ms))?,
            }
        }
        Ok(())
    }

    async fn print_all(&self, mut consumer: Consumer, ends: Option<Ends>) -> Result<(), Failure> {
        let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
        let mut left = self.args.max_records.unwrap_or(u64::MAX);
        let idle = self.args.timeout_ms.map_or(Duration::MAX, Duration::from_millis);
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        let outcome = loop {
            if left == 0 || ends.as_ref().is_some_and(|ends| is_done(&consumer, ends)) {
                break Ok(());
            }
            // A short wait where the end may be reached without another record: control batches count too.
            let wait =
                if ends.is_some() { Duration::from_millis(100) } else { idle.min(Duration::from_secs(3600)) };
            let records = tokio::select! {
                records = consumer.poll(wait) => records?,
                _ = &mut interrupted => break Ok(()),
            };
            if records.is_empty() && ends.is_none() && self.args.timeout_ms.is_some() {
                break Ok(());
            }
            let printed = self.print_some(&consumer, &records, ends.as_ref(), left, &mut out);
            match printed.and_then(|count| out.flush().map(|()| count)) {
                Ok(count) => left -= count,
                // Without closing: what nobody could read must not be committed.
                Err(error) => return Err(Failure::from(error)),
            }
        };
        consumer.close().await?;
        outcome
    }

    /// Prints what is wanted of these records, and goes back before the first of each partition that is not.
    fn print_some(
        &self,
        consumer: &Consumer,
        records: &[ConsumerRecord],
        ends: Option<&Ends>,
        left: u64,
        out: &mut impl Write,
    ) -> io::Result<u64> {
        let mut count = 0;
        let mut unwanted = Ends::new();
        for record in records {
            let target = TopicPartition::new(record.topic.clone(), record.partition);
            let past_end = ends.and_then(|ends| ends.get(&target)).is_some_and(|&end| record.offset >= end);
            if past_end || count == left {
                unwanted.entry(target).or_insert(record.offset);
                continue;
            }
            self.printer.print(out, record)?;
            count += 1;
        }
        for (target, offset) in unwanted {
            // Revoked meanwhile: then its position is no longer ours to keep.
            let _gone = consumer.seek(&target, offset);
        }
        Ok(count)
    }
}

/// In a group only the partitions that this member has count.
fn is_done(consumer: &Consumer, ends: &Ends) -> bool {
    let assigned = consumer.assignment();
    let reached = |target: &TopicPartition| {
        consumer.position(target).is_some_and(|position| ends.get(target).is_none_or(|&end| position >= end))
    };
    !assigned.is_empty() && assigned.iter().all(reached)
}

/// One of the ways to print a record.
enum Printer {
    Format(Format),
    Json { delimiter: Vec<u8> },
}

impl Printer {
    fn new(args: &ShapeArgs) -> Result<Printer, Failure> {
        let wrong = |what: &str, why: String| {
            Failure::usage(format!("{what} is wrong"), why).try_this("ottla help consume")
        };
        if args.json {
            let delimiter = unescape(&args.delimiter).map_err(|why| wrong("--delimiter", why))?;
            return Ok(Printer::Json { delimiter });
        }
        let text = args.format.clone().unwrap_or_else(|| args.as_format());
        Ok(Printer::Format(Format::parse(&text, &args.null).map_err(|why| wrong("the format", why))?))
    }

    fn print(&self, out: &mut impl Write, record: &ConsumerRecord) -> io::Result<()> {
        match self {
            Printer::Format(format) => format.write(out, record),
            Printer::Json { delimiter } => {
                serde_json::to_writer(&mut *out, &envelope(record))?;
                out.write_all(delimiter)
            }
        }
    }
}

impl ShapeArgs {
    /// The single switches as one format, in the order of Kafka's console consumer.
    fn as_format(&self) -> String {
        let mut parts = Vec::new();
        if self.print_timestamp {
            parts.push("%T".to_owned());
        }
        if self.print_partition {
            parts.push("Partition:%p".to_owned());
        }
        if self.print_offset {
            parts.push("Offset:%o".to_owned());
        }
        if self.print_headers {
            parts.push("%h".to_owned());
        }
        let separator = self.key_separator.as_deref().map(|text| text.replace('%', "%%"));
        if self.print_key && separator.is_none() {
            parts.push("%k".to_owned());
        }
        let value = if self.no_value { "" } else { "%s" };
        match separator {
            Some(separator) => parts.push(format!("%k{separator}{value}")),
            None if self.no_value => {}
            None => parts.push(value.to_owned()),
        }
        format!("{}{}", parts.join("\\t"), self.delimiter)
    }
}

/// Keys and values as text where they are UTF-8, else as hexadecimal digits under another name.
fn envelope(record: &ConsumerRecord) -> Value {
    let mut object = json!({
        "topic": record.topic.as_str(),
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp_ms,
        "timestamp_type": match record.timestamp_type {
            TimestampType::CreateTime => "create",
            TimestampType::LogAppendTime => "append",
        },
        "headers": record.headers.iter().map(|header| json!({
            "key": header.key.as_str(),
            "value": header.value.as_ref().map(|value| String::from_utf8_lossy(value)),
        })).collect::<Vec<_>>(),
    });
    for (name, bytes) in [("key", &record.key), ("value", &record.value)] {
        match bytes.as_deref().map(std::str::from_utf8) {
            None => object[name] = Value::Null,
            Some(Ok(text)) => object[name] = json!(text),
            Some(Err(_)) => {
                let hex: String = bytes.iter().flatten().map(|byte| format!("{byte:02x}")).collect();
                object[format!("{name}_hex")] = json!(hex);
            }
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_kcat_writes_them() {
        let cases = [
            ("beginning", Place::Beginning),
            ("end", Place::End),
            ("42", Place::At(42)),
            ("-5", Place::BeforeEnd(5)),
            ("s@1000", Place::Since(1000)),
            ("e@2026-01-01", Place::Until(1_767_225_600_000)),
        ];
        for (text, expected) in cases {
            assert_eq!(place(text), Ok(expected), "{text}");
        }
        assert!(place("middle").is_err());
    }
}
