//! How a producer behaves, with Kafka's defaults of 4.x, and which property sets which field.

use super::partitioner::Partitioner;
use crate::error::{Error, Result};
use crate::options::REQUEST_TIMEOUT;
use crate::properties::{invalid, java_spelling, parse, parse_bool, parse_ms};
use std::time::Duration;
use wire::Str;
use wire::compress::Compression;

/// Batches of one partition in flight at most: what brokers remember for finding duplicates.
pub(crate) const MAX_IN_FLIGHT_PER_PARTITION: usize = 5;

// Defaults of Kafka's that depend on each other.
const LINGER: Duration = Duration::from_millis(5);
const BATCH_BYTES: usize = 16 * 1024;
const BUFFER_BYTES: usize = 32 * 1024 * 1024;
const MAX_REQUEST_BYTES: usize = 1024 * 1024;
const MAX_IN_FLIGHT: usize = 5;
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);
const _: () = {
    assert!(BATCH_BYTES <= MAX_REQUEST_BYTES, "a request has room for a batch");
    assert!(MAX_REQUEST_BYTES <= BUFFER_BYTES, "the largest record can be buffered");
    assert!(MAX_IN_FLIGHT <= MAX_IN_FLIGHT_PER_PARTITION, "a producer is idempotent unless told otherwise");
    let one_try_ms = LINGER.as_millis() + REQUEST_TIMEOUT.as_millis();
    assert!(one_try_ms <= DELIVERY_TIMEOUT.as_millis(), "there is time for one try");
};

/// Who must have a record before it counts as stored (`acks`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Acks {
    /// Nobody: fire and forget.
    None,
    /// The leader.
    Leader,
    /// All replicas in sync.
    #[default]
    All,
}

impl Acks {
    /// The number in Produce requests.
    pub(crate) fn code(self) -> i16 {
        match self {
            Acks::None => 0,
            Acks::Leader => 1,
            Acks::All => -1,
        }
    }
}

/// Options of a producer.
#[derive(Debug, Clone)]
pub struct ProducerOptions {
    /// `acks`.
    pub acks: Acks,
    /// `transactional.id`: records go in transactions. Needs idempotence.
    pub transactional_id: Option<Str>,
    /// `transaction.timeout.ms`: the coordinator aborts what is open for longer.
    pub transaction_timeout: Duration,
    /// `enable.idempotence`: no duplicates and no reordering by retries. Needs `acks=all`.
    pub idempotent: bool,
    /// `linger.ms`: how long a batch waits for more records.
    pub linger: Duration,
    /// `batch.size`.
    pub batch_bytes: usize,
    /// `buffer.memory`: `enqueue` waits above it.
    pub buffer_bytes: usize,
    /// `max.request.size`: of a request, and of a single record.
    pub max_request_bytes: usize,
    /// `max.in.flight.requests.per.connection`.
    pub max_in_flight: usize,
    /// `retries`.
    pub retries: u32,
    /// `delivery.timeout.ms`: from `enqueue` to the outcome.
    pub delivery_timeout: Duration,
    /// `max.block.ms`: how long `enqueue` waits for metadata or buffer space.
    pub max_block: Duration,
    /// `compression.type`.
    pub compression: Compression,
    /// `compression.<codec>.level`; `None` is the codec's default.
    pub compression_level: Option<i32>,
    /// `partitioner.class`, or librdkafka's `partitioner`.
    pub partitioner: Partitioner,
}

impl Default for ProducerOptions {
    fn default() -> ProducerOptions {
        ProducerOptions {
            acks: Acks::All,
            idempotent: true,
            transactional_id: None,
            transaction_timeout: Duration::from_secs(60),
            linger: LINGER,
            batch_bytes: BATCH_BYTES,
            buffer_bytes: BUFFER_BYTES,
            max_request_bytes: MAX_REQUEST_BYTES,
            max_in_flight: MAX_IN_FLIGHT,
            retries: i32::MAX as u32,
            delivery_timeout: DELIVERY_TIMEOUT,
            max_block: Duration::from_secs(60),
            compression: Compression::None,
            compression_level: None,
            partitioner: Partitioner::Murmur2,
        }
    }
}

impl ProducerOptions {
    /// Sets one field by its Java (or librdkafka) name. False: not a property of producers.
    pub fn set(&mut self, key: &str, value: &str) -> Result<bool> {
        let wrong = || invalid(key, value);
        match java_spelling(key) {
            "acks" => {
                self.acks = match value.trim() {
                    "0" => Acks::None,
                    "1" => Acks::Leader,
                    "all" | "-1" => Acks::All,
                    _other => return Err(wrong()),
                };
                // As in Java: weaker acks switch idempotence off unless it is asked for.
                self.idempotent &= self.acks == Acks::All;
            }
            "enable.idempotence" => self.idempotent = parse_bool(key, value)?,
            "transactional.id" => {
                self.transactional_id = Some(Str::from(value)).filter(|id| !id.is_empty());
            }
            "transaction.timeout.ms" => self.transaction_timeout = parse_ms(key, value)?,
            "linger.ms" => self.linger = Duration::from_secs_f64(parse::<f64>(key, value)?.max(0.0) / 1000.0),
            "batch.size" => self.batch_bytes = parse(key, value)?,
            "buffer.memory" => self.buffer_bytes = parse(key, value)?,
            "max.request.size" => self.max_request_bytes = parse(key, value)?,
            "max.in.flight.requests.per.connection" => {
                self.max_in_flight = parse::<usize>(key, value)?.max(1)
            }
            "retries" => self.retries = parse(key, value)?,
            "delivery.timeout.ms" => self.delivery_timeout = parse_ms(key, value)?,
            "max.block.ms" => self.max_block = parse_ms(key, value)?,
            "compression.type" => {
                self.compression = Compression::from_name(value.trim()).ok_or_else(wrong)?
            }
            "compression.gzip.level"
            | "compression.lz4.level"
            | "compression.zstd.level"
            | "compression.level" => {
                self.compression_level = Some(parse(key, value)?);
            }
            "partitioner" | "partitioner.class" => {
                self.partitioner = match value.trim() {
                    "" | "murmur2" | "murmur2_random" | "default" => Partitioner::Murmur2,
                    "consistent_random" | "consistent" => Partitioner::ConsistentRandom,
                    "round_robin" | "org.apache.kafka.clients.producer.RoundRobinPartitioner" => {
                        Partitioner::RoundRobin
                    }
                    _other => return Err(wrong()),
                };
            }
            _other => return Ok(false),
        }
        Ok(true)
    }

    /// Refuses combinations that promise what they cannot keep.
    pub(crate) fn check(&self) -> Result<()> {
        let wrong = |key: &str, why: &str| Err(Error::configuration(key, why));
        if self.idempotent && self.acks != Acks::All {
            return wrong("enable.idempotence", "it needs acks=all");
        }
        if self.transactional_id.is_some() && !self.idempotent {
            return wrong("transactional.id", "it needs enable.idempotence=true and acks=all");
        }
        if self.idempotent && self.max_in_flight > MAX_IN_FLIGHT_PER_PARTITION {
            let why = format!("idempotence allows {MAX_IN_FLIGHT_PER_PARTITION} at most");
            return wrong("max.in.flight.requests.per.connection", &why);
        }
        if self.batch_bytes > self.buffer_bytes {
            return wrong("batch.size", "it is larger than buffer.memory");
        }
        Ok(())
    }
}
