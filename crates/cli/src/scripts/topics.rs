//! `kafka-topics`: list, describe, create, alter and delete topics.

use super::joptsimple::{Opt, Read, Takes, opt};
use super::script::{Script, Style};
use super::terms::{self, End, Fault, ask, never_with, required, wrong};
use super::words::{list, print_line};
use client::admin::{ConfigEntry, ConfigResource, ConfigSource, NewTopic, PartitionElr, Reassignment};
use client::{Admin, ErrorCode, Partition, Str, Topic, TopicPartition, Uuid};
use regex_lite::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The script.
pub const SCRIPT: Script = Script {
    name: "kafka-topics",
    style: Style::Options {
        options: OPTIONS,
        about: "This tool helps to create, delete, describe, or change a topic.",
        run,
    },
};

const OPTIONS: &[Opt] = &[
    terms::BOOTSTRAP,
    terms::COMMAND_CONFIG,
    terms::HELP,
    terms::VERSION,
    opt("list", Takes::Nothing, "list all topics"),
    opt("create", Takes::Nothing, "create a topic"),
    opt("alter", Takes::Nothing, "give a topic more partitions"),
    opt("describe", Takes::Nothing, "show topics and their partitions"),
    opt("delete", Takes::Nothing, "delete topics"),
    opt("topic", Takes::Text, "the topic; except for --create a regular expression"),
    opt("topic-id", Takes::Text, "describe the topic of this id"),
    opt("partitions", Takes::Integer, "how many partitions it shall have"),
    opt("replication-factor", Takes::Integer, "how many replicas of each partition"),
    opt("replica-assignment", Takes::Text, "chosen brokers for each partition, such as 1:2,2:3"),
    opt("config", Takes::Text, "KEY=VALUE of the new topic; may come again"),
    opt("delete-config", Takes::Text, "no longer supported: kafka-configs --delete-config"),
    opt("if-exists", Takes::Nothing, "a topic that does not exist is fine"),
    opt("if-not-exists", Takes::Nothing, "a topic that exists already is fine"),
    opt("exclude-internal", Takes::Nothing, "leave internal topics out"),
    opt("under-replicated-partitions", Takes::Nothing, "only partitions whose replicas are not all in sync"),
    opt("unavailable-partitions", Takes::Nothing, "only partitions without a live leader"),
    opt("under-min-isr-partitions", Takes::Nothing, "only partitions below min.insync.replicas"),
    opt("at-min-isr-partitions", Takes::Nothing, "only partitions at min.insync.replicas"),
    opt("topics-with-overrides", Takes::Nothing, "only topics with configs of their own"),
    opt("partition-size-limit-per-response", Takes::Integer, "partitions in one answer, at most"),
];

const ACTIONS: &[&str] = &["create", "list", "alter", "describe", "delete"];

/// Options that only some actions take.
const LEVEL: &[&str] = &["alter", "create", "describe", "list", "delete"];

const REPORTS: &[&str] = &[
    "under-replicated-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
    "unavailable-partitions",
];

fn run(read: &Read) -> Result<(), End> {
    check(read)?;
    match ask(read, async |admin| act(read, admin).await) {
        Err(End::Failed(Fault { message, .. }) | End::Usage(message)) => {
            print_line(&format!("Error while executing topic command : {message}"))?;
            Err(End::Exit(1))
        }
        ended => ended,
    }
}

fn check(read: &Read) -> Result<(), End> {
    if read.typed().next().is_none() {
        return Err(End::Usage("Create, delete, describe, or change a topic.".to_owned()));
    }
    if ACTIONS.iter().filter(|action| read.has(action)).count() != 1 {
        return Err(End::Usage(
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete"
                .to_owned(),
        ));
    }
    if read.has("delete-config") {
        crate::failure::say(
            "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully removed in future releases.",
        );
    }
    if !read.has("bootstrap-server") {
        return Err(Fault::argument("--bootstrap-server must be specified").into());
    }
    if read.has("describe") && read.has("if-exists") {
        match (read.has("topic"), read.has("topic-id")) {
            (false, false) => {
                return Err(End::Usage("--topic or --topic-id is required to describe a topic".to_owned()));
            }
            (true, true) => print_line(
                "Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID",
            )?,
            _ => {}
        }
    }
    if !read.has("list") && !read.has("describe") {
        required(read, &["topic"])?;
    }
    if read.has("alter") {
        if read.has("config") {
            return Err(End::Usage(
                "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" (the kafka-configs CLI supports altering topic configs with a --bootstrap-server option)"
                    .to_owned(),
            ));
        }
        required(read, &["partitions"])?;
    }
    for (option, actions) in [
        ("config", &["alter", "create"][..]),
        ("partitions", &["alter", "create"]),
        ("replication-factor", &["create"]),
        ("replica-assignment", &["alter", "create"]),
        ("if-exists", &["alter", "delete", "describe"]),
        ("if-not-exists", &["create"]),
        ("exclude-internal", &["list", "describe"]),
    ] {
        never_with(read, option, &without(LEVEL, actions))?;
    }
    if read.has("create") {
        never_with(read, "replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPORTS {
        let mut others = without(LEVEL, &["describe"]);
        others.push("topics-with-overrides");
        never_with(read, report, &others)?;
    }
    let mut others = without(LEVEL, &["describe"]);
    others.extend(REPORTS);
    never_with(read, "topics-with-overrides", &others)
}

fn without<'a>(all: &[&'a str], some: &[&str]) -> Vec<&'a str> {
    all.iter().copied().filter(|one| !some.contains(one)).collect()
}

async fn act(read: &Read, admin: &Admin) -> Result<(), End> {
    if read.has("create") {
        return create(read, admin).await;
    }
    if read.has("describe") {
        return describe(read, admin).await;
    }
    let pattern = read.value("topic").map_err(wrong)?;
    let mut topics = admin.list_topics().await?;
    keep(&mut topics, pattern, read.has("exclude-internal"))?;
    if read.has("list") {
        let names: Vec<&str> = topics.keys().map(Str::as_str).collect();
        return Ok(print_line(&names.join("\n"))?);
    }
    must_exist(read, topics.is_empty())?;
    if topics.is_empty() {
        return Ok(());
    }
    if read.has("delete") {
        let names: Vec<Str> = topics.into_keys().collect();
        return first_error(admin.delete_topics(&names).await?);
    }
    let total = read.integer("partitions").map_err(wrong)?.unwrap_or_default();
    let assignments = assignments(read)?;
    let totals: BTreeMap<Str, i32> = topics.keys().map(|name| (name.clone(), total)).collect();
    let chosen = topics.iter().filter(|_| !assignments.is_empty()).map(|(name, topic)| {
        let new = assignments.iter().filter(|(index, _)| **index >= topic.partition_count());
        (name.clone(), new.map(|(_, brokers)| brokers.clone()).collect())
    });
    first_error(admin.create_partitions_on(&totals, &chosen.collect(), false).await?)
}

fn first_error<K, T>(each: client::admin::Each<K, T>) -> Result<(), End> {
    each.into_values().try_for_each(|one| one.map(drop).map_err(End::from))
}

/// Those that the expression fits as a whole; a comma stands for "or".
fn keep(
    topics: &mut BTreeMap<Str, Arc<Topic>>,
    pattern: Option<&str>,
    exclude_internal: bool,
) -> Result<(), End> {
    if let Some(pattern) = pattern {
        let alternatives = pattern.replace(',', "|");
        let alternatives = alternatives.trim_matches(['"', '\'', ' ']);
        let whole = Regex::new(&format!("^(?:{alternatives})$"))
            .map_err(|_| Fault::argument(format!("{pattern} is an invalid regex.")))?;
        topics.retain(|name, _| whole.is_match(name));
    }
    topics.retain(|_, topic| !(exclude_internal && topic.internal));
    Ok(())
}

fn must_exist(read: &Read, none: bool) -> Result<(), End> {
    let topic = read.value("topic").map_err(wrong)?.filter(|topic| !topic.is_empty());
    match topic.filter(|_| none && !read.has("if-exists")) {
        Some(topic) => Err(Fault::argument(format!("Topic '{topic}' does not exist as expected")).into()),
        None => Ok(()),
    }
}

/// Partition → brokers, as `--replica-assignment` names them.
fn assignments(read: &Read) -> Result<BTreeMap<i32, Vec<i32>>, End> {
    let Some(text) = read.value("replica-assignment").map_err(wrong)? else { return Ok(BTreeMap::new()) };
    let mut all: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for (index, part) in (0..).zip(text.split(',').filter(|_| !text.is_empty())) {
        let id = |word: &str| {
            word.trim().parse::<i32>().map_err(|_| {
                let class = "java.lang.NumberFormatException".to_owned();
                Fault { class, message: format!("For input string: \"{}\"", word.trim()) }
            })
        };
        let brokers = part.split(':').map(id).collect::<Result<Vec<i32>, Fault>>()?;
        let mut seen = BTreeSet::new();
        let twice: Vec<i32> = brokers.iter().copied().filter(|broker| !seen.insert(*broker)).collect();
        if !twice.is_empty() {
            let message =
                format!("Partition replica lists may not contain duplicate entries: {}", list(&twice));
            return Err(Fault::argument(message).into());
        }
        if all.get(&0).is_some_and(|first| first.len() != brokers.len()) {
            let shown = list(&brokers).replace(',', ", ");
            let message = format!("Partition {index} has different replication factor: [{shown}]");
            return Err(Fault::argument(message).into());
        }
        all.insert(index, brokers);
    }
    Ok(all)
}

async fn create(read: &Read, admin: &Admin) -> Result<(), End> {
    let name = read.value("topic").map_err(wrong)?.unwrap_or_default();
    let configs = configs(read)?;
    if name.contains(['.', '_']) {
        print_line(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.",
        )?;
    }
    let factor = read.integer("replication-factor").map_err(wrong)?;
    if factor.is_some_and(|factor| !(1..=i32::from(i16::MAX)).contains(&factor)) {
        return Err(Fault::argument("The replication factor must be between 1 and 32767 inclusive").into());
    }
    let partitions = read.integer("partitions").map_err(wrong)?;
    if partitions.is_some_and(|partitions| partitions < 1) {
        return Err(Fault::argument("The partitions must be greater than 0").into());
    }
    let topic = NewTopic {
        name: name.into(),
        partitions,
        replication_factor: factor.map(|factor| factor as i16),
        assignments: assignments(read)?,
        configs,
    };
    let created = admin.create_topics(&[topic], false).await?.into_values().next();
    match created {
        Some(Err(error))
            if error.code() == Some(ErrorCode::TopicAlreadyExists) && read.has("if-not-exists") =>
        {
            Ok(())
        }
        Some(Err(error)) => Err(error.into()),
        Some(Ok(_)) | None => Ok(print_line(&format!("Created topic {name}."))?),
    }
}

fn configs(read: &Read) -> Result<BTreeMap<Str, Str>, End> {
    let pair = |text: &str| {
        let (key, value) = text.split_once('=').filter(|(_, value)| !value.trim().is_empty())?;
        Some((key.trim().into(), value.trim().into()))
    };
    let pairs = read.values("config").into_iter().map(pair).collect::<Option<BTreeMap<Str, Str>>>();
    Ok(pairs.ok_or_else(|| {
        Fault::argument(
            "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
        )
    })?)
}

/// What is known of one topic.
struct Described {
    topic: Arc<Topic>,
    configs: Vec<ConfigEntry>,
    /// Of each partition, where the cluster tells of eligible leaders.
    elr: Option<BTreeMap<i32, PartitionElr>>,
}

async fn describe(read: &Read, admin: &Admin) -> Result<(), End> {
    let id = match read.value("topic-id").map_err(wrong)? {
        Some(text) => {
            let parsed = text.parse::<Uuid>().ok();
            let id = parsed.ok_or_else(|| Fault::argument(format!("Input string `{text}` is not a Uuid")))?;
            Some(id).filter(|id| !id.is_zero())
        }
        None => None,
    };
    let mut topics = admin.list_topics().await?;
    match id {
        Some(id) => {
            topics.retain(|_, topic| topic.id == id && !(read.has("exclude-internal") && topic.internal));
            if topics.is_empty() && !read.has("if-exists") {
                return Err(Fault::argument(format!("TopicId '{id}' does not exist as expected")).into());
            }
        }
        None => {
            keep(&mut topics, read.value("topic").map_err(wrong)?, read.has("exclude-internal"))?;
            must_exist(read, topics.is_empty())?;
        }
    }
    if topics.is_empty() {
        return Ok(());
    }
    let names: Vec<Str> = topics.keys().cloned().collect();
    // By the id a topic is looked up in the metadata, which do not tell of eligible leaders.
    let mut elrs = if id.is_some() { None } else { admin.describe_elr(&names).await? };
    let resources: Vec<ConfigResource> = names.iter().map(ConfigResource::topic).collect();
    let mut configs = admin.describe_configs(&resources, false).await?;
    let live: BTreeSet<i32> = admin.describe_cluster(false).await?.nodes.iter().map(|node| node.id).collect();
    let moving = admin.reassignments().await.unwrap_or_default();
    for (name, topic) in topics {
        let entries = configs.remove(&ConfigResource::topic(&name)).unwrap_or_else(|| Ok(Vec::new()))?;
        let elr = elrs.as_mut().map(|elrs| elrs.remove(&name).unwrap_or_default());
        print_topic(read, &Described { topic, configs: entries, elr }, &live, &moving)?;
    }
    Ok(())
}

fn print_topic(
    read: &Read,
    described: &Described,
    live: &BTreeSet<i32>,
    moving: &BTreeMap<TopicPartition, Reassignment>,
) -> Result<(), End> {
    let topic = &described.topic;
    let reports = REPORTS.iter().any(|report| read.has(report));
    let of = |one: &Partition| moving.get(&TopicPartition::new(topic.name.clone(), one.index));
    let set: Vec<String> = described
        .configs
        .iter()
        .filter(|entry| entry.source != ConfigSource::Default)
        .map(|entry| format!("{}={}", entry.name, entry.value.as_deref().unwrap_or("null")))
        .collect();
    let overrides = read.has("topics-with-overrides");
    let nothing_set = overrides && set.is_empty();
    if !reports && !nothing_set {
        let first = topic.partitions.first();
        let replicas = first.map_or(0, |one| replica_count(one, of(one)));
        let id = if topic.id.is_zero() { String::new() } else { format!("\tTopicId: {}", topic.id) };
        print_line(&format!(
            "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {replicas}\tConfigs: {}",
            topic.name,
            topic.partition_count(),
            set.join(","),
        ))?;
    }
    if overrides {
        return Ok(());
    }
    let least = described.configs.iter().find(|entry| &*entry.name == "min.insync.replicas");
    let least = least.and_then(|entry| entry.value.as_deref()?.parse().ok()).unwrap_or(1_usize);
    for one in &topic.partitions {
        let no_leader = one.leader.is_none();
        let wanted = !reports
            || (read.has(REPORTS[0]) && replica_count(one, of(one)) > one.isr.len())
            || (read.has(REPORTS[1]) && (no_leader || one.isr.len() < least))
            || (read.has(REPORTS[2]) && one.isr.len() == least)
            || (read.has(REPORTS[3]) && one.leader.is_none_or(|leader| !live.contains(&leader)));
        if wanted {
            print_partition(&topic.name, one, of(one), described.elr.as_ref())?;
        }
    }
    Ok(())
}

/// While replicas are on their way those that are added do not count.
fn replica_count(one: &Partition, moving: Option<&Reassignment>) -> usize {
    let on_their_way = |moving: &&Reassignment| {
        one.replicas.iter().any(|id| moving.adding.contains(id) || moving.removing.contains(id))
    };
    match moving.filter(on_their_way) {
        Some(moving) => moving.replicas.len().saturating_sub(moving.adding.len()),
        None => one.replicas.len(),
    }
}

fn print_partition(
    topic: &Str,
    one: &Partition,
    moving: Option<&Reassignment>,
    elr: Option<&BTreeMap<i32, PartitionElr>>,
) -> Result<(), End> {
    let leader = one.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string());
    let mut line = format!(
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
        one.index,
        list(&one.replicas),
        list(&one.isr)
    );
    if let Some(moving) = moving {
        line.push_str(&format!(
            "\tAdding Replicas: {}\tRemoving Replicas: {}",
            list(&moving.adding),
            list(&moving.removing)
        ));
    }
    let known = elr.map(|elr| elr.get(&one.index).cloned().unwrap_or_default());
    let shown = |ids: Option<&Vec<i32>>| ids.map_or_else(|| "N/A".to_owned(), |ids| list(ids));
    let eligible = shown(known.as_ref().map(|known| &known.eligible));
    let last_known = shown(known.as_ref().map(|known| &known.last_known));
    Ok(print_line(&format!("{line}\tElr: {eligible}\tLastKnownElr: {last_known}"))?)
}
