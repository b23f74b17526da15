//! The first records of a cluster (KIP-1170): what formatting puts into the bootstrap snapshot, and what the first controller
//! makes of it. Byte for byte as `kafka-storage format` and Kafka's controller write them.

use super::configs::config_record;
use super::election_terms::MIN_INSYNC_REPLICAS;
use super::{Controller, Decision, Situation};
use crate::features::{
    ELIGIBLE_LEADER_REPLICAS_VERSION, FEATURES, KRAFT_VERSION, METADATA_VERSION, MetadataVersion,
};
use crate::image::{ConfigResource, VersionedRecord};
use crate::raft::control::encode_snapshot;
use crate::raft::{OffsetAndEpoch, SnapshotHead, VoterSet};
use bytes::Bytes;
use std::collections::BTreeMap;
use wire::Str;
use wire::records::metadata::{
    AbortTransactionRecord, BeginTransactionRecord, EndTransactionRecord, FeatureLevelRecord, MetadataRecord,
};

/// The feature levels of a new cluster: the metadata version, then the other features by name, as far as they are above 0.
/// `chosen` overrides the defaults of the metadata version.
pub fn bootstrap_records(
    metadata_version: MetadataVersion,
    chosen: &BTreeMap<String, i16>,
) -> Vec<VersionedRecord> {
    let record = |name: &str, feature_level| {
        VersionedRecord::v0(FeatureLevelRecord { name: Str::from(name), feature_level }.into())
    };
    let mut levels: BTreeMap<&str, i16> = FEATURES
        .iter()
        .filter(|feature| feature.name != KRAFT_VERSION)
        .map(|feature| (feature.name, feature.default_level(metadata_version)))
        .collect();
    levels.extend(chosen.iter().map(|(name, level)| (name.as_str(), *level)));
    levels.retain(|name, level| *level > 0 && *name != METADATA_VERSION && *name != KRAFT_VERSION);
    let mut records = vec![record(METADATA_VERSION, metadata_version.level())];
    records.extend(levels.into_iter().map(|(name, level)| record(name, level)));
    records
}

/// The content of `00000000000000000000-0000000000.checkpoint` as formatting writes it. `voters` for a dynamic quorum.
pub fn bootstrap_snapshot(records: &[VersionedRecord], voters: Option<VoterSet>, now_ms: i64) -> Bytes {
    let kraft_version = i16::from(voters.is_some());
    let head = SnapshotHead { last_contained_timestamp_ms: now_ms, kraft_version, voters };
    let values = records.iter().map(VersionedRecord::encode);
    Bytes::from(encode_snapshot(OffsetAndEpoch::BOOTSTRAP, &head, values, now_ms).concat())
}

impl Controller {
    /// What a controller writes first. On an empty log the bootstrap records, in a transaction so that nobody sees half of them;
    /// otherwise it only takes back a transaction that its predecessor did not end.
    pub fn activation(
        &self,
        at: Situation<'_>,
        open_transaction: bool,
        bootstrap: &[VersionedRecord],
    ) -> Decision {
        let mut records = Vec::new();
        let mut write = |record: MetadataRecord| records.push(VersionedRecord::v0(record));
        if open_transaction {
            let reason = Some(Str::from("Controller failover"));
            write(AbortTransactionRecord { reason }.into());
        }
        if at.image.features.metadata_version().is_some() {
            return Decision { records, atomic: true, ..Decision::default() };
        }
        let in_transaction = bootstrap_version(bootstrap).is_some_and(MetadataVersion::has_transactions);
        if in_transaction {
            write(BeginTransactionRecord { name: Some(Str::from("Bootstrap records")) }.into());
        }
        records.extend(bootstrap.iter().cloned());
        if level_of(bootstrap, ELIGIBLE_LEADER_REPLICAS_VERSION) > 0 {
            let value = Str::from(self.rules.static_min_insync_replicas().to_string());
            records.push(config_record(&ConfigResource::cluster(), MIN_INSYNC_REPLICAS, Some(value)));
        }
        if in_transaction {
            records.push(VersionedRecord::v0(EndTransactionRecord {}.into()));
        }
        Decision { records, atomic: !in_transaction, ..Decision::default() }
    }
}

fn bootstrap_version(records: &[VersionedRecord]) -> Option<MetadataVersion> {
    MetadataVersion::from_level(level_of(records, METADATA_VERSION))
}

/// The last level that the records give a feature; 0 if none.
fn level_of(records: &[VersionedRecord], feature: &str) -> i16 {
    let level = |record: &VersionedRecord| match &record.record {
        MetadataRecord::FeatureLevel(record) if record.name == feature => Some(record.feature_level),
        _ => None,
    };
    records.iter().filter_map(level).next_back().unwrap_or(0)
}
