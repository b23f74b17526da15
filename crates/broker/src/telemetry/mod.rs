//! Client telemetry (KIP-714): which figures clients are asked for, whether they may push them now, and what they have pushed.
//!
//! Subscriptions are configurations of the image (`client-metrics`): whoever asks sees the newest. A client is known by its instance id as long as
//! the connection on which it was first seen, and no longer than three of its intervals; its figures stay as long (`shown.rs`), and `/metrics` tells
//! them: the plugin that Kafka needs for it is built in. Everything stands under one small lock, which no other request takes.

pub(crate) mod otlp;
pub(crate) mod shown;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use kraft::image::{ConfigsImage, ResourceConfigs, ResourceType};
use parking_lot::Mutex;
use regex_lite::Regex;
use wire::checksum::crc32c;
use wire::compress::{Compression, DecompressError, DecompressLimit, decompress};
use wire::{ErrorCode, Str, Uuid};

use crate::config::match_parts;
use crate::connection::{Connection, Lifeline};
use shown::{KEPT_MS, OfClient, SERIES_PER_CLIENT, Shown, Whose};

/// Clients that are known at once, as in Kafka: beyond, the one that was silent for longest goes.
const INSTANCES_MAX: usize = 16_384;
/// Between pushes of clients that nobody has another interval for.
const INTERVAL_MS: i64 = 300_000;
/// All figures.
const ALL: &str = "*";
/// What clients may compress with, what is liked best first.
pub(crate) const ACCEPTED: [Compression; 4] =
    [Compression::Zstd, Compression::Lz4, Compression::Gzip, Compression::Snappy];

/// Who asks.
pub(crate) struct Client<'a> {
    pub connection: &'a Connection,
    pub client_id: &'a str,
}

/// What a client is told to push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub subscription_id: i32,
    pub interval_ms: i64,
    /// Beginnings of names, in order.
    pub metrics: Vec<Str>,
}

/// What was pushed.
pub(crate) struct Push {
    pub instance_id: Uuid,
    pub subscription_id: i32,
    pub is_terminating: bool,
    pub compression_type: i8,
    pub metrics: Bytes,
}

/// All of it.
pub(crate) struct Telemetry {
    /// `telemetry.max.bytes`, before and after decompression.
    pub max_bytes: i32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Those that `subscriptions` are made of.
    configs: ConfigsImage,
    subscriptions: BTreeMap<Str, Subscription>,
    /// Goes up with each change of them.
    version: u64,
    instances: BTreeMap<Uuid, Instance>,
    /// By when they were seen last: each instance once.
    by_use: BTreeMap<u64, Uuid>,
    uses: u64,
    shown: Shown,
}

struct Subscription {
    metrics: Vec<Str>,
    interval_ms: i64,
    /// All have to match. `None`: one of them is an expression that is not understood here, and nobody matches.
    patterns: Option<Vec<(Str, Regex)>>,
}

struct Instance {
    told: Told,
    version: u64,
    last_use: u64,
    seen_ms: i64,
    /// The connection on which it was first seen.
    connection: Lifeline,
    get_ms: Option<i64>,
    push_ms: Option<i64>,
    is_terminating: bool,
    last_error: ErrorCode,
}

impl Telemetry {
    /// `max_bytes`: `telemetry.max.bytes`.
    pub fn new(max_bytes: i32) -> Telemetry {
        Telemetry { max_bytes, state: Mutex::default() }
    }

    /// What a client is to push; it is known by the id from now on.
    pub fn subscribe(
        &self,
        now_ms: i64,
        configs: &ConfigsImage,
        client: &Client<'_>,
        id: Uuid,
    ) -> Result<Told, ErrorCode> {
        let mut state = self.state.lock();
        state.learn(configs);
        let instance = state.instance(now_ms, client, id);
        let last_ms = instance.get_ms.max(instance.push_ms);
        let may_ask_at_once = matches!(
            instance.last_error,
            ErrorCode::UnknownSubscriptionId | ErrorCode::UnsupportedCompressionType
        );
        if has_passed(last_ms, now_ms, instance.told.interval_ms) {
            instance.get_ms = Some(now_ms);
        } else if !may_ask_at_once {
            return Err(ErrorCode::ThrottlingQuotaExceeded);
        }
        instance.last_error = ErrorCode::None;
        Ok(instance.told.clone())
    }

    /// A client pushes.
    pub fn push(
        &self,
        now_ms: i64,
        configs: &ConfigsImage,
        client: &Client<'_>,
        push: &Push,
    ) -> Result<(), ErrorCode> {
        if [Uuid::ZERO, Uuid::METADATA_TOPIC_ID].contains(&push.instance_id) {
            return Err(ErrorCode::InvalidRequest);
        }
        let mut state = self.state.lock();
        state.learn(configs);
        let instance = state.instance(now_ms, client, push.instance_id);
        let interval_ms = instance.told.interval_ms;
        let checked = instance.check(now_ms, push, self.max_bytes);
        instance.is_terminating = push.is_terminating;
        instance.last_error = checked.err().unwrap_or(ErrorCode::None);
        let codec = checked?;
        if push.metrics.is_empty() {
            return Ok(());
        }
        // Others may ask meanwhile.
        drop(state);
        let read = self.read(codec, &push.metrics);
        let mut state = self.state.lock();
        if let Some(instance) = state.instances.get_mut(&push.instance_id) {
            instance.last_error = read.as_ref().err().copied().unwrap_or(ErrorCode::None);
        }
        let software = client.connection.software();
        let whose = Whose {
            client_instance_id: push.instance_id,
            client_id: client.client_id.to_owned(),
            software_name: software.map(|it| it.name.to_string()).unwrap_or_default(),
            software_version: software.map(|it| it.version.to_string()).unwrap_or_default(),
        };
        state.shown.push(now_ms, interval_ms, whose, read?);
        Ok(())
    }

    /// What clients have pushed and still is to be told, and how many figures were left out since the start.
    pub fn shown(&self, now_ms: i64) -> (Vec<Arc<OfClient>>, u64) {
        let mut state = self.state.lock();
        (state.shown.now(now_ms), state.shown.left_out())
    }

    /// Clients that are known.
    pub fn instances(&self) -> usize {
        self.state.lock().instances.len()
    }

    fn read(&self, codec: Compression, metrics: &Bytes) -> Result<otlp::Pushed, ErrorCode> {
        let limit = DecompressLimit::with_max_output(usize::try_from(self.max_bytes).unwrap_or(0));
        let plain = decompress(codec, metrics, limit).map_err(|error| match error {
            DecompressError::TooLarge { .. } => ErrorCode::TelemetryTooLarge,
            DecompressError::Corrupt(_) => ErrorCode::InvalidRecord,
        })?;
        otlp::read(&plain, SERIES_PER_CLIENT).map_err(|otlp::Malformed| ErrorCode::InvalidRecord)
    }
}

fn has_passed(since_ms: Option<i64>, now_ms: i64, interval_ms: i64) -> bool {
    since_ms.is_none_or(|since_ms| now_ms - since_ms >= interval_ms)
}

impl State {
    /// The subscriptions of these configurations: what has changed is made anew.
    fn learn(&mut self, configs: &ConfigsImage) {
        for resource in configs.changed_since(&self.configs) {
            if resource.resource_type != ResourceType::ClientMetrics {
                continue;
            }
            self.version += 1;
            let values = configs.of(resource);
            if values.is_empty() {
                self.subscriptions.remove(&resource.name);
            } else {
                self.subscriptions.insert(resource.name.clone(), Subscription::new(&resource.name, values));
            }
        }
        self.configs = configs.clone();
    }

    /// What is known of a client; made if it is new, made anew if the subscriptions have changed or its connection is gone.
    fn instance(&mut self, now_ms: i64, client: &Client<'_>, id: Uuid) -> &mut Instance {
        let is_fresh = |it: &&Instance| {
            let kept_ms = it.told.interval_ms.saturating_mul(3).max(KEPT_MS);
            it.version == self.version
                && it.connection.lives()
                && !has_passed(Some(it.seen_ms), now_ms, kept_ms)
        };
        let known = self.instances.get(&id);
        let is_known = known.as_ref().is_some_and(is_fresh);
        if let Some(known) = known {
            self.by_use.remove(&known.last_use);
        }
        let told = if is_known { None } else { Some(self.told(client, id)) };
        while told.is_some()
            && self.instances.len() >= INSTANCES_MAX
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.instances.remove(&oldest);
        }
        self.uses += 1;
        self.by_use.insert(self.uses, id);
        let (version, uses) = (self.version, self.uses);
        let fresh = |told| Instance {
            told,
            version,
            last_use: uses,
            seen_ms: now_ms,
            connection: client.connection.lifeline(),
            get_ms: None,
            push_ms: None,
            is_terminating: false,
            last_error: ErrorCode::None,
        };
        if let Some(told) = told {
            self.instances.insert(id, fresh(told));
        }
        // It was known, or is now.
        let instance = self.instances.entry(id).or_insert_with(|| {
            fresh(Told { subscription_id: 0, interval_ms: INTERVAL_MS, metrics: Vec::new() })
        });
        (instance.last_use, instance.seen_ms) = (uses, now_ms);
        instance
    }

    /// What all subscriptions that match a client ask for together.
    fn told(&self, client: &Client<'_>, id: Uuid) -> Told {
        let mut interval_ms = INTERVAL_MS;
        let mut metrics: Vec<Str> = Vec::new();
        for subscription in self.subscriptions.values().filter(|it| it.is_for(client, id)) {
            interval_ms = interval_ms.min(subscription.interval_ms);
            metrics.extend(subscription.metrics.iter().cloned());
        }
        if metrics.iter().any(|metric| *metric == ALL) {
            metrics = vec![Str::from_static(ALL)];
        }
        metrics.sort();
        metrics.dedup();
        Told { subscription_id: subscription_id(&metrics, interval_ms, id), interval_ms, metrics }
    }
}

/// Kafka's: the checksum of what is asked for, mixed with the hash of the id.
fn subscription_id(metrics: &[Str], interval_ms: i64, id: Uuid) -> i32 {
    let names: Vec<&str> = metrics.iter().map(|metric| metric.as_str()).collect();
    let asked = format!("[{}]{interval_ms}", names.join(", "));
    let (most, least) = id.0.split_at(8);
    let mixed: Vec<u8> = most.iter().zip(least).map(|(one, other)| one ^ other).collect();
    let (high, low) = mixed.split_at(4);
    let half = |bytes: &[u8]| bytes.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
    (crc32c(asked.as_bytes()) ^ half(high) ^ half(low)).cast_signed()
}

impl Subscription {
    fn new(name: &str, values: &ResourceConfigs) -> Subscription {
        let list = |key: &str| {
            let text = values.get(key).map_or("", |value| value.as_str());
            text.split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let pattern = |entry: &String| {
            let (key, pattern) = match_parts(entry)?;
            let whole = format!("^(?:{pattern})$");
            let understood = Regex::new(&whole).inspect_err(|error| {
                tracing::warn!(
                    "client metrics {name}: no client matches, {entry} is not understood: {error}"
                );
            });
            Some((Str::from(key), understood.ok()?))
        };
        let interval = values.get("interval.ms").and_then(|value| value.trim().parse().ok());
        Subscription {
            metrics: list("metrics").into_iter().map(Str::from).collect(),
            interval_ms: interval.unwrap_or(INTERVAL_MS),
            patterns: list("match").iter().map(pattern).collect(),
        }
    }

    fn is_for(&self, client: &Client<'_>, id: Uuid) -> bool {
        let Some(patterns) = &self.patterns else { return false };
        let peer = client.connection.peer();
        let software = client.connection.software();
        patterns.iter().all(|(key, pattern)| {
            let is = |text: &str| pattern.is_match(text);
            match key.as_str() {
                "client_id" => is(client.client_id),
                "client_instance_id" => is(&id.to_string()),
                "client_software_name" => software.is_some_and(|it| is(&it.name)),
                "client_software_version" => software.is_some_and(|it| is(&it.version)),
                "client_source_address" => is(peer.host.trim_start_matches('/')),
                "client_source_port" => is(&peer.port.to_string()),
                _ => false,
            }
        })
    }
}

impl Instance {
    /// Whether it may push this now; notes that it did. The codec of what it pushed.
    fn check(&mut self, now_ms: i64, push: &Push, max_bytes: i32) -> Result<Compression, ErrorCode> {
        if self.is_terminating {
            return Err(ErrorCode::InvalidRequest);
        }
        // Clients push for the first time after half an interval to one and a half.
        let is_first = self.get_ms.is_some_and(|get_ms| self.push_ms.is_none_or(|push_ms| get_ms > push_ms));
        if is_first || has_passed(self.push_ms, now_ms, self.told.interval_ms) {
            self.push_ms = Some(now_ms);
        } else if !push.is_terminating {
            return Err(ErrorCode::ThrottlingQuotaExceeded);
        }
        if push.subscription_id != self.told.subscription_id {
            return Err(ErrorCode::UnknownSubscriptionId);
        }
        let codec = u8::try_from(push.compression_type).ok().and_then(Compression::from_id);
        let codec = codec.ok_or(ErrorCode::UnsupportedCompressionType)?;
        if push.metrics.len() > usize::try_from(max_bytes).unwrap_or(0) {
            return Err(ErrorCode::TelemetryTooLarge);
        }
        Ok(codec)
    }
}
