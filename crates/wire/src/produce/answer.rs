//! A Produce response that is written while its request is read: every partition gets its line at once, and a shard's result goes
//! into the numbers of that line when it is known. Lists, strings and tags are written by the generated structs.

use std::ops::Range;

use crate::codec::{Decoder, Encode, Encoder, Message, Rope};
use crate::frame::ResponseHeader;
use crate::messages::produce::{PartitionProduceResponse, ProduceResponse};
use crate::{ApiKey, ErrorCode};

use super::TopicView;

/// The answer so far.
#[derive(Debug)]
pub struct ProduceAnswer {
    version: i16,
    correlation_id: i32,
    to: Encoder,
    /// Where the body begins, after length and header.
    body: usize,
    /// Where a line of numbers stands that was written before; all of them have the same length.
    numbers: Option<Range<usize>>,
}

/// Where the line of a partition stands in the answer; the default one is of no answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerLine(u32);

/// What became of one partition's batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Produced {
    /// What is wrong, if anything.
    pub error: ErrorCode,
    /// The first record's offset; -1 with an error.
    pub base_offset: i64,
    /// The time the broker stamped; -1 where the producer's own stayed.
    pub log_append_time_ms: i64,
    /// Where the log begins; -1 with an error.
    pub log_start_offset: i64,
}

/// Bytes of a partition's line: its number, then what [`ProduceAnswer::fill`] fills in, then lists and tags.
const INDEX_BYTES: usize = 4;
/// An error, an offset and a time; from version 5 on the log's start, too.
const NUMBERS_BYTES_OLD: usize = 2 + 8 + 8;
const NUMBERS_BYTES: usize = NUMBERS_BYTES_OLD + 8;

/// Enough for one partition, and for some more.
const ROOM_BYTES: usize = 160;
/// A line of numbers, and for how many of them there is room from the beginning.
const LINE_BYTES: usize = 40;
const LINES_MAX: usize = 128;

// Behind the numbers a list without elements, a text that is null, and tags.
const _: () = assert!(INDEX_BYTES + NUMBERS_BYTES + 4 + 2 <= LINE_BYTES);

impl ProduceAnswer {
    /// Begins an answer that tells of these topics.
    pub fn new(version: i16, correlation_id: i32, topics: &[TopicView<'_>]) -> ProduceAnswer {
        let lines: usize = topics.iter().map(|topic| topic.partitions.len()).sum();
        let mut to = Encoder::with_capacity(ROOM_BYTES + LINE_BYTES * lines.saturating_sub(1).min(LINES_MAX));
        to.i32(0);
        ResponseHeader { correlation_id }.encode(&mut to, ApiKey::Produce, version);
        let body = to.length();
        to.set_flexible(version >= ProduceResponse::FLEXIBLE_FROM);
        to.length_prefix(Some(topics.len()));
        ProduceAnswer { version, correlation_id, to, body, numbers: None }
    }

    /// Begins a topic; as many partitions as it has must follow, then [`ProduceAnswer::end_topic`].
    pub fn topic(&mut self, topic: &TopicView<'_>) {
        if self.version <= 12 {
            self.to.nullable_string(Some(topic.name));
        } else {
            self.to.raw(&topic.id.0);
        }
        self.to.length_prefix(Some(topic.partitions.len()));
    }

    /// The line of one partition that has more to tell than an error.
    pub fn partition(&mut self, response: &PartitionProduceResponse) {
        response.encode_to(&mut self.to, self.version, false);
    }

    /// The line of one partition that nothing is known of but an error, until it is filled. The first such line is written by the
    /// generated struct, the others are copies of it.
    pub fn numbers(&mut self, index: i32, error: ErrorCode) -> AnswerLine {
        let start = self.to.length();
        if let Some(line) = self.numbers.clone() {
            self.to.repeat(line);
        } else {
            let line = PartitionProduceResponse { base_offset: -1, ..Default::default() };
            self.partition(&line);
            self.numbers = Some(start..self.to.length());
        }
        self.to.overwrite(start, &index.to_be_bytes());
        self.to.overwrite(start + INDEX_BYTES, &error.code().to_be_bytes());
        AnswerLine(u32::try_from(start).expect("an answer is shorter than a frame may be"))
    }

    /// Ends a topic: its tags.
    pub fn end_topic(&mut self) {
        self.no_tags();
    }

    /// Ends the list of topics; nothing but results is added from here on.
    pub fn end(&mut self) {
        let throttle_time_ms = 0;
        self.to.i32(throttle_time_ms);
        self.no_tags();
    }

    fn no_tags(&mut self) {
        if self.to.flexible() {
            self.to.unsigned_varint(0);
        }
    }

    /// The result of the partition whose line is there.
    pub fn fill(&mut self, AnswerLine(at): AnswerLine, produced: &Produced) {
        let numbers = &mut [0; NUMBERS_BYTES];
        let (error, rest) = numbers.split_at_mut(2);
        error.copy_from_slice(&produced.error.code().to_be_bytes());
        let fields = [produced.base_offset, produced.log_append_time_ms, produced.log_start_offset];
        for (field, value) in rest.chunks_exact_mut(8).zip(fields) {
            field.copy_from_slice(&value.to_be_bytes());
        }
        // The log start offset came with version 5.
        let known = if self.version >= 5 { &numbers[..] } else { &numbers[..NUMBERS_BYTES_OLD] };
        self.to.overwrite(at as usize + INDEX_BYTES, known);
    }

    /// The answer as it stands.
    pub fn finish(mut self) -> Rope {
        let length = i32::try_from(self.to.length() - 4).unwrap_or(i32::MAX);
        self.to.overwrite(0, &length.to_be_bytes());
        self.to.into_rope()
    }

    /// The answer with something added that has no place in it: leaders, and where they are.
    pub fn amended(self, amend: impl FnOnce(&mut ProduceResponse)) -> Rope {
        let (version, correlation_id) = (self.version, self.correlation_id);
        let body = self.to.into_bytes().slice(self.body..);
        // We wrote it: it can be read.
        let mut response = ProduceResponse::decode(&mut Decoder::of(body), version).unwrap_or_default();
        amend(&mut response);
        crate::frame::encode_response(ApiKey::Produce, version, correlation_id, &response)
    }
}

#[cfg(test)]
mod tests;
