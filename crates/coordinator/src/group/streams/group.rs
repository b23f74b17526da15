//! A streams group as its records leave it, and what it has besides them. Changed by records alone; the rooms beside it decide them.

use super::member::StreamsMember;
use super::records::StreamsGroupChange;
use super::tasks::{TaskSets, from_target_record};
use super::topics::Configured;
use super::topology::Topology;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Str;
use wire::records::group::{
    LastAssignmentConfig, StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberValue,
};

/// What the tasks are divided by, as it is kept with the group: by key, the settings of then.
pub type AssignmentConfigs = BTreeMap<Str, Str>;

/// A streams group.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamsGroup {
    /// Grows with each change of members, topics or settings.
    pub epoch: i32,
    /// Of the topics that the topology names; 0 of none.
    pub metadata_hash: i64,
    /// The topology whose topics were found to be as they must be; −1 for none.
    pub validated_topology_epoch: i32,
    /// The topology whose description a plug-in of Kafka keeps: kept as it is.
    pub stored_description_topology_epoch: i32,
    /// The one whose description it did not take.
    pub failed_description_topology_epoch: i32,
    /// What the last targets were made by.
    pub last_assignment_configs: AssignmentConfigs,
    /// The epoch that the targets are of.
    pub assignment_epoch: i32,
    /// When they were computed, by the wall clock; 0 is never.
    pub assignment_timestamp_ms: i64,
    /// By id.
    pub members: BTreeMap<Str, Arc<StreamsMember>>,
    /// The member of each instance.
    static_members: BTreeMap<Str, Str>,
    /// What each member shall have.
    pub targets: BTreeMap<Str, Arc<TaskSets>>,
    /// `None` before the first member has brought it.
    pub topology: Option<Arc<Topology>>,
}

impl Default for StreamsGroup {
    /// Before any record: its epochs begin with 1, as Kafka's do.
    fn default() -> StreamsGroup {
        StreamsGroup {
            epoch: 1,
            metadata_hash: 0,
            validated_topology_epoch: -1,
            stored_description_topology_epoch: -1,
            failed_description_topology_epoch: -1,
            last_assignment_configs: AssignmentConfigs::new(),
            assignment_epoch: 1,
            assignment_timestamp_ms: 0,
            members: BTreeMap::new(),
            static_members: BTreeMap::new(),
            targets: BTreeMap::new(),
            topology: None,
        }
    }
}

/// How much of the state of a task a member has: by subtopology and partition.
pub type TaskOffsets = BTreeMap<Str, BTreeMap<i32, i64>>;

/// What a member told of its tasks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ToldOffsets {
    /// How much it has restored.
    pub offsets: TaskOffsets,
    /// How much there is.
    pub end_offsets: TaskOffsets,
}

/// What a group has besides its records: it dies with leadership.
#[derive(Debug, Clone, Default)]
pub struct StreamsSoft {
    /// The version of the cluster that its topics were last looked at.
    pub checked_version: Option<i64>,
    /// What became of the topology then.
    pub configured: Option<Arc<Configured>>,
    /// The first members of a group wait for others to come.
    pub is_delayed: bool,
    /// The member that wants the whole application to end.
    pub shutdown_by: Option<Str>,
    /// Grows whenever somebody else is to be asked for a task's state.
    pub endpoint_epoch: i32,
    /// What members told of their tasks.
    pub told: BTreeMap<Str, Arc<ToldOffsets>>,
}

impl StreamsGroup {
    /// Nobody is a member.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// For those who ask.
    pub fn state(&self) -> &'static str {
        let is_validated =
            self.topology.as_ref().is_some_and(|topology| topology.epoch == self.validated_topology_epoch);
        if self.members.is_empty() {
            "Empty"
        } else if !is_validated {
            "NotReady"
        } else if self.epoch > self.assignment_epoch {
            "Assigning"
        } else if self.members.values().all(|member| member.is_reconciled_to(self.assignment_epoch)) {
            "Stable"
        } else {
            "Reconciling"
        }
    }

    /// The member of this instance.
    pub fn static_member(&self, instance_id: &str) -> Option<&Arc<StreamsMember>> {
        self.static_members.get(instance_id).and_then(|id| self.members.get(id))
    }

    /// Whether members read from it: its offsets are not to be deleted.
    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        !self.is_empty() && self.topology.as_ref().is_some_and(|topology| topology.reader_of(topic).is_some())
    }

    /// The record of its epoch, all else as it is.
    pub(super) fn epoch_value(&self, epoch: i32) -> StreamsGroupMetadataValue {
        let (hash, validated) = (self.metadata_hash, self.validated_topology_epoch);
        self.epoch_value_for(epoch, hash, validated, &self.last_assignment_configs)
    }

    /// The record of its epoch, for topics with this hash, the topology that is right with them, and settings.
    pub(super) fn epoch_value_for(
        &self,
        epoch: i32,
        metadata_hash: i64,
        validated_topology_epoch: i32,
        configs: &AssignmentConfigs,
    ) -> StreamsGroupMetadataValue {
        let config =
            |(key, value): (&Str, &Str)| LastAssignmentConfig { key: key.clone(), value: value.clone() };
        StreamsGroupMetadataValue {
            epoch,
            metadata_hash,
            validated_topology_epoch,
            last_assignment_configs: Some(configs.iter().map(config).collect()),
            stored_description_topology_epoch: self.stored_description_topology_epoch,
            failed_description_topology_epoch: self.failed_description_topology_epoch,
        }
    }

    /// A record of it, but for its end.
    pub fn apply(&mut self, change: &StreamsGroupChange) {
        match change {
            StreamsGroupChange::Group { value } => {
                if let Some(value) = value {
                    self.take_group(value);
                }
            }
            StreamsGroupChange::Member { member_id, value: Some(value) } => {
                let member = self.member_mut(member_id);
                let before = member.instance_id.take();
                member.take_metadata(value);
                let instance_id = member.instance_id.clone();
                before.into_iter().for_each(|instance_id| drop(self.static_members.remove(&instance_id)));
                if let Some(instance_id) = instance_id {
                    self.static_members.insert(instance_id, member_id.clone());
                }
            }
            StreamsGroupChange::Member { member_id, value: None } => {
                let gone = self.members.remove(member_id);
                self.targets.remove(member_id);
                if let Some(instance_id) = gone.and_then(|member| member.instance_id.clone())
                    && self.static_members.get(&instance_id) == Some(member_id)
                {
                    self.static_members.remove(&instance_id);
                }
            }
            StreamsGroupChange::TargetMetadata { value } => {
                let of = value.as_ref().map(|value| (value.assignment_epoch, value.assignment_timestamp));
                (self.assignment_epoch, self.assignment_timestamp_ms) = of.unwrap_or((-1, 0));
            }
            StreamsGroupChange::Target { member_id, value: Some(value) } => {
                self.targets.insert(member_id.clone(), Arc::new(target_of(value)));
            }
            StreamsGroupChange::Target { member_id, value: None } => drop(self.targets.remove(member_id)),
            StreamsGroupChange::Current { member_id, value } => {
                if value.is_some() || self.members.contains_key(member_id) {
                    self.member_mut(member_id).take_current(value.as_deref());
                }
            }
            StreamsGroupChange::Topology { value } => {
                self.topology = value.as_deref().map(|value| Arc::new(Topology::of_record(value)));
            }
        }
    }

    fn take_group(&mut self, value: &StreamsGroupMetadataValue) {
        self.epoch = value.epoch;
        self.metadata_hash = value.metadata_hash;
        self.validated_topology_epoch = value.validated_topology_epoch;
        self.stored_description_topology_epoch = value.stored_description_topology_epoch;
        self.failed_description_topology_epoch = value.failed_description_topology_epoch;
        let configs = value.last_assignment_configs.iter().flatten();
        self.last_assignment_configs =
            configs.map(|config| (config.key.clone(), config.value.clone())).collect();
    }

    fn member_mut(&mut self, member_id: &Str) -> &mut StreamsMember {
        let make = || Arc::new(StreamsMember::new(member_id.clone()));
        Arc::make_mut(self.members.entry(member_id.clone()).or_insert_with(make))
    }
}

fn target_of(value: &StreamsGroupTargetAssignmentMemberValue) -> TaskSets {
    TaskSets {
        active: from_target_record(&value.active_tasks),
        standby: from_target_record(&value.standby_tasks),
        warmup: from_target_record(&value.warmup_tasks),
    }
}
