//! Crashes, faults and damage on the simulated disk: whatever happens at whichever file operation, a start succeeds, nothing
//! that was proven durable is lost, and nothing is read that was not written. Compiled for tests only.

use crate::append::AppendOrigin;
use crate::config::LogConfig;
use crate::directory::{Checkpoint, LogDirectory, Offsets};
use crate::disk::Disk;
use crate::fault::Fault;
use crate::log::Log;
use crate::open::OpenMode;
use crate::sim_disk::{SimDisk, SimFault, Survival};
use crate::testing::{self, DIRECTORY};
use crate::view::ReadLimit;
use std::path::PathBuf;
use std::sync::Arc;
use wire::random::SplitMix64;
use wire::record_batch::{BatchAttributes, EndTransactionMarker, end_transaction_batch};

struct Rng(SplitMix64);

impl Rng {
    fn next(&mut self, below: u64) -> u64 {
        self.0.next_u64() % below
    }
}

/// What the log must hold.
#[derive(Clone, Debug, Default)]
struct Model {
    /// Value of every offset from 0; markers are empty.
    values: Vec<String>,
    log_start: i64,
    /// Up to here DeleteRecords was asked for.
    deletable: i64,
    high_watermark: i64,
    /// Proven by a flush.
    durable: i64,
    /// Next sequence of producer 5 after every offset.
    sequences: Vec<i32>,
    unique: u64,
}

impl Model {
    fn sequence(&self) -> i32 {
        self.sequences.last().copied().unwrap_or(0)
    }

    fn ends_at(&mut self, end: i64) {
        self.values.truncate(end as usize);
        self.sequences.truncate(end as usize);
    }
}

struct Machine {
    /// A truncation happened: a crash before the next checkpoint leaves the recovery point too high.
    truncated: bool,
    disk: SimDisk,
    directory: LogDirectory,
    log: Option<Log>,
    model: Model,
    config: LogConfig,
}

type Step = Result<(), Fault>;

impl Machine {
    fn new(seed: u64) -> Machine {
        let disk = SimDisk::new(seed);
        testing::prepare(&disk);
        let directory = LogDirectory::new(Arc::new(disk.clone()), "/data");
        let preallocate = seed % 3 == 1;
        let config =
            LogConfig { segment_bytes: 700, segment_index_bytes: 64, preallocate, ..testing::small() };
        Machine { truncated: false, disk, directory, log: None, model: Model::default(), config }
    }

    /// Reads the checkpoints as a starting broker does and opens the log.
    fn open(&mut self) -> Step {
        let clean_shutdown = self.directory.take_clean_shutdown()?.is_some();
        let offset = |which| -> Result<i64, Fault> {
            let (offsets, damaged) = self.directory.read_checkpoint(which)?;
            assert!(!damaged, "checkpoints are replaced whole");
            Ok(offsets.get(&("topic".to_owned(), 0)).copied().unwrap_or(0))
        };
        let mode = OpenMode {
            clean_shutdown,
            recovery_point: offset(Checkpoint::RecoveryPoint)?,
            log_start_offset: offset(Checkpoint::LogStart)?,
            high_watermark: offset(Checkpoint::Replication)?,
            topic_id: Some(wire::Uuid([1; 16])),
            cleaned_offset: None,
        };
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let log = Log::open(disk, PathBuf::from(DIRECTORY), Arc::new(self.config.clone()), mode, 0)?;
        self.log = Some(log);
        Ok(())
    }

    fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    fn append(&mut self, count: u64, with_producer: bool) -> Step {
        let values: Vec<String> = (0..count)
            .map(|_| {
                self.model.unique += 1;
                format!("{:>width$}", self.model.unique, width = 8 + (self.model.unique % 90) as usize)
            })
            .collect();
        let attributes = match with_producer {
            true => BatchAttributes {
                producer_id: 5,
                producer_epoch: 0,
                base_sequence: self.model.sequence(),
                ..BatchAttributes::default()
            },
            false => BatchAttributes::default(),
        };
        let borrowed: Vec<&str> = values.iter().map(String::as_str).collect();
        let batch = testing::valid(testing::records(attributes, self.model.unique as i64, &borrowed));
        let epoch = (self.model.unique / 20) as i32;
        self.put(&batch, epoch, AppendOrigin::Client, values, if with_producer { count as i32 } else { 0 })
    }

    fn put(
        &mut self,
        batch: &wire::record_batch::ValidBatches,
        epoch: i32,
        origin: AppendOrigin,
        values: Vec<String>,
        sequences: i32,
    ) -> Step {
        match self.log().append_as_leader(batch, epoch, origin, 0) {
            Ok(appended) => {
                assert_eq!(appended.base_offset, self.model.values.len() as i64);
                let next = self.model.sequence() + sequences;
                self.model.sequences.extend(values.iter().map(|_| next));
                self.model.values.extend(values);
                Ok(())
            }
            Err(crate::AppendRefused::Storage(fault)) => Err(fault),
            Err(refused) => panic!("{refused}"),
        }
    }

    /// A transaction with its abort marker.
    fn aborted_transaction(&mut self) -> Step {
        let attributes = BatchAttributes {
            producer_id: 6,
            producer_epoch: 0,
            base_sequence: self.model.values.len() as i32,
            transactional: true,
            ..BatchAttributes::default()
        };
        let batch = testing::valid(testing::records(attributes, 1, &["aborted"]));
        let marker = EndTransactionMarker { commit: false, coordinator_epoch: 0 };
        self.put(&batch, 0, AppendOrigin::Coordinator, vec!["aborted".into()], 0)?;
        let end = testing::valid(end_transaction_batch(6, 0, 1, marker));
        self.put(&end, 0, AppendOrigin::Coordinator, vec![marker_value()], 0)
    }

    /// As the broker's flusher does it, with zeros ahead of the log.
    fn flush(&mut self) -> Step {
        match self.log().dirty_and_ahead() {
            Some(work) => self.log().flushed(&work.run())?,
            None => self.log().flush()?,
        }
        self.model.durable = self.log().recovery_point();
        assert_eq!(self.model.durable, self.model.values.len() as i64);
        Ok(())
    }

    fn checkpoint(&mut self) -> Step {
        let (recovery_point, start, high_watermark) = {
            let log = self.log();
            (log.recovery_point(), log.log_start_offset(), log.high_watermark())
        };
        self.write_checkpoints(recovery_point, start, high_watermark)
    }

    fn write_checkpoints(&mut self, recovery_point: i64, start: i64, high_watermark: i64) -> Step {
        let one = |offset| Offsets::from([(("topic".to_owned(), 0), offset)]);
        self.directory.write_checkpoint(Checkpoint::RecoveryPoint, &one(recovery_point))?;
        self.directory.write_checkpoint(Checkpoint::LogStart, &one(start))?;
        self.directory.write_checkpoint(Checkpoint::Replication, &one(high_watermark))
    }

    fn truncate(&mut self, to: i64) -> Step {
        // Only ever above the high watermark, as replicas do; what is cut is not owed any more, done or not.
        let to = to.max(self.model.high_watermark);
        self.model.durable = self.model.durable.min((to - 4).max(0));
        let before = self.log().recovery_point();
        self.truncated = true;
        self.log().truncate_to(to)?;
        let end = self.log().log_end_offset();
        assert!(end <= to && end > to - 4);
        self.model.ends_at(end);
        self.model.high_watermark = self.model.high_watermark.min(end);
        self.model.log_start = self.log().log_start_offset();
        if self.log().recovery_point() < before { self.checkpoint() } else { Ok(()) }
    }

    fn delete_records(&mut self, before: i64) -> Step {
        // Once asked for, the records may go at any moment.
        self.model.deletable = self.model.deletable.max(before.min(self.model.high_watermark));
        let start = self.log().delete_records_before(before)?;
        self.model.log_start = start;
        for removal in self.log().take_removals() {
            removal.run()?;
        }
        self.checkpoint()
    }

    fn clean_restart(&mut self) -> Step {
        let closed = self.log.take().unwrap().close()?;
        self.check_lengths();
        self.model.durable = closed.recovery_point;
        self.write_checkpoints(closed.recovery_point, closed.log_start_offset, closed.high_watermark)?;
        self.directory.write_clean_shutdown(1)?;
        self.open()?;
        let log = self.log();
        assert!(
            log.recovery_report().is_none_or(|report| report.cut_bytes == 0 && report.corrupt.is_empty())
        );
        assert_eq!(log.log_end_offset(), closed.recovery_point);
        self.check_contents();
        Ok(())
    }

    /// After a clean stop no data file is longer than its batches.
    fn check_lengths(&self) {
        for entry in self.disk.list(DIRECTORY.as_ref()).unwrap_or_default() {
            if let Some((base_offset, crate::names::LOG)) = crate::names::parse_segment_file(&entry.name) {
                let segment = crate::segment::Segment::new(DIRECTORY.as_ref(), base_offset);
                segment.set_size(entry.length as u32);
                let mut scanner = crate::scan::Scanner::new(&self.disk, &segment, 0, base_offset);
                while matches!(scanner.step().unwrap(), crate::scan::Step::Batch { .. }) {}
                assert_eq!(u64::from(scanner.position()), entry.length, "{}", entry.name);
            }
        }
    }

    /// The end of the last batch that ends at or below an offset; the high watermark if there is none.
    fn batch_boundary(&mut self, offset: i64) -> i64 {
        let high_watermark = self.model.high_watermark;
        let view = self.log().view();
        let mut end = high_watermark;
        while end < offset {
            let next = view.read(end, 1, ReadLimit::LogEnd, true).unwrap().next_offset;
            if next > offset {
                break;
            }
            end = next;
        }
        end
    }

    fn random_step(&mut self, rng: &mut Rng) -> Step {
        let end = self.model.values.len() as i64;
        match rng.next(21) {
            0..=8 => self.append(1 + rng.next(4), rng.next(2) == 0),
            9 => self.aborted_transaction(),
            10..=12 => self.flush(),
            13 => self.checkpoint(),
            14..=15 => {
                // High watermarks lie between batches: a follower has a batch or has it not.
                let wanted =
                    self.model.high_watermark + rng.next((end - self.model.high_watermark + 1) as u64) as i64;
                let to = self.batch_boundary(wanted);
                self.log().advance_high_watermark(to);
                self.model.high_watermark = to;
                Ok(())
            }
            16 => self.truncate(end - rng.next(8) as i64),
            17 => self.delete_records(self.model.log_start + rng.next(10) as i64),
            18 => self.clean_restart(),
            19 => {
                let work = self.log().dirty_and_ahead();
                self.append(1 + rng.next(4), false)?;
                self.append(1 + rng.next(4), false)?;
                self.log().trim()?;
                match work {
                    Some(work) => self.log().flushed(&work.run()),
                    None => Ok(()),
                }?;
                self.model.durable = self.log().recovery_point();
                Ok(())
            }
            _ => {
                self.check_contents();
                Ok(())
            }
        }
    }

    /// After a crash or a fault: starts again, checks, and goes on from what survived.
    fn recover(&mut self, survival: Survival) {
        self.log = None;
        self.disk.restart(survival);
        self.go_on();
    }

    /// After a fault that ended the process only: the page cache is what it was.
    fn start_again(&mut self) {
        self.log = None;
        self.disk.end_process();
        self.go_on();
    }

    fn go_on(&mut self) {
        self.open().unwrap();
        let (end, report) = {
            let log = self.log();
            (log.log_end_offset(), log.recovery_report().cloned().unwrap_or_default())
        };
        // Deleted segments may come back in part; nothing else is ever missing.
        let deletable = self.model.deletable;
        let corrupt: Vec<_> = report.corrupt.iter().filter(|found| found.offset >= deletable).collect();
        assert!(corrupt.is_empty(), "a crash alone corrupts nothing: {corrupt:?}");
        assert!(report.ends_before.is_none() || self.truncated, "{report:?}");
        assert!(end >= self.model.durable, "lost: log ends at {end}, {} was durable", self.model.durable);
        if report.ends_before.is_some() {
            self.checkpoint().unwrap();
        }
        self.model.ends_at(end);
        // The disk may have kept a batch whose append was answered with a fault.
        let start = self.log().log_start_offset();
        assert!(start <= self.model.deletable, "log start {start}");
        self.model.log_start = start;
        self.model.high_watermark = self.log().high_watermark();
        self.check_contents();
    }

    fn check_contents(&mut self) {
        let view = self.log().view();
        let known = self.model.values.len() as i64;
        for (offset, value) in testing::read_from(&view, view.log_start_offset, ReadLimit::LogEnd) {
            if offset >= known {
                // Appended, answered with a fault, and yet it survived: it counts from now on.
                self.model.values.push(value);
                let producers = self.log().producers();
                let known = producers.iter().find(|producer| producer.producer_id == 5);
                let next = known.map_or(self.model.sequence(), |producer| producer.last_sequence + 1);
                self.model.sequences.push(next);
                continue;
            }
            let expected = &self.model.values[offset as usize];
            assert!(
                *expected == value || *expected == marker_value(),
                "offset {offset}: {value:?} for {expected:?}"
            );
        }
        assert_eq!(self.model.values.len() as i64, view.log_end_offset);
        self.check_producers();
    }

    /// What is known of the producer is what its batches in the log say; one whose batches are all gone may be forgotten.
    fn check_producers(&mut self) {
        let known =
            self.log().producers().iter().find(|producer| producer.producer_id == 5).map(|p| p.last_sequence);
        let (start, expected) = (self.model.log_start as usize, self.model.sequence());
        match known {
            Some(last) => assert_eq!(last + 1, expected),
            None => assert_eq!(self.model.sequences.get(start).copied().unwrap_or(expected), expected),
        }
    }
}

fn marker_value() -> String {
    "\0\0\0\0\0\0".into()
}

fn run(seed: u64, steps: u64) {
    let mut rng = Rng(SplitMix64::new(seed));
    let mut machine = Machine::new(seed);
    machine.open().unwrap();
    for _ in 0..steps {
        if rng.next(12) == 0 {
            let fault = match rng.next(6) {
                0 => SimFault::Io,
                1 => SimFault::SyncForgets,
                2 => SimFault::NoSpace,
                _ => SimFault::Crash,
            };
            machine.disk.fail_at(rng.next(30), fault);
        }
        if let Err(fault) = machine.random_step(&mut rng) {
            // A full disk is no reason to stop; anything else is.
            if fault.is_disk_full() && machine.log.as_ref().is_some_and(|log| log.poisoned().is_none()) {
                continue;
            }
            if !machine.disk.is_crashed() && rng.next(2) == 0 {
                machine.start_again();
                continue;
            }
            let survival = [Survival::Nothing, Survival::Everything, Survival::Random, Survival::Random];
            machine.recover(survival[rng.next(4) as usize]);
        }
    }
}

#[test]
fn random_work_with_crashes_and_faults_loses_nothing_durable() {
    for seed in 0..80 {
        run(seed, 150);
    }
}

/// One fixed piece of work that touches every kind of file.
fn script(machine: &mut Machine) -> Step {
    machine.open()?;
    for round in 0..3 {
        for _ in 0..4 {
            machine.append(2, true)?;
        }
        machine.aborted_transaction()?;
        machine.flush()?;
        machine.checkpoint()?;
        machine.append(3, true)?;
        let end = machine.model.values.len() as i64;
        machine.model.high_watermark = end - 3;
        machine.log().advance_high_watermark(end - 3);
        machine.truncate(end - 1)?;
        machine.append(2, false)?;
        machine.delete_records(round * 4)?;
        machine.clean_restart()?;
    }
    machine.append(1, true)
}

#[test]
fn power_loss_at_every_file_operation() {
    let mut whole = Machine::new(0);
    script(&mut whole).unwrap();
    let operations = whole.disk.operations() - Machine::new(0).disk.operations();
    assert!(operations > 150, "{operations}");
    for nth in 0..operations {
        for seed in 0..4 {
            let mut machine = Machine::new(seed);
            machine.disk.fail_at(nth, SimFault::Crash);
            assert!(script(&mut machine).is_err());
            let survival = match seed {
                0 => Survival::Nothing,
                1 => Survival::Everything,
                _ => Survival::Random,
            };
            machine.recover(survival);
            // And power goes again while it works on.
            machine.disk.fail_at(seed * 3, SimFault::Crash);
            let _ = machine.append(3, false).and_then(|()| machine.flush());
            machine.recover(Survival::Random);
            machine.append(2, false).unwrap();
            machine.flush().unwrap();
            machine.check_contents();
        }
    }
}

#[test]
fn errors_at_every_file_operation() {
    let mut whole = Machine::new(0);
    script(&mut whole).unwrap();
    for nth in 0..whole.disk.operations() {
        for fault in [SimFault::Io, SimFault::SyncForgets, SimFault::NoSpace] {
            let mut machine = Machine::new(nth);
            machine.disk.fail_at(nth, fault);
            let _ = script(&mut machine);
            if nth % 2 == 0 {
                // The process ends and starts again; power goes after that.
                machine.start_again();
                machine.append(1, false).unwrap();
                machine.flush().unwrap();
            }
            machine.recover(Survival::Random);
            machine.append(2, false).unwrap();
            machine.flush().unwrap();
            machine.check_contents();
        }
    }
}

/// A log of some segments, cleanly closed, with all its files.
fn closed_log(clean: bool) -> Machine {
    let mut machine = Machine::new(3);
    machine.open().unwrap();
    for _ in 0..12 {
        machine.append(2, true).unwrap();
    }
    machine.aborted_transaction().unwrap();
    machine.flush().unwrap();
    machine.checkpoint().unwrap();
    if clean {
        let closed = machine.log.take().unwrap().close().unwrap();
        machine.write_checkpoints(closed.recovery_point, 0, 0).unwrap();
        machine.directory.write_clean_shutdown(1).unwrap();
    }
    machine
}

#[test]
fn a_flipped_bit_is_never_served() {
    for clean in [true, false] {
        let reference = closed_log(clean);
        let files = reference.disk.list(DIRECTORY.as_ref()).unwrap();
        for file in files {
            // In the data every byte; in the caches too, they are small.
            for byte in 0..file.length as usize {
                let mut machine = closed_log(clean);
                machine.disk.restart(Survival::Everything);
                let path = PathBuf::from(DIRECTORY).join(&file.name);
                assert!(machine.disk.flip_bit(&path, byte, byte as u8 % 8));
                check_damaged(&mut machine, &format!("{} byte {byte} clean {clean}", file.name));
            }
        }
    }
}

/// Opens a damaged log and reads all of it: every record read is right, and every record is read or refused.
fn check_damaged(machine: &mut Machine, what: &str) {
    match machine.open() {
        Ok(()) => {}
        // The directory no longer says whose it is: the start refuses this partition and says why.
        Err(fault) if fault.path.ends_with("partition.metadata") => return,
        Err(fault) => panic!("{what}: {fault}"),
    }
    let view = machine.log().view();
    let reported = machine.log().recovery_report().is_some_and(|report| !report.corrupt.is_empty());
    assert!(view.log_end_offset >= 26 || reported, "{what}: ends at {}", view.log_end_offset);
    let mut refused = 0;
    for offset in 0..26i64 {
        match view.read(offset, 1, ReadLimit::LogEnd, true) {
            Ok(fetched) => {
                let batch = wire::record_batch::RecordBatch::parse(fetched.records);
                let Ok(batch) = batch else {
                    assert!(reported, "{what}: nothing at {offset}");
                    continue;
                };
                batch.verify_crc().unwrap();
                for record in batch.records(Default::default()).unwrap() {
                    let record = record.unwrap();
                    let value = String::from_utf8(record.value.unwrap().to_vec()).unwrap();
                    let expected = &machine.model.values[record.offset as usize];
                    assert!(
                        *expected == value || *expected == marker_value(),
                        "{what}: offset {}",
                        record.offset
                    );
                }
            }
            Err(crate::ReadRefused::Corrupt { .. }) => refused += 1,
            Err(other) => panic!("{what}: {other}"),
        }
    }
    assert!(refused <= 2, "{what}: {refused} offsets are refused");
    machine
        .log()
        .append_as_leader(
            &testing::valid(testing::records(BatchAttributes::default(), 1, &["after"])),
            9,
            AppendOrigin::Client,
            0,
        )
        .unwrap();
}

/// Found by simulation: of the renames of a DeleteRecords a power loss may keep any; what follows the hole was acknowledged.
#[test]
fn a_deletion_kept_in_part_leaves_no_hole() {
    for seed in 0..200 {
        let disk = SimDisk::new(seed);
        testing::prepare(&disk);
        let config = LogConfig { segment_bytes: 250, ..testing::small() };
        let mut log = testing::open(&disk, config.clone(), OpenMode::default());
        for timestamp in 0..20 {
            testing::append(&mut log, timestamp, &["some value"]);
        }
        log.advance_high_watermark(20);
        let outcome = log.dirty().unwrap().run();
        log.flushed(&outcome).unwrap();
        log.delete_records_before(15).unwrap();
        if seed % 2 == 0 {
            log.take_removals().iter().for_each(|removal| removal.run().unwrap());
        }
        drop(log);
        disk.restart(Survival::Random);
        let mut log = testing::open(&disk, config, OpenMode::default());
        let offsets: Vec<i64> = testing::read_all(&mut log).into_iter().map(|(offset, _)| offset).collect();
        let start = log.log_start_offset();
        assert!(start <= 15 && offsets.iter().copied().eq(start..20), "seed {seed}: {offsets:?}");
    }
}

/// Kafka does not look at a segment whose successor begins at the recovery point: zeros behind its batches would be served.
#[test]
fn no_power_loss_leaves_zeros_in_a_segment_that_has_a_successor() {
    let roll = |disk: &SimDisk| -> Step {
        let mut log =
            testing::open(disk, LogConfig { segment_bytes: 700, ..testing::small() }, OpenMode::default());
        for timestamp in 0..14 {
            let batch =
                testing::valid(testing::records(BatchAttributes::default(), timestamp, &["some value"]));
            match log.append_as_leader(&batch, 0, AppendOrigin::Client, timestamp) {
                Ok(_) => {}
                Err(crate::AppendRefused::Storage(fault)) => return Err(fault),
                Err(refused) => panic!("{refused}"),
            }
            // Now and then something is appended that no flush has seen before the roll.
            if timestamp % 5 != 4
                && let Some(work) = log.dirty_and_ahead()
            {
                log.flushed(&work.run())?;
            }
        }
        assert!(log.segment_count() > 1);
        Ok(())
    };
    let disk = |seed| {
        let disk = SimDisk::new(seed);
        testing::prepare(&disk);
        disk
    };
    let whole = disk(0);
    let before = whole.operations();
    roll(&whole).unwrap();
    let (mut rolled, mut with_zeros) = (0, 0);
    for nth in 0..whole.operations() - before {
        for seed in 0..20 {
            let disk = disk(seed);
            disk.fail_at(nth, SimFault::Crash);
            assert!(roll(&disk).is_err());
            disk.restart(Survival::Random);
            let files = if disk.exists(DIRECTORY.as_ref()) {
                disk.list(DIRECTORY.as_ref()).unwrap()
            } else {
                Vec::new()
            };
            let data = |name: &str| {
                crate::names::parse_segment_file(name).is_some_and(|(_, kind)| kind == crate::names::LOG)
            };
            let mut segments: Vec<_> = files.iter().filter(|file| data(&file.name)).collect();
            segments.sort_by(|a, b| a.name.cmp(&b.name));
            let ends_in_zeros =
                |name: &str| disk.read_file(&PathBuf::from(DIRECTORY).join(name)).unwrap().ends_with(&[0; 8]);
            with_zeros += segments.last().map_or(0, |last| usize::from(ends_in_zeros(&last.name)));
            let sealed = segments.split_last().map_or(&[][..], |(_, sealed)| sealed);
            rolled += sealed.len();
            for segment in sealed {
                assert!(!ends_in_zeros(&segment.name), "operation {nth}, seed {seed}: {}", segment.name);
            }
        }
    }
    assert!(
        rolled > 50 && with_zeros > 50,
        "{rolled} sealed segments, {with_zeros} with zeros at the log's end"
    );
}

/// Found by simulation: a kill leaves names in the page cache that no later flush made durable.
#[test]
fn a_flush_after_a_kill_proves_the_names_too() {
    let (disk, mut log) = testing::fresh(testing::small());
    testing::append(&mut log, 1, &["before the kill"]);
    drop(log);
    let mut log = testing::open(&disk, testing::small(), OpenMode::default());
    testing::append(&mut log, 2, &["after it"]);
    let outcome = log.dirty().unwrap().run();
    log.flushed(&outcome).unwrap();
    drop(log);
    disk.restart(Survival::Nothing);
    let mut log = testing::open(&disk, testing::small(), OpenMode::default());
    assert_eq!(testing::read_all(&mut log).len(), 2);
}

/// After a failed sync the kernel takes the pages for clean: a process that starts again reads from the cache what the platter
/// never got. Believed, the next records would be acknowledged behind a hole.
#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_not_believed() {
    let (disk, mut log) = testing::fresh(testing::small());
    testing::append(&mut log, 1, &["flushed"]);
    log.flush().unwrap();
    testing::append(&mut log, 2, &["lost by the kernel"]);
    disk.fail_at(0, SimFault::SyncForgets);
    assert!(log.flush().is_err());
    drop(log);
    let mode = || OpenMode { recovery_point: 1, ..OpenMode::default() };
    let mut log = testing::open(&disk, testing::small(), mode());
    assert_eq!(log.log_end_offset(), 1);
    assert_eq!(testing::append(&mut log, 3, &["acknowledged"]).base_offset, 1);
    log.flush().unwrap();
    drop(log);
    disk.restart(Survival::Nothing);
    let mut log = testing::open(&disk, testing::small(), mode());
    let expected = [(0, "flushed".to_owned()), (1, "acknowledged".to_owned())];
    assert_eq!(testing::read_all(&mut log), expected);
}
