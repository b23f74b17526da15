use std::collections::{BTreeMap, BTreeSet};

use wire::random::SplitMix64;
use wire::{ErrorCode, Str};

use super::*;

const SETTINGS: ShareSettings = ShareSettings {
    lock_duration_ms: 30,
    delivery_count_limit: 5,
    max_record_locks: 200,
    allows_renewal: true,
    has_dead_letters: false,
};

const WITH_QUEUE: ShareSettings = ShareSettings { has_dead_letters: true, ..SETTINGS };

fn empty() -> SharePartition {
    loaded(0, &[])
}

fn loaded(start_offset: i64, batches: &[(i64, i64, StoredState, i16)]) -> SharePartition {
    let batch = |&(first_offset, last_offset, state, delivery_count): &(i64, i64, StoredState, i16)| {
        StoredBatch { first_offset, last_offset, state, delivery_count }
    };
    let stored = Stored { state_epoch: 0, start_offset, batches: batches.iter().map(batch).collect() };
    SharePartition::new(&stored).expect("the state is sound")
}

/// What a member gets of batches of ten records: `(first, last, count)`.
fn take(partition: &mut SharePartition, now_ms: i64, member: &str, most: i64) -> Vec<(i64, i64, i16)> {
    take_as(partition, now_ms, member, most, AcquireMode::BatchOptimized)
}

fn take_as(
    partition: &mut SharePartition,
    now_ms: i64,
    member: &str,
    most: i64,
    mode: AcquireMode,
) -> Vec<(i64, i64, i16)> {
    let Some(from) = partition.readable_from(&SETTINGS) else { return Vec::new() };
    let log: Vec<(i64, i64)> = (0..100).map(|n| (n * 10, n * 10 + 9)).collect();
    let read: Vec<(i64, i64)> = log.into_iter().filter(|(_, last)| *last >= from).take(5).collect();
    give(partition, now_ms, member, most, mode, from, &read)
}

fn give(
    partition: &mut SharePartition,
    now_ms: i64,
    member: &str,
    most: i64,
    mode: AcquireMode,
    fetch_offset: i64,
    batches: &[(i64, i64)],
) -> Vec<(i64, i64, i16)> {
    let member = Str::from(member);
    let ask = Acquisition {
        member: &member,
        mode,
        batch_size: 1_000,
        max_records: most,
        fetch_offset,
        batches,
        aborted: &[],
    };
    let given = partition.acquire(now_ms, &SETTINGS, &ask);
    given.iter().map(|given| (given.first_offset, given.last_offset, given.delivery_count)).collect()
}

fn say(
    partition: &mut SharePartition,
    member: &str,
    (first_offset, last_offset): (i64, i64),
    types: &[i8],
) -> Result<Option<u64>, ErrorCode> {
    let batches = [AcknowledgementBatch { first_offset, last_offset, types: types.to_vec() }];
    partition.acknowledge(1, &SETTINGS, &Str::from(member), &batches).map_err(|refused| refused.error)
}

/// Stores what is to be stored.
fn store(partition: &mut SharePartition, now_ms: i64, is_stored: bool) -> Vec<(i64, i64, i8, i16)> {
    store_as(partition, now_ms, is_stored, &SETTINGS)
}

fn store_as(
    partition: &mut SharePartition,
    now_ms: i64,
    is_stored: bool,
    settings: &ShareSettings,
) -> Vec<(i64, i64, i8, i16)> {
    let Some(write) = partition.take_write() else { return Vec::new() };
    partition.written(now_ms, write.id, is_stored, settings);
    let of = |batch: &StoredBatch| {
        (batch.first_offset, batch.last_offset, batch.state.code(), batch.delivery_count)
    };
    write.batches.iter().map(of).collect()
}

#[test]
fn what_one_holds_no_other_gets_and_what_is_accepted_is_done_with() {
    let mut partition = empty();
    assert_eq!(take(&mut partition, 0, "a", 10), [(0, 9, 1)]);
    assert_eq!(take(&mut partition, 0, "b", 15), [(10, 29, 1)], "a batch comes whole");
    assert_eq!(say(&mut partition, "b", (0, 9), &[1]), Err(ErrorCode::InvalidRecordState));
    assert_eq!(say(&mut partition, "a", (0, 9), &[1]), Ok(Some(1)));
    assert_eq!(partition.start_offset(), 0, "not before it is stored");
    assert_eq!(say(&mut partition, "a", (0, 9), &[1]), Err(ErrorCode::InvalidRecordState), "on its way");
    assert_eq!(store(&mut partition, 1, true), [(0, 9, 2, 1)]);
    assert_eq!(partition.start_offset(), 10);
    assert_eq!(say(&mut partition, "a", (0, 9), &[1]), Ok(None), "what is past is past");
    assert_eq!(say(&mut partition, "b", (10, 30), &[1]), Err(ErrorCode::InvalidRequest));
    assert_eq!(say(&mut partition, "b", (40, 41), &[1]), Err(ErrorCode::InvalidRequest));
}

#[test]
fn each_record_may_be_answered_by_itself() {
    let mut partition = empty();
    take(&mut partition, 0, "a", 10);
    assert_eq!(say(&mut partition, "a", (0, 3), &[1, 2, 3, 0]), Ok(Some(1)));
    assert_eq!(store(&mut partition, 1, true), [(0, 0, 2, 1), (1, 1, 0, 1), (2, 3, 4, 1)]);
    assert_eq!((partition.start_offset(), partition.readable_from(&SETTINGS)), (1, Some(1)));
    assert_eq!(take(&mut partition, 1, "b", 100), [(1, 1, 2), (10, 49, 1)]);
    assert_eq!(say(&mut partition, "a", (4, 9), &[1]), Ok(Some(2)));
    assert_eq!(say(&mut partition, "a", (4, 9), &[9]), Err(ErrorCode::InvalidRequest));
    assert_eq!(say(&mut partition, "a", (4, 9), &[1, 1]), Err(ErrorCode::InvalidRequest));
}

#[test]
fn an_acknowledgement_counts_as_a_whole_or_not_at_all() {
    let mut partition = empty();
    take(&mut partition, 0, "a", 10);
    take(&mut partition, 0, "b", 10);
    let batch =
        |first_offset, last_offset| AcknowledgementBatch { first_offset, last_offset, types: vec![1] };
    let refused = partition.acknowledge(1, &SETTINGS, &"a".into(), &[batch(0, 9), batch(10, 19)]);
    assert_eq!(refused.map_err(|refused| refused.error), Err(ErrorCode::InvalidRecordState));
    assert!(partition.take_write().is_none());
    let twice = partition.acknowledge(1, &SETTINGS, &"a".into(), &[batch(0, 4), batch(4, 9)]);
    assert!(twice.is_err() && partition.take_write().is_none());
}

#[test]
fn the_limit_of_records_is_strict_where_the_client_says_so() {
    let mut partition = empty();
    let strict = AcquireMode::RecordLimit;
    assert_eq!(take_as(&mut partition, 0, "a", 3, strict), [(0, 2, 1)]);
    assert_eq!(partition.readable_from(&SETTINGS), Some(3));
    assert_eq!(take_as(&mut partition, 0, "b", 4, strict), [(3, 6, 1)]);
    assert_eq!(take_as(&mut partition, 0, "b", 5, strict), [(7, 9, 1), (10, 11, 1)]);
    assert_eq!(say(&mut partition, "a", (0, 2), &[2]), Ok(Some(1)));
    store(&mut partition, 0, true);
    assert_eq!(take_as(&mut partition, 0, "b", 2, strict), [(0, 1, 2)]);
}

#[test]
fn batches_are_cut_where_the_member_wants_them() {
    let (mut partition, member) = (empty(), Str::from("a"));
    let batches = [(0, 4), (5, 9), (10, 14), (15, 19)];
    let ask = Acquisition {
        member: &member,
        mode: AcquireMode::BatchOptimized,
        batch_size: 8,
        max_records: 12,
        fetch_offset: 0,
        batches: &batches,
        aborted: &[],
    };
    let given = partition.acquire(0, &SETTINGS, &ask);
    let ranges: Vec<_> = given.iter().map(|given| (given.first_offset, given.last_offset)).collect();
    assert_eq!(ranges, [(0, 9), (10, 14)]);
}

#[test]
fn a_lock_that_is_over_gives_the_record_to_the_next_one_and_counts() {
    let mut partition = empty();
    take(&mut partition, 0, "a", 10);
    assert_eq!(partition.next_deadline(), Some(30));
    assert!(!partition.release_expired(29, &SETTINGS));
    assert_eq!(say(&mut partition, "a", (0, 4), &[4]), Ok(None), "renewed at 1");
    assert!(partition.release_expired(30, &SETTINGS));
    assert_eq!(partition.next_deadline(), Some(31));
    assert_eq!(store(&mut partition, 30, true), [(5, 9, 0, 1)]);
    assert_eq!(say(&mut partition, "a", (5, 9), &[1]), Err(ErrorCode::InvalidRecordState));
    assert_eq!(take(&mut partition, 30, "b", 5), [(5, 9, 2)]);
}

#[test]
fn what_fails_again_and_again_comes_in_parts_then_alone_and_then_never_again() {
    let mut partition = empty();
    let mut seen = Vec::new();
    for round in 0..40 {
        let now_ms = round * 100;
        partition.release_expired(now_ms, &SETTINGS);
        let given = take(&mut partition, now_ms, "a", 10);
        let of_first = given.iter().filter(|(first, ..)| *first < 10);
        seen.push(of_first.map(|&(first, last, count)| (last - first + 1, count)).collect::<Vec<_>>());
        if partition.start_offset() >= 10 {
            break;
        }
        if given.iter().any(|(first, ..)| *first >= 10) {
            // Others are none of this test's business.
            let last = given.last().map_or(0, |given| given.1);
            say(&mut partition, "a", (10, last), &[1]).expect("held");
        }
        store(&mut partition, now_ms, true);
    }
    assert_eq!(seen[..5], [vec![(10, 1)], vec![(10, 2)], vec![(10, 3)], vec![(5, 4)], vec![(1, 5)]]);
    assert_eq!(partition.start_offset(), 10, "all of them were handed out five times");
}

#[test]
fn a_member_that_goes_leaves_all_that_it_held() {
    let mut partition = empty();
    take(&mut partition, 0, "a", 10);
    take(&mut partition, 0, "b", 10);
    assert_eq!(say(&mut partition, "a", (0, 4), &[1]), Ok(Some(1)));
    assert_eq!(partition.release_member(&SETTINGS, &"a".into()), Some(1));
    assert_eq!(partition.release_member(&SETTINGS, &"a".into()), None);
    assert_eq!(store(&mut partition, 0, true), [(0, 4, 2, 1), (5, 9, 0, 1)]);
    assert_eq!(take(&mut partition, 0, "b", 5), [(5, 9, 2)]);
}

#[test]
fn a_write_at_a_time_and_what_comes_later_counts() {
    let mut partition = empty();
    take(&mut partition, 0, "a", 30);
    assert_eq!(say(&mut partition, "a", (0, 9), &[2]), Ok(Some(1)));
    let first = partition.take_write().expect("something to store");
    assert_eq!((first.id, first.start_offset, first.delivery_complete_count), (1, 0, 0));
    assert_eq!(say(&mut partition, "a", (10, 19), &[1]), Ok(Some(2)));
    assert!(partition.take_write().is_none(), "one at a time");
    assert!(partition.written(1, 1, true, &SETTINGS));
    assert_eq!(take(&mut partition, 1, "b", 10), [(0, 9, 2)]);
    assert_eq!(say(&mut partition, "b", (0, 9), &[1]), Ok(Some(2)));
    let second = partition.take_write().expect("something to store");
    assert_eq!((second.id, second.delivery_complete_count), (2, 20));
    assert_eq!(second.batches.len(), 2, "handed out once and twice: {:?}", second.batches);
    assert!(partition.written(1, 2, true, &SETTINGS));
    assert_eq!(partition.start_offset(), 20);
}

/// KAFKA-18494
#[test]
fn s45_state_with_gaps_begins_again_without_skipping_any() {
    let mut partition = loaded(
        10,
        &[
            (15, 19, StoredState::Acknowledged, 1),
            (25, 29, StoredState::Available, 2),
            (30, 39, StoredState::Archived, 5),
        ],
    );
    assert_eq!((partition.start_offset(), partition.readable_from(&SETTINGS)), (10, Some(10)));
    assert_eq!(take(&mut partition, 0, "a", 100), [(10, 14, 1), (20, 24, 1), (25, 29, 3), (40, 59, 1)]);
    // A gap that the log has nothing for is passed over.
    let mut compacted = loaded(10, &[(15, 19, StoredState::Acknowledged, 1)]);
    let batches = [(30, 39)];
    assert_eq!(give(&mut compacted, 0, "a", 9, AcquireMode::BatchOptimized, 10, &batches), [(30, 39, 1)]);
    assert_eq!(compacted.start_offset(), 30);
}

/// KAFKA-19476
#[test]
fn s45_a_lock_that_ends_while_its_write_fails_is_over() {
    let mut partition = empty();
    take(&mut partition, 0, "a", 10);
    assert_eq!(say(&mut partition, "a", (0, 9), &[1]), Ok(Some(1)));
    let write = partition.take_write().expect("something to store");
    assert!(!partition.release_expired(31, &SETTINGS), "it waits for the outcome");
    assert!(partition.written(31, write.id, false, &SETTINGS), "there is more to be had");
    assert_eq!(take(&mut partition, 31, "b", 10), [(0, 9, 2)]);
    // One that fails in time leaves its records where they were.
    assert_eq!(say(&mut partition, "b", (0, 9), &[1]), Ok(Some(2)));
    store(&mut partition, 32, false);
    assert_eq!(say(&mut partition, "b", (0, 9), &[1]), Ok(Some(3)));
    store(&mut partition, 33, true);
    assert_eq!(partition.start_offset(), 10);
}

/// KAFKA-17210
#[test]
fn s45_fetches_side_by_side_all_come_to_an_end() {
    let mut partition = empty();
    let both = [(0, 9), (10, 19)];
    let optimized = AcquireMode::BatchOptimized;
    assert_eq!(give(&mut partition, 0, "a", 10, optimized, 0, &both[..1]), [(0, 9, 1)]);
    assert_eq!(give(&mut partition, 0, "b", 10, optimized, 0, &both), [(10, 19, 1)]);
    assert_eq!(give(&mut partition, 0, "c", 10, optimized, 0, &both), []);
    assert_eq!(say(&mut partition, "a", (0, 9), &[1]), Ok(Some(1)));
    assert_eq!(say(&mut partition, "b", (10, 19), &[1]), Ok(Some(1)));
    store(&mut partition, 0, true);
    // Read before, acquired after all of it was done with.
    assert_eq!(give(&mut partition, 0, "c", 10, optimized, 0, &both), []);
    assert_eq!(partition.readable_from(&SETTINGS), Some(20));
}

#[test]
fn only_so_many_are_in_flight() {
    let mut partition = empty();
    for _ in 0..4 {
        take(&mut partition, 0, "a", 50);
    }
    assert_eq!(partition.readable_from(&SETTINGS), None);
    assert_eq!(say(&mut partition, "a", (100, 109), &[2]), Ok(Some(1)));
    store(&mut partition, 0, true);
    assert_eq!(partition.readable_from(&SETTINGS), Some(100));
    assert_eq!(take(&mut partition, 0, "b", 50), [(100, 109, 2)], "what came back, and nothing new");
}

#[test]
fn a_log_that_begins_later_takes_its_records_with_it() {
    let mut partition = empty();
    take(&mut partition, 0, "a", 20);
    assert_eq!(say(&mut partition, "a", (0, 9), &[1]), Ok(Some(1)));
    assert!(partition.log_starts_at(15));
    assert_eq!(store(&mut partition, 0, true), []);
    assert_eq!(partition.start_offset(), 15);
    assert_eq!(say(&mut partition, "a", (10, 19), &[1]), Ok(Some(1)));
    assert_eq!(store(&mut partition, 0, true), [(15, 19, 2, 1)]);
    assert!(partition.log_starts_at(500));
    assert_eq!((partition.start_offset(), partition.readable_from(&SETTINGS)), (500, Some(500)));
}

#[test]
fn what_was_aborted_nobody_gets() {
    let (mut partition, member) = (empty(), Str::from("a"));
    let batches = [(0, 4), (5, 9), (10, 10), (11, 14)];
    let ask = Acquisition {
        member: &member,
        mode: AcquireMode::BatchOptimized,
        batch_size: 100,
        max_records: 100,
        fetch_offset: 0,
        batches: &batches,
        aborted: &[(0, 4), (11, 14)],
    };
    let given = partition.acquire(0, &SETTINGS, &ask);
    let ranges: Vec<_> = given.iter().map(|given| (given.first_offset, given.last_offset)).collect();
    assert_eq!((ranges, partition.start_offset()), (vec![(5, 10)], 5));
}

#[test]
fn state_that_contradicts_itself_is_no_state() {
    let batch = |first_offset, last_offset| StoredBatch {
        first_offset,
        last_offset,
        state: StoredState::Available,
        delivery_count: 1,
    };
    for batches in [vec![batch(5, 9)], vec![batch(12, 11)], vec![batch(10, 15), batch(15, 16)]] {
        let stored = Stored { state_epoch: 0, start_offset: 10, batches };
        assert!(SharePartition::new(&stored).is_err());
    }
}

fn reject(partition: &mut SharePartition, range: (i64, i64)) -> Option<u64> {
    let batches = [AcknowledgementBatch { first_offset: range.0, last_offset: range.1, types: vec![3] }];
    partition.acknowledge(1, &WITH_QUEUE, &Str::from("a"), &batches).expect("it is held")
}

#[test]
fn what_is_rejected_goes_to_the_queue_once_that_is_stored_and_is_done_with_once_it_is_there() {
    let mut partition = empty();
    take(&mut partition, 0, "a", 10);
    assert_eq!(reject(&mut partition, (0, 4)), Some(1));
    assert_eq!(partition.take_dead_letters(&WITH_QUEUE), []);
    assert_eq!(store(&mut partition, 1, true), [(0, 4, 3, 1)]);
    let letters = partition.take_dead_letters(&WITH_QUEUE);
    let expected = DeadLetters { first_offset: 0, last_offset: 4, delivery_count: 1, cause: Cause::Rejected };
    assert_eq!(letters, [expected]);
    assert_eq!(partition.take_dead_letters(&WITH_QUEUE), [], "they are on their way");
    assert_eq!(partition.start_offset(), 0, "and not there yet");
    assert!(partition.is_busy());
    assert!(partition.dead_lettered());
    assert_eq!(partition.start_offset(), 5);
    assert_eq!(store(&mut partition, 1, true), [(0, 4, 4, 1)]);
}

#[test]
fn a_lock_that_ends_once_too_often_is_stored_before_the_queue_is_written() {
    let mut partition = loaded(0, &[(0, 9, StoredState::Available, 4)]);
    assert_eq!(take(&mut partition, 0, "a", 10), [(0, 0, 5)], "alone, the last time");
    partition.release_expired(31, &WITH_QUEUE);
    assert_eq!(partition.take_dead_letters(&WITH_QUEUE), [], "not before it is stored");
    assert_eq!(store_as(&mut partition, 31, false, &WITH_QUEUE), [(0, 0, 3, 5)]);
    assert_eq!(partition.take_dead_letters(&WITH_QUEUE), [], "it is not: said again");
    assert_eq!(store_as(&mut partition, 31, true, &WITH_QUEUE), [(0, 0, 3, 5)]);
    assert_eq!(partition.take_dead_letters(&WITH_QUEUE)[0].cause, Cause::TooOften);
}

#[test]
fn another_leader_goes_on_with_the_queue_and_without_a_queue_nothing_waits() {
    let mut partition = loaded(0, &[(0, 3, StoredState::Archiving, 2), (4, 9, StoredState::Available, 1)]);
    assert_eq!(partition.start_offset(), 0);
    assert_eq!(partition.take_dead_letters(&WITH_QUEUE)[0].last_offset, 3);
    let mut partition = loaded(0, &[(0, 3, StoredState::Archiving, 2), (4, 9, StoredState::Available, 1)]);
    assert_eq!(partition.take_dead_letters(&SETTINGS), []);
    assert_eq!(partition.start_offset(), 4);
}

/// Three members that take, answer, fall silent and go; writes that fail; leaders that are killed and read what was stored. Nobody holds
/// what another holds, nothing that was accepted comes again, each record is handed out as often as its count says, and in the end all are
/// done with.
#[test]
fn s45_locks_are_exclusive_and_nothing_accepted_comes_again() {
    for seed in 0..300 {
        Walk::new(seed, SETTINGS).run();
    }
}

/// The same with a dead-letter queue, whose writes are under way when leaders are killed: what is in the queue nobody gets again, and in the
/// end each record was accepted or is in the queue.
#[test]
fn what_is_in_the_dead_letter_queue_nobody_gets_and_nothing_is_lost_on_the_way() {
    for seed in 0..300 {
        Walk::new(seed, WITH_QUEUE).run();
    }
}

struct Walk {
    random: SplitMix64,
    settings: ShareSettings,
    queue: BTreeSet<i64>,
    /// Under way to the queue.
    leaving: Vec<DeadLetters>,
    partition: SharePartition,
    /// By record: what the store says, and whether the leader has said yes to an acceptance.
    stored: BTreeMap<i64, (StoredState, i16)>,
    stored_start: i64,
    accepted: BTreeMap<i64, bool>,
    holders: BTreeMap<i64, (usize, i64)>,
    waiting: Vec<(u64, Vec<i64>)>,
    now_ms: i64,
}

const MEMBERS: [&str; 3] = ["a", "b", "c"];
const RECORDS: i64 = 60;

impl Walk {
    fn new(seed: u64, settings: ShareSettings) -> Walk {
        Walk {
            random: SplitMix64::new(seed),
            settings,
            queue: BTreeSet::new(),
            leaving: Vec::new(),
            partition: empty(),
            stored: BTreeMap::new(),
            stored_start: 0,
            accepted: BTreeMap::new(),
            holders: BTreeMap::new(),
            waiting: Vec::new(),
            now_ms: 0,
        }
    }

    fn below(&mut self, most: u64) -> u64 {
        self.random.next_u64() % most
    }

    fn run(mut self) {
        for _ in 0..400 {
            self.now_ms += i64::try_from(self.below(5)).unwrap_or(0);
            self.partition.release_expired(self.now_ms, &self.settings);
            let member = usize::try_from(self.below(3)).unwrap_or(0);
            match self.below(14) {
                12 => self.send(),
                13 => self.sent(),
                0..4 => self.take(member),
                4..8 => self.answer(member),
                8 => drop(self.partition.release_member(&self.settings, &MEMBERS[member].into())),
                9 => self.crash(),
                _ => {
                    let is_stored = self.below(4) > 0;
                    self.store(is_stored);
                }
            }
        }
        for _ in 0..400 {
            self.now_ms += 100;
            self.partition.release_expired(self.now_ms, &self.settings);
            self.store(true);
            self.send();
            self.sent();
            self.take(0);
        }
        let start = self.partition.start_offset();
        assert_eq!(start, RECORDS, "all records come to an end");
        for offset in (0..RECORDS).filter(|_| self.settings.has_dead_letters) {
            let is_accepted =
                self.stored.get(&offset).is_some_and(|(state, _)| *state == StoredState::Acknowledged);
            assert!(is_accepted || self.queue.contains(&offset), "{offset} is lost");
        }
    }

    fn take(&mut self, member: usize) {
        let mode = if self.below(2) == 0 { AcquireMode::RecordLimit } else { AcquireMode::BatchOptimized };
        let most = i64::try_from(self.below(12) + 1).unwrap_or(1);
        let Some(from) = self.partition.readable_from(&self.settings) else { return };
        let batches: Vec<(i64, i64)> =
            (0..RECORDS / 6).map(|n| (n * 6, n * 6 + 5)).filter(|(_, last)| *last >= from).take(4).collect();
        for (first, last, count) in
            give(&mut self.partition, self.now_ms, MEMBERS[member], most, mode, from, &batches)
        {
            for offset in first..=last {
                assert_ne!(self.accepted.get(&offset), Some(&true), "{offset} was accepted and comes again");
                assert!(!self.queue.contains(&offset), "{offset} is in the queue and comes again");
                if let Some(&(holder, until_ms)) = self.holders.get(&offset) {
                    let is_free = until_ms <= self.now_ms || holder == usize::MAX;
                    assert!(is_free, "{offset} is held by {holder}");
                }
                assert!(count <= SETTINGS.delivery_count_limit);
                self.holders.insert(offset, (member, self.now_ms + SETTINGS.lock_duration_ms));
            }
        }
    }

    fn answer(&mut self, member: usize) {
        let now_ms = self.now_ms;
        let mine: Vec<i64> = self
            .holders
            .iter()
            .filter(|(_, (holder, until_ms))| *holder == member && *until_ms > now_ms)
            .map(|(offset, _)| *offset)
            .collect();
        let Some(&offset) = mine.get(usize::try_from(self.below(mine.len().max(1) as u64)).unwrap_or(0))
        else {
            return;
        };
        let kind = [1, 1, 2, 3][usize::try_from(self.below(4)).unwrap_or(0)];
        let batches = [AcknowledgementBatch { first_offset: offset, last_offset: offset, types: vec![kind] }];
        if let Ok(Some(write)) =
            self.partition.acknowledge(now_ms, &self.settings, &MEMBERS[member].into(), &batches)
            && kind == 1
        {
            self.waiting.push((write, vec![offset]));
        }
    }

    fn store(&mut self, is_stored: bool) {
        let Some(write) = self.partition.take_write() else { return };
        if is_stored {
            self.stored_start = self.stored_start.max(write.start_offset);
            for batch in &write.batches {
                for offset in batch.first_offset..=batch.last_offset {
                    self.stored.insert(offset, (batch.state, batch.delivery_count));
                    self.holders.insert(offset, (usize::MAX, 0));
                }
            }
        }
        self.partition.written(self.now_ms, write.id, is_stored, &self.settings);
        let (done, waiting) = self.waiting.drain(..).partition(|(id, _)| *id == write.id);
        self.waiting = waiting;
        let done: Vec<(u64, Vec<i64>)> = done;
        if is_stored {
            self.accepted
                .extend(done.into_iter().flat_map(|(_, offsets)| offsets).map(|offset| (offset, true)));
        }
    }

    fn send(&mut self) {
        self.leaving.extend(self.partition.take_dead_letters(&self.settings));
    }

    fn sent(&mut self) {
        if self.leaving.is_empty() {
            return;
        }
        let written = self.leaving.drain(..).flat_map(|letters| letters.first_offset..=letters.last_offset);
        self.queue.extend(written);
        self.partition.dead_lettered();
    }

    /// Another leader reads what is stored. What was on its way to the queue may have come there.
    fn crash(&mut self) {
        for letters in std::mem::take(&mut self.leaving) {
            if self.below(2) == 0 {
                self.queue.extend(letters.first_offset..=letters.last_offset);
            }
        }
        let start = self.stored_start;
        let batches: Vec<_> = self
            .stored
            .range(start..)
            .map(|(&offset, &(state, count))| (offset, offset, state, count))
            .collect();
        self.partition = loaded(start, &batches);
        self.waiting.clear();
        self.holders.values_mut().for_each(|holder| *holder = (usize::MAX, 0));
    }
}
