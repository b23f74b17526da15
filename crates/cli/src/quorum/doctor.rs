//! `ottla quorum doctor`: who lacks what, why, and what to try. Asks for facts, then judges them; the judgement is pure.

use crate::args::OutputArgs;
use crate::failure::Failure;
use crate::freshness::{self, Leaderless, reason};
use crate::output::{Table, counted};
use crate::refusal::split;
use clap::Args;
use client::admin::{
    ClusterDescription, ConfigResource, LogDir, QuorumDescription, Reassignment, TopicDescription,
};
use client::{Admin, Str, TopicPartition};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const AFTER: &str = r#"Examples:
  ottla quorum doctor
  ottla quorum doctor && echo well

Ends with 1 where something is wrong; a note alone is nothing wrong.

JSON: an array of
  {"severity":"wrong","what":"orders-3 has 2 of 3 replicas in sync","why":"broker 2 is not running, or cut off",
   "try":"start broker 2"}"#;

/// Arguments of `ottla quorum doctor`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct DoctorArgs {
    #[command(flatten)]
    output: OutputArgs,
}

/// A voter that did not fetch for so long is not there: several times the interval of fetches, and more than any pause.
const SILENT_MS: i64 = 5_000;

/// Partitions that are named in one line; the rest is counted.
const NAMED: usize = 3;

/// What is known of the cluster.
struct Facts {
    quorum: QuorumDescription,
    cluster: ClusterDescription,
    topics: BTreeMap<Str, TopicDescription>,
    /// `min.insync.replicas` of topics that lack replicas.
    min_insync: BTreeMap<Str, usize>,
    moving: BTreeMap<TopicPartition, Reassignment>,
    /// By broker; those that could not be asked are left out.
    directories: BTreeMap<i32, Vec<LogDir>>,
    /// Brokers that the controller takes for running and that do not answer, and why.
    silent: BTreeMap<i32, String>,
}

/// One thing that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    is_wrong: bool,
    what: String,
    why: String,
    hint: String,
}

fn wrong(what: String, why: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { is_wrong: true, what, why: why.into(), hint: hint.into() }
}

fn note(what: String, why: impl Into<String>, hint: impl Into<String>) -> Finding {
    Finding { is_wrong: false, ..wrong(what, why, hint) }
}

pub(super) async fn run(args: DoctorArgs, admin: &Admin) -> Result<(), Failure> {
    let findings = match freshness::quorum(admin).await {
        Ok(quorum) => judge(&examine(quorum, admin).await?),
        Err(leaderless) if leaderless.is_answered() => return Err(leaderless.into()),
        Err(leaderless) => without_quorum(&leaderless),
    };
    let mut table = Table::new(&[("SEVERITY", "severity"), ("WHAT", "what"), ("WHY", "why"), ("TRY", "try")]);
    for finding in &findings {
        let severity = if finding.is_wrong { "wrong" } else { "note" };
        table.row(vec![json!(severity), json!(finding.what), json!(finding.why), json!(finding.hint)]);
    }
    table.print_or_say(args.output.output, "(all is well)")?;
    match findings.iter().filter(|finding| finding.is_wrong).count() {
        0 => Ok(()),
        count => {
            let are = if count == 1 { "is" } else { "are" };
            let why = format!("{} {are} wrong, see above", counted(count, "thing"));
            Err(Failure::new("the cluster is not well", why).try_this("what stands in the last column"))
        }
    }
}

/// Nobody leads the quorum: what brokers would say of partitions is old, who does not answer is what matters.
fn without_quorum(leaderless: &Leaderless) -> Vec<Finding> {
    let first = wrong(
        "nobody leads the metadata quorum, so that nothing can change".to_owned(),
        match leaderless.unreached.is_empty() {
            true => leaderless.why(),
            false => split(&leaderless.error).1,
        },
        leaderless.hint(),
    );
    let each = leaderless.unreached.iter().map(|(address, why)| {
        wrong(format!("nobody speaks at {address}"), why.clone(), "start the node that listens there")
    });
    std::iter::once(first).chain(each).collect()
}

async fn examine(quorum: QuorumDescription, admin: &Admin) -> Result<Facts, Failure> {
    let cluster = admin.describe_cluster(true).await?;
    let topics = admin.list_topics().await?;
    let lacks =
        |topic: &&TopicDescription| topic.partitions.iter().any(|one| one.isr.len() < one.replicas.len());
    let lacking: Vec<ConfigResource> =
        topics.values().filter(lacks).map(|topic| ConfigResource::topic(topic.name.clone())).collect();
    let mut min_insync = BTreeMap::new();
    for (resource, entries) in admin.describe_configs(&lacking, false).await? {
        let value = entries?.into_iter().find(|entry| entry.name.as_str() == "min.insync.replicas");
        let value = value.and_then(|entry| entry.value?.parse().ok());
        min_insync.extend(value.map(|value| (resource.name, value)));
    }
    let patient = admin.trying_for(admin.limit() / 4);
    let (mut directories, mut silent) = (BTreeMap::new(), BTreeMap::new());
    for (id, dirs) in patient.list_log_dirs().await? {
        match dirs {
            Ok(dirs) => drop(directories.insert(id, dirs)),
            // Whoever may not ask is not told, and that is no fault of the broker's.
            Err(client::Error::Refused { .. }) => {}
            Err(error) => drop(silent.insert(id, reason(&error))),
        }
    }
    let moving = admin.reassignments().await?;
    Ok(Facts { quorum, cluster, topics, min_insync, moving, directories, silent })
}

fn judge(facts: &Facts) -> Vec<Finding> {
    let mut findings = voters(&facts.quorum);
    findings.extend(brokers(facts));
    findings.extend(directories(facts));
    findings.extend(partitions(facts));
    findings.sort_by_key(|finding| !finding.is_wrong);
    findings
}

fn voters(quorum: &QuorumDescription) -> Vec<Finding> {
    let mut findings = Vec::new();
    let leader = quorum.voters.iter().find(|voter| voter.id == quorum.leader_id);
    let now_ms = leader.map_or(-1, |leader| leader.last_fetch_ms);
    let silent = |last_ms: i64| now_ms >= 0 && now_ms.saturating_sub(last_ms) > SILENT_MS;
    let mut gone = 0;
    for voter in quorum.voters.iter().filter(|voter| voter.id != quorum.leader_id) {
        if voter.last_fetch_ms < 0 || silent(voter.last_fetch_ms) {
            gone += 1;
            let since = match voter.last_fetch_ms {
                ..0 => "it was never seen by this leader".to_owned(),
                last_ms => format!("its last fetch was {} s ago", now_ms.saturating_sub(last_ms) / 1_000),
            };
            findings.push(wrong(
                format!("voter {} is not there", voter.id),
                since,
                match voter.directory_id.is_zero() {
                    // Without directories nobody can be told apart from whoever had the id before: no vote can be given away.
                    true => {
                        format!("start node {0}, or another with node.id={0} at the same address", voter.id)
                    }
                    false => format!(
                        "start node {}, or give its vote to another: ottla quorum replace {0} -c FILE",
                        voter.id
                    ),
                },
            ));
        } else if silent(voter.last_caught_up_ms) {
            let lag = leader.map_or(0, |leader| leader.log_end_offset - voter.log_end_offset);
            findings.push(wrong(
                format!("voter {} lags behind", voter.id),
                format!("{lag} records of the metadata log are missing there"),
                format!("look at the disk and the network of node {}", voter.id),
            ));
        }
    }
    let count = quorum.voters.len();
    let tolerated = count.saturating_sub(1) / 2;
    let are = if gone == 1 { "is" } else { "are" };
    if gone > 0 && gone == tolerated {
        findings.push(wrong(
            "one more voter that goes stops the cluster".to_owned(),
            format!(
                "{gone} of {count} voters {are} not there, and a majority of {} is needed",
                count / 2 + 1
            ),
            "bring a voter back before anything else",
        ));
    }
    if count > 1 && count.is_multiple_of(2) {
        findings.push(note(
            format!("{count} voters are an even number"),
            format!("they bear the loss of {tolerated}, as {} would", count - 1),
            "add one, or take one away",
        ));
    }
    findings
}

fn brokers(facts: &Facts) -> Vec<Finding> {
    let fenced = facts.cluster.nodes.iter().filter(|node| node.fenced);
    let silent = facts.silent.iter().map(|(id, why)| {
        wrong(
            format!("broker {id} does not answer"),
            why.clone(),
            format!("the log of broker {id}, and the way there: its advertised.listeners"),
        )
    });
    fenced
        .map(|node| {
            let id = node.id;
            wrong(
                format!("broker {id} is fenced"),
                "the controller has not heard from it, or it is still catching up",
                format!("start broker {id}; if it is gone for good: ottla broker unregister {id}"),
            )
        })
        .chain(silent)
        .collect()
}

fn directories(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (broker, directories) in &facts.directories {
        for directory in directories.iter().filter(|directory| directory.error.is_some()) {
            findings.push(wrong(
                format!("a log directory of broker {broker} is offline: {}", directory.path),
                "its disk failed",
                "replace the disk and restart the broker: its replicas come back from the others",
            ));
        }
    }
    findings
}

/// Partitions that lack the same for the same reason share a line.
fn partitions(facts: &Facts) -> Vec<Finding> {
    let running: BTreeSet<i32> =
        facts.cluster.nodes.iter().filter(|node| !node.fenced).map(|node| node.id).collect();
    let mut groups: BTreeMap<(u8, Vec<i32>), Vec<TopicPartition>> = BTreeMap::new();
    for topic in facts.topics.values() {
        let min_insync = facts.min_insync.get(&topic.name).copied().unwrap_or(1);
        for one in &topic.partitions {
            let target = TopicPartition::new(topic.name.clone(), one.index);
            let moving = facts.moving.get(&target);
            let missing: Vec<i32> = one
                .replicas
                .iter()
                .copied()
                .filter(|id| {
                    !one.isr.contains(id) && !moving.is_some_and(|moving| moving.adding.contains(id))
                })
                .collect();
            let severity = match () {
                () if one.leader.is_none() => LEADERLESS,
                () if one.isr.len() < min_insync.min(one.replicas.len()) => UNDER_MIN_ISR,
                () if !missing.is_empty() => UNDER_REPLICATED,
                () => continue,
            };
            groups.entry((severity, missing)).or_default().push(target);
        }
    }
    groups
        .into_iter()
        .map(|((severity, missing), targets)| lacking(severity, &missing, &targets, &running))
        .collect()
}

const LEADERLESS: u8 = 0;
const UNDER_MIN_ISR: u8 = 1;
const UNDER_REPLICATED: u8 = 2;

fn lacking(severity: u8, missing: &[i32], targets: &[TopicPartition], running: &BTreeSet<i32>) -> Finding {
    let (down, lagging): (Vec<i32>, Vec<i32>) = missing.iter().partition(|id| !running.contains(id));
    let reason = match (down.is_empty(), lagging.is_empty()) {
        (false, true) => format!("not running, or cut off: {}", brokers_named(&down)),
        (true, false) => format!("running and not caught up: {}", brokers_named(&lagging)),
        (false, false) => format!(
            "not running, or cut off: {}; running and not caught up: {}",
            brokers_named(&down),
            brokers_named(&lagging)
        ),
        (true, true) => "no replica in sync is alive".to_owned(),
    };
    let hint = match down.is_empty() {
        false => format!("start {}", brokers_named(&down)),
        true => format!("look at the disk, the network and the log of {}", brokers_named(&lagging)),
    };
    let list = named(targets);
    match severity {
        LEADERLESS => wrong(
            format!("without a leader, so that nobody reads or writes: {list}"),
            reason,
            format!("{hint}; if they never come back: ottla partition elect --unclean, which loses records"),
        ),
        UNDER_MIN_ISR => {
            wrong(format!("too few in sync for acks=all (min.insync.replicas): {list}"), reason, hint)
        }
        _ => wrong(format!("under-replicated: {list}"), reason, hint),
    }
}

fn named(targets: &[TopicPartition]) -> String {
    let first: Vec<String> = targets.iter().take(NAMED).map(ToString::to_string).collect();
    match targets.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn brokers_named(ids: &[i32]) -> String {
    let ids: Vec<String> = ids.iter().map(i32::to_string).collect();
    let word = if ids.len() == 1 { "broker" } else { "brokers" };
    format!("{word} {}", ids.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::admin::{ClusterNode, QuorumReplica};
    use client::{Partition, Topic, Uuid};
    use std::sync::Arc;

    fn voter(id: i32, last_fetch_ms: i64, last_caught_up_ms: i64) -> QuorumReplica {
        QuorumReplica { id, directory_id: Uuid::ZERO, log_end_offset: 100, last_fetch_ms, last_caught_up_ms }
    }

    fn facts() -> Facts {
        let node = |id| ClusterNode { id, host: Str::from("h"), port: 9092, rack: None, fenced: false };
        let partition = |index| Partition {
            index,
            leader: Some(1),
            leader_epoch: 0,
            replicas: vec![1, 2, 3],
            isr: vec![1, 2, 3],
            offline: vec![],
        };
        let topic = Topic {
            name: Str::from("orders"),
            id: Uuid::from_halves(1, 1),
            internal: false,
            partitions: (0..5).map(partition).collect(),
        };
        Facts {
            quorum: QuorumDescription {
                leader_id: 1,
                leader_epoch: 4,
                high_watermark: 100,
                voters: [1, 2, 3].map(|id| voter(id, 50_000, 50_000)).into(),
                observers: vec![],
            },
            cluster: ClusterDescription {
                cluster_id: Str::from("c"),
                controller_id: Some(1),
                nodes: [1, 2, 3].map(node).into(),
            },
            topics: BTreeMap::from([(topic.name.clone(), Arc::new(topic))]),
            min_insync: BTreeMap::from([(Str::from("orders"), 2)]),
            moving: BTreeMap::new(),
            directories: BTreeMap::new(),
            silent: BTreeMap::new(),
        }
    }

    fn with_partitions(facts: &mut Facts, change: impl Fn(&mut Partition)) {
        for topic in facts.topics.values_mut() {
            Arc::make_mut(topic).partitions.iter_mut().for_each(&change);
        }
    }

    fn whats(facts: &Facts) -> Vec<String> {
        judge(facts).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_healthy_cluster_gives_nothing_to_say() {
        assert_eq!(whats(&facts()), Vec::<String>::new());
    }

    #[test]
    fn a_dead_node_is_named_once_for_each_thing_that_it_was() {
        let mut facts = facts();
        facts.quorum.voters[1] = voter(2, 1_000, 1_000);
        facts.cluster.nodes[1].fenced = true;
        with_partitions(&mut facts, |one| one.isr = vec![1, 3]);
        assert_eq!(
            whats(&facts),
            [
                "voter 2 is not there",
                "one more voter that goes stops the cluster",
                "broker 2 is fenced",
                "under-replicated: orders-0, orders-1, orders-2 and 2 more",
            ]
        );
        let last = judge(&facts).pop().unwrap();
        assert_eq!(
            (last.why.as_str(), last.hint.as_str()),
            ("not running, or cut off: broker 2", "start broker 2")
        );
    }

    #[test]
    fn a_voter_without_a_directory_is_not_replaced_by_another() {
        let mut facts = facts();
        facts.quorum.voters[1] = voter(2, 1_000, 1_000);
        assert!(judge(&facts)[0].hint.contains("node.id=2 at the same address"));
        facts.quorum.voters[1].directory_id = Uuid::from_halves(1, 2);
        assert!(judge(&facts)[0].hint.contains("ottla quorum replace 2 -c FILE"));
    }

    #[test]
    fn a_broker_that_does_not_answer_is_wrong_though_the_controller_hears_it() {
        let mut facts = facts();
        facts.silent.insert(3, "nobody listens there".to_owned());
        assert_eq!(whats(&facts), ["broker 3 does not answer"]);
    }

    #[test]
    fn without_a_quorum_everybody_who_does_not_speak_is_named() {
        let error = client::Error::refused(client::ErrorCode::RequestTimedOut, "describe the quorum");
        let unreached = ["h:1", "h:2"].map(|address| (address.to_owned(), "connection refused".to_owned()));
        let leaderless = Leaderless { error, unreached: unreached.into() };
        assert!(!leaderless.is_answered());
        let findings = without_quorum(&leaderless);
        let whats: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
        assert_eq!(
            whats,
            [
                "nobody leads the metadata quorum, so that nothing can change",
                "nobody speaks at h:1",
                "nobody speaks at h:2",
            ]
        );
        assert_eq!(findings[1].why, "connection refused");
    }

    #[test]
    fn what_stops_writers_and_readers_goes_before_what_only_lacks() {
        let mut facts = facts();
        with_partitions(&mut facts, |one| match one.index {
            0 => (one.leader, one.isr) = (None, vec![]),
            1 => one.isr = vec![1],
            2 => one.isr = vec![1, 2],
            _ => {}
        });
        let findings = judge(&facts);
        let starts = ["without a leader", "too few in sync", "under-replicated"];
        assert!(
            findings.iter().zip(starts).all(|(finding, start)| finding.what.starts_with(start)),
            "{findings:?}"
        );
        assert_eq!(findings[2].why, "running and not caught up: broker 3");
    }

    #[test]
    fn replicas_on_their_way_are_no_fault_and_an_even_quorum_is_a_note() {
        let mut facts = facts();
        with_partitions(&mut facts, |one| one.isr = vec![1, 2]);
        for index in 0..5 {
            let moving = Reassignment { replicas: vec![1, 2, 3], adding: vec![3], removing: vec![] };
            facts.moving.insert(TopicPartition::new("orders", index), moving);
        }
        facts.quorum.voters.push(voter(4, 50_000, 50_000));
        let findings = judge(&facts);
        assert_eq!(findings.len(), 1);
        assert!(!findings[0].is_wrong && findings[0].what == "4 voters are an even number");
    }

    #[test]
    fn a_voter_that_fetches_and_lags_is_told_from_one_that_is_gone() {
        let mut facts = facts();
        facts.quorum.voters[1] = voter(2, 50_000, 10_000);
        facts.quorum.voters[2] = voter(3, -1, -1);
        let whats = whats(&facts);
        assert_eq!(whats[0], "voter 2 lags behind");
        assert_eq!(whats[1], "voter 3 is not there");
    }
}
