//! The simulated computer: a disk, and a process that is up or not. Boots the real node, runs its turns and jobs when the
//! driver says so, and takes it down in every way a computer can go down. Checks nothing.

use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use broker::config::{BrokerFile, StaticConfig, Values};
use broker::loggers::Loggers;
use broker::rim::Bells;
use broker::{Job, Listener, Node, NodeOptions, OpenError, Peer, Rim};
use log::directory::MetaProperties;
use log::sim_disk::Survival;
use log::{Disk, LogDirectory, SimDisk};
use wire::Uuid;
use wire::wall::Wall;

use crate::lying_disk::LyingDisk;
use crate::network::{Serving, Wire};
use crate::shape::{Plant, Shape};
use crate::world::World;

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
}

/// A new connection, if the node takes one.
pub fn accept(world: &World) -> Option<Rc<Wire>> {
    let mut machine = world.machine.borrow_mut();
    let process = machine.process.as_ref().filter(|process| process.is_listening)?;
    let node = process.node.clone();
    let connection = node.connection(Peer {
        listener: "PLAINTEXT".to_owned(),
        controller: false,
        host: "/127.0.0.1".to_owned(),
        principal: "User:ANONYMOUS".to_owned(),
    });
    let wire = Rc::new(Wire::default());
    machine.wires.retain(|wire| wire.strong_count() > 0);
    machine.wires.push(Rc::downgrade(&wire));
    world.spawn(Serving::new(world.clone(), Rc::clone(&wire), node, connection));
    Some(wire)
}

/// Does one of the moves, then hands new jobs to the workers.
pub fn make(world: &World, what: Move) {
    let now_ms = world.now_ms();
    let Some(node) = world.machine.borrow().node() else { return };
    let kind = match what {
        Move::Quorum => {
            with(world, |process| process.bells.quorum.store(false, Ordering::SeqCst));
            let next_ms = node.quorum_turn(now_ms);
            with(world, |process| process.quorum_ms = next_ms);
            b'Q'
        }
        Move::Turn => {
            with(world, |process| process.bells.turn.store(false, Ordering::SeqCst));
            let next_ms = node.turn(now_ms);
            with(world, |process| process.turn_ms = next_ms);
            b'T'
        }
        Move::Job(index) => {
            let job = with(world, |process| process.jobs.remove(index).1);
            if let Some(job) = job {
                job.run(now_ms);
            }
            b'J'
        }
    };
    world.trace.borrow_mut().note(now_ms, kind, &[]);
}

/// Workers take the jobs that there are.
pub fn take_jobs(world: &World) {
    let rung = with(world, |process| process.bells.workers.swap(false, Ordering::SeqCst));
    if rung != Some(true) {
        return;
    }
    let Some(node) = world.machine.borrow().node() else { return };
    while let Some(job) = node.work() {
        let slow = world.strikes(world.shape.slow_jobs);
        let delay_ms = world.draw(|random| random.between(0, if slow { 300 } else { 5 }));
        with(world, |process| process.jobs.push((world.now_ms() + delay_ms, job)));
    }
}

fn with<T>(world: &World, work: impl FnOnce(&mut Process) -> T) -> Option<T> {
    world.machine.borrow_mut().process.as_mut().map(work)
}

/// Opens the node on what the disk holds; its turns are due at once.
pub fn boot(world: &World) -> Result<(), OpenError> {
    let bells = Arc::new(Bells::default());
    let disk = disk_of(world);
    world.machine.borrow().disk.set_misses_per_mille(world.shape.misses);
    let seed = world.draw(|random| random.next());
    let node = Node::open(options(&world.shape, &bells, &world.wall), disk, seed, world.now_ms())?;
    world.boots.set(world.boots.get() + 1);
    let now_ms = world.now_ms();
    world.machine.borrow_mut().process = Some(Process {
        node,
        bells,
        quorum_ms: Some(now_ms),
        turn_ms: Some(now_ms),
        jobs: Vec::new(),
        is_listening: false,
    });
    Ok(())
}

fn disk_of(world: &World) -> Arc<dyn Disk> {
    let disk = world.machine.borrow().disk.clone();
    if world.shape.plant == Plant::DiskLies { Arc::new(LyingDisk(disk)) } else { Arc::new(disk) }
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
