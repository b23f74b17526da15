//! The simulated computer: a disk, a clock, and a process that is up or not, or stands still. Boots the real node, runs its turns and
//! jobs when the driver says so, and takes it down in every way a computer can go down. Checks nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use broker::rim::{Bells, LinkId, Outward};
use broker::{Connection, Job, Node, OpenError, Peer};
use log::directory::MetaProperties;
use log::sim_disk::Survival;
use log::{Disk, LogDirectory, SimDisk};
use wire::Uuid;

use crate::clock::Clock;
use crate::host::{DIRECTORY, Door, Host};
use crate::lying_disk::{Lie, LyingDisk};
use crate::pipes::Wire;
use crate::shape::{Plant, Shape};

/// The computer.
pub struct Machine {
    pub disk: SimDisk,
    pub clock: Clock,
    pub host: Host,
    process: Option<Process>,
    /// Starts so far: what belongs to an earlier process is told by it.
    boots: u64,
    /// Disks before this one: each has an id of its own.
    disks: u32,
    wires: Vec<Weak<Wire>>,
    /// It stands still: no turn, no job, no frame is looked at.
    is_paused: bool,
    /// When it began to move: its start, or the end of the last pause.
    resumed_ms: i64,
    /// Who goes on when it does.
    sleepers: Vec<Waker>,
}

/// A node that runs.
struct Process {
    node: Node,
    bells: Arc<Bells>,
    /// When the turns are due, by the run's time.
    quorum_ms: Option<i64>,
    turn_ms: Option<i64>,
    /// Jobs that workers have taken, and when they get to do them.
    jobs: Vec<(i64, Job)>,
    is_listening: bool,
    /// The node's own connections to others; `None` while one is being opened.
    links: BTreeMap<LinkId, Option<Rc<Wire>>>,
}

/// Something that the process can do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Quorum,
    Turn,
    Job(usize),
}

impl Machine {
    /// A computer with a formatted directory.
    pub fn new(seed: u64, host: Host, clock: Clock) -> Result<Machine, log::Fault> {
        let disk = SimDisk::new(seed);
        disk.create_directory(&PathBuf::from(DIRECTORY))?;
        let machine = Machine {
            disk,
            clock,
            host,
            process: None,
            boots: 0,
            disks: 0,
            wires: Vec::new(),
            is_paused: false,
            resumed_ms: 0,
            sleepers: Vec::new(),
        };
        machine.format()?;
        machine.disk.restart(Survival::Everything);
        Ok(machine)
    }

    fn format(&self) -> Result<(), log::Fault> {
        let node_id = self.host.node_id;
        let directory = 0x1234_5678_9abc_def0_1234_5678_9abc_deef_u128
            .wrapping_add(node_id as u128 + (u128::from(self.disks) << 32));
        let meta = MetaProperties {
            cluster_id: Some("simulated-cluster".to_owned()),
            node_id: Some(node_id),
            directory_id: Uuid::from_random(directory),
            ..MetaProperties::default()
        };
        LogDirectory::new(Arc::new(self.disk.clone()), DIRECTORY).write_meta_properties(&meta)
    }

    /// Another disk, empty and formatted.
    pub fn wipe(&mut self, seed: u64) -> Result<(), log::Fault> {
        assert!(self.process.is_none(), "machine: its disk is taken from under it");
        self.disk = SimDisk::new(seed);
        self.disk.create_directory(&PathBuf::from(DIRECTORY))?;
        self.disks += 1;
        self.format()?;
        self.disk.restart(Survival::Everything);
        Ok(())
    }

    pub fn node(&self) -> Option<Node> {
        self.process.as_ref().map(|process| process.node.clone())
    }

    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// The number of the process that runs or ran last.
    pub fn boots(&self) -> u64 {
        self.boots
    }

    /// Clients may connect.
    pub fn listen(&mut self, listening: bool) {
        if let Some(process) = &mut self.process {
            process.is_listening = listening;
        }
        if !listening {
            self.reset_connections();
        }
    }

    fn reset_connections(&mut self) {
        for wire in std::mem::take(&mut self.wires) {
            if let Some(wire) = wire.upgrade() {
                wire.reset();
            }
        }
    }

    /// The process is gone from one moment to the next.
    pub fn kill(&mut self) {
        self.reset_connections();
        if let Some(mut process) = self.process.take() {
            for wire in std::mem::take(&mut process.links).into_values().flatten() {
                wire.reset();
            }
            // Jobs hold the node that holds them; those at work hold back others.
            process.jobs.clear();
            while process.node.work().is_some() {}
        }
        self.pause(false, 0);
    }

    /// The process stands still, or goes on.
    pub fn pause(&mut self, is_paused: bool, now_ms: i64) {
        self.is_paused = is_paused;
        self.resumed_ms = now_ms;
        if !is_paused {
            std::mem::take(&mut self.sleepers).into_iter().for_each(Waker::wake);
        }
    }

    /// Since when it moves.
    pub fn resumed_ms(&self) -> i64 {
        self.resumed_ms
    }

    /// True if it stands still; then who asks is woken when it goes on.
    pub fn sleeps(&mut self, waker: &Waker) -> bool {
        if self.is_paused {
            self.sleepers.push(waker.clone());
        }
        self.is_paused
    }

    /// The node has given up, or the power went while it wrote.
    pub fn has_fallen(&self) -> bool {
        let halted = |process: &Process| process.bells.halted.load(Ordering::SeqCst);
        self.disk.is_crashed() || self.process.as_ref().is_some_and(halted)
    }

    /// Names what can be done at this time of the run.
    pub fn moves(&self, now_ms: i64, mut can: impl FnMut(Move)) {
        let Some(process) = self.process.as_ref().filter(|_| !self.is_paused) else { return };
        let due = |at_ms: Option<i64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        let rung = |bell: &AtomicBool| bell.load(Ordering::SeqCst);
        if rung(&process.bells.quorum) || due(process.quorum_ms) {
            can(Move::Quorum);
        }
        if rung(&process.bells.turn) || due(process.turn_ms) {
            can(Move::Turn);
        }
        let jobs = process.jobs.iter().enumerate().filter(|(_, (at_ms, _))| *at_ms <= now_ms);
        jobs.for_each(|(index, _)| can(Move::Job(index)));
    }

    /// When something becomes due.
    pub fn next_ms(&self) -> Option<i64> {
        let process = self.process.as_ref().filter(|_| !self.is_paused)?;
        let jobs = process.jobs.iter().map(|(at_ms, _)| *at_ms);
        jobs.chain(process.quorum_ms).chain(process.turn_ms).min()
    }

    /// True if somebody may knock there now: the controller's door is open from the start, the broker's once it is ready.
    pub fn is_open(&self, door: Door) -> bool {
        let is_open = |process: &Process| door == Door::Controller || process.is_listening;
        self.process.as_ref().is_some_and(is_open)
    }

    /// A new connection, if the node takes one there.
    pub fn accept(&mut self, door: Door, wire: Wire) -> Option<(Node, Connection, Rc<Wire>)> {
        let process = self.process.as_ref().filter(|_| self.is_open(door))?;
        let node = process.node.clone();
        let connection = node.connection(Peer {
            listener: door.listener().to_owned(),
            controller: door == Door::Controller,
            host: "/127.0.0.1".to_owned(),
            port: 0,
            principal: broker::Principal::anonymous(),
        });
        let wire = Rc::new(wire);
        self.wires.retain(|wire| wire.strong_count() > 0);
        self.wires.push(Rc::downgrade(&wire));
        Some((node, connection, wire))
    }

    /// What the node asks of its connections to others, the oldest first.
    pub fn next_outward(&self) -> Option<Outward> {
        self.process.as_ref()?.bells.outward.lock().pop_front()
    }

    /// The connections that this process has asked for.
    pub fn links(&mut self) -> Option<&mut BTreeMap<LinkId, Option<Rc<Wire>>>> {
        self.process.as_mut().map(|process| &mut process.links)
    }

    /// Does one of the moves.
    pub fn make(&mut self, what: Move, now_ms: i64) {
        let Some(process) = &mut self.process else { return };
        let shown_ms = self.clock.shows(now_ms);
        let when = |shown_ms: Option<i64>| shown_ms.map(|shown_ms| self.clock.when(shown_ms));
        match what {
            Move::Quorum => {
                process.bells.quorum.store(false, Ordering::SeqCst);
                process.quorum_ms = when(process.node.quorum_turn(shown_ms));
            }
            Move::Turn => {
                process.bells.turn.store(false, Ordering::SeqCst);
                process.turn_ms = when(process.node.turn(shown_ms));
            }
            Move::Job(index) => process.jobs.remove(index).1.run(shown_ms),
        }
    }

    /// The jobs that nobody has, once the node has called for workers.
    pub fn new_jobs(&self) -> Vec<Job> {
        let Some(process) = self.process.as_ref().filter(|_| !self.is_paused) else { return Vec::new() };
        if !process.bells.workers.swap(false, Ordering::SeqCst) {
            return Vec::new();
        }
        std::iter::from_fn(|| process.node.work()).collect()
    }

    /// A worker has a job and gets to do it at this time.
    pub fn take_job(&mut self, at_ms: i64, job: Job) {
        if let Some(process) = &mut self.process {
            process.jobs.push((at_ms, job));
        }
    }

    /// Opens the node on what the disk holds, with a seed of its own; its turns are due at once.
    pub fn boot(&mut self, shape: &Shape, seed: u64, now_ms: i64) -> Result<(), OpenError> {
        assert!(self.process.is_none(), "machine: two nodes on one disk");
        let bells = Arc::new(Bells::default());
        self.disk.set_misses_per_mille(shape.misses);
        let disk = self.disk.clone();
        let lies = [
            (Plant::DiskLies, Lie::Segments),
            (Plant::DirectoriesLie, Lie::Directories),
            (Plant::SwallowsSyncFaults, Lie::Faults),
        ];
        let disk: Arc<dyn Disk> = match lies.into_iter().find(|(plant, _)| shape.lies(*plant)) {
            Some((_, lie)) => Arc::new(LyingDisk(disk, lie)),
            None => Arc::new(disk),
        };
        let options = self.host.options(shape, self.boots, &bells, &self.clock.wall);
        let node = Node::open(options, disk, seed, self.clock.shows(now_ms))?;
        self.boots += 1;
        self.resumed_ms = now_ms;
        self.process = Some(Process {
            node,
            bells,
            quorum_ms: Some(now_ms),
            turn_ms: Some(now_ms),
            jobs: Vec::new(),
            is_listening: false,
            links: BTreeMap::new(),
        });
        Ok(())
    }
}
