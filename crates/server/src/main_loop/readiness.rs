//! Waiting for other nodes on the way up and down: whom for, and for how long at most. Owns the words for it; who leads the quorum and what
//! the controller says is the node's business.

use std::time::{Duration, Instant};

use broker::Node;

use crate::journey::Journey;
use crate::settings::Settings;
use crate::start_error::StartError;
use crate::threads::NodeThreads;

/// How long the controller may take to accept this broker.
const REGISTRATION_LIMIT: &str = "initial.broker.registration.timeout.ms";

/// Between two looks at a node that is on its way up or down.
const LOOK: Duration = Duration::from_millis(50);

/// How long the controller may take to let this broker go.
const CONTROLLED_SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);

/// How long a stop waits for a quorum without a leader: several elections. Who is the last to stop finds none any more.
const LEADERLESS_LIMIT: Duration = Duration::from_secs(5);
const _: () =
    assert!(LEADERLESS_LIMIT.as_secs() < CONTROLLED_SHUTDOWN_LIMIT.as_secs(), "it is a shorter wait");

/// A start that somebody wants back goes no further.
pub(super) fn turned_back(journey: &Journey) -> Result<(), StartError> {
    match journey.is_wanted_back() {
        true => Err(StartError::new("the start was called off", "a signal asked for it", "start it again")),
        false => Ok(()),
    }
}

/// Until the controller has accepted this broker and lets clients in; a node that is controller only knows by then who leads.
pub(super) fn wait_until_ready(
    settings: &Settings,
    node: &Node,
    threads: &NodeThreads,
    journey: &Journey,
) -> Result<(), StartError> {
    let limit = Duration::from_millis(settings.file.number(REGISTRATION_LIMIT).unsigned_abs());
    let began = Instant::now();
    while !is_up(settings, node) {
        journey.waits_for(what_is_missing(settings, node));
        turned_back(journey)?;
        if settings.roles.broker && !node.is_registered() && began.elapsed() >= limit {
            return Err(not_registered(settings, node, limit));
        }
        threads.turned.wait(Some(LOOK));
    }
    Ok(())
}

fn is_up(settings: &Settings, node: &Node) -> bool {
    if settings.roles.broker {
        return node.is_ready();
    }
    let status = node.quorum_status();
    status.leader.leader.is_some() && status.high_watermark >= 0
}

fn what_is_missing(settings: &Settings, node: &Node) -> String {
    match node.quorum_status().leader.leader {
        None => format!("the quorum to have a leader (its members: {})", members(settings)),
        Some(_) if node.is_registered() => {
            "this broker to be unfenced: it catches up with the metadata log".to_owned()
        }
        Some(_) if !settings.roles.broker => "the leader of the quorum to say what is committed".to_owned(),
        Some(leader) if leader == settings.node_id => "the controller to accept this broker".to_owned(),
        Some(leader) => format!("controller {leader} to accept this broker"),
    }
}

fn not_registered(settings: &Settings, node: &Node, limit: Duration) -> StartError {
    let limit = format!("{REGISTRATION_LIMIT}={}", limit.as_millis());
    let what = "this broker is not registered";
    match node.quorum_status().leader.leader {
        None => StartError::new(
            what,
            format!("the quorum had no leader within {limit}; its members: {}", members(settings)),
            "whether these controllers run, most of them, reach each other and this node, and have its cluster.id",
        ),
        Some(leader) => StartError::new(
            what,
            format!("controller {leader} did not accept it within {limit}"),
            "the lines of the log above, which say what the controller answered",
        ),
    }
}

/// Where the quorum is, as the configuration has it.
fn members(settings: &Settings) -> String {
    let voters = settings.voters.iter().map(|voter| format!("{}@{}:{}", voter.id, voter.host, voter.port));
    let servers = settings.bootstrap_servers.iter().map(|(host, port)| format!("{host}:{port}"));
    let all: Vec<String> = if settings.voters.is_empty() { servers.collect() } else { voters.collect() };
    all.join(", ")
}

/// Until the controller lets this broker go, as long as there is one.
pub(super) fn wait_until_gone(node: &Node, threads: &NodeThreads, journey: &Journey) {
    let (end, mut led) = (Instant::now() + CONTROLLED_SHUTDOWN_LIMIT, Instant::now());
    while !node.may_stop() {
        let leader = node.quorum_status().leader.leader;
        journey.waits_for(match leader {
            Some(leader) => format!("controller {leader} to let this broker go"),
            None => "the quorum to have a leader that lets this broker go".to_owned(),
        });
        if leader.is_some() {
            led = Instant::now();
        }
        if led.elapsed() >= LEADERLESS_LIMIT || Instant::now() >= end {
            let why = if leader.is_some() { "did not let this broker go in time" } else { "is not there" };
            tracing::warn!("the controller {why}; stopping without its consent");
            return;
        }
        threads.turned.wait(Some(LOOK));
    }
}

/// Looks after every turn of the quorum whether the node is so far. False if it took longer than `limit`.
pub(super) fn wait(node: &Node, threads: &NodeThreads, limit: Duration, until: fn(&Node) -> bool) -> bool {
    let end = Instant::now() + limit;
    while !until(node) {
        let Some(left) = end.checked_duration_since(Instant::now()) else { return false };
        threads.turned.wait(Some(left.min(LOOK)));
    }
    true
}
