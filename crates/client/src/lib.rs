//! A Kafka client: producer, consumer and admin, over the protocol alone. What a stranger may do to a cluster; never
//! reaches into the broker's crates. Runs on tokio; every public future says whether it may be dropped half-way.
//!
//! ```no_run
//! # async fn example() -> client::Result<()> {
//! let client = client::Client::connect("localhost:9092").await?;
//! let producer = client.producer().linger_ms(5).build()?;
//! let stored = producer.send(client::Record::new("orders").key("42").value("three apples")).await?;
//! println!("partition {} offset {}", stored.partition, stored.offset);
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]
// The rim: a client lives by the clock.
#![allow(clippy::disallowed_methods)]

pub mod admin;
mod client;
mod clock;
mod cluster;
mod consumer;
mod error;
mod group_offsets;
mod membership;
mod offsets;
mod options;
mod producer;
mod properties;
mod record;
mod security;
mod share;
mod standstill;
mod task;
mod tls;
mod tokens;
mod vetting;

pub use admin::Admin;
pub use client::Client;
pub use cluster::metadata::{Broker, Metadata, Partition, Topic};
pub use consumer::assignor::{Assignor, RebalanceProtocol};
pub use consumer::{
    Consumer, ConsumerBuilder, ConsumerHandle, ConsumerOptions, GroupMembership, ListenerFuture, OffsetReset,
    RebalanceListener, parse_iso_duration,
};
pub use error::{Error, Handling, Result};
pub use group_offsets::CommittedOffset;
pub use membership::{Candidate, Joined, Membership, MembershipOptions};
pub use offsets::{IsolationLevel, ListedOffset, OffsetSpec};
pub use options::{ClientOptions, parse_bootstrap};
pub use producer::partitioner::{PartitionChoice, Partitioner, crc32_partition, murmur2_partition};
pub use producer::transactional::{Transaction, TransactionalProducer};
pub use producer::{Acks, Delivery, Producer, ProducerBuilder, ProducerOptions};
pub use properties::{Properties, parse_properties};
pub use record::{ConsumerRecord, Header, Record, RecordMetadata, TimestampType};
pub use security::SecurityOptions;
pub use share::{
    Acknowledgement, AcknowledgementMode, AcquireMode, ShareConsumer, ShareConsumerOptions, ShareRecord,
};
pub use standstill::Standstill;
pub use vetting::{Remark, vet};
pub use wire::compress::Compression;
pub use wire::topic::TopicPartition;
pub use wire::{ApiKey, ErrorCode, Str, Uuid};
