//! Group commit: one sync of a log covers everything that was appended to it while its last one ran (`log.flush.ack` says
//! who waits for it). Several logs of a directory are synced at once, for the kernel makes one request of what their syncs
//! want of the device; one log is never synced twice at once. Owns the list of dirty logs and their order; the blocking
//! part are jobs for the rim's pool.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use log::{FlushOutcome, FlushWork};
use parking_lot::Mutex;
use wire::topic::TopicIdPartition;

use crate::limits::{HEAVY_SYNCS_BESIDE_LIGHT, SYNCS_AT_ONCE};
use crate::views::PartitionCell;

/// A log whose tail is not on the platter.
pub(crate) struct DirtyLog {
    pub directory: usize,
    pub cell: Arc<PartitionCell>,
    pub work: FlushWork,
}

impl DirtyLog {
    /// The newer of two works of one log, for both. Which came first says nothing: a turn's effects are carried out after it, and
    /// those of the next turn may overtake them.
    fn joined(self, other: Option<DirtyLog>) -> DirtyLog {
        let Some(other) = other else { return self };
        let self_is_newer = self.work.is_newer_than(&other.work);
        let (mut newer, older) = if self_is_newer { (self, other) } else { (other, self) };
        newer.work.replaces(&older.work);
        newer
    }
}

/// A log that owes less, and no names, is light: one record here and there, a coordinator's commits. Its sync is a few blocks, and
/// takes as long as those that the device has before it.
const LIGHT_BYTES: u64 = 8 << 10;

/// So many heavy logs in a row, and light ones are not expected soon.
const EXPECTED_WITHIN: u64 = 64;

/// So often a job takes the log that has waited longest, whatever it owes: many light ones do not keep a heavy one waiting for ever.
const OLDEST_EVERY: u64 = 4;

/// The flusher of one log directory.
#[derive(Default)]
pub(crate) struct Flusher {
    state: Mutex<Line>,
}

/// In which order logs came.
type Arrival = u64;

#[derive(Default)]
struct Line {
    /// Longest waiting first.
    waiting: BTreeMap<Arrival, DirtyLog>,
    places: BTreeMap<TopicIdPartition, Arrival>,
    /// All that wait, by what they owe the disk.
    lightest: BTreeSet<(Weight, Arrival)>,
    /// Those of them whose names have to become durable, too.
    with_names: BTreeSet<Arrival>,
    /// Being synced, or synced and on the way to their shard.
    busy: BTreeMap<TopicIdPartition, Busy>,
    /// Those of them that are heavy.
    heavy: usize,
    arrivals: Arrival,
    takes: u64,
    /// Heavy logs that may still be taken before light ones are no more expected.
    light_expected: u64,
    /// Jobs that are out; each goes on until nothing is left to take.
    jobs: usize,
    /// Those of them that have not asked for anything yet.
    coming: usize,
}

/// Light before heavy, and within each the magnitude: twice as much is another weight, a little more is not.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Weight {
    heavy: bool,
    magnitude: u32,
}

struct Busy {
    heavy: bool,
    /// Its newest work since.
    again: Option<DirtyLog>,
}

/// What a job does next.
pub(crate) struct Share {
    /// None: the job is over.
    pub logs: Vec<DirtyLog>,
    /// Jobs that the caller has to send on their way.
    pub more_jobs: usize,
}

impl Share {
    /// Blocks until the disk confirms.
    pub fn sync(self) -> Vec<(Arc<PartitionCell>, FlushOutcome)> {
        let (cells, works): (Vec<_>, Vec<_>) =
            self.logs.into_iter().map(|dirty| (dirty.cell, dirty.work)).unzip();
        cells.into_iter().zip(FlushWork::run_all(&works)).collect()
    }
}

fn weight(dirty: &DirtyLog) -> Weight {
    let owed = dirty.work.owed_bytes();
    let heavy = owed >= LIGHT_BYTES || dirty.work.makes_names();
    Weight { heavy, magnitude: owed.checked_ilog2().unwrap_or(0) }
}

impl Line {
    fn put(&mut self, arrival: Arrival, dirty: DirtyLog) {
        self.lightest.insert((weight(&dirty), arrival));
        if dirty.work.makes_names() {
            self.with_names.insert(arrival);
        }
        self.places.insert(dirty.cell.key, arrival);
        self.waiting.insert(arrival, dirty);
    }

    fn put_last(&mut self, dirty: DirtyLog) {
        self.arrivals += 1;
        self.put(self.arrivals, dirty);
    }

    fn remove(&mut self, arrival: Arrival) -> Option<DirtyLog> {
        let dirty = self.waiting.remove(&arrival)?;
        self.places.remove(&dirty.cell.key);
        self.lightest.remove(&(weight(&dirty), arrival));
        self.with_names.remove(&arrival);
        Some(dirty)
    }

    /// Heavy logs at once. Those that a light one finds at the device are what it waits for: where light ones come, these are few.
    fn heavy_most(&self) -> usize {
        if self.light_expected > 0 { HEAVY_SYNCS_BESIDE_LIGHT } else { SYNCS_AT_ONCE }
    }

    fn light_waits(&self) -> bool {
        self.lightest.first().is_some_and(|(weight, _)| !weight.heavy)
    }

    /// Sends as many jobs on their way as there is something to do for, beside those that are out.
    fn send_jobs(&mut self) -> usize {
        let most = if self.light_waits() { SYNCS_AT_ONCE } else { self.heavy_most() };
        let more = most.saturating_sub(self.jobs).min(self.waiting.len().saturating_sub(self.coming));
        self.jobs += more;
        self.coming += more;
        more
    }

    fn choose(&self) -> Option<Arrival> {
        let may_be_heavy = self.heavy < self.heavy_most();
        match self.waiting.first_key_value() {
            Some((oldest, _)) if may_be_heavy && self.takes.is_multiple_of(OLDEST_EVERY) => Some(*oldest),
            Some(_) | None => {
                let (weight, lightest) = self.lightest.first()?;
                (may_be_heavy || !weight.heavy).then_some(*lightest)
            }
        }
    }

    /// One log, so that its acks leave as soon as it is safe: the one that owes least, now and then the one that has waited longest.
    /// If it has new names, a share of all such logs, for the directory that they lie in is synced once for all.
    fn take(&mut self) -> Vec<DirtyLog> {
        self.takes += 1;
        let Some(first) = self.choose() else { return Vec::new() };
        let mut arrivals = vec![first];
        if self.with_names.contains(&first) {
            let others = self.with_names.len().div_ceil(SYNCS_AT_ONCE) - 1;
            arrivals.extend(self.with_names.iter().filter(|&&other| other != first).take(others));
        }
        let taken: Vec<DirtyLog> = arrivals.into_iter().filter_map(|arrival| self.remove(arrival)).collect();
        for dirty in &taken {
            let heavy = weight(dirty).heavy;
            self.heavy += usize::from(heavy);
            self.light_expected = if heavy { self.light_expected.saturating_sub(1) } else { EXPECTED_WITHIN };
            self.busy.insert(dirty.cell.key, Busy { heavy, again: None });
        }
        taken
    }
}

impl Flusher {
    /// Adds a log; the newest work of a log covers its older ones. Answers how many jobs the caller has to send on their way.
    pub fn add(&self, dirty: DirtyLog) -> usize {
        let mut state = self.state.lock();
        let key = dirty.cell.key;
        if let Some(busy) = state.busy.get_mut(&key) {
            // It comes into the line when its shard has heard of the sync that is under way.
            busy.again = Some(dirty.joined(busy.again.take()));
            return 0;
        }
        if let Some(arrival) = state.places.get(&key).copied() {
            let dirty = dirty.joined(state.remove(arrival));
            state.put(arrival, dirty);
            return 0;
        }
        state.put_last(dirty);
        state.send_jobs()
    }

    /// What a job has to sync next; `done` are those that it synced just before, whose shards have heard of it: none at
    /// its beginning.
    pub fn next(&self, done: &[TopicIdPartition]) -> Share {
        let mut state = self.state.lock();
        if done.is_empty() {
            state.coming -= 1;
        }
        for key in done {
            let Some(busy) = state.busy.remove(key) else { continue };
            state.heavy -= usize::from(busy.heavy);
            if let Some(dirty) = busy.again {
                state.put_last(dirty);
            }
        }
        let logs = state.take();
        if logs.is_empty() {
            state.jobs -= 1;
            return Share { logs, more_jobs: 0 };
        }
        let more_jobs = state.send_jobs();
        Share { logs, more_jobs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::{AppendOrigin, Disk, Log, LogConfig, SimDisk};
    use wire::Uuid;
    use wire::record_batch::{BatchAttributes, RecordBatchBuilder, validate_internal};

    struct Logs {
        disk: Arc<dyn Disk>,
        logs: BTreeMap<i32, (Log, Arc<PartitionCell>)>,
    }

    impl Logs {
        fn new() -> Logs {
            let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
            disk.create_directory("/data".as_ref()).unwrap();
            Logs { disk, logs: BTreeMap::new() }
        }

        /// Appends a record of so many bytes.
        fn append(&mut self, partition: i32, bytes: usize) -> DirtyLog {
            let (log, cell) = self.logs.entry(partition).or_insert_with(|| {
                let directory = format!("/data/t-{partition}").into();
                let cell = PartitionCell::new(TopicIdPartition { topic_id: Uuid([7; 16]), partition }, 1);
                let config = Arc::new(LogConfig::default());
                (Log::unwritten(self.disk.clone(), directory, config, Uuid([7; 16])), Arc::new(cell))
            });
            let mut builder = RecordBatchBuilder::new(BatchAttributes::default());
            builder.append(1, None, Some(&vec![0; bytes]), &[]);
            let batches = validate_internal(builder.build()).unwrap();
            log.append_as_leader(&batches, 0, AppendOrigin::Client, 1).unwrap();
            DirtyLog { directory: 0, cell: Arc::clone(cell), work: log.dirty().unwrap() }
        }

        /// Appends, and has the names made durable, so that all that comes is bytes.
        fn named(&mut self, partition: i32) {
            let outcome = self.append(partition, 1).work.run();
            let (log, _) = self.logs.get_mut(&partition).unwrap();
            log.flushed(&outcome).unwrap();
        }
    }

    fn partitions(share: &Share) -> Vec<i32> {
        share.logs.iter().map(|dirty| dirty.cell.key.partition).collect()
    }

    fn keys(share: &Share) -> Vec<TopicIdPartition> {
        share.logs.iter().map(|dirty| dirty.cell.key).collect()
    }

    /// All that wait, as one job takes them.
    fn drain(flusher: &Flusher) -> Vec<i32> {
        let (mut order, mut done) = (Vec::new(), Vec::new());
        loop {
            let share = flusher.next(&done);
            if share.logs.is_empty() {
                return order;
            }
            order.extend(partitions(&share));
            done = keys(&share);
        }
    }

    #[test]
    fn who_owes_little_goes_first_and_who_owes_much_is_not_forgotten() {
        let (mut logs, flusher) = (Logs::new(), Flusher::default());
        (0..10).for_each(|partition| logs.named(partition));
        for partition in 0..4 {
            assert_eq!(flusher.add(logs.append(partition, 60_000)), 1);
        }
        // One that has appended more and more owes the whole of it, although only its last work is run.
        for bytes in [1000, 30_000, 30_000] {
            flusher.add(logs.append(4, bytes));
        }
        for partition in 5..10 {
            flusher.add(logs.append(partition, 1000));
        }
        assert_eq!(drain(&flusher), [5, 6, 7, 0, 8, 9, 1, 2, 3, 4]);
    }

    #[test]
    fn where_light_logs_come_heavy_ones_leave_the_device_to_them() {
        let (mut logs, flusher) = (Logs::new(), Flusher::default());
        (0..20).for_each(|partition| logs.named(partition));
        let mut add = |partition, bytes| flusher.add(logs.append(partition, bytes));
        assert_eq!((0..8).map(|partition| add(partition, 60_000)).sum::<usize>(), 8);
        let first: Vec<Share> = (0..8).map(|_| flusher.next(&[])).collect();
        assert!(first.iter().all(|share| share.logs.len() == 1 && share.more_jobs == 0));
        assert_eq!((add(8, 60_000), add(9, 60_000), add(19, 100)), (1, 1, 1));
        assert_eq!(partitions(&flusher.next(&[])), [19]);
        // There are eight heavy ones at the device: no more go there before it is one less than may be.
        (0..2).for_each(|_| assert!(flusher.next(&[]).logs.is_empty()));
        let (ending, going_on) = first.split_at(8 - HEAVY_SYNCS_BESIDE_LIGHT);
        assert!(ending.iter().all(|share| flusher.next(&keys(share)).logs.is_empty()));
        let mut share = flusher.next(&keys(&going_on[0]));
        assert_eq!(partitions(&share), [8]);
        // When light ones have not come for long, jobs are called for again.
        for _ in 1..EXPECTED_WITHIN {
            assert_eq!(add(0, 60_000), 0);
            share = flusher.next(&keys(&share));
            assert_eq!((share.logs.len(), share.more_jobs), (1, 0));
        }
        assert_eq!((add(10, 60_000), add(11, 60_000)), (1, 1));
    }

    #[test]
    fn a_work_that_was_overtaken_by_a_newer_one_does_not_take_its_place() {
        let (mut logs, flusher) = (Logs::new(), Flusher::default());
        logs.named(0);
        let ends = |share: &Share| share.logs.iter().map(|dirty| dirty.work.upto).collect::<Vec<_>>();
        let (older, newer) = (logs.append(0, 10), logs.append(0, 10));
        flusher.add(newer);
        flusher.add(older);
        let share = flusher.next(&[]);
        assert_eq!(ends(&share), [3], "while both wait");
        let (older, newer) = (logs.append(0, 10), logs.append(0, 10));
        flusher.add(newer);
        flusher.add(older);
        assert_eq!(ends(&flusher.next(&keys(&share))), [5], "while another one is synced");
    }

    #[test]
    fn the_log_of_a_replica_that_went_and_came_again_is_flushed_although_older_works_are_ahead() {
        let (mut logs, flusher) = (Logs::new(), Flusher::default());
        (0..3).for_each(|_| logs.named(0));
        let old = [logs.append(0, 10), logs.append(0, 10)];
        let (log, _) = logs.logs.get_mut(&0).unwrap();
        let directory = log.directory().to_path_buf();
        let config = Arc::clone(log.config());
        let unwritten = Log::unwritten(Arc::clone(&logs.disk), directory, config, Uuid([7; 16]));
        std::mem::replace(log, unwritten).delete(Uuid([9; 16])).unwrap();
        log.begin_life(1);
        let new = logs.append(0, 10);
        let [running, waiting] = old;
        flusher.add(running);
        let share = flusher.next(&[]);
        flusher.add(new);
        flusher.add(waiting);
        let done = keys(&share);
        let outcomes = share.sync();
        let share = flusher.next(&done);
        let ends: Vec<i64> = share.logs.iter().map(|dirty| dirty.work.upto).collect();
        assert_eq!(ends, [1], "the new log's");
        let (log, _) = logs.logs.get_mut(&0).unwrap();
        log.flushed(&outcomes[0].1).unwrap();
        assert_eq!(log.recovery_point(), 0);
        log.flushed(&share.sync()[0].1).unwrap();
        assert_eq!(log.recovery_point(), 1);
    }

    #[test]
    fn new_names_are_shared_among_as_many_jobs_as_may_be_out() {
        let (mut logs, flusher) = (Logs::new(), Flusher::default());
        let many = 3 * SYNCS_AT_ONCE as i32;
        let jobs: usize = (0..many).map(|partition| flusher.add(logs.append(partition, 10))).sum();
        assert_eq!(jobs, SYNCS_AT_ONCE);
        assert_eq!(partitions(&flusher.next(&[])), [0, 1, 2]);
        assert_eq!(flusher.next(&[]).logs.len(), 3);
    }

    #[test]
    fn a_log_that_is_being_synced_comes_again_once_its_shard_knows_and_calls_for_help_if_there_are_several() {
        let (mut logs, flusher) = (Logs::new(), Flusher::default());
        let many = 2 * SYNCS_AT_ONCE as i32;
        for partition in 0..many {
            flusher.add(logs.append(partition, 10));
        }
        let share = flusher.next(&[]);
        assert_eq!(partitions(&share), [0, 1]);
        assert_eq!(drain(&flusher), (2..many).collect::<Vec<_>>());
        // The other jobs find nothing.
        (2..SYNCS_AT_ONCE).for_each(|_| assert!(flusher.next(&[]).logs.is_empty()));
        assert_eq!(flusher.add(logs.append(0, 10)) + flusher.add(logs.append(1, 10)), 0);
        assert_eq!(flusher.add(logs.append(5, 10)), 1, "another log does not wait for them");
        assert_eq!(drain(&flusher), [5]);
        let next = flusher.next(&keys(&share));
        assert_eq!((partitions(&next), next.more_jobs), (vec![0], 1));
        assert_eq!(partitions(&flusher.next(&[])), [1]);
    }
}
