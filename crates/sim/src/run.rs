//! The driver: of all that can run now, the seed draws what runs next; when nothing can, the clock goes to the next deadline.
//! One thread, one loop.

use std::collections::BTreeSet;

use broker::Roles;
use wire::planted;

use crate::audit;
use crate::cluster::shape::{ClusterShape, Power};
use crate::cluster::strikes::Strike;
use crate::cluster::{self, strikes};
use crate::dialing;
use crate::executor::{Executor, TaskId};
use crate::fate;
use crate::invariants::{self, Violation};
use crate::machine::Move;
use crate::product_lines;
use crate::random::Random;
use crate::shape::{Plant, Shape};
use crate::trace::Trace;
use crate::world::{Phase, World};

/// Steps without the clock moving: more means that the node turns without rest.
const STEPS_AT_REST_MAX: u64 = 50_000;

/// Clusters with seeds below it have neither failing disks nor meddling administrators: the seeds that bugs left behind go their way.
const MORE_FAULTS_FROM: u64 = 1_000;

/// From this seed on clusters copy in transactions: those below go the way they went.
const TRANSACTIONS_FROM: u64 = 2_000_000;

/// Simulated time that a run may take: an hour.
const RUN_MS: i64 = 3_600_000;

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// All chance comes from it: the same seed takes the same way.
    pub seed: u64,
    /// Several machines instead of one.
    pub cluster: bool,
    /// Groups speak the consumer protocol.
    pub modern_groups: bool,
    /// Of a cluster's faults, by their places, those that are left out.
    pub without: BTreeSet<usize>,
    /// A lie that some invariant has to see; [`Plant::Nothing`] is the real thing.
    pub plant: Plant,
    /// The same run without the lie.
    pub is_sound: bool,
    /// Print what happens.
    pub print: bool,
    /// A cluster of this shape with these faults, instead of drawn ones.
    pub(crate) script: Option<Script>,
}

/// A cluster that is not drawn.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    /// Of the machines; empty: three that do everything.
    pub roles: Vec<Roles>,
    /// Records of the workload are kept so often, and so many copies are enough.
    pub replication_factor: i16,
    pub min_insync_replicas: i16,
    /// Where the power may go.
    pub power: Power,
    /// Who copy in transactions.
    pub copiers: usize,
    pub strikes: Vec<Strike>,
}

impl Options {
    /// One node.
    pub fn one(seed: u64) -> Options {
        Options {
            seed,
            cluster: false,
            modern_groups: false,
            without: BTreeSet::new(),
            plant: Plant::Nothing,
            is_sound: false,
            print: false,
            script: None,
        }
    }

    /// Several.
    pub fn cluster(seed: u64) -> Options {
        Options { cluster: true, ..Options::one(seed) }
    }
}

/// What became of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The seed that was run.
    pub seed: u64,
    /// The first invariant that did not hold; the run ended with it.
    pub violation: Option<Violation>,
    /// Of everything that happened, in order: equal runs have equal hashes.
    pub trace_hash: u64,
    /// Faults that were drawn for a cluster; those left out included.
    pub faults: usize,
    /// Events in the trace.
    pub events: u64,
    /// Requests that nodes began to handle.
    pub requests: u64,
    /// Starts of the node that succeeded.
    pub boots: u64,
    /// Records that producers have got acknowledged.
    pub acked_records: u64,
    /// Records that consumers have read.
    pub read_records: u64,
    /// How long it took on the simulated clock.
    pub simulated_ms: i64,
}

#[derive(Debug)]
enum Step {
    Machine(usize, Move),
    Task(TaskId),
}

/// Runs one seed to its end, or to its first violation.
pub fn run(options: Options) -> Report {
    let mut random = Random::new(options.seed);
    let mut shape = Shape::draw(&mut random, options.plant);
    shape.is_sound = options.is_sound;
    shape.modern_groups = options.modern_groups;
    planted::plant(match options.plant {
        Plant::Product(bug) if !options.is_sound => Some(bug),
        _ => None,
    });
    if options.cluster {
        let cluster = match &options.script {
            None if options.seed >= MORE_FAULTS_FROM => {
                ClusterShape::draw(&mut random).with_more(&mut Random::new(options.seed.rotate_left(16)))
            }
            None => ClusterShape::draw(&mut random),
            Some(script) => {
                let (copies, enough) = (script.replication_factor, script.min_insync_replicas);
                let mut three = ClusterShape::three(&mut random, copies, enough);
                if !script.roles.is_empty() {
                    three.roles.clone_from(&script.roles);
                }
                ClusterShape { power: script.power, ..three }
            }
        };
        let cluster = match &options.script {
            Some(script) => ClusterShape { copiers: script.copiers, ..cluster },
            None if options.seed >= TRANSACTIONS_FROM => {
                cluster.with_copiers(&mut Random::new(options.seed.rotate_left(8)))
            }
            None => cluster,
        };
        shape = shape.of_a_cluster(cluster);
    }
    let trace = Trace::new(options.print);
    if options.print {
        println!("{shape:#?}");
    }
    // A fresh disk takes the format; a fault here is a bug of the disk.
    let machines = match cluster::machines::machines(&shape.cluster, &mut random) {
        Ok(machines) => machines,
        Err(fault) => unreachable!("a fresh disk: {fault}"),
    };
    let world = World::new(shape, random, trace, machines);
    world.spoil_the_clocks(&mut Random::new(options.seed.rotate_left(32)));
    let mut executor = Executor::default();
    let mut faults = 0;
    if options.cluster {
        let strikes = match options.script {
            Some(script) => script.strikes,
            None => {
                let mut strikes = world.draw(|random| strikes::draw(random, &world.shape.cluster));
                if options.seed >= MORE_FAULTS_FROM {
                    let mut random = Random::new(options.seed.rotate_left(48));
                    strikes.extend(strikes::draw_disks(&mut random, &world.shape.cluster));
                }
                strikes
            }
        };
        faults = strikes.len();
        let kept = strikes.into_iter().enumerate().filter(|(place, _)| !options.without.contains(place));
        world.spawn(cluster::fate::run(world.clone(), kept.map(|(_, strike)| strike).collect()));
    } else {
        world.spawn(fate::run(world.clone()));
    }
    drive(&world, &mut executor);
    Report { faults, ..report(&world, options.seed) }
}

fn drive(world: &World, executor: &mut Executor) {
    let mut at_rest = 0;
    let mut steps = Vec::new();
    while world.violation().is_none() && world.phase.get() != Phase::Done {
        world.spawned.borrow_mut().drain(..).for_each(|task| executor.spawn(task));
        take_jobs(world);
        let now_ms = world.now_ms();
        steps.clear();
        for (index, machine) in world.machines.iter().enumerate() {
            machine.borrow().moves(now_ms, |what| steps.push(Step::Machine(index, what)));
        }
        executor.ready(|task| steps.push(Step::Task(task)));
        if steps.is_empty() {
            at_rest = 0;
            if !wait(world) {
                return;
            }
            continue;
        }
        let chosen = world.draw(|random| random.index(steps.len()));
        let busy = if at_rest == STEPS_AT_REST_MAX { format!("{steps:?}") } else { String::new() };
        match steps.swap_remove(chosen) {
            Step::Machine(index, what) => make(world, index, what),
            Step::Task(id) => executor.poll(id),
        }
        after_step(world);
        at_rest += 1;
        if at_rest > STEPS_AT_REST_MAX {
            let what = format!("the node never comes to rest: {busy}");
            world.check(invariants::everything_ends_well(&what));
        }
    }
}

/// Workers take the jobs that there are; when they get to do them, the seed draws.
fn take_jobs(world: &World) {
    for machine in &world.machines {
        let jobs = machine.borrow().new_jobs();
        for job in jobs {
            let slow = world.strikes(world.shape.slow_jobs);
            let delay_ms = world.draw(|random| random.between(0, if slow { 300 } else { 5 }));
            machine.borrow_mut().take_job(world.now_ms() + delay_ms, job);
        }
    }
}

/// A machine does one of its moves.
fn make(world: &World, index: usize, what: Move) {
    let now_ms = world.now_ms();
    product_lines::of_machine(index, now_ms);
    world.machine_at(index).borrow_mut().make(what, now_ms);
    world.touched.set(Some(index));
    let kind = match what {
        Move::Quorum => b'Q',
        Move::Turn => b'T',
        Move::Job(_) => b'J',
    };
    let whose = (index as u64).to_be_bytes();
    let whose = if world.shape.cluster.is_plural() { &whose[..] } else { &[] };
    world.trace.borrow_mut().note(now_ms, kind, whose);
}

/// Moves the clock to what comes next. False if nothing ever comes.
fn wait(world: &World) -> bool {
    let timers = world.timers.borrow().next_ms();
    let machines = world.machines.iter().filter_map(|machine| machine.borrow().next_ms());
    let next_ms = timers.into_iter().chain(machines).min();
    match next_ms {
        Some(next_ms) if next_ms - crate::START_MS <= RUN_MS => {
            world.advance_to(next_ms.max(world.now_ms()));
            true
        }
        Some(_) | None => {
            world.check(invariants::everything_ends_well("the run does not end"));
            false
        }
    }
}

fn after_step(world: &World) {
    if world.shape.cluster.is_plural() {
        return after_step_of_cluster(world);
    }
    if world.machine().borrow().is_up() && world.machine().borrow().has_fallen() {
        world.tell("the node has fallen");
        fate::remember_image(world);
        world.machine().borrow_mut().kill();
        return;
    }
    // Views change by what a node does.
    let node = world.touched.take().and_then(|index| world.machine_at(index).borrow().node());
    if let Some(node) = node {
        world.check(audit::watermarks(&node, &mut world.model.borrow_mut()));
    }
}

fn after_step_of_cluster(world: &World) {
    dialing::carry(world);
    let Some(machine) = world.touched.take() else { return };
    let has_fallen = {
        let machine = world.machine_at(machine).borrow();
        machine.is_up() && machine.has_fallen()
    };
    if has_fallen {
        world.tell(&format!("the node of machine {machine} has fallen"));
        world.machine_at(machine).borrow_mut().kill();
    } else {
        world.check(cluster::audit::step(world, machine));
    }
}

fn report(world: &World, seed: u64) -> Report {
    let trace = world.trace.borrow();
    let model = world.model.borrow();
    Report {
        seed,
        violation: world.violation(),
        trace_hash: trace.hash(),
        faults: 0,
        events: trace.events(),
        requests: world.requests.get(),
        boots: world.boots.get(),
        acked_records: model.acked_records,
        read_records: model.read_records,
        simulated_ms: world.now_ms() - crate::START_MS,
    }
}
