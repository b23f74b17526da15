//! How a share consumer behaves, with Kafka's defaults, and which property sets which field.

use crate::error::{Error, Result};
use crate::properties::{invalid, java_spelling, parse, parse_bool, parse_ms};
use std::time::Duration;
use wire::Str;

/// `share.acknowledgement.mode`: who says that a record is done with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcknowledgementMode {
    /// The next `poll` or `commit` accepts all that the last one handed out.
    #[default]
    Implicit,
    /// The program, record by record, before it polls again.
    Explicit,
}

/// `share.acquire.mode`: how strictly `max.poll.records` is meant (KIP-1206).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AcquireMode {
    /// Whole batches, which may be more records.
    #[default]
    BatchOptimized,
    /// Never more.
    RecordLimit,
}

impl AcquireMode {
    pub(super) fn code(self) -> i8 {
        match self {
            AcquireMode::BatchOptimized => 0,
            AcquireMode::RecordLimit => 1,
        }
    }
}

/// Options of a share consumer.
#[derive(Debug, Clone)]
pub struct ShareConsumerOptions {
    /// `group.id`.
    pub group_id: Str,
    /// `share.acknowledgement.mode`.
    pub acknowledgement_mode: AcknowledgementMode,
    /// `share.acquire.mode`.
    pub acquire_mode: AcquireMode,
    /// `max.poll.records`: of one partition leader's answer.
    pub max_poll_records: usize,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`: of one answer.
    pub fetch_max_bytes: i32,
    /// `fetch.max.wait.ms`.
    pub fetch_max_wait: Duration,
    /// `check.crcs`.
    pub check_crcs: bool,
}

impl Default for ShareConsumerOptions {
    fn default() -> ShareConsumerOptions {
        ShareConsumerOptions {
            group_id: Str::default(),
            acknowledgement_mode: AcknowledgementMode::Implicit,
            acquire_mode: AcquireMode::BatchOptimized,
            max_poll_records: 500,
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 * 1024 * 1024,
            fetch_max_wait: Duration::from_millis(500),
            check_crcs: true,
        }
    }
}

impl ShareConsumerOptions {
    /// Sets one field by its Java (or librdkafka) name. False: not a property of share consumers.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool> {
        let wrong = || invalid(key, value);
        match java_spelling(key) {
            "group.id" => self.group_id = Str::from(value),
            "share.acknowledgement.mode" => {
                self.acknowledgement_mode = match value.trim() {
                    "implicit" => AcknowledgementMode::Implicit,
                    "explicit" => AcknowledgementMode::Explicit,
                    _other => return Err(wrong()),
                };
            }
            "share.acquire.mode" => {
                self.acquire_mode = match value.trim() {
                    "batch_optimized" => AcquireMode::BatchOptimized,
                    "record_limit" => AcquireMode::RecordLimit,
                    _other => return Err(wrong()),
                };
            }
            "max.poll.records" => self.max_poll_records = parse::<usize>(key, value)?.max(1),
            "fetch.min.bytes" => self.fetch_min_bytes = parse(key, value)?,
            "fetch.max.bytes" => self.fetch_max_bytes = parse(key, value)?,
            "fetch.max.wait.ms" => self.fetch_max_wait = parse_ms(key, value)?,
            "check.crcs" => self.check_crcs = parse_bool(key, value)?,
            _other => return Ok(false),
        }
        Ok(true)
    }

    /// What the properties make impossible.
    pub(super) fn check(&self) -> Result<()> {
        if self.group_id.is_empty() {
            return Err(Error::configuration("group.id", "a share consumer needs a group"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_set_fields() {
        let mut options = ShareConsumerOptions::default();
        assert!(options.check().is_err(), "no group");
        assert!(options.set("share.acknowledgement.mode", "explicit").expect("valid"));
        assert!(options.set("share.acquire.mode", "record_limit").expect("valid"));
        assert_eq!(options.acknowledgement_mode, AcknowledgementMode::Explicit);
        assert_eq!(options.acquire_mode, AcquireMode::RecordLimit);
        assert!(options.set("share.acquire.mode", "greedy").is_err());
        assert!(!options.set("auto.offset.reset", "earliest").expect("the group's own business"));
    }
}
