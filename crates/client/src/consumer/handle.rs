//! The part of a consumer that any task may use: positions, seeks, pauses, commits. Clones share it.

use super::positions::{Assigned, Position, at};
use super::shared::{Identity, SharedConsumer};
use crate::error::{Error, Result};
use crate::group_offsets::{self, CommittedOffset, Committer};
use crate::offsets::{ListedOffset, OffsetSpec, list_offsets};
use crate::standstill::Standstill;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use wire::topic::TopicPartition;
use wire::{ErrorCode, Str};

/// Steers a consumer from anywhere.
#[derive(Debug, Clone)]
pub struct ConsumerHandle {
    pub(super) shared: Arc<SharedConsumer>,
}

/// Who a consumer is in its group at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMembership {
    /// The group.
    pub group_id: Str,
    /// The generation, -1 outside of one.
    pub generation: i32,
    /// The member id, empty outside of a generation.
    pub member_id: Str,
    /// `group.instance.id`, of a static member.
    pub instance_id: Option<Str>,
}

impl ConsumerHandle {
    /// Reads exactly these partitions from now on, from the group's committed offsets if there is a group. Not for
    /// consumers with a subscription, whose partitions the group chooses.
    pub fn assign(&self, partitions: impl IntoIterator<Item = TopicPartition>) {
        let partitions: Vec<TopicPartition> = partitions.into_iter().collect();
        let shared = &self.shared;
        shared.cluster.add_interest(
            partitions.iter().map(|target| &target.topic),
            shared.options.allow_auto_create_topics,
        );
        {
            let mut positions = shared.positions.lock();
            positions.clear();
            // Without a group nothing is committed: the answer is empty at once, and `auto.offset.reset` decides.
            positions.add(partitions, &Position::Committed);
        }
        shared.fetch_wake.notify_one();
    }

    /// Changes the subscription; the group rebalances.
    pub fn subscribe<T: Into<Str>>(&self, topics: impl IntoIterator<Item = T>) {
        {
            let mut subscription = self.shared.subscription.lock();
            subscription.topics = topics.into_iter().map(Into::into).collect();
            subscription.version += 1;
            self.shared
                .cluster
                .add_interest(&subscription.topics, self.shared.options.allow_auto_create_topics);
        }
        self.shared.subscription_changed.notify_one();
    }

    /// Why nothing comes and since when, if the newest try of something failed. Retries go on all the same.
    pub fn standstill(&self) -> Option<Standstill> {
        self.shared.progress.standstill()
    }

    /// The partitions that this consumer reads now.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.positions.lock().assigned()
    }

    /// The offset that will be delivered next; `None` while it is not known.
    pub fn position(&self, target: &TopicPartition) -> Option<i64> {
        let positions = self.shared.positions.lock();
        positions.get(target).and_then(Assigned::cursor).map(|cursor| cursor.offset())
    }

    /// The end of the partition as the last fetch told it; `None` before.
    pub fn high_watermark(&self, target: &TopicPartition) -> Option<i64> {
        let positions = self.shared.positions.lock();
        positions.get(target).map(|assigned| assigned.high_watermark).filter(|&offset| offset >= 0)
    }

    /// Goes on at this offset; what was fetched is dropped.
    pub fn seek(&self, target: &TopicPartition, offset: i64) -> Result<()> {
        self.seek_to_position(target, at(offset, -1))
    }

    /// Goes on at an offset that is looked up in the background.
    pub fn seek_to(&self, target: &TopicPartition, spec: OffsetSpec) -> Result<()> {
        self.seek_to_position(target, Position::Reset(spec))
    }

    fn seek_to_position(&self, target: &TopicPartition, position: Position) -> Result<()> {
        let moved = self.shared.positions.lock().seek(target, position);
        self.shared.fetch_wake.notify_one();
        if moved { Ok(()) } else { Err(not_assigned(target)) }
    }

    /// After bytes that do not decode: stays before them, and reads them again.
    pub(super) fn read_again(&self, target: &TopicPartition) {
        let mut positions = self.shared.positions.lock();
        if let Some(offset) = positions.get(target).and_then(Assigned::cursor).map(|cursor| cursor.offset()) {
            positions.seek(target, at(offset, -1));
        }
        self.shared.fetch_wake.notify_one();
    }

    /// Delivers nothing from these partitions until `resume`. The member stays in its group.
    pub fn pause<'a>(&self, targets: impl IntoIterator<Item = &'a TopicPartition>) -> Result<()> {
        let mut positions = self.shared.positions.lock();
        targets
            .into_iter()
            .try_for_each(|one| if positions.pause(one) { Ok(()) } else { Err(not_assigned(one)) })
    }

    /// Delivers from these partitions again.
    pub fn resume<'a>(&self, targets: impl IntoIterator<Item = &'a TopicPartition>) -> Result<()> {
        let resumed = {
            let mut positions = self.shared.positions.lock();
            let mut one = |target| if positions.resume(target) { Ok(()) } else { Err(not_assigned(target)) };
            targets.into_iter().try_for_each(&mut one)
        };
        self.shared.fetch_wake.notify_one();
        resumed
    }

    /// Makes `next` return `None` and `poll` return what it has, once.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.shared.ready_notify.notify_one();
    }

    /// Who this consumer is in its group; `None` without a group.
    pub fn membership(&self) -> Option<GroupMembership> {
        let Identity { generation, member_id } = self.shared.identity.lock().clone();
        let group_id = self.shared.options.group_id.clone()?;
        let instance_id = self.shared.options.instance_id.clone();
        Some(GroupMembership { group_id, generation, member_id, instance_id })
    }

    /// Every partition's delivered position, as it would be committed.
    pub fn delivered(&self) -> BTreeMap<TopicPartition, CommittedOffset> {
        let delivered = self.shared.positions.lock().delivered();
        let one = |(target, (offset, leader_epoch))| {
            (target, CommittedOffset { offset, leader_epoch, metadata: Str::new() })
        };
        delivered.into_iter().map(one).collect()
    }

    /// Commits every delivered position. Cancel-safe: a dropped commit may still happen.
    pub async fn commit(&self) -> Result<()> {
        self.commit_offsets(&self.delivered()).await
    }

    /// Commits these positions; fails if any of them is refused. Cancel-safe: a dropped commit may still happen.
    pub async fn commit_offsets(&self, offsets: &BTreeMap<TopicPartition, CommittedOffset>) -> Result<()> {
        let shared = &self.shared;
        let _one_at_a_time = shared.committing.lock().await;
        let committer = self.committer()?;
        let within = shared.cluster.options().api_timeout;
        let committed = group_offsets::commit(&shared.cluster, &committer, offsets, within).await?;
        committed.into_values().collect()
    }

    /// Commits these positions in the background and tells how it went. A later commit waits for this one.
    pub fn commit_async(
        &self,
        offsets: BTreeMap<TopicPartition, CommittedOffset>,
        then: impl FnOnce(Result<()>) + Send + 'static,
    ) {
        let handle = self.clone();
        tokio::spawn(async move { then(handle.commit_offsets(&offsets).await) });
    }

    /// The group's committed offsets; partitions without one are absent. Cancel-safe.
    pub async fn committed(
        &self,
        targets: &[TopicPartition],
    ) -> Result<BTreeMap<TopicPartition, CommittedOffset>> {
        let committer = self.committer()?;
        let within = self.shared.cluster.options().api_timeout;
        let stable = self.shared.options.isolation == crate::offsets::IsolationLevel::ReadCommitted;
        let found = group_offsets::committed(
            &self.shared.cluster,
            &committer.group_id,
            Some(targets),
            stable,
            within,
        )
        .await?;
        found.into_iter().map(|(target, one)| Ok((target, one?))).collect()
    }

    /// Offsets by time, each from its partition's leader. Cancel-safe.
    pub async fn offsets(
        &self,
        wanted: &BTreeMap<TopicPartition, OffsetSpec>,
    ) -> Result<BTreeMap<TopicPartition, ListedOffset>> {
        let shared = &self.shared;
        let within = shared.cluster.options().api_timeout;
        let listed = list_offsets(&shared.cluster, wanted, shared.options.isolation, within).await;
        listed.into_iter().map(|(target, one)| Ok((target, one?))).collect()
    }

    fn committer(&self) -> Result<Committer> {
        let no_group = || Error::configuration("group.id", "committing needs a group");
        let membership = self.membership().ok_or_else(no_group)?;
        Ok(Committer {
            group_id: membership.group_id,
            generation: membership.generation,
            member_id: membership.member_id,
            instance_id: membership.instance_id,
        })
    }
}

fn not_assigned(target: &TopicPartition) -> Error {
    Error::Refused {
        code: ErrorCode::UnknownTopicOrPartition,
        doing: format!("steer {target}"),
        message: Some("this consumer does not read it".to_owned()),
    }
}
