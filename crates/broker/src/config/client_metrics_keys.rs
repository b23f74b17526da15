//! Every client-metrics key of Kafka 4.4. A table and nothing else.

use super::key::{ConfigKey, Importance::*, KeyState::*, UpdateMode::*, Validator::*, key};
use super::value::ValueType::*;

/// One row per key, in name order: name, type, default, validator, importance, update mode, state, doc.
#[rustfmt::skip]
pub static CLIENT_METRICS_KEYS: &[ConfigKey] = &[
    key("interval.ms", Int, Some("300000"), Any, Medium, PerResource, Implemented, "Time between telemetry pushes of matching clients."),
    key("match", List, Some(""), AnyList, Medium, PerResource, Implemented, "Rules that choose clients, as key=regular expression."),
    key("metrics", List, Some(""), AnyList, Medium, PerResource, Implemented, "Prefixes of the metrics wanted; * means all."),
];
