//! The life of a cluster: its machines come up, clients work, faults strike, everything is made whole again, and everybody has to come to
//! the end. A keeper per machine starts its node whenever nothing holds it down.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use log::sim_disk::{SimFault, Survival};

use super::admin;
use super::audit;
use super::member;
use super::producer::Producer;
use super::reader::Reader;
use super::shape::Power;
use super::strikes::{Down, Strike, What};
use crate::history;
use crate::host::DIRECTORY;
use crate::invariants;
use crate::world::{Phase, World};

/// A cluster is ready this long after its first start at the latest.
const READY_MS: i64 = 60_000;

/// After the faults, every partition takes records within this time, and a broker's session on top.
const WRITABLE_MS: i64 = 10_000;

/// After the faults, everything is done within this time.
const HEALED_MS: i64 = 300_000;

/// The controlled shutdown takes this long at most; then the process ends all the same.
const STOP_MS: i64 = 10_000;

/// How often a keeper looks.
const LOOK_MS: i64 = 10;

/// What strikes and keepers share.
struct Hands {
    /// By machine: so many strikes hold it down.
    held: Vec<Cell<u32>>,
    /// By machine: so many have it stand still.
    paused: Vec<Cell<u32>>,
    /// Strikes that are not over.
    striking: Cell<usize>,
}

/// The whole life.
pub async fn run(world: World, strikes: Vec<Strike>) {
    let none = || world.machines.iter().map(|_| Cell::new(0)).collect();
    let hands = Rc::new(Hands { held: none(), paused: none(), striking: Cell::new(strikes.len()) });
    for machine in 0..world.machines.len() {
        world.spawn(keep(world.clone(), Rc::clone(&hands), machine));
    }
    if !becomes_ready(&world).await {
        return;
    }
    admin::prepare(&world).await;
    super::copies::prepare(&world).await;
    world.tell("topics are there: clients begin");
    world.producing.set(world.shape.producers);
    for index in 0..world.shape.producers {
        world.spawn(Producer::draw(&world, index).run());
    }
    // Where every machine may lose its power, nothing is promised of what was read before it was acknowledged.
    let reads_meanwhile = world.shape.cluster.power != Power::WeakEverywhere;
    if reads_meanwhile {
        start_readers(&world);
    }
    super::copies::start(&world);
    if world.shape.cluster.meddles {
        world.spawn(super::meddling::run(world.clone()));
    }
    for strike in strikes {
        world.spawn(play(world.clone(), Rc::clone(&hands), strike));
    }
    while hands.striking.get() > 0 {
        world.sleep(20).await;
    }
    world.phase.set(Phase::Healing);
    world.tell("no fault from here on");
    if !reads_meanwhile {
        start_readers(&world);
    }
    finish(&world).await;
}

fn start_readers(world: &World) {
    if world.shape.cluster.copiers > 0 {
        world.spawn(super::copies::follow(world.clone()));
    }
    world.spawn(Reader::new(world, 0).run());
    for group in member::group_names(world) {
        for index in 0..world.shape.members {
            world.spawn(member::member_after_member(world.clone(), group.clone(), index));
        }
    }
}

/// Starts a machine's node whenever it may run and does not, and opens its door to brokers and clients.
async fn keep(world: World, hands: Rc<Hands>, machine: usize) {
    let mut open_boot = 0;
    while world.phase.get() < Phase::Done && world.violation().is_none() {
        let is_held = hands.held.get(machine).is_some_and(|held| held.get() > 0);
        let (is_up, boots, node) = {
            let machine = world.machine_at(machine).borrow();
            (machine.is_up(), machine.boots(), machine.node())
        };
        if !is_up && !is_held {
            start(&world, machine);
        } else if open_boot != boots && node.is_some_and(|node| node.is_ready()) {
            open_boot = boots;
            world.tell(&format!("machine {machine} is ready"));
            world.machine_at(machine).borrow_mut().listen(true);
        }
        world.sleep(LOOK_MS).await;
    }
}

fn start(world: &World, index: usize) {
    let seed = world.draw(|random| random.next());
    let mut machine = world.machine_at(index).borrow_mut();
    if machine.disk.is_crashed() {
        drop(machine);
        return power_comes_back(world, index);
    }
    let is_strained = machine.disk.is_strained();
    let booted = machine.boot(&world.shape, seed, world.now_ms());
    let has_fallen = machine.has_fallen();
    drop(machine);
    match booted {
        Ok(()) => {
            world.boots.set(world.boots.get() + 1);
            world.tell(&format!("machine {index} starts"));
        }
        // What it could not write or read, it may be able to in a moment.
        Err(error) if is_strained => {
            world.tell(&format!("machine {index} does not start: {error}"));
        }
        Err(error) if !has_fallen => {
            world.check(invariants::the_node_comes_up(&format!("machine {index}: {error}")));
        }
        Err(_) => {}
    }
}

/// Of what was not synced, some or nothing is left.
fn power_comes_back(world: &World, index: usize) {
    let survival = world.draw(|random| random.pick(&[Survival::Random, Survival::Nothing], Survival::Random));
    world.tell(&format!("machine {index} lost its power; of the unsynced survives: {survival:?}"));
    world.machine_at(index).borrow().disk.restart(survival);
    if world.shape.cluster.power == Power::WeakEverywhere {
        world.model.borrow_mut().power_lost();
    }
    let votes = |machine: usize| world.shape.cluster.roles.get(machine).is_some_and(|roles| roles.controller);
    let others = (0..world.machines.len()).filter(|machine| *machine != index && votes(*machine));
    if others.count() == 0 {
        world.oracle.borrow_mut().only_voter_lost_its_power(index);
    }
}

/// Every broker serves, every controller knows who leads.
async fn becomes_ready(world: &World) -> bool {
    let until_ms = world.now_ms() + READY_MS;
    loop {
        let late = world.machines.iter().find_map(|machine| {
            let machine = machine.borrow();
            let Some(node) = machine.node() else { return Some("a node is down".to_owned()) };
            let status = node.quorum_status();
            let is_ready =
                if machine.host.roles.broker { node.is_ready() } else { status.leader.leader.is_some() };
            (!is_ready).then(|| format!("node {} is not ready: {status:?}", node.node_id()))
        });
        let Some(late) = late else { return true };
        if world.now_ms() > until_ms {
            world.check(invariants::the_node_comes_up(&late));
        }
        if world.violation().is_some() {
            return false;
        }
        world.sleep(20).await;
    }
}

/// One fault, from its beginning to its end.
async fn play(world: World, hands: Rc<Hands>, strike: Strike) {
    world.sleep(strike.at_ms).await;
    world.tell(&format!("strikes for {} ms: {:?}", strike.for_ms, strike.what));
    match &strike.what {
        What::Down(way, machines) => {
            let holds = |machine: &usize| hands.held.get(*machine);
            machines.iter().filter_map(holds).for_each(|held| held.set(held.get() + 1));
            // Not over before all of them are down: what comes after the last fault is whole.
            for machine in machines {
                hands.striking.set(hands.striking.get() + 1);
                world.spawn(take_down(world.clone(), Rc::clone(&hands), *machine, *way));
            }
            world.sleep(strike.for_ms).await;
            machines.iter().filter_map(holds).for_each(|held| held.set(held.get() - 1));
        }
        What::Pause(machines) => {
            machines.iter().for_each(|machine| pause(&world, &hands, *machine, true));
            world.sleep(strike.for_ms).await;
            machines.iter().for_each(|machine| pause(&world, &hands, *machine, false));
        }
        What::Cut(directions) => {
            directions.iter().for_each(|direction| world.links.borrow_mut().cut(*direction, world.now_ms()));
            world.sleep(strike.for_ms).await;
            directions.iter().for_each(|direction| world.links.borrow_mut().mend(*direction));
        }
        What::Full(machines, left) => {
            let disk = |machine: &usize| world.machine_at(*machine).borrow().disk.clone();
            machines.iter().for_each(|machine| disk(machine).leave_room_for(*left));
            world.sleep(strike.for_ms).await;
            machines.iter().for_each(|machine| disk(machine).set_capacity(u64::MAX));
        }
        What::Broken(machines) => {
            let holds = |machine: &usize| hands.held.get(*machine);
            machines.iter().filter_map(holds).for_each(|held| held.set(held.get() + 1));
            for machine in machines {
                world.machine_at(*machine).borrow().disk.break_below(Path::new(DIRECTORY));
            }
            world.sleep(strike.for_ms).await;
            for machine in machines {
                world.machine_at(*machine).borrow_mut().kill();
                world.machine_at(*machine).borrow().disk.mend();
            }
            machines.iter().filter_map(holds).for_each(|held| held.set(held.get() - 1));
        }
        What::Clog(directions) => clog(&world, directions, strike.for_ms).await,
        What::Slow(directions, delay_ms) => {
            let slow = |delay_ms| {
                let mut links = world.links.borrow_mut();
                directions.iter().for_each(|direction| links.slow_down(*direction, delay_ms));
            };
            slow(*delay_ms);
            world.sleep(strike.for_ms).await;
            slow(0);
        }
    }
    hands.striking.set(hands.striking.get() - 1);
}

fn pause(world: &World, hands: &Hands, machine: usize, begins: bool) {
    let Some(paused) = hands.paused.get(machine) else { return };
    paused.set(if begins { paused.get() + 1 } else { paused.get() - 1 });
    world.machine_at(machine).borrow_mut().pause(paused.get() > 0, world.now_ms());
}

/// One direction after the other is cut, then they are mended in the same order (the draw's).
async fn clog(world: &World, directions: &[(usize, usize)], for_ms: i64) {
    let step_ms = for_ms / (2 * directions.len().max(1) as i64);
    for direction in directions {
        world.links.borrow_mut().cut(*direction, world.now_ms());
        world.sleep(step_ms).await;
    }
    for direction in directions {
        world.sleep(step_ms).await;
        world.links.borrow_mut().mend(*direction);
    }
}

async fn take_down(world: World, hands: Rc<Hands>, index: usize, way: Down) {
    go_down(world, index, way).await;
    hands.striking.set(hands.striking.get() - 1);
}

async fn go_down(world: World, index: usize, way: Down) {
    let machine = world.machine_at(index);
    match way {
        Down::Kill => machine.borrow_mut().kill(),
        Down::PowerCut => {
            machine.borrow_mut().kill();
            power_comes_back(&world, index);
        }
        Down::PowerCutAtWork(at) => {
            fall_at_work(&world, index, at, SimFault::Crash).await;
            power_comes_back(&world, index);
        }
        Down::DiskFault(at, fault) => {
            fall_at_work(&world, index, at, fault).await;
            world.machine_at(index).borrow().disk.end_process();
        }
        Down::Wipe => {
            let seed = world.draw(|random| random.next());
            machine.borrow_mut().kill();
            let wiped = machine.borrow_mut().wipe(seed);
            world.tell(&format!("machine {index} has a new disk"));
            if let Err(fault) = wiped {
                unreachable!("a fresh disk: {fault}");
            }
        }
        Down::CleanStop => stop(&world, index).await,
    }
}

/// An operation of the disk is the process' last.
async fn fall_at_work(world: &World, index: usize, at: u64, fault: SimFault) {
    let machine = world.machine_at(index);
    machine.borrow().disk.fail_at(at, fault);
    for _ in 0..200 {
        if !machine.borrow().is_up() {
            break;
        }
        world.sleep(5).await;
    }
    // Too quiet a moment: nothing touched the disk.
    machine.borrow_mut().kill();
}

async fn stop(world: &World, index: usize) {
    let machine = world.machine_at(index);
    let Some(node) = machine.borrow().node() else { return };
    let boot = machine.borrow().boots();
    let shown_ms = || machine.borrow().clock.shows(world.now_ms());
    node.begin_shutdown(shown_ms());
    let until_ms = world.now_ms() + STOP_MS;
    let is_here = || machine.borrow().is_up() && machine.borrow().boots() == boot;
    while is_here() && !node.may_stop() && world.now_ms() < until_ms {
        world.sleep(5).await;
    }
    if is_here() {
        machine.borrow_mut().listen(false);
        node.close(shown_ms(), &|_| ());
        machine.borrow_mut().kill();
        world.tell(&format!("machine {index} has stopped"));
    }
}

/// Everybody gets done; then the replicas are compared, and the clients' histories judged.
async fn finish(world: &World) {
    let until_ms = world.now_ms() + HEALED_MS;
    if !every_partition_takes_records(world).await {
        return;
    }
    loop {
        let open = match world.producing.get() {
            0 => audit::unsettled(world).or_else(|| member::unfinished(world, &audit::ends(world))),
            many => Some(format!("{many} producers wait for their acks")),
        };
        let open = match open {
            None => super::copies::unfinished(world, &audit::ends(world)).await,
            open => open,
        };
        // Reading the copies took time.
        let Some(open) = open.or_else(|| audit::unsettled(world)) else { break };
        if world.now_ms() > until_ms {
            return world.check(invariants::everything_ends_well(&open));
        }
        if world.violation().is_some() {
            return;
        }
        world.sleep(100).await;
    }
    world.check(audit::logs(world));
    let partitions: Vec<_> = audit::ends(world).into_keys().collect();
    member::committed_offsets(world, &partitions, until_ms).await;
    if !Reader::new(world, 1).read_up_to(&audit::ends(world), until_ms).await {
        return world.check(invariants::everything_ends_well("nobody reads to the end"));
    }
    world.phase.set(Phase::Closing);
    world.sleep(1_000).await;
    judge(world);
    world.phase.set(Phase::Done);
}

/// A probe to each partition has its ack within the time.
async fn every_partition_takes_records(world: &World) -> bool {
    let session_ms = world.shape.cluster.key("broker.session.timeout.ms");
    let until_ms = world.now_ms() + WRITABLE_MS + session_ms;
    let mut probe = Producer::probe(world);
    loop {
        let left = probe.try_all().await;
        if left.is_empty() {
            return true;
        }
        if world.now_ms() > until_ms {
            world.check(invariants::every_partition_is_soon_writable(&format!("still not: {left:?}")));
            return false;
        }
        if world.violation().is_some() {
            return false;
        }
        world.sleep(50).await;
    }
}

fn judge(world: &World) {
    match history::check(&world.history.borrow()) {
        Ok(verdict) => world.check(invariants::histories_hold(&verdict)),
        Err(twice) => unreachable!("clients number their values: {} of {}", twice.value, twice.key),
    }
}
