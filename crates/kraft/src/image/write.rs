//! The image as records, in the order in which Kafka writes a snapshot: features, brokers, controllers, topics with their
//! partitions, configurations, quotas, producer ids, ACLs, SCRAM, tokens. Applying them to an empty image gives it back.

use super::{BrokerRegistration, ControllerRegistration, MetadataImage, PartitionImage};
use crate::features::{METADATA_VERSION, MetadataVersion, VersionRange};
use bytes::Bytes;
use wire::codec::{DecodeError, Decoder};
use wire::planted::{self, Bug};
use wire::records::metadata::{
    AccessControlEntryRecord, BrokerEndpoint, BrokerFeature, ClientQuotaRecord, ConfigRecord,
    ControllerEndpoint, ControllerFeature, EntityData, FeatureLevelRecord, MetadataRecord, PartitionRecord,
    ProducerIdsRecord, RegisterBrokerRecord, RegisterControllerRecord, TopicRecord,
    UserScramCredentialRecord,
};
use wire::{Str, Uuid};

/// A record and the version of its schema at which it is written, which follows from the metadata version.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionedRecord {
    /// The record.
    pub record: MetadataRecord,
    /// The version it is written in, which the metadata version decides.
    pub version: i16,
}

impl VersionedRecord {
    /// A record at schema version 0.
    pub fn v0(record: MetadataRecord) -> Self {
        VersionedRecord { record, version: 0 }
    }

    /// The value as it is stored.
    pub fn encode(&self) -> Bytes {
        self.record.encode_as(self.version)
    }

    /// Reads a stored value and keeps its version.
    pub fn decode(value: Bytes) -> Result<Self, DecodeError> {
        let mut frame = Decoder::of(value.clone());
        let (_frame_version, _record_type) = (frame.unsigned_varint()?, frame.unsigned_varint()?);
        let version = i16::try_from(frame.unsigned_varint()?).map_err(|_| DecodeError::UnsupportedVersion)?;
        Ok(VersionedRecord { record: MetadataRecord::decode(value)?, version })
    }
}

impl MetadataImage {
    /// Everything the image holds. An image before bootstrap (without a metadata version) has no snapshot: it yields nothing.
    pub fn to_records(&self) -> Vec<VersionedRecord> {
        let mut out = Vec::with_capacity(self.topics.partition_count() + self.topics.len() + 64);
        if let Some(metadata_version) = self.features.metadata_version() {
            self.write_features(metadata_version, &mut out);
            self.write_cluster(metadata_version, &mut out);
            self.write_topics(metadata_version, &mut out);
            self.write_configs(&mut out);
            self.write_quotas_and_producer_ids(&mut out);
            self.write_security(metadata_version, &mut out);
        }
        if planted::has(Bug::SnapsHalf) {
            let is_config = |it: &VersionedRecord| matches!(it.record, MetadataRecord::Config(_));
            out.iter().rposition(is_config).map(|last| out.remove(last));
        }
        out
    }

    fn write_features(&self, metadata_version: MetadataVersion, out: &mut Vec<VersionedRecord>) {
        let mut write = |name: Str, feature_level: i16| {
            let record = FeatureLevelRecord { name, feature_level };
            out.push(VersionedRecord::v0(MetadataRecord::FeatureLevel(record)));
        };
        write(Str::from(METADATA_VERSION), metadata_version.level());
        for (name, level) in self.features.iter().filter(|(name, _)| *name != METADATA_VERSION) {
            write(name.clone(), level);
        }
    }

    fn write_cluster(&self, metadata_version: MetadataVersion, out: &mut Vec<VersionedRecord>) {
        for broker in self.cluster.brokers() {
            let record = MetadataRecord::RegisterBroker(broker_record(broker));
            out.push(VersionedRecord { record, version: metadata_version.register_broker_record_version() });
        }
        if metadata_version.has_controller_registration() {
            for controller in self.cluster.controllers() {
                out.push(VersionedRecord::v0(MetadataRecord::RegisterController(controller_record(
                    controller,
                ))));
            }
        }
    }

    fn write_topics(&self, metadata_version: MetadataVersion, out: &mut Vec<VersionedRecord>) {
        let version = metadata_version.partition_record_version();
        let elr = self.features.elr_enabled();
        for topic in self.topics.iter_by_id() {
            let record = TopicRecord { name: topic.name.clone(), topic_id: topic.id };
            out.push(VersionedRecord::v0(MetadataRecord::Topic(record)));
            for (index, partition) in topic.partitions.iter() {
                let record = MetadataRecord::Partition(partition.to_record(topic.id, *index, elr));
                out.push(VersionedRecord { record, version });
            }
        }
    }

    fn write_configs(&self, out: &mut Vec<VersionedRecord>) {
        for (resource, configs) in self.configs.iter() {
            for (name, value) in configs {
                let record = ConfigRecord {
                    resource_type: resource.resource_type.id(),
                    resource_name: resource.name.clone(),
                    name: name.clone(),
                    value: Some(value.clone()),
                };
                out.push(VersionedRecord::v0(MetadataRecord::Config(record)));
            }
        }
    }

    fn write_quotas_and_producer_ids(&self, out: &mut Vec<VersionedRecord>) {
        for (entity, quotas) in self.client_quotas.iter() {
            let part = |(entity_type, entity_name): (&Str, &Option<Str>)| EntityData {
                entity_type: entity_type.clone(),
                entity_name: entity_name.clone(),
            };
            let entity: Vec<EntityData> = entity.iter().map(part).collect();
            for (key, value) in quotas {
                let record = ClientQuotaRecord {
                    entity: entity.clone(),
                    key: key.clone(),
                    value: *value,
                    remove: false,
                };
                out.push(VersionedRecord::v0(MetadataRecord::ClientQuota(record)));
            }
        }
        if let Some(next_producer_id) = self.next_producer_id {
            let record = ProducerIdsRecord { broker_id: -1, broker_epoch: -1, next_producer_id };
            out.push(VersionedRecord::v0(MetadataRecord::ProducerIds(record)));
        }
    }

    fn write_security(&self, metadata_version: MetadataVersion, out: &mut Vec<VersionedRecord>) {
        for (id, acl) in self.acls.iter() {
            let record = AccessControlEntryRecord {
                id,
                resource_type: acl.resource_type,
                resource_name: acl.resource_name.clone(),
                pattern_type: acl.pattern_type,
                principal: acl.principal.clone(),
                host: acl.host.clone(),
                operation: acl.operation,
                permission_type: acl.permission_type,
            };
            out.push(VersionedRecord::v0(MetadataRecord::AccessControlEntry(record)));
        }
        if metadata_version.has_scram() {
            for (mechanism, user, credential) in self.scram.iter() {
                let record = UserScramCredentialRecord {
                    name: user.clone(),
                    mechanism,
                    salt: credential.salt.clone(),
                    stored_key: credential.stored_key.clone(),
                    server_key: credential.server_key.clone(),
                    iterations: credential.iterations,
                };
                out.push(VersionedRecord::v0(MetadataRecord::UserScramCredential(record)));
            }
        }
        if metadata_version.has_delegation_tokens() {
            for token in self.delegation_tokens.iter() {
                let record = token.to_record();
                out.push(VersionedRecord::v0(MetadataRecord::DelegationToken(record)));
            }
        }
    }
}

impl PartitionImage {
    /// The record that creates this partition.
    pub(crate) fn to_record(&self, topic_id: Uuid, partition_id: i32, elr: bool) -> PartitionRecord {
        let if_elr = |replicas: &Vec<i32>| (elr && !replicas.is_empty()).then(|| replicas.clone());
        PartitionRecord {
            partition_id,
            topic_id,
            replicas: self.replicas.clone(),
            isr: self.isr.clone(),
            removing_replicas: self.removing_replicas.clone(),
            adding_replicas: self.adding_replicas.clone(),
            leader: self.leader,
            leader_recovery_state: self.leader_recovery_state.id(),
            leader_epoch: self.leader_epoch,
            partition_epoch: self.partition_epoch,
            directories: self.directories.clone(),
            eligible_leader_replicas: if_elr(&self.elr),
            last_known_elr: if_elr(&self.last_known_elr),
        }
    }
}

fn broker_record(broker: &BrokerRegistration) -> RegisterBrokerRecord {
    let endpoint = |e: &super::Endpoint| BrokerEndpoint {
        name: e.name.clone(),
        host: e.host.clone(),
        port: e.port,
        security_protocol: e.security_protocol,
    };
    let feature = |(name, range): (&Str, &VersionRange)| BrokerFeature {
        name: name.clone(),
        min_supported_version: range.min,
        max_supported_version: range.max,
    };
    RegisterBrokerRecord {
        broker_id: broker.id,
        is_migrating_zk_broker: broker.is_migrating_zk_broker,
        incarnation_id: broker.incarnation_id,
        broker_epoch: broker.epoch,
        end_points: broker.endpoints.iter().map(endpoint).collect(),
        features: broker.features.iter().map(feature).collect(),
        rack: broker.rack.clone(),
        fenced: broker.fenced,
        in_controlled_shutdown: broker.in_controlled_shutdown,
        log_dirs: broker.directories.clone(),
        cordoned_log_dirs: broker.cordoned_directories.clone(),
    }
}

fn controller_record(controller: &ControllerRegistration) -> RegisterControllerRecord {
    let endpoint = |e: &super::Endpoint| ControllerEndpoint {
        name: e.name.clone(),
        host: e.host.clone(),
        port: e.port,
        security_protocol: e.security_protocol,
    };
    let feature = |(name, range): (&Str, &VersionRange)| ControllerFeature {
        name: name.clone(),
        min_supported_version: range.min,
        max_supported_version: range.max,
    };
    RegisterControllerRecord {
        controller_id: controller.id,
        incarnation_id: controller.incarnation_id,
        zk_migration_ready: controller.zk_migration_ready,
        end_points: controller.endpoints.iter().map(endpoint).collect(),
        features: controller.features.iter().map(feature).collect(),
    }
}
