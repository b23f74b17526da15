//! `kafka-console-consumer`: records to standard output. Owns the options, when reading ends and what is told then; how a record is
//! printed is `message_formatter.rs`'s, the reading the client's.

use super::client_options::{self, Pairs, typed_pairs};
use super::joptsimple::{Opt, Read, Takes, opt};
use super::message_formatter::Formatter;
use super::script::{Script, Style};
use super::terms::{self, End, Fault, required, wrong};
use super::words::print_line;
use crate::connect::{Cluster, block_on};
use crate::consume::told_to_stop;
use crate::failure::{Failure, say};
use client::{Client, Consumer, ConsumerOptions, ConsumerRecord, OffsetSpec, Str, TopicPartition};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The script.
pub const SCRIPT: Script = Script {
    name: "kafka-console-consumer",
    style: Style::Options {
        options: OPTIONS,
        about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
        run,
    },
};

const OPTIONS: &[Opt] = &[
    terms::BOOTSTRAP,
    terms::HELP,
    terms::VERSION,
    opt("topic", Takes::Text, "the topic to read"),
    opt("include", Takes::Text, "a regular expression: all topics of such names"),
    opt("partition", Takes::Integer, "one partition, without a group"),
    opt("offset", Takes::Text, "where to begin in it: earliest, latest or a number"),
    opt("from-beginning", Takes::Nothing, "where nothing is committed, begin with the first record"),
    opt("max-messages", Takes::Integer, "end after so many records"),
    opt("timeout-ms", Takes::Long, "end when nothing has come for so long"),
    opt("skip-message-on-error", Takes::Nothing, "go on behind a record that cannot be printed"),
    opt("group", Takes::Text, "the consumer group"),
    opt("isolation-level", Takes::Text, "read_committed or read_uncommitted"),
    opt("enable-systest-events", Takes::Nothing, "say when it has ended"),
    opt(
        "formatter",
        Takes::Text,
        "the class that prints records, such as org.apache.kafka.tools.consumer.DefaultMessageFormatter",
    ),
    opt("formatter-property", Takes::Text, "how it prints: print.key=true, key.separator=:, ..."),
    opt("property", Takes::Text, "--formatter-property, by its old name"),
    opt("formatter-config", Takes::Text, "a file of such properties"),
    opt(
        "key-deserializer",
        Takes::Text,
        "what keys are, such as org.apache.kafka.common.serialization.LongDeserializer",
    ),
    opt("value-deserializer", Takes::Text, "what values are"),
    opt("consumer-property", Takes::Text, "--command-property, by its old name"),
    opt("command-property", Takes::Text, "a consumer's property, KEY=VALUE"),
    opt("consumer.config", Takes::Text, "--command-config, by its old name"),
    terms::COMMAND_CONFIG,
];

/// How long one look waits for records, so that signals and times are heard between.
const LOOK: Duration = Duration::from_millis(100);

/// How often topics that a pattern may fit are looked for.
const NEW_TOPICS: Duration = Duration::from_secs(5);

/// What to read.
enum Source {
    Topic(Str),
    Pattern(regex_lite::Regex),
    Partition(TopicPartition, Begin),
}

#[derive(Clone, Copy)]
enum Begin {
    At(OffsetSpec),
    Offset(i64),
}

/// When to end.
struct Bounds {
    records: Option<u64>,
    silence: Option<Duration>,
}

fn run(read: &Read) -> Result<(), End> {
    client_options::one_of(read, "Option", "command-property", "consumer-property")?;
    client_options::one_of(read, "Option", "command-config", "consumer.config")?;
    client_options::one_of(read, "Option", "formatter-property", "property")?;
    let source = source(read)?;
    required(read, &["bootstrap-server"])?;
    let properties = properties(read)?;
    let source = with_offset(read, source)?;
    let bounds = Bounds {
        records: read.integer("max-messages").map_err(wrong)?.and_then(|most| u64::try_from(most).ok()),
        silence: read
            .long("timeout-ms")
            .map_err(wrong)?
            .and_then(|ms| u64::try_from(ms).ok())
            .map(Duration::from_millis),
    };
    let formatter = formatter(read)?;
    let cluster = Cluster::new(&client_options::connection(
        read,
        &["consumer.config", "command-config"],
        &properties,
    )?)?;
    let options = cluster.consumer_options()?;
    let skip = read.has("skip-message-on-error");
    let ended = block_on(async {
        let client = cluster.connect().await?;
        Ok::<_, Failure>(consume(&client, options, source, &bounds, &formatter, skip).await)
    })?;
    if read.has("enable-systest-events") {
        print_line("shutdown_complete")?;
    }
    ended
}

fn source(read: &Read) -> Result<Source, End> {
    let usage = |told: &str| Err(End::Usage(told.to_owned()));
    let (topic, pattern) = (read.value("topic").map_err(wrong)?, read.value("include").map_err(wrong)?);
    let source = match (topic, pattern) {
        (Some(topic), None) => Source::Topic(topic.into()),
        (None, Some(pattern)) => match regex_lite::Regex::new(&format!("^(?:{pattern})$")) {
            Ok(pattern) => Source::Pattern(pattern),
            Err(error) => return usage(&error.to_string()),
        },
        _ => return usage("Exactly one of the following arguments is required: [topic], [include]"),
    };
    let partition = read.integer("partition").map_err(wrong)?;
    match (source, partition) {
        (Source::Pattern(_), Some(_)) => usage("The topic is required when partition is specified."),
        (_, Some(_)) if read.has("from-beginning") && read.has("offset") => {
            usage("Options from-beginning and offset cannot be specified together.")
        }
        (_, None) if read.has("offset") => usage("The partition is required when offset is specified."),
        (Source::Topic(topic), Some(partition)) => {
            let begin = if read.has("from-beginning") { OffsetSpec::Earliest } else { OffsetSpec::Latest };
            Ok(Source::Partition(TopicPartition::new(topic, partition), Begin::At(begin)))
        }
        (source, _) => Ok(source),
    }
}

fn with_offset(read: &Read, source: Source) -> Result<Source, End> {
    let (Source::Partition(target, _), Some(text)) = (&source, read.value("offset").map_err(wrong)?) else {
        return Ok(source);
    };
    let begin = match text.to_lowercase().as_str() {
        "earliest" => Begin::At(OffsetSpec::Earliest),
        "latest" => Begin::At(OffsetSpec::Latest),
        _number => match text.parse::<i64>() {
            Ok(offset) if offset >= 0 => Begin::Offset(offset),
            _ => {
                return Err(End::Usage(format!(
                    "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long."
                )));
            }
        },
    };
    Ok(Source::Partition(target.clone(), begin))
}

/// The consumer's: of the file, over them the typed ones, over both what options say.
fn properties(read: &Read) -> Result<Pairs, End> {
    let mut of_file = Pairs::new();
    for option in ["consumer.config", "command-config"] {
        if let Some(file) = read.value(option).map_err(wrong)? {
            of_file = client_options::file(file)?;
        }
    }
    let typed = typed_pairs(read, &["consumer-property", "command-property"]);
    let named = |key: &str| typed.get(key).or_else(|| of_file.get(key)).cloned();
    let option = read.value("group").map_err(wrong)?.map(str::to_owned);
    let mut groups: Vec<String> = [option, of_file.get("group.id").cloned(), typed.get("group.id").cloned()]
        .into_iter()
        .flatten()
        .collect();
    groups.dedup();
    if groups.len() > 1 {
        let list = groups.iter().map(|group| format!("'{group}'")).collect::<Vec<_>>().join(", ");
        return Err(End::Usage(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via '--consumer.config') do not match. Detected group ids: {list}"
        )));
    }
    if !groups.is_empty() && read.has("partition") {
        return Err(End::Usage("Options group and partition cannot be specified together.".to_owned()));
    }
    let from_beginning = read.has("from-beginning");
    let mut all = typed.clone();
    match named("auto.offset.reset") {
        Some(reset) if from_beginning && reset != "earliest" => {
            say(format_args!(
                "Can't simultaneously specify --from-beginning and 'auto.offset.reset={reset}', please remove one option"
            ));
            return Err(End::Exit(1));
        }
        Some(_) => {}
        None => {
            let reset = if from_beginning { "earliest" } else { "latest" };
            all.insert("auto.offset.reset".to_owned(), reset.to_owned());
        }
    }
    let isolation = read.value("isolation-level").map_err(wrong)?.map(str::to_owned);
    if let Some(level) = isolation {
        all.insert("isolation.level".to_owned(), level);
    }
    if named("client.id").is_none() {
        all.insert("client.id".to_owned(), "console-consumer".to_owned());
    }
    match groups.into_iter().next() {
        Some(group) => drop(all.insert("group.id".to_owned(), group)),
        None => {
            all.insert("group.id".to_owned(), format!("console-consumer-{}", throw_away_number()));
            if named("enable.auto.commit").is_none() {
                all.insert("enable.auto.commit".to_owned(), "false".to_owned());
            }
        }
    }
    Ok(all)
}

/// For a group that nobody uses again.
fn throw_away_number() -> u32 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    ((nanos / 100) ^ std::process::id().wrapping_mul(7919)) % 100_000
}

fn formatter(read: &Read) -> Result<Formatter, End> {
    let mut all = match read.value("formatter-config").map_err(wrong)? {
        Some(file) => client_options::file(file)?,
        None => Pairs::new(),
    };
    for option in ["key-deserializer", "value-deserializer"] {
        if let Some(class) = read.value(option).map_err(wrong)?.filter(|class| !class.is_empty()) {
            all.insert(option.replace('-', "."), class.to_owned());
        }
    }
    all.extend(typed_pairs(read, &["property", "formatter-property"]));
    Formatter::of(read.value("formatter").map_err(wrong)?, &all).map_err(|told| {
        say(told);
        End::Exit(1)
    })
}

async fn consume(
    client: &Client,
    options: ConsumerOptions,
    source: Source,
    bounds: &Bounds,
    formatter: &Formatter,
    skip: bool,
) -> Result<(), End> {
    let mut consumer = open(client, options, &source).await?;
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout());
    let mut count = 0;
    let mut stop = std::pin::pin!(told_to_stop());
    let (mut last, mut looked) = (Instant::now(), Instant::now());
    let ended = loop {
        if bounds.records.is_some_and(|most| count >= most) {
            break Ok(());
        }
        let silent = last.elapsed();
        let wait = bounds.silence.map_or(LOOK, |most| most.saturating_sub(silent).min(LOOK));
        let records = tokio::select! {
            records = consumer.poll(wait) => records,
            () = &mut stop => break Ok(()),
        };
        match records {
            Ok(records) if records.is_empty() => {}
            Ok(records) => {
                last = Instant::now();
                let left = bounds.records.map_or(u64::MAX, |most| most - count);
                match print(&consumer, records, left, formatter, skip, &mut out, &mut count) {
                    Ok(true) => {}
                    Ok(false) => {
                        say("Unable to write to standard out, closing consumer.");
                        break Ok(());
                    }
                    Err(told) => {
                        say(shown(told));
                        break Err(End::Exit(1));
                    }
                }
                continue;
            }
            // As Kafka's: told, and the end all the same.
            Err(error) => {
                say(Fault::from(error).shown());
                break Ok(());
            }
        }
        if bounds.silence.is_some_and(|most| last.elapsed() > most) {
            break Ok(());
        }
        if let Source::Pattern(pattern) = &source
            && looked.elapsed() > NEW_TOPICS
        {
            looked = Instant::now();
            consumer.subscribe(fitting(client, pattern).await?);
        }
    };
    // A group that is gone has no more to be told.
    let _left_anyway = consumer.close().await;
    say(format_args!("Processed a total of {count} messages"));
    ended
}

/// Reads from where it is told to.
async fn open(client: &Client, options: ConsumerOptions, source: &Source) -> Result<Consumer, End> {
    let consumer = match source {
        Source::Partition(target, begin) => {
            let consumer = client
                .reader()
                .options(ConsumerOptions { group_id: None, ..options })
                .partitions([target.clone()])
                .build()?;
            match begin {
                Begin::At(spec) => consumer.seek_to(target, *spec)?,
                Begin::Offset(offset) => consumer.seek(target, *offset)?,
            }
            consumer
        }
        Source::Topic(topic) => of_group(client, options).topics([topic.clone()]).build()?,
        Source::Pattern(pattern) => {
            of_group(client, options).topics(fitting(client, pattern).await?).build()?
        }
    };
    Ok(consumer)
}

fn of_group(client: &Client, options: ConsumerOptions) -> client::ConsumerBuilder {
    client.consumer(options.group_id.clone().unwrap_or_default()).options(options)
}

/// A record that is not what it should be, as Java prints it.
fn shown(message: String) -> String {
    let class = "org.apache.kafka.common.errors.SerializationException".to_owned();
    Fault { class, message }.shown()
}

/// Topics of such names; Kafka's own are not meant.
async fn fitting(client: &Client, pattern: &regex_lite::Regex) -> Result<Vec<Str>, End> {
    let topics = client.admin().list_topics().await?;
    let fits =
        |(name, topic): &(&Str, &client::admin::TopicDescription)| pattern.is_match(name) && !topic.internal;
    Ok(topics.iter().filter(fits).map(|(name, _)| name.clone()).collect())
}

/// Prints as many as are wanted, and goes back before the first that is not. False: nobody reads any more.
fn print(
    consumer: &Consumer,
    records: Vec<ConsumerRecord>,
    left: u64,
    formatter: &Formatter,
    skip: bool,
    out: &mut impl Write,
    count: &mut u64,
) -> Result<bool, String> {
    let mut unwanted: BTreeMap<TopicPartition, i64> = BTreeMap::new();
    let (mut taken, mut ended) = (0, Ok(true));
    for record in records {
        if taken == left || !matches!(ended, Ok(true)) {
            unwanted
                .entry(TopicPartition::new(record.topic.clone(), record.partition))
                .or_insert(record.offset);
            continue;
        }
        taken += 1;
        match formatter.print(&record, out) {
            Ok(Ok(())) => {}
            Ok(Err(_closed)) => ended = Ok(false),
            Err(told) if skip => say(shown(told)),
            Err(told) => ended = Err(told),
        }
    }
    *count += taken;
    if matches!(ended, Ok(true)) && out.flush().is_err() {
        ended = Ok(false);
    }
    for (target, offset) in unwanted {
        // Revoked meanwhile: then its position is no longer ours to keep.
        let _gone = consumer.seek(&target, offset);
    }
    ended
}
