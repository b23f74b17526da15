//! Waiting for other nodes on the way up and down: whom for, and for how long at most. Owns the words for it; who leads the quorum and what
//! the controller says is the node's business.

use std::time::{Duration, Instant};

use broker::Node;
use wire::ErrorCode;

use super::reach::{Address, Members};
use crate::journey::Journey;
use crate::settings::Settings;
use crate::start_error::StartError;
use crate::threads::NodeThreads;

/// How long the controller may take to accept this broker.
const REGISTRATION_LIMIT: &str = "initial.broker.registration.timeout.ms";

/// Between two looks at a node that is on its way up or down.
const LOOK: Duration = Duration::from_millis(50);

/// How long the controller may take to let this node go.
const CONTROLLED_SHUTDOWN_LIMIT: Duration = Duration::from_secs(30);

/// How long a stop waits for a quorum that commits nothing: several elections. Who is the last to stop finds none any more.
const SILENCE_LIMIT: Duration = Duration::from_secs(5);
const _: () = assert!(SILENCE_LIMIT.as_secs() < CONTROLLED_SHUTDOWN_LIMIT.as_secs(), "it is a shorter wait");

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
    let others = Members::look(others(settings));
    while !node.is_ready() {
        journey.waits_for(what_is_missing(settings, node, &others));
        turned_back(journey)?;
        if is_in_another_cluster(settings, node) {
            return Err(in_another_cluster(settings, node));
        }
        if settings.roles.broker && !node.is_registered() && began.elapsed() >= limit {
            return Err(not_registered(settings, node, limit));
        }
        threads.turned.wait(Some(LOOK));
    }
    Ok(())
}

fn what_is_missing(settings: &Settings, node: &Node, others: &Members) -> String {
    match node.quorum_status().leader.leader {
        None => format!("the quorum to have a leader (its members: {})", members_seen(settings, others)),
        Some(_) if node.is_registered() => {
            "this broker to be unfenced: it catches up with the metadata log".to_owned()
        }
        Some(_) if !settings.roles.broker => "the leader of the quorum to say what is committed".to_owned(),
        Some(leader) => match node.reception().registration {
            None if leader == settings.node_id => "the controller to accept this broker".to_owned(),
            None => match settings.voters.iter().find(|voter| voter.id == leader) {
                Some(voter) => format!(
                    "controller {leader} to accept this broker ({}:{}{})",
                    voter.host,
                    voter.port,
                    trouble(others, &voter.host, voter.port)
                ),
                None => format!("controller {leader} to accept this broker"),
            },
            Some(error) => format!("controller {leader} to accept this broker ({})", reason(settings, error)),
        },
    }
}

/// Nobody that this node asks is of its cluster: no wait will change that.
fn is_in_another_cluster(settings: &Settings, node: &Node) -> bool {
    let reception = node.reception();
    let voters = settings.voters.iter().filter(|voter| voter.id != settings.node_id).count();
    let others = if settings.voters.is_empty() { settings.bootstrap_servers.len() } else { voters };
    reception.registration == Some(ErrorCode::InconsistentClusterId)
        || (reception.strangers > 0 && reception.strangers >= others)
}

fn in_another_cluster(settings: &Settings, node: &Node) -> StartError {
    StartError::new(
        "this node is of another cluster",
        format!(
            "its directories say cluster.id={}, and the controllers ({}) have another one",
            node.cluster_id(),
            members(settings)
        ),
        "the log.dirs of this node, or controller.quorum.voters and controller.quorum.bootstrap.servers: one of them leads elsewhere",
    )
}

fn not_registered(settings: &Settings, node: &Node, limit: Duration) -> StartError {
    let limit = format!("{REGISTRATION_LIMIT}={}", limit.as_millis());
    let what = "this broker is not registered";
    let Some(leader) = node.quorum_status().leader.leader else {
        return StartError::new(
            what,
            format!("the quorum had no leader within {limit}; its members: {}", members(settings)),
            "whether most of these controllers run, reach each other and this node, and have its cluster.id",
        );
    };
    match node.reception().registration {
        Some(error) => StartError::new(
            what,
            format!("controller {leader} did not accept it within {limit}: {}", reason(settings, error)),
            match error {
                ErrorCode::DuplicateBrokerRegistration => "a node.id that no other node has",
                _ => "`ottla storage info -c FILE` here, and the log of that controller",
            },
        ),
        None => StartError::new(
            what,
            format!("controller {leader} did not answer within {limit}"),
            "whether this node reaches that controller, and its log",
        ),
    }
}

/// What the controller's answer means.
fn reason(settings: &Settings, error: ErrorCode) -> String {
    match error {
        ErrorCode::DuplicateBrokerRegistration => {
            format!("another broker with node.id={} is registered and alive", settings.node_id)
        }
        other => format!("it answered {other}"),
    }
}

/// Where the others of the quorum are; this node knows where it is itself.
fn others(settings: &Settings) -> Vec<Address> {
    let voters = settings.voters.iter().filter(|voter| voter.id != settings.node_id);
    let voters = voters.map(|voter| (voter.host.clone(), voter.port));
    if settings.voters.is_empty() { settings.bootstrap_servers.clone() } else { voters.collect() }
}

/// The same list with what is known against each.
fn members_seen(settings: &Settings, others: &Members) -> String {
    let voters = settings.voters.iter().map(|voter| {
        let trouble = trouble(others, &voter.host, voter.port);
        format!("{}@{}:{}{trouble}", voter.id, voter.host, voter.port)
    });
    let servers = settings.bootstrap_servers.iter();
    let servers = servers.map(|(host, port)| format!("{host}:{port}{}", trouble(others, host, *port)));
    let all: Vec<String> = if settings.voters.is_empty() { servers.collect() } else { voters.collect() };
    all.join(", ")
}

fn trouble(others: &Members, host: &str, port: u16) -> String {
    others.unreached(host, port).map_or_else(String::new, |why| format!(": {why}"))
}

/// Where the quorum is, as the configuration has it.
fn members(settings: &Settings) -> String {
    let voters = settings.voters.iter().map(|voter| format!("{}@{}:{}", voter.id, voter.host, voter.port));
    let servers = settings.bootstrap_servers.iter().map(|(host, port)| format!("{host}:{port}"));
    let all: Vec<String> = if settings.voters.is_empty() { servers.collect() } else { voters.collect() };
    all.join(", ")
}

/// Until the controller lets this node go, as long as there is one.
pub(super) fn wait_until_gone(node: &Node, threads: &NodeThreads, journey: &Journey) {
    let end = Instant::now() + CONTROLLED_SHUTDOWN_LIMIT;
    let idle_ms = node.config().file().number("metadata.max.idle.interval.ms");
    let silent = silence_limit(idle_ms);
    let (mut heard, mut committed) = (Instant::now(), i64::MIN);
    while !node.may_stop() {
        let status = node.quorum_status();
        journey.waits_for(match status.leader.leader {
            Some(leader) => format!("controller {leader} to let this node go"),
            None => "the quorum to have a leader that lets this node go".to_owned(),
        });
        if status.high_watermark != committed {
            (heard, committed) = (Instant::now(), status.high_watermark);
        }
        let is_silent = heard.elapsed() >= silent;
        if is_silent || Instant::now() >= end {
            let why = if is_silent { "is not there" } else { "did not let this node go in time" };
            tracing::warn!("the controller {why}; stopping without its consent");
            return;
        }
        threads.turned.wait(Some(LOOK));
    }
}

/// A quorum with a leader commits something at this interval; one that commits nothing for several elections, and several intervals,
/// has none. Without an interval silence says nothing.
fn silence_limit(idle_ms: i64) -> Duration {
    match u64::try_from(idle_ms) {
        Ok(idle_ms @ 1..) => SILENCE_LIMIT.max(Duration::from_millis(idle_ms.saturating_mul(4))),
        _ => CONTROLLED_SHUTDOWN_LIMIT,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_measured_by_what_a_quorum_commits_when_idle() {
        assert_eq!(silence_limit(500), SILENCE_LIMIT);
        assert_eq!(silence_limit(3_000), Duration::from_secs(12));
        assert_eq!(silence_limit(0), CONTROLLED_SHUTDOWN_LIMIT);
    }
}
