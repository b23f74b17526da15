//! Who leads which partition: elections when brokers come and go, on request (KIP-460), and by the controller's own checks of
//! preferred and unclean leaders. Owns which partitions are looked at; how one changes is `partition_change.rs`'s.

use super::decider::Decider;
use super::election_terms::ElectionTerms;
use super::partition_change::{Election, PartitionChange};
use super::refusal::{Refusal, in_time};
use crate::image::{PartitionImage, TopicImage};
use std::sync::Arc;
use wire::messages::elect_leaders::{
    ElectLeadersRequest, ElectLeadersResponse, PartitionResult, ReplicaElectionResult,
};
use wire::records::metadata::PartitionChangeRecord;
use wire::{ErrorCode, Uuid};

/// Why partitions are looked at: who comes, goes, or went without a clean goodbye.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BrokerChange {
    pub removed: Option<i32>,
    pub added: Option<i32>,
    pub unclean_shutdown: Option<i32>,
}

impl Decider<'_> {
    /// Takes the leaving broker out of the ISRs of these partitions and elects leaders where that is needed.
    pub(super) fn update_leaders(
        &mut self,
        change: BrokerChange,
        concerns: impl Fn(&PartitionImage) -> bool,
    ) {
        let image = self.image();
        for topic in image.topics.iter_by_id() {
            // Equal neighbours are one object in the image: what becomes of one becomes of all, and is found out once.
            let mut last: Option<(&Arc<PartitionImage>, Option<PartitionChangeRecord>)> = None;
            for (index, partition) in topic.partitions.iter().filter(|(_, partition)| concerns(partition)) {
                let record = match &last {
                    Some((same, record)) if Arc::ptr_eq(same, partition) => {
                        record.clone().map(|record| PartitionChangeRecord { partition_id: *index, ..record })
                    }
                    Some(_) | None => {
                        let record = self.leader_update(change, topic, *index, partition);
                        last = Some((partition, record.clone()));
                        record
                    }
                };
                self.write_change(record);
            }
        }
    }

    pub(super) fn update_leader(
        &mut self,
        change: BrokerChange,
        topic: &TopicImage,
        index: i32,
        partition: &PartitionImage,
    ) {
        let record = self.leader_update(change, topic, index, partition);
        self.write_change(record);
    }

    /// What becomes of a partition. Depends on its number in nothing but the record's.
    fn leader_update(
        &self,
        change: BrokerChange,
        topic: &TopicImage,
        index: i32,
        partition: &PartitionImage,
    ) -> Option<PartitionChangeRecord> {
        let cluster = &self.image().cluster;
        let leaves = |id: i32| change.removed == Some(id) || change.unclean_shutdown == Some(id);
        let alive = |id: i32| !leaves(id) && (change.added == Some(id) || cluster.is_active(id));
        let election =
            if self.unclean_election_enabled(topic) { Election::Unclean } else { Election::Online };
        let change_partition = |wish: &mut PartitionChange<'_>| {
            wish.election = election;
            wish.unclean_shutdown = change.unclean_shutdown;
            wish.isr.retain(|id| !leaves(*id));
        };
        self.partition_change(topic, index, partition, &alive, None, change_partition)
    }

    /// Writes the record of a change, if it changes anything. True if it did.
    pub(super) fn change_partition(
        &mut self,
        topic: &TopicImage,
        index: i32,
        partition: &PartitionImage,
        alive: &dyn Fn(i32) -> bool,
        wish: impl FnOnce(&mut PartitionChange<'_>),
    ) -> bool {
        let record = self.partition_change(topic, index, partition, alive, None, wish);
        self.write_change(record)
    }

    /// Writes that a replica lies in that directory from now on.
    // DIVERGES: Kafka asks for the directory of before whether the replica may lead. The last one in sync, on a new disk, is not elected then, nor
    // later: it is unfenced already.
    pub(super) fn change_directory(
        &mut self,
        topic: &TopicImage,
        index: i32,
        partition: &PartitionImage,
        (broker_id, directory): (i32, Uuid),
        begun_anew: bool,
    ) {
        let cluster = &self.image().cluster;
        let alive = |id: i32| cluster.is_active(id);
        let is_online =
            cluster.broker(broker_id).is_some_and(|broker| broker.has_online_directory(directory));
        // What becomes of it in a directory that is not there is the next record's.
        let moved = is_online.then_some((broker_id, directory));
        let record = self.partition_change(topic, index, partition, &alive, moved, |change| {
            change.directories.insert(broker_id, directory);
            change.begun_anew = begun_anew.then_some(broker_id);
        });
        self.write_change(record);
    }

    fn write_change(&mut self, record: Option<PartitionChangeRecord>) -> bool {
        let Some(record) = record else { return false };
        self.write(record, self.metadata_version.partition_record_version());
        true
    }

    /// `moved`: a broker, and the directory that its replica lies in from now on.
    fn partition_change(
        &self,
        topic: &TopicImage,
        index: i32,
        partition: &PartitionImage,
        alive: &dyn Fn(i32) -> bool,
        moved: Option<(i32, Uuid)>,
        wish: impl FnOnce(&mut PartitionChange<'_>),
    ) -> Option<PartitionChangeRecord> {
        let cluster = &self.image().cluster;
        let online = |id: i32| {
            let moved = moved.filter(|(broker_id, _)| *broker_id == id).map(|(_, directory)| directory);
            let directory = moved.or_else(|| partition.directory(id));
            let has_it =
                |directory| cluster.broker(id).is_some_and(|broker| broker.has_online_directory(directory));
            alive(id) && directory.is_some_and(has_it)
        };
        let default_directory = |id: i32| self.default_directory(id);
        let mut change = PartitionChange::new(
            partition,
            (topic.id, index),
            &online,
            self.metadata_version,
            &default_directory,
        );
        change.min_isr = self.effective_min_isr(topic);
        change.elr_enabled = self.elr;
        wish(&mut change);
        change.into_record()
    }

    /// `min.insync.replicas` of a topic, but never more than it has replicas.
    fn effective_min_isr(&self, topic: &TopicImage) -> usize {
        let replicas = topic.partition(0).map_or(usize::MAX, |partition| partition.replicas.len());
        replicas.min(self.terms(topic).min_insync_replicas)
    }

    pub(super) fn unclean_election_enabled(&self, topic: &TopicImage) -> bool {
        self.terms(topic).unclean_election
    }

    fn terms(&self, topic: &TopicImage) -> ElectionTerms {
        let configs = &self.image().configs;
        let own = configs.of_topic(&topic.name);
        let resolve = || ElectionTerms::resolve(self.rules, own, configs);
        if own.is_empty() { *self.plain_terms.get_or_init(resolve) } else { resolve() }
    }

    /// The broker leads some partition.
    pub(super) fn has_leaderships(&self, broker_id: i32) -> bool {
        let leads = |topic: &Arc<TopicImage>| {
            topic.partitions.values().any(|partition| partition.leader == broker_id)
        };
        self.image().topics.iter_by_id().any(leads)
    }

    // ---- ElectLeaders ----

    pub(super) fn elect_leaders(
        &mut self,
        request: &ElectLeadersRequest,
    ) -> Result<ElectLeadersResponse, Refusal> {
        if request.topic_partitions.as_ref().is_some_and(Vec::is_empty) {
            return Ok(ElectLeadersResponse::default());
        }
        in_time(request.timeout_ms)?;
        let election = match request.election_type {
            0 => Election::Preferred,
            1 => Election::Unclean,
            other => {
                return Err(Refusal::new(
                    ErrorCode::InvalidRequest,
                    format!("Unknown election type {other}"),
                ));
            }
        };
        let mut response = ElectLeadersResponse::default();
        let image = self.image();
        match &request.topic_partitions {
            None => {
                for topic in image.topics.iter_by_name() {
                    let outcomes = topic
                        .partitions
                        .keys()
                        .map(|index| (*index, self.elect_leader(&topic.name, *index, election)));
                    let needed = |outcome: &Result<(), Refusal>| {
                        outcome
                            .as_ref()
                            .err()
                            .is_none_or(|refusal| refusal.error != ErrorCode::ElectionNotNeeded)
                    };
                    let outcomes: Vec<_> = outcomes.filter(|(_, outcome)| needed(outcome)).collect();
                    response.replica_election_results.push(election_result(&topic.name, outcomes));
                }
            }
            Some(topics) => {
                for topic in topics {
                    let outcomes = topic
                        .partitions
                        .iter()
                        .map(|index| (*index, self.elect_leader(&topic.topic, *index, election)));
                    let outcomes = outcomes.collect();
                    response.replica_election_results.push(election_result(&topic.topic, outcomes));
                }
            }
        }
        Ok(response)
    }

    fn elect_leader(&mut self, name: &str, index: i32, election: Election) -> Result<(), Refusal> {
        let unknown = |what: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, what);
        let image = self.image();
        let topic = image.topics.by_name(name).ok_or_else(|| unknown(format!("No such topic as {name}")))?;
        let partition =
            topic.partition(index).ok_or_else(|| unknown(format!("No such partition as {name}-{index}")))?;
        let fine = match election {
            Election::Preferred => partition.has_preferred_leader(),
            Election::Unclean | Election::Online => partition.has_leader(),
        };
        if fine {
            return Err(Refusal::plain(ErrorCode::ElectionNotNeeded));
        }
        let alive = |id: i32| image.cluster.is_active(id);
        if self.change_partition(topic, index, partition, &alive, |change| change.election = election) {
            return Ok(());
        }
        Err(Refusal::plain(match election {
            Election::Preferred => ErrorCode::PreferredLeaderNotAvailable,
            Election::Unclean | Election::Online => ErrorCode::EligibleLeadersNotAvailable,
        }))
    }

    // ---- The controller's own checks ----

    /// Gives partitions back to their preferred leaders, at most `limit` of them. True if there may be more.
    pub(super) fn balance_leaders(&mut self, limit: usize) -> bool {
        let image = self.image();
        let alive = |id: i32| image.cluster.is_active(id);
        for topic in image.topics.iter_by_id() {
            for (index, partition) in topic.partitions.iter().filter(|(_, p)| !p.has_preferred_leader()) {
                if self.records.len() >= limit {
                    return true;
                }
                self.change_partition(topic, *index, partition, &alive, |change| {
                    change.election = Election::Preferred
                });
            }
        }
        false
    }

    /// Elects leaders uncleanly where the topic allows it. True if there may be more.
    pub(super) fn elect_unclean_leaders(&mut self, limit: usize) -> bool {
        let image = self.image();
        for topic in image.topics.iter_by_id() {
            let offline: Vec<i32> = topic
                .partitions
                .iter()
                .filter(|(_, partition)| !partition.has_leader())
                .map(|(index, _)| *index)
                .collect();
            if offline.is_empty() || !self.unclean_election_enabled(topic) {
                continue;
            }
            for index in offline {
                if self.records.len() >= limit {
                    return true;
                }
                // A partition without any live replica stays as it is.
                let _ = self.elect_leader(&topic.name, index, Election::Unclean);
            }
        }
        false
    }

    /// All partitions that have a replica in this directory.
    pub(super) fn partitions_in_directory(&self, directory: Uuid) -> Vec<(Arc<TopicImage>, i32)> {
        let mut found = Vec::new();
        for topic in self.image().topics.iter_by_id() {
            let there =
                topic.partitions.iter().filter(|(_, partition)| partition.directories.contains(&directory));
            found.extend(there.map(|(index, _)| (Arc::clone(topic), *index)));
        }
        found
    }
}

fn election_result(topic: &wire::Str, outcomes: Vec<(i32, Result<(), Refusal>)>) -> ReplicaElectionResult {
    let result = |(partition_id, outcome): (i32, Result<(), Refusal>)| {
        let refusal = outcome.err();
        PartitionResult {
            partition_id,
            error_code: refusal.as_ref().map_or(0, |refusal| refusal.error.code()),
            error_message: refusal.as_ref().and_then(Refusal::text),
        }
    };
    ReplicaElectionResult {
        topic: topic.clone(),
        partition_result: outcomes.into_iter().map(result).collect(),
    }
}
