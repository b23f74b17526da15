//! Finalised feature levels. Never `kraft.version`, which lives in the control records of the log.

use super::contradiction::{Contradiction, contradiction};
use crate::features::{ELIGIBLE_LEADER_REPLICAS_VERSION, KRAFT_VERSION, METADATA_VERSION, MetadataVersion};
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Str;
use wire::records::metadata::FeatureLevelRecord;

/// The finalised features; a feature at level 0 is absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeaturesImage {
    finalized: Arc<BTreeMap<Str, i16>>,
}

impl FeaturesImage {
    /// The finalised level of a feature, 0 if it has none.
    pub fn level(&self, name: &str) -> i16 {
        self.finalized.get(name).copied().unwrap_or(0)
    }

    /// All finalised features in order of their names, `metadata.version` among them.
    pub fn iter(&self) -> impl Iterator<Item = (&Str, i16)> {
        self.finalized.iter().map(|(name, level)| (name, *level))
    }

    /// The metadata version; `None` before the bootstrap records.
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        self.finalized.get(METADATA_VERSION).and_then(|level| MetadataVersion::from_level(*level))
    }

    /// True if eligible leader replicas are tracked (KIP-966).
    pub fn elr_enabled(&self) -> bool {
        self.level(ELIGIBLE_LEADER_REPLICAS_VERSION) >= 1
    }

    #[cfg(test)]
    pub(super) fn keep_at_zero(&mut self, name: &str) {
        Arc::make_mut(&mut self.finalized).insert(Str::from(name), 0);
    }

    pub(super) fn set(&mut self, record: &FeatureLevelRecord) -> Result<(), Contradiction> {
        let (name, level) = (record.name.as_str(), record.feature_level);
        if name == METADATA_VERSION && MetadataVersion::from_level(level).is_none() {
            let (low, high) = (MetadataVersion::MINIMUM.level(), MetadataVersion::LATEST_TESTING.level());
            return contradiction(format!(
                "metadata.version {level} is not supported: this node knows {low} to {high}"
            ));
        }
        let finalized = Arc::make_mut(&mut self.finalized);
        if name == KRAFT_VERSION {
            return Ok(());
        }
        if level == 0 {
            finalized.remove(name);
        } else {
            finalized.insert(record.name.detached(), level);
        }
        Ok(())
    }
}
