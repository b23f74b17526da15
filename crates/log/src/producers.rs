//! What a log knows of its producers (KIP-98, KIP-360, KIP-890): the last five batches of each for duplicates and sequences,
//! open transactions for the last stable offset, verification before a transaction's first write. Decides on an append before it
//! happens (`prepare`), changes only after it did (`commit`). Files are `snapshot.rs`; the log's writing is `log.rs`.

use crate::append::{AppendOrigin, AppendRefused};
use crate::transactions::AbortedTransaction;
use crate::view::ActiveProducer;
use std::collections::BTreeMap;
use wire::hash::StableMap;
use wire::planted::{self, Bug};
use wire::record_batch::{
    BatchHeader, EndTransactionMarker, NO_PRODUCER_EPOCH, NO_SEQUENCE, NO_TIMESTAMP, decrement_sequence,
};

/// Batches remembered per producer: as many as a producer may have in flight.
const BATCHES_KEPT: usize = 5;

const _: () = assert!(BATCHES_KEPT <= u8::MAX as usize, "they are counted in a byte");

/// One appended batch of a producer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BatchMetadata {
    pub last_sequence: i32,
    pub last_offset: i64,
    pub offset_delta: i32,
    pub timestamp: i64,
}

impl BatchMetadata {
    pub fn first_sequence(&self) -> i32 {
        decrement_sequence(self.last_sequence, self.offset_delta)
    }

    pub fn first_offset(&self) -> i64 {
        self.last_offset - i64::from(self.offset_delta)
    }
}

/// One producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProducerEntry {
    pub epoch: i16,
    pub coordinator_epoch: i32,
    pub last_timestamp: i64,
    /// First offset of its open transaction here.
    pub transaction_first_offset: Option<i64>,
    /// Oldest first; only the first `kept` count.
    batches: [BatchMetadata; BATCHES_KEPT],
    kept: u8,
}

impl ProducerEntry {
    pub fn unknown() -> ProducerEntry {
        ProducerEntry {
            epoch: NO_PRODUCER_EPOCH,
            coordinator_epoch: -1,
            last_timestamp: NO_TIMESTAMP,
            transaction_first_offset: None,
            batches: [BatchMetadata::default(); BATCHES_KEPT],
            kept: 0,
        }
    }

    pub fn batches(&self) -> &[BatchMetadata] {
        self.batches.get(..usize::from(self.kept)).unwrap_or_default()
    }

    pub fn last_batch(&self) -> Option<&BatchMetadata> {
        self.batches().last()
    }

    pub fn last_sequence(&self) -> i32 {
        self.last_batch().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    pub fn push(&mut self, batch: BatchMetadata) {
        if usize::from(self.kept) == BATCHES_KEPT {
            self.batches.rotate_left(1);
            self.kept -= 1;
        }
        if let Some(free) = self.batches.get_mut(usize::from(self.kept)) {
            *free = batch;
            self.kept += 1;
        }
    }

    /// A new epoch forgets the old one's batches.
    fn enter_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.kept = 0;
        }
    }
}

/// A batch that is about to be appended, as far as producers matter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IncomingBatch<'a> {
    pub header: &'a BatchHeader,
    /// The offset it will get.
    pub base_offset: i64,
    /// The marker in it, if it is a control batch that ends a transaction.
    pub marker: Option<EndTransactionMarker>,
}

impl IncomingBatch<'_> {
    fn last_offset(&self) -> i64 {
        self.base_offset + i64::from(self.header.last_offset_delta)
    }
}

/// A transaction that a marker ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompletedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
    pub last_offset: i64,
    pub aborted: bool,
}

/// What an append will change, decided and not yet done.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prepared {
    updates: Vec<(i64, ProducerEntry)>,
    completed: Vec<CompletedTransaction>,
}

/// What `prepare` found.
#[derive(Clone, Debug)]
pub(crate) enum Preparation {
    Append(Prepared),
    /// This very batch is in the log already.
    Duplicate(BatchMetadata),
}

/// Transactions that wait for their coordinators at a time: names of producers are anybody's to send.
const VERIFICATIONS_KEPT: usize = 10_000;

/// The first batch of a transaction in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FirstWrite {
    /// Whose.
    pub producer_id: i64,
    /// Whose.
    pub producer_epoch: i16,
    /// Of the batch.
    pub base_sequence: i32,
}

/// A transaction's first write here waits for its coordinator's word (KIP-890).
#[derive(Clone, Copy, Debug)]
struct Verification {
    guard: u64,
    epoch: i16,
    lowest_sequence: i32,
    verified: bool,
    since_ms: i64,
}

/// All producers of one log.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    entries: StableMap<i64, ProducerEntry>,
    /// First offset of each open transaction → its producer.
    ongoing: BTreeMap<i64, i64>,
    /// Ended transactions whose marker the high watermark has not passed: first offset → offset of the marker.
    unreplicated: BTreeMap<i64, i64>,
    verifications: BTreeMap<i64, Verification>,
    next_guard: u64,
    /// Everything below is reflected here.
    pub end_offset: i64,
}

impl Producers {
    pub fn starting_at(offset: i64) -> Producers {
        Producers { end_offset: offset, ..Producers::default() }
    }

    pub fn entries(&self) -> impl Iterator<Item = (i64, &ProducerEntry)> {
        self.entries.iter().map(|(id, entry)| (*id, entry))
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Puts an entry of a snapshot back.
    pub fn restore(&mut self, producer_id: i64, entry: ProducerEntry) {
        if let Some(first_offset) = entry.transaction_first_offset {
            self.ongoing.insert(first_offset, producer_id);
        }
        self.entries.insert(producer_id, entry);
    }

    /// Checks batches that are about to be appended together. `verify` asks for KIP-890 verification of a transaction's first
    /// write.
    pub fn prepare(
        &mut self,
        batches: &[IncomingBatch<'_>],
        origin: Origin,
        verify: bool,
        now_ms: i64,
    ) -> Result<Preparation, AppendRefused> {
        let mut prepared = Prepared::default();
        for batch in batches.iter().filter(|batch| batch.header.has_producer_id()) {
            if origin == Origin::Client
                && let Some(duplicate) = self.duplicate_of(batch.header)
            {
                return Ok(match planted::has(Bug::AppendsDuplicates) {
                    true => Preparation::Append(prepared),
                    false => Preparation::Duplicate(duplicate),
                });
            }
            if origin != Origin::Replication && verify {
                self.check_verified(batch.header, now_ms)?;
            }
            let producer_id = batch.header.producer_id;
            let known = prepared.updates.iter().position(|(id, _)| *id == producer_id);
            let current = match known.and_then(|at| prepared.updates.get(at)) {
                Some((_, entry)) => *entry,
                None => self.entries.get(&producer_id).copied().unwrap_or_else(ProducerEntry::unknown),
            };
            let verification = self.verifications.get(&producer_id).copied();
            let (updated, completed) = advance(current, batch, origin, verification)?;
            prepared.completed.extend(completed);
            match known.and_then(|at| prepared.updates.get_mut(at)) {
                Some(slot) => slot.1 = updated,
                None => prepared.updates.push((producer_id, updated)),
            }
        }
        Ok(Preparation::Append(prepared))
    }

    /// The append happened: takes the changes over and answers the transactions that were aborted, for the index.
    pub fn commit(&mut self, prepared: Prepared, end_offset: i64) -> Vec<AbortedTransaction> {
        for (producer_id, entry) in &prepared.updates {
            if let Some(first_offset) = entry.transaction_first_offset {
                self.ongoing.insert(first_offset, *producer_id);
            }
            // Written to, or ended: either way the word of the coordinator is used up.
            if !self.verifications.is_empty() {
                self.verifications.remove(producer_id);
            }
            self.entries.insert(*producer_id, *entry);
        }
        // A follower appends many batches at once, and a transaction may begin and end within them: at the marker of another it was open.
        for ended in &prepared.completed {
            self.ongoing.insert(ended.first_offset, ended.producer_id);
        }
        let mut aborted = Vec::new();
        for ended in prepared.completed {
            self.ongoing.remove(&ended.first_offset);
            let end = ended.last_offset + 1;
            // Whatever begins behind the marker was not open there.
            let last_stable_offset =
                self.ongoing.keys().next().copied().filter(|first| *first < end).unwrap_or(end);
            self.unreplicated.insert(ended.first_offset, ended.last_offset);
            if ended.aborted {
                aborted.push(AbortedTransaction {
                    producer_id: ended.producer_id,
                    first_offset: ended.first_offset,
                    last_offset: ended.last_offset,
                    last_stable_offset,
                });
            }
        }
        assert!(end_offset >= self.end_offset, "producers: what they know goes back");
        self.end_offset = end_offset;
        aborted
    }

    /// The first offset a read_committed reader may not pass, whatever the high watermark.
    pub fn first_unstable_offset(&self) -> Option<i64> {
        let open = self.ongoing.keys().next();
        let unreplicated = self.unreplicated.keys().next();
        open.into_iter().chain(unreplicated).min().copied()
    }

    /// The high watermark (or the log start) passed: ended transactions below it are stable.
    pub fn replicated_to(&mut self, offset: i64) {
        self.unreplicated.retain(|_, last_offset| *last_offset >= offset);
    }

    /// Whether the producer has a transaction open in this log.
    pub fn has_open_transaction(&self, producer_id: i64) -> bool {
        self.entries.get(&producer_id).is_some_and(|entry| entry.transaction_first_offset.is_some())
    }

    /// Whether the transaction that the producer has open in this log is that of this epoch. By protocol 2 every transaction has its own:
    /// one that has ended and has no marker here yet must not take in what belongs to the next.
    fn is_in_open_transaction(&self, producer_id: i64, epoch: i16) -> bool {
        let open = self.entries.get(&producer_id).filter(|entry| entry.transaction_first_offset.is_some());
        open.is_some_and(|entry| entry.epoch == epoch)
    }

    /// The guard of what has to be confirmed before this batch is appended, if anything has.
    pub fn begin_verification(&mut self, first: FirstWrite, now_ms: i64) -> Option<u64> {
        if self.is_in_open_transaction(first.producer_id, first.producer_epoch) {
            return None;
        }
        let verification = self.verification(first, now_ms);
        (!verification.verified).then_some(verification.guard)
    }

    /// The coordinator said yes to the verification of `guard`; false if it has been overtaken (a marker, a newer epoch).
    pub fn confirm_verification(&mut self, producer_id: i64, guard: u64) -> bool {
        match self.verifications.get_mut(&producer_id) {
            Some(verification) if verification.guard == guard => {
                verification.verified = true;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Forgets producers that have been idle too long and have no transaction open.
    pub fn expire(&mut self, now_ms: i64, expiration_ms: i64) {
        let idle = |timestamp: i64| now_ms.saturating_sub(timestamp) >= expiration_ms;
        self.entries
            .retain(|_, entry| entry.transaction_first_offset.is_some() || !idle(entry.last_timestamp));
        self.verifications.retain(|_, verification| !idle(verification.since_ms));
    }

    /// Keeps at most `most` producers: the longest idle go, a tenth at a time so that this stays rare.
    pub fn bound(&mut self, most: u32) {
        let most = most as usize;
        if self.entries.len() <= most {
            return;
        }
        let mut idle: Vec<(i64, i64)> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.transaction_first_offset.is_none())
            .map(|(id, entry)| (entry.last_timestamp, *id))
            .collect();
        idle.sort_unstable();
        let surplus = self.entries.len() - most + most / 10;
        for (_, producer_id) in idle.into_iter().take(surplus) {
            self.entries.remove(&producer_id);
        }
    }

    /// For DescribeProducers, by producer id.
    pub fn describe(&self) -> Vec<ActiveProducer> {
        let mut producers: Vec<ActiveProducer> = self
            .entries
            .iter()
            .map(|(producer_id, entry)| ActiveProducer {
                producer_id: *producer_id,
                producer_epoch: entry.epoch,
                last_sequence: entry.last_sequence(),
                last_timestamp: entry.last_timestamp,
                coordinator_epoch: entry.coordinator_epoch,
                current_transaction_start_offset: entry.transaction_first_offset.unwrap_or(-1),
            })
            .collect();
        producers.sort_unstable_by_key(|producer| producer.producer_id);
        producers
    }

    fn duplicate_of(&self, header: &BatchHeader) -> Option<BatchMetadata> {
        let entry = self.entries.get(&header.producer_id)?;
        if entry.epoch != header.producer_epoch {
            return None;
        }
        let same = |batch: &&BatchMetadata| {
            batch.first_sequence() == header.base_sequence && batch.last_sequence == header.last_sequence()
        };
        entry.batches().iter().find(same).copied()
    }

    /// A transaction's first write must have been confirmed by its coordinator; if not, starts the asking.
    fn check_verified(&mut self, header: &BatchHeader, now_ms: i64) -> Result<(), AppendRefused> {
        if !header.is_transactional()
            || header.is_control()
            || self.is_in_open_transaction(header.producer_id, header.producer_epoch)
        {
            return Ok(());
        }
        let first = FirstWrite {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
        };
        let verification = self.verification(first, now_ms);
        if verification.verified {
            Ok(())
        } else {
            Err(AppendRefused::NeedsVerification { guard: verification.guard })
        }
    }

    /// What is known of a transaction that has not written here, from now on.
    fn verification(&mut self, first: FirstWrite, now_ms: i64) -> Verification {
        let fresh = Verification {
            guard: self.next_guard,
            epoch: first.producer_epoch,
            lowest_sequence: first.base_sequence,
            verified: false,
            since_ms: now_ms,
        };
        if self.verifications.len() >= VERIFICATIONS_KEPT
            && !self.verifications.contains_key(&first.producer_id)
        {
            // Whoever has waited longest asks again.
            let oldest = self.verifications.iter().min_by_key(|(_, one)| one.guard).map(|(id, _)| *id);
            if let Some(producer_id) = oldest {
                self.verifications.remove(&producer_id);
            }
        }
        let verification = self.verifications.entry(first.producer_id).or_insert(fresh);
        if verification.epoch != first.producer_epoch {
            *verification = fresh;
        }
        if verification.guard == fresh.guard {
            self.next_guard += 1;
        }
        verification.lowest_sequence = verification.lowest_sequence.min(first.base_sequence);
        *verification
    }
}

/// Where a batch comes from, for these checks: replication (and recovery) believes what the leader has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Client,
    Coordinator,
    /// See [`AppendOrigin::LaterMarker`].
    LaterMarker,
    Replication,
}

impl From<AppendOrigin> for Origin {
    fn from(origin: AppendOrigin) -> Origin {
        match origin {
            AppendOrigin::Client => Origin::Client,
            AppendOrigin::Coordinator => Origin::Coordinator,
            AppendOrigin::LaterMarker => Origin::LaterMarker,
            AppendOrigin::RaftLeader => Origin::Replication,
        }
    }
}

/// One producer's entry after one more batch.
fn advance(
    mut entry: ProducerEntry,
    batch: &IncomingBatch<'_>,
    origin: Origin,
    verification: Option<Verification>,
) -> Result<(ProducerEntry, Option<CompletedTransaction>), AppendRefused> {
    let header = batch.header;
    check_epoch(&entry, header, origin)?;
    if header.is_control() {
        // A control batch without a marker is one whose transaction was compacted away.
        let Some(marker) = batch.marker else { return Ok((entry, None)) };
        let completed = end_transaction(&mut entry, batch, marker, origin)?;
        return Ok((entry, completed));
    }
    if origin == Origin::Client {
        check_sequence(&entry, header, verification)?;
    }
    entry.enter_epoch(header.producer_epoch);
    entry.push(BatchMetadata {
        last_sequence: header.last_sequence(),
        last_offset: batch.last_offset(),
        offset_delta: header.last_offset_delta,
        timestamp: header.max_timestamp,
    });
    entry.last_timestamp = header.max_timestamp;
    match (entry.transaction_first_offset, header.is_transactional()) {
        (Some(_), false) if origin != Origin::Replication => {
            return Err(AppendRefused::InvalidTransactionState("a plain batch inside an open transaction"));
        }
        (None, true) => entry.transaction_first_offset = Some(batch.base_offset),
        (Some(_) | None, true | false) => {}
    }
    Ok((entry, None))
}

fn check_epoch(entry: &ProducerEntry, header: &BatchHeader, origin: Origin) -> Result<(), AppendRefused> {
    if header.producer_epoch < entry.epoch && origin != Origin::Replication {
        return Err(AppendRefused::InvalidProducerEpoch {
            producer_id: header.producer_id,
            current: entry.epoch,
            found: header.producer_epoch,
        });
    }
    Ok(())
}

fn check_sequence(
    entry: &ProducerEntry,
    header: &BatchHeader,
    verification: Option<Verification>,
) -> Result<(), AppendRefused> {
    let refuse = |expected: i32| {
        Err(AppendRefused::OutOfOrderSequence {
            producer_id: header.producer_id,
            expected,
            found: header.base_sequence,
        })
    };
    if let Some(verification) = verification.filter(|asked| asked.epoch == header.producer_epoch)
        && header.base_sequence > verification.lowest_sequence
    {
        return refuse(verification.lowest_sequence);
    }
    // A producer nobody remembers (new, expired, or its records deleted) may go on from anywhere (KIP-360).
    if entry.epoch == NO_PRODUCER_EPOCH {
        return Ok(());
    }
    if header.producer_epoch != entry.epoch {
        return if header.base_sequence == 0 { Ok(()) } else { refuse(0) };
    }
    let expected = match entry.last_sequence() {
        i32::MAX => 0,
        last => last + 1,
    };
    if header.base_sequence == expected { Ok(()) } else { refuse(expected) }
}

fn end_transaction(
    entry: &mut ProducerEntry,
    batch: &IncomingBatch<'_>,
    marker: EndTransactionMarker,
    origin: Origin,
) -> Result<Option<CompletedTransaction>, AppendRefused> {
    if entry.coordinator_epoch > marker.coordinator_epoch && origin != Origin::Replication {
        return Err(AppendRefused::TransactionCoordinatorFenced {
            current: entry.coordinator_epoch,
            found: marker.coordinator_epoch,
        });
    }
    let header = batch.header;
    let ends_its_own = entry.transaction_first_offset.is_some() && header.producer_epoch == entry.epoch;
    // Epochs that are used up are ended by their own.
    if origin == Origin::LaterMarker && ends_its_own && header.producer_epoch != i16::MAX {
        let (producer_id, current) = (header.producer_id, entry.epoch);
        return Err(AppendRefused::InvalidProducerEpoch { producer_id, current, found: current });
    }
    let completed = entry.transaction_first_offset.take().map(|first_offset| CompletedTransaction {
        producer_id: batch.header.producer_id,
        first_offset,
        last_offset: batch.base_offset,
        aborted: !marker.commit,
    });
    entry.enter_epoch(batch.header.producer_epoch);
    entry.coordinator_epoch = marker.coordinator_epoch;
    entry.last_timestamp = batch.header.max_timestamp;
    Ok(completed)
}

#[cfg(test)]
mod tests;
