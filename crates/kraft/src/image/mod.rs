//! What the cluster has agreed on (KIP-631): topics, nodes, configurations, features, quotas, ACLs, credentials, tokens.
//! Owns the image and its only mutation, `apply`; knows nothing of where records come from (raft) or who decides them (controller).
//! A clone costs a dozen reference counts; every sub-map shares what did not change.

mod acls;
mod brokers;
mod configs;
mod contradiction;
pub mod cow_map;
mod features;
mod invariants;
mod quotas;
mod replay;
mod scram;
mod tokens;
mod topics;
mod write;

pub use acls::{AclFilter, AclImage, AclsImage, LITERAL, PREFIXED, WILDCARD};
pub use brokers::{BrokerRegistration, ClusterImage, ControllerRegistration, Endpoint};
pub use configs::{ConfigResource, ConfigsImage, ResourceConfigs, ResourceType};
pub use contradiction::Contradiction;
pub use cow_map::{Change, CowMap};
pub use features::FeaturesImage;
pub use quotas::{ClientQuotasImage, QuotaEntity};
pub use replay::Replay;
pub use scram::{ScramCredential, ScramImage};
pub use tokens::{DelegationToken, DelegationTokensImage};
pub(crate) use topics::NO_LEADER_CHANGE;
pub use topics::{LeaderRecoveryState, NO_LEADER, PartitionImage, TopicChange, TopicImage, TopicsImage};
pub use write::VersionedRecord;

use contradiction::contradiction;
use wire::records::metadata::MetadataRecord;

/// How far into the metadata log an image reaches. Its snapshot is called `<last_offset + 1>-<last_epoch>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Offset of the last record applied; -1 before any.
    pub last_offset: i64,
    /// Leader epoch of that record's batch.
    pub last_epoch: i32,
    /// When that batch was appended.
    pub last_timestamp_ms: i64,
}

impl Default for Provenance {
    fn default() -> Self {
        Provenance { last_offset: -1, last_epoch: 0, last_timestamp_ms: 0 }
    }
}

/// The state of the cluster at one offset of the metadata log.
///
/// Two kinds of invariants hold, both in `invariants.rs`: of the image's own bookkeeping ([`MetadataImage::check`]), whoever wrote
/// the records; and of what the records say, if this release's controller decided them ([`MetadataImage::check_decided`]). What
/// another controller wrote is taken as it is, as Kafka takes it: a node that refuses its own cluster's log helps nobody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetadataImage {
    /// How far it reaches.
    pub provenance: Provenance,
    /// Levels in force.
    pub features: FeaturesImage,
    /// Brokers and controllers.
    pub cluster: ClusterImage,
    /// Topics and partitions.
    pub topics: TopicsImage,
    /// Dynamic configurations.
    pub configs: ConfigsImage,
    /// Quotas by user, client and address.
    pub client_quotas: ClientQuotasImage,
    /// The first producer id that no broker has been given yet; `None` before the first block.
    pub next_producer_id: Option<i64>,
    /// Access control entries.
    pub acls: AclsImage,
    /// SCRAM credentials.
    pub scram: ScramImage,
    /// Delegation tokens.
    pub delegation_tokens: DelegationTokensImage,
}

impl MetadataImage {
    /// Applies one record. On an image that grew from the same log this cannot fail: only the records of a correct controller
    /// are ever appended. Begin, end and abort of transactions are [`Replay`]'s business and change nothing here.
    pub fn apply(&mut self, record: &MetadataRecord) -> Result<(), Contradiction> {
        match record {
            MetadataRecord::RegisterBroker(r) => self.cluster.register_broker(r),
            MetadataRecord::UnregisterBroker(r) => self.cluster.unregister_broker(r),
            MetadataRecord::Topic(r) => self.topics.create(r),
            MetadataRecord::Partition(r) => self.topics.set_partition(r),
            MetadataRecord::Config(r) => self.configs.set(r),
            MetadataRecord::PartitionChange(r) => self.topics.change_partition(r),
            MetadataRecord::AccessControlEntry(r) => self.acls.add(r),
            MetadataRecord::FenceBroker(r) => self.cluster.set_fenced(r.id, r.epoch, true),
            MetadataRecord::UnfenceBroker(r) => self.cluster.set_fenced(r.id, r.epoch, false),
            MetadataRecord::RemoveTopic(r) => {
                let name = self.topics.remove(r)?;
                self.configs.remove_topic(&name);
                Ok(())
            }
            MetadataRecord::DelegationToken(r) => self.delegation_tokens.set(r),
            MetadataRecord::UserScramCredential(r) => self.scram.set(r),
            MetadataRecord::FeatureLevel(r) => self.features.set(r),
            MetadataRecord::ClientQuota(r) => self.client_quotas.set(r),
            MetadataRecord::ProducerIds(r) => self.advance_producer_ids(r.next_producer_id),
            MetadataRecord::RemoveAccessControlEntry(r) => self.acls.remove(r),
            MetadataRecord::RemoveUserScramCredential(r) => self.scram.remove(r),
            MetadataRecord::BrokerRegistrationChange(r) => self.cluster.change_broker(r),
            MetadataRecord::RemoveDelegationToken(r) => self.delegation_tokens.remove(r),
            MetadataRecord::RegisterController(r) => self.cluster.register_controller(r),
            MetadataRecord::UnregisterController(r) => self.cluster.unregister_controller(r),
            MetadataRecord::ClearElr(r) => self.topics.clear_elr(r),
            MetadataRecord::NoOp(_)
            | MetadataRecord::ZkMigrationState(_)
            | MetadataRecord::BeginTransaction(_)
            | MetadataRecord::EndTransaction(_)
            | MetadataRecord::AbortTransaction(_) => Ok(()),
        }
    }

    fn advance_producer_ids(&mut self, next: i64) -> Result<(), Contradiction> {
        if self.next_producer_id.is_some_and(|current| next <= current) {
            return contradiction(format!(
                "next producer id {next} is not greater than {:?}",
                self.next_producer_id
            ));
        }
        self.next_producer_id = Some(next);
        Ok(())
    }
}
