//! The outcome of a record, shared by its whole batch: one allocation per batch, however many records wait for it.

use crate::error::{Error, Result};
use crate::record::RecordMetadata;
use parking_lot::Mutex;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use wire::topic::TopicPartition;

/// The outcome of one record, to be awaited. Cancel-safe: dropping it neither recalls the record nor loses it.
#[derive(Debug, Clone)]
#[must_use = "without awaiting it nobody learns whether the record was stored"]
pub struct Delivery {
    outcome: Arc<Outcome>,
    /// The record's place in its batch.
    index: u32,
}

/// Where a stored batch begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The offset of its first record, -1 if unknown.
    pub(crate) base_offset: i64,
    /// The broker's timestamp, -1 where the producer's counts.
    pub(crate) log_append_time_ms: i64,
}

/// What became of a batch.
#[derive(Debug)]
pub(crate) struct Outcome {
    partition: TopicPartition,
    state: Mutex<DeliveryState>,
}

/// From open to decided, and never back.
#[derive(Debug)]
enum DeliveryState {
    Waiting {
        wakers: Vec<Waker>,
        timestamps: Vec<i64>,
    },
    Stored {
        stored: Stored,
        timestamps: Vec<i64>,
    },
    Failed(Error),
    /// Too large as a whole: (index of the first record, outcome) of each part, in order.
    Split(Vec<(u32, Arc<Outcome>)>),
}

impl Outcome {
    pub(crate) fn new(partition: TopicPartition) -> Arc<Outcome> {
        let state = DeliveryState::Waiting { wakers: Vec::new(), timestamps: Vec::new() };
        Arc::new(Outcome { partition, state: Mutex::new(state) })
    }

    /// One more record with this timestamp; only while nothing has been decided.
    pub(crate) fn add(self: &Arc<Outcome>, timestamp_ms: i64) -> Delivery {
        let mut state = self.state.lock();
        let DeliveryState::Waiting { timestamps, .. } = &mut *state else {
            unreachable!("records are added only to open batches")
        };
        timestamps.push(timestamp_ms);
        Delivery { outcome: self.clone(), index: timestamps.len() as u32 - 1 }
    }

    /// The batch is stored.
    pub(crate) fn store(&self, stored: Stored) {
        self.decide(|timestamps| DeliveryState::Stored { stored, timestamps });
    }

    /// The batch is given up.
    pub(crate) fn fail(&self, error: Error) {
        self.decide(|_| DeliveryState::Failed(error));
    }

    /// The batch lives on in parts.
    pub(crate) fn split(&self, parts: Vec<(u32, Arc<Outcome>)>) {
        let from_the_first = parts.first().is_some_and(|(first, _)| *first == 0);
        assert!(from_the_first && parts.is_sorted_by(|a, b| a.0 < b.0), "parts hold all records, in order");
        self.decide(|_| DeliveryState::Split(parts));
    }

    /// The first decision counts.
    fn decide(&self, next: impl FnOnce(Vec<i64>) -> DeliveryState) {
        let mut state = self.state.lock();
        if let DeliveryState::Waiting { wakers, timestamps } = &mut *state {
            let (wakers, timestamps) = (std::mem::take(wakers), std::mem::take(timestamps));
            *state = next(timestamps);
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// The parts, if it was split; pending while nothing is decided.
    fn poll_parts(&self, cx: &mut Context<'_>) -> Poll<Vec<Arc<Outcome>>> {
        match &mut *self.state.lock() {
            DeliveryState::Waiting { wakers, .. } => {
                wait(wakers, cx);
                Poll::Pending
            }
            DeliveryState::Split(parts) => Poll::Ready(parts.iter().map(|(_, part)| part.clone()).collect()),
            DeliveryState::Stored { .. } | DeliveryState::Failed(_) => Poll::Ready(Vec::new()),
        }
    }
}

fn wait(wakers: &mut Vec<Waker>, cx: &Context<'_>) {
    if !wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
        wakers.push(cx.waker().clone());
    }
}

/// Resolves when all of them, and all parts of those that were split, are decided. Cancel-safe.
pub(crate) async fn all_decided(mut outcomes: Vec<Arc<Outcome>>) {
    while let Some(outcome) = outcomes.pop() {
        outcomes.extend(std::future::poll_fn(|cx| outcome.poll_parts(cx)).await);
    }
}

impl Delivery {
    /// The partition that was chosen.
    pub fn partition(&self) -> &TopicPartition {
        &self.outcome.partition
    }

    /// The outcome, if it is known already.
    pub fn peek(&self) -> Option<Result<RecordMetadata>> {
        let (outcome, index) = self.settled();
        outcome.read(index)
    }

    /// The outcome that decides over this record now, following splits.
    fn settled(&self) -> (Arc<Outcome>, u32) {
        let (mut outcome, mut index) = (self.outcome.clone(), self.index);
        loop {
            let part = match &*outcome.state.lock() {
                DeliveryState::Split(parts) => {
                    let at = parts.partition_point(|(first, _)| *first <= index).saturating_sub(1);
                    parts.get(at).map(|(first, part)| (part.clone(), index - first))
                }
                DeliveryState::Waiting { .. } | DeliveryState::Stored { .. } | DeliveryState::Failed(_) => {
                    None
                }
            };
            match part {
                Some(next) => (outcome, index) = next,
                None => return (outcome, index),
            }
        }
    }
}

impl Outcome {
    fn read(&self, index: u32) -> Option<Result<RecordMetadata>> {
        match &*self.state.lock() {
            DeliveryState::Waiting { .. } | DeliveryState::Split(_) => None,
            DeliveryState::Failed(error) => Some(Err(error.clone())),
            DeliveryState::Stored { stored, timestamps } => {
                let produced = timestamps.get(index as usize).copied().unwrap_or(-1);
                let appended = stored.log_append_time_ms;
                Some(Ok(RecordMetadata {
                    topic: self.partition.topic.clone(),
                    partition: self.partition.partition,
                    offset: if stored.base_offset < 0 { -1 } else { stored.base_offset + i64::from(index) },
                    timestamp_ms: if appended >= 0 { appended } else { produced },
                }))
            }
        }
    }
}

impl Future for Delivery {
    type Output = Result<RecordMetadata>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let (outcome, index) = self.settled();
            if let Some(result) = outcome.read(index) {
                return Poll::Ready(result);
            }
            let mut state = outcome.state.lock();
            if let DeliveryState::Waiting { wakers, .. } = &mut *state {
                wait(wakers, cx);
                return Poll::Pending;
            }
            // Decided between the two looks: look again.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(records: usize) -> (Arc<Outcome>, Vec<Delivery>) {
        let outcome = Outcome::new(TopicPartition::new("t", 3));
        let deliveries = (0..records).map(|n| outcome.add(1000 + n as i64)).collect();
        (outcome, deliveries)
    }

    #[test]
    fn records_of_a_batch_count_up_from_its_base() {
        let (outcome, deliveries) = outcome(3);
        assert!(deliveries[2].peek().is_none());
        outcome.store(Stored { base_offset: 40, log_append_time_ms: -1 });
        let metadata = deliveries[2].peek().expect("decided").expect("stored");
        assert_eq!((metadata.offset, metadata.timestamp_ms, metadata.partition), (42, 1002, 3));
    }

    #[test]
    fn the_first_decision_counts() {
        let (outcome, deliveries) = outcome(1);
        outcome.fail(Error::Closed);
        outcome.store(Stored { base_offset: 0, log_append_time_ms: -1 });
        assert_eq!(deliveries[0].peek(), Some(Err(Error::Closed)));
    }

    #[test]
    fn split_batches_lead_each_record_to_its_part() {
        let (whole, deliveries) = outcome(4);
        let (left, _) = outcome(2);
        let (right, _) = outcome(2);
        whole.split(vec![(0, left.clone()), (2, right.clone())]);
        left.store(Stored { base_offset: 10, log_append_time_ms: 7 });
        right.fail(Error::Closed);
        assert_eq!(deliveries[1].peek().expect("decided").expect("stored").offset, 11);
        assert_eq!(deliveries[3].peek(), Some(Err(Error::Closed)));
    }
}
