//! What needs no dialogue: the bytes of records, topologies that mean harm, members of a later version, and what the assignor must never do.

use super::super::assignor::sticky::{Divisible, Runner, Share, Task, assign};
use super::super::consumer::{ClusterView, GroupSetting, TopicView};
use super::super::records::{GroupRecord, decode, encode};
use super::group::StreamsGroup;
use super::member::{MemberState, StreamsMember, record};
use super::reconcile::{Owners, Reconciliation, UnknownState};
use super::records::StreamsGroupChange;
use super::tasks::{Held, TaskSets, Tasks, TasksSince};
use super::topics::configure;
use super::topology::Topology;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use wire::random::SplitMix64;
use wire::records::group::{
    Endpoint, StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMetadataValue,
    StreamsGroupTopologyValue, StreamsGroupTopologyValueTopicInfo as TopicInfo, Subtopology,
};
use wire::{ErrorCode, Str, Uuid};

/// Every topic that there is has two partitions.
#[derive(Debug)]
struct Two(&'static [&'static str]);

impl ClusterView for Two {
    fn version(&self) -> i64 {
        1
    }
    fn topic(&self, name: &str) -> Option<TopicView> {
        let is_there = self.0.contains(&name);
        is_there.then(|| TopicView { id: Uuid::ZERO, name: Str::from(name), partitions: 2 })
    }
    fn topic_by_id(&self, _id: Uuid) -> Option<TopicView> {
        None
    }
    fn each_topic(&self, _see: &mut dyn FnMut(&Str)) {}
    fn racks(&self, _topic: &str, _partition: i32) -> Vec<Str> {
        Vec::new()
    }
    fn group_text(&self, _group: &str, _setting: GroupSetting) -> Option<String> {
        None
    }
}

/// A chain: each subtopology reads what the one after it, by its id, writes.
fn chain(length: usize) -> Topology {
    let name = |at: usize| Str::from(format!("r{at:06}"));
    let topic = |at: usize| TopicInfo { name: name(at), ..TopicInfo::default() };
    let one = |at: usize| Subtopology {
        subtopology_id: Str::from(format!("{at:06}")),
        source_topics: if at + 1 == length { vec![Str::from_static("t")] } else { Vec::new() },
        repartition_source_topics: if at + 1 == length { Vec::new() } else { vec![topic(at + 1)] },
        repartition_sink_topics: if at == 0 { Vec::new() } else { vec![name(at)] },
        ..Subtopology::default()
    };
    Topology::of_record(&StreamsGroupTopologyValue {
        epoch: 1,
        subtopologies: (0..length).map(one).collect(),
    })
}

#[test]
fn a_topology_is_as_deep_as_it_likes_and_not_deeper() {
    let configured = configure(&chain(50), &Two(&["t"])).unwrap();
    assert_eq!(configured.to_create.len(), 49);
    assert!(configured.to_create.iter().all(|topic| topic.num_partitions == 2));
    let refused = configure(&chain(20_000), &Two(&["t"])).unwrap_err();
    assert_eq!(refused.error, ErrorCode::StreamsInvalidTopology);
}

#[test]
fn records_are_read_as_they_were_written() {
    let tasks = Tasks::from([(Str::from_static("0"), BTreeSet::from([1, 3]))]);
    let active = TasksSince::from([(Str::from_static("1"), BTreeMap::from([(0, 4), (2, 5)]))]);
    let member = StreamsMember {
        epoch: 5,
        previous_epoch: 4,
        state: MemberState::UnrevokedTasks,
        instance_id: Some(Str::from_static("i")),
        rack_id: Some(Str::from_static("r")),
        user_endpoint: Some(Endpoint { host: Str::from_static("h"), port: 65_535 }),
        client_tags: BTreeMap::from([(Str::from_static("zone"), Str::from_static("1"))]),
        assigned: Held { active: active.clone(), standby: tasks.clone(), warmup: tasks.clone() },
        revoking: Held { active, standby: Tasks::new(), warmup: tasks },
        ..StreamsMember::new(Str::from_static("m"))
    };
    let group = Str::from_static("g");
    let topology = StreamsGroupTopologyValue { epoch: 3, subtopologies: Vec::new() };
    let changes = [
        StreamsGroupChange::Group { value: Some(Arc::new(StreamsGroupMetadataValue::default())) },
        StreamsGroupChange::TargetMetadata {
            value: Some(StreamsGroupTargetAssignmentMetadataValue {
                assignment_epoch: 5,
                assignment_timestamp: 77,
            }),
        },
        StreamsGroupChange::Topology { value: Some(Arc::new(topology)) },
        StreamsGroupChange::Current { member_id: Str::from_static("m"), value: None },
    ];
    let records: Vec<GroupRecord> = [member.metadata_record(&group), member.current_record(&group)]
        .into_iter()
        .chain(changes.into_iter().map(|change| record(&group, change)))
        .collect();
    let mut read = StreamsGroup::default();
    for one in &records[..5] {
        let bytes = encode(one);
        assert_eq!(decode(Some(bytes.key), bytes.value).unwrap().as_ref(), Some(one));
        let GroupRecord::Streams(one) = one else { unreachable!() };
        read.apply(&one.of);
    }
    assert_eq!(*read.members[&Str::from_static("m")], member);
    assert_eq!(read.static_member("i").map(|found| &**found), Some(&member));
    assert_eq!((read.assignment_epoch, read.topology.as_ref().map(|one| one.epoch)), (5, Some(3)));
}

#[test]
fn a_member_in_a_state_of_a_later_version_gives_all_up_first() {
    let member = StreamsMember { state: MemberState::Unknown, ..StreamsMember::new(Str::from_static("m")) };
    let (none, owners) = (TaskSets::default(), Owners::default());
    let step =
        |owned| Reconciliation { target_epoch: 9, target: &none, owned, owners: &owners }.step(&member);
    assert_eq!(step(None), Err(UnknownState));
    let next = step(Some(&none)).unwrap();
    assert_eq!((next.state, next.epoch), (MemberState::Stable, 9));
}

/// Tasks are given once each, standby tasks to other processes, and nobody has many more than others; who has a task and is not full keeps it.
#[test]
fn nobody_is_given_too_much_or_twice() {
    for seed in 0..300 {
        let mut random = SplitMix64::new(seed);
        let mut roll = |sides: u64| random.next_u64() % sides;
        let (ids, standby) = ([Str::from_static("0"), Str::from_static("1")], roll(3) as usize);
        let tasks = [roll(9) as i32 + 1, roll(9) as i32 + 1];
        let stateful = [roll(2) == 0, roll(2) == 0];
        let divisible: Vec<Divisible<'_>> = (0..2)
            .map(|at| Divisible { id: &ids[at], tasks: tasks[at], is_stateful: stateful[at] })
            .collect();
        let count = roll(7) as usize + 1;
        let members: Vec<Str> = (0..count).map(|at| Str::from(format!("m{at}"))).collect();
        let processes: Vec<Str> = (0..count).map(|_| Str::from(format!("p{}", roll(4)))).collect();
        let all: Vec<Task> = (0..2).flat_map(|at| (0..tasks[at]).map(move |number| (at, number))).collect();
        let mut runners: Vec<Runner<'_>> = (0..count)
            .map(|at| Runner {
                id: &members[at],
                process_id: &processes[at],
                active: Vec::new(),
                standby: all.iter().filter(|_| roll(6) == 0).copied().collect(),
                offsets: BTreeMap::new(),
            })
            .collect();
        for task in &all {
            if roll(2) == 0 {
                runners[roll(count as u64) as usize].offsets.insert(*task, roll(100) as i64);
            }
            if roll(4) != 0 {
                runners[roll(count as u64) as usize].active.push(*task);
            }
        }
        let shares = assign(&divisible, &runners, standby);
        check(seed, &all, &stateful, standby, &processes, &runners, &shares);
    }
}

fn check(
    seed: u64,
    all: &[Task],
    stateful: &[bool],
    standby: usize,
    processes: &[Str],
    runners: &[Runner<'_>],
    shares: &[Share],
) {
    let given: Vec<Task> = shares.iter().flat_map(|share| share.active.iter().copied()).collect();
    assert_eq!(given.len(), all.len(), "seed {seed}: a task is nobody's, or somebody's twice");
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), all.len(), "seed {seed}: a task is given twice");
    let most = all.len().div_ceil(shares.len());
    for (share, runner) in shares.iter().zip(runners) {
        let kept = runner.active.iter().filter(|task| share.active.contains(task)).count();
        assert!(
            kept >= runner.active.len().min(all.len() / shares.len()),
            "seed {seed}: a task moves in vain"
        );
        // What is spread by processes may give a member of a small one more than its part.
        let threads = |id: &Str| processes.iter().filter(|process| *process == id).count();
        let is_even = processes.iter().all(|id| threads(id) == threads(runner.process_id));
        assert!(!is_even || share.active.len() <= most, "seed {seed}: {} of {most}", share.active.len());
    }
    let distinct = processes.iter().collect::<BTreeSet<_>>().len();
    for task in all {
        let holders: Vec<&Str> = shares
            .iter()
            .zip(processes)
            .filter(|(share, _)| share.active.contains(task) || share.standby.contains(task))
            .map(|(_, process)| process)
            .collect();
        let wanted = if stateful[task.0] { (1 + standby).min(distinct) } else { 1 };
        assert_eq!(holders.len(), wanted, "seed {seed}: copies of {task:?}");
        assert_eq!(
            holders.iter().collect::<BTreeSet<_>>().len(),
            wanted,
            "seed {seed}: twice on one process"
        );
    }
}
