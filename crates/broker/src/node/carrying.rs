//! What turns want, carried out: flush jobs, directories that die, answers, images for all shards, checkpoints, the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kraft::image::MetadataImage;
use log::Fault;

use super::Node;
use crate::command::Command;
use crate::disks::checkpoints::{self, CheckpointRound, Known};
use crate::disks::cleaners::Cleaning;
use crate::disks::directories::Directory;
use crate::disks::flusher::DirtyLog;
use crate::disks::moving::{Moving, Retirement};
use crate::disks::offsets::DirectoryOffsets;
use crate::effect::Effect;
use crate::peers::{PeerRequest, Purpose};
use crate::quorum::image_delta::{ImageChange, Publication, TopicDelta};
use crate::quorum::isr_proposals::IsrAnswer;
use crate::quorum::{Audience, QuorumCommand};
use crate::rim::{Job, PeerAddress};
use crate::shard::ClosedShard;
use crate::shard::cell::Carrier;
use crate::timers::NEVER;
use crate::views::PartitionCell;

impl Carrier for Node {
    fn carry(&self, now_ms: i64, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Flush(dirty) => self.flush(dirty),
                Effect::WriteMovedStarts { directory } => self.send_moved_starts(directory),
                Effect::Remove(removal) => self.send_job(Job(Box::new(move |_| {
                    if let Err(fault) = removal.run() {
                        // What could not be deleted is found and deleted at the next start.
                        tracing::warn!(%fault, "cannot delete files of a removed segment or partition");
                    }
                }))),
                Effect::DirectoryFailed { directory, fault } => {
                    self.directory_failed(now_ms, directory, &fault)
                }
                Effect::Appended(reply, results) => reply.send(results),
                Effect::Answers(answers) => answers.send(),
                Effect::Transactions(cell, wishes) => self.transactions(now_ms, &cell, wishes),
                Effect::Share(wish) => self.share(*wish),
                Effect::Clean(cleaning) => self.clean(cleaning),
                Effect::Move(moving) => self.copy_replica(moving),
                Effect::DiscardFuture(moving) => self.discard_future(moving),
                Effect::Retire(retirement) => self.retire(retirement),
                Effect::Assign(assignment) => self.tell(QuorumCommand::Assign(assignment)),
                Effect::ProposeIsr(proposal) => self.tell(QuorumCommand::ProposeIsr(proposal)),
                Effect::Follow(following) => {
                    // Sent with the next turn: the image that says where the leader is may be about to be published.
                    self.0.fetchers.follow(following);
                    self.fetches_are_due();
                }
                Effect::Unfollow(key, turn) => self.0.fetchers.unfollow(&key, turn),
                Effect::Replicated(replicated) => self.replicated(now_ms, &replicated),
                Effect::LookForCleaning { shard } => self.submit_to(now_ms, shard, Command::LookForCleaning),
                Effect::CheckpointSoon => self.checkpoint_soon(now_ms),
                Effect::WriteCheckpoints(round) => {
                    let node = self.clone();
                    self.send_job(Job(Box::new(move |now_ms| node.write_checkpoints(now_ms, &round))));
                }
            }
        }
    }

    fn due(&self, deadline_ms: i64) {
        // Nearly always the rim knows of something earlier: then nothing is written.
        if deadline_ms < self.0.armed_ms.load(Ordering::SeqCst)
            && deadline_ms < self.0.armed_ms.fetch_min(deadline_ms, Ordering::SeqCst)
        {
            self.0.rim.call_turn();
        }
    }
}

impl Audience for Node {
    fn ask_peer(&self, now_ms: i64, to: &PeerAddress, purpose: Purpose, request: PeerRequest) {
        Node::ask_peer(self, now_ms, to, purpose, request);
    }

    fn ask_broker(&self, now_ms: i64, broker_id: i32, purpose: Purpose, request: PeerRequest) -> bool {
        let to = self.broker_address(broker_id);
        to.is_some_and(|to| {
            Node::ask_peer(self, now_ms, &to, purpose, request);
            true
        })
    }

    fn tell(&self, command: QuorumCommand) {
        self.0.quorum.post(command);
        self.0.rim.call_quorum();
    }

    fn publish(&self, now_ms: i64, image: &Arc<MetadataImage>, publication: Publication) {
        let Publication { change, set, gone, cordoned: _ } = publication;
        // In this order: cells before the shards hear of them; every shard has carried the change out before anybody sees the new
        // image, so that who reads there that this node leads finds a leader; the deleted last, so that who finds a topic finds its
        // shard ready to say what became of it.
        self.0.views.change(&set, &[]);
        if !change.is_empty() {
            for shard in &self.0.shards {
                shard.post(Command::Image(Arc::clone(&change)));
            }
            if partitions_of(&change) > PARTITIONS_AT_ONCE {
                // Logs are opened on as many cores as there are shards.
                for index in 1..self.0.shards.len() {
                    let node = self.clone();
                    self.send_job(Job(Box::new(move |now_ms| {
                        if let Some(shard) = node.0.shards.get(index) {
                            shard.run(now_ms, &node);
                        }
                    })));
                }
            }
            for shard in &self.0.shards {
                shard.finish(now_ms, self);
            }
        }
        self.0.image.store(Arc::clone(image));
        self.0.quotas.publish(&image.client_quotas);
        self.0.views.change(&[], &gone);
        if change.brokers.is_some() {
            self.0.fetchers.brokers_changed();
        }
        self.replicate(now_ms);
    }

    fn isr_answered(&self, now_ms: i64, answers: Vec<IsrAnswer>) {
        let mut shards: BTreeMap<usize, Vec<(Arc<PartitionCell>, IsrAnswer)>> = BTreeMap::new();
        for answer in answers {
            let topic = self.0.views.by_id(answer.key.topic_id);
            if let Some(cell) = topic.and_then(|topic| topic.partition(answer.key.partition).cloned()) {
                shards.entry(cell.shard).or_default().push((cell, answer));
            }
        }
        for (shard, answers) in shards {
            self.submit_to(now_ms, shard, Command::IsrAnswered(answers));
        }
    }
}

/// A round of checkpoints costs about a microsecond for each replica that it names: with a pause of ten for each, rounds that cleanings
/// ask for take a tenth of a core at most.
const REPLICAS_PER_MS: usize = 100;

/// A change of more partitions than this is carried out by all shards at the same time.
const PARTITIONS_AT_ONCE: usize = 256;

fn partitions_of(change: &ImageChange) -> usize {
    let of = |delta: &TopicDelta| match delta {
        TopicDelta::Set { topic, partitions, .. } => {
            partitions.as_ref().map_or(topic.partitions.len(), Vec::len)
        }
        TopicDelta::Gone { views } => views.partitions.len(),
    };
    change.topics.iter().map(of).sum()
}

impl Node {
    /// Lets a worker do what takes its time and waits for nothing.
    pub(crate) fn work_later(&self, work: impl FnOnce(i64) + Send + 'static) {
        self.send_job(Job(Box::new(work)));
    }

    fn send_job(&self, job: Job) {
        self.0.jobs.push(job);
        self.0.rim.call_workers();
    }

    fn flush(&self, dirty: DirtyLog) {
        let index = dirty.directory;
        let Some(directory) = self.0.directories.get(index) else { return };
        self.send_flushers(index, directory.flusher.add(dirty));
    }

    fn send_flushers(&self, index: usize, jobs: usize) {
        for _ in 0..jobs {
            let node = self.clone();
            self.send_job(Job(Box::new(move |now_ms| node.run_flusher(now_ms, index))));
        }
    }

    fn send_moved_starts(&self, index: usize) {
        let node = self.clone();
        self.send_job(Job(Box::new(move |now_ms| node.write_moved_starts(now_ms, index))));
    }

    /// Until no log start waits.
    fn write_moved_starts(&self, now_ms: i64, index: usize) {
        let Some(directory) = self.0.directories.get(index) else { return };
        loop {
            match directory.write_moved_starts() {
                Ok(true) => {}
                Ok(false) => return,
                // Who waited was refused; what waits now has the job after this one.
                Err(fault) if fault.is_passing() => {
                    tracing::warn!(%fault, "no room for the log starts");
                    directory.note_change();
                }
                Err(fault) => self.directory_failed(now_ms, index, &fault),
            }
        }
    }

    /// The next slice of a cleaning, on the pool. A node that goes away leaves it unfinished: the logs clean up when they close.
    fn clean(&self, mut cleaning: Box<Cleaning>) {
        let node = self.clone();
        self.send_job(Job(Box::new(move |now_ms| {
            if node.may_stop() {
                return;
            }
            let step = cleaning.work.run(cleaning.slice_bytes);
            let cell = Arc::clone(&cleaning.cell);
            node.submit(now_ms.max(node.latest_ms()), &cell, Command::Cleaning(cleaning, step));
        })));
    }

    /// The next slice of a move, on the pool. A node that goes away leaves it as it is: the next start goes on.
    fn copy_replica(&self, mut moving: Box<Moving>) {
        let node = self.clone();
        self.send_job(Job(Box::new(move |now_ms| {
            let Some(place) = node.0.directories.get(moving.target).filter(|_| !node.may_stop()) else {
                return;
            };
            let step = moving.run(place, node.wall_ms(now_ms));
            let cell = Arc::clone(&moving.cell);
            node.submit(now_ms.max(node.latest_ms()), &cell, Command::Moving(moving, step));
        })));
    }

    fn discard_future(&self, moving: Box<Moving>) {
        let node = self.clone();
        self.send_job(Job(Box::new(move |now_ms| {
            let target = moving.target;
            let Some(place) = node.0.directories.get(target) else { return };
            if let Err(fault) = moving.discard(place) {
                node.directory_failed(now_ms, target, &fault);
            }
        })));
    }

    fn retire(&self, retirement: Box<Retirement>) {
        let node = self.clone();
        self.send_job(Job(Box::new(move |now_ms| {
            let cell = Arc::clone(&retirement.cell);
            match retirement.run(&node.0.directories) {
                Ok(None) => {}
                Ok(removal) => node.submit(now_ms.max(node.latest_ms()), &cell, Command::Retired(removal)),
                Err((directory, fault)) => node.directory_failed(now_ms, directory, &fault),
            }
        })));
    }

    /// Syncs of one job until no log of the directory is left to take.
    fn run_flusher(&self, now_ms: i64, index: usize) {
        self.0.note_time(now_ms);
        let Some(directory) = self.0.directories.get(index) else { return };
        let mut done = Vec::new();
        loop {
            let share = directory.flusher.next(&done);
            if share.logs.is_empty() {
                return;
            }
            self.send_flushers(index, share.more_jobs);
            let outcomes = share.sync();
            done = outcomes.iter().map(|(cell, _)| cell.key).collect();
            let mut by_shard: Vec<Vec<_>> = self.0.shards.iter().map(|_| Vec::new()).collect();
            for (cell, outcome) in outcomes {
                if let Some(list) = by_shard.get_mut(cell.shard) {
                    list.push((cell, outcome));
                }
            }
            let now_ms = self.latest_ms();
            for (shard, outcomes) in by_shard.into_iter().enumerate() {
                if !outcomes.is_empty() {
                    self.submit_to(now_ms, shard, Command::Flushed { directory: index, outcomes });
                }
            }
        }
    }

    /// A reader met an error of the disk: as after a failed write, the directory is dead. A lack of descriptors is the process's own.
    pub(crate) fn read_failed(&self, now_ms: i64, fault: &Fault) {
        let directory = self.0.directories.of_path(&fault.path);
        if let Some(directory) = directory.filter(|_| !fault.is_shortage() && !fault.is_would_block()) {
            self.directory_failed(now_ms, directory, fault);
        }
    }

    /// The directory is dead: every shard drops what it had there, the controller hears of it; without any directory, or
    /// without the metadata, the process ends.
    pub(crate) fn directory_failed(&self, now_ms: i64, index: usize, fault: &Fault) {
        let Some(directory) = self.0.directories.get(index) else { return };
        if fault.is_shortage() {
            tracing::warn!(%fault, "the process is short of descriptors or memory: the disk is not to blame");
            return;
        }
        if !directory.fail() {
            return;
        }
        tracing::error!(%fault, directory = %directory.log.path().display(), replicas = directory.replicas(), "the log directory is dead: no retry, no acknowledgement; its replicas are offline until the node is started again on a sound disk");
        for shard in &self.0.shards {
            shard.post(Command::DirectoryFailed { directory: index });
        }
        if self.0.directories.online().is_empty() {
            self.0.rim.halt(&format!("no log directory is left: {fault}"));
        } else if directory.holds_metadata {
            self.0.rim.halt(&format!("the directory of the metadata log failed: {fault}"));
        }
        self.tell(QuorumCommand::DirectoriesFailed(self.0.directories.offline()));
        for shard in &self.0.shards {
            shard.run(now_ms, self);
        }
    }

    /// Computes the next deadline and promises it to the rim; a shard that becomes due earlier meanwhile is seen.
    pub(super) fn arm(&self) -> Option<i64> {
        let checkpoint_ms = self.0.next_checkpoint_ms.load(Ordering::SeqCst);
        let own = || checkpoint_ms.min(self.0.peers.next_ms()).min(self.0.fetchers.next_ms());
        let next = || self.0.shards.iter().map(|shard| shard.deadline_ms()).fold(own(), i64::min);
        let mut promised = next();
        loop {
            self.0.armed_ms.store(promised, Ordering::SeqCst);
            let again = next();
            if again >= promised {
                return (promised < NEVER).then_some(promised);
            }
            promised = again;
        }
    }

    /// A crash before the checkpoints are written would have a cleaning done once more. They name every partition, so that the
    /// more there are the longer the round waits for others to share it.
    fn checkpoint_soon(&self, now_ms: i64) {
        let replicas: usize = self.0.directories.iter().map(|directory| directory.replicas()).sum();
        let pause_ms = i64::try_from(replicas / REPLICAS_PER_MS).unwrap_or(i64::MAX);
        let due_ms = now_ms.saturating_add(pause_ms);
        self.0.next_checkpoint_ms.fetch_min(due_ms, Ordering::SeqCst);
        self.due(due_ms);
    }

    /// Every few seconds, if something was written since: the offset checkpoints.
    pub(super) fn checkpoint_if_due(&self, now_ms: i64) {
        if now_ms < self.0.next_checkpoint_ms.load(Ordering::SeqCst) {
            return;
        }
        self.0
            .next_checkpoint_ms
            .store(now_ms.saturating_add(self.0.checkpoint_interval_ms), Ordering::SeqCst);
        // No short cut: `any` would leave the flags of later directories standing.
        let changed = self.0.directories.iter().filter(|directory| directory.take_change()).count();
        if changed == 0 {
            return;
        }
        let round = Arc::new(CheckpointRound::new(self.0.shards.len(), &self.0.directories));
        for shard in &self.0.shards {
            shard.submit(now_ms, Command::Checkpoint(Arc::clone(&round)), self);
        }
    }

    fn write_checkpoints(&self, now_ms: i64, round: &CheckpointRound) {
        for (index, fault) in round.write(&self.0.directories) {
            if fault.is_passing() {
                // The old files still stand, and are written again when there may be room.
                tracing::warn!(%fault, "no room for the offset checkpoints");
                self.0.directories.get(index).into_iter().for_each(Directory::note_change);
                continue;
            }
            self.directory_failed(now_ms, index, &fault);
        }
    }

    /// Flushes and closes every log, writes the checkpoints, then the clean-shutdown marker. Nothing may be called afterwards. `tell`
    /// hears what is at work next.
    pub fn close(&self, now_ms: i64, tell: &dyn Fn(&str)) {
        self.0.note_time(now_ms);
        self.0.fetchers.close();
        self.0.peers.close(now_ms);
        let mut offsets: BTreeMap<usize, DirectoryOffsets> = Default::default();
        for shard in &self.0.shards {
            let ClosedShard { offsets: closed, faults } =
                shard.with_shard(|shard| shard.close(now_ms, &self.0.directories, tell));
            for (directory, closed) in closed {
                offsets.entry(directory).or_default().extend(closed);
            }
            for (directory, fault) in faults {
                tracing::error!(%fault, "a log did not close cleanly");
                if let Some(directory) = self.0.directories.get(directory) {
                    directory.fail();
                }
            }
        }
        for (index, directory) in self.0.directories.iter().enumerate() {
            if directory.is_failed() {
                continue;
            }
            let broker_epoch = directory.epoch_to_leave(self.broker_epoch());
            tell(&directory.log.path().display().to_string());
            let mut closed = offsets.remove(&index).unwrap_or_default();
            // Before the image of this life is there, nobody knows which of the logs that were found are whose.
            let is_sound = self.0.directories.is_settled() || directory.keep_unclaimed(&mut closed);
            let written = checkpoints::write(directory, closed, Known::now(directory)).and_then(|()| {
                if is_sound { directory.log.write_clean_shutdown(broker_epoch) } else { Ok(()) }
            });
            if let Err(fault) = written {
                tracing::error!(%fault, "the directory will be recovered at the next start");
            }
        }
    }
}
