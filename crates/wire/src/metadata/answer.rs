//! A Metadata response written topic by topic: what stands around the partitions is written here, brokers and the partitions' lines by
//! the generated structs.

use crate::codec::{Encode, Encoder, Message, Rope};
use crate::frame::ResponseHeader;
use crate::messages::metadata::{MetadataResponse, MetadataResponseBroker, MetadataResponsePartition};
use crate::{ApiKey, ErrorCode, Uuid};

/// The answer so far.
#[derive(Debug)]
pub struct MetadataAnswer {
    version: i16,
    to: Encoder,
}

/// What is said of a topic before its partitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicHead<'a> {
    /// What is wrong with it, if anything.
    pub error: ErrorCode,
    /// Its name, where it is known.
    pub name: Option<&'a str>,
    /// Its id; zeros where it is not known.
    pub id: Uuid,
    /// One of the cluster's own (`__consumer_offsets`).
    pub is_internal: bool,
}

/// Room from the beginning: for a broker and the cluster's id, and for a topic with one partition and a name of some length.
const ROOM_BYTES: usize = 160;
const TOPIC_BYTES: usize = 96;
/// Sixteen megabytes of topics; who has more pays for copies.
const TOPICS_MAX: usize = 170_000;

const _: () = assert!(TOPIC_BYTES * TOPICS_MAX <= 16 << 20);

impl MetadataAnswer {
    /// Begins an answer that tells of so many brokers, which must follow, and topics.
    pub fn new(version: i16, correlation_id: i32, brokers: usize, topics: usize) -> MetadataAnswer {
        let mut to = Encoder::with_capacity(ROOM_BYTES + TOPIC_BYTES * topics.min(TOPICS_MAX));
        to.i32(0);
        ResponseHeader { correlation_id }.encode(&mut to, ApiKey::Metadata, version);
        to.set_flexible(version >= MetadataResponse::FLEXIBLE_FROM);
        if version >= 3 {
            let throttle_time_ms = 0;
            to.i32(throttle_time_ms);
        }
        to.length_prefix(Some(brokers));
        MetadataAnswer { version, to }
    }

    /// One of the brokers.
    pub fn broker(&mut self, broker: &MetadataResponseBroker) {
        broker.encode_to(&mut self.to, self.version, false);
    }

    /// What comes behind the brokers; so many topics must follow.
    pub fn cluster(&mut self, cluster_id: Option<&str>, controller_id: i32, topics: usize) {
        if self.version >= 2 {
            self.to.nullable_string(cluster_id);
        }
        if self.version >= 1 {
            self.to.i32(controller_id);
        }
        self.to.length_prefix(Some(topics));
    }

    /// Begins a topic; as many partitions as it has must follow, then [`MetadataAnswer::end_topic`].
    pub fn topic(&mut self, head: &TopicHead<'_>, partitions: usize) {
        self.to.i16(head.error.code());
        let no_name = if self.version >= 12 { None } else { Some("") };
        self.to.nullable_string(head.name.or(no_name));
        if self.version >= 10 {
            self.to.raw(&head.id.0);
        }
        if self.version >= 1 {
            self.to.i8(i8::from(head.is_internal));
        }
        self.to.length_prefix(Some(partitions));
    }

    /// The line of one partition.
    pub fn partition(&mut self, line: &MetadataResponsePartition) {
        line.encode_to(&mut self.to, self.version, false);
    }

    /// Ends a topic with what the client may do to it.
    pub fn end_topic(&mut self, operations: i32) {
        if self.version >= 8 {
            self.to.i32(operations);
        }
        self.no_tags();
    }

    /// The whole answer, with what the client may do to the cluster.
    pub fn finish(mut self, operations: i32) -> Rope {
        if (8..=10).contains(&self.version) {
            self.to.i32(operations);
        }
        if self.version >= 13 {
            self.to.i16(ErrorCode::None.code());
        }
        self.no_tags();
        let length = i32::try_from(self.to.length() - 4).unwrap_or(i32::MAX);
        self.to.overwrite(0, &length.to_be_bytes());
        self.to.into_rope()
    }

    fn no_tags(&mut self) {
        if self.to.flexible() {
            self.to.unsigned_varint(0);
        }
    }
}

#[cfg(test)]
mod tests;
