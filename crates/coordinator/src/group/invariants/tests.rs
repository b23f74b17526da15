//! Each invariant of a group, broken on purpose: the check says which.

use super::*;
use crate::group::GroupConfig;
use crate::machine::Decision;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use wire::records::group::{GroupMetadataValue, MemberMetadata};

fn record(generation: i32, members: &[&str]) -> GroupMetadataValue {
    let member = |id: &&str| MemberMetadata { member_id: Str::from(*id), ..Default::default() };
    GroupMetadataValue {
        protocol_type: Str::from("consumer"),
        generation,
        protocol: Some(Str::from("range")),
        leader: members.first().map(|id| Str::from(*id)),
        current_state_timestamp: 0,
        members: members.iter().map(member).collect(),
    }
}

fn group(members: &[&str]) -> ClassicGroup {
    ClassicGroup::from_record(Str::from("g"), &record(3, members))
}

fn panic_of(check: impl FnOnce()) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(check)) else { return "nothing".to_owned() };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[test]
fn every_broken_invariant_is_named() {
    type Case = (&'static [&'static str], fn(&mut ClassicGroup), &'static str);
    let cases: &[Case] = &[
        (&[], |_| {}, "nothing"),
        (&["a", "b"], |_| {}, "nothing"),
        (&["a", "b"], |g| g.leader = Some(Str::from("c")), "leader: that of g is no member"),
        (&["a", "b"], |g| g.leader = None, "leader: g has members and no leader"),
        (&["a", "b"], |g| g.awaiting_join = 3, "members: more of g wait than there are"),
        (
            &[],
            |g| drop(g.static_members.insert(Str::from("i"), Str::from("a"))),
            "members: an instance of g is no member",
        ),
        (&["a"], |g| g.supported.clear(), "protocols: those of g are miscounted"),
        (&["a"], |g| g.state = ClassicState::Empty, "phase: g is empty and has members"),
        (
            &["a"],
            |g| {
                g.state = ClassicState::PreparingRebalance;
                g.pending_sync.insert(Str::from("a"));
            },
            "phase: g waits for two things",
        ),
        (&[], |g| g.state = ClassicState::Stable, "phase: g has a generation of nobody"),
        (
            &["a"],
            |g| (g.state, g.protocol_name) = (ClassicState::CompletingRebalance, None),
            "protocols: g has chosen none",
        ),
    ];
    for (members, damage, name) in cases {
        let mut group = group(members);
        damage(&mut group);
        assert_eq!(panic_of(|| group.check()), *name);
    }
}

#[test]
fn a_generation_that_would_go_back_is_named() {
    let id = Str::from("g");
    let persisted = |generation| Some(Arc::new(record(generation, &["a"])));
    let check = |last: i32, next: i32| {
        let mut machine = GroupMachine::new();
        machine.groups.insert(id.clone(), Group::Classic(persisted(last)));
        let next = GroupRecord::GroupMetadata { group: id.clone(), value: persisted(next) };
        let decision = Decision { records: vec![next], ..Decision::default() };
        let soft = GroupSoft::new(GroupConfig::default(), 1);
        panic_of(|| machine.check_decision(&soft, Some(&id), &decision))
    };
    assert_eq!(check(3, 3), "nothing");
    assert_eq!(check(3, 4), "nothing");
    assert_eq!(check(i32::MAX, i32::MIN), "nothing");
    assert_eq!(check(4, 3), "generation: that of g would go back");
}

/// The log may hold what no coordinator of ours wrote.
#[test]
fn a_record_that_contradicts_itself_makes_a_sound_group() {
    let mut twice = record(3, &["a", "a", "b"]);
    twice.leader = Some(Str::from("nobody"));
    let group = ClassicGroup::from_record(Str::from("g"), &twice);
    group.check_members();
    assert_eq!(group.members.len(), 2);
    assert_eq!(group.leader, Some(Str::from("a")));
}
