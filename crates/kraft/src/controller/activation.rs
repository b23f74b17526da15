//! What a new term writes before it decides anything: the features of a fresh cluster, and who the controller is (KIP-919).

use crate::features::{FEATURES, KRAFT_VERSION, METADATA_VERSION, MetadataVersion, supported};
use crate::image::{MetadataImage, VersionedRecord};
use crate::raft::RaftOptions;
use wire::records::metadata::{
    ControllerEndpoint, ControllerFeature, FeatureLevelRecord, MetadataRecord, RegisterControllerRecord,
};
use wire::{Str, Uuid};

/// The feature levels that `kafka-storage format` of this release gives.
pub fn bootstrap_records() -> Vec<VersionedRecord> {
    let version = MetadataVersion::LATEST_PRODUCTION;
    let level = |name: &'static str, feature_level| {
        VersionedRecord::v0(MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: Str::from_static(name),
            feature_level,
        }))
    };
    let others = FEATURES.iter().filter(|feature| feature.name != KRAFT_VERSION);
    let others = others.map(|feature| (feature.name, feature.default_level(version)));
    std::iter::once((METADATA_VERSION, version.level()))
        .chain(others.filter(|(_, level)| *level > 0))
        .map(|(name, feature_level)| level(name, feature_level))
        .collect()
}

/// This controller's registration, with a new incarnation for every term of this process.
pub fn registration_records(
    image: &MetadataImage,
    raft: &RaftOptions,
    incarnation_id: Uuid,
) -> Vec<VersionedRecord> {
    let version = image.features.metadata_version();
    if !version.is_some_and(MetadataVersion::has_controller_registration) {
        return Vec::new();
    }
    let endpoint = |(name, (host, port)): (&Str, &(Str, u16))| ControllerEndpoint {
        name: name.clone(),
        host: host.clone(),
        port: *port,
        security_protocol: 0,
    };
    let features = supported().into_iter().map(|(name, range)| ControllerFeature {
        name: Str::from_static(name),
        min_supported_version: range.min,
        max_supported_version: range.max,
    });
    vec![VersionedRecord::v0(MetadataRecord::RegisterController(RegisterControllerRecord {
        controller_id: raft.node_id,
        incarnation_id,
        zk_migration_ready: false,
        end_points: raft.local_endpoints.iter().map(endpoint).collect(),
        features: features.collect(),
    }))]
}
