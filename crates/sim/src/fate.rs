//! What befalls the machine: power loss, a killed process, a disk that fails, a clean stop; then the restart, and the audit of
//! what it brought back. At the end the world heals and everything has to finish.

use log::Disk;
use log::sim_disk::{SimFault, Survival};
use wire::Str;
use wire::topic::TopicPartition;

use crate::audit;
use crate::clients::{admin, consumer, producer};
use crate::host::DIRECTORY;
use crate::invariants;
use crate::shape::Plant;
use crate::socket::Socket;
use crate::world::{Phase, World};

/// A node is ready this long after its start at the latest: a broker's session of 9 s may have to run out first.
const READY_MS: i64 = 60_000;

/// After the faults, everything is done within this time.
const HEALED_MS: i64 = 300_000;

/// The controlled shutdown takes this long at most.
const STOP_MS: i64 = 30_000;
const _: () =
    assert!(READY_MS + STOP_MS < HEALED_MS, "a stop and a start leave time to finish what was begun");

/// How the machine goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Down {
    /// The power goes between two operations.
    PowerLoss,
    /// The power goes with an operation of the disk.
    PowerLossAtWork(u64),
    /// kill -9: what was written is in the page cache.
    Kill,
    /// An operation of the disk fails; the process ends itself.
    DiskError(u64),
    /// SIGTERM.
    CleanStop,
}

/// The whole life of the machine.
pub async fn run(world: World) {
    if !come_up(&world).await {
        return;
    }
    world.producing.set(world.shape.producers);
    world.spawn(start_clients(world.clone()));
    for _ in 0..world.shape.downs {
        let wait_ms = world.draw(|random| random.between(1, world.shape.down_every_ms));
        if !pass(&world, wait_ms).await {
            return;
        }
        go_down(&world).await;
        let pause_ms = world.draw(|random| random.between(0, 500));
        world.sleep(pause_ms).await;
        if !come_up(&world).await {
            return;
        }
    }
    while world.producing.get() > 0 && world.draw(|random| random.per_mille(900)) {
        if !pass(&world, 50).await {
            return;
        }
    }
    world.phase.set(Phase::Healing);
    world.tell("no fault from here on");
    finish(&world).await;
}

/// Time passes; a node that falls meanwhile (a fault of the disk that came late) is started again. False if it stays down.
async fn pass(world: &World, ms: i64) -> bool {
    let until_ms = world.now_ms() + ms;
    while world.now_ms() < until_ms {
        world.sleep((until_ms - world.now_ms()).min(20)).await;
        if !world.machine().borrow().is_up() {
            fallen(world);
            if !come_up(world).await {
                return false;
            }
        }
    }
    true
}

async fn start_clients(world: World) {
    let world = &world;
    admin::prepare(world).await;
    for index in 0..world.shape.producers {
        world.spawn(producer::Producer::draw(world, index).run());
    }
    for group in group_names(world) {
        for index in 0..world.shape.members {
            world.spawn(consumer::member_after_member(world.clone(), group.clone(), index));
        }
    }
    if world.shape.deletes_records {
        world.spawn(admin::deletes_records(world.clone()));
    }
    if world.shape.churns_topics {
        world.spawn(admin::churns_topics(world.clone()));
    }
}

fn group_names(world: &World) -> Vec<Str> {
    (0..world.shape.groups).map(|index| Str::from(format!("group{index}"))).collect()
}

/// Boots until the node is ready, then audits what came back. False if it does not come up.
async fn come_up(world: &World) -> bool {
    for _ in 0..100 {
        // A second power loss may strike while the first is being recovered from.
        if world.shape.disk_faults && world.strikes(150) {
            let at = world.draw(|random| random.between(0, 60)) as u64;
            world.machine().borrow().disk.fail_at(at, SimFault::Crash);
        }
        let seed = world.draw(|random| random.next());
        // What was to fail in the process before may meet the start of this one; it fails once.
        let is_strained = world.machine().borrow().disk.is_strained();
        let booted = world.machine().borrow_mut().boot(&world.shape, seed, world.now_ms());
        match booted {
            Err(error) if !is_strained && !world.machine().borrow().has_fallen() => {
                world.check(invariants::the_node_comes_up(&error.to_string()));
                return false;
            }
            Err(_) => {}
            Ok(()) => {
                world.boots.set(world.boots.get() + 1);
                if becomes_ready(world).await {
                    return true;
                }
            }
        }
        if world.violation().is_some() {
            return false;
        }
        fallen(world);
        world.sleep(20).await;
    }
    world.check(invariants::the_node_comes_up("a hundred starts were not enough"));
    false
}

/// True once the node serves everything; false if it has fallen again.
async fn becomes_ready(world: &World) -> bool {
    world.model.borrow_mut().high_watermarks.clear();
    let until_ms = world.now_ms() + READY_MS;
    loop {
        let Some(node) = world.machine().borrow().node() else { return false };
        if node.is_ready() && audit::everything_is_led(&node, &world.model.borrow()) {
            break;
        }
        if world.now_ms() > until_ms {
            let status = format!("{:?}", node.quorum_status());
            world.check(invariants::the_node_comes_up(&format!("not ready in time: {status}")));
            return false;
        }
        world.sleep(5).await;
    }
    let Some(node) = world.machine().borrow().node() else { return false };
    world.tell("the node is ready");
    let image = audit::image_of(&node);
    if let Some(before) = world.model.borrow_mut().image.take() {
        world.check(invariants::a_restart_brings_the_same_image(&before, &image));
    }
    let exists = |name: &str| node.image().topics.by_name(name).is_some();
    world.check(invariants::topics_are_as_acknowledged(&world.model.borrow(), exists));
    world.check(audit::partitions(world, &node));
    world.machine().borrow_mut().listen(true);
    true
}

async fn go_down(world: &World) {
    let way = world.draw(|random| match random.between(0, 10) {
        0..=2 => Down::PowerLoss,
        3..=5 => Down::PowerLossAtWork(random.between(0, 60) as u64),
        6..=7 => Down::Kill,
        8 => Down::DiskError(random.between(0, 60) as u64),
        _ => Down::CleanStop,
    });
    let way = match way {
        Down::Kill | Down::PowerLoss if world.shape.plant == Plant::SwallowsSyncFaults => {
            Down::DiskError(world.draw(|random| random.between(0, 30)) as u64)
        }
        Down::DiskError(_) if !world.shape.disk_faults => Down::PowerLoss,
        way => way,
    };
    world.tell(&format!("goes down: {way:?}"));
    match way {
        Down::PowerLoss => {
            remember_image(world);
            world.machine().borrow_mut().kill();
            power_loss(world);
        }
        Down::Kill => {
            remember_image(world);
            world.machine().borrow_mut().kill();
        }
        Down::PowerLossAtWork(at) => fall_at_work(world, at, SimFault::Crash).await,
        Down::DiskError(at) if world.shape.plant == Plant::SwallowsSyncFaults => {
            world.machine().borrow().disk.fail_at(at, SimFault::SyncForgets);
            world.sleep(300).await;
            world.machine().borrow_mut().kill();
            power_loss(world);
        }
        Down::DiskError(at) => fall_at_work(world, at, SimFault::Io).await,
        Down::CleanStop => {
            clean_stop(world).await;
        }
    }
}

async fn fall_at_work(world: &World, at: u64, fault: SimFault) {
    world.machine().borrow().disk.fail_at(at, fault);
    for _ in 0..2_000 {
        if !world.machine().borrow().is_up() {
            break;
        }
        world.sleep(5).await;
    }
    // Too quiet a moment: nothing touched the disk.
    remember_image(world);
    world.machine().borrow_mut().kill();
    fallen(world);
}

/// After the process is gone by itself: was it the power?
fn fallen(world: &World) {
    world.machine().borrow_mut().kill();
    if world.machine().borrow().disk.is_crashed() {
        power_loss(world);
    }
}

fn power_loss(world: &World) {
    let survival = world.draw(|random| random.pick(&[Survival::Random, Survival::Nothing], Survival::Random));
    world.tell(&format!("the power was lost; of the unsynced survives: {survival:?}"));
    world.machine().borrow().disk.restart(survival);
    world.model.borrow_mut().power_lost();
    if world.shape.lies(Plant::RottenDisk) {
        rot(world);
    }
}

/// The planted bug: one bit turns in the middle of a segment of the workload.
fn rot(world: &World) {
    let disk = world.machine().borrow().disk.clone();
    let directory = std::path::Path::new(DIRECTORY);
    for entry in disk.list(directory).unwrap_or_default() {
        let inside = directory.join(&entry.name);
        let files = if entry.name.starts_with("topic") { disk.list(&inside) } else { Ok(Vec::new()) };
        for file in files.unwrap_or_default() {
            if file.name.ends_with(".log") && file.length > 100 {
                disk.flip_bit(&inside.join(&file.name), (file.length / 2) as usize, 3);
                return;
            }
        }
    }
}

/// What a power loss may not take from the committed image.
pub fn remember_image(world: &World) {
    let Some(node) = world.machine().borrow().node() else { return };
    let image = audit::image_of(&node);
    world.model.borrow_mut().image = Some(image.into_iter().filter(|line| !line.contains("churn")).collect());
}

/// False if the node fell before it was closed: a power loss that was armed long ago may strike here.
async fn clean_stop(world: &World) -> bool {
    let Some(node) = world.machine().borrow().node() else { return false };
    node.begin_shutdown(world.now_ms());
    let until_ms = world.now_ms() + STOP_MS;
    while !node.may_stop() && world.now_ms() < until_ms && world.machine().borrow().is_up() {
        world.sleep(5).await;
    }
    if !world.machine().borrow().is_up() {
        fallen(world);
        return false;
    }
    if !node.may_stop() {
        world.check(invariants::everything_ends_well("the controlled shutdown does not end"));
    }
    world.machine().borrow_mut().listen(false);
    remember_image(world);
    node.close(world.now_ms(), &|_| ());
    if world.machine().borrow().has_fallen() {
        fallen(world);
        return false;
    }
    world.machine().borrow_mut().kill();
    world.model.borrow_mut().closed();
    // Whatever a clean stop leaves unsynced, the power may take.
    if world.draw(|random| random.per_mille(300)) {
        power_loss(world);
    }
    true
}

/// Everybody gets done; then a last stop, a look at every file, and a last start.
async fn finish(world: &World) {
    let until_ms = world.now_ms() + HEALED_MS;
    while let Some(open) = unfinished(world) {
        if world.now_ms() > until_ms {
            world.check(invariants::everything_ends_well(&open));
            return;
        }
        if !pass(world, 100).await {
            return;
        }
    }
    world.phase.set(Phase::Closing);
    if !pass(world, 3_000).await {
        return;
    }
    while !clean_stop(world).await {
        if world.violation().is_some() || !come_up(world).await {
            return;
        }
    }
    let disk = world.machine().borrow().disk.clone();
    world.check(audit::files(&disk));
    if world.violation().is_none() && come_up(world).await {
        committed_offsets(world).await;
        clean_stop(world).await;
    }
    world.phase.set(Phase::Done);
}

/// What is still to be done, in words.
fn unfinished(world: &World) -> Option<String> {
    if world.producing.get() > 0 {
        return Some(format!("{} producers wait for their acks", world.producing.get()));
    }
    if !world.machine().borrow().is_up() {
        return Some("the node is down".to_owned());
    }
    let model = world.model.borrow();
    for group in group_names(world) {
        for partition in admin::all_partitions(world) {
            let Some((_, end)) = consumer::bounds(world, &partition) else {
                return Some(format!("{partition:?} is not led"));
            };
            let key = (group.clone(), partition.clone());
            let acked = model.committed.get(&key).and_then(|committed| committed.acked);
            if end > 0 && acked != Some(end) {
                return Some(format!("{group} has committed {acked:?} of {end} in {partition:?}"));
            }
        }
    }
    None
}

/// Every group hears what it has committed.
async fn committed_offsets(world: &World) {
    let partitions: Vec<TopicPartition> = admin::all_partitions(world);
    let until_ms = world.now_ms() + HEALED_MS;
    for group in group_names(world) {
        loop {
            if world.now_ms() > until_ms {
                return world.check(invariants::everything_ends_well("nobody tells the committed offsets"));
            }
            let socket = Socket::connect(world, "audit").await;
            let told = consumer::fetch_offsets(&socket, &group, &partitions).await;
            let Some(told) = told.ok().filter(|told| told.iter().all(|(.., error)| error.code() == 0)) else {
                world.sleep(50).await;
                continue;
            };
            for (partition, offset, _) in told {
                let model = world.model.borrow();
                let known = model.committed.get(&(group.clone(), partition.clone()));
                let checked = invariants::committed_offsets_are_never_lost(&group, &partition, known, offset);
                world.check(checked);
            }
            break;
        }
    }
}
