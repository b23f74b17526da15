//! The controller (KIP-500, 631): decides which records a command deserves. `decide` reads the pending image and cannot change
//! it; what it remembers beside the image (heartbeats, timers) is soft state that dies with leadership.

mod bootstrap;
mod brokers;
mod command;
mod configs;
mod directories;
mod features;
mod heartbeats;
mod isr;
mod leadership;
mod partition_change;
mod partitions;
mod periodic;
mod placement;
mod reassignment;
mod rules;
mod soft;
mod topics;

pub use bootstrap::{bootstrap_records, bootstrap_snapshot};
pub use command::{ControllerAnswer, ControllerCommand, Refusal};
pub use rules::{ConfigRules, EffectiveConfig};
pub use soft::Soft;
pub use topics::check_topic_name;

use crate::features::MetadataVersion;
use crate::image::{MetadataImage, VersionedRecord};
use crate::raft::MAX_BATCH_RECORDS;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::records::metadata::MetadataRecord;
use wire::{ErrorCode, Str};

/// What a controller is configured with; the names of the keys in the comments.
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    /// This node.
    pub node_id: i32,
    /// Brokers of another cluster are refused.
    pub cluster_id: Str,
    /// `default.replication.factor`
    pub default_replication_factor: i16,
    /// `num.partitions`
    pub default_num_partitions: i32,
    /// `broker.session.timeout.ms`
    pub session_timeout_ms: i64,
    /// `metadata.max.idle.interval.ms`; 0 writes no NoOpRecords.
    pub max_idle_interval_ms: i64,
    /// `leader.imbalance.check.interval.seconds`, or `None` without `auto.leader.rebalance.enable`.
    pub leader_imbalance_check_interval_ms: Option<i64>,
    /// `unclean.leader.election.interval.ms`
    pub unclean_election_check_interval_ms: i64,
}

/// What a decision is based on beside the command and the soft state.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// The pending image: everything appended, committed or not.
    pub image: &'a MetadataImage,
    /// At which offset each broker's registration lies in the log.
    pub registration_offsets: &'a BTreeMap<i32, i64>,
    /// The node's own time.
    pub now_ms: i64,
    /// The offset that the first record of this decision will get.
    pub next_offset: i64,
    /// The level of kraft.version in force.
    pub kraft_version: i16,
    /// The quorum has no other voter.
    pub only_voter: bool,
    /// The ids of the voters.
    pub voter_ids: &'a [i32],
}

/// What a command deserves.
#[derive(Debug, Default)]
pub struct Decision {
    /// To be appended, in this order.
    pub records: Vec<VersionedRecord>,
    /// All records in one batch; otherwise as many batches as it takes.
    pub atomic: bool,
    /// `None` for what the controller does by itself.
    pub answer: Option<ControllerAnswer>,
    /// What has to happen beside the append.
    pub follow_up: Option<FollowUp>,
}

/// What is to be done once a decision is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowUp {
    /// The broker may go when all others have seen the metadata up to here.
    #[allow(missing_docs)] // its fields are what the line above says
    NoteControlledShutdown { broker_id: i32 },
    /// Before the append: raise kraft.version.
    UpgradeKRaftVersion(i16),
}

/// The controller: its configuration and the rules of the configuration keys.
pub struct Controller {
    options: ControllerOptions,
    rules: Arc<dyn ConfigRules>,
}

impl Controller {
    /// A controller.
    pub fn new(options: ControllerOptions, rules: Arc<dyn ConfigRules>) -> Self {
        Controller { options, rules }
    }

    /// How it is configured.
    pub fn options(&self) -> &ControllerOptions {
        &self.options
    }

    /// Decides one command. The image is not changed; soft state may be, since an append can fail only as a fault.
    pub fn decide(
        &self,
        at: Situation<'_>,
        soft: &mut Soft,
        command: &ControllerCommand,
    ) -> Result<Decision, Refusal> {
        let mut decider = self.decider(at, soft);
        let answer = command.decide(&mut decider)?;
        if command.is_bounded() && decider.records.len() > MAX_BATCH_RECORDS {
            return Err(Refusal::new(
                ErrorCode::PolicyViolation,
                "Unable to perform excessively large batch operation.",
            ));
        }
        let Decider { records, atomic, follow_up, .. } = decider;
        Ok(Decision { records, atomic, answer: Some(answer), follow_up })
    }

    fn decider<'a>(&'a self, at: Situation<'a>, soft: &'a mut Soft) -> Decider<'a> {
        // Before the bootstrap records nothing is asked; the newest version is only a way to say so.
        let metadata_version =
            at.image.features.metadata_version().unwrap_or(MetadataVersion::LATEST_PRODUCTION);
        let elr = at.image.features.elr_enabled();
        let Controller { options, rules } = self;
        Decider {
            options,
            rules: &**rules,
            at,
            soft,
            metadata_version,
            elr,
            records: Vec::new(),
            atomic: false,
            follow_up: None,
            plain_terms: std::cell::OnceCell::new(),
        }
    }
}

/// One decision in the making.
struct Decider<'a> {
    options: &'a ControllerOptions,
    rules: &'a dyn ConfigRules,
    at: Situation<'a>,
    soft: &'a mut Soft,
    metadata_version: MetadataVersion,
    /// Eligible leader replicas are tracked.
    elr: bool,
    records: Vec<VersionedRecord>,
    atomic: bool,
    follow_up: Option<FollowUp>,
    /// What topics without configurations of their own get; found out once for the hundred thousand partitions of a broker.
    plain_terms: std::cell::OnceCell<leadership::Terms>,
}

impl<'a> Decider<'a> {
    fn image(&self) -> &'a MetadataImage {
        self.at.image
    }

    fn write(&mut self, record: impl Into<MetadataRecord>, version: i16) {
        self.records.push(VersionedRecord { record: record.into(), version });
    }

    /// The broker says which incarnation it is; only the registered one may speak.
    fn check_broker_epoch(&self, broker_id: i32, epoch: i64) -> Result<(), Refusal> {
        match self.image().cluster.broker(broker_id) {
            None => {
                let what = format!("No broker registration found for broker id {broker_id}");
                Err(Refusal::new(ErrorCode::StaleBrokerEpoch, what))
            }
            Some(broker) if broker.epoch != epoch => {
                let what = format!("Expected broker epoch {}, but got broker epoch {epoch}", broker.epoch);
                Err(Refusal::new(ErrorCode::StaleBrokerEpoch, what))
            }
            Some(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
