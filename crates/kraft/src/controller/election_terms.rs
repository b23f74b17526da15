//! What a topic's configurations say about elections, found out once for all topics that have none of their own.

use super::rules::ConfigRules;
use crate::image::{ConfigsImage, ResourceConfigs};

/// The key of the fewest replicas in sync that `acks=all` is content with.
pub(super) const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// The terms of a topic's elections.
#[derive(Clone, Copy, Debug)]
pub(super) struct ElectionTerms {
    /// `min.insync.replicas`
    pub min_insync_replicas: usize,
    /// `unclean.leader.election.enable`
    pub unclean_election: bool,
}

impl ElectionTerms {
    /// The terms of a topic with these configurations of its `own`, among all that is configured.
    pub(super) fn resolve(
        rules: &dyn ConfigRules,
        own: &ResourceConfigs,
        configs: &ConfigsImage,
    ) -> ElectionTerms {
        let value = |key| rules.topic_value(key, own, configs);
        let unclean = value("unclean.leader.election.enable");
        let min_insync_replicas = value(MIN_INSYNC_REPLICAS);
        ElectionTerms {
            min_insync_replicas: min_insync_replicas.and_then(|value| value.trim().parse().ok()).unwrap_or(1),
            unclean_election: unclean.is_some_and(|value| value.trim().eq_ignore_ascii_case("true")),
        }
    }
}
