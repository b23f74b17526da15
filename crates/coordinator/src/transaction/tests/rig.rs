//! A hosted transaction coordinator on a log in memory, with a clock that is told what time it is.

use crate::hosted::memory::Memory;
use crate::hosted::{Hosted, HostedOptions, Journal};
use crate::machine::{Reply, ReplyToken};
use crate::transaction::{
    MarkersWish, Transaction, TransactionAnswer, TransactionCommand, TransactionConfig, TransactionMachine,
    TransactionRecord, TransactionSoft, TransactionWish, records,
};
use std::sync::Arc;
use wire::compress::{Compression, DecompressLimit};
use wire::record_batch::RecordBatchBuilder;
use wire::{ErrorCode, Str};

pub struct Rig {
    pub hosted: Hosted<TransactionMachine>,
    pub log: Memory,
    pub now_ms: i64,
    pub high_watermark: i64,
    /// Everything that is appended is committed at once.
    pub commit_at_once: bool,
    /// Wishes for producer ids are granted at once.
    pub grants_ids: bool,
    pub config: TransactionConfig,
    pub coordinator_epoch: i32,
    pub next_producer_id: i64,
    /// Not answered yet.
    pub wishes: Vec<MarkersWish>,
    pub events: Vec<crate::transaction::TransactionEvent>,
    replies: Vec<Reply<TransactionAnswer>>,
}

/// Of the commands that are the host's own.
const HOST: ReplyToken = ReplyToken(u64::MAX);

impl Rig {
    pub fn open(config: TransactionConfig) -> Rig {
        let soft = TransactionSoft::new(config, 0);
        let mut rig = Rig {
            hosted: Hosted::loading(TransactionMachine::new(), soft, HostedOptions::default(), 0),
            log: Memory::default(),
            now_ms: 1_000_000,
            high_watermark: 0,
            commit_at_once: true,
            grants_ids: true,
            config,
            coordinator_epoch: 0,
            next_producer_id: 1_000,
            wishes: Vec::new(),
            events: Vec::new(),
            replies: Vec::new(),
        };
        rig.hosted.loaded(rig.now_ms, 0, 0, &mut rig.log, &mut rig.replies);
        rig.carry_out();
        rig
    }

    pub fn handle(&mut self, command: TransactionCommand, token: u64) {
        let token = ReplyToken(token);
        self.hosted.handle(self.now_ms, command, token, &mut self.log, &mut self.replies);
        self.maybe_commit();
        self.carry_out();
    }

    /// Something from the host; its answer is nobody's.
    pub fn host(&mut self, command: TransactionCommand) {
        self.handle(command, HOST.0);
    }

    fn maybe_commit(&mut self) {
        while self.commit_at_once && self.high_watermark < self.log.end {
            let end = self.log.end;
            self.advance(end);
        }
    }

    fn advance(&mut self, high_watermark: i64) {
        self.high_watermark = self.high_watermark.max(high_watermark);
        self.hosted.advance(self.now_ms, self.high_watermark, &mut self.log, &mut self.replies);
    }

    pub fn commit(&mut self, high_watermark: i64) {
        self.advance(high_watermark);
        self.carry_out();
    }

    /// What the machine wishes, as a host carries it out after each step.
    fn carry_out(&mut self) {
        let Some(soft) = self.hosted.soft_mut() else { return };
        self.events.append(&mut soft.events);
        let mut granted = false;
        for wish in std::mem::take(&mut soft.wishes) {
            match wish {
                TransactionWish::ProducerIds if self.grants_ids => {
                    let ids = self.next_producer_id..self.next_producer_id + 10;
                    self.next_producer_id = ids.end;
                    self.host(TransactionCommand::ProducerIdsGranted { ids });
                    granted = true;
                }
                TransactionWish::ProducerIds => {}
                TransactionWish::Markers(wish) => self.wishes.push(wish),
            }
        }
        assert!(!granted || self.hosted.soft().is_none_or(|soft| soft.wishes.is_empty()));
    }

    /// Fires what is due now.
    pub fn tick(&mut self) {
        self.hosted.tick(self.now_ms, &mut self.log, &mut self.replies);
        self.maybe_commit();
        self.carry_out();
    }

    /// Lets time pass, stopping at every deadline on the way; `stop` sees each of them.
    pub fn wait(&mut self, milliseconds: i64, mut stop: impl FnMut(&mut Rig)) {
        let until_ms = self.now_ms + milliseconds;
        while let Some(deadline_ms) = self.hosted.next_deadline().filter(|at_ms| *at_ms <= until_ms) {
            if self.log.not_ready.is_some() && deadline_ms <= self.now_ms {
                break;
            }
            self.now_ms = self.now_ms.max(deadline_ms);
            self.tick();
            stop(self);
        }
        self.now_ms = until_ms;
    }

    /// The leader goes; whoever waited is told.
    pub fn close(&mut self) {
        self.hosted.close(ErrorCode::NotCoordinator, &mut self.replies);
    }

    /// What is not committed is lost: the new leader never had it.
    pub fn truncate(&mut self) {
        let high_watermark = self.high_watermark;
        self.log.batches.retain(|batch| batch.next_offset() <= high_watermark);
        self.log.end = self.log.batches.last().map_or(0, |batch| batch.next_offset());
        self.high_watermark = self.log.end;
    }

    /// Something that stands in the log from before. Known after a load.
    pub fn append(&mut self, id: &str, transaction: Transaction) {
        let version = self.config.log_version();
        let value = Some(Arc::new(transaction.in_version(version)));
        let record = TransactionRecord { transactional_id: Str::from(id), value, version };
        let encoded = records::encode(&record);
        let mut builder = RecordBatchBuilder::with_compression(Compression::None);
        builder.append(0, Some(&encoded.key), encoded.value.as_deref(), &[]);
        self.log.append(builder.build()).unwrap();
        self.high_watermark = self.log.end;
    }

    /// A new leader loads the log as far as it goes, in pieces of one batch.
    pub fn reload(&mut self) {
        self.coordinator_epoch += 1;
        // Answers to the wishes before come to a coordinator of another epoch.
        let soft = TransactionSoft::new(self.config, self.coordinator_epoch);
        self.hosted = Hosted::loading(TransactionMachine::new(), soft, HostedOptions::default(), 0);
        for batch in &self.log.batches {
            assert_eq!(self.hosted.load(batch.bytes().clone(), self.high_watermark), []);
        }
        let end = self.log.end;
        let high_watermark = self.high_watermark;
        self.hosted.loaded(self.now_ms, end, high_watermark, &mut self.log, &mut self.replies);
        self.maybe_commit();
        self.carry_out();
    }

    pub fn taken(&mut self) -> Vec<Reply<TransactionAnswer>> {
        let mut replies = std::mem::take(&mut self.replies);
        replies.retain(|reply| reply.token != HOST);
        replies
    }

    /// Log entries from an offset on.
    pub fn entries(&self, from: i64) -> Vec<(i64, TransactionRecord)> {
        let mut entries = Vec::new();
        for batch in self.log.batches.iter().filter(|batch| batch.base_offset >= from) {
            for record in batch.records(DecompressLimit::default()).unwrap() {
                let record = record.unwrap();
                let known = records::decode(record.key, record.value).unwrap().unwrap();
                entries.push((record.offset, known));
            }
        }
        entries
    }
}
