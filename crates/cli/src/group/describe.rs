//! `ottla group describe` and `ottla group lag`.

use super::committed::{described, is_share, positions};
use crate::args::{OutputArgs, OutputFormat};
use crate::failure::Failure;
use crate::output::{Table, print_json, print_line};
use crate::refusal::finish;
use clap::Args;
use client::admin::{GroupDescription, GroupMember};
use client::{Admin, ErrorCode, IsolationLevel, OffsetSpec, Str, TopicPartition};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const AFTER_DESCRIBE: &str = r#"Examples:
  ottla group describe billing

JSON: an array of
  {"group":"billing","type":"Classic","state":"Stable","protocol_type":"consumer","assignor":"range","coordinator":1,
   "members":[{"member_id":"ottla-cli-6cb2","instance_id":null,"client_id":"ottla-cli","host":"/127.0.0.1",
               "partitions":["orders-0"]}]}
A group of the consumer protocol, a share or a streams group has an "epoch" and an "assignment_epoch" besides, each of its members an
"epoch"; a member of a streams group has "active", "standby" and "warmup" tasks: ["0_0","0_1"] is subtopology 0, partitions 0 and 1."#;

/// Arguments of `ottla group describe`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_DESCRIBE)]
pub struct DescribeArgs {
    /// Groups
    #[arg(required = true, value_name = "GROUP")]
    groups: Vec<Str>,
    #[command(flatten)]
    output: OutputArgs,
}

const AFTER_LAG: &str = r#"Examples:
  ottla group lag
  ottla group lag billing -o json | jq 'map(.lag) | add'

"committed" is where a share group begins: its first record that is not done with; the "lag" of such a group counts only those that
are not. "lag_seconds" is the age of the first record that the group has not read.

JSON: an array of
  {"group":"billing","topic":"orders","partition":0,"committed":417,"end":1000,"lag":583,"lag_seconds":12.5,
   "member_id":null,"host":null,"client_id":null}"#;

/// Arguments of `ottla group lag`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_LAG)]
pub struct LagArgs {
    /// Groups; all without any
    #[arg(value_name = "GROUP")]
    groups: Vec<Str>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn describe(args: DescribeArgs, admin: &Admin) -> Result<(), Failure> {
    let mut documents = Vec::new();
    for (index, group_id) in args.groups.iter().enumerate() {
        let group = admin.describe_group(group_id).await?;
        let members = member_table(&group);
        if args.output.output == OutputFormat::Json {
            let mut document = json!({
                "group": group.group_id.as_str(),
                "type": group.group_type.as_str(),
                "state": group.state.as_str(),
                "protocol_type": group.protocol_type.as_str(),
                "assignor": group.assignor.as_str(),
                "coordinator": group.coordinator,
                "members": members.to_json(),
            });
            if let Some(epochs) = group.epochs {
                document["epoch"] = json!(epochs.group);
                document["assignment_epoch"] = json!(epochs.assignment);
            }
            documents.push(document);
            continue;
        }
        if index > 0 {
            print_line("")?;
        }
        let or_dash = |text: &Str| if text.is_empty() { "-".to_owned() } else { text.to_string() };
        print_line(&format!("Group:        {}", group.group_id))?;
        print_line(&format!("Type:         {}", group.group_type))?;
        print_line(&format!("State:        {}", group.state))?;
        print_line(&format!("Assignor:     {}", or_dash(&group.assignor)))?;
        if let Some(epochs) = group.epochs {
            print_line(&format!("Epoch:        {}, assigned {}", epochs.group, epochs.assignment))?;
        }
        print_line(&format!("Coordinator:  {}", group.coordinator))?;
        print_line(&format!("Members:      {}", group.members.len()))?;
        members.print_unless_empty(OutputFormat::Table)?;
    }
    if args.output.output == OutputFormat::Json {
        print_json(&Value::Array(documents))?;
    }
    Ok(())
}

fn member_table(group: &GroupDescription) -> Table {
    let is_modern = group.epochs.is_some();
    let mut columns = vec![
        ("MEMBER", "member_id"),
        ("INSTANCE", "instance_id"),
        ("CLIENT", "client_id"),
        ("HOST", "host"),
        ("PARTITIONS", "partitions"),
    ];
    if is_modern {
        columns.insert(2, ("EPOCH", "epoch"));
    }
    let runs_tasks = group.members.iter().any(|member| member.tasks.is_some());
    if runs_tasks {
        columns.extend([("ACTIVE", "active"), ("STANDBY", "standby"), ("WARMUP", "warmup")]);
    }
    let mut table = Table::new(&columns).quiet(&["instance_id", "standby", "warmup"]);
    for member in &group.members {
        let partitions: Vec<String> = member.assignment.iter().map(ToString::to_string).collect();
        let mut row = vec![
            json!(member.member_id.as_str()),
            json!(member.instance_id.as_deref()),
            json!(member.client_id.as_str()),
            json!(member.host.as_str()),
            json!(partitions),
        ];
        if is_modern {
            row.insert(2, json!(member.epoch));
        }
        if runs_tasks {
            let tasks = member.tasks.clone().unwrap_or_default();
            let names = |tasks: &[Str]| json!(tasks.iter().map(Str::as_str).collect::<Vec<&str>>());
            row.extend([names(&tasks.active), names(&tasks.standby), names(&tasks.warmup)]);
        }
        table.row(row);
    }
    table
}

pub(super) async fn lag(args: LagArgs, admin: &Admin) -> Result<(), Failure> {
    let groups = if args.groups.is_empty() {
        admin.list_groups(&[], &[]).await?.into_iter().map(|group| group.group_id).collect()
    } else {
        args.groups.clone()
    };
    let mut table = Table::new(&[
        ("GROUP", "group"),
        ("TOPIC", "topic"),
        ("PARTITION", "partition"),
        ("COMMITTED", "committed"),
        ("END", "end"),
        ("LAG", "lag"),
        ("SECONDS", "lag_seconds"),
        ("MEMBER", "member_id"),
        ("HOST", "host"),
        ("CLIENT", "client_id"),
    ])
    .quiet(&["member_id", "host", "client_id"]);
    let mut failure = None;
    for group_id in &groups {
        match lag_rows(admin, group_id, &mut table).await {
            Ok(()) => {}
            Err(error) if groups.len() == 1 => return Err(error),
            Err(error) => failure = Some(error),
        }
    }
    table.print_or_say(args.output.output, "(nothing is committed)")?;
    finish(failure)
}

/// How long the ages of records are waited for: those that come later are left out.
const AGES_WITHIN: Duration = Duration::from_secs(2);

async fn lag_rows(admin: &Admin, group_id: &Str, table: &mut Table) -> Result<(), Failure> {
    let described = described(admin, group_id).await?;
    let offsets = positions(admin, group_id, is_share(described.as_ref())).await?;
    if described.is_none() && offsets.is_empty() {
        return Err(client::Error::refused(
            ErrorCode::GroupIdNotFound,
            format!("describe group {group_id:?}"),
        )
        .into());
    }
    let members = described.map(|group| group.members).unwrap_or_default();
    let owners: BTreeMap<&TopicPartition, &GroupMember> = members
        .iter()
        .flat_map(|member| member.assignment.iter().map(move |target| (target, member)))
        .collect();
    let targets: BTreeSet<&TopicPartition> = offsets.keys().chain(owners.keys().copied()).collect();
    // Topics that are gone and partitions without a leader would be asked for until the deadline.
    let existing = admin.list_topics().await?;
    let has_leader = |target: &TopicPartition| {
        let partition = existing.get(&target.topic).and_then(|topic| topic.partition(target.partition));
        partition.is_some_and(|partition| partition.leader.is_some())
    };
    let wanted = targets.iter().filter(|target| has_leader(target));
    let wanted: BTreeMap<TopicPartition, OffsetSpec> =
        wanted.map(|target| ((*target).clone(), OffsetSpec::Latest)).collect();
    let ends = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
    let end_of =
        |target: &TopicPartition| ends.get(target).and_then(|end| end.as_ref().ok()).map(|end| end.offset);
    let behind = offsets.iter().filter(|(target, (at, _))| end_of(target).is_some_and(|end| end > *at));
    let behind = behind.map(|(target, (at, _))| (target.clone(), *at)).collect();
    let times = admin.record_times(&behind, AGES_WITHIN.min(admin.limit())).await?;
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as i64);
    for target in targets {
        let position = offsets.get(target).copied();
        let committed = position.map(|(at, _)| at);
        let end = end_of(target);
        let counted = position.and_then(|(_, lag)| lag);
        let lag = counted.or_else(|| committed.zip(end).map(|(committed, end)| end - committed));
        let age = times.get(target).map(|time_ms| (now_ms - time_ms).max(0) as f64 / 1000.0);
        let seconds = if lag == Some(0) { Some(0.0) } else { age };
        let owner = owners.get(target);
        table.row(vec![
            json!(group_id.as_str()),
            json!(target.topic.as_str()),
            json!(target.partition),
            json!(committed),
            json!(end),
            json!(lag),
            json!(seconds),
            json!(owner.map(|member| member.member_id.as_str())),
            json!(owner.map(|member| member.host.as_str())),
            json!(owner.map(|member| member.client_id.as_str())),
        ]);
    }
    Ok(())
}
