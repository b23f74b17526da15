//! A hosted group coordinator on a log in memory, with a clock that is told what time it is.

use super::consumer::Cluster;
use crate::group::consumer::ToResolve;
use crate::group::{GroupAnswer, GroupCommand, GroupConfig, GroupMachine, GroupRecord, GroupSoft};
use crate::hosted::memory::Memory;
use crate::hosted::{Hosted, HostedOptions};
use crate::machine::{Reply, ReplyToken, TransactionMarker};
use std::sync::Arc;
use wire::ErrorCode;
use wire::compress::DecompressLimit;

/// What a log offset holds, as far as this crate can read it.
pub enum Entry {
    Record(i64, Option<GroupRecord>),
    Marker(i64, bool),
}

pub struct Rig {
    pub hosted: Hosted<GroupMachine>,
    pub log: Memory,
    pub now_ms: i64,
    pub high_watermark: i64,
    /// Everything that is appended is committed at once.
    pub commit_at_once: bool,
    pub config: GroupConfig,
    pub seed: u64,
    pub cluster: Cluster,
    /// Patterns that somebody is to look at.
    pub to_resolve: Option<ToResolve>,
    replies: Vec<Reply<GroupAnswer>>,
}

impl Rig {
    pub fn open(config: GroupConfig, seed: u64) -> Rig {
        let soft = GroupSoft::new(config.clone(), seed);
        let mut rig = Rig {
            hosted: Hosted::loading(GroupMachine::new(), soft, HostedOptions::default(), 0),
            log: Memory::default(),
            now_ms: 1_000_000,
            high_watermark: 0,
            commit_at_once: true,
            config,
            seed,
            cluster: Cluster::default(),
            to_resolve: None,
            replies: Vec::new(),
        };
        rig.hosted.loaded(rig.now_ms, 0, 0, &mut rig.log, &mut rig.replies);
        rig
    }

    pub fn handle(&mut self, command: GroupCommand, token: u64) {
        let token = ReplyToken(token);
        self.hosted.handle(self.now_ms, command, token, &mut self.log, &mut self.replies);
        self.maybe_commit();
    }

    pub fn end_transaction(&mut self, marker: TransactionMarker, token: u64) {
        let token = ReplyToken(token);
        self.hosted.complete_transaction(self.now_ms, marker, token, &mut self.log, &mut self.replies);
        self.maybe_commit();
    }

    fn maybe_commit(&mut self) {
        while self.commit_at_once && self.high_watermark < self.log.end {
            self.commit(self.log.end);
        }
    }

    pub fn commit(&mut self, high_watermark: i64) {
        self.high_watermark = self.high_watermark.max(high_watermark);
        self.hosted.advance(self.now_ms, self.high_watermark, &mut self.log, &mut self.replies);
    }

    /// Lets time pass, stopping at every deadline on the way; `stop` sees each of them.
    pub fn wait(&mut self, milliseconds: i64, mut stop: impl FnMut(&mut Rig)) {
        let until_ms = self.now_ms + milliseconds;
        while let Some(deadline_ms) = self.hosted.next_deadline().filter(|at_ms| *at_ms <= until_ms) {
            self.now_ms = self.now_ms.max(deadline_ms);
            self.hosted.tick(self.now_ms, &mut self.log, &mut self.replies);
            self.maybe_commit();
            stop(self);
        }
        self.now_ms = until_ms;
    }

    /// The leader goes; whoever waited is told.
    pub fn close(&mut self) {
        self.hosted.close(ErrorCode::NotCoordinator, &mut self.replies);
    }

    /// A new leader loads the log as far as it goes, in pieces of one batch.
    pub fn reload(&mut self) {
        self.seed += 1;
        let mut soft = GroupSoft::new(self.config.clone(), self.seed);
        soft.view = Arc::new(self.cluster.clone());
        self.hosted = Hosted::loading(GroupMachine::new(), soft, HostedOptions::default(), 0);
        for batch in &self.log.batches {
            assert_eq!(self.hosted.load(batch.bytes().clone(), self.high_watermark), []);
        }
        let end = self.log.end;
        let high_watermark = self.high_watermark;
        self.hosted.loaded(self.now_ms, end, high_watermark, &mut self.log, &mut self.replies);
        self.maybe_commit();
    }

    /// The cluster has other topics now.
    pub fn see(&mut self, cluster: Cluster) {
        self.cluster = cluster;
        if let Some(soft) = self.hosted.soft_mut() {
            soft.view = Arc::new(self.cluster.clone());
        }
    }

    pub fn taken(&mut self) -> Vec<Reply<GroupAnswer>> {
        let replies = std::mem::take(&mut self.replies);
        for reply in &replies {
            if let GroupAnswer::ConsumerHeartbeat(answer) = &reply.answer
                && answer.resolve.is_some()
            {
                self.to_resolve = answer.resolve.clone();
            }
        }
        replies
    }

    /// Log entries from an offset on.
    pub fn entries(&self, from: i64) -> Vec<Entry> {
        let mut entries = Vec::new();
        for batch in self.log.batches.iter().filter(|batch| batch.base_offset >= from) {
            for record in batch.control_records().unwrap() {
                let end = record.end_transaction().unwrap().unwrap();
                entries.push(Entry::Marker(record.offset, end.commit));
            }
            if batch.is_control() {
                continue;
            }
            for record in batch.records(DecompressLimit::default()).unwrap() {
                let record = record.unwrap();
                let known = crate::group::records::decode(record.key, record.value).unwrap();
                entries.push(Entry::Record(record.offset, known));
            }
        }
        entries
    }
}
