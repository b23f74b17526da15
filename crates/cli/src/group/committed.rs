//! What a group has committed, and how one names a part of it.

use crate::failure::Failure;
use crate::refusal::{all_ok, finish};
use client::admin::{Each, GroupDescription};
use client::{Admin, CommittedOffset, ErrorCode, Str, TopicPartition};
use std::collections::BTreeMap;

/// A topic, or some of its partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The topic.
    pub topic: Str,
    /// Empty: all.
    pub partitions: Vec<i32>,
}

/// `TOPIC` or `TOPIC:0,1,2`, as kafka-consumer-groups has it.
pub fn scope(text: &str) -> Result<Scope, String> {
    let (topic, list) = text.split_once(':').unwrap_or((text, ""));
    let numbers = list.split(',').filter(|part| !part.is_empty()).map(|part| part.trim().parse::<i32>());
    let partitions =
        numbers.collect::<Result<Vec<i32>, _>>().map_err(|_| "write TOPIC or TOPIC:0,1".to_owned())?;
    Ok(Scope { topic: Str::from(topic), partitions })
}

/// All that are named, of a topic that is named without any all it has.
pub async fn partitions(scopes: &[Scope], admin: &Admin) -> Result<Vec<TopicPartition>, Failure> {
    let whole = scopes.iter().filter(|scope| scope.partitions.is_empty());
    let names: Vec<Str> = whole.map(|scope| scope.topic.clone()).collect();
    let (topics, failure) = all_ok(admin.describe_topics(&names).await?);
    finish(failure)?;
    let all = topics.iter().flat_map(|(name, topic)| {
        topic.partitions.iter().map(|one| TopicPartition::new(name.clone(), one.index))
    });
    let named = scopes.iter().flat_map(|scope| {
        scope.partitions.iter().map(|&partition| TopicPartition::new(scope.topic.clone(), partition))
    });
    Ok(all.chain(named).collect())
}

impl Scope {
    /// The named partitions, or those of the topic that have an offset.
    pub fn among<T>(&self, committed: &BTreeMap<TopicPartition, T>) -> Vec<TopicPartition> {
        if self.partitions.is_empty() {
            return committed.keys().filter(|target| target.topic == self.topic).cloned().collect();
        }
        self.partitions.iter().map(|&partition| TopicPartition::new(self.topic.clone(), partition)).collect()
    }
}

/// Where a group is: its committed offsets, or those at which a share group begins. With the records from there on that are not done with,
/// where the cluster knows them better than by the partition's end.
pub async fn positions(
    admin: &Admin,
    group: &Str,
    is_share: bool,
) -> Result<BTreeMap<TopicPartition, (i64, Option<i64>)>, Failure> {
    if !is_share {
        let committed = committed(admin, group).await?.into_iter();
        return Ok(committed.map(|(target, one)| (target, (one.offset, None))).collect());
    }
    let (offsets, failure) = all_ok(admin.share_group_offsets(group).await?);
    finish(failure)?;
    Ok(offsets.into_iter().map(|(target, one)| (target, (one.start_offset, one.lag))).collect())
}

/// A group's members and type; `None` of a group without members that only has offsets, or is not there at all.
pub async fn described(admin: &Admin, group: &Str) -> Result<Option<GroupDescription>, Failure> {
    match admin.describe_group(group).await {
        Ok(described) => Ok(Some(described)),
        Err(error) if error.code() == Some(ErrorCode::GroupIdNotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether records of it are shared one by one (KIP-932).
pub fn is_share(described: Option<&GroupDescription>) -> bool {
    described.is_some_and(|group| group.group_type == "Share")
}

/// A group's committed offsets; one partition's refusal fails all.
pub async fn committed(
    admin: &Admin,
    group: &Str,
) -> Result<BTreeMap<TopicPartition, CommittedOffset>, Failure> {
    let each: Each<TopicPartition, CommittedOffset> = admin.group_offsets(group).await?;
    let (offsets, failure) = all_ok(each);
    finish(failure)?;
    Ok(offsets.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_read_as_kafka_writes_them() {
        let parsed = scope("orders:0,2").expect("valid");
        assert_eq!((parsed.topic.as_str(), parsed.partitions), ("orders", vec![0, 2]));
        assert_eq!(scope("orders").expect("valid").partitions, Vec::<i32>::new());
        assert!(scope("orders:x").is_err());
    }
}
