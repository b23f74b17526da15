//! The producer: records in, deliveries out. Owns the buffer and its bound; a task of its own sends. Transactions
//! stand upon it in `transactional.rs`.

mod accumulator;
mod batch;
mod delivery;
mod options;
pub mod partitioner;
mod sender;
mod shared;
pub(crate) mod transactional;

pub use delivery::Delivery;
pub use options::{Acks, ProducerOptions};

use crate::clock::wall_clock_ms;
use crate::cluster::Cluster;
use crate::cluster::metadata::Topic;
use crate::error::{Error, Result};
use crate::options::random_seed;
use crate::record::{Record, RecordMetadata};
use crate::standstill::{Progress, Standstill};
use crate::task;
use accumulator::{Accumulator, AccumulatorOptions};
use parking_lot::Mutex;
use partitioner::{Chooser, Partitioner};
use shared::{Buffer, SharedProducer};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use wire::compress::Compression;
use wire::record_batch::{BatchAttributes, HEADER_BYTES};
use wire::topic::TopicPartition;
use wire::{ErrorCode, Str};

/// A record's share of a batch beyond its key, value and headers, at most: batch header and varints.
const RECORD_OVERHEAD_BYTES: usize = HEADER_BYTES + 36;

/// Collects options, then starts the producer.
#[derive(Debug, Clone)]
#[must_use]
pub struct ProducerBuilder {
    cluster: Cluster,
    options: ProducerOptions,
}

impl ProducerBuilder {
    pub(crate) fn new(cluster: Cluster) -> ProducerBuilder {
        ProducerBuilder { cluster, options: ProducerOptions::default() }
    }

    /// All options at once.
    pub fn options(mut self, options: ProducerOptions) -> ProducerBuilder {
        self.options = options;
        self
    }

    /// Who must have a record. Less than `All` switches idempotence off.
    pub fn acks(mut self, acks: Acks) -> ProducerBuilder {
        self.options.acks = acks;
        self.options.idempotent &= acks == Acks::All;
        self
    }

    /// How long a batch waits for more records.
    pub fn linger_ms(mut self, ms: u64) -> ProducerBuilder {
        self.options.linger = Duration::from_millis(ms);
        self
    }

    /// How large a batch grows.
    pub fn batch_bytes(mut self, bytes: usize) -> ProducerBuilder {
        self.options.batch_bytes = bytes;
        self
    }

    /// The codec of batches.
    pub fn compression(mut self, compression: Compression) -> ProducerBuilder {
        self.options.compression = compression;
        self
    }

    /// Whether retries may duplicate or reorder.
    pub fn idempotent(mut self, idempotent: bool) -> ProducerBuilder {
        self.options.idempotent = idempotent;
        self
    }

    /// The name under which its transactions are known; who has had it before is fenced.
    pub fn transactional_id(mut self, transactional_id: impl Into<Str>) -> ProducerBuilder {
        self.options.transactional_id = Some(transactional_id.into());
        self
    }

    /// How partitions are chosen.
    pub fn partitioner(mut self, partitioner: Partitioner) -> ProducerBuilder {
        self.options.partitioner = partitioner;
        self
    }

    /// A property in Kafka's spelling.
    pub fn property(mut self, key: &str, value: &str) -> Result<ProducerBuilder> {
        if !self.options.set(key, value)? {
            return Err(Error::configuration(key, "not a property of producers"));
        }
        Ok(self)
    }

    /// Starts the producer and its sending task, in the current tokio runtime.
    pub fn build(self) -> Result<Producer> {
        if self.options.transactional_id.is_some() {
            let why = "a producer with one is built as a transactional producer";
            return Err(Error::configuration("transactional.id", why));
        }
        self.start()
    }

    fn start(self) -> Result<Producer> {
        self.options.check()?;
        let options = self.options;
        let accumulator = Accumulator::new(AccumulatorOptions {
            batch_bytes: options.batch_bytes,
            linger_ms: options.linger.as_millis() as i64,
            delivery_timeout_ms: options.delivery_timeout.as_millis() as i64,
            max_request_bytes: options.max_request_bytes,
            retry_backoff_ms: self.cluster.options().retry_backoff.as_millis() as i64,
            retries: options.retries,
            idempotent: options.idempotent,
            attributes: BatchAttributes {
                compression: options.compression,
                level: options.compression_level,
                transactional: options.transactional_id.is_some(),
                ..BatchAttributes::default()
            },
        });
        let chooser = Chooser::new(options.partitioner.clone(), options.batch_bytes, random_seed());
        let shared = Arc::new(SharedProducer {
            cluster: self.cluster,
            options,
            started: Instant::now(),
            buffer: Mutex::new(Buffer { accumulator, chooser, waiting_for_space: 0 }),
            wake: Notify::new(),
            space: Notify::new(),
            progress: Progress::default(),
            closing: AtomicBool::new(false),
        });
        task::spawn(sender::run(shared.clone()));
        Ok(Producer { handle: Arc::new(Handle(shared)) })
    }
}

/// Sends records. Clones share one buffer and one sender. When the last clone is gone, what is buffered is still sent
/// while the runtime lives; `close` waits for it.
#[derive(Debug, Clone)]
pub struct Producer {
    handle: Arc<Handle>,
}

/// Dropping it lets the sender end.
#[derive(Debug)]
struct Handle(Arc<SharedProducer>);

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Producer {
    /// Sends one record and waits until it is stored as `acks` asks. Fails as `enqueue` does, or with the record's outcome: `Timeout`
    /// after `delivery.timeout.ms` (it may be stored all the same), `Refused` where the broker will not have it. Cancel-safe before
    /// the record is buffered; after that dropping the future does not recall the record.
    pub async fn send(&self, record: Record) -> Result<RecordMetadata> {
        self.enqueue(record).await?.await
    }

    /// Buffers a record and gives its delivery. Waits only for the topic's metadata and for buffer space, up to
    /// `max.block.ms` (`Timeout`). A record that is too large, or for a partition that is not there, is `Refused`; after `close`
    /// everything is `Closed`. Cancel-safe: dropped while waiting, the record is not sent. Records enqueued by one caller
    /// keep their order within a partition.
    pub async fn enqueue(&self, mut record: Record) -> Result<Delivery> {
        let shared = &self.handle.0;
        if shared.is_closing() {
            return Err(Error::Closed);
        }
        self.check_size(&record)?;
        record.timestamp_ms.get_or_insert_with(wall_clock_ms);
        let deadline = Instant::now() + shared.options.max_block;
        let left = || deadline.saturating_duration_since(Instant::now());
        let topic = match shared.cluster.metadata().topics.get(&record.topic) {
            Some(topic) => topic.clone(),
            None => shared.cluster.topic(&record.topic, true, left()).await?,
        };
        if let Some(delivery) = self.try_append(&record, &topic)? {
            return Ok(delivery);
        }
        let _waiting = WaitingForSpace::new(shared);
        loop {
            let space = shared.space.notified();
            if let Some(delivery) = self.try_append(&record, &topic)? {
                return Ok(delivery);
            }
            if tokio::time::timeout(left(), space).await.is_err() {
                let doing = "buffer a record".to_owned();
                return Err(Error::Timeout { doing, after: shared.options.max_block, last: None });
            }
        }
    }

    /// Sends everything that is buffered now and waits until each record is stored or has failed; failures are in the
    /// deliveries. Cancel-safe.
    pub async fn flush(&self) {
        let outcomes = self.handle.0.buffer.lock().accumulator.flush();
        self.handle.0.wake.notify_one();
        delivery::all_decided(outcomes).await;
    }

    /// Flushes and ends the producer; other clones can send no more. Cancel-safe.
    pub async fn close(self) {
        self.flush().await;
        self.handle.0.close();
    }

    /// Why records wait and since when, if the newest try of something failed. Retries go on all the same.
    pub fn standstill(&self) -> Option<Standstill> {
        self.handle.0.progress.standstill()
    }

    /// Finds a topic, or has it created where the cluster does that by itself, before the first record wants it.
    /// Cancel-safe.
    pub async fn find_topic(&self, topic: &Str, within: Duration) -> Result<()> {
        self.handle.0.cluster.topic(topic, true, within).await.map(drop)
    }

    /// How many partitions a topic has; waits for its metadata up to `max.block.ms`. Cancel-safe.
    pub async fn partition_count(&self, topic: &str) -> Result<i32> {
        let shared = &self.handle.0;
        let found = shared.cluster.topic(&topic.into(), false, shared.options.max_block).await?;
        Ok(found.partition_count())
    }

    fn check_size(&self, record: &Record) -> Result<()> {
        let part = |bytes: &Option<bytes::Bytes>| bytes.as_ref().map_or(0, |bytes| bytes.len());
        let headers: usize =
            record.headers.iter().map(|header| header.key.len() + part(&header.value) + 10).sum();
        let size = part(&record.key) + part(&record.value) + headers + RECORD_OVERHEAD_BYTES;
        let options = &self.handle.0.options;
        let limit = options.max_request_bytes.min(options.buffer_bytes);
        if size <= limit {
            return Ok(());
        }
        Err(Error::Refused {
            code: ErrorCode::RecordListTooLarge,
            doing: format!("send a record to {:?}", record.topic),
            message: Some(format!("it takes {size} bytes, max.request.size and buffer.memory allow {limit}")),
        })
    }

    /// `None`: no space.
    fn try_append(&self, record: &Record, topic: &Topic) -> Result<Option<Delivery>> {
        let shared = &self.handle.0;
        let mut buffer = shared.buffer.lock();
        buffer.accumulator.fate()?;
        if buffer.accumulator.buffered_bytes() >= shared.options.buffer_bytes {
            return Ok(None);
        }
        let partition = match record.partition {
            Some(partition) if topic.partition(partition).is_some() => partition,
            Some(partition) => {
                let target = TopicPartition::new(record.topic.clone(), partition);
                return Err(Error::refused(ErrorCode::UnknownTopicOrPartition, format!("send to {target}")));
            }
            None => {
                let size = record.key.as_ref().map_or(0, |key| key.len())
                    + record.value.as_ref().map_or(0, |value| value.len());
                let has_leader =
                    |index: i32| topic.partition(index).is_some_and(|found| found.leader.is_some());
                let key = record.key.as_deref();
                buffer.chooser.choose(&record.topic, key, size, topic.partition_count(), &has_leader)
            }
        };
        let appended = buffer.accumulator.append(shared.now_ms(), record, partition);
        drop(buffer);
        if appended.wake {
            shared.wake.notify_one();
        }
        Ok(Some(appended.delivery))
    }
}

/// Counts a waiting caller for as long as it waits, cancelled or not.
struct WaitingForSpace<'a>(&'a SharedProducer);

impl WaitingForSpace<'_> {
    fn new(shared: &SharedProducer) -> WaitingForSpace<'_> {
        shared.buffer.lock().waiting_for_space += 1;
        shared.wake.notify_one();
        WaitingForSpace(shared)
    }
}

impl Drop for WaitingForSpace<'_> {
    fn drop(&mut self) {
        self.0.buffer.lock().waiting_for_space -= 1;
    }
}
