//! How a consumer behaves, with Kafka's defaults of 4.x, and which property sets which field.

use super::assignor::Assignor;
use crate::error::Result;
use crate::offsets::IsolationLevel;
use crate::options::REQUEST_TIMEOUT;
use crate::properties::{invalid, java_spelling, parse, parse_bool, parse_ms};
use std::time::Duration;
use wire::Str;

// Defaults of Kafka's that depend on each other.
const AUTO_COMMIT_INTERVAL: Duration = Duration::from_secs(5);
const SESSION_TIMEOUT: Duration = Duration::from_secs(45);
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(300);
const FETCH_MAX_BYTES: i32 = 50 * 1024 * 1024;
const PARTITION_FETCH_BYTES: i32 = 1024 * 1024;
const FETCH_MAX_WAIT: Duration = Duration::from_millis(500);
const READ_AHEAD_BYTES: usize = 16 * 1024 * 1024;
const _: () = {
    let heartbeats_ms = HEARTBEAT_INTERVAL.as_millis() * 3;
    assert!(heartbeats_ms <= SESSION_TIMEOUT.as_millis(), "a session outlasts lost heartbeats");
    assert!(
        SESSION_TIMEOUT.as_millis() <= MAX_POLL_INTERVAL.as_millis(),
        "a dead process goes before a busy one"
    );
    assert!(AUTO_COMMIT_INTERVAL.as_millis() < MAX_POLL_INTERVAL.as_millis(), "who polls commits");
    assert!(PARTITION_FETCH_BYTES <= FETCH_MAX_BYTES, "an answer has room for a partition's part");
    assert!(PARTITION_FETCH_BYTES as usize <= READ_AHEAD_BYTES, "what is read ahead has room for it");
    assert!(FETCH_MAX_WAIT.as_millis() < REQUEST_TIMEOUT.as_millis(), "a fetch may wait for its answer");
};

/// Where to begin without a committed offset, or where the offset is gone (`auto.offset.reset`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OffsetReset {
    /// At the first record.
    Earliest,
    /// Behind the last record.
    #[default]
    Latest,
    /// This long before now (KIP-1106).
    ByDuration(Duration),
    /// Nowhere: an error from `poll`.
    None,
}

/// Options of a consumer.
#[derive(Debug, Clone)]
pub struct ConsumerOptions {
    /// `group.id`: needed for subscriptions and for committing.
    pub group_id: Option<Str>,
    /// `group.instance.id`: a static member, whose restart moves no partition (KIP-345).
    pub instance_id: Option<Str>,
    /// `partition.assignment.strategy`.
    pub assignors: Vec<Assignor>,
    /// `auto.offset.reset`.
    pub offset_reset: OffsetReset,
    /// `enable.auto.commit`: delivered positions are committed from `poll`, before a revocation and at `close`.
    pub auto_commit: bool,
    /// `auto.commit.interval.ms`.
    pub auto_commit_interval: Duration,
    /// `session.timeout.ms`.
    pub session_timeout: Duration,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval: Duration,
    /// `max.poll.interval.ms`: a member that does not poll for so long leaves its group.
    pub max_poll_interval: Duration,
    /// `max.poll.records`.
    pub max_poll_records: usize,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`: of one answer.
    pub fetch_max_bytes: i32,
    /// `max.partition.fetch.bytes`.
    pub partition_fetch_bytes: i32,
    /// `fetch.max.wait.ms`.
    pub fetch_max_wait: Duration,
    /// `isolation.level`.
    pub isolation: IsolationLevel,
    /// `check.crcs`.
    pub check_crcs: bool,
    /// `allow.auto.create.topics`.
    pub allow_auto_create_topics: bool,
    /// Fetched and not yet delivered at most; above it nothing more is fetched. Not a property of Java clients;
    /// librdkafka's `queued.max.messages.kbytes`.
    pub read_ahead_bytes: usize,
}

impl Default for ConsumerOptions {
    fn default() -> ConsumerOptions {
        ConsumerOptions {
            group_id: None,
            instance_id: None,
            assignors: vec![Assignor::Range, Assignor::CooperativeSticky],
            offset_reset: OffsetReset::Latest,
            auto_commit: true,
            auto_commit_interval: AUTO_COMMIT_INTERVAL,
            session_timeout: SESSION_TIMEOUT,
            heartbeat_interval: HEARTBEAT_INTERVAL,
            max_poll_interval: MAX_POLL_INTERVAL,
            max_poll_records: 500,
            fetch_min_bytes: 1,
            fetch_max_bytes: FETCH_MAX_BYTES,
            partition_fetch_bytes: PARTITION_FETCH_BYTES,
            fetch_max_wait: FETCH_MAX_WAIT,
            isolation: IsolationLevel::ReadUncommitted,
            check_crcs: true,
            allow_auto_create_topics: true,
            read_ahead_bytes: READ_AHEAD_BYTES,
        }
    }
}

impl ConsumerOptions {
    /// Sets one field by its Java (or librdkafka) name. False: not a property of consumers.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool> {
        let wrong = || invalid(key, value);
        let text = || Some(Str::from(value)).filter(|text| !text.is_empty());
        match java_spelling(key) {
            "group.id" => self.group_id = text(),
            "group.instance.id" => self.instance_id = text(),
            "partition.assignment.strategy" => {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                self.assignors = names.map(Assignor::from_name).collect::<Option<_>>().ok_or_else(wrong)?;
            }
            "auto.offset.reset" => self.offset_reset = parse_reset(value).ok_or_else(wrong)?,
            "enable.auto.commit" => self.auto_commit = parse_bool(key, value)?,
            "auto.commit.interval.ms" => self.auto_commit_interval = parse_ms(key, value)?,
            "session.timeout.ms" => self.session_timeout = parse_ms(key, value)?,
            "heartbeat.interval.ms" => self.heartbeat_interval = parse_ms(key, value)?,
            "max.poll.interval.ms" => self.max_poll_interval = parse_ms(key, value)?,
            "max.poll.records" => self.max_poll_records = parse::<usize>(key, value)?.max(1),
            "fetch.min.bytes" => self.fetch_min_bytes = parse(key, value)?,
            "fetch.max.bytes" => self.fetch_max_bytes = parse(key, value)?,
            "max.partition.fetch.bytes" => self.partition_fetch_bytes = parse(key, value)?,
            "fetch.max.wait.ms" => self.fetch_max_wait = parse_ms(key, value)?,
            "isolation.level" => {
                self.isolation = match value.trim() {
                    "read_committed" => IsolationLevel::ReadCommitted,
                    "read_uncommitted" => IsolationLevel::ReadUncommitted,
                    _other => return Err(wrong()),
                };
            }
            "check.crcs" => self.check_crcs = parse_bool(key, value)?,
            "allow.auto.create.topics" => self.allow_auto_create_topics = parse_bool(key, value)?,
            "queued.max.messages.kbytes" => {
                self.read_ahead_bytes = parse::<usize>(key, value)?.saturating_mul(1024)
            }
            _other => return Ok(false),
        }
        Ok(true)
    }
}

/// `by_duration:` takes ISO 8601: days, hours, minutes, seconds.
fn parse_reset(value: &str) -> Option<OffsetReset> {
    match value.trim() {
        "earliest" | "smallest" | "beginning" => Some(OffsetReset::Earliest),
        "latest" | "largest" | "end" => Some(OffsetReset::Latest),
        "none" | "error" => Some(OffsetReset::None),
        other => parse_iso_duration(other.strip_prefix("by_duration:")?).map(OffsetReset::ByDuration),
    }
}

/// A duration as `P[nD][T[nH][nM][n.nS]]`, as `java.time.Duration` prints it.
pub fn parse_iso_duration(text: &str) -> Option<Duration> {
    let (days, time) = match text.trim().strip_prefix(['P', 'p'])?.split_once(['T', 't']) {
        Some((days, time)) if !time.is_empty() => (days, time),
        Some(_) => return None,
        None => (text.trim().strip_prefix(['P', 'p'])?, ""),
    };
    if days.is_empty() && time.is_empty() {
        return None;
    }
    let seconds =
        sum_units(days, &[('D', 86_400.0)])? + sum_units(time, &[('H', 3600.0), ('M', 60.0), ('S', 1.0)])?;
    Duration::try_from_secs_f64(seconds).ok()
}

fn sum_units(text: &str, units: &[(char, f64)]) -> Option<f64> {
    let (mut sum, mut number, mut next) = (0.0, String::new(), 0);
    for c in text.chars() {
        if c.is_ascii_digit() || c == '.' {
            number.push(c);
            continue;
        }
        // Units come in order, each once.
        let at = next + units[next..].iter().position(|(unit, _)| unit.eq_ignore_ascii_case(&c))?;
        sum += number.parse::<f64>().ok()? * units[at].1;
        number.clear();
        next = at + 1;
    }
    number.is_empty().then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_durations_are_read() {
        let cases = [("PT6H", 21_600.0), ("P1DT1M", 86_460.0), ("PT0.5S", 0.5), ("P2D", 172_800.0)];
        for (text, seconds) in cases {
            assert_eq!(parse_iso_duration(text).map(|d| d.as_secs_f64()), Some(seconds), "{text}");
        }
        for text in ["", "P", "PT", "6H", "PT6", "PT1M1H", "PTxS"] {
            assert_eq!(parse_iso_duration(text), None, "{text}");
        }
    }

    #[test]
    fn properties_set_fields() {
        let mut options = ConsumerOptions::default();
        assert!(options.set("auto.offset.reset", "by_duration:PT1H").expect("valid"));
        assert_eq!(options.offset_reset, OffsetReset::ByDuration(Duration::from_secs(3600)));
        assert!(options.set("partition.assignment.strategy", "cooperative-sticky,range").expect("valid"));
        assert_eq!(options.assignors, [Assignor::CooperativeSticky, Assignor::Range]);
        assert!(options.set("isolation.level", "serializable").is_err());
        assert!(!options.set("acks", "all").expect("not ours"));
    }
}
