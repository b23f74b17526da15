//! UpdateFeatures (KIP-584, 778, 1022): which levels may be finalised, and Kafka's words for those that may not.

use super::command::Refusal;
use super::decide::Context;
use crate::features::{Feature, METADATA_VERSION, MetadataVersion, VersionRange, supported};
use crate::image::VersionedRecord;
use wire::ErrorCode;
use wire::messages::update_features::{
    FeatureUpdateKey, UpdatableFeatureResult, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use wire::records::metadata::{FeatureLevelRecord, MetadataRecord};

const UPGRADE: i8 = 1;
const SAFE_DOWNGRADE: i8 = 2;
const UNSAFE_DOWNGRADE: i8 = 3;

pub(super) fn update(
    context: &Context<'_>,
    request: &UpdateFeaturesRequest,
    api_version: i16,
    out: &mut Vec<VersionedRecord>,
) -> UpdateFeaturesResponse {
    let mut records = Vec::new();
    let mut refused: Option<Refusal> = None;
    for wanted in &request.feature_updates {
        match decide(context, wanted, api_version) {
            Ok(Some(record)) => records.push(record),
            Ok(None) => {}
            Err(refusal) => {
                // All or nothing: the first refusal answers for the whole request.
                refused = Some(refusal);
                break;
            }
        }
    }
    if let Some(refusal) = refused {
        return UpdateFeaturesResponse {
            error_code: refusal.error.code(),
            error_message: refusal.text(),
            ..UpdateFeaturesResponse::default()
        };
    }
    if !request.validate_only {
        out.extend(records);
    }
    let each = |wanted: &FeatureUpdateKey| UpdatableFeatureResult {
        feature: wanted.feature.clone(),
        ..UpdatableFeatureResult::default()
    };
    let results =
        if api_version <= 1 { request.feature_updates.iter().map(each).collect() } else { Vec::new() };
    UpdateFeaturesResponse { results, ..UpdateFeaturesResponse::default() }
}

fn decide(
    context: &Context<'_>,
    wanted: &FeatureUpdateKey,
    api_version: i16,
) -> Result<Option<VersionedRecord>, Refusal> {
    let invalid = |why: String| {
        let what = format!(
            "Invalid update version {} for feature {}. {why}",
            wanted.max_version_level, wanted.feature
        );
        Err(Refusal::new(ErrorCode::InvalidUpdateVersion, what))
    };
    let upgrade_type = match (api_version, wanted.allow_downgrade) {
        (0, true) => SAFE_DOWNGRADE,
        (0, false) => UPGRADE,
        _ => wanted.upgrade_type,
    };
    if !(UPGRADE..=UNSAFE_DOWNGRADE).contains(&upgrade_type) {
        return invalid("The controller does not support the given upgrade type.".to_owned());
    }
    let ranges = supported();
    let range = ranges.iter().find(|(name, _)| wanted.feature == *name).map(|(_, range)| *range);
    let level = wanted.max_version_level;
    let node = context.options.node_id;
    let in_range = |range: VersionRange| level == 0 || range.contains(level);
    match range {
        None => return invalid(format!("Local controller {node} does not support this feature.")),
        Some(range) if level < 0 || !in_range(range) => {
            return invalid(format!("Local controller {node} only supports versions {range}"));
        }
        Some(_) => {}
    }
    if let Some(why) = unsupported_by_a_broker(context, wanted) {
        return invalid(why);
    }
    let current = context.image.features.level(&wanted.feature);
    if level < current && upgrade_type == UPGRADE {
        return invalid("Can't downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.".to_owned());
    }
    if level > current && upgrade_type != UPGRADE {
        return invalid("Can't downgrade to a newer version.".to_owned());
    }
    check_dependencies(context, wanted, upgrade_type, current)?;
    if level == current {
        return Ok(None);
    }
    let record = FeatureLevelRecord { name: wanted.feature.clone(), feature_level: level };
    Ok(Some(VersionedRecord::v0(MetadataRecord::FeatureLevel(record))))
}

fn unsupported_by_a_broker(context: &Context<'_>, wanted: &FeatureUpdateKey) -> Option<String> {
    let level = wanted.max_version_level;
    context.image.cluster.brokers().find_map(|broker| match broker.features.get(wanted.feature.as_str()) {
        Some(range) if level == 0 || range.contains(level) => None,
        Some(range) => Some(format!("Broker {} only supports versions {range}", broker.id)),
        None if level == 0 => None,
        None => Some(format!("Broker {} does not support this feature.", broker.id)),
    })
}

fn check_dependencies(
    context: &Context<'_>,
    wanted: &FeatureUpdateKey,
    upgrade_type: i8,
    current: i16,
) -> Result<(), Refusal> {
    let level = wanted.max_version_level;
    let refuse = |what: String| Err(Refusal::new(ErrorCode::InvalidUpdateVersion, what));
    if wanted.feature == METADATA_VERSION {
        let (from, to) = (MetadataVersion::from_level(current), MetadataVersion::from_level(level));
        let changed = from.zip(to).is_some_and(|(from, to)| MetadataVersion::metadata_changed(from, to));
        if level < current && changed && upgrade_type == SAFE_DOWNGRADE {
            return refuse(format!(
                "Invalid metadata.version {level}. Refusing to perform the requested downgrade because it might delete metadata information."
            ));
        }
        if level < current && changed {
            return refuse(format!(
                "Invalid metadata.version {level}. Unsafe metadata downgrade is not supported in this version."
            ));
        }
        return Ok(());
    }
    let metadata_version = context.image.features.metadata_version().map(MetadataVersion::level);
    match Feature::named(&wanted.feature).and_then(|feature| feature.refuses(level, metadata_version)) {
        Some(why) => refuse(why),
        None => Ok(()),
    }
}
