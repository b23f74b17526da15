//! The floor's partitions: one file each, the place of every batch in memory, a bell for fetches that wait. Nothing survives the
//! process but bytes nobody reads again.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// All topics.
pub struct Store {
    directory: PathBuf,
    /// Whether an append is on the disk before it is answered.
    sync: bool,
    topics: RwLock<BTreeMap<String, Arc<Vec<Partition>>>>,
    /// Counts appends while somebody waits for one.
    appended: Mutex<u64>,
    bell: Condvar,
    waiting: AtomicUsize,
}

/// One partition.
pub struct Partition {
    pub file: File,
    log: Mutex<Log>,
}

struct Log {
    /// Length of the file.
    bytes: u64,
    next_offset: i64,
    /// First offset and place of every batch.
    batches: Vec<(i64, u64)>,
}

/// Stored batches to send.
pub struct Found {
    pub next_offset: i64,
    pub from: u64,
    pub to: u64,
}

/// Nothing below panics with a lock held but for want of memory.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    pub fn new(directory: PathBuf, sync: bool) -> Self {
        let (topics, appended) = (RwLock::default(), Mutex::new(0));
        Self { directory, sync, topics, appended, bell: Condvar::new(), waiting: AtomicUsize::new(0) }
    }

    /// Makes the files; an error code of Kafka's.
    pub fn create(&self, name: &str, partitions: i32) -> Result<i16> {
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        if topics.contains_key(name) {
            return Ok(36);
        }
        let open = |partition| -> Result<Partition> {
            let path = self.directory.join(format!("{name}-{partition}"));
            let file = File::options().create(true).read(true).write(true).truncate(true).open(path)?;
            Ok(Partition { file, log: Mutex::new(Log { bytes: 0, next_offset: 0, batches: Vec::new() }) })
        };
        let made: Vec<Partition> = (0..partitions).map(open).collect::<Result<_>>()?;
        topics.insert(name.to_owned(), Arc::new(made));
        Ok(0)
    }

    pub fn topic(&self, name: &str) -> Option<Arc<Vec<Partition>>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub fn names(&self) -> Vec<String> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    /// Checks, stamps and stores one batch; its first offset.
    pub fn append(&self, partition: &Partition, batch: &mut [u8]) -> Result<i64> {
        ensure!(batch.len() >= 61, "a batch without a header");
        let wanted = u32::from_be_bytes(batch[17..21].try_into()?);
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &batch[21..]);
        ensure!(crc == u64::from(wanted), "a batch with a wrong CRC");
        let records = i64::from(i32::from_be_bytes(batch[23..27].try_into()?)) + 1;
        let mut log = locked(&partition.log);
        let offset = log.next_offset;
        batch[..8].copy_from_slice(&offset.to_be_bytes());
        batch[12..16].copy_from_slice(&0i32.to_be_bytes());
        let at = log.bytes;
        partition.file.write_all_at(batch, at)?;
        if self.sync {
            partition.file.sync_data()?;
        }
        log.batches.push((offset, at));
        log.next_offset += records;
        log.bytes += batch.len() as u64;
        Ok(offset)
    }

    /// Wakes fetches that wait; costs one load where none does.
    pub fn ring(&self) {
        if self.waiting.load(Ordering::Acquire) > 0 {
            *locked(&self.appended) += 1;
            self.bell.notify_all();
        }
    }

    /// Looks with `find` until it has found enough or the time is over.
    pub fn wait<T>(&self, limit: Duration, mut find: impl FnMut() -> Result<(T, bool)>) -> Result<T> {
        let until = Instant::now() + limit;
        loop {
            let seen = *locked(&self.appended);
            self.waiting.fetch_add(1, Ordering::AcqRel);
            let (found, enough) = find()?;
            let left = until.saturating_duration_since(Instant::now());
            if !enough && !left.is_zero() {
                let woken = self.bell.wait_timeout_while(locked(&self.appended), left, |now| *now == seen);
                drop(woken.unwrap_or_else(PoisonError::into_inner));
            }
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            if enough || left.is_zero() {
                return Ok(found);
            }
        }
    }
}

impl Partition {
    /// Whole batches from the one that holds `offset`, at most `most_bytes` of them unless the first is larger.
    pub fn find(&self, offset: i64, most_bytes: u64) -> Result<Found> {
        let log = locked(&self.log);
        let behind = log.batches.partition_point(|(first, _)| *first <= offset);
        if offset >= log.next_offset || behind == 0 {
            return Ok(Found { next_offset: log.next_offset, from: log.bytes, to: log.bytes });
        }
        let (_, from) = *log.batches.get(behind - 1).context("a batch before")?;
        let place = |batch: usize| log.batches.get(batch).map_or(log.bytes, |(_, at)| *at);
        let fit = log.batches.partition_point(|(_, at)| *at <= from + most_bytes);
        let last = if log.bytes <= from + most_bytes { fit } else { fit - 1 };
        Ok(Found { next_offset: log.next_offset, from, to: place(last.max(behind)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of 100 bytes with two records each.
    fn partition(batches: i64) -> Result<Partition> {
        let file = File::open("/dev/null")?;
        let all = (0..batches).map(|n| (n * 2, n as u64 * 100)).collect();
        let log = Log { bytes: batches as u64 * 100, next_offset: batches * 2, batches: all };
        Ok(Partition { file, log: Mutex::new(log) })
    }

    #[test]
    fn a_fetch_gets_whole_batches_up_to_its_bound_and_at_least_one() -> Result<()> {
        let cases = [
            (0, 1000, 0, 400),
            (3, 1000, 100, 400),
            (2, 250, 100, 300),
            (2, 200, 100, 300),
            (0, 50, 0, 100),
            (7, 50, 300, 400),
            (8, 1000, 400, 400),
        ];
        let four = partition(4)?;
        for (offset, most, from, to) in cases {
            let found = four.find(offset, most)?;
            assert_eq!((found.from, found.to, found.next_offset), (from, to, 8), "{offset}, {most}");
        }
        let none = partition(0)?.find(0, 10)?;
        assert_eq!((none.from, none.to), (0, 0));
        Ok(())
    }
}
