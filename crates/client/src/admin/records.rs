//! Records and offsets of partitions: where they begin and end (KIP-79), trimming (KIP-107), producers at work (KIP-664).

use super::{Admin, Each, Whom, brokers::ProducerDescription};
use crate::error::{Error, Result};
use crate::offsets::{IsolationLevel, ListedOffset, OffsetSpec, list_offsets};
use std::collections::BTreeMap;
use wire::messages::delete_records::{DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic};
use wire::messages::describe_producers::{DescribeProducersRequest, TopicRequest};
use wire::topic::TopicPartition;
use wire::{ErrorCode, Str};

impl Admin {
    /// Offsets by time, each from its partition's leader. Cancel-safe.
    pub async fn list_offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
        isolation: IsolationLevel,
    ) -> Each<TopicPartition, ListedOffset> {
        list_offsets(&self.cluster, wanted, isolation, self.within).await
    }

    /// Deletes the records before these offsets (-1: all up to the high watermark); gives each partition's new first offset. Beyond
    /// the high watermark: `OFFSET_OUT_OF_RANGE`. Cancel-safe: a dropped call may still delete.
    pub async fn delete_records(
        &self,
        before: &BTreeMap<TopicPartition, i64>,
    ) -> Result<Each<TopicPartition, i64>> {
        let mut each = Each::new();
        for (leader, targets) in self.by_leader(before.keys(), &mut each).await? {
            let mut topics: Vec<DeleteRecordsTopic> = Vec::new();
            for target in targets {
                if topics.last().is_none_or(|topic| topic.name != target.topic) {
                    topics.push(DeleteRecordsTopic { name: target.topic.clone(), partitions: Vec::new() });
                }
                let partition =
                    DeleteRecordsPartition { partition_index: target.partition, offset: before[&target] };
                topics.last_mut().expect("pushed above").partitions.push(partition);
            }
            let request = DeleteRecordsRequest { topics, timeout_ms: self.request_timeout_ms() };
            each.extend(
                self.ask(Whom::Node(leader), &request, "delete records", |answer| {
                    let mut each = Each::new();
                    for topic in answer.topics {
                        for one in topic.partitions {
                            let target = TopicPartition::new(topic.name.detached(), one.partition_index);
                            let doing = || format!("delete records of {target}");
                            let checked = Error::check(one.error_code, None, doing);
                            super::item(&mut each, target, checked.map(|()| one.low_watermark))?;
                        }
                    }
                    Ok(each)
                })
                .await?,
            );
        }
        Ok(each)
    }

    /// The producers that each partition's leader remembers. Cancel-safe.
    pub async fn describe_producers(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Each<TopicPartition, Vec<ProducerDescription>>> {
        let mut each = Each::new();
        for (leader, targets) in self.by_leader(partitions, &mut each).await? {
            let mut topics: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
            for target in targets {
                topics.entry(target.topic).or_default().push(target.partition);
            }
            let topics =
                topics.into_iter().map(|(name, partition_indexes)| TopicRequest { name, partition_indexes });
            let request = DescribeProducersRequest { topics: topics.collect() };
            each.extend(
                self.ask(Whom::Node(leader), &request, "describe producers", |answer| {
                    let mut each = Each::new();
                    for topic in answer.topics {
                        for one in topic.partitions {
                            let target = TopicPartition::new(topic.name.detached(), one.partition_index);
                            let doing = || format!("describe the producers of {target}");
                            let checked = Error::check(one.error_code, one.error_message.as_deref(), doing);
                            let producers =
                                one.active_producers.into_iter().map(ProducerDescription::from_wire);
                            super::item(&mut each, target, checked.map(|()| producers.collect()))?;
                        }
                    }
                    Ok(each)
                })
                .await?,
            );
        }
        Ok(each)
    }

    /// Leader → its partitions; those without one get their error.
    pub(super) async fn by_leader<'a, T>(
        &self,
        targets: impl IntoIterator<Item = &'a TopicPartition>,
        each: &mut Each<TopicPartition, T>,
    ) -> Result<BTreeMap<i32, Vec<TopicPartition>>> {
        let targets: Vec<&TopicPartition> = targets.into_iter().collect();
        self.cluster.add_interest(targets.iter().map(|target| &target.topic), false);
        let metadata = self.cluster.refresh(self.cluster.metadata().version).await?;
        let mut by_leader: BTreeMap<i32, Vec<TopicPartition>> = BTreeMap::new();
        for target in targets {
            match metadata.leader(&target.topic, target.partition) {
                Some((leader, _epoch)) => by_leader.entry(leader).or_default().push(target.clone()),
                None => {
                    let known = metadata
                        .topics
                        .get(&target.topic)
                        .and_then(|topic| topic.partition(target.partition));
                    let code = if known.is_some() {
                        ErrorCode::LeaderNotAvailable
                    } else {
                        ErrorCode::UnknownTopicOrPartition
                    };
                    each.insert(
                        target.clone(),
                        Err(Error::refused(code, format!("find the leader of {target}"))),
                    );
                }
            }
        }
        Ok(by_leader)
    }
}
