//! Power loss, full disks and disk errors at every file operation of cleanings: a start succeeds, no key loses its newest durable
//! value, no deleted key comes back, and the next cleaning ends the work.

use super::tests::{compacting, drive, latest, put};
use super::{CleanStop, MapBounds};
use crate::config::LogConfig;
use crate::disk::Disk;
use crate::fault::Fault;
use crate::log::Log;
use crate::names;
use crate::open::OpenMode;
use crate::sim_disk::{SimDisk, SimFault, Survival};
use crate::testing::{self, DIRECTORY};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use wire::record_batch::BatchAttributes;

/// A log, what its keys must read, and what a start knows from its checkpoints.
struct Machine {
    disk: SimDisk,
    log: Option<Log>,
    /// By flushed offset: the newest value of each key.
    durable: BTreeMap<String, String>,
    newest: BTreeMap<String, String>,
    mode: OpenMode,
    sequence: i32,
    now_ms: i64,
}

type Step = Result<(), Fault>;

fn config() -> LogConfig {
    LogConfig { segment_bytes: 400, delete_retention_ms: 10, ..compacting() }
}

impl Machine {
    fn new(seed: u64) -> Machine {
        let disk = SimDisk::new(seed);
        testing::prepare(&disk);
        Machine {
            disk,
            log: None,
            durable: BTreeMap::new(),
            newest: BTreeMap::new(),
            mode: OpenMode::default(),
            sequence: 0,
            now_ms: 0,
        }
    }

    fn open(&mut self) -> Step {
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        self.log = Some(Log::open(disk, PathBuf::from(DIRECTORY), Arc::new(config()), self.mode.clone(), 0)?);
        Ok(())
    }

    fn log(&mut self) -> &mut Log {
        self.log.as_mut().unwrap()
    }

    fn write(&mut self, key: &str, value: Option<&str>) {
        let attributes = BatchAttributes {
            producer_id: 5,
            producer_epoch: 0,
            base_sequence: self.sequence,
            ..BatchAttributes::default()
        };
        let now = self.now_ms;
        put(self.log(), attributes, now, &[(key, value)]);
        self.sequence += 1;
        match value {
            Some(value) => drop(self.newest.insert(key.to_owned(), value.to_owned())),
            None => drop(self.newest.remove(key)),
        }
    }

    fn flush(&mut self) -> Step {
        self.log().flush()?;
        self.durable = self.newest.clone();
        // As the broker's checkpoints, now and then.
        self.mode.recovery_point = self.log().recovery_point();
        self.mode.high_watermark = self.log().high_watermark();
        Ok(())
    }

    fn clean(&mut self) -> Step {
        let now = self.now_ms;
        let log = self.log.as_mut().unwrap();
        let Some(candidate) = log.clean_candidate(now)? else { return Ok(()) };
        let bounds = MapBounds { bytes: 24 * 20, load_factor: 0.9 };
        let mut work = log.begin_cleaning(candidate, bounds, 3, now);
        let outcome = drive(log, &mut work);
        for removal in log.take_removals() {
            // What could not be deleted is deleted by the next start.
            let _ = removal.run();
        }
        if self.disk.is_crashed() {
            return Err(Fault::poisoned(DIRECTORY.as_ref()));
        }
        match outcome {
            Ok(()) => {
                self.mode.cleaned_offset = log.cleaned_offset();
                Ok(())
            }
            Err(CleanStop::CalledOff) => Ok(()),
            Err(CleanStop::DiskFull(fault) | CleanStop::Fault(fault)) => Err(fault),
            Err(CleanStop::Unreadable(what)) => panic!("{what}"),
        }
    }

    fn fill(&mut self, round: i64) -> Step {
        for number in 0..12 {
            let key = format!("k{}", (number * 5 + round) % 7);
            let value = format!("{round}-{number}");
            self.write(&key, (number % 4 != 3).then_some(&value));
        }
        self.flush()?;
        let end = self.log().log_end_offset();
        self.log().roll(end, 0)?;
        self.flush()
    }

    fn check(&mut self) {
        let view = self.log().view();
        assert_eq!(latest(&view), self.durable);
        let sequence = self.sequence;
        let known = self.log().producers().iter().map(|producer| producer.last_sequence).max();
        assert_eq!(known.map_or(0, |last| last + 1), sequence);
    }

    fn check_names(&self) {
        let names = self.disk.list(DIRECTORY.as_ref()).unwrap();
        let strays: Vec<_> = names.iter().filter(|entry| !names::is_plain(&entry.name)).collect();
        assert!(strays.is_empty(), "{strays:?}");
    }

    /// Starts again after whatever happened, checks, and cleans to the end.
    fn recover(&mut self, survival: Survival) {
        self.log = None;
        self.disk.restart(survival);
        self.disk.set_capacity(u64::MAX);
        self.open().unwrap();
        let report = self.log().recovery_report().cloned().unwrap_or_default();
        assert!(report.corrupt.is_empty() && report.ends_before.is_none(), "{report:?}");
        self.check();
        self.check_names();
    }
}

/// Everything is flushed before each cleaning: what follows is about the cleaning alone.
fn prepared(seed: u64, rounds: i64) -> Machine {
    let mut machine = Machine::new(seed);
    machine.open().unwrap();
    for round in 0..rounds {
        machine.now_ms = round * 100;
        machine.fill(round).unwrap();
        if round + 1 < rounds {
            machine.clean().unwrap();
        }
    }
    machine
}

/// Another machine on a copy of the disk, as after a kill.
fn copy_of(other: &Machine, seed: u64) -> Machine {
    let mut machine = Machine {
        disk: other.disk.fork(seed),
        log: None,
        durable: other.durable.clone(),
        newest: other.newest.clone(),
        mode: other.mode.clone(),
        sequence: other.sequence,
        now_ms: other.now_ms,
    };
    machine.open().unwrap();
    machine.log().advance_high_watermark(i64::MAX);
    machine.flush().unwrap();
    machine
}

fn operations_of_a_cleaning(prepared: &Machine) -> u64 {
    let mut machine = copy_of(prepared, 0);
    let before = machine.disk.operations();
    machine.clean().unwrap();
    machine.disk.operations() - before
}

#[test]
fn power_loss_at_every_file_operation_of_a_cleaning() {
    for rounds in [1, 2] {
        let prepared = prepared(0, rounds);
        let operations = operations_of_a_cleaning(&prepared);
        assert!(operations > 60, "{operations}");
        for nth in 0..operations {
            for seed in 0..3 {
                let mut machine = copy_of(&prepared, nth * 8 + seed);
                machine.disk.fail_at(nth, SimFault::Crash);
                // A rename or a sync of a file that need not be there swallows the fault.
                assert!(machine.clean().is_err() || !machine.disk.is_crashed());
                let survival = match seed {
                    0 => Survival::Nothing,
                    1 => Survival::Everything,
                    _ => Survival::Random,
                };
                machine.recover(survival);
                // Power goes again in the start that follows, or in the next cleaning.
                machine.log = None;
                machine.disk.restart(Survival::Random);
                machine.disk.fail_at(seed * 4, SimFault::Crash);
                let _ = machine.open().and_then(|()| machine.clean());
                machine.recover(Survival::Random);
                machine.fill(9).unwrap();
                machine.clean().unwrap();
                machine.check();
            }
        }
    }
}

/// The start completes an exchange; power may go at each of its own operations.
#[test]
fn power_loss_while_a_start_completes_an_exchange() {
    let prepared = prepared(0, 2);
    let operations = operations_of_a_cleaning(&prepared);
    for nth in (0..operations).step_by(5) {
        for second in 0..12 {
            for seed in 0..2 {
                let mut machine = copy_of(&prepared, nth * 8 + seed);
                machine.disk.fail_at(nth, SimFault::Crash);
                let _ = machine.clean();
                machine.log = None;
                machine.disk.restart(Survival::Random);
                machine.disk.fail_at(second, SimFault::Crash);
                let _ = machine.open();
                machine.recover(Survival::Random);
            }
        }
    }
}

#[test]
fn errors_at_every_file_operation_of_a_cleaning() {
    let prepared = prepared(0, 2);
    for nth in 0..operations_of_a_cleaning(&prepared) {
        for fault in [SimFault::Io, SimFault::SyncForgets, SimFault::NoSpace] {
            let mut machine = copy_of(&prepared, nth);
            machine.disk.fail_at(nth, fault);
            let outcome = machine.clean();
            if fault == SimFault::NoSpace && outcome.is_err() && machine.log().poisoned().is_none() {
                // A full disk costs this try and nothing else.
                machine.check();
                machine.clean().unwrap();
                machine.check();
            }
            machine.recover(Survival::Random);
            machine.fill(9).unwrap();
            machine.clean().unwrap();
            machine.check();
        }
    }
}

/// Truncation during a cleaning: what was cut does not come back, whatever survives of the copy.
#[test]
fn a_truncation_during_a_cleaning_is_final() {
    let prepared = prepared(0, 2);
    for slices in 0..40 {
        for seed in 0..4 {
            let mut machine = copy_of(&prepared, slices * 8 + seed);
            let end = machine.log().log_end_offset();
            machine.write("late", Some("1"));
            machine.flush().unwrap();
            let log = machine.log();
            let candidate = log.clean_candidate(300).unwrap().unwrap();
            let bounds = MapBounds { bytes: 1 << 16, load_factor: 0.9 };
            let mut work = log.begin_cleaning(candidate, bounds, 3, 300);
            for _ in 0..slices {
                match work.run(100) {
                    super::CleanStep::TakeIn => drop(log.take_in(&mut work).unwrap()),
                    super::CleanStep::More | super::CleanStep::Done | super::CleanStep::Stopped(_) => {}
                }
            }
            let cut = end - 6;
            log.truncate_to(cut).unwrap();
            let expected = super::tests::records(&log.view());
            let end = log.log_end_offset();
            machine.mode.recovery_point = machine.mode.recovery_point.min(end);
            machine.log = None;
            machine.disk.restart(Survival::Random);
            machine.open().unwrap();
            let view = machine.log().view();
            assert_eq!(super::tests::records(&view), expected, "{slices} {seed}");
        }
    }
}
