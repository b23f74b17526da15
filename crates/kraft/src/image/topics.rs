//! Topics and their partitions: replicas, directories, ISR, ELR, leader and epochs (KIP-455, 516, 704, 858, 966).
//! Owns how partition records merge; who should lead is the controller's business.

use super::contradiction::{Contradiction, contradiction};
use super::{Change, CowMap};
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::records::metadata::{
    ClearElrRecord, PartitionChangeRecord, PartitionRecord, RemoveTopicRecord, TopicRecord,
};
use wire::{Str, Uuid};

/// The leader of a partition that has none.
pub const NO_LEADER: i32 = -1;
/// In a PartitionChangeRecord: the leader stays, and so does its epoch.
pub(crate) const NO_LEADER_CHANGE: i32 = -2;
/// In a PartitionChangeRecord: the recovery state stays.
pub(crate) const NO_RECOVERY_CHANGE: i8 = -1;

/// Whether the leader was elected uncleanly and still has to recover (KIP-704).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeaderRecoveryState {
    /// Its log is what was committed.
    #[default]
    Recovered = 0,
    /// It may lack committed records and has not recovered from that yet.
    Recovering = 1,
}

impl LeaderRecoveryState {
    /// The state of a number in a record or request.
    pub fn from_id(id: i8) -> Option<LeaderRecoveryState> {
        match id {
            0 => Some(LeaderRecoveryState::Recovered),
            1 => Some(LeaderRecoveryState::Recovering),
            _ => None,
        }
    }

    /// The number in records and requests.
    pub fn id(self) -> i8 {
        self as i8
    }
}

/// One partition. What a controller of ours keeps true of it is in `invariants.rs`, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartitionImage {
    /// Broker ids, the preferred leader first.
    pub replicas: Vec<i32>,
    /// The log directory of each replica, in the order of `replicas`.
    pub directories: Vec<Uuid>,
    /// In-sync replicas: they have everything that is committed.
    pub isr: Vec<i32>,
    /// Leave when the reassignment in progress is complete (KIP-455).
    pub removing_replicas: Vec<i32>,
    /// Come with the reassignment in progress.
    pub adding_replicas: Vec<i32>,
    /// Eligible leaders: out of the ISR, and yet they have everything that is committed (KIP-966).
    pub elr: Vec<i32>,
    /// Who led last, where nobody is eligible.
    pub last_known_elr: Vec<i32>,
    /// [`NO_LEADER`] if offline.
    pub leader: i32,
    /// Whether the leader was elected cleanly.
    pub leader_recovery_state: LeaderRecoveryState,
    /// Grows with every election.
    pub leader_epoch: i32,
    /// Grows with every change.
    pub partition_epoch: i32,
}

impl PartitionImage {
    /// False if the partition is offline.
    pub fn has_leader(&self) -> bool {
        self.leader != NO_LEADER
    }

    /// The first replica leads, as it should.
    pub fn has_preferred_leader(&self) -> bool {
        self.replicas.first().is_some_and(|first| *first == self.leader)
    }

    /// Replicas are being added or removed (KIP-455).
    pub fn is_reassigning(&self) -> bool {
        !self.adding_replicas.is_empty() || !self.removing_replicas.is_empty()
    }

    /// The log directory of a replica, `None` if the broker is not a replica.
    pub fn directory(&self, replica: i32) -> Option<Uuid> {
        let position = self.replicas.iter().position(|id| *id == replica)?;
        self.directories.get(position).copied()
    }

    fn from_record(record: &PartitionRecord) -> Result<PartitionImage, Contradiction> {
        let recovery = recovery_state(record.leader_recovery_state)?;
        Ok(PartitionImage {
            directories: checked_directories(&record.directories, record.replicas.len())?,
            replicas: record.replicas.clone(),
            isr: record.isr.clone(),
            removing_replicas: record.removing_replicas.clone(),
            adding_replicas: record.adding_replicas.clone(),
            elr: record.eligible_leader_replicas.clone().unwrap_or_default(),
            last_known_elr: record.last_known_elr.clone().unwrap_or_default(),
            leader: record.leader,
            leader_recovery_state: recovery,
            leader_epoch: record.leader_epoch,
            partition_epoch: record.partition_epoch,
        })
    }

    /// This partition after a change; the controller uses it to foresee what it is about to write.
    pub(crate) fn merged(&self, record: &PartitionChangeRecord) -> Result<PartitionImage, Contradiction> {
        let replicas = record.replicas.as_ref().unwrap_or(&self.replicas);
        let directories = record.directories.as_ref().unwrap_or(&self.directories);
        let recovery = match record.leader_recovery_state {
            NO_RECOVERY_CHANGE => self.leader_recovery_state,
            id => recovery_state(id)?,
        };
        let (leader, leader_epoch) = match record.leader {
            NO_LEADER_CHANGE => (self.leader, self.leader_epoch),
            leader => (leader, self.leader_epoch + 1),
        };
        Ok(PartitionImage {
            directories: checked_directories(directories, replicas.len())?,
            replicas: replicas.clone(),
            isr: record.isr.as_ref().unwrap_or(&self.isr).clone(),
            removing_replicas: record.removing_replicas.as_ref().unwrap_or(&self.removing_replicas).clone(),
            adding_replicas: record.adding_replicas.as_ref().unwrap_or(&self.adding_replicas).clone(),
            elr: record.eligible_leader_replicas.as_ref().unwrap_or(&self.elr).clone(),
            last_known_elr: record.last_known_elr.as_ref().unwrap_or(&self.last_known_elr).clone(),
            leader,
            leader_recovery_state: recovery,
            leader_epoch,
            partition_epoch: self.partition_epoch + 1,
        })
    }
}

fn recovery_state(id: i8) -> Result<LeaderRecoveryState, Contradiction> {
    LeaderRecoveryState::from_id(id)
        .ok_or_else(|| Contradiction(format!("unknown leader recovery state {id}")))
}

/// One directory per replica; none at all (a record older than KIP-858) means that all are still to be assigned.
fn checked_directories(directories: &[Uuid], replicas: usize) -> Result<Vec<Uuid>, Contradiction> {
    if directories.len() == replicas {
        Ok(directories.to_vec())
    } else if directories.iter().all(|directory| *directory == Uuid::MIGRATING_DIRECTORY) {
        Ok(vec![Uuid::MIGRATING_DIRECTORY; replicas])
    } else {
        contradiction(format!("{} directories for {replicas} replicas", directories.len()))
    }
}

/// One topic.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicImage {
    /// Its name.
    pub name: Str,
    /// Its id; a topic made anew under the name has another.
    pub id: Uuid,
    /// By partition index.
    pub partitions: CowMap<i32, Arc<PartitionImage>>,
}

impl TopicImage {
    /// One partition.
    pub fn partition(&self, index: i32) -> Option<&Arc<PartitionImage>> {
        self.partitions.get(&index)
    }

    /// Where the partition before is equal, both are the same object: on a node of its own a topic's partitions differ in nothing.
    fn shared(&self, index: i32, partition: PartitionImage) -> Arc<PartitionImage> {
        match self.partition(index.wrapping_sub(1)) {
            Some(before) if **before == partition => Arc::clone(before),
            Some(_) | None => Arc::new(partition),
        }
    }
}

/// How a topic differs between two images.
#[derive(Debug)]
pub enum TopicChange<'a> {
    /// Only the newer image has it.
    Created(&'a Arc<TopicImage>),
    /// Only the older image has it.
    Deleted(&'a Arc<TopicImage>),
    /// Older and newer; `newer.partitions.changes_since(&older.partitions)` names the partitions.
    Changed(&'a Arc<TopicImage>, &'a Arc<TopicImage>),
}

/// All topics. Names and ids are one to one; what is counted and indexed here is what the topics say (`invariants.rs`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TopicsImage {
    pub(super) by_id: CowMap<Uuid, Arc<TopicImage>>,
    pub(super) by_name: CowMap<Str, Uuid>,
    /// Names with a '.' or '_', under the name in which every '.' is a '_': these collide in metric names.
    pub(super) colliding: CowMap<Str, Arc<BTreeSet<Str>>>,
    pub(super) partition_count: usize,
    last_change: LastChange,
}

/// The last change of a partition: a broker that comes or goes changes long runs of equal ones, and what came of the first comes of
/// all. No part of what the cluster agreed on, so any two are equal.
#[derive(Clone, Debug, Default)]
struct LastChange(Option<Arc<Changed>>);

#[derive(Debug)]
struct Changed {
    before: Arc<PartitionImage>,
    record: PartitionChangeRecord,
    after: Arc<PartitionImage>,
}

impl PartialEq for LastChange {
    fn eq(&self, _: &LastChange) -> bool {
        true
    }
}

impl LastChange {
    /// What the record makes of the partition, if the last one made it of this very partition.
    fn repeated(
        &self,
        before: &Arc<PartitionImage>,
        record: &PartitionChangeRecord,
    ) -> Option<Arc<PartitionImage>> {
        let last = self.0.as_deref().filter(|last| Arc::ptr_eq(&last.before, before))?;
        let same = last.record.isr == record.isr
            && last.record.leader == record.leader
            && last.record.replicas == record.replicas
            && last.record.removing_replicas == record.removing_replicas
            && last.record.adding_replicas == record.adding_replicas
            && last.record.leader_recovery_state == record.leader_recovery_state
            && last.record.eligible_leader_replicas == record.eligible_leader_replicas
            && last.record.last_known_elr == record.last_known_elr
            && last.record.directories == record.directories;
        same.then(|| Arc::clone(&last.after))
    }
}

impl TopicsImage {
    /// The topic of a name.
    pub fn by_name(&self, name: &str) -> Option<&Arc<TopicImage>> {
        self.by_name.get(name).and_then(|id| self.by_id.get(id))
    }

    /// The topic of an id.
    pub fn by_id(&self, id: Uuid) -> Option<&Arc<TopicImage>> {
        self.by_id.get(&id)
    }

    /// All topics in order of their names.
    pub fn iter_by_name(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_name.values().filter_map(|id| self.by_id.get(id))
    }

    /// Topics at or after a name, in order of their names: for answers in pages (KIP-966).
    pub fn iter_from_name(&self, name: &str) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_name.iter_from(name).filter_map(|(_, id)| self.by_id.get(id))
    }

    /// All topics in order of their ids: the order of snapshots.
    pub fn iter_by_id(&self) -> impl Iterator<Item = &Arc<TopicImage>> {
        self.by_id.values()
    }

    /// Number of topics.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// True without topics.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Number of partitions of all topics.
    pub fn partition_count(&self) -> usize {
        self.partition_count
    }

    /// An existing topic whose name differs from this one only in dots and underscores.
    pub fn colliding(&self, name: &str) -> Option<&Str> {
        if !name.contains(['.', '_']) {
            return None;
        }
        self.colliding.get(unified(name).as_str()).and_then(|names| names.first())
    }

    /// What changed since an older image, in order of topic ids; costs in proportion to the change.
    pub fn changes_since<'a>(&'a self, older: &'a TopicsImage) -> Vec<TopicChange<'a>> {
        let changes = self.by_id.changes_since(&older.by_id);
        let change = |change| match change {
            Change::Added(_, topic) => TopicChange::Created(topic),
            Change::Changed(_, old, new) => TopicChange::Changed(old, new),
            Change::Removed(_, topic) => TopicChange::Deleted(topic),
        };
        changes.into_iter().map(change).collect()
    }

    /// The partition before and after the last change that was not the one before it over again.
    pub(super) fn last_change(&self) -> Option<(&PartitionImage, &PartitionImage)> {
        self.last_change.0.as_ref().map(|change| (&*change.before, &*change.after))
    }

    pub(super) fn create(&mut self, record: &TopicRecord) -> Result<(), Contradiction> {
        if self.by_name.contains_key(record.name.as_str()) || self.by_id.contains_key(&record.topic_id) {
            return contradiction(format!("topic {} ({}) exists already", record.name, record.topic_id));
        }
        let name = record.name.detached();
        if name.contains(['.', '_']) {
            let mut names = self.colliding.get(unified(&name).as_str()).cloned().unwrap_or_default();
            Arc::make_mut(&mut names).insert(name.clone());
            self.colliding.insert(unified(&name), names);
        }
        self.by_name.insert(name.clone(), record.topic_id);
        self.by_id.insert(
            record.topic_id,
            Arc::new(TopicImage { name, id: record.topic_id, partitions: CowMap::new() }),
        );
        Ok(())
    }

    pub(super) fn remove(&mut self, record: &RemoveTopicRecord) -> Result<Str, Contradiction> {
        let Some(topic) = self.by_id.remove(&record.topic_id) else {
            return contradiction(format!("there is no topic with id {} to remove", record.topic_id));
        };
        self.by_name.remove(topic.name.as_str());
        self.partition_count -= topic.partitions.len();
        let key = unified(&topic.name);
        if let Some(names) = self.colliding.get_mut(key.as_str()) {
            Arc::make_mut(names).remove(topic.name.as_str());
            if names.is_empty() {
                self.colliding.remove(key.as_str());
            }
        }
        Ok(topic.name.clone())
    }

    pub(super) fn set_partition(&mut self, record: &PartitionRecord) -> Result<(), Contradiction> {
        let partition = PartitionImage::from_record(record)?;
        let topic = topic_of(&mut self.by_id, record.topic_id, record.partition_id)?;
        let partition = topic.shared(record.partition_id, partition);
        if topic.partitions.insert(record.partition_id, partition).is_none() {
            self.partition_count += 1;
        }
        Ok(())
    }

    pub(super) fn change_partition(&mut self, record: &PartitionChangeRecord) -> Result<(), Contradiction> {
        let TopicsImage { by_id, last_change, .. } = self;
        let topic = topic_of(by_id, record.topic_id, record.partition_id)?;
        let Some(partition) = topic.partitions.get(&record.partition_id) else {
            return contradiction(format!(
                "there is no partition {} of topic {} to change",
                record.partition_id, record.topic_id
            ));
        };
        let merged = match last_change.repeated(partition, record) {
            Some(repeated) => repeated,
            None => {
                let (before, record) = (Arc::clone(partition), record.clone());
                let after = topic.shared(record.partition_id, before.merged(&record)?);
                *last_change =
                    LastChange(Some(Arc::new(Changed { before, record, after: Arc::clone(&after) })));
                after
            }
        };
        topic.partitions.insert(record.partition_id, merged);
        Ok(())
    }

    /// Clears the ELR of one topic's partitions, or of all if the record names none.
    pub(super) fn clear_elr(&mut self, record: &ClearElrRecord) -> Result<(), Contradiction> {
        let ids: Vec<Uuid> = if record.topic_name.is_empty() {
            self.by_id.keys().copied().collect()
        } else {
            match self.by_name.get(record.topic_name.as_str()) {
                Some(id) => vec![*id],
                None => {
                    return contradiction(format!(
                        "there is no topic {} to clear the ELR of",
                        record.topic_name
                    ));
                }
            }
        };
        for id in ids {
            self.clear_elr_of(id)?;
        }
        Ok(())
    }

    fn clear_elr_of(&mut self, id: Uuid) -> Result<(), Contradiction> {
        let has_elr = |p: &PartitionImage| !p.elr.is_empty() || !p.last_known_elr.is_empty();
        let Some(topic) = self.by_id.get(&id) else { return Ok(()) };
        let affected: Vec<i32> =
            topic.partitions.iter().filter(|(_, p)| has_elr(p)).map(|(index, _)| *index).collect();
        for partition_id in affected {
            let nothing = Some(Vec::new());
            let change = PartitionChangeRecord {
                topic_id: id,
                partition_id,
                eligible_leader_replicas: nothing.clone(),
                last_known_elr: nothing,
                ..Default::default()
            };
            self.change_partition(&change)?;
        }
        Ok(())
    }
}

fn topic_of(
    topics: &mut CowMap<Uuid, Arc<TopicImage>>,
    id: Uuid,
    partition: i32,
) -> Result<&mut TopicImage, Contradiction> {
    match topics.get_mut(&id) {
        Some(topic) => Ok(Arc::make_mut(topic)),
        None => contradiction(format!("partition {partition} belongs to unknown topic {id}")),
    }
}

/// The name as metrics show it: every '.' is a '_'.
pub(super) fn unified(name: &str) -> Str {
    Str::from(name.replace('.', "_"))
}
