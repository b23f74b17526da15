//! The simulated computer: a disk, and a process that is up or not. Boots the real node, runs its turns and jobs when the
//! driver says so, and takes it down in every way a computer can go down. Checks nothing.

use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::config::{BrokerFile, StaticConfig, Values};
use broker::loggers::Loggers;
use broker::rim::Bells;
use broker::{Connection, Job, Listener, Node, NodeOptions, OpenError, Peer, Rim, Roles};
use log::directory::MetaProperties;
use log::sim_disk::Survival;
use log::{Disk, LogDirectory, SimDisk};
use wire::Uuid;
use wire::wall::Wall;

use crate::lying_disk::LyingDisk;
use crate::pipes::Wire;
use crate::shape::{Plant, Shape};

/// The one log directory.
pub const DIRECTORY: &str = "/data";

/// The computer.
pub struct Machine {
    pub disk: SimDisk,
    process: Option<Process>,
    wires: Vec<Weak<Wire>>,
}

/// A node that runs.
struct Process {
    node: Node,
    bells: Arc<Bells>,
    /// When the turns are due.
    quorum_ms: Option<i64>,
    turn_ms: Option<i64>,
    /// Jobs that workers have taken, and when they get to do them.
    jobs: Vec<(i64, Job)>,
    is_listening: bool,
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
    pub fn new(seed: u64) -> Result<Machine, log::Fault> {
        let disk = SimDisk::new(seed);
        disk.create_directory(&PathBuf::from(DIRECTORY))?;
        let meta = MetaProperties {
            cluster_id: Some("simulated-cluster".to_owned()),
            node_id: Some(1),
            directory_id: Uuid::from_random(0x1234_5678_9abc_def0_1234_5678_9abc_def0),
            ..MetaProperties::default()
        };
        LogDirectory::new(Arc::new(disk.clone()), DIRECTORY).write_meta_properties(&meta)?;
        disk.restart(Survival::Everything);
        Ok(Machine { disk, process: None, wires: Vec::new() })
    }

    pub fn node(&self) -> Option<Node> {
        self.process.as_ref().map(|process| process.node.clone())
    }

    pub fn is_up(&self) -> bool {
        self.process.is_some()
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
            // Jobs hold the node that holds them; those at work hold back others.
            process.jobs.clear();
            while process.node.work().is_some() {}
        }
    }

    /// The node has given up, or the power went while it wrote.
    pub fn has_fallen(&self) -> bool {
        let halted = |process: &Process| process.bells.halted.load(Ordering::SeqCst);
        self.disk.is_crashed() || self.process.as_ref().is_some_and(halted)
    }

    /// What can be done at this time.
    pub fn moves(&self, now_ms: i64) -> Vec<Move> {
        let Some(process) = &self.process else { return Vec::new() };
        let due = |at_ms: Option<i64>| at_ms.is_some_and(|at_ms| at_ms <= now_ms);
        let rung = |bell: &AtomicBool| bell.load(Ordering::SeqCst);
        let mut moves = Vec::new();
        if rung(&process.bells.quorum) || due(process.quorum_ms) {
            moves.push(Move::Quorum);
        }
        if rung(&process.bells.turn) || due(process.turn_ms) {
            moves.push(Move::Turn);
        }
        let jobs = process.jobs.iter().enumerate().filter(|(_, (at_ms, _))| *at_ms <= now_ms);
        moves.extend(jobs.map(|(index, _)| Move::Job(index)));
        moves
    }

    /// When something becomes due.
    pub fn next_ms(&self) -> Option<i64> {
        let process = self.process.as_ref()?;
        let jobs = process.jobs.iter().map(|(at_ms, _)| *at_ms);
        jobs.chain(process.quorum_ms).chain(process.turn_ms).min()
    }

    /// A new connection, if the node takes one.
    pub fn accept(&mut self) -> Option<(Node, Connection, Rc<Wire>)> {
        let process = self.process.as_ref().filter(|process| process.is_listening)?;
        let node = process.node.clone();
        let connection = node.connection(Peer {
            listener: "PLAINTEXT".to_owned(),
            controller: false,
            host: "/127.0.0.1".to_owned(),
            principal: "User:ANONYMOUS".to_owned(),
        });
        let wire = Rc::new(Wire::default());
        self.wires.retain(|wire| wire.strong_count() > 0);
        self.wires.push(Rc::downgrade(&wire));
        Some((node, connection, wire))
    }

    /// Does one of the moves.
    pub fn make(&mut self, what: Move, now_ms: i64) {
        let Some(process) = &mut self.process else { return };
        match what {
            Move::Quorum => {
                process.bells.quorum.store(false, Ordering::SeqCst);
                process.quorum_ms = process.node.quorum_turn(now_ms);
            }
            Move::Turn => {
                process.bells.turn.store(false, Ordering::SeqCst);
                process.turn_ms = process.node.turn(now_ms);
            }
            Move::Job(index) => process.jobs.remove(index).1.run(now_ms),
        }
    }

    /// The jobs that nobody has, once the node has called for workers.
    pub fn new_jobs(&self) -> Vec<Job> {
        let Some(process) = &self.process else { return Vec::new() };
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
    pub fn boot(&mut self, shape: &Shape, wall: &Wall, seed: u64, now_ms: i64) -> Result<(), OpenError> {
        assert!(self.process.is_none(), "machine: two nodes on one disk");
        let bells = Arc::new(Bells::default());
        self.disk.set_misses_per_mille(shape.misses);
        let disk = self.disk.clone();
        let disk: Arc<dyn Disk> =
            if shape.plant == Plant::DiskLies { Arc::new(LyingDisk(disk)) } else { Arc::new(disk) };
        let node = Node::open(options(shape, &bells, wall), disk, seed, now_ms)?;
        self.process = Some(Process {
            node,
            bells,
            quorum_ms: Some(now_ms),
            turn_ms: Some(now_ms),
            jobs: Vec::new(),
            is_listening: false,
        });
        Ok(())
    }
}

fn options(shape: &Shape, bells: &Arc<Bells>, wall: &Wall) -> NodeOptions {
    let values: Values = shape.settings().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    // A key that the table refuses is a bug of the shape, seen at the first run.
    let file = match BrokerFile::new(values) {
        Ok((file, _)) => file,
        Err(refused) => unreachable!("the shape's own settings: {refused}"),
    };
    NodeOptions {
        node_id: 1,
        roles: Roles::COMBINED,
        inter_broker_listener: "PLAINTEXT".to_owned(),
        controller_listener_names: vec!["CONTROLLER".to_owned()],
        voters: Vec::new(),
        bootstrap_servers: Vec::new(),
        listeners: vec![Listener {
            name: "PLAINTEXT".to_owned(),
            host: "broker.sim".to_owned(),
            port: 9092,
            security_protocol: "PLAINTEXT".to_owned(),
        }],
        controller_listeners: Vec::new(),
        directories: vec![PathBuf::from(DIRECTORY)],
        metadata_directory: PathBuf::from(DIRECTORY),
        config: StaticConfig { shards: shape.shards, ..StaticConfig::from_file(file) },
        rim: Arc::clone(bells) as Arc<dyn Rim>,
        wall: wall.clone(),
        loggers: Arc::new(Loggers::silent()),
        values_door: Arc::new(|_| {}),
    }
}
