//! A shard: the sole owner of its replicas. `turn` carries out a batch of commands and fires what is due, then settles every
//! replica that was touched: flush, publish, answer. Who runs the turn is `cell.rs`; no handler and no API is known here.
//!
//! `append.rs` produce and its acks · `asleep.rs` what was never written · `cleaning.rs` compaction · `coordinators.rs` what is coordinated ·
//! `leading.rs` what followers acknowledge · `following.rs` what leaders have · `moving.rs` to another log directory · `reconcile.rs` a new image · `sharing.rs` share groups · `verifying.rs` a transaction's first records · `upkeep.rs` retention, checkpoints, faults.

mod append;
mod asleep;
mod brokers;
pub(crate) mod cell;
mod cleaning;
mod coordinators;
mod following;
mod leading;
mod low_watermarks;
mod moving;
#[cfg(test)]
mod planting;
mod reconcile;
mod seat;
mod sharing;
mod sleepers;
mod slots;
mod turn;
mod upkeep;
mod verifying;

use brokers::Brokers;
use seat::{Seat, Seats};
use sleepers::Sleepers;
use turn::Turn;
pub(crate) use upkeep::ClosedShard;

use std::collections::VecDeque;
use std::sync::Arc;

use coordinator::group::GroupConfig;
use coordinator::share::ShareConfig;
use coordinator::transaction::TransactionConfig;
use log::{Disk, FlushOutcome, Removal, Repaired};
use wire::ErrorCode;
use wire::wall::Wall;

use crate::command::{
    Append, Appending, Ask, Command, DeleteRecords, DescribeProducers, LowWatermark, Repair, WatchPartitions,
};
use crate::config::{FlushAck, StaticConfig};
use crate::coordinators::group_view::GroupView;
use crate::disks::amendments::MovedStart;
use crate::disks::cleaners::{Cleaners, Cleaning};
use crate::disks::directories::{Directories, Directory};
use crate::disks::flusher::DirtyLog;
use crate::disks::moves::Moves;
use crate::disks::moving::Moving;
use crate::effect::Effect;
use crate::fetch::watch::Watch;
use crate::limits::DISK_UNCHECKED_MS;
use crate::mailbox::{self, Reply};
use crate::replica::isr::InSyncReplicas;
use crate::replica::pending::{Parking, PendingProduces, ProduceId};
use crate::replica::{Refused, Replica, ReplicaState};
use crate::telling::Ration;
use crate::timers::Timers;
use crate::views::PartitionCell;

/// What a shard needs to know of its node.
pub(crate) struct Surroundings {
    /// Which shard it is.
    pub index: usize,
    pub node_id: i32,
    pub disk: Arc<dyn Disk>,
    pub directories: Arc<Directories>,
    pub config: Arc<StaticConfig>,
    pub cleaners: Arc<Cleaners>,
    pub moves: Arc<Moves>,
    /// What those of each kind begin with.
    pub coordinators: (GroupConfig, TransactionConfig, ShareConfig),
    /// What records and their ages are counted in; timers are not.
    pub wall: Wall,
    /// `log.initial.task.delay.ms`.
    pub initial_task_delay_ms: i64,
    /// `log.retention.check.interval.ms`.
    pub retention_check_interval_ms: i64,
    /// `producer.id.expiration.check.interval.ms`.
    pub producer_expiry_interval_ms: i64,
    /// Start of the shard's own random numbers (member ids).
    pub seed: u64,
}

/// The owner of some partitions.
///
/// Invariants, checked in release: of each seat that a turn has touched where that ends ([`Seat::check`]; after a turn
/// that was one append or one question, what that may change), the rest where it changes:
/// - **settled**: what a turn touches is settled before it ends;
/// - **seats**: a slot is taken or free, never both; whoever comes by a cell finds the replica of that cell, and it is this shard's;
/// - **sleepers**: the same of the places of those that sleep; the next one to be opened is among them;
/// - **produces**: every parked batch is of a produce that waits, or was counted when that timed out;
/// - **timers**: the deadline that is promised is that of the first;
/// - **coordinator**: only where this broker leads (or cannot yet say that it does no more), and a timer only where there is one.
pub(crate) struct Shard {
    around: Surroundings,
    seats: Seats,
    /// Logs that this shard has had so far.
    logs: u64,
    sleepers: Sleepers,
    produces: PendingProduces,
    timers: Timers<Timer>,
    /// Slots touched in this turn.
    unsettled: Vec<usize>,
    /// Where the janitor goes on.
    janitor_at: usize,
    /// Where the search for idle producers goes on.
    expiry_at: usize,
    /// When the cleaner looks at the logs again.
    next_cleaner_ms: i64,
    coordinator_lines: Ration,
    follower_lines: Ration,
    /// `replica.lag.time.max.ms`
    replica_lag_time_max_ms: i64,
    /// Who may be in sync.
    brokers: Brokers,
    /// Who waits until all live replicas have let go of what was deleted.
    low_watermarks: Vec<LowWatermark>,
    /// The finalized level of `transaction.version`.
    transaction_version: i16,
    /// What coordinators of groups see of the cluster.
    group_view: Arc<GroupView>,
    random: wire::random::SplitMix64,
    /// Turns so far.
    turns: u64,
    /// Of the turn.
    now_ms: i64,
}

/// What can become due.
enum Timer {
    /// A fetch has waited long enough.
    Watch(Arc<Watch>),
    /// A produce has waited long enough.
    Produce(ProduceId),
    /// A coordinator has something to do: its own timers, or more to load.
    Coordinator(Arc<PartitionCell>),
    /// Locks of share partitions are over.
    Shares(Arc<PartitionCell>),
    /// Somebody waits for this moment.
    Remind(Reply<()>),
    /// Files can be deleted.
    Remove(Box<Removal>),
    /// The next logs that were found on disk are opened.
    OpenFound,
    /// Retention looks at the next replicas.
    Janitor,
    /// Idle producers of the next replicas are forgotten.
    ProducerExpiry,
    /// A coordinator that found no room on the disk loads again.
    OpenCoordinator(Arc<PartitionCell>),
    /// A flush that found no room on the disk is tried again.
    FlushAgain(Arc<PartitionCell>),
    /// `flush.ms` is over for something.
    FlushDue(Arc<PartitionCell>),
    /// Followers may be too far behind.
    Isr,
    /// Somebody has waited long enough for a low watermark.
    LowWatermarks,
    /// Logs may be dirty.
    Cleaner,
    /// A throttled cleaning may go on.
    Clean(Box<Cleaning>),
    /// A move that waits for a place, for room or for its turn may go on.
    Move(Box<Moving>),
    /// A full disk may have room again.
    LookForRoom(usize),
    /// The logs of an unclean stop may all be read.
    TellRecovered,
}

/// Between two attempts on a full disk.
const FULL_DISK_PAUSE_MS: i64 = 500;

/// Between two looks whether a full disk has room: one system call a second, while it is full.
const LOOK_FOR_ROOM_MS: i64 = 1_000;

const _: () = assert!(
    FULL_DISK_PAUSE_MS > DISK_UNCHECKED_MS && LOOK_FOR_ROOM_MS > DISK_UNCHECKED_MS,
    "whoever comes again must not be told what the last look saw"
);

/// Lines of the log about what is coordinated.
const COORDINATOR_LINES_PER_SECOND: u32 = 50;
/// And about replicas that cannot take what their leaders have.
const FOLLOWER_LINES_PER_SECOND: u32 = 10;

impl Shard {
    pub fn new(around: Surroundings, now_ms: i64) -> Shard {
        let mut timers = Timers::default();
        timers.add(now_ms.saturating_add(around.initial_task_delay_ms), Timer::Janitor);
        timers.add(now_ms.saturating_add(around.cleaners.settings().backoff_ms), Timer::Cleaner);
        let expiry_ms = now_ms.saturating_add(around.producer_expiry_interval_ms);
        timers.add(expiry_ms, Timer::ProducerExpiry);
        let replica_lag_time_max_ms = around.config.file().number("replica.lag.time.max.ms");
        timers.add(now_ms.saturating_add(replica_lag_time_max_ms), Timer::Isr);
        Shard {
            random: wire::random::SplitMix64::new(around.seed),
            around,
            turns: 0,
            now_ms,
            seats: Seats::default(),
            logs: 0,
            sleepers: Sleepers::default(),
            produces: PendingProduces::default(),
            timers,
            unsettled: Vec::new(),
            janitor_at: 0,
            expiry_at: 0,
            next_cleaner_ms: i64::MIN,
            coordinator_lines: Ration::new(COORDINATOR_LINES_PER_SECOND),
            follower_lines: Ration::new(FOLLOWER_LINES_PER_SECOND),
            replica_lag_time_max_ms,
            brokers: Brokers(Arc::default()),
            low_watermarks: Vec::new(),
            transaction_version: 0,
            group_view: GroupView::nothing(),
        }
    }

    /// When [`Shard::turn`] has something to do without a command.
    pub fn next_deadline(&self) -> Option<i64> {
        self.timers.next_deadline()
    }

    /// The next turn, with nothing in it yet.
    pub fn begin_turn(&mut self, now_ms: i64) -> Turn {
        self.turns += 1;
        Turn::new(self.turns, now_ms)
    }

    /// Produces that wait.
    pub fn parked_produces(&self) -> usize {
        self.produces.len()
    }

    /// Carries out the commands, fires what is due, settles.
    pub fn turn(&mut self, turn: &mut Turn, commands: &mut VecDeque<Command>) {
        self.now_ms = turn.now_ms;
        for command in commands.drain(..) {
            self.carry_out(turn, command);
        }
        self.fire(turn);
        self.settle(turn, Seat::check);
    }

    /// A turn for one append whose caller waits for it here.
    pub fn append_turn(&mut self, turn: &mut Turn, append: Append) -> Appending {
        self.now_ms = turn.now_ms;
        let appending = match self.append(turn, &append) {
            (results, Parking { count: 0, .. }) => Appending::Done(results, append.entries),
            (results, parking) => {
                let (reply, answer) = mailbox::reply();
                self.park(parking, results, reply);
                Appending::Parked(answer)
            }
        };
        self.fire(turn);
        self.settle(turn, Seat::check_appended);
        appending
    }

    /// A turn for one question to a coordinator.
    pub fn ask_turn(&mut self, turn: &mut Turn, ask: Ask) {
        self.now_ms = turn.now_ms;
        self.ask(turn, ask);
        self.fire(turn);
        self.settle(turn, Seat::check_appended);
    }

    fn carry_out(&mut self, turn: &mut Turn, command: Command) {
        match command {
            Command::Open { place, key } => self.open_one(place, &key),
            Command::Append(append, reply) => match self.append(turn, &append) {
                (results, Parking { count: 0, .. }) => turn.effects.push(Effect::Appended(reply, results)),
                (results, parking) => self.park(parking, results, reply),
            },
            Command::Watch(watch) => self.watch(watch),
            Command::Ask(ask) => self.ask(turn, *ask),
            Command::DeleteRecords(delete) => self.delete_records(turn, delete),
            Command::LowWatermark(waiting) => self.await_low_watermark(waiting),
            Command::DescribeProducers(describe) => self.describe_producers(describe),
            Command::Repair(repair) => self.repair(turn, *repair),
            Command::Image(change) => {
                self.reconcile(turn, &change);
                self.low_watermarks_moved();
            }
            Command::BeginVerification(begin) => self.begin_verification(turn.now_ms, begin),
            Command::Verified { cell, producer_id, guard } => self.verified(&cell, producer_id, guard),
            Command::Remind { deadline_ms, reply } => {
                self.timers.add(deadline_ms, Timer::Remind(reply));
            }
            Command::Flushed { directory, outcomes } => self.flushed(turn, directory, &outcomes),
            Command::DirectoryFailed { directory } => self.directory_failed(turn, directory),
            Command::Cleaning(cleaning, step) => self.cleaning_step(turn, cleaning, step),
            Command::Move(command) => self.move_replica(turn, command),
            Command::Moving(moving, step) => self.move_step(turn, moving, step),
            Command::Retired(removal) => self.retired(turn.now_ms, removal),
            Command::LookForCleaning => self.look_for_cleaning(turn),
            Command::Share(ask) => self.share(turn, *ask),
            Command::InSyncReplicasOf(asked) => self.in_sync_replicas(asked),
            Command::FollowerFetch(fetch) => self.follower_fetch(turn, fetch),
            Command::IsrAnswered(answers) => {
                answers.iter().for_each(|(cell, answer)| self.isr_answered(cell, answer));
            }
            Command::Replicate(replicate) => self.replicate(turn, *replicate),
            Command::Checkpoint(round) => {
                if round.add(self.offsets().chain(self.offsets_asleep())) {
                    turn.effects.push(Effect::WriteCheckpoints(round));
                }
            }
        }
    }

    /// Fires all that is due now. What a firing adds for this very moment waits for the next turn.
    fn fire(&mut self, turn: &mut Turn) {
        let mut due = Vec::new();
        while let Some(timer) = self.timers.pop(turn.now_ms) {
            due.push(timer);
        }
        for timer in due {
            match timer {
                Timer::Watch(watch) => watch.fire(),
                Timer::Produce(id) => self.produce_timed_out(turn, id),
                Timer::Coordinator(cell) => self.coordinator_due(turn, &cell),
                Timer::Shares(cell) => self.shares_due(turn, &cell),
                Timer::Remind(reply) => reply.send(()),
                Timer::Remove(removal) => turn.effects.push(Effect::Remove(*removal)),
                Timer::OpenFound => self.open_found(),
                Timer::LookForRoom(directory) => self.look_for_room(turn.now_ms, directory),
                Timer::TellRecovered => {
                    if let Some(line) = self.around.directories.recovered.line(turn.now_ms) {
                        tracing::info!("{line}");
                    }
                }
                Timer::Janitor => self.janitor(turn),
                Timer::ProducerExpiry => self.expire_producers(turn.now_ms),
                Timer::OpenCoordinator(cell) => self.reopen_coordinator(turn, &cell),
                Timer::FlushAgain(cell) => {
                    if let Some(replica) = self.touch(&cell) {
                        replica.flush_again();
                    }
                    self.flush_arrived(turn, &cell);
                }
                Timer::FlushDue(cell) => {
                    if let Some(replica) = self.touch(&cell) {
                        replica.flush_time_is_up(turn.now_ms);
                    }
                }
                Timer::Isr => self.isr_due(turn),
                Timer::LowWatermarks => self.low_watermarks_moved(),
                Timer::Cleaner => self.cleaner_due(turn),
                Timer::Clean(cleaning) => turn.effects.push(Effect::Clean(cleaning)),
                Timer::Move(moving) => turn.effects.push(Effect::Move(moving)),
            }
        }
    }

    /// Ends the turn for every replica that was touched: acks that are safe, a flush where acks wait for one, the view. `check` looks at what
    /// has come of each.
    #[inline]
    fn settle(&mut self, turn: &mut Turn, check: impl Fn(&Seat)) {
        let mut at = 0;
        // A coordinator that advances may touch nothing but its own replica, which is being settled.
        while let Some(&slot) = self.unsettled.get(at) {
            at += 1;
            self.advance_coordinator(turn, slot);
            self.release_acks(turn, slot);
            let Some(seat) = self.seats.get_mut(slot) else { continue };
            let Seat { replica, coordinator, .. } = &mut *seat;
            let coordinator_waits = coordinator.as_ref().is_some_and(|coordinator| coordinator.is_waiting());
            replica.unsettled = false;
            if let Some(work) = replica.take_flush_work(coordinator_waits) {
                let cell = Arc::clone(&replica.cell);
                turn.effects.push(Effect::Flush(DirtyLog { directory: replica.directory, cell, work }));
            }
            if let Some(due_ms) = replica.arm_flush(turn.now_ms) {
                self.timers.add(due_ms, Timer::FlushDue(Arc::clone(&replica.cell)));
            }
            replica.show();
            #[cfg(test)]
            seat.plant();
            check(seat);
        }
        self.unsettled.clear();
        let faults = self.take_opening_faults().into_iter();
        turn.effects.extend(faults.map(|(directory, fault)| Effect::DirectoryFailed { directory, fault }));
    }

    /// The replica behind a cell.
    fn replica(&mut self, cell: &PartitionCell) -> Option<&mut Replica> {
        if cell.asleep().is_some() {
            self.wake(cell);
        }
        self.seats.behind(cell).map(|(_, seat)| &mut seat.replica)
    }

    /// The replica behind a cell, to be settled at the end of the turn.
    fn touch(&mut self, cell: &PartitionCell) -> Option<&mut Replica> {
        self.touch_seat(cell).map(|seat| &mut seat.replica)
    }

    fn touch_seat(&mut self, cell: &PartitionCell) -> Option<&mut Seat> {
        if cell.asleep().is_some() {
            self.wake(cell);
        }
        let (slot, seat) = self.seats.behind(cell)?;
        if seat.replica.unsettled {
            assert!(!self.unsettled.is_empty(), "settled: a replica waits for it and is not known to");
        } else {
            seat.replica.unsettled = true;
            self.unsettled.push(slot);
        }
        Some(seat)
    }

    fn watch(&mut self, command: WatchPartitions) {
        let watch = command.watch;
        for partition in command.partitions {
            match self.replica(&partition.cell) {
                Some(replica)
                    if command.is_replica
                        && matches!(replica.state, ReplicaState::Leader(_))
                        && !replica.ends_beyond(partition.log_end_offset) =>
                {
                    replica.waiting_followers.add(Arc::clone(&watch));
                }
                Some(replica)
                    if !command.is_replica
                        && !matches!(replica.state, ReplicaState::Offline)
                        && !replica.has_more_than(partition.high_watermark, partition.last_stable_offset) =>
                {
                    replica.watchers.add(Arc::clone(&watch));
                }
                // More is there already, or the partition is not what the fetch took it for: look again.
                Some(_) | None => watch.fire(),
            }
        }
        if let Some(deadline_ms) = command.deadline_ms
            && !watch.is_over()
        {
            self.timers.sweep(|timer| !matches!(timer, Timer::Watch(watch) if watch.is_over()));
            self.timers.add(deadline_ms, Timer::Watch(watch));
        }
    }

    fn delete_records(&mut self, turn: &mut Turn, delete: DeleteRecords) {
        let DeleteRecords { offset, cell, reply } = delete;
        let Some(replica) = self.touch(&cell) else {
            return reply.send(Err(ErrorCode::UnknownTopicOrPartition));
        };
        match replica.delete_records(offset) {
            Ok(low_watermark) => {
                let removals = replica.log.take_removals();
                // A fetch below the new start must hear of it.
                replica.watchers.fire_all();
                let (directory, moved) = (replica.directory, replica.start_moved(Some(reply)));
                debug_assert_eq!(low_watermark, replica.log.log_start_offset());
                self.start_moved(turn, directory, moved);
                self.remove_later(turn.now_ms, removals);
            }
            Err(refused) => {
                reply.send(Err(refused.error()));
                self.refused(turn, &cell, refused);
            }
        }
    }

    /// The directory hears of it within the turn: an effect could come after the log is gone and another has its name.
    fn start_moved(&self, turn: &mut Turn, directory: usize, moved: MovedStart) {
        let Some(place) = self.around.directories.get(directory) else { return };
        if place.start_moved(moved) {
            turn.effects.push(Effect::WriteMovedStarts { directory });
        }
    }

    /// Writes while nobody else has the shard, and waits for the platter: seldom enough, and what is read there waits, too.
    fn repair(&mut self, turn: &mut Turn, Repair { cell, damaged, records, broker }: Repair) {
        let Some(replica) = self.touch(&cell) else { return };
        if matches!(replica.state, ReplicaState::Offline) || replica.log.high_watermark() < damaged.end {
            return;
        }
        let (topic, partition) = (replica.topic.clone(), cell.key.partition);
        let (offset, next_offset) = (damaged.start, damaged.end);
        match replica.log.repair(&damaged, records) {
            Ok(Repaired::Done) => {
                tracing::info!(%topic, partition, offset, next_offset, broker, "the damaged batches were written again as that broker has them");
            }
            Ok(Repaired::Unlike) => {
                tracing::warn!(%topic, partition, offset, next_offset, broker, "the damage stays: that broker has not the same bytes there, as where one of the two was compacted; a replica that is moved away and back gets all anew");
            }
            Ok(Repaired::NotNeeded) => {}
            Err(fault) => self.refused(turn, &cell, Refused::Fault(fault)),
        }
    }

    fn describe_producers(&mut self, describe: DescribeProducers) {
        let answer = match self.replica(&describe.cell) {
            None => Err(ErrorCode::NotLeaderOrFollower),
            Some(replica) => replica.leader().map(|_| ()).map(|()| replica.log.producers()),
        };
        describe.reply.send(answer);
    }

    fn flushed(
        &mut self,
        turn: &mut Turn,
        directory: usize,
        outcomes: &[(Arc<PartitionCell>, FlushOutcome)],
    ) {
        let mut wanted = false;
        let directories = Arc::clone(&self.around.directories);
        for (cell, outcome) in outcomes {
            let Some(replica) = self.touch(cell) else { continue };
            wanted |= std::mem::take(&mut replica.wants_cleaning);
            if replica.directory != directory || !replica.log.is_own(outcome) {
                // The replica has left the log that was flushed, or went with it and came again: what is not there is no fault.
                if let Err(fault) = outcome.result.clone()
                    && !fault.is_not_found()
                {
                    turn.effects.push(Effect::DirectoryFailed { directory, fault });
                }
                continue;
            }
            match replica.log.flushed(outcome) {
                Ok(()) => {
                    // The checkpoint has a new recovery point to tell.
                    directories.get(directory).into_iter().for_each(Directory::note_change);
                    self.retire_if_durable(turn, cell);
                    self.fetch_if_flushed(turn, cell);
                }
                Err(fault) if replica.log.poisoned().is_none() => {
                    let due_ms = turn.now_ms.saturating_add(FULL_DISK_PAUSE_MS);
                    self.timers.add(due_ms, Timer::FlushAgain(Arc::clone(cell)));
                    if fault.is_disk_full() {
                        self.without_room(turn.now_ms, directory);
                    }
                }
                Err(fault) => turn.effects.push(Effect::DirectoryFailed { directory, fault }),
            }
        }
        if wanted {
            self.look_for_cleaning(turn);
        }
    }

    fn remove_later(&mut self, now_ms: i64, removals: Vec<Removal>) {
        for removal in removals {
            self.timers.add(now_ms.saturating_add(removal.delay_ms), Timer::Remove(Box::new(removal)));
        }
    }

    /// What `log.flush.ack` means for a leader, when its ISR or its settings have changed.
    fn set_flush_acks(&mut self, cell: &PartitionCell) {
        let Some((isr, min_insync)) = self.replica(cell).and_then(|replica| match &replica.state {
            ReplicaState::Leader(leader) => Some((leader.isr.clone(), replica.settings.min_insync_replicas)),
            ReplicaState::Follower { .. } | ReplicaState::Offline => None,
        }) else {
            return;
        };
        let flush_acks = self.flush_acks(&isr, min_insync);
        let is_auto = self.around.config.flush_ack == FlushAck::Auto;
        let Some(replica) = self.touch(cell) else { return };
        replica.flushing.set_behind(is_auto && !flush_acks);
        if let ReplicaState::Leader(leader) = &mut replica.state {
            leader.flush_acks = flush_acks;
        }
    }

    /// True where `log.flush.ack` makes acks=all wait for a flush round.
    fn flush_acks(&self, isr: &InSyncReplicas, min_insync_replicas: usize) -> bool {
        match self.around.config.flush_ack {
            FlushAck::None => false,
            FlushAck::Group => true,
            FlushAck::Auto => isr.is_alone() || isr.holds_the_only_copy() || min_insync_replicas <= 1,
        }
    }
}
