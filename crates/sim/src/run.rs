//! The driver: of all that can run now, the seed draws what runs next; when nothing can, the clock goes to the next deadline.
//! One thread, one loop.

use crate::audit;
use crate::executor::{Executor, TaskId};
use crate::fate;
use crate::invariants::{self, Violation};
use crate::machine::{Machine, Move};
use crate::random::Random;
use crate::shape::{Plant, Shape};
use crate::trace::Trace;
use crate::world::{Phase, World};

/// Steps without the clock moving: more means that the node turns without rest.
const STEPS_AT_REST_MAX: u64 = 50_000;

/// Simulated time that a run may take: an hour.
const RUN_MS: i64 = 3_600_000;

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// All chance comes from it: the same seed takes the same way.
    pub seed: u64,
    /// A lie that some invariant has to see; [`Plant::Nothing`] is the real thing.
    pub plant: Plant,
    /// Print what happens.
    pub print: bool,
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

enum Step {
    Machine(Move),
    Task(TaskId),
}

/// Runs one seed to its end, or to its first violation.
pub fn run(options: Options) -> Report {
    let mut random = Random::new(options.seed);
    let shape = Shape::draw(&mut random, options.plant);
    let trace = Trace::new(options.print);
    if options.print {
        println!("{shape:#?}");
    }
    // A fresh disk takes the format; a fault here is a bug of the disk.
    let machine = match Machine::new(random.next()) {
        Ok(machine) => machine,
        Err(fault) => unreachable!("a fresh disk: {fault}"),
    };
    let world = World::new(shape, random, trace, machine);
    world.spoil_the_clock(&mut Random::new(options.seed.rotate_left(32)));
    let mut executor = Executor::default();
    world.spawn(fate::run(world.clone()));
    drive(&world, &mut executor);
    report(&world, options.seed)
}

fn drive(world: &World, executor: &mut Executor) {
    let mut at_rest = 0;
    while world.violation().is_none() && world.phase.get() != Phase::Done {
        for task in std::mem::take(&mut *world.spawned.borrow_mut()) {
            executor.spawn(task);
        }
        take_jobs(world);
        let now_ms = world.now_ms();
        let mut steps: Vec<Step> =
            world.machine.borrow().moves(now_ms).into_iter().map(Step::Machine).collect();
        steps.extend(executor.ready().into_iter().map(Step::Task));
        if steps.is_empty() {
            at_rest = 0;
            if !wait(world) {
                return;
            }
            continue;
        }
        let chosen = world.draw(|random| random.index(steps.len()));
        match steps.swap_remove(chosen) {
            Step::Machine(what) => make(world, what),
            Step::Task(id) => executor.poll(id),
        }
        after_step(world);
        at_rest += 1;
        if at_rest > STEPS_AT_REST_MAX {
            world.check(invariants::everything_ends_well("the node never comes to rest"));
        }
    }
}

/// Workers take the jobs that there are; when they get to do them, the seed draws.
fn take_jobs(world: &World) {
    let jobs = world.machine.borrow().new_jobs();
    for job in jobs {
        let slow = world.strikes(world.shape.slow_jobs);
        let delay_ms = world.draw(|random| random.between(0, if slow { 300 } else { 5 }));
        world.machine.borrow_mut().take_job(world.now_ms() + delay_ms, job);
    }
}

/// The machine does one of its moves.
fn make(world: &World, what: Move) {
    let now_ms = world.now_ms();
    world.machine.borrow_mut().make(what, now_ms);
    let kind = match what {
        Move::Quorum => b'Q',
        Move::Turn => b'T',
        Move::Job(_) => b'J',
    };
    world.trace.borrow_mut().note(now_ms, kind, &[]);
}

/// Moves the clock to what comes next. False if nothing ever comes.
fn wait(world: &World) -> bool {
    let timers = world.timers.borrow().next_ms();
    let machine = world.machine.borrow().next_ms();
    let next_ms = timers.into_iter().chain(machine).min();
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
    if world.machine.borrow().is_up() && world.machine.borrow().has_fallen() {
        world.tell("the node has fallen");
        fate::remember_image(world);
        world.machine.borrow_mut().kill();
        return;
    }
    let node = world.machine.borrow().node();
    if let Some(node) = node {
        world.check(audit::watermarks(&node, &mut world.model.borrow_mut()));
    }
}

fn report(world: &World, seed: u64) -> Report {
    let trace = world.trace.borrow();
    let model = world.model.borrow();
    Report {
        seed,
        violation: world.violation(),
        trace_hash: trace.hash(),
        events: trace.events(),
        requests: world.requests.get(),
        boots: world.boots.get(),
        acked_records: model.acked_records,
        read_records: model.read_records,
        simulated_ms: world.now_ms() - crate::START_MS,
    }
}
