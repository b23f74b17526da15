//! `ottla group why`: what keeps a group from going on, found by two looks at it. Says what it sees and what to try; changes nothing.

use super::committed::{described, is_share, positions};
use crate::args::{OutputArgs, OutputFormat};
use crate::failure::{Exit, Failure};
use crate::output::{counted, print_json, print_line};
use clap::Args;
use client::admin::{GroupDescription, GroupMember};
use client::{Admin, IsolationLevel, OffsetSpec, Str, TopicPartition};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const AFTER: &str = r#"Examples:
  ottla group why billing
  ottla group why billing --watch-ms 10000

JSON: an array of
  {"finding":"orders-0 does not move: 583 records behind","try":"the log of its member ottla-cli-6cb2 on /127.0.0.1"}"#;

/// Arguments of `ottla group why`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct WhyArgs {
    /// Group
    #[arg(value_name = "GROUP")]
    group: Str,
    /// How long the group is watched for progress
    #[arg(long, value_name = "MS", default_value = "2000")]
    watch_ms: u64,
    #[command(flatten)]
    output: OutputArgs,
}

/// Something that keeps a group from going on.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    what: String,
    advice: String,
}

impl Finding {
    fn new(what: impl Into<String>, advice: impl Into<String>) -> Finding {
        Finding { what: what.into(), advice: advice.into() }
    }
}

/// Where a group is, and the end of each partition that has a leader.
struct Look {
    positions: BTreeMap<TopicPartition, (i64, Option<i64>)>,
    ends: BTreeMap<TopicPartition, i64>,
}

pub(super) async fn why(args: WhyArgs, admin: &Admin) -> Result<(), Failure> {
    let group = described(admin, &args.group).await?;
    let is_share = is_share(group.as_ref());
    let before = look(admin, &args.group, is_share, group.as_ref()).await?;
    if group.is_none() && before.positions.is_empty() {
        return Err(Failure::new("nothing to say", format!("there is no group {:?}", args.group))
            .exit(Exit::NotFound)
            .try_this("ottla group list"));
    }
    tokio::time::sleep(Duration::from_millis(args.watch_ms)).await;
    let after = look(admin, &args.group, is_share, group.as_ref()).await?;
    let mut findings = Vec::new();
    match &group {
        Some(group) => findings.extend(of_members(group)),
        None => {
            findings.push(Finding::new("it has offsets and no members", "start a consumer of this group"))
        }
    }
    let existing = admin.list_topics().await?;
    let subscribed = group.iter().flat_map(|group| &group.members).flat_map(|member| &member.topics);
    for topic in subscribed.collect::<BTreeSet<&Str>>() {
        if !existing.contains_key(topic) {
            findings.push(Finding::new(
                format!("topic {topic} is subscribed to and does not exist"),
                format!("ottla topic create {topic}"),
            ));
        }
    }
    let mut stuck = BTreeSet::new();
    let owned = group.iter().flat_map(|group| &group.members).flat_map(|member| &member.assignment);
    for target in after.positions.keys().chain(owned).collect::<BTreeSet<_>>() {
        let known = existing.get(&target.topic).and_then(|topic| topic.partition(target.partition));
        if known.is_some_and(|partition| partition.leader.is_none()) {
            findings.push(Finding::new(
                format!("{target} has no leader"),
                "ottla quorum doctor, for who has to come back",
            ));
        } else if let Some(finding) = standstill(target, &before, &after, group.as_ref()) {
            stuck.insert(target.clone());
            findings.push(finding);
        }
    }
    findings.extend(of_transactions(admin, stuck).await);
    print(&args, &findings)
}

fn print(args: &WhyArgs, findings: &[Finding]) -> Result<(), Failure> {
    if args.output.output == OutputFormat::Json {
        let each = findings.iter().map(|one| json!({ "finding": one.what, "try": one.advice }));
        return Ok(print_json(&Value::Array(each.collect()))?);
    }
    if findings.is_empty() {
        print_line("(nothing keeps it from going on)")?;
    }
    for one in findings {
        print_line(&one.what)?;
        print_line(&format!("  try: {}", one.advice))?;
    }
    Ok(())
}

async fn look(
    admin: &Admin,
    group_id: &Str,
    is_share: bool,
    group: Option<&GroupDescription>,
) -> Result<Look, Failure> {
    let positions = positions(admin, group_id, is_share).await?;
    let existing = admin.list_topics().await?;
    let owned = group.iter().flat_map(|group| &group.members).flat_map(|member| &member.assignment);
    let led = positions.keys().chain(owned).filter(|target| {
        let partition = existing.get(&target.topic).and_then(|topic| topic.partition(target.partition));
        partition.is_some_and(|partition| partition.leader.is_some())
    });
    let wanted = led.map(|target| (target.clone(), OffsetSpec::Latest)).collect();
    let listed = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
    let ends = listed.into_iter().filter_map(|(target, end)| Some((target, end.ok()?.offset)));
    Ok(Look { positions, ends: ends.collect() })
}

/// What members wait for, or have too little of.
fn of_members(group: &GroupDescription) -> Vec<Finding> {
    let mut findings = Vec::new();
    let members = counted(group.members.len(), "member");
    match group.state.as_str() {
        "Empty" => findings.push(Finding::new("it has no members", "start a consumer of this group")),
        "Dead" => findings.push(Finding::new("it is being deleted", "ottla group list")),
        "NotReady" => findings.push(Finding::new(
            "its topology cannot run with the topics that there are",
            "the application's log: it is told which topics are missing, or have another number of partitions",
        )),
        "PreparingRebalance" => findings.push(Finding::new(
            format!("its coordinator waits for {members} to join again"),
            "the logs of those whose poll is late: they have max.poll.interval.ms for it",
        )),
        "CompletingRebalance" => findings.push(Finding::new(
            format!("{members} wait for what the leader of the group assigns"),
            "the log of the member that leads it: the first in `ottla group describe`",
        )),
        _stable_or_on_its_way => {}
    }
    for member in &group.members {
        findings.extend(of_member(member, group));
    }
    findings
}

fn of_member(member: &GroupMember, group: &GroupDescription) -> Option<Finding> {
    let who = format!("member {} on {}", member.member_id, member.host);
    let list = |targets: &[&TopicPartition]| {
        let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
        names.join(", ")
    };
    if let Some(target) = &member.target {
        let surplus: Vec<&TopicPartition> =
            member.assignment.iter().filter(|one| !target.contains(one)).collect();
        if !surplus.is_empty() {
            return Some(Finding::new(
                format!("{who} has not given up {}", list(&surplus)),
                "its log: it gives up what it was told to from within poll",
            ));
        }
        let missing: Vec<&TopicPartition> =
            target.iter().filter(|one| !member.assignment.contains(one)).collect();
        if !missing.is_empty() {
            let holder = group.members.iter().find(|other| {
                other.member_id != member.member_id
                    && missing.iter().any(|one| other.assignment.contains(one))
            });
            let whom = holder.map_or_else(
                || "the group's next heartbeats".to_owned(),
                |other| format!("member {} on {}, which has them still", other.member_id, other.host),
            );
            return Some(Finding::new(format!("{who} waits for {}", list(&missing)), whom));
        }
    }
    let is_settled = group.state.as_str() == "Stable";
    (is_settled && member.assignment.is_empty()).then(|| {
        let subscribes = !member.topics.is_empty() || group.group_type == "Classic";
        let advice = if subscribes { "more partitions, or fewer members" } else { "subscribe it to a topic" };
        Finding::new(format!("{who} has no partition to read"), advice)
    })
}

/// Where there is something to be read and nothing has moved between the looks.
fn standstill(
    target: &TopicPartition,
    before: &Look,
    after: &Look,
    group: Option<&GroupDescription>,
) -> Option<Finding> {
    let end = *after.ends.get(target)?;
    let owner = group.and_then(|group| group.members.iter().find(|one| one.assignment.contains(target)));
    let advice = owner.map_or_else(
        || "no member has it: ottla group describe".to_owned(),
        |member| format!("the log of its member {} on {}", member.member_id, member.host),
    );
    match (before.positions.get(target), after.positions.get(target)) {
        (Some(then), Some(now)) if then == now => {
            let lag = now.1.unwrap_or(end - now.0);
            let what = format!("{target} does not move: {} behind", counted(lag.max(0) as usize, "record"));
            (lag > 0).then(|| Finding::new(what, advice))
        }
        (None, None) if end > 0 && owner.is_some() => {
            Some(Finding::new(format!("of {target} nothing was ever committed"), advice))
        }
        _ => None,
    }
}

/// Transactions that are open where the group does not move: who reads what is committed waits for their end.
async fn of_transactions(admin: &Admin, stuck: BTreeSet<TopicPartition>) -> Vec<Finding> {
    let stuck: Vec<TopicPartition> = stuck.into_iter().collect();
    // Whoever may not look there is told nothing of it.
    let open = admin.find_open_transactions(&stuck).await.unwrap_or_default();
    let finding = |one: &client::admin::OpenTransaction| {
        let (target, producer) = (&one.partition, one.producer_id);
        Finding::new(
            format!(
                "producer {producer} has a transaction open in {target} from offset {}: committed records end there",
                one.start_offset
            ),
            "ottla txn find-hanging",
        )
    };
    open.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(id: &str, has: &[i32], target: Option<&[i32]>) -> GroupMember {
        let of = |list: &[i32]| list.iter().map(|&number| TopicPartition::new("t", number)).collect();
        GroupMember {
            member_id: id.into(),
            instance_id: None,
            client_id: "c".into(),
            host: "/h".into(),
            epoch: None,
            topics: vec!["t".into()],
            assignment: of(has),
            target: target.map(of),
            tasks: None,
        }
    }

    fn check(state: &str, members: Vec<GroupMember>, expected: &[&str]) {
        let group = GroupDescription {
            group_id: "g".into(),
            group_type: "Consumer".into(),
            state: state.into(),
            protocol_type: "consumer".into(),
            assignor: "uniform".into(),
            coordinator: 1,
            epochs: None,
            members,
        };
        let found: Vec<String> = of_members(&group).into_iter().map(|one| one.what).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn members_say_what_they_wait_for() {
        check("Empty", Vec::new(), &["it has no members"]);
        check("Stable", vec![member("a", &[0], Some(&[0]))], &[]);
        check(
            "Reconciling",
            vec![member("a", &[0, 1], Some(&[0])), member("b", &[], Some(&[1]))],
            &["member a on /h has not given up t-1", "member b on /h waits for t-1"],
        );
        let idle = vec![member("a", &[0], None), member("b", &[], None)];
        check("Stable", idle, &["member b on /h has no partition to read"]);
        let joining = vec![member("a", &[], None)];
        let waiting = vec![member("a", &[], Some(&[]))];
        check("NotReady", waiting, &["its topology cannot run with the topics that there are"]);
        check("PreparingRebalance", joining, &["its coordinator waits for 1 member to join again"]);
    }

    #[test]
    fn only_who_has_something_to_read_and_stays_where_it_is_is_stuck() {
        let target = TopicPartition::new("t", 0);
        let look = |at: i64, lag: Option<i64>, end: i64| Look {
            positions: BTreeMap::from([(target.clone(), (at, lag))]),
            ends: BTreeMap::from([(target.clone(), end)]),
        };
        let is_stuck = |before: Look, after: Look| standstill(&target, &before, &after, None).is_some();
        assert!(is_stuck(look(5, None, 9), look(5, None, 9)));
        assert!(!is_stuck(look(5, None, 9), look(6, None, 9)), "it moves");
        assert!(!is_stuck(look(9, None, 9), look(9, None, 9)), "all is read");
        assert!(
            !is_stuck(look(5, Some(3), 9), look(5, Some(2), 9)),
            "records behind the first are done with"
        );
        assert!(!is_stuck(look(5, Some(0), 9), look(5, Some(0), 9)), "the rest is done with");
    }
}
