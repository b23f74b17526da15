//! What consumer groups have besides their records: it dies with leadership. Plain data.

use std::collections::BTreeMap;
use wire::Str;

/// Of one group.
#[derive(Debug, Clone, Default)]
pub struct ConsumerSoft {
    /// The version of the cluster that its topics were last looked at.
    pub checked_version: Option<i64>,
    /// Until then somebody looks at its patterns.
    pub resolving_until_ms: i64,
}

/// The hashes of topics at one version of the cluster.
#[derive(Debug, Default)]
pub struct TopicHashes {
    /// Which.
    pub version: i64,
    /// Of those that were asked for.
    pub by_name: BTreeMap<Str, u64>,
}
