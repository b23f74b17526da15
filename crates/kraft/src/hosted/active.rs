//! The active controller: the pending image, the decisions that are appended and not yet committed, and the answers that wait
//! for them. Dies with leadership.

use super::replayed::Replayed;
use super::turn::Token;
use crate::controller::{
    Controller, ControllerAnswer, ControllerCommand, Decision, FollowUp, Refusal, Situation, Soft,
};
use crate::image::VersionedRecord;
use crate::raft::control::data_batch;
use crate::raft::{MAX_BATCH_BYTES, MAX_BATCH_RECORDS, Quorum, StorageFault};
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use wire::ErrorCode;
use wire::messages::controller_registration::ControllerRegistrationRequest;
use wire::record_batch::HEADER_BYTES;
use wire::records::metadata::MetadataRecord;

/// What the controller of one epoch has in its hands.
pub(super) struct Active {
    epoch: i32,
    /// Everything appended. `decide` reads this.
    pending: Replayed,
    soft: Soft,
    /// Appended in this epoch, not committed: applied once more, to the committed image, when it is.
    tail: VecDeque<Appended>,
    parked: VecDeque<Parked>,
    /// The first records of the epoch are written: from here on a full disk refuses what is asked and ends nothing.
    has_begun: bool,
}

/// One batch of this epoch. Control batches have no records.
struct Appended {
    last_offset: i64,
    timestamp_ms: i64,
    size_bytes: u64,
    records: Piece,
}

/// Consecutive records of one decision. A broker with very many partitions registers with hundreds of thousands of them: they stay
/// where they are.
struct Piece {
    decision: Arc<Vec<VersionedRecord>>,
    range: Range<usize>,
}

impl Piece {
    fn iter(&self) -> impl Iterator<Item = &MetadataRecord> {
        self.decision.get(self.range.clone()).unwrap_or_default().iter().map(|record| &record.record)
    }

    fn len(&self) -> usize {
        self.range.len()
    }
}

/// An answer that waits until everything that was known when it was decided is committed.
struct Parked {
    last_offset: i64,
    token: Token,
    command: ControllerCommand,
    answer: ControllerAnswer,
}

impl Active {
    pub(super) fn new(epoch: i32, node_id: i32, pending: Replayed, seed: u64, now_ms: i64) -> Self {
        let mut soft = Soft::activate(pending.replay.latest(), seed, now_ms);
        soft.end_session_of(node_id);
        Active { epoch, pending, soft, tail: VecDeque::new(), parked: VecDeque::new(), has_begun: false }
    }

    pub(super) fn epoch(&self) -> i32 {
        self.epoch
    }

    /// The last offset in the pending image.
    pub(super) fn last_offset(&self) -> i64 {
        self.pending.next_offset - 1
    }

    pub(super) fn parked(&self) -> usize {
        self.parked.len()
    }

    /// Writes what a new controller writes first, registers it, and starts its timers.
    pub(super) fn begin(
        &mut self,
        controller: &Controller,
        raft: &mut Quorum,
        bootstrap: &[VersionedRecord],
        registration: &ControllerRegistrationRequest,
        now_ms: i64,
    ) -> Result<(), StorageFault> {
        let ids = voter_ids(raft);
        let open_transaction = self.pending.replay.open_transaction().is_some();
        let at = situation(&self.pending, raft, &ids, now_ms);
        let decision = controller.activation(at, open_transaction, bootstrap);
        self.carry_out(raft, now_ms, decision, None, &mut Vec::new())?;
        let known = self.pending.replay.latest().cluster.controller(registration.controller_id);
        if known.is_none_or(|controller| controller.incarnation_id != registration.incarnation_id) {
            let command = ControllerCommand::RegisterController(registration.clone());
            // A metadata version that knows no registrations refuses; then there is none.
            if let Ok(decision) = self.decide(controller, raft, now_ms, &command) {
                self.carry_out(raft, now_ms, decision, None, &mut Vec::new())?;
            }
        }
        controller.start_timers(&mut self.soft, now_ms);
        self.has_begun = true;
        Ok(())
    }

    pub(super) fn decide(
        &mut self,
        controller: &Controller,
        raft: &Quorum,
        now_ms: i64,
        command: &ControllerCommand,
    ) -> Result<Decision, Refusal> {
        let voter_ids = voter_ids(raft);
        let at = situation(&self.pending, raft, &voter_ids, now_ms);
        let decision = controller.decide(at, &mut self.soft, command)?;
        // Kafka would find this out while appending; here nothing may be rolled back.
        if decision.atomic && encoded_size(&decision.records) > MAX_BATCH_BYTES {
            let what = "The total record(s) size exceeds the maximum allowed batch size";
            return Err(Refusal::new(ErrorCode::UnknownServerError, what));
        }
        Ok(decision)
    }

    pub(super) fn due(&mut self, controller: &Controller, raft: &Quorum, now_ms: i64) -> Option<Decision> {
        let voter_ids = voter_ids(raft);
        let at = situation(&self.pending, raft, &voter_ids, now_ms);
        controller.due(at, &mut self.soft)
    }

    pub(super) fn next_deadline_ms(&self, controller: &Controller) -> i64 {
        controller.next_deadline_ms(&self.soft)
    }

    /// A broker's process seems to be gone ([`Soft::seems_gone`]).
    pub(super) fn seems_gone(&mut self, broker_id: i32, epoch: Option<i64>, since_ms: i64) {
        self.soft.seems_gone(broker_id, epoch, since_ms);
    }

    /// The broker of the node that led before ([`Soft::suspect`]).
    pub(super) fn suspect(&mut self, broker_id: i32) {
        self.soft.suspect(broker_id);
    }

    /// Brokers that have gone silent ([`Soft::take_silent`]).
    pub(super) fn take_silent(&mut self, now_ms: i64, stall_timeout_ms: i64) -> Vec<(i32, i64)> {
        self.soft.take_silent(now_ms, stall_timeout_ms)
    }

    /// When there is one.
    pub(super) fn next_silent_ms(&self, stall_timeout_ms: i64) -> i64 {
        self.soft.next_silent_ms(stall_timeout_ms)
    }

    /// Appends a decision, applies it to the pending image, and parks its answer. False if the disk was too full for it: the
    /// decision is dropped, and whoever asked hears so.
    pub(super) fn carry_out(
        &mut self,
        raft: &mut Quorum,
        now_ms: i64,
        decision: Decision,
        asker: Option<(Token, ControllerCommand)>,
        answers: &mut Vec<(Token, ControllerAnswer)>,
    ) -> Result<bool, StorageFault> {
        if let Some(FollowUp::UpgradeKRaftVersion(version)) = decision.follow_up {
            let upgraded = raft.upgrade_kraft_version(version, now_ms)?;
            assert!(upgraded.is_ok(), "the controller knows whether kraft.version can be raised");
        }
        let end_before = raft.log().end_offset();
        let records = Arc::new(decision.records);
        let mut range = 0..0;
        while range.end < records.len() {
            range.start = range.end;
            let mut batch = Vec::new();
            let mut size = 0;
            for next in records.iter().skip(range.start) {
                let value = next.encode();
                let full =
                    batch.len() == MAX_BATCH_RECORDS || size + value.len() > MAX_BATCH_BYTES - BATCH_OVERHEAD;
                if full && !decision.atomic && !batch.is_empty() {
                    break;
                }
                size += value.len() + RECORD_OVERHEAD;
                batch.push(value);
            }
            range.end += batch.len();
            let piece = Piece { decision: Arc::clone(&records), range: range.clone() };
            match self.append(raft, now_ms, piece, batch) {
                // Nothing of the decision is in the log, so nothing of it is in the pending image, and may not be anywhere else.
                Err(fault) if fault.disk_full && self.has_begun && raft.log().end_offset() == end_before => {
                    self.soft.take_back(self.pending.replay.latest(), now_ms);
                    let refusal = Refusal::plain(ErrorCode::KafkaStorageError);
                    answers.extend(asker.map(|(token, command)| (token, command.refused(&refusal))));
                    return Ok(false);
                }
                appended => appended?,
            }
        }
        assert!(!decision.atomic || range.start == 0, "an atomic decision is one batch");
        self.note_control_batches(raft, now_ms);
        let last_offset = self.pending.next_offset - 1;
        if let Some(FollowUp::NoteControlledShutdown { broker_id }) = decision.follow_up {
            self.soft.note_controlled_shutdown(broker_id, last_offset);
        }
        if let (Some((token, command)), Some(answer)) = (asker, decision.answer) {
            if raft.high_watermark().is_some_and(|committed| committed > last_offset) && self.tail.is_empty()
            {
                answers.push((token, answer));
            } else {
                assert!(
                    self.parked.back().is_none_or(|before| before.last_offset <= last_offset),
                    "parked: an answer overtakes another"
                );
                self.parked.push_back(Parked { last_offset, token, command, answer });
            }
        }
        Ok(true)
    }

    fn append(
        &mut self,
        raft: &mut Quorum,
        now_ms: i64,
        records: Piece,
        values: Vec<Bytes>,
    ) -> Result<(), StorageFault> {
        self.note_control_batches(raft, now_ms);
        let wall_ms = raft.wall_ms(now_ms);
        let bytes = data_batch(values, wall_ms);
        let size_bytes = bytes.len() as u64;
        let idle = records.iter().all(|record| matches!(record, MetadataRecord::NoOp(_)));
        let appended = if idle { raft.append_idle(now_ms, bytes)? } else { raft.append(now_ms, bytes)? };
        let Ok(base_offset) = appended else { unreachable!("the active controller leads") };
        assert_eq!(base_offset, self.pending.next_offset, "the pending image reaches to the end of the log");
        for (offset, record) in (base_offset..).zip(records.iter()) {
            if let Err(contradiction) = self.pending.replay.apply(offset, record) {
                panic!("a decision contradicts the image it was made on: {contradiction}");
            }
            self.pending.replay.latest().check_decided(record);
            self.soft.observe(self.pending.replay.latest(), record);
        }
        let last_offset = base_offset + records.len() as i64 - 1;
        self.pending.advance(last_offset, self.epoch, wall_ms);
        self.await_commit(Appended { last_offset, timestamp_ms: wall_ms, size_bytes, records });
        Ok(())
    }

    /// A batch is in the pending image and not yet in the committed one.
    fn await_commit(&mut self, batch: Appended) {
        let before = self.tail.back().map_or(-1, |before| before.last_offset);
        assert!(before < batch.last_offset, "pending: the tail is out of order");
        self.tail.push_back(batch);
    }

    /// Raft writes into the log too: leader changes, voters. They hold no metadata, but they have offsets.
    pub(super) fn note_control_batches(&mut self, raft: &Quorum, now_ms: i64) {
        let end = raft.log().end_offset();
        if end > self.pending.next_offset {
            let timestamp_ms = raft.wall_ms(now_ms);
            self.pending.advance(end - 1, self.epoch, timestamp_ms);
            let records = Piece { decision: Arc::default(), range: 0..0 };
            self.await_commit(Appended { last_offset: end - 1, timestamp_ms, size_bytes: 0, records });
        }
    }

    /// Everything below the high watermark is committed: the committed image follows and answers leave. Returns the bytes that
    /// were committed.
    pub(super) fn commit(
        &mut self,
        committed: &mut Replayed,
        high_watermark: i64,
        answers: &mut Vec<(Token, ControllerAnswer)>,
    ) -> u64 {
        let mut bytes = 0;
        let records: usize = self.tail.iter().map(|batch| batch.records.len()).sum();
        let all = self.tail.back().is_some_and(|batch| batch.last_offset < high_watermark);
        if all && records > TWIN_RECORDS_MAX {
            bytes = self.tail.drain(..).map(|batch| batch.size_bytes).sum();
            *committed = self.pending.clone();
        }
        while let Some(batch) = self.tail.pop_front_if(|batch| batch.last_offset < high_watermark) {
            let base_offset = batch.last_offset + 1 - batch.records.len() as i64;
            for (offset, record) in (base_offset..).zip(batch.records.iter()) {
                if let Err(contradiction) = committed.replay.apply(offset, record) {
                    panic!("a committed record contradicts the committed image: {contradiction}");
                }
            }
            committed.advance(batch.last_offset, self.epoch, batch.timestamp_ms);
            bytes += batch.size_bytes;
        }
        if committed.next_offset == self.pending.next_offset {
            assert!(
                committed.replay == self.pending.replay,
                "applying the same records twice gives the same image"
            );
            // From here on both share their memory again, so the next comparison costs as much as what changed.
            *committed = self.pending.clone();
        }
        while let Some(parked) = self.parked.pop_front_if(|parked| parked.last_offset < high_watermark) {
            answers.push((parked.token, parked.answer));
        }
        bytes
    }

    /// Panics with the name of the invariant that is broken; they stand at [`super::MetadataQuorum`].
    pub(super) fn check(&self, committed: &Replayed, raft: &Quorum) {
        assert!(raft.is_leader() && raft.epoch() == self.epoch, "active: it does not lead its epoch");
        let newest = self.pending.replay.latest().provenance.last_epoch;
        assert!(newest <= self.epoch, "pending: it is of a later epoch");
        let (pending, log_end) = (self.pending.next_offset, raft.log().end_offset());
        assert!(pending <= log_end, "pending: it holds what is not in the log");
        assert!(committed.next_offset <= pending, "pending: it lacks what is committed");
        match self.tail.back() {
            Some(last) => assert!(last.last_offset + 1 == pending, "pending: the tail ends elsewhere"),
            None => {
                assert!(committed.next_offset == pending, "pending: what is in flight is in no tail");
                // They share their memory here, so this looks at a few addresses.
                assert!(committed.replay == self.pending.replay, "pending: the twins differ");
            }
        }
        self.pending.replay.check();
        let high_watermark = raft.high_watermark().unwrap_or(0);
        let committed = |offset: i64| offset < high_watermark;
        assert!(
            !self.tail.front().is_some_and(|b| committed(b.last_offset)),
            "pending: the tail is committed"
        );
        assert!(
            !self.parked.front().is_some_and(|p| committed(p.last_offset)),
            "parked: an answer is overdue"
        );
        let waits = self.parked.back().map(|parked| parked.last_offset);
        assert!(waits.is_none_or(|offset| offset < pending), "parked: an answer waits for nothing");
    }

    /// Leadership is lost: what was not committed may never be, and is asked of the next controller.
    pub(super) fn give_back(self, moved: &mut Vec<(Token, ControllerCommand)>) {
        moved.extend(self.parked.into_iter().map(|parked| (parked.token, parked.command)));
    }
}

/// Records committed at once that are still applied a second time, to be compared. More come only when a broker with very many
/// partitions registers, and would double the time that takes; every smaller commit goes on checking the same code.
const TWIN_RECORDS_MAX: usize = 10_000;
const _: () = assert!(TWIN_RECORDS_MAX >= MAX_BATCH_RECORDS, "whatever fits into one batch is compared");
/// Bytes of a batch that are not values: the header.
const BATCH_OVERHEAD: usize = 128;
/// Bytes of a record that are not its value, at most: lengths, deltas, attributes.
const RECORD_OVERHEAD: usize = 24;
const _: () = assert!(BATCH_OVERHEAD >= HEADER_BYTES, "the header is counted");
const _: () = assert!(
    BATCH_OVERHEAD + RECORD_OVERHEAD * MAX_BATCH_RECORDS < MAX_BATCH_BYTES / 2,
    "as many records as a batch may hold leave half of it for their values"
);

fn encoded_size(records: &[VersionedRecord]) -> usize {
    BATCH_OVERHEAD + records.iter().map(|record| record.encode().len() + RECORD_OVERHEAD).sum::<usize>()
}

fn voter_ids(raft: &Quorum) -> Vec<i32> {
    raft.voter_set().voters.keys().copied().collect()
}

fn situation<'a>(pending: &'a Replayed, raft: &Quorum, voter_ids: &'a [i32], now_ms: i64) -> Situation<'a> {
    Situation {
        image: pending.replay.latest(),
        registration_offsets: pending.replay.registration_offsets(),
        now_ms,
        wall_ms: raft.wall_ms(now_ms),
        next_offset: raft.log().end_offset(),
        kraft_version: raft.kraft_version(),
        highest_kraft_version: raft.highest_kraft_version(),
        voter_ids,
    }
}

#[cfg(test)]
pub(super) mod tests;
