//! How one partition changes (KIP-497, 455, 704, 966): the ISR, the eligible leader replicas, the election of a leader, the
//! completion of a reassignment, the directories. Pure: a partition and a wish in, a record out.

use crate::features::MetadataVersion;
use crate::image::{LeaderRecoveryState, NO_LEADER, NO_LEADER_CHANGE, PartitionImage};
use std::collections::{BTreeMap, BTreeSet};
use wire::Uuid;
use wire::planted::{self, Bug};
use wire::records::metadata::PartitionChangeRecord;

/// Who may be elected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Election {
    /// The first replica if possible, else as `Online`.
    Preferred,
    /// The present leader if possible, else another member of the ISR or, if that is empty, of the ELR.
    Online,
    /// Any live replica if nobody else: data may be lost.
    Unclean,
}

/// A change in the making: what the partition should become.
pub(super) struct PartitionChange<'a> {
    pub partition: &'a PartitionImage,
    pub topic_id: Uuid,
    pub partition_id: i32,
    /// May this broker lead: is it alive, and its directory online?
    pub is_acceptable_leader: &'a dyn Fn(i32) -> bool,
    pub metadata_version: MetadataVersion,
    pub min_isr: usize,
    pub elr_enabled: bool,
    pub election: Election,
    pub isr: Vec<i32>,
    pub replicas: Vec<i32>,
    pub removing: Vec<i32>,
    pub adding: Vec<i32>,
    elr: Vec<i32>,
    pub unclean_shutdown: Option<i32>,
    /// This broker's directory is gone with all that it held of the partition: what it has now it has begun anew.
    pub begun_anew: Option<i32>,
    pub recovery: LeaderRecoveryState,
    pub directories: BTreeMap<i32, Uuid>,
    /// Where a replica goes that has no directory yet.
    pub default_directory: &'a dyn Fn(i32) -> Uuid,
}

impl<'a> PartitionChange<'a> {
    pub(super) fn new(
        partition: &'a PartitionImage,
        (topic_id, partition_id): (Uuid, i32),
        is_acceptable_leader: &'a dyn Fn(i32) -> bool,
        metadata_version: MetadataVersion,
        default_directory: &'a dyn Fn(i32) -> Uuid,
    ) -> Self {
        let directories = partition.replicas.iter().copied().zip(partition.directories.iter().copied());
        PartitionChange {
            partition,
            topic_id,
            partition_id,
            is_acceptable_leader,
            metadata_version,
            min_isr: 1,
            elr_enabled: false,
            election: Election::Online,
            isr: partition.isr.clone(),
            replicas: partition.replicas.clone(),
            removing: partition.removing_replicas.clone(),
            adding: partition.adding_replicas.clone(),
            elr: partition.elr.clone(),
            unclean_shutdown: None,
            begun_anew: None,
            recovery: partition.leader_recovery_state,
            directories: directories.collect(),
            default_directory,
        }
    }

    /// The record that makes it so; `None` if nothing changes.
    pub(super) fn into_record(mut self) -> Option<PartitionChangeRecord> {
        let nothing = PartitionChangeRecord {
            topic_id: self.topic_id,
            partition_id: self.partition_id,
            ..Default::default()
        };
        let mut record = nothing.clone();
        self.complete_reassignment();
        self.choose_elr();
        self.elect(&mut record);
        let loses_replicas = !self.partition.replicas.iter().all(|id| self.replicas.contains(id));
        if record.leader == NO_LEADER_CHANGE && loses_replicas {
            // A removed replica must notice that it does not belong any more.
            record.leader = self.partition.leader;
        }
        self.record_elr(&mut record);
        if record.isr.is_none()
            && (!self.isr.is_empty() || self.elr_enabled)
            && self.isr != self.partition.isr
        {
            record.isr = Some(self.isr.clone());
        }
        let shrinks =
            record.isr.as_ref().is_some_and(|isr| !self.partition.isr.iter().all(|id| isr.contains(id)));
        if self.metadata_version.bumps_leader_epoch_on_isr_shrink()
            && record.leader == NO_LEADER_CHANGE
            && shrinks
        {
            record.leader = self.partition.leader;
        }
        self.record_last_known_leader(&mut record);
        self.record_assignment(&mut record);
        if self.recovery != self.partition.leader_recovery_state {
            record.leader_recovery_state = self.recovery.id();
        }
        (record != nothing).then_some(record)
    }

    /// The reassignment is complete when all added replicas are in sync: then the removed ones go.
    fn complete_reassignment(&mut self) {
        if self.removing.is_empty() && self.adding.is_empty() {
            return;
        }
        let stays = |id: &&i32| !self.removing.contains(id);
        let isr: Vec<i32> = self.isr.iter().filter(stays).copied().collect();
        let replicas: Vec<i32> = self.replicas.iter().filter(stays).copied().collect();
        let all_in_sync = |ids: &[i32]| ids.iter().all(|id| isr.contains(id));
        let shrinks = self.adding.len() < self.removing.len();
        if isr.is_empty()
            || replicas.is_empty()
            || !all_in_sync(&self.adding)
            || (shrinks && !all_in_sync(&replicas))
        {
            return;
        }
        self.isr = isr;
        self.replicas = replicas;
        self.removing.clear();
        self.adding.clear();
    }

    /// Whoever leaves the ISR while it is below the minimum stays eligible: it has everything that was ever committed.
    // DIVERGES: Kafka keeps a replica eligible that a reassignment has removed (assigned again it comes back without a log), and one that was begun
    // anew because its directory is not there any more. Either is elected over those that have everything.
    fn choose_elr(&mut self) {
        if !self.elr_enabled {
            return;
        }
        if self.isr.len() >= self.min_isr {
            self.elr.clear();
            return;
        }
        let candidates: BTreeSet<i32> = self.elr.iter().chain(&self.partition.isr).copied().collect();
        let is_unclean =
            |id: &i32| self.unclean_shutdown == Some(*id) && !planted::has(Bug::KeepsUncleanEligible);
        let has_its_log = |id: &i32| self.replicas.contains(id) && self.begun_anew != Some(*id);
        let eligible = |id: &i32| !self.isr.contains(id) && has_its_log(id) && !is_unclean(id);
        self.elr = candidates.into_iter().filter(eligible).collect();
    }

    fn elect(&mut self, record: &mut PartitionChangeRecord) {
        let (leader, unclean) = self.choose_leader();
        if leader == self.partition.leader {
            return;
        }
        if self.elr.contains(&leader) {
            self.isr = vec![leader];
            self.elr.retain(|id| *id != leader);
        }
        record.leader = leader;
        if unclean {
            record.isr = Some(vec![leader]);
            if self.partition.leader_recovery_state != LeaderRecoveryState::Recovering {
                record.leader_recovery_state = LeaderRecoveryState::Recovering.id();
            }
        }
    }

    /// The leader, and whether it may lack data.
    fn choose_leader(&self) -> (i32, bool) {
        let first = self.replicas.first().copied();
        if self.election == Election::Preferred
            && let Some(preferred) = first.filter(|id| self.is_valid_leader(*id))
        {
            return (preferred, false);
        }
        if self.is_valid_leader(self.partition.leader) {
            return (self.partition.leader, false);
        }
        if let Some(leader) = self.replicas.iter().copied().find(|id| self.is_valid_leader(*id)) {
            return (leader, false);
        }
        if let Some(last_known) = self.last_known_leader() {
            return (last_known, true);
        }
        if self.election == Election::Unclean
            && let Some(leader) = self.replicas.iter().copied().find(|id| (self.is_acceptable_leader)(*id))
        {
            return (leader, true);
        }
        (NO_LEADER, false)
    }

    fn is_valid_leader(&self, id: i32) -> bool {
        let has_all = self.isr.contains(&id) || (self.isr.is_empty() && self.elr.contains(&id));
        has_all && (self.is_acceptable_leader)(id)
    }

    /// With nobody in ISR and ELR, the one who led last may come back (unclean, but the best there is).
    fn last_known_leader(&self) -> Option<i32> {
        if !self.elr_enabled || !self.elr.is_empty() || !self.isr.is_empty() {
            return None;
        }
        let last = self.partition.last_known_elr.iter().copied().find(|id| self.begun_anew != Some(*id));
        last.filter(|id| (self.is_acceptable_leader)(*id))
    }

    fn record_elr(&mut self, record: &mut PartitionChangeRecord) {
        let clean = record.isr.is_none();
        if !clean || !self.elr_enabled {
            self.elr.clear();
        }
        if self.elr != self.partition.elr {
            record.eligible_leader_replicas = Some(self.elr.clone());
        }
    }

    /// Remembers who led when a partition goes offline, and forgets it when somebody leads again.
    // DIVERGES: Kafka remembers one broker, and elects it though it comes back with an empty disk. Here whoever was eligible and had an
    // unclean stop stands behind it in the list, and who has begun anew is taken out. The first alone may lead; a controller of Kafka's
    // elects nobody by itself while there are several.
    fn record_last_known_leader(&self, record: &mut PartitionChangeRecord) {
        if !self.elr_enabled {
            return;
        }
        let mut known = self.partition.last_known_elr.clone();
        if record.leader >= 0 {
            known.clear();
        } else if record.leader == NO_LEADER || self.partition.leader == NO_LEADER {
            if known.is_empty() && self.partition.leader >= 0 {
                known.push(self.partition.leader);
            }
            let was_eligible = |id: &i32| self.partition.elr.contains(id) && !known.contains(id);
            known.extend(self.unclean_shutdown.filter(was_eligible));
            known.retain(|id| self.begun_anew != Some(*id));
        }
        // Who is removed and assigned again has begun anew, too.
        known.retain(|id| self.replicas.contains(id));
        if known != self.partition.last_known_elr {
            record.last_known_elr = Some(known);
        }
    }

    fn record_assignment(&self, record: &mut PartitionChangeRecord) {
        if !self.replicas.is_empty() {
            if self.metadata_version.has_directories() {
                let directory = |id: &i32| {
                    self.directories.get(id).copied().unwrap_or_else(|| (self.default_directory)(*id))
                };
                let directories: Vec<Uuid> = self.replicas.iter().map(directory).collect();
                if directories != self.partition.directories {
                    record.directories = Some(directories);
                }
            }
            if self.replicas != self.partition.replicas {
                record.replicas = Some(self.replicas.clone());
            }
        }
        if self.removing != self.partition.removing_replicas {
            record.removing_replicas = Some(self.removing.clone());
        }
        if self.adding != self.partition.adding_replicas {
            record.adding_replicas = Some(self.adding.clone());
        }
    }
}
