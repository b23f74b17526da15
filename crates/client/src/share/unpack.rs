//! From a partition's part of a share fetch to records, and to words about what is no record: offsets without one, batches that do not
//! decode. Pure; an answer may say what it likes.

use super::hands::{Acknowledgement, Span};
use crate::consumer::positions::Cursor;
use crate::consumer::records::{Fetched, ReadRules, Reader, split_batches};
use crate::error::Error;
use crate::offsets::IsolationLevel;
use crate::record::ConsumerRecord;
use bytes::Bytes;
use std::collections::VecDeque;
use wire::messages::share_fetch::AcquiredRecords;
use wire::topic::TopicPartition;

/// A record that a member of a share group holds until it has acknowledged it, or its lock is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareRecord {
    /// The record.
    pub record: ConsumerRecord,
    /// How often it was handed out, this time included.
    pub delivery_count: i16,
}

/// What an answer has for one partition.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    pub records: Vec<ShareRecord>,
    /// Of what was acquired besides.
    pub unseen: Vec<Span>,
    pub trouble: Option<Error>,
}

/// Reads what was acquired. A batch that does not decode is rejected, as Java's client does; what was acquired and not sent is given back.
pub(super) fn unpack(
    target: &TopicPartition,
    records: Bytes,
    acquired: &[AcquiredRecords],
    check_crcs: bool,
) -> Unpacked {
    let mut unpacked = Unpacked::default();
    let mut ranges: Vec<&AcquiredRecords> = Vec::with_capacity(acquired.len());
    for range in acquired {
        let after = ranges.last().is_none_or(|before| before.last_offset < range.first_offset);
        if range.first_offset >= 0 && range.first_offset <= range.last_offset && after {
            ranges.push(range);
        }
    }
    let Some(first) = ranges.first() else { return unpacked };
    let batches = match split_batches(records, target, first.first_offset) {
        Ok(batches) => batches,
        Err(error) => {
            unpacked.trouble = Some(error);
            VecDeque::new()
        }
    };
    let mut sent_until = first.first_offset;
    let mut broken = Vec::new();
    for batch in batches {
        let (base, next) = (batch.header().base_offset, batch.header().next_offset());
        sent_until = sent_until.max(next);
        let fetched = Fetched {
            target: target.clone(),
            cursor: Cursor::new(base, -1),
            batches: VecDeque::from([batch]),
            aborted: VecDeque::new(),
        };
        let rules = ReadRules { check_crcs, isolation: IsolationLevel::ReadUncommitted };
        let mut reader = Reader::new(fetched, rules);
        while let Some(read) = reader.next_record() {
            match read {
                Ok(record) => {
                    let at = ranges.partition_point(|range| range.last_offset < record.offset);
                    let range = ranges.get(at).filter(|range| range.first_offset <= record.offset);
                    let follows =
                        unpacked.records.last().is_none_or(|before| before.record.offset < record.offset);
                    if let Some(range) = range.filter(|_| follows) {
                        let delivery_count = range.delivery_count;
                        unpacked.records.push(ShareRecord { record, delivery_count });
                    }
                }
                Err(error) => {
                    broken.push((base, next - 1));
                    unpacked.trouble = Some(error);
                    break;
                }
            }
        }
    }
    let read = unpacked.records.iter().map(|one| one.record.offset);
    unpacked.unseen = unseen(&ranges, &read.collect::<Vec<_>>(), &broken, sent_until);
    unpacked
}

/// Where a range is not made of records.
fn unseen(ranges: &[&AcquiredRecords], read: &[i64], broken: &[(i64, i64)], sent_until: i64) -> Vec<Span> {
    let mut spans = Vec::new();
    for range in ranges {
        let mut at = range.first_offset;
        let from = read.partition_point(|offset| *offset < range.first_offset);
        let to = read.partition_point(|offset| *offset <= range.last_offset);
        let ends = read[from..to].iter().copied().chain(range.last_offset.checked_add(1));
        for end in ends {
            say_of_hole(at, end - 1, broken, sent_until, &mut spans);
            at = end.saturating_add(1);
        }
    }
    spans
}

/// From `first` to `last` there is no record that could be read.
fn say_of_hole(mut first: i64, last: i64, broken: &[(i64, i64)], sent_until: i64, spans: &mut Vec<Span>) {
    let mut say = |span: Span| {
        if span.first <= span.last {
            spans.push(span);
        }
    };
    for &(base, end) in broken {
        if base > last || end < first {
            continue;
        }
        say(Span::gap(first, (base - 1).min(last)));
        first = first.max(base);
        say(Span::of(first, end.min(last), Acknowledgement::Reject));
        first = first.max(end.saturating_add(1));
    }
    say(Span::gap(first, last.min(sent_until - 1)));
    // Acquired, but not sent: somebody else may have better luck.
    say(Span::of(first.max(sent_until), last, Acknowledgement::Release));
}

#[cfg(test)]
mod tests;
