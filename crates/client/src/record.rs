//! Records as programs see them: what a producer sends and what a consumer gets. Keys and values are bytes;
//! nothing is interpreted here.

use bytes::Bytes;
use wire::Str;
pub use wire::record_batch::TimestampType;

/// One header of a record. Names may repeat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub key: Str,
    /// Its value; `None` is Kafka's null.
    pub value: Option<Bytes>,
}

/// A record to be produced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// Where to.
    pub topic: Str,
    /// A fixed partition; without one the partitioner chooses.
    pub partition: Option<i32>,
    /// Milliseconds since the epoch; without one the time of sending.
    pub timestamp_ms: Option<i64>,
    /// Records of one key keep their order.
    pub key: Option<Bytes>,
    /// `None` is a tombstone in compacted topics.
    pub value: Option<Bytes>,
    /// In order.
    pub headers: Vec<Header>,
}

impl Record {
    /// A record without key and value.
    pub fn new(topic: impl Into<Str>) -> Record {
        Record { topic: topic.into(), ..Record::default() }
    }

    /// With this key.
    pub fn key(mut self, key: impl Into<Bytes>) -> Record {
        self.key = Some(key.into());
        self
    }

    /// With this value.
    pub fn value(mut self, value: impl Into<Bytes>) -> Record {
        self.value = Some(value.into());
        self
    }

    /// To this partition.
    pub fn partition(mut self, partition: i32) -> Record {
        self.partition = Some(partition);
        self
    }

    /// With this timestamp.
    pub fn timestamp_ms(mut self, timestamp_ms: i64) -> Record {
        self.timestamp_ms = Some(timestamp_ms);
        self
    }

    /// With one more header.
    pub fn header(mut self, key: impl Into<Str>, value: Option<Bytes>) -> Record {
        self.headers.push(Header { key: key.into(), value });
        self
    }
}

/// A record that was consumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerRecord {
    /// Its topic.
    pub topic: Str,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The leader epoch it was written in, -1 if unknown.
    pub leader_epoch: i32,
    /// Milliseconds since the epoch, -1 if it has none.
    pub timestamp_ms: i64,
    /// What the timestamp means.
    pub timestamp_type: TimestampType,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
    /// Its headers, in order.
    pub headers: Vec<Header>,
}

/// Where a produced record went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordMetadata {
    /// Its topic.
    pub topic: Str,
    /// Its partition.
    pub partition: i32,
    /// Its offset; -1 with acks=0, or where the broker knows only that it is a duplicate.
    pub offset: i64,
    /// Its timestamp as stored.
    pub timestamp_ms: i64,
}
