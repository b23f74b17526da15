//! `kafka-get-offsets`: the offsets of partitions by time.

use super::joptsimple::{Opt, Read, Takes, opt};
use super::script::{Script, Style};
use super::terms::{self, End, ask, required, wrong};
use super::words::print_line;
use crate::failure::say;
use client::{IsolationLevel, OffsetSpec, TopicPartition};
use regex_lite::Regex;
use std::collections::BTreeMap;

/// The script.
pub const SCRIPT: Script =
    Script { name: "kafka-get-offsets", style: Style::Options { options: OPTIONS, about: ABOUT, run } };

const ABOUT: &str = "An interactive shell for getting topic-partition offsets.";

const OPTIONS: &[Opt] = &[
    terms::BOOTSTRAP,
    terms::COMMAND_CONFIG,
    terms::HELP,
    terms::VERSION,
    opt("topic", Takes::Text, "only topics that fit this regular expression"),
    opt("partitions", Takes::Text, "only these partitions, such as 0,1,2"),
    opt("topic-partitions", Takes::Text, "patterns such as TOPIC:0-3,TOPIC:5-,:0"),
    opt(
        "time",
        Takes::Text,
        "latest, earliest, max-timestamp, earliest-local, latest-tiered, earliest-pending-upload, or milliseconds",
    ),
    opt("exclude-internal-topics", Takes::Nothing, "leave internal topics out"),
];

fn terse(message: impl Into<String>) -> End {
    say(format_args!("Error occurred: {}", message.into()));
    End::Exit(1)
}

fn run(read: &Read) -> Result<(), End> {
    if read.typed().next().is_none() {
        return Err(End::Usage(ABOUT.to_owned()));
    }
    required(read, &["bootstrap-server"])?;
    let topic_partitions = read.value("topic-partitions").map_err(wrong)?;
    let (topic, partitions) = (read.value("topic").map_err(wrong)?, read.value("partitions").map_err(wrong)?);
    if topic_partitions.is_some() && (topic.is_some() || partitions.is_some()) {
        return Err(terse("--topic-partitions cannot be used with --topic or --partitions"));
    }
    let spec = spec(read.value("time").map_err(wrong)?.unwrap_or("latest"))?;
    let rules = match topic_partitions {
        Some(list) => list.split(',').map(rule).collect::<Result<Vec<Rule>, End>>()?,
        None => vec![Rule { topic: whole(topic.unwrap_or(".*"))?, partitions: chosen(partitions)? }],
    };
    let exclude_internal = read.has("exclude-internal-topics");
    ask(read, async |admin| {
        let topics = admin.list_topics().await?;
        let kept = topics.values().filter(|topic| !(exclude_internal && topic.internal));
        let all = kept.flat_map(|topic| {
            (0..topic.partition_count()).map(|partition| TopicPartition::new(topic.name.clone(), partition))
        });
        let fits = |target: &TopicPartition| rules.iter().any(|rule| rule.fits(target));
        let wanted: BTreeMap<TopicPartition, OffsetSpec> =
            all.filter(fits).map(|target| (target, spec)).collect();
        if wanted.is_empty() {
            return Err(terse("Could not match any topic-partitions with the specified filters"));
        }
        let found = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
        // As text: partition 10 before partition 2.
        let mut lines: BTreeMap<String, String> = BTreeMap::new();
        for (target, found) in found {
            match found {
                Ok(found) if found.offset >= 0 => {
                    let line = format!("{}:{}:{}", target.topic, target.partition, found.offset);
                    lines.insert(format!("{}-{}", target.topic, target.partition), line);
                }
                Ok(_nothing_there) => {}
                Err(error) => say(format_args!(
                    "Skip getting offsets for topic-partition {}-{} due to error: {}",
                    target.topic,
                    target.partition,
                    terms::Fault::from(error).shown()
                )),
            }
        }
        lines.values().try_for_each(|line| Ok(print_line(line)?))
    })
}

fn spec(text: &str) -> Result<OffsetSpec, End> {
    Ok(match text {
        "latest" | "-1" => OffsetSpec::Latest,
        "earliest" | "-2" => OffsetSpec::Earliest,
        "max-timestamp" | "-3" => OffsetSpec::MaxTimestamp,
        "earliest-local" | "-4" => OffsetSpec::EarliestLocal,
        "latest-tiered" | "-5" => OffsetSpec::LatestTiered,
        "earliest-pending-upload" | "-6" => OffsetSpec::EarliestPendingUpload,
        number => {
            let malformed = || {
                terse(format!(
                    "Malformed time argument {number}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp"
                ))
            };
            OffsetSpec::Timestamp(number.parse().map_err(|_| malformed())?)
        }
    })
}

/// Which topics, and which of their partitions: those from the first on and before the second, in any of the ranges.
struct Rule {
    topic: Regex,
    partitions: Vec<(i32, i32)>,
}

impl Rule {
    fn fits(&self, target: &TopicPartition) -> bool {
        let within = |(from, to): &(i32, i32)| (*from..*to).contains(&target.partition);
        self.topic.is_match(&target.topic) && self.partitions.iter().any(within)
    }
}

fn whole(pattern: &str) -> Result<Regex, End> {
    Regex::new(&format!("^(?:{pattern})$")).map_err(|_| terse(format!("{pattern} is an invalid regex.")))
}

fn chosen(list: Option<&str>) -> Result<Vec<(i32, i32)>, End> {
    let Some(list) = list.filter(|list| !list.is_empty()) else { return Ok(vec![(0, i32::MAX)]) };
    let one = |id: &str| {
        let number = id.trim().parse::<i32>();
        let number = number.map_err(|_| {
            terse(format!(
                "--partitions expects a comma separated list of numeric partition ids, but received: {list}"
            ))
        })?;
        Ok((number, number.saturating_add(1)))
    };
    list.split(',').map(one).collect()
}

/// `TOPIC`, `TOPIC:3`, `TOPIC:2-5`, `TOPIC:2-`, `TOPIC:-5`, and each without the topic.
fn rule(text: &str) -> Result<Rule, End> {
    let (topic, partitions) = text.split_once(':').unwrap_or((text, ""));
    let invalid = || terse(format!("Invalid rule specification: {text}"));
    let number = |word: &str| word.parse::<i32>().map_err(|_| invalid());
    let range = match partitions.split_once('-') {
        None if partitions.is_empty() => (0, i32::MAX),
        None => (number(partitions)?, number(partitions)?.saturating_add(1)),
        Some(("", "")) => return Err(invalid()),
        Some(("", to)) => (0, number(to)?),
        Some((from, "")) => (number(from)?, i32::MAX),
        Some((from, to)) => (number(from)?, number(to)?),
    };
    Ok(Rule { topic: whole(if topic.is_empty() { ".*" } else { topic })?, partitions: vec![range] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_ranges_of_partitions() {
        let fits = |text: &str, topic: &str, partition| {
            rule(text).is_ok_and(|rule| rule.fits(&TopicPartition::new(topic, partition)))
        };
        assert!(fits("orders", "orders", 7) && !fits("orders", "orders2", 7));
        assert!(fits("orders:3", "orders", 3) && !fits("orders:3", "orders", 4));
        assert!(fits("o.*:2-5", "orders", 2) && !fits("o.*:2-5", "orders", 5));
        assert!(fits(":5-", "any", 5) && !fits(":5-", "any", 4));
        assert!(fits("any:-5", "any", 4) && !fits("any:-5", "any", 5));
    }
}
