//! A Fetch response written partition by partition: what stands around the partitions is written here, their lines and all tags by
//! the generated structs. Records are kept by reference.

use crate::codec::{Encode, Encoder, Message, Rope};
use crate::frame::ResponseHeader;
use crate::messages::fetch::{FetchResponse, NodeEndpoint, PartitionData};
use crate::{ApiKey, ErrorCode, Uuid};

/// The answer so far.
#[derive(Debug)]
pub struct FetchAnswer {
    version: i16,
    to: Encoder,
}

/// Enough for one partition of a topic with a long name, and for some more.
const ROOM_BYTES: usize = 256;

impl FetchAnswer {
    /// Begins an answer that tells of so many topics.
    pub fn new(
        version: i16,
        correlation_id: i32,
        error: ErrorCode,
        session_id: i32,
        topics: usize,
    ) -> FetchAnswer {
        let mut to = Encoder::with_capacity(ROOM_BYTES);
        to.i32(0);
        ResponseHeader { correlation_id }.encode(&mut to, ApiKey::Fetch, version);
        to.set_flexible(version >= FetchResponse::FLEXIBLE_FROM);
        let throttle_time_ms = 0;
        to.i32(throttle_time_ms);
        if version >= 7 {
            to.i16(error.code());
            to.i32(session_id);
        }
        to.length_prefix(Some(topics));
        FetchAnswer { version, to }
    }

    /// Begins a topic; as many partitions as it has must follow, then [`FetchAnswer::end_topic`].
    pub fn topic(&mut self, name: &str, id: Uuid, partitions: usize) {
        if self.version <= 12 {
            self.to.nullable_string(Some(name));
        } else {
            self.to.raw(&id.0);
        }
        self.to.length_prefix(Some(partitions));
    }

    /// The line of one partition.
    pub fn partition(&mut self, data: &PartitionData) {
        data.encode_to(&mut self.to, self.version, false);
    }

    /// Ends a topic: its tags.
    pub fn end_topic(&mut self) {
        if self.to.flexible() {
            self.to.unsigned_varint(0);
        }
    }

    /// The whole answer; where the leaders are of which its lines speak (KIP-951).
    pub fn finish(mut self, node_endpoints: Vec<NodeEndpoint>) -> Rope {
        let told = self.version >= 16 && !node_endpoints.is_empty();
        if self.to.flexible() {
            self.to.unsigned_varint(u32::from(told));
        }
        if told {
            let start = self.to.begin_tag(0);
            node_endpoints.encode_tagged(&mut self.to, self.version, false);
            self.to.end_tag(start);
        }
        let length = i32::try_from(self.to.length() - 4).unwrap_or(i32::MAX);
        self.to.overwrite(0, &length.to_be_bytes());
        self.to.into_rope()
    }
}

#[cfg(test)]
mod tests;
