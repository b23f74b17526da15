//! This node as a follower: fetches are sent to leaders, their answers given to the shards, one command for each. What a fetch says
//! and what an answer means is `replication/fetcher.rs`'s.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use wire::messages::fetch::FetchResponse;
use wire::messages::list_offsets::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsResponse, ListOffsetsTopic,
};
use wire::{ApiKey, ErrorCode};

use super::Node;
use crate::command::{Command, Replicate};
use crate::peers::{NoAnswer, PeerAnswer, PeerRequest, Purpose};
use crate::replication::fetchers::Due;
use crate::replication::following::{Fetched, FetcherId, LeaderSaid, Outcome, Replicated};
use crate::views::PartitionCell;

/// Topics by id, and no field that only the metadata's own replicas use.
const FETCH_VERSIONS: std::ops::RangeInclusive<i16> = 13..=17;

/// What ListOffsets calls a log's end and its beginning.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;

/// A replica whose leader's log does not reach to where it fetches.
struct Lost {
    fetcher: FetcherId,
    cell: Arc<PartitionCell>,
    leader_epoch: i32,
    fetch_offset: i64,
}

impl Node {
    /// Sends the fetches that are due.
    pub(super) fn replicate(&self, now_ms: i64) {
        let due = self.0.fetchers.due(now_ms, self.broker_epoch(), self.views());
        for Due { fetcher, round, request } in due.fetches {
            let Some(to) = self.broker_address(fetcher.leader) else {
                self.fetched(now_ms, (fetcher, round), Err(NoAnswer::Unreachable));
                continue;
            };
            let deadline_ms = now_ms.saturating_add(self.0.fetchers.timeout_ms());
            let node = self.clone();
            let done = move |now_ms, answer| node.fetched(now_ms, (fetcher, round), answer);
            let request = PeerRequest::new(ApiKey::Fetch, request, deadline_ms, done);
            let purpose = Purpose::Replicas(fetcher.index);
            self.ask_peer(now_ms, &to, purpose, request.in_versions(FETCH_VERSIONS));
        }
        due.calls.into_iter().for_each(|leader| self.call_leader(now_ms, leader));
        self.fetches_are_due();
    }

    /// Whatever waits at a leader comes back. If it is not heard, what waits is over soon by itself.
    fn call_leader(&self, now_ms: i64, leader: i32) {
        let Some(to) = self.broker_address(leader) else { return };
        let call = self.0.fetchers.call(self.broker_epoch());
        let deadline_ms = now_ms.saturating_add(self.0.fetchers.timeout_ms());
        let request = PeerRequest::new(ApiKey::Fetch, call, deadline_ms, |_, _| {});
        // Whatever failed is told where fetches are.
        self.ask_peer(now_ms, &to, Purpose::Calls, request.in_versions(FETCH_VERSIONS));
    }

    /// The rim hears of when the next one is.
    pub(super) fn fetches_are_due(&self) {
        let next_ms = self.0.fetchers.next_ms();
        if next_ms != crate::timers::NEVER {
            use crate::shard::cell::Carrier;
            self.due(next_ms.max(self.latest_ms()));
        }
    }

    fn fetched(&self, now_ms: i64, (fetcher, round): (FetcherId, u64), answer: Result<PeerAnswer, NoAnswer>) {
        let leader = fetcher.leader;
        let response = answer.and_then(|answer| {
            answer.read::<FetchResponse>().map_err(|malformed| {
                tracing::warn!(leader, %malformed, "a leader's answer to a fetch cannot be read");
                NoAnswer::Malformed
            })
        });
        let why = response.as_ref().err().map_or_else(String::new, |why| format!("{why:?}"));
        let taken = self.0.fetchers.answered(now_ms, (fetcher, round), response.ok(), self.views());
        match taken.news {
            Some(true) => tracing::info!(leader, "fetching from the leader again"),
            Some(false) if self.0.is_leaving.load(Ordering::Relaxed) => {}
            Some(false) => tracing::warn!(
                leader,
                ?why,
                "cannot fetch from the leader: its replicas here fall behind until it answers"
            ),
            None => {}
        }
        let mut shards: BTreeMap<usize, Vec<Fetched>> = BTreeMap::new();
        for fetched in taken.fetched {
            shards.entry(fetched.cell.shard).or_default().push(fetched);
        }
        for (cell, leader_epoch, fetch_offset) in taken.out_of_range {
            self.find_range(now_ms, Lost { fetcher, cell, leader_epoch, fetch_offset });
        }
        let is_nothing = shards.is_empty();
        for (shard, partitions) in shards {
            let replicate = Replicate { fetcher, round, partitions };
            self.submit_to(now_ms, shard, Command::Replicate(Box::new(replicate)));
        }
        if is_nothing {
            self.replicate(now_ms);
        }
    }

    /// A shard has taken in what came for it.
    pub(super) fn replicated(&self, now_ms: i64, replicated: &Replicated) {
        self.0.fetchers.replicated(now_ms, replicated);
        self.replicate(now_ms);
    }

    /// Asks where the leader's log ends, then where it begins.
    fn find_range(&self, now_ms: i64, lost: Lost) {
        let node = self.clone();
        let then = move |now_ms, lost, end: Option<i64>| match end {
            Some(log_end_offset) => {
                let again = node.clone();
                node.list_offset(now_ms, lost, EARLIEST, move |now_ms, lost, start| match start {
                    Some(start) => again.realign(now_ms, lost, (start, log_end_offset)),
                    None => again.not_now(now_ms, &lost),
                });
            }
            None => node.not_now(now_ms, &lost),
        };
        self.list_offset(now_ms, lost, LATEST, then);
    }

    fn list_offset(
        &self,
        now_ms: i64,
        lost: Lost,
        timestamp: i64,
        then: impl FnOnce(i64, Lost, Option<i64>) + Send + 'static,
    ) {
        let key = lost.cell.key;
        let to = self.broker_address(lost.fetcher.leader);
        let (Some(to), Some(topic)) = (to, self.views().by_id(key.topic_id)) else {
            return then(now_ms, lost, None);
        };
        let partition = ListOffsetsPartition {
            partition_index: key.partition,
            current_leader_epoch: lost.leader_epoch,
            timestamp,
        };
        let topics = vec![ListOffsetsTopic { name: topic.name.clone(), partitions: vec![partition] }];
        let request =
            ListOffsetsRequest { replica_id: self.node_id(), topics, ..ListOffsetsRequest::default() };
        let (deadline_ms, index) = (now_ms.saturating_add(self.0.fetchers.timeout_ms()), lost.fetcher.index);
        let done = move |now_ms, answer: Result<PeerAnswer, NoAnswer>| {
            let offset = answer.ok().and_then(|answer| answer.read::<ListOffsetsResponse>().ok());
            let line = offset.as_ref().and_then(|it| it.topics.first()?.partitions.first());
            let is_good = |error| ErrorCode::from_code(error) == ErrorCode::None;
            let known = line.filter(|line| is_good(line.error_code)).map(|line| line.offset);
            then(now_ms, lost, known.filter(|&offset| offset >= 0));
        };
        let request = PeerRequest::new(ApiKey::ListOffsets, request, deadline_ms, done);
        self.ask_peer(now_ms, &to, Purpose::Replicas(index), request);
    }

    fn realign(&self, now_ms: i64, lost: Lost, (log_start_offset, log_end_offset): (i64, i64)) {
        let Lost { fetcher, cell, leader_epoch, fetch_offset } = lost;
        let shard = cell.shard;
        let said = LeaderSaid::OutOfRange { log_start_offset, log_end_offset };
        let partitions = vec![Fetched { cell, leader_epoch, fetch_offset, said }];
        let replicate = Replicate { fetcher, round: NO_ROUND, partitions };
        self.submit_to(now_ms, shard, Command::Replicate(Box::new(replicate)));
    }

    fn not_now(&self, now_ms: i64, lost: &Lost) {
        let outcomes = vec![(lost.cell.key, lost.leader_epoch, Outcome::Later)];
        self.replicated(now_ms, &Replicated { fetcher: lost.fetcher, round: NO_ROUND, outcomes });
    }
}

/// What belongs to no fetch.
const NO_ROUND: u64 = 0;
