//! What may happen to three nodes beside dying: the network between them breaks in every way, a disk is wiped, a log directory fails, a clock
//! jumps, everything is moved, voters are replaced. Each under the load of librdkafka's and Kafka's own clients, whose links are whole.
//!
//! Owns the blows and their order; what they strike with is in `ground.rs`, how a blow is judged is in `blows.rs` and `settling.rs`.

use super::blows::{leader, strike_once, wait_for_another, whole};
use super::ground::{FOURTH, Ground};
use super::moves;
use super::settling::settle;
use super::terms::{CALM, NAME, SETTINGS, TOPICS, WHOLE_LIMIT};
use crate::network::Network;
use crate::process::pause;
use crate::provision;
use crate::stages::clients;
use crate::stages::crash::load::Load;
use crate::stages::crash::power::PoweredDisk;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::trio::{Layout, NODES, Trio};
use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The node whose second log directory lies on the disk that fails.
const ON_DISK: i32 = 2;

/// How long a broken link stays so after what was waited for has happened.
const BROKEN: Duration = Duration::from_secs(3);

type Strike = fn(&Ground<'_>, &mut Trio) -> Result<()>;

/// On either broker.
const STRIKES: &[(&str, Strike)] = &[
    ("a leader cut off from the others", |ground, trio| cut_leader(ground, trio, Ways::Both)),
    ("a leader that the others do not hear", |ground, trio| cut_leader(ground, trio, Ways::Out)),
    ("a leader that does not hear the others", |ground, trio| cut_leader(ground, trio, Ways::In)),
    ("a follower cut off from the others", cut_follower),
    ("the active controller cut off from the others", cut_controller),
    ("connections reset, then half open", half_open),
    ("a leader behind a narrow link", narrow),
    ("a log directory that fails", fail_directory),
    ("a clock that jumps by an hour, on and back", jump),
    ("every partition reassigned", moves::reassign),
    ("a disk wiped", moves::wipe),
    ("a voter replaced and given back", moves::replace_voter),
];

/// The part of the stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    clients::python_environment(bench)?;
    let hosts: Vec<i32> = NODES.into_iter().chain([FOURTH]).collect();
    let network = match Network::make(&bench.workspace, &hosts) {
        Ok(network) => network,
        Err(why) => {
            tally.skip(format!("no network of namespaces here: {why:#}"));
            return Ok(tally);
        }
    };
    let disk = match PoweredDisk::make(bench, "cluster-disk") {
        Ok(disk) => disk,
        Err(why) => {
            tally.skip(format!("no ext4 that can be cut off here: {why:#}"));
            return Ok(tally);
        }
    };
    let more = |id: i32| if id == ON_DISK { disk.path().join("more") } else { PathBuf::from("more") };
    let layout = Layout {
        network: Some(&network),
        log_directories: NODES.map(|id| vec![PathBuf::from("data"), more(id)]),
        is_dynamic: true,
        ..Layout::default()
    };
    let kinds = [bench.kind; 3];
    let mut trio = Trio::start_as(&bench.workspace, kinds, "faults", SETTINGS, &layout)?;
    let ground = Ground { bench, network, disk };
    let outcome = endure(&ground, &mut trio, &mut tally);
    outcome.with_context(|| trio.last_words())?;
    Ok(tally)
}

fn endure(ground: &Ground<'_>, trio: &mut Trio, tally: &mut Tally) -> Result<()> {
    let mut load = Load::start_on(ground.bench, &trio.bootstrap(), NAME, NODES.len())?;
    for (name, strike) in STRIKES {
        strike_once(trio, &mut load, name, |trio| strike(ground, trio))
            .with_context(|| (*name).to_owned())?;
        tally.check(name, true);
    }
    settle(ground.bench, trio, load, tally)?;
    Ok(())
}

/// Which packets of a node are lost.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ways {
    Out,
    In,
    Both,
}

fn others(id: i32) -> impl Iterator<Item = i32> {
    NODES.into_iter().filter(move |other| *other != id)
}

fn cut_off(ground: &Ground<'_>, id: i32, ways: Ways) -> Result<()> {
    for other in others(id) {
        if ways != Ways::In {
            ground.network.cut(id, other)?;
        }
        if ways != Ways::Out {
            ground.network.cut(other, id)?;
        }
    }
    Ok(())
}

/// Clients still reach it, and it may not acknowledge anything that the next leader does not have.
fn cut_leader(ground: &Ground<'_>, trio: &mut Trio, ways: Ways) -> Result<()> {
    let id = leader(trio)?;
    cut_off(ground, id, ways)?;
    let Some(other) = others(id).next() else { bail!("there is no other node") };
    // Whom the others ask has not noticed anything yet, or nobody can be asked for a moment.
    wait_for_another(id, "the partition", || {
        Ok(trio.leader_seen_by(other, TOPICS[0], 0).ok().filter(|seen| *seen >= 0).unwrap_or(id))
    })?;
    pause(BROKEN);
    ground.network.heal()?;
    whole(trio)
}

fn cut_follower(ground: &Ground<'_>, trio: &mut Trio) -> Result<()> {
    let leader = leader(trio)?;
    let Some(id) = others(leader).next() else { bail!("there is no follower") };
    cut_off(ground, id, Ways::Both)?;
    wait_out_of_sync(trio, leader, id)?;
    pause(BROKEN);
    ground.network.heal()?;
    whole(trio)
}

/// Waits until a node shows a partition of the load without another one in its ISR.
fn wait_out_of_sync(trio: &Trio, asked: i32, id: i32) -> Result<()> {
    let began = Instant::now();
    loop {
        let seen = trio.described(asked, Some(TOPICS));
        let topics = seen.iter().flat_map(|seen| &seen.topics);
        if topics.flat_map(|topic| &topic.partitions).any(|one| !one.in_sync.contains(&id)) {
            return Ok(());
        }
        ensure!(began.elapsed() < WHOLE_LIMIT, "node {id}, which cannot follow, stays in sync");
        pause(Duration::from_millis(100));
    }
}

fn cut_controller(ground: &Ground<'_>, trio: &mut Trio) -> Result<()> {
    let id = trio.active_controller()?;
    cut_off(ground, id, Ways::Both)?;
    wait_for_another(id, "the quorum", || {
        let mut seen = others(id).filter_map(|other| trio.active_controller_seen_by(other).ok());
        Ok(seen.find(|seen| *seen >= 0 && *seen != id).unwrap_or(id))
    })?;
    pause(BROKEN);
    ground.network.heal()?;
    whole(trio)
}

/// First whatever a follower sends is answered by a reset and its leader keeps the other ends; then the follower forgets its connections
/// while nobody can be told.
fn half_open(ground: &Ground<'_>, trio: &mut Trio) -> Result<()> {
    let leader = leader(trio)?;
    let Some(id) = others(leader).next() else { bail!("there is no follower") };
    ground.network.reset(id, leader)?;
    pause(BROKEN);
    ground.network.heal()?;
    pause(CALM);
    ground.network.cut_both(id, leader)?;
    ground.network.forget(id, leader)?;
    pause(CALM);
    ground.network.heal()?;
    whole(trio)
}

fn narrow(ground: &Ground<'_>, trio: &mut Trio) -> Result<()> {
    let id = leader(trio)?;
    ground.network.slow(id)?;
    pause(BROKEN + BROKEN);
    ground.network.heal()?;
    whole(trio)
}

/// The node goes on with the directory that is left, its partitions elsewhere are led by others; when the disk is back it follows again.
fn fail_directory(ground: &Ground<'_>, trio: &mut Trio) -> Result<()> {
    let Some(asked) = others(ON_DISK).next() else { bail!("there is no other node") };
    ground.disk.cut()?;
    wait_out_of_sync(trio, asked, ON_DISK)?;
    pause(BROKEN);
    let listed = trio.described(asked, Some(&[]))?.brokers.iter().any(|(id, _)| *id == ON_DISK);
    ensure!(listed, "node {ON_DISK} ended with one of its directories");
    trio.kill(ON_DISK)?;
    ground.disk.repair()?;
    trio.launch(&ground.bench.workspace, ON_DISK)?;
    whole(trio)
}

/// The leader's wall clock jumps, as an operator or a bad time server would have it; clients stamp records with the right time.
fn jump(ground: &Ground<'_>, trio: &mut Trio) -> Result<()> {
    let (id, clock) = (leader(trio)?, trio.directory().join("clock"));
    set(&clock, "+0")?;
    let under = [
        "env".to_owned(),
        format!("LD_PRELOAD={}", faketime(ground.bench)?.display()),
        format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()),
        "FAKETIME_NO_CACHE=1".to_owned(),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        "DONT_FAKE_MONOTONIC=1".to_owned(),
    ];
    trio.stop(id)?;
    trio.launch_below(&ground.bench.workspace, id, &under)?;
    whole(trio)?;
    for offset in ["+1h", "-1h", "+0"] {
        set(&clock, offset)?;
        pause(BROKEN);
        whole(trio)?;
    }
    trio.stop(id)?;
    trio.launch(&ground.bench.workspace, id)?;
    whole(trio)
}

/// At once, or not at all: the node looks at any moment.
fn set(clock: &Path, offset: &str) -> Result<()> {
    let new = clock.with_extension("new");
    std::fs::write(&new, format!("{offset}\n"))?;
    std::fs::rename(&new, clock).with_context(|| clock.display().to_string())
}

fn faketime(bench: &Workbench) -> Result<PathBuf> {
    provision::debian(&bench.workspace, "faketime", "faketime")?;
    let folders = ["x86_64", "aarch64"].map(|machine| format!("/usr/lib/{machine}-linux-gnu/faketime"));
    let mut libraries = folders.iter().map(|folder| Path::new(folder).join("libfaketimeMT.so.1"));
    libraries.find(|path| path.exists()).context("libfaketimeMT.so.1 is nowhere")
}
