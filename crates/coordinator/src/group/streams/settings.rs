//! What a streams group is configured with: its own settings within the broker's bounds, otherwise the broker's.

use super::super::consumer::GroupSetting;
use super::super::state::GroupSoft;
use super::group::AssignmentConfigs;
use wire::Str;

/// The keys that the settings of an assignment are kept under in the group's record.
const NUM_STANDBY_REPLICAS: &str = "num.standby.replicas";
pub(super) const RACK_AWARE_ASSIGNMENT_TAGS: &str = "rack.aware.assignment.tags";

impl GroupSoft {
    pub(super) fn streams_session_timeout_ms(&self, group: &str) -> i32 {
        let config = &self.config.streams;
        let bounds = (config.min_session_timeout_ms, config.max_session_timeout_ms);
        self.setting(group, GroupSetting::StreamsSessionTimeoutMs, config.session_timeout_ms, bounds)
    }

    pub(super) fn streams_heartbeat_interval_ms(&self, group: &str) -> i32 {
        let config = &self.config.streams;
        let bounds = (config.min_heartbeat_interval_ms, config.max_heartbeat_interval_ms);
        let own = config.heartbeat_interval_ms;
        self.setting(group, GroupSetting::StreamsHeartbeatIntervalMs, own, bounds)
    }

    pub(super) fn streams_assignment_interval_ms(&self, group: &str) -> i32 {
        let config = &self.config.streams;
        let bounds = (config.min_assignment_interval_ms, config.max_assignment_interval_ms);
        let own = config.assignment_interval_ms;
        self.setting(group, GroupSetting::StreamsAssignmentIntervalMs, own, bounds)
    }

    pub(super) fn streams_task_offset_interval_ms(&self, group: &str) -> i32 {
        let config = &self.config.streams;
        let bounds = (config.min_task_offset_interval_ms, i32::MAX);
        let own = config.task_offset_interval_ms;
        self.setting(group, GroupSetting::StreamsTaskOffsetIntervalMs, own, bounds)
    }

    pub(super) fn streams_initial_rebalance_delay_ms(&self, group: &str) -> i32 {
        let own = self.config.streams.initial_rebalance_delay_ms;
        self.setting(group, GroupSetting::StreamsInitialRebalanceDelayMs, own, (0, i32::MAX))
    }

    pub(super) fn streams_acceptable_recovery_lag(&self, group: &str) -> i64 {
        let own = self.view.group_text(group, GroupSetting::StreamsAcceptableRecoveryLag);
        let own = own.and_then(|text| text.parse().ok());
        own.unwrap_or(self.config.streams.acceptable_recovery_lag)
    }

    fn streams_num_standby_replicas(&self, group: &str) -> i32 {
        let config = &self.config.streams;
        let bounds = (0, config.max_standby_replicas);
        let own = config.num_standby_replicas;
        self.setting(group, GroupSetting::StreamsNumStandbyReplicas, own, bounds)
    }

    /// What the tasks of a group are divided by now, as it is kept with the group.
    pub(super) fn streams_assignment_configs(&self, group: &str) -> AssignmentConfigs {
        let standby = self.streams_num_standby_replicas(group);
        let mut configs = AssignmentConfigs::new();
        configs.insert(Str::from_static(NUM_STANDBY_REPLICAS), Str::from(standby.to_string()));
        let own = self.view.group_text(group, GroupSetting::StreamsRackAwareAssignmentTags);
        let tags = own.unwrap_or_else(|| self.config.streams.rack_aware_assignment_tags.to_string());
        let tags: Vec<&str> = tags.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
        if !tags.is_empty() {
            configs.insert(Str::from_static(RACK_AWARE_ASSIGNMENT_TAGS), Str::from(tags.join(",")));
        }
        configs
    }
}

/// How many standby tasks each task has by these settings.
pub(super) fn standby_replicas(configs: &AssignmentConfigs) -> usize {
    configs.get(NUM_STANDBY_REPLICAS).and_then(|text| text.parse().ok()).unwrap_or(0)
}
