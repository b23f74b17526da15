//! The feature levels a cluster is formatted with: what was asked for, what is the default, what does not go together.
//!
//! Owns the arguments `-r` and `-f` and how kafka-storage talks about features; the table of levels is `kraft::features`.

use std::collections::{BTreeMap, BTreeSet};

use kraft::features::{FEATURES, Feature, KRAFT_VERSION, METADATA_VERSION, MetadataVersion};
use wire::records::metadata::{MetadataRecord, UserScramCredentialRecord};

/// `-f name=level`, repeated.
pub fn requested(arguments: &[String]) -> Result<BTreeMap<String, i16>, String> {
    let mut levels = BTreeMap::new();
    for argument in arguments {
        let fail = |why: &str| format!("Can't parse feature=level string {argument}: {why}");
        let (name, level) = argument.split_once('=').ok_or_else(|| fail("equals sign not found."))?;
        let level = level.parse().map_err(|_| fail(&format!("unable to parse {level} as a short.")))?;
        levels.insert(name.trim().to_owned(), level);
    }
    Ok(levels)
}

/// The metadata version to format with.
pub fn release(
    release_version: Option<&str>,
    requested: &BTreeMap<String, i16>,
) -> Result<MetadataVersion, String> {
    let version = match (release_version, requested.get(METADATA_VERSION)) {
        (Some(_), Some(_)) => {
            return Err(
                "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.".into()
            );
        }
        (Some(name), None) => MetadataVersion::from_name(name)
            .filter(|version| *version <= MetadataVersion::LATEST_PRODUCTION)
            .ok_or_else(|| unknown_version(name, MetadataVersion::LATEST_PRODUCTION))?,
        (None, Some(level)) => MetadataVersion::from_level(*level).ok_or_else(|| {
            format!(
                "No MetadataVersion with feature level {level}. Valid feature levels are from {} to {}.",
                MetadataVersion::MINIMUM.level(),
                MetadataVersion::LATEST_TESTING.level()
            )
        })?,
        (None, None) => MetadataVersion::LATEST_PRODUCTION,
    };
    if version > MetadataVersion::LATEST_PRODUCTION {
        return Err(format!("metadata.version {version} is not yet stable."));
    }
    Ok(version)
}

fn unknown_version(name: &str, latest: MetadataVersion) -> String {
    let known: Vec<String> = (MetadataVersion::MINIMUM.level()..=latest.level())
        .filter_map(MetadataVersion::from_level)
        .map(|version| version.to_string())
        .collect();
    format!("Unknown metadata.version '{name}'. Supported metadata.version are: {}", known.join(", "))
}

/// All levels but the metadata version's: the requested ones, defaults for the rest.
pub fn effective(
    requested: &BTreeMap<String, i16>,
    version: MetadataVersion,
    dynamic_quorum: bool,
) -> Result<BTreeMap<&'static str, i16>, String> {
    let others = requested.keys().filter(|name| *name != METADATA_VERSION);
    if let Some(unknown) = others.into_iter().find(|name| Feature::named(name).is_none()) {
        let known: BTreeSet<&str> = FEATURES.iter().map(|f| f.name).collect();
        let known: Vec<&str> = known.into_iter().collect();
        return Err(format!("Unsupported feature: {unknown}. Supported features are: {}", known.join(", ")));
    }
    let mut levels = BTreeMap::new();
    for feature in &FEATURES {
        let asked = requested.get(feature.name).copied();
        let level = if feature.name == KRAFT_VERSION {
            kraft_level(asked, dynamic_quorum)?
        } else {
            asked.unwrap_or_else(|| feature.default_level(version))
        };
        if level < 0 || level > feature.latest() {
            return Err(format!("No feature:{} with feature level {level}", feature.name));
        }
        if let Some(refusal) = feature.refuses(level, Some(version.level())) {
            return Err(refusal);
        }
        levels.insert(feature.name, level);
    }
    Ok(levels)
}

/// Without static voters the quorum is dynamic, and that is `kraft.version` 1.
fn kraft_level(asked: Option<i16>, dynamic_quorum: bool) -> Result<i16, String> {
    const CONDITION: &str = "controller.quorum.voters is empty and one of the flags --standalone, \
                             --initial-controllers, or --no-initial-controllers is used. For dynamic controllers \
                             support, try";
    match (asked, dynamic_quorum) {
        (None, dynamic) => Ok(i16::from(dynamic)),
        (Some(0), true) => Err(format!(
            "Cannot set kraft.version to 0 if {CONDITION} removing the --feature flag for kraft.version."
        )),
        (Some(level), false) if level != 0 => Err(format!(
            "Cannot set kraft.version to {level} unless {CONDITION} using one of --standalone, \
             --initial-controllers, or --no-initial-controllers and removing controller.quorum.voters."
        )),
        (Some(level), _) => Ok(level),
    }
}

/// The records as Java prints them.
pub fn shown(records: &[MetadataRecord], version: MetadataVersion) -> String {
    let one = |record: &MetadataRecord| {
        let text = match record {
            MetadataRecord::FeatureLevel(r) => {
                format!("FeatureLevelRecord(name='{}', featureLevel={})", r.name, r.feature_level)
            }
            MetadataRecord::UserScramCredential(r) => shown_credential(r),
            other => other.name().to_owned(),
        };
        format!("ApiMessageAndVersion({text} at version 0)")
    };
    let records: Vec<String> = records.iter().map(one).collect();
    format!(
        "BootstrapMetadata(records=[{}], metadataVersionLevel={}, source=format command)",
        records.join(", "),
        version.level()
    )
}

fn shown_credential(record: &UserScramCredentialRecord) -> String {
    let signed = |bytes: &[u8]| {
        let numbers: Vec<String> = bytes.iter().map(|b| (*b as i8).to_string()).collect();
        format!("[{}]", numbers.join(", "))
    };
    format!(
        "UserScramCredentialRecord(name='{}', mechanism={}, salt={}, storedKey={}, serverKey={}, iterations={})",
        record.name,
        record.mechanism,
        signed(&record.salt),
        signed(&record.stored_key),
        signed(&record.server_key),
        record.iterations
    )
}

/// `storage version-mapping`
pub fn version_mapping(release_version: Option<&str>) -> Result<String, String> {
    let latest = MetadataVersion::LATEST_PRODUCTION;
    let (name, version) = match release_version {
        None => (latest.to_string(), latest),
        Some(name) => {
            let version = MetadataVersion::from_name(name)
                .ok_or_else(|| unknown_version(name, MetadataVersion::LATEST_TESTING))?;
            (name.to_owned(), version)
        }
    };
    let mut text = format!("{METADATA_VERSION}={} ({name})\n", version.level());
    for feature in &FEATURES {
        text.push_str(&format!("{}={}\n", feature.name, feature.default_level(version)));
    }
    Ok(text)
}

/// `storage feature-dependencies`
pub fn feature_dependencies(arguments: &[String]) -> Result<String, String> {
    let mut text = String::new();
    for argument in arguments {
        let (name, level) = argument.split_once('=').unwrap_or((argument, ""));
        let level: i16 =
            level.parse().map_err(|_| format!("Invalid version format: {level} for feature {name}"))?;
        if name == METADATA_VERSION {
            let version = MetadataVersion::from_level(level)
                .ok_or_else(|| format!("Unknown metadata.version {level}"))?;
            text.push_str(&format!("{name}={level} ({version}) has no dependencies.\n"));
            continue;
        }
        let feature = Feature::named(name).ok_or_else(|| format!("Unknown feature: {name}"))?;
        if level < 0 || level > feature.latest() {
            return Err(format!("Feature level {level} is not supported for feature {name}"));
        }
        match feature.needs(level) {
            None => text.push_str(&format!("{name}={level} has no dependencies.\n")),
            Some(version) => text.push_str(&format!(
                "{name}={level} requires:\n    {METADATA_VERSION}={} ({version})\n",
                version.level()
            )),
        }
    }
    Ok(text)
}
