//! Dead letters of a share group as its queue has them (KIP-1191): where they come from by their headers, and which are still to be dealt
//! with. How far that is, is a group of its own that only commits, so that every Kafka client can see it.

use crate::failure::{Exit, Failure};
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use crate::time::format_time_ms;
use client::admin::{ConfigResource, ResourceKind};
use client::{
    Admin, Client, ConsumerRecord, Header, IsolationLevel, OffsetSpec, Record, Str, TopicPartition,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// What Kafka's headers of dead letters begin with.
const PREFIX: &str = "__dlq.errors.";

/// A dead letter.
pub struct Letter {
    /// As it lies in the queue.
    pub record: ConsumerRecord,
    /// Where it comes from.
    pub origin: TopicPartition,
    pub origin_offset: i64,
    pub delivery_count: Option<i16>,
    pub message: Option<String>,
}

impl Letter {
    /// A record of a queue, if it is a dead letter of that group.
    pub fn parse(record: ConsumerRecord, group: &str) -> Option<Letter> {
        // The last one counts where a copied record has some already.
        let header = |name: &str| {
            let is_it = |one: &&Header| one.key.strip_prefix(PREFIX) == Some(name);
            let value = record.headers.iter().rev().find(is_it)?.value.as_deref()?;
            std::str::from_utf8(value).ok().map(str::to_owned)
        };
        if header("group")? != group {
            return None;
        }
        let origin = TopicPartition::new(header("topic")?, header("partition")?.parse::<i32>().ok()?);
        let origin_offset = header("offset")?.parse().ok()?;
        let delivery_count = header("delivery.count").and_then(|count| count.parse().ok());
        let message = header("message");
        Some(Letter { record, origin, origin_offset, delivery_count, message })
    }

    /// True where the queue has nothing but headers of it: it was not copied, or was empty.
    pub fn is_bare(&self) -> bool {
        self.record.key.is_none() && self.record.value.is_none()
    }

    /// The record as it was, for where it came from; `source` in place of what the queue has not.
    pub fn restored(&self, source: Option<&ConsumerRecord>) -> Record {
        let from = source.unwrap_or(&self.record);
        Record {
            topic: self.origin.topic.clone(),
            partition: Some(self.origin.partition),
            timestamp_ms: None,
            key: from.key.clone(),
            value: from.value.clone(),
            headers: from.headers.iter().filter(|one| !one.key.starts_with(PREFIX)).cloned().collect(),
        }
    }
}

/// The queue of a group, and how far its letters are dealt with.
pub struct Queue {
    pub topic: Str,
    /// The first letter of each partition that is not dealt with, and where the partition ends.
    pub waiting: BTreeMap<TopicPartition, (i64, i64)>,
}

impl Queue {
    /// Records that were not looked at: other groups' are among them where they share the queue.
    pub fn unseen(&self) -> i64 {
        self.waiting.values().map(|(from, end)| (end - from).max(0)).sum()
    }
}

/// Who has dealt with dead letters, as a group that only commits.
pub fn dealt_with_by(group: &str) -> Str {
    Str::from(format!("ottla.dlq.{group}"))
}

/// Which topic a group's dead letters go to, if any.
pub async fn topic_of(admin: &Admin, group: &Str) -> Result<Option<Str>, Failure> {
    let resource = ConfigResource::new(ResourceKind::Group, group.clone());
    let (described, failure) = all_ok_of(admin.describe_configs(&[resource], false).await?);
    finish(failure)?;
    let entries = described.into_iter().flatten();
    let named = entries.filter(|entry| entry.name == "errors.deadletterqueue.topic.name");
    Ok(named.filter_map(|entry| entry.value).find(|name| !name.is_empty()))
}

fn all_ok_of<K, T>(each: client::admin::Each<K, T>) -> (Vec<T>, Option<Failure>) {
    let (mut fine, mut failure) = (Vec::new(), None);
    for outcome in each.into_values() {
        match outcome {
            Ok(value) => fine.push(value),
            Err(error) => failure = Some(Failure::from(error)),
        }
    }
    (fine, failure)
}

/// The queue of a group; an error if it has none.
pub async fn queue_of(admin: &Admin, group: &Str) -> Result<Queue, Failure> {
    let Some(topic) = topic_of(admin, group).await? else {
        let why = format!("errors.deadletterqueue.topic.name of group {group:?} is empty");
        return Err(Failure::new("there is no dead-letter queue", why).exit(Exit::NotFound).try_this(
            format!("ottla config set --group {group} errors.deadletterqueue.topic.name=dlq.{group}"),
        ));
    };
    queue_in(admin, group, topic).await
}

/// How far the letters of a group in that topic are dealt with. A topic that is not made yet has none.
pub async fn queue_in(admin: &Admin, group: &Str, topic: Str) -> Result<Queue, Failure> {
    let existing = admin.list_topics().await?;
    let partitions = existing.get(&topic).map_or(0, |topic| topic.partition_count());
    let targets: Vec<TopicPartition> =
        (0..partitions).map(|number| TopicPartition::new(topic.clone(), number)).collect();
    let begins = list(admin, &targets, OffsetSpec::Earliest).await?;
    let ends = list(admin, &targets, OffsetSpec::Latest).await?;
    let (committed, failure) = all_ok(admin.group_offsets(&dealt_with_by(group)).await?);
    finish(failure)?;
    let committed: BTreeMap<TopicPartition, i64> =
        committed.into_iter().map(|(target, one)| (target, one.offset)).collect();
    let mut waiting = BTreeMap::new();
    for target in targets {
        let (Some(&begin), Some(&end)) = (begins.get(&target), ends.get(&target)) else { continue };
        let from = committed.get(&target).map_or(begin, |offset| (*offset).clamp(begin, end));
        waiting.insert(target, (from, end));
    }
    Ok(Queue { topic, waiting })
}

async fn list(
    admin: &Admin,
    targets: &[TopicPartition],
    spec: OffsetSpec,
) -> Result<BTreeMap<TopicPartition, i64>, Failure> {
    let wanted = targets.iter().map(|target| (target.clone(), spec)).collect();
    let (found, failure) = all_ok(admin.list_offsets(&wanted, IsolationLevel::ReadCommitted).await);
    finish(failure)?;
    Ok(found.into_iter().map(|(target, one)| (target, one.offset)).collect())
}

/// How long the next records of a queue may be away.
const SILENCE: Duration = Duration::from_secs(10);

/// Letters that wait, in the order of their partitions, `most` of them; and behind which offsets they, and what lies between, are.
pub async fn read(
    client: &Client,
    queue: &Queue,
    group: &str,
    most: usize,
) -> Result<(Vec<Letter>, BTreeMap<TopicPartition, i64>), Failure> {
    let (mut letters, mut behind) = (Vec::new(), BTreeMap::new());
    for (target, &(from, end)) in queue.waiting.iter().filter(|(_, (from, end))| from < end) {
        let reader = client.reader().partitions([target.clone()]).isolation(IsolationLevel::ReadCommitted);
        let mut reader = reader.build()?;
        reader.seek(target, from)?;
        let mut at = from;
        while letters.len() < most && at < end {
            let wait = Duration::from_millis(100);
            let mut silent = Duration::ZERO;
            let records = loop {
                let records = reader.poll(wait).await?;
                at = at.max(reader.position(target).unwrap_or(at));
                if !records.is_empty() || at >= end {
                    break records;
                }
                silent += wait;
                if silent >= SILENCE {
                    let why = format!("nothing came of {target} from offset {at} on");
                    return Err(Failure::new("the queue could not be read", why).exit(Exit::Timeout));
                }
            };
            for record in records.into_iter().filter(|record| record.offset < end) {
                if letters.len() == most {
                    at = at.min(record.offset);
                    break;
                }
                letters.extend(Letter::parse(record, group));
            }
        }
        behind.insert(target.clone(), at.min(end));
    }
    Ok((letters, behind))
}

/// The record of a topic that a bare letter stands for, if it is still there.
pub async fn source(client: &Client, letter: &Letter) -> Result<Option<ConsumerRecord>, Failure> {
    let existing = client.admin().list_topics().await?;
    let known = existing.get(&letter.origin.topic);
    if known.is_none_or(|topic| topic.partition(letter.origin.partition).is_none()) {
        return Ok(None);
    }
    let targets = [letter.origin.clone()];
    let begins = list(&client.admin(), &targets, OffsetSpec::Earliest).await?;
    if begins.get(&letter.origin).is_none_or(|begin| *begin > letter.origin_offset) {
        return Ok(None);
    }
    let mut reader = client.reader().partitions(targets).build()?;
    reader.seek(&letter.origin, letter.origin_offset)?;
    let next = tokio::time::timeout(SILENCE, reader.next()).await;
    match next {
        Ok(Some(record)) => Ok(Some(record?).filter(|record| record.offset == letter.origin_offset)),
        Ok(None) | Err(_) => Ok(None),
    }
}

/// Letters as a table.
pub fn letters_table(letters: &[Letter], with_bytes: bool) -> Table {
    let mut columns = vec![
        ("PARTITION", "partition"),
        ("OFFSET", "offset"),
        ("FROM", "from"),
        ("FROM-OFFSET", "from_offset"),
        ("DELIVERIES", "deliveries"),
        ("WHY", "why"),
        ("TIME", "time"),
    ];
    if with_bytes {
        columns.extend([("KEY", "key"), ("VALUE", "value")]);
    }
    let mut table = Table::new(&columns);
    for letter in letters {
        let record = &letter.record;
        let mut row = vec![
            json!(record.partition),
            json!(record.offset),
            json!(letter.origin.to_string()),
            json!(letter.origin_offset),
            json!(letter.delivery_count),
            json!(letter.message),
            json!(format_time_ms(record.timestamp_ms)),
        ];
        if with_bytes {
            let text = |bytes: Option<&[u8]>| json!(bytes.map(String::from_utf8_lossy));
            row.extend([text(record.key.as_deref()), text(record.value.as_deref())]);
        }
        table.row(row);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::TimestampType;

    fn record(headers: &[(&str, &str)]) -> ConsumerRecord {
        let header = |(key, value): &(&str, &str)| Header {
            key: Str::from(*key),
            value: Some(value.as_bytes().to_vec().into()),
        };
        ConsumerRecord {
            topic: "dlq.g".into(),
            partition: 0,
            offset: 9,
            leader_epoch: 0,
            timestamp_ms: 0,
            timestamp_type: TimestampType::CreateTime,
            key: Some(b"k".to_vec().into()),
            value: None,
            headers: headers.iter().map(header).collect(),
        }
    }

    const HEADERS: [(&str, &str); 7] = [
        ("own", "1"),
        ("__dlq.errors.topic", "orders"),
        ("__dlq.errors.partition", "2"),
        ("__dlq.errors.offset", "417"),
        ("__dlq.errors.group", "g"),
        ("__dlq.errors.delivery.count", "5"),
        ("__dlq.errors.message", "Offset rejected by client."),
    ];

    #[test]
    fn a_letter_goes_back_where_it_came_from_without_what_the_queue_added() {
        let letter = Letter::parse(record(&HEADERS), "g").expect("a letter");
        assert_eq!((letter.origin.to_string(), letter.origin_offset), ("orders-2".to_owned(), 417));
        assert_eq!(letter.delivery_count, Some(5));
        assert!(!letter.is_bare());
        let restored = letter.restored(None);
        assert_eq!((restored.topic.as_str(), restored.partition), ("orders", Some(2)));
        let names: Vec<&str> = restored.headers.iter().map(|header| header.key.as_str()).collect();
        assert_eq!(names, ["own"]);
    }

    #[test]
    fn what_is_of_another_group_or_says_nothing_of_its_origin_is_no_letter() {
        assert!(Letter::parse(record(&HEADERS), "h").is_none());
        assert!(Letter::parse(record(&HEADERS[..4]), "g").is_none());
        assert!(Letter::parse(record(&[]), "g").is_none());
    }
}
