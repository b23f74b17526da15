//! The controller (KIP-500, 631): decides which records a command deserves. `decide` reads the pending image and cannot change
//! it; what it remembers beside the image (heartbeats, timers) is soft state that dies with leadership.

mod acls;
mod bootstrap;
mod brokers;
mod command;
mod configs;
mod decide;
mod decider;
mod directories;
mod election_terms;
mod features;
mod heartbeats;
mod isr;
mod leadership;
mod mutations;
mod options;
mod partition_change;
mod partitions;
mod periodic;
mod placement;
mod quotas;
mod reassignment;
mod refusal;
mod rules;
mod scram;
mod soft;
mod tokens;
mod topics;

pub use bootstrap::{bootstrap_records, bootstrap_snapshot};
pub use command::{
    AlterPartition, ControllerAnswer, ControllerCommand, CreatePartitions, CreateTopics, DeleteTopics,
    RegisterBroker, TokenAsked, UpdateFeatures,
};
pub use decider::{FollowUp, Situation};
pub use mutations::MutationQuota;
pub use options::{ControllerOptions, TokenOptions};
pub use refusal::Refusal;
pub use rules::{ConfigRules, EffectiveConfig};
pub use soft::Soft;
pub(crate) use soft::answer_ms;
pub use topics::check_topic_name;

use crate::image::VersionedRecord;
use crate::raft::MAX_BATCH_RECORDS;
use decider::Decider;
use std::sync::Arc;
use wire::ErrorCode;

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
        Decider::new(&self.options, &*self.rules, at, soft)
    }
}

#[cfg(test)]
mod tests;
