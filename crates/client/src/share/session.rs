//! The share session with one partition leader (KIP-932): its epoch, what it reads, what a request has to say to change that. Pure.

use super::hands::{Place, Words, batches};
use super::options::ShareConsumerOptions;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;
use wire::Str;
use wire::Uuid;
use wire::messages::share_acknowledge::{AcknowledgePartition, AcknowledgeTopic, ShareAcknowledgeRequest};
use wire::messages::share_fetch::{
    AcknowledgementBatch, FetchPartition, FetchTopic, ForgottenTopic, ShareFetchRequest,
};

/// Of the request that ends a session.
const LAST: i32 = -1;

/// A session. Of its requests one is under way at a time: they are numbered.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Of the next request; 0 begins a session.
    epoch: i32,
    /// What the other side knows to be read.
    partitions: BTreeSet<Place>,
    pub is_busy: bool,
    /// After a failure.
    pub rests_until: Option<Instant>,
}

/// Who speaks.
pub(super) struct Speaker<'a> {
    pub options: &'a ShareConsumerOptions,
    pub member_id: &'a Str,
}

impl Session {
    /// True where the other side knows this member.
    pub fn is_known(&self) -> bool {
        self.epoch != 0
    }

    /// True where a fetch would bring records, or let go of partitions.
    pub fn has_use_for(&self, wanted: &BTreeSet<Place>) -> bool {
        !wanted.is_empty() || !self.partitions.is_empty()
    }

    /// Fetches what is wanted; what is said goes along.
    pub fn fetch(
        &mut self,
        speaker: &Speaker<'_>,
        wanted: &BTreeSet<Place>,
        words: &Words,
    ) -> ShareFetchRequest {
        let mut topics: BTreeMap<Uuid, Vec<FetchPartition>> = BTreeMap::new();
        let added = wanted.difference(&self.partitions).copied().filter(|place| !words.contains_key(place));
        for (topic_id, partition_index) in added {
            let partition = FetchPartition { partition_index, acknowledgement_batches: Vec::new() };
            topics.entry(topic_id).or_default().push(partition);
        }
        for (&(topic_id, partition_index), spans) in words {
            let batch =
                |batch: wire::messages::share_acknowledge::AcknowledgementBatch| AcknowledgementBatch {
                    first_offset: batch.first_offset,
                    last_offset: batch.last_offset,
                    acknowledge_types: batch.acknowledge_types,
                };
            let acknowledgement_batches = batches(spans).into_iter().map(batch).collect();
            topics
                .entry(topic_id)
                .or_default()
                .push(FetchPartition { partition_index, acknowledgement_batches });
        }
        let mut forgotten: BTreeMap<Uuid, Vec<i32>> = BTreeMap::new();
        for &(topic_id, partition) in self.partitions.difference(wanted) {
            forgotten.entry(topic_id).or_default().push(partition);
        }
        let options = speaker.options;
        let most = i32::try_from(options.max_poll_records).unwrap_or(i32::MAX);
        let request = ShareFetchRequest {
            group_id: Some(options.group_id.clone()),
            member_id: Some(speaker.member_id.clone()),
            share_session_epoch: self.epoch,
            max_wait_ms: i32::try_from(options.fetch_max_wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: options.fetch_min_bytes,
            max_bytes: options.fetch_max_bytes,
            max_records: most,
            batch_size: most,
            share_acquire_mode: options.acquire_mode.code(),
            is_renew_ack: false,
            topics: topics
                .into_iter()
                .map(|(topic_id, partitions)| FetchTopic { topic_id, partitions })
                .collect(),
            forgotten_topics_data: forgotten
                .into_iter()
                .map(|(topic_id, partitions)| ForgottenTopic { topic_id, partitions })
                .collect(),
        };
        self.partitions.clone_from(wanted);
        self.step();
        request
    }

    /// Says words alone. `is_last`: and ends the session.
    pub fn acknowledge(
        &mut self,
        speaker: &Speaker<'_>,
        words: &Words,
        is_last: bool,
    ) -> ShareAcknowledgeRequest {
        let mut topics: BTreeMap<Uuid, Vec<AcknowledgePartition>> = BTreeMap::new();
        for (&(topic_id, partition_index), spans) in words {
            let acknowledgement_batches = batches(spans);
            topics
                .entry(topic_id)
                .or_default()
                .push(AcknowledgePartition { partition_index, acknowledgement_batches });
        }
        let request = ShareAcknowledgeRequest {
            group_id: Some(speaker.options.group_id.clone()),
            member_id: Some(speaker.member_id.clone()),
            share_session_epoch: if is_last { LAST } else { self.epoch },
            is_renew_ack: words.values().flatten().any(|span| span.is_renewal()),
            topics: topics
                .into_iter()
                .map(|(topic_id, partitions)| AcknowledgeTopic { topic_id, partitions })
                .collect(),
        };
        if is_last {
            self.begin_anew();
        } else {
            self.step();
        }
        request
    }

    /// The other side knows nothing of it any more.
    pub fn begin_anew(&mut self) {
        self.epoch = 0;
        self.partitions.clear();
    }

    fn step(&mut self) {
        self.epoch = if self.epoch == i32::MAX { 1 } else { self.epoch + 1 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::share::hands::{Acknowledgement, Span};

    #[test]
    fn a_session_says_only_what_changes() {
        let (a, b) = ((Uuid::from_halves(1, 1), 0), (Uuid::from_halves(1, 1), 1));
        let options = ShareConsumerOptions { group_id: "g".into(), ..ShareConsumerOptions::default() };
        let speaker = Speaker { options: &options, member_id: &Str::from("m") };
        let mut session = Session::default();
        let first = session.fetch(&speaker, &BTreeSet::from([a, b]), &Words::new());
        assert_eq!(
            (first.share_session_epoch, first.topics.len(), first.topics[0].partitions.len()),
            (0, 1, 2)
        );
        let words = Words::from([(a, vec![Span::of(3, 4, Acknowledgement::Accept)])]);
        let second = session.fetch(&speaker, &BTreeSet::from([a]), &words);
        assert_eq!(second.share_session_epoch, 1);
        let said = &second.topics[0].partitions[0];
        assert_eq!((said.partition_index, said.acknowledgement_batches[0].last_offset), (0, 4));
        assert_eq!(second.forgotten_topics_data[0].partitions, [1]);
        let third = session.fetch(&speaker, &BTreeSet::from([a]), &Words::new());
        assert!(third.topics.is_empty() && third.forgotten_topics_data.is_empty());
        let last = session.acknowledge(&speaker, &words, true);
        assert_eq!((last.share_session_epoch, session.is_known()), (-1, false));
    }
}
