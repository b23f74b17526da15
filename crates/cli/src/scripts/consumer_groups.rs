//! `kafka-consumer-groups`: list, describe and delete groups of consumers; their offsets are deleted here and reset by
//! `offsets_reset.rs`. A failure is printed on standard output and ends with 0, as it does there.

use super::joptsimple::{Opt, Read, Takes, opt};
use super::offsets_reset;
use super::script::{Script, Style};
use super::terms::{self, End, Fault, ask, never_with, required, wrong};
use super::words::{columns, print_line, widest};
use crate::failure::say;
use client::admin::{GroupDescription, GroupListing, GroupMember};
use client::{Admin, CommittedOffset, ErrorCode, IsolationLevel, OffsetSpec, Str, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};

/// The script.
pub const SCRIPT: Script = Script {
    name: "kafka-consumer-groups",
    style: Style::Options {
        options: OPTIONS,
        about: "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset consumer group offsets.",
        run,
    },
};

const OPTIONS: &[Opt] = &[
    terms::BOOTSTRAP,
    terms::COMMAND_CONFIG,
    terms::HELP,
    terms::VERSION,
    opt("list", Takes::Nothing, "list all groups of consumers"),
    opt("describe", Takes::Nothing, "show offsets, members or state of groups"),
    opt("delete", Takes::Nothing, "delete groups and their offsets"),
    opt("reset-offsets", Takes::Nothing, "set the offsets of groups that have no members"),
    opt("delete-offsets", Takes::Nothing, "delete offsets of one group"),
    opt("group", Takes::Text, "the group; may come again"),
    opt("all-groups", Takes::Nothing, "all groups"),
    opt("topic", Takes::Text, "TOPIC or TOPIC:0,1,2; may come again"),
    opt("all-topics", Takes::Nothing, "all topics that have offsets in the group"),
    opt("timeout", Takes::Long, "how long to wait for answers, in milliseconds"),
    opt("validate-regex", Takes::Text, "check that a regular expression is one"),
    opt("dry-run", Takes::Nothing, "only show which offsets it would set"),
    opt("execute", Takes::Nothing, "set the offsets"),
    opt("export", Takes::Nothing, "print lines that --from-file reads"),
    opt("to-offset", Takes::Long, "to this offset"),
    opt("from-file", Takes::Text, "to what a file says"),
    opt("to-datetime", Takes::Text, "to the first record at or after this time"),
    opt("by-duration", Takes::Text, "to so long before now, such as PT1H30M"),
    opt("to-earliest", Takes::Nothing, "to the first record"),
    opt("to-latest", Takes::Nothing, "behind the last record"),
    opt("to-current", Takes::Nothing, "to where it is"),
    opt("shift-by", Takes::Long, "so many records on, or back"),
    Opt { only_with: &["describe"], ..opt("members", Takes::Nothing, "describe members") },
    Opt { only_with: &["describe"], ..opt("verbose", Takes::Nothing, "more columns") },
    Opt {
        only_with: &["describe"],
        ..opt("offsets", Takes::Nothing, "describe offsets; so without it, too")
    },
    Opt {
        only_with: &["describe", "list"],
        ..opt("state", Takes::Maybe, "describe state; list only groups in it")
    },
    Opt { only_with: &["list"], ..opt("type", Takes::Maybe, "show the type; list only groups of it") },
];

/// Where offsets may be reset to.
const SCENARIOS: &[&str] = &[
    "to-offset",
    "shift-by",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "from-file",
];

/// What a column shows that has nothing to show.
const MISSING: &str = "-";

fn run(read: &Read) -> Result<(), End> {
    check(read)?;
    failed_on_stdout(ask(read, async |admin| act(read, admin).await))
}

/// Failures are told on standard output, and the exit code is 0 all the same.
fn failed_on_stdout(ended: Result<(), End>) -> Result<(), End> {
    match ended {
        Err(End::Failed(fault)) if fault.class == "java.lang.IllegalArgumentException" => {
            Err(End::Usage(fault.message))
        }
        Err(End::Failed(fault)) => {
            print_error(&format!("Executing consumer group command failed due to {}", fault.shown()))
        }
        ended => ended,
    }
}

fn print_error(message: &str) -> Result<(), End> {
    Ok(print_line(&format!("\nError: {message}"))?)
}

fn check(read: &Read) -> Result<(), End> {
    if let Some(pattern) = read.value("validate-regex").map_err(wrong)? {
        return validate(pattern);
    }
    required(read, &["bootstrap-server"])?;
    let scope = |action: &str| match read.has("group") || read.has("all-groups") {
        true => Ok(()),
        false => {
            Err(End::Usage(format!("Option [{action}] takes one of these options: [all-groups], [group]")))
        }
    };
    if read.has("describe") {
        scope("describe")?;
        if ["members", "offsets", "state"].iter().filter(|view| read.has(view)).count() > 1 {
            let told = "Option [describe] takes at most one of these options: [members], [offsets], [state]";
            return Err(End::Usage(told.to_owned()));
        }
        if read.value("state").map_err(wrong)?.is_some() {
            return Err(End::Usage("Option [describe] does not take a value for [state]".to_owned()));
        }
    }
    if read.has("delete") {
        scope("delete")?;
        if read.has("topic") {
            let told = "The consumer does not support topic-specific offset deletion from a consumer group.";
            return Err(End::Usage(told.to_owned()));
        }
    }
    if read.has("delete-offsets") && !(read.has("group") && read.has("topic")) {
        let told = "Option [delete-offsets] takes the following options: [topic], [group]";
        return Err(End::Usage(told.to_owned()));
    }
    if read.has("reset-offsets") {
        if read.has("dry-run") && read.has("execute") {
            let told = "Option [reset-offsets] only accepts one of [execute] and [dry-run]";
            return Err(End::Usage(told.to_owned()));
        }
        if !read.has("dry-run") && !read.has("execute") {
            say(
                "WARN: No action will be performed as the --execute option is missing. In a future major release, the default behavior of this command will be to prompt the user before executing the reset rather than doing a dry run. You should add the --dry-run option explicitly if you are scripting this command and want to keep the current default behavior without prompting.",
            );
        }
        scope("reset-offsets")?;
        SCENARIOS.iter().try_for_each(|scenario| never_with(read, scenario, SCENARIOS))?;
    }
    never_with(read, "group", &["all-groups"])?;
    never_with(read, "group", &["list"])?;
    never_with(read, "topic", &["list", "describe"])?;
    let actions = ["list", "describe", "delete", "reset-offsets", "delete-offsets"];
    if actions.iter().filter(|action| read.has(action)).count() != 1 {
        return Err(End::Usage(
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets, --validate-regex"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Whether the expression is one; nobody is asked.
fn validate(pattern: &str) -> Result<(), End> {
    match regex_lite::Regex::new(pattern) {
        Ok(_) => print_line(&format!("The regular expression `{pattern}` is valid."))?,
        Err(error) => print_line(&format!("The regular expression `{pattern}` is invalid: {error}"))?,
    }
    Err(End::Exit(0))
}

async fn act(read: &Read, admin: &Admin) -> Result<(), End> {
    if read.has("list") {
        list(read, admin).await
    } else if read.has("describe") {
        describe(read, admin).await
    } else if read.has("delete") {
        delete(read, admin).await
    } else if read.has("reset-offsets") {
        let groups = chosen(read, admin).await?;
        offsets_reset::run(read, admin, &groups).await
    } else {
        delete_offsets(read, admin).await
    }
}

/// Groups of consumers, by the classic protocol and by that of KIP-848.
async fn listed(admin: &Admin, states: &[Str], types: &[Str]) -> Result<Vec<GroupListing>, End> {
    let all = admin.list_groups(states, types).await?;
    let consumes = |group: &GroupListing| {
        (group.group_type == "Consumer" || group.group_type == "Classic")
            && (group.protocol_type.is_empty() || group.protocol_type == "consumer")
    };
    Ok(all.into_iter().filter(consumes).collect())
}

async fn chosen(read: &Read, admin: &Admin) -> Result<Vec<Str>, End> {
    if read.has("all-groups") {
        return Ok(listed(admin, &[], &[]).await?.into_iter().map(|group| group.group_id).collect());
    }
    let mut groups: Vec<Str> = Vec::new();
    for group in read.values("group") {
        if !groups.iter().any(|known| known == group) {
            groups.push(group.into());
        }
    }
    Ok(groups)
}

const STATES: &[&str] =
    &["PreparingRebalance", "Assigning", "Reconciling", "Empty", "Dead", "CompletingRebalance", "Stable"];

/// The words of a list with commas, as Kafka spells each.
fn known(list: &str, words: &[&'static str], kind: &str) -> Result<Vec<Str>, End> {
    let one = |word: &str| {
        words.iter().find(|known| known.eq_ignore_ascii_case(word.trim())).map(|known| Str::from(*known))
    };
    list.split(',').map(one).collect::<Option<Vec<Str>>>().ok_or_else(|| {
        let (list, noun) = match kind {
            "types" => (list.to_lowercase(), "types list"),
            _ => (list.to_owned(), "state list"),
        };
        let valid = words.join(", ");
        End::Usage(format!("Invalid {noun} '{list}'. Valid {kind} are: {valid}"))
    })
}

async fn list(read: &Read, admin: &Admin) -> Result<(), End> {
    let (with_type, with_state) = (read.has("type"), read.has("state"));
    let states = match read.value("state").map_err(wrong)? {
        Some(states) => known(states, STATES, "states")?,
        None => Vec::new(),
    };
    let types = match read.value("type").map_err(wrong)? {
        Some(types) => known(types, &["Consumer", "Classic"], "types")?,
        None => Vec::new(),
    };
    let groups = listed(admin, &states, &types).await?;
    if !with_type && !with_state {
        return groups.iter().try_for_each(|group| Ok(print_line(&group.group_id)?));
    }
    let width = widest(groups.iter().map(|group| group.group_id.as_str()), 15) + 10;
    let row = |id: &str, kind: &str, state: &str| {
        let mut cells = vec![id];
        cells.extend(with_type.then_some(kind));
        cells.extend(with_state.then_some(state));
        print_line(&columns(&cells, &[width, 20, 20]))
    };
    row("GROUP", "TYPE", "STATE")?;
    for group in &groups {
        row(&group.group_id, &group.group_type, &group.state)?;
    }
    Ok(())
}

async fn describe(read: &Read, admin: &Admin) -> Result<(), End> {
    let mut groups = chosen(read, admin).await?;
    groups.sort();
    let mut described = Vec::new();
    for id in &groups {
        described.push(admin.describe_group(id).await?);
    }
    for group in &described {
        if read.has("members") {
            print_members(group, read.has("verbose"))?;
        } else if read.has("state") {
            print_state(group, admin, read.has("verbose")).await?;
        } else {
            print_offsets(group, admin, read.has("verbose")).await?;
        }
    }
    Ok(())
}

/// A word about a group that is not at rest; false where there is nothing to show.
fn introduced(group: &GroupDescription, rows: usize) -> Result<bool, End> {
    let id = &group.group_id;
    match group.state.as_str() {
        "Dead" => print_error(&format!("Consumer group '{id}' does not exist."))?,
        "Empty" => say(format_args!("\nConsumer group '{id}' has no active members.")),
        "Stable" => {}
        _moving => say(format_args!("\nWarning: Consumer group '{id}' is rebalancing.")),
    }
    Ok(group.state != "Dead" && rows > 0)
}

/// A partition of a group, and whose it is.
struct Row<'a> {
    target: TopicPartition,
    committed: Option<CommittedOffset>,
    end: Option<i64>,
    member: Option<&'a GroupMember>,
}

async fn rows<'a>(group: &'a GroupDescription, admin: &Admin) -> Result<Vec<Row<'a>>, End> {
    let mut committed: BTreeMap<TopicPartition, CommittedOffset> = BTreeMap::new();
    for (target, offset) in admin.group_offsets(&group.group_id).await? {
        committed.insert(target, offset?);
    }
    let mut members: Vec<&GroupMember> = group.members.iter().collect();
    members.sort_by_key(|member| std::cmp::Reverse(member.assignment.len()));
    let assigned = members
        .iter()
        .flat_map(|member| member.assignment.iter().map(|target| (target.clone(), Some(*member))));
    let mut targets: Vec<(TopicPartition, Option<&GroupMember>)> = assigned.collect();
    let taken: BTreeSet<TopicPartition> = targets.iter().map(|(target, _)| target.clone()).collect();
    targets.extend(committed.keys().filter(|one| !taken.contains(one)).map(|one| (one.clone(), None)));
    let wanted = targets.iter().map(|(target, _)| (target.clone(), OffsetSpec::Latest)).collect();
    let mut ends = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
    let row = |(target, member): (TopicPartition, Option<&'a GroupMember>)| {
        let end = ends.remove(&target).and_then(Result::ok).map(|found| found.offset);
        let committed = committed.get(&target).cloned();
        Row { target, committed, end, member }
    };
    Ok(targets.into_iter().map(row).collect())
}

fn or_missing<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| MISSING.to_owned(), |value| value.to_string())
}

async fn print_offsets(group: &GroupDescription, admin: &Admin, verbose: bool) -> Result<(), End> {
    let rows = rows(group, admin).await?;
    if !introduced(group, rows.len())? {
        return Ok(());
    }
    let head = [
        "GROUP",
        "TOPIC",
        "PARTITION",
        "LEADER-EPOCH",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ];
    let mut lines: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for row in &rows {
        let at = row.committed.as_ref().map(|committed| committed.offset);
        let epoch =
            row.committed.as_ref().map(|committed| committed.leader_epoch).filter(|epoch| *epoch >= 0);
        let lag = at.zip(row.end).map(|(at, end)| end - at);
        lines.push(vec![
            group.group_id.to_string(),
            row.target.topic.to_string(),
            row.target.partition.to_string(),
            or_missing(epoch),
            or_missing(at),
            or_missing(row.end),
            or_missing(lag),
            or_missing(row.member.map(|member| &member.member_id)),
            or_missing(row.member.map(|member| &member.host)),
            or_missing(row.member.map(|member| &member.client_id)),
        ]);
    }
    let least = [15, 15, 10, 15, 15, 15, 15, 15, 15, 0];
    let free = [0, 1, 7, 8];
    print_table(lines, &least, &free, if verbose { &[] } else { &[3] })?;
    Ok(print_line("")?)
}

/// A line of a table stands behind a line's end; `free` columns are as wide as their cells, those of `hidden` are not shown.
fn print_table(
    lines: Vec<Vec<String>>,
    least: &[usize],
    free: &[usize],
    hidden: &[usize],
) -> Result<(), End> {
    let width = |(index, &least): (usize, &usize)| {
        let rows = lines.iter().skip(1).map(|line| line[index].as_str());
        if free.contains(&index) { widest(rows, least) } else { least }
    };
    let widths: Vec<usize> = least.iter().enumerate().map(width).collect();
    let shown = |index: &usize| !hidden.contains(index);
    let kept: Vec<usize> = (0..widths.len()).filter(shown).collect();
    for line in &lines {
        let cells: Vec<&str> = kept.iter().map(|&index| line[index].as_str()).collect();
        let widths: Vec<usize> = kept.iter().map(|&index| widths[index]).collect();
        use std::io::Write;
        write!(std::io::stdout().lock(), "\n{}", columns(&cells, &widths))?;
    }
    Ok(())
}

/// `orders:0,1;other:2`.
fn by_topic(partitions: &[TopicPartition]) -> String {
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for one in partitions {
        topics.entry(one.topic.as_str()).or_default().push(one.partition);
    }
    if topics.is_empty() {
        return MISSING.to_owned();
    }
    let one = |(topic, mut partitions): (&str, Vec<i32>)| {
        partitions.sort_unstable();
        format!("{topic}:{}", super::words::list(&partitions))
    };
    topics.into_iter().map(one).collect::<Vec<_>>().join(";")
}

fn print_members(group: &GroupDescription, verbose: bool) -> Result<(), End> {
    if !introduced(group, group.members.len())? {
        return Ok(());
    }
    let statics = group.members.iter().any(|member| member.instance_id.is_some());
    let head = [
        "GROUP",
        "CONSUMER-ID",
        "GROUP-INSTANCE-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
        "CURRENT-EPOCH",
        "CURRENT-ASSIGNMENT",
        "TARGET-EPOCH",
        "TARGET-ASSIGNMENT",
    ];
    let mut lines: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for member in &group.members {
        lines.push(vec![
            group.group_id.to_string(),
            member.member_id.to_string(),
            or_missing(member.instance_id.as_ref()),
            member.host.to_string(),
            member.client_id.to_string(),
            member.assignment.len().to_string(),
            or_missing(member.epoch),
            by_topic(&member.assignment),
            or_missing(group.epochs.map(|epochs| epochs.assignment)),
            member.target.as_deref().map_or_else(|| MISSING.to_owned(), by_topic),
        ]);
    }
    let mut hidden: Vec<usize> = if statics { Vec::new() } else { vec![2] };
    if !verbose {
        hidden.extend(6..10);
        // The line ends with the blank that would stand before the next column.
        lines.iter_mut().for_each(|line| line[5] = format!("{:15} ", line[5]));
    }
    print_table(lines, &[15, 15, 17, 15, 15, 15, 15, 20, 15, 20], &[0, 1, 2, 3, 4, 7, 9], &hidden)?;
    Ok(print_line("")?)
}

async fn print_state(group: &GroupDescription, admin: &Admin, verbose: bool) -> Result<(), End> {
    if !introduced(group, 1)? {
        return Ok(());
    }
    let cluster = admin.describe_cluster(false).await?;
    let node = cluster.nodes.iter().find(|node| node.id == group.coordinator);
    let node = node.map_or_else(|| MISSING.to_owned(), |node| format!("{}:{}", node.host, node.port));
    let assignor = if group.assignor.is_empty() { MISSING } else { &group.assignor };
    let head = [
        "GROUP",
        "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY",
        "STATE",
        "GROUP-EPOCH",
        "TARGET-ASSIGNMENT-EPOCH",
        "#MEMBERS",
    ];
    let row = vec![
        group.group_id.to_string(),
        format!("{node}  ({})", group.coordinator),
        assignor.to_owned(),
        group.state.to_string(),
        or_missing(group.epochs.map(|epochs| epochs.group)),
        or_missing(group.epochs.map(|epochs| epochs.assignment)),
        group.members.len().to_string(),
    ];
    let hidden: &[usize] = if verbose { &[] } else { &[4, 5] };
    print_table(vec![head.map(str::to_owned).to_vec(), row], &[15, 25, 20, 20, 15, 25, 0], &[0, 1], hidden)?;
    Ok(print_line("")?)
}

async fn delete(read: &Read, admin: &Admin) -> Result<(), End> {
    let groups = chosen(read, admin).await?;
    let each = admin.delete_groups(&groups).await?;
    let quoted = |ids: &[&Str]| ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(", ");
    let fine: Vec<&Str> = each.iter().filter(|(_, gone)| gone.is_ok()).map(|(id, _)| id).collect();
    if fine.len() == each.len() {
        let list = quoted(&fine);
        return Ok(print_line(&format!("Deletion of requested consumer groups ({list}) was successful."))?);
    }
    print_error("Deletion of some consumer groups failed:")?;
    for (id, error) in each.iter().filter_map(|(id, gone)| Some((id, gone.as_ref().err()?))) {
        let why = Fault::from(error.clone()).shown();
        print_line(&format!("* Group '{id}' could not be deleted due to: {why}"))?;
    }
    if !fine.is_empty() {
        print_line(&format!("\nThese consumer groups were deleted successfully: {}", quoted(&fine)))?;
    }
    Ok(())
}

async fn delete_offsets(read: &Read, admin: &Admin) -> Result<(), End> {
    let group: Str = read.value("group").map_err(wrong)?.unwrap_or_default().into();
    let topics = read.values("topic");
    let mut outcome: BTreeMap<(String, i32), Option<Fault>> = BTreeMap::new();
    let mut targets = Vec::new();
    for topic in &topics {
        match offsets_reset::partitions_of(topic, admin).await {
            Ok(some) => targets.extend(some),
            Err(End::Failed(fault)) => drop(outcome.insert(((*topic).to_owned(), -1), Some(fault))),
            Err(end) => return Err(end),
        }
    }
    let mut code = None;
    match admin.delete_group_offsets(&group, &targets).await {
        Ok(each) => {
            for (target, gone) in each {
                let gone = gone.err();
                code = code.or(gone.as_ref().and_then(client::Error::code));
                outcome.insert((target.topic.to_string(), target.partition), gone.map(Fault::from));
            }
        }
        Err(error) => {
            code = error.code();
            for target in targets {
                let fault = Fault::from(error.clone());
                outcome.insert((target.topic.to_string(), target.partition), Some(fault));
            }
        }
    }
    match code {
        None => print_line(&format!("Request succeeded for deleting offsets from group {group}."))?,
        Some(ErrorCode::InvalidGroupId) => print_error(&format!("'{group}' is not valid."))?,
        Some(ErrorCode::GroupIdNotFound) => print_error(ErrorCode::GroupIdNotFound.message())?,
        Some(ErrorCode::GroupAuthorizationFailed) => {
            print_error(&format!("Access to '{group}' is not authorized."))?;
        }
        Some(ErrorCode::NonEmptyGroup) => print_error(&format!(
            "Deleting offsets of a consumer group '{group}' is forbidden if the group is not empty."
        ))?,
        Some(
            ErrorCode::GroupSubscribedToTopic
            | ErrorCode::TopicAuthorizationFailed
            | ErrorCode::UnknownTopicOrPartition,
        ) => print_error("Encountered some partition-level error, see the follow-up details.")?,
        Some(other) => print_error(&format!("Encountered some unknown error: {}", other.name()))?,
    }
    let mut lines = vec![["TOPIC", "PARTITION", "STATUS"].map(str::to_owned).to_vec()];
    for ((topic, partition), fault) in outcome {
        let status =
            fault.map_or_else(|| "Successful".to_owned(), |fault| format!("Error: {}", fault.shown()));
        let partition = if partition < 0 { "Not Provided".to_owned() } else { partition.to_string() };
        lines.push(vec![topic, partition, status]);
    }
    print_table(lines, &[15, 10, 15], &[0], &[])?;
    Ok(print_line("")?)
}
