//! `kafka-consumer-groups --reset-offsets`: where groups shall go on, and that they do. Owns what `--topic` names and how a plan is
//! printed and read.

use super::joptsimple::Read;
use super::terms::{End, Fault, wrong};
use super::words::{columns, print_line, widest};
use crate::time::parse_time_ms;
use client::{
    Admin, CommittedOffset, ErrorCode, IsolationLevel, ListedOffset, OffsetSpec, Str, TopicPartition,
    parse_iso_duration,
};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

type Plan = BTreeMap<TopicPartition, i64>;

/// Resets, or shows what it would do.
pub async fn run(read: &Read, admin: &Admin, groups: &[Str]) -> Result<(), End> {
    let mut plans: BTreeMap<Str, Plan> = BTreeMap::new();
    for group in groups {
        let described = admin.describe_group(group).await;
        let state = match described {
            Ok(described) => described.state.to_string(),
            Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => "Dead".to_owned(),
            Err(error) => return Err(error.into()),
        };
        if state != "Empty" && state != "Dead" {
            print_line(&format!(
                "\nError: Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}."
            ))?;
            plans.insert(group.clone(), Plan::new());
            continue;
        }
        let plan = plan(read, admin, group).await?;
        if read.has("execute") {
            let offsets = plan.iter().map(|(target, offset)| (target.clone(), CommittedOffset::new(*offset)));
            for (_, altered) in admin.alter_group_offsets(group, &offsets.collect()).await? {
                altered?;
            }
        }
        plans.insert(group.clone(), plan);
    }
    if read.has("export") { export(&plans) } else { print(&plans) }
}

fn print(plans: &BTreeMap<Str, Plan>) -> Result<(), End> {
    use std::io::Write;
    let group = widest(plans.keys().map(Str::as_str), 15);
    let topic = widest(plans.values().flat_map(|plan| plan.keys().map(|one| one.topic.as_str())), 15);
    let row =
        |cells: [&str; 4]| write!(std::io::stdout().lock(), "\n{}", columns(&cells, &[group, topic, 10, 0]));
    if !plans.is_empty() {
        row(["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"])?;
    }
    for (id, plan) in plans {
        for (target, offset) in plan {
            row([id, &target.topic, &target.partition.to_string(), &offset.to_string()])?;
        }
    }
    Ok(print_line("")?)
}

/// One group: `topic,partition,offset`; several: each line begins with its group.
fn export(plans: &BTreeMap<Str, Plan>) -> Result<(), End> {
    let one_group = plans.len() == 1;
    for (group, plan) in plans {
        for (target, offset) in plan {
            let line = format!("{},{},{offset}", target.topic, target.partition);
            print_line(&if one_group { line } else { format!("{group},{line}") })?;
        }
    }
    Ok(print_line("")?)
}

/// The partitions that `TOPIC` or `TOPIC:0,1` names.
pub async fn partitions_of(word: &str, admin: &Admin) -> Result<Vec<TopicPartition>, End> {
    if let Some((topic, partitions)) = word.split_once(':') {
        let one = |number: &str| {
            let number = number.trim().parse::<i32>();
            number.map(|number| TopicPartition::new(topic, number)).map_err(|_| {
                Fault::argument(format!("Invalid partition list for the topic {topic}: {partitions}"))
            })
        };
        return Ok(partitions.split(',').map(one).collect::<Result<_, Fault>>()?);
    }
    let name = Str::from(word);
    let mut described = admin.describe_topics(std::slice::from_ref(&name)).await?;
    // Here Kafka tells the message without its class.
    let topic = described
        .remove(&name)
        .transpose()
        .map_err(|error| Fault { class: String::new(), ..Fault::from(error) })?;
    let partitions = topic.map_or(0, |topic| topic.partition_count());
    Ok((0..partitions).map(|partition| TopicPartition::new(name.clone(), partition)).collect())
}

async fn targets(read: &Read, admin: &Admin, current: &Plan) -> Result<Vec<TopicPartition>, End> {
    if read.has("all-topics") {
        return Ok(current.keys().cloned().collect());
    }
    if read.has("topic") {
        let mut targets = Vec::new();
        for topic in read.values("topic") {
            targets.extend(partitions_of(topic, admin).await?);
        }
        return Ok(targets);
    }
    let told = "One of the reset scopes should be defined: --all-topics, --topic.";
    Err(End::Usage(told.to_owned()))
}

async fn plan(read: &Read, admin: &Admin, group: &Str) -> Result<Plan, End> {
    let mut current = Plan::new();
    match admin.group_offsets(group).await {
        Ok(each) => {
            for (target, offset) in each {
                current.insert(target, offset?.offset);
            }
        }
        Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => {}
        Err(error) => return Err(error.into()),
    }
    if let Some(file) = read.value("from-file").map_err(wrong)? {
        let text = std::fs::read_to_string(file)?;
        let wanted = from_file(&text, group)?;
        return within(admin, wanted).await;
    }
    let targets = targets(read, admin, &current).await?;
    let to = |offset: i64| targets.iter().map(|target| (target.clone(), offset)).collect::<Plan>();
    if read.has("to-earliest") {
        return offsets(admin, &targets, OffsetSpec::Earliest).await;
    }
    if read.has("to-latest") {
        return offsets(admin, &targets, OffsetSpec::Latest).await;
    }
    if let Some(offset) = read.long("to-offset").map_err(wrong)? {
        return within(admin, to(offset)).await;
    }
    if read.has("to-current") {
        let ends = offsets(admin, &targets, OffsetSpec::Latest).await?;
        let at = |(target, end): (TopicPartition, i64)| {
            let at = current.get(&target).copied().unwrap_or(end);
            (target, at)
        };
        return Ok(ends.into_iter().map(at).collect());
    }
    if let Some(by) = read.long("shift-by").map_err(wrong)? {
        let shifted = |target: &TopicPartition| {
            let at = current.get(target).copied().ok_or_else(|| {
                Fault::argument(format!(
                    "Cannot shift offset for partition {target} since there is no current committed offset"
                ))
            })?;
            Ok((target.clone(), at.saturating_add(by)))
        };
        let wanted = targets.iter().map(shifted).collect::<Result<Plan, Fault>>()?;
        return within(admin, wanted).await;
    }
    match since_ms(read)? {
        Some(ms) => at_time(admin, &targets, ms).await,
        None => {
            let told = "Option [reset-offsets] requires one of the following scenarios: [to-offset], [shift-by], [to-datetime], [by-duration], [to-earliest], [to-latest], [to-current], [from-file]";
            Err(End::Usage(told.to_owned()))
        }
    }
}

fn since_ms(read: &Read) -> Result<Option<i64>, End> {
    if let Some(text) = read.value("to-datetime").map_err(wrong)? {
        let ms = parse_time_ms(text);
        let unreadable = || Fault::argument(format!("Unparseable date: \"{text}\""));
        return Ok(Some(ms.ok_or_else(unreadable)?));
    }
    let Some(text) = read.value("by-duration").map_err(wrong)? else { return Ok(None) };
    let back = parse_iso_duration(text)
        .ok_or_else(|| Fault::argument(format!("Text cannot be parsed to a Duration: {text}")))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Some(now.saturating_sub(back).as_millis() as i64))
}

async fn listed(
    admin: &Admin,
    targets: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, ListedOffset>, End> {
    let wanted = targets.iter().map(|target| (target.clone(), spec)).collect();
    let found = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
    let found = found.into_iter().map(|(target, found)| Ok((target, found?)));
    Ok(found.collect::<client::Result<_>>()?)
}

async fn offsets(admin: &Admin, targets: &[TopicPartition], spec: OffsetSpec) -> Result<Plan, End> {
    let found = listed(admin, targets, spec).await?;
    Ok(found.into_iter().map(|(target, found)| (target, found.offset)).collect())
}

/// The first record at or after the time; where there is none that young, behind the last.
async fn at_time(admin: &Admin, targets: &[TopicPartition], ms: i64) -> Result<Plan, End> {
    let mut plan = offsets(admin, targets, OffsetSpec::Timestamp(ms)).await?;
    let none: Vec<TopicPartition> =
        plan.iter().filter(|(_, offset)| **offset < 0).map(|(target, _)| target.clone()).collect();
    for target in &none {
        print_line(&format!(
            "\nWarn: Partition {} from topic {} is empty. Falling back to latest known offset.",
            target.partition, target.topic
        ))?;
    }
    plan.extend(offsets(admin, &none, OffsetSpec::Latest).await?);
    Ok(plan)
}

/// Offsets that there are: nothing before the first record, nothing behind the last.
async fn within(admin: &Admin, wanted: Plan) -> Result<Plan, End> {
    let targets: Vec<TopicPartition> = wanted.keys().cloned().collect();
    let begins = offsets(admin, &targets, OffsetSpec::Earliest).await?;
    let ends = offsets(admin, &targets, OffsetSpec::Latest).await?;
    let mut plan = Plan::new();
    for (target, offset) in wanted {
        let (begin, end) = (begins[&target], ends[&target]);
        plan.insert(target, offset.clamp(begin, end));
    }
    Ok(plan)
}

/// `topic,partition,offset` lines, or `group,topic,partition,offset` of which those of other groups are left out.
fn from_file(text: &str, group: &Str) -> Result<Plan, Fault> {
    let mut plan = Plan::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim().trim_matches('"')).collect();
        let (topic, partition, offset) = match fields[..] {
            [topic, partition, offset] => (topic, partition, offset),
            [of, topic, partition, offset] if of == group.as_str() => (topic, partition, offset),
            [_, _, _, _] => continue,
            _ => return Err(Fault::argument(format!("Could not read a line of the plan: {line}"))),
        };
        let (Ok(partition), Ok(offset)) = (partition.parse(), offset.parse()) else {
            return Err(Fault::argument(format!("Could not read a line of the plan: {line}")));
        };
        plan.insert(TopicPartition::new(topic, partition), offset);
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_may_name_groups() {
        let group = Str::from("g");
        let plan = from_file("orders,0,5\n\"g\",\"orders\",1,7\nother,orders,2,1\n", &group).unwrap();
        let expected = [(TopicPartition::new("orders", 0), 5), (TopicPartition::new("orders", 1), 7)];
        assert_eq!(plan, Plan::from(expected));
        assert!(from_file("orders,0", &group).is_err());
        assert!(from_file("orders,x,5", &group).is_err());
    }
}
