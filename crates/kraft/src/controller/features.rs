//! UpdateFeatures (KIP-584, 778, 853, 1022): raising and lowering feature levels, if every node supports them and nothing
//! that is stored would be lost.

use super::configs::config_record;
use super::decider::{Decider, FollowUp};
use super::election_terms::MIN_INSYNC_REPLICAS;
use super::refusal::Refusal;
use crate::features::{
    self, ELIGIBLE_LEADER_REPLICAS_VERSION, Feature, KRAFT_VERSION, METADATA_VERSION, MetadataVersion,
    VersionRange,
};
use crate::image::{ConfigResource, ResourceType};
use std::collections::BTreeMap;
use wire::messages::update_features::{
    FeatureUpdateKey, UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use wire::records::metadata::{FeatureLevelRecord, NoOpRecord};
use wire::{ErrorCode, Str};

/// How far an update may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UpgradeType {
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
    Unknown,
}

impl UpgradeType {
    fn from_id(id: i8) -> UpgradeType {
        match id {
            1 => UpgradeType::Upgrade,
            2 => UpgradeType::SafeDowngrade,
            3 => UpgradeType::UnsafeDowngrade,
            _ => UpgradeType::Unknown,
        }
    }
}

impl Decider<'_> {
    pub(super) fn update_features(
        &mut self,
        request: &UpdateFeaturesRequest,
        api_version: i16,
    ) -> UpdateFeaturesResponse {
        self.atomic = true;
        let updates: BTreeMap<&Str, (i16, UpgradeType)> = request
            .feature_updates
            .iter()
            .map(|update| {
                (&update.feature, (update.max_version_level, UpgradeType::from_id(update.upgrade_type)))
            })
            .collect();
        let metadata_version =
            updates.iter().find(|(name, _)| **name == METADATA_VERSION).map(|(_, (level, _))| *level);
        let metadata_version = metadata_version.unwrap_or(self.metadata_version.level());
        for (name, (level, upgrade)) in &updates {
            if let Err(refusal) = self.update_feature(name, *level, *upgrade, metadata_version) {
                self.records.clear();
                self.follow_up = None;
                let why = refusal.message.unwrap_or_default();
                let what = format!(
                    "The update failed for all features since the following feature had an error: {why}"
                );
                return UpdateFeaturesResponse {
                    error_code: refusal.error.code(),
                    error_message: Some(Str::from(what)),
                    ..Default::default()
                };
            }
        }
        let elr =
            updates.iter().any(|(name, (level, _))| **name == ELIGIBLE_LEADER_REPLICAS_VERSION && *level > 0);
        if request.validate_only {
            self.records.clear();
            self.follow_up = None;
        } else if elr {
            self.prepare_elr();
        }
        let result = |update: &FeatureUpdateKey| UpdatableFeatureResult {
            feature: update.feature.clone(),
            error_code: 0,
            error_message: Some(Str::from_static(ErrorCode::None.message())),
        };
        let results =
            if api_version <= 1 { request.feature_updates.iter().map(result).collect() } else { Vec::new() };
        UpdateFeaturesResponse { error_message: None, results, ..Default::default() }
    }

    fn update_feature(
        &mut self,
        name: &Str,
        level: i16,
        upgrade: UpgradeType,
        metadata_version: i16,
    ) -> Result<(), Refusal> {
        let invalid = |why: &str| {
            let what = format!("Invalid update version {level} for feature {name}. {why}");
            Err(Refusal::new(ErrorCode::InvalidUpdateVersion, what))
        };
        if upgrade == UpgradeType::Unknown {
            return invalid("The controller does not support the given upgrade type.");
        }
        let current = match name.as_str() {
            KRAFT_VERSION => self.at.kraft_version,
            other => self.image().features.level(other),
        };
        if level < 0 {
            return invalid("A feature version cannot be less than 0.");
        }
        if let Some(why) = self.why_not_supported(name, level) {
            return invalid(&why);
        }
        if level < current && upgrade == UpgradeType::Upgrade {
            return invalid(
                "Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.",
            );
        }
        if level > current && upgrade != UpgradeType::Upgrade {
            return invalid("Can't downgrade to a newer version.");
        }
        match name.as_str() {
            METADATA_VERSION => return self.update_metadata_version(level, upgrade),
            KRAFT_VERSION if upgrade == UpgradeType::Upgrade => return self.update_kraft_version(level),
            KRAFT_VERSION if level == current => return Ok(()),
            KRAFT_VERSION => return invalid("Can't downgrade the version of this feature."),
            _ => {}
        }
        match Feature::named(name) {
            Some(feature) => {
                if let Some(why) = feature.refuses(level, Some(metadata_version)) {
                    return invalid(&why);
                }
            }
            None => return invalid(&format!("Feature {name} not found.")),
        }
        self.write(FeatureLevelRecord { name: name.clone(), feature_level: level }, 0);
        Ok(())
    }

    fn update_metadata_version(&mut self, level: i16, upgrade: UpgradeType) -> Result<(), Refusal> {
        let refuse = |what: String| Err(Refusal::new(ErrorCode::InvalidUpdateVersion, what));
        let Some(wanted) = MetadataVersion::from_level(level) else {
            return refuse(format!(
                "Invalid metadata.version {level}. Valid versions are from {} to {}.",
                MetadataVersion::MINIMUM.level(),
                MetadataVersion::LATEST_TESTING.level()
            ));
        };
        let current = self.metadata_version;
        if wanted < current && MetadataVersion::metadata_changed(current, wanted) {
            let why = if upgrade == UpgradeType::UnsafeDowngrade {
                "Unsafe metadata downgrade is not supported in this version."
            } else {
                "Refusing to perform the requested downgrade because it might delete metadata information."
            };
            let (from, to) = (current.level(), wanted.level());
            return refuse(format!("Unsupported metadata.version downgrade from {from} to {to}. {why}"));
        }
        self.write(FeatureLevelRecord { name: Str::from(METADATA_VERSION), feature_level: level }, 0);
        Ok(())
    }

    /// The level itself goes into a control record; the metadata log only gets a place to wait for.
    fn update_kraft_version(&mut self, level: i16) -> Result<(), Refusal> {
        let current = self.at.kraft_version;
        let refuse = |what: String| Err(Refusal::new(ErrorCode::InvalidUpdateVersion, what));
        if level < current {
            return refuse(format!(
                "Invalid upgrade of kraft.version from version {current} to {level} because the new version is a downgrade"
            ));
        }
        if level > self.at.highest_kraft_version {
            return refuse(format!(
                "Invalid upgrade of kraft.version to {level} because not all of the voters support it"
            ));
        }
        if level > current {
            self.follow_up = Some(FollowUp::UpgradeKRaftVersion(level));
        }
        self.write(NoOpRecord {}, 0);
        Ok(())
    }

    fn why_not_supported(&self, name: &Str, level: i16) -> Option<String> {
        let why_not = |what: String, range: Option<VersionRange>| {
            let range = range.unwrap_or(VersionRange { min: 0, max: 0 });
            match range.max {
                _ if range.contains(level) => None,
                0 => Some(format!("{what} does not support this feature.")),
                _ => Some(format!("{what} only supports versions {range}")),
            }
        };
        let local_id = self.options.node_id;
        let local = features::supported()
            .into_iter()
            .find(|(known, _)| *known == name.as_str())
            .map(|(_, range)| range);
        if let Some(why) = why_not(format!("Local controller {local_id}"), local) {
            return Some(why);
        }
        let cluster = &self.image().cluster;
        for broker in cluster.brokers() {
            if let Some(why) =
                why_not(format!("Broker {}", broker.id), broker.features.get(name.as_str()).copied())
            {
                return Some(why);
            }
        }
        if !self.metadata_version.has_controller_registration() {
            return None;
        }
        for controller in cluster.controllers().filter(|controller| controller.id != local_id) {
            let range = controller.features.get(name.as_str()).copied();
            if let Some(why) = why_not(format!("Controller {}", controller.id), range) {
                return Some(why);
            }
        }
        let missing =
            self.at.voter_ids.iter().find(|id| **id != local_id && cluster.controller(**id).is_none());
        missing.map(|id| format!("controller {id} has not registered, and may not support this feature"))
    }

    /// Before eligible leader replicas are tracked, all brokers must agree on the minimum ISR.
    fn prepare_elr(&mut self) {
        let configs = &self.image().configs;
        let mut records = Vec::new();
        if !configs.of_cluster().contains_key(MIN_INSYNC_REPLICAS) {
            let value = Str::from(self.rules.static_min_insync_replicas().to_string());
            records.push(config_record(&ConfigResource::cluster(), MIN_INSYNC_REPLICAS, Some(value)));
        }
        for (resource, set) in configs.iter() {
            let of_broker = resource.resource_type == ResourceType::Broker && !resource.name.is_empty();
            if of_broker && set.contains_key(MIN_INSYNC_REPLICAS) {
                records.push(config_record(resource, MIN_INSYNC_REPLICAS, None));
            }
        }
        records.append(&mut self.records);
        self.records = records;
    }
}
