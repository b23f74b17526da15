//! Feature levels (KIP-584, KIP-778, KIP-1022): what each level of `metadata.version` allows, which other features exist, what
//! they depend on and which levels a fresh cluster gets. A table with a few questions to it; owns no state.

use std::fmt;

/// The name under which the metadata version is finalised.
pub const METADATA_VERSION: &str = "metadata.version";
/// The feature of dynamic quorums (KIP-853); its level lives in control records, never in a FeatureLevelRecord.
pub const KRAFT_VERSION: &str = "kraft.version";
/// The feature of eligible leader replicas (KIP-966).
pub const ELIGIBLE_LEADER_REPLICAS_VERSION: &str = "eligible.leader.replicas.version";
/// The feature whose level says how transactions are written and ended (KIP-890).
pub const TRANSACTION_VERSION: &str = "transaction.version";

/// The feature that switches on consumer groups of the protocol of KIP-848.
pub const GROUP_VERSION: &str = "group.version";

/// The feature that switches on share groups (KIP-932).
pub const SHARE_VERSION: &str = "share.version";

/// The feature that switches on streams groups (KIP-1071).
pub const STREAMS_VERSION: &str = "streams.version";

/// A level of `metadata.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MetadataVersion(i16);

/// Level, name, and whether the level changed what is stored, so that going below it would lose data.
const METADATA_VERSIONS: [(i16, &str, bool); 28] = [
    (7, "3.3-IV3", true),
    (8, "3.4-IV0", true),
    (9, "3.5-IV0", false),
    (10, "3.5-IV1", false),
    (11, "3.5-IV2", true),
    (12, "3.6-IV0", false),
    (13, "3.6-IV1", true),
    (14, "3.6-IV2", true),
    (15, "3.7-IV0", true),
    (16, "3.7-IV1", false),
    (17, "3.7-IV2", true),
    (18, "3.7-IV3", false),
    (19, "3.7-IV4", false),
    (20, "3.8-IV0", false),
    (21, "3.9-IV0", false),
    (22, "4.0-IV0", false),
    (23, "4.0-IV1", true),
    (24, "4.0-IV2", false),
    (25, "4.0-IV3", false),
    (26, "4.1-IV0", false),
    (27, "4.1-IV1", false),
    (28, "4.2-IV0", false),
    (29, "4.2-IV1", false),
    (30, "4.3-IV0", true),
    (31, "4.4-IV0", false),
    (32, "4.4-IV1", true),
    (33, "4.4-IV2", true),
    (34, "4.5-IV0", false),
];

const _: () = {
    let mut at = 1;
    while at < METADATA_VERSIONS.len() {
        assert!(METADATA_VERSIONS[at].0 == METADATA_VERSIONS[at - 1].0 + 1, "levels follow one another");
        at += 1;
    }
    assert!(MetadataVersion::MINIMUM.0 == METADATA_VERSIONS[0].0, "the lowest level is the first");
    assert!(
        MetadataVersion::LATEST_TESTING.0 == METADATA_VERSIONS[at - 1].0,
        "the highest level is the last"
    );
    assert!(MetadataVersion::LATEST_PRODUCTION.0 <= MetadataVersion::LATEST_TESTING.0, "it is known");
};

impl MetadataVersion {
    /// The lowest level that Kafka 4.x still reads: 3.3-IV3.
    pub const MINIMUM: MetadataVersion = MetadataVersion(7);
    /// The level of a cluster formatted by Kafka 4.4: 4.4-IV2.
    pub const LATEST_PRODUCTION: MetadataVersion = MetadataVersion(33);
    /// The highest level Kafka 4.4 knows at all; not for production.
    pub const LATEST_TESTING: MetadataVersion = MetadataVersion(34);

    /// The version of a level, if Kafka 4.4 knows it.
    pub fn from_level(level: i16) -> Option<MetadataVersion> {
        METADATA_VERSIONS.iter().any(|(known, ..)| *known == level).then_some(MetadataVersion(level))
    }

    /// The version called `name`: an exact name (`4.4-IV2`), or a release (`4.4`, `4.4.0`) for its last production level.
    pub fn from_name(name: &str) -> Option<MetadataVersion> {
        let release: Vec<&str> = name.splitn(3, '.').take(2).collect();
        let release = release.join(".");
        let exact = METADATA_VERSIONS.iter().find(|(_, known, _)| *known == release);
        let found = exact.or_else(|| {
            let of_release = |known: &str| known.split('-').next() == Some(release.as_str());
            METADATA_VERSIONS
                .iter()
                .rev()
                .find(|(level, known, _)| *level <= Self::LATEST_PRODUCTION.0 && of_release(known))
        });
        found.map(|(level, ..)| MetadataVersion(*level))
    }

    /// The number that is stored.
    pub fn level(self) -> i16 {
        self.0
    }

    /// True if going from one version to the other crosses a level that changed what is stored.
    pub fn metadata_changed(a: MetadataVersion, b: MetadataVersion) -> bool {
        let (low, high) = (a.0.min(b.0), a.0.max(b.0));
        METADATA_VERSIONS.iter().any(|(level, _, changed)| *changed && low < *level && *level <= high)
    }

    /// Before 3.6-IV0 shrinking the ISR bumped the leader epoch (KAFKA-15021).
    pub fn bumps_leader_epoch_on_isr_shrink(self) -> bool {
        self.0 < 12
    }

    /// SCRAM credentials in the metadata log (KIP-900).
    pub fn has_scram(self) -> bool {
        self.0 >= 11
    }

    /// Begin, end and abort records (KIP-868).
    pub fn has_transactions(self) -> bool {
        self.0 >= 13
    }

    /// Delegation tokens in the metadata log.
    pub fn has_delegation_tokens(self) -> bool {
        self.0 >= 14
    }

    /// Controllers register themselves (KIP-919).
    pub fn has_controller_registration(self) -> bool {
        self.0 >= 15
    }

    /// Replicas name their log directory (KIP-858).
    pub fn has_directories(self) -> bool {
        self.0 >= 17
    }

    /// Log directories may be cordoned (KIP-1066).
    pub fn has_cordoned_directories(self) -> bool {
        self.0 >= 30
    }

    /// Hosts of access control entries may be ranges of addresses.
    pub fn has_address_ranges(self) -> bool {
        self.0 >= 32
    }

    /// Controllers may be unregistered.
    pub fn has_controller_unregistration(self) -> bool {
        self.0 >= 33
    }

    /// The version at which RegisterBrokerRecord is written.
    pub fn register_broker_record_version(self) -> i16 {
        match self.0 {
            30.. => 4,
            17.. => 3,
            8.. => 2,
            _ => 1,
        }
    }

    /// The version at which PartitionRecord and PartitionChangeRecord are written.
    pub fn partition_record_version(self) -> i16 {
        match self.0 {
            23.. => 2,
            17.. => 1,
            _ => 0,
        }
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = METADATA_VERSIONS
            .iter()
            .find(|(level, ..)| *level == self.0)
            .map_or("unknown", |(_, name, _)| name);
        f.pad(name)
    }
}

/// A feature other than `metadata.version`.
#[derive(Debug)]
pub struct Feature {
    /// The name under which it is finalised.
    pub name: &'static str,
    /// Its levels above 0: the first metadata version that a fresh cluster gets it with.
    levels: &'static [FeatureLevel],
}

#[derive(Debug)]
struct FeatureLevel {
    bootstrap: MetadataVersion,
    /// The metadata version it needs; 0 if none beyond the minimum.
    needs_metadata_version: i16,
}

const fn since(bootstrap: i16) -> FeatureLevel {
    FeatureLevel { bootstrap: MetadataVersion(bootstrap), needs_metadata_version: 0 }
}

const KRAFT_LEVELS: &[FeatureLevel] = &[since(21)];
/// The levels of kraft.version that this build supports.
pub const KRAFT_VERSIONS: VersionRange = VersionRange { min: 0, max: KRAFT_LEVELS.len() as i16 };

/// The production features of Kafka 4.4, in the order of Kafka's own list.
pub static FEATURES: [Feature; 6] = [
    Feature { name: KRAFT_VERSION, levels: KRAFT_LEVELS },
    Feature { name: "transaction.version", levels: &[since(24), since(24)] },
    Feature { name: GROUP_VERSION, levels: &[since(22)] },
    Feature {
        name: ELIGIBLE_LEADER_REPLICAS_VERSION,
        levels: &[FeatureLevel { bootstrap: MetadataVersion(26), needs_metadata_version: 23 }],
    },
    Feature { name: "share.version", levels: &[since(28), since(31)] },
    Feature { name: STREAMS_VERSION, levels: &[since(29)] },
];

impl Feature {
    /// The feature of a name.
    pub fn named(name: &str) -> Option<&'static Feature> {
        FEATURES.iter().find(|feature| feature.name == name)
    }

    /// The highest level there is.
    pub fn latest(&self) -> i16 {
        self.levels.len() as i16
    }

    /// The level that formatting at this metadata version gives.
    pub fn default_level(&self, metadata_version: MetadataVersion) -> i16 {
        self.levels.iter().take_while(|level| level.bootstrap <= metadata_version).count() as i16
    }

    /// The metadata version that a level depends on, if on more than the minimum.
    pub fn needs(&self, level: i16) -> Option<MetadataVersion> {
        let at = usize::try_from(level - 1).ok()?;
        let needed = self.levels.get(at)?.needs_metadata_version;
        (needed > 0).then_some(MetadataVersion(needed))
    }

    /// Why this level may not be set beside these finalised levels, in Kafka's words.
    pub fn refuses(&self, level: i16, metadata_version: Option<i16>) -> Option<String> {
        let what = format!("{} could not be set to {level} because it depends on ", self.name);
        if level >= 1 && metadata_version.is_none_or(|version| version < MetadataVersion::MINIMUM.0) {
            let minimum = MetadataVersion::MINIMUM;
            return Some(format!("{what}{METADATA_VERSION}={} ({minimum})", minimum.0));
        }
        let needed = self.needs(level)?.0;
        let missing = metadata_version.is_none_or(|version| version < needed);
        missing.then(|| format!("{what}{METADATA_VERSION} level {needed}"))
    }
}

/// A range of levels that a node supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The lowest level.
    pub min: i16,
    /// The highest level; not below `min`.
    pub max: i16,
}

impl VersionRange {
    /// True if the level lies within.
    pub fn contains(self, level: i16) -> bool {
        self.min <= level && level <= self.max
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.min == self.max { write!(f, "{}", self.min) } else { write!(f, "{}-{}", self.min, self.max) }
    }
}

/// What this build supports, as it registers itself: sorted by name.
pub fn supported() -> Vec<(&'static str, VersionRange)> {
    let metadata =
        VersionRange { min: MetadataVersion::MINIMUM.0, max: MetadataVersion::LATEST_PRODUCTION.0 };
    let mut all: Vec<_> = FEATURES
        .iter()
        .map(|feature| (feature.name, VersionRange { min: 0, max: feature.latest() }))
        .collect();
    all.push((METADATA_VERSION, metadata));
    all.sort_unstable_by_key(|(name, _)| *name);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_cluster_gets_the_levels_that_kafka_storage_format_writes() {
        let levels: Vec<_> =
            FEATURES.iter().map(|f| (f.name, f.default_level(MetadataVersion::LATEST_PRODUCTION))).collect();
        let expected = [
            ("kraft.version", 1),
            ("transaction.version", 2),
            ("group.version", 1),
            ("eligible.leader.replicas.version", 1),
            ("share.version", 2),
            ("streams.version", 1),
        ];
        assert_eq!(levels, expected);
        let at_4_0 = MetadataVersion::from_name("4.0")
            .map(|v| (v.level(), Feature::named("transaction.version").map(|f| f.default_level(v))));
        assert_eq!(at_4_0, Some((25, Some(2))));
    }

    #[test]
    fn names_are_releases_or_exact() {
        let level = |name| MetadataVersion::from_name(name).map(MetadataVersion::level);
        assert_eq!(level("4.4-IV0"), Some(31));
        assert_eq!(level("4.4"), Some(33));
        assert_eq!(level("4.4.0"), Some(33));
        assert_eq!(level("3.9.1"), Some(21));
        assert_eq!(level("2.8"), None);
        assert_eq!(MetadataVersion::LATEST_PRODUCTION.to_string(), "4.4-IV2");
    }

    #[test]
    fn a_downgrade_loses_data_only_across_a_changing_level() {
        let changed = |a, b| MetadataVersion::metadata_changed(MetadataVersion(a), MetadataVersion(b));
        assert!(!changed(29, 24));
        assert!(changed(30, 29));
        assert!(changed(33, 30));
        assert!(!changed(31, 30));
        assert!(!changed(33, 33));
    }
}
