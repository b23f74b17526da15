//! The door: one command in, its records and its answer out. Which room decides is a `match`; the rooms are the files beside.

use super::command::{ControllerAnswer, ControllerCommand};
use super::rules::ConfigRules;
use super::soft::Soft;
use super::{ControllerOptions, brokers, configs, feature_levels, partitions, producer_ids, topics};
use crate::features::MetadataVersion;
use crate::image::{MetadataImage, VersionedRecord};
use wire::records::metadata::{MetadataRecord, NoOpRecord};

/// What a decision may look at.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The pending image: everything decided so far.
    pub image: &'a MetadataImage,
    pub options: &'a ControllerOptions,
    pub rules: &'a dyn ConfigRules,
    /// The offset of the first record decided now; a broker's epoch is the offset of its registration.
    pub next_offset: i64,
    pub now_ms: i64,
}

impl Context<'_> {
    /// The version whose record schemas are written; before bootstrap the newest.
    pub(super) fn metadata_version(&self) -> MetadataVersion {
        self.image.features.metadata_version().unwrap_or(MetadataVersion::LATEST_PRODUCTION)
    }
}

/// Records to append as one atomic batch, and the answer once they are committed.
#[derive(Clone, Debug)]
pub struct Decision {
    pub records: Vec<VersionedRecord>,
    pub answer: ControllerAnswer,
}

/// Decides one command. Cannot change the image: whoever appends the records applies them.
pub fn decide(context: &Context<'_>, soft: &mut Soft, command: ControllerCommand) -> Decision {
    let mut records = Vec::new();
    let out = &mut records;
    let answer = match command {
        ControllerCommand::CreateTopics { request, describable } => {
            ControllerAnswer::CreateTopics(topics::create(context, soft, &request, describable.as_ref(), out))
        }
        ControllerCommand::DeleteTopics(request) => {
            ControllerAnswer::DeleteTopics(topics::delete(context, &request, out))
        }
        ControllerCommand::CreatePartitions(request) => {
            ControllerAnswer::CreatePartitions(partitions::create(context, soft, &request, out))
        }
        ControllerCommand::IncrementalAlterConfigs(request) => {
            ControllerAnswer::IncrementalAlterConfigs(configs::alter_incrementally(context, &request, out))
        }
        ControllerCommand::AlterConfigs(request) => {
            ControllerAnswer::AlterConfigs(configs::replace(context, &request, out))
        }
        ControllerCommand::RegisterBroker { request, api_version: _ } => {
            ControllerAnswer::RegisterBroker(brokers::register(context, soft, &request, out))
        }
        ControllerCommand::BrokerHeartbeat(request) => {
            ControllerAnswer::BrokerHeartbeat(brokers::heartbeat(context, soft, &request, out))
        }
        ControllerCommand::UnregisterBroker(request) => {
            ControllerAnswer::UnregisterBroker(brokers::unregister(context, soft, &request, out))
        }
        ControllerCommand::RegisterController(request) => {
            ControllerAnswer::RegisterController(brokers::register_controller(context, &request, out))
        }
        ControllerCommand::UnregisterController(request) => {
            ControllerAnswer::UnregisterController(brokers::unregister_controller(context, &request, out))
        }
        ControllerCommand::AllocateProducerIds(request) => {
            ControllerAnswer::AllocateProducerIds(producer_ids::allocate(context, &request, out))
        }
        ControllerCommand::UpdateFeatures { request, api_version } => {
            ControllerAnswer::UpdateFeatures(feature_levels::update(context, &request, api_version, out))
        }
        ControllerCommand::AlterPartition { request, api_version } => {
            ControllerAnswer::AlterPartition(partitions::alter(context, &request, api_version, out))
        }
        ControllerCommand::ElectLeaders(request) => {
            ControllerAnswer::ElectLeaders(partitions::elect(context, &request, out))
        }
        ControllerCommand::AssignReplicasToDirs(request) => {
            ControllerAnswer::AssignReplicasToDirs(partitions::assign_directories(context, &request, out))
        }
    };
    if !records.is_empty() {
        soft.last_write_ms = context.now_ms;
    }
    Decision { records, answer }
}

/// What time alone demands: brokers that fell silent are fenced; an idle controller writes a NoOpRecord (KIP-835), so that
/// observers see that the quorum lives.
pub fn tick(context: &Context<'_>, soft: &mut Soft) -> Vec<VersionedRecord> {
    let mut records = Vec::new();
    brokers::fence_silent(context, soft, &mut records);
    let idle_interval_ms = context.options.max_idle_interval_ms;
    if records.is_empty() && idle_interval_ms > 0 && context.now_ms - soft.last_write_ms >= idle_interval_ms {
        records.push(VersionedRecord::v0(MetadataRecord::NoOp(NoOpRecord::default())));
    }
    if !records.is_empty() {
        soft.last_write_ms = context.now_ms;
    }
    records
}

/// When `tick` has something to do, if nothing else happens before.
pub fn next_deadline_ms(options: &ControllerOptions, soft: &Soft) -> Option<i64> {
    let session = soft.last_contact_ms.values().min().map(|contact| contact + options.session_timeout_ms);
    let idle = (options.max_idle_interval_ms > 0).then(|| soft.last_write_ms + options.max_idle_interval_ms);
    session.into_iter().chain(idle).min()
}
