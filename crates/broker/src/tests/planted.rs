//! Faults planted in a node at work, each of which breaks one invariant: the check that is there for it says so, by name, in the turn
//! that did it. Without any the same day ends well.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use wire::messages::offset_commit::OffsetCommitResponse;

use super::cluster::Cluster;
use super::groups::{commit, find_coordinator};
use super::produce::{produce, request};
use super::replication;
use super::tallies::add;
use super::*;
use crate::coordinators::kinds::Kind;
use crate::coordinators::tally::TallyMachine;

/// What goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An ack is parked for an offset that nobody appended.
    AckForNothing,
    /// An ack whose offset is safe stays parked.
    AckKept,
    /// A batch is parked that no produce waits for.
    AckOfNobody,
    /// A leader steps down and keeps those who wait for it.
    AcksOfAFollower,
    /// A role changes and is not published.
    RoleUntold,
    /// A replica is in another directory than the one that was published.
    DirectoryUntold,
    /// A leader's log loses what was committed.
    LogLost,
    /// A leader commits what its followers have not got.
    CommittedTooEarly,
    /// A leader's ISR holds a broker without a replica.
    IsrOfAStranger,
    /// What a fetcher got is taken in twice.
    TakenTwice,
    /// A leader goes back to an epoch before that of its log.
    EpochOfBefore,
    /// A move's target is where the replica is.
    MoveToItself,
    /// A replica is marked for the end of a turn that is over.
    LeftUnsettled,
    /// A cell points at another slot than its replica's.
    CellAstray,
    /// A coordinator stays where this broker leads no longer.
    CoordinatorOfAFollower,
    /// Somebody else writes to a coordinator's partition.
    ForeignAppend,
    /// A state machine applies a record in one way to its pending twin and in another to the committed one.
    TwinsApart,
    /// The metadata log is of an epoch that the quorum has not come to.
    MetadataOfLater,
    /// The metadata log loses records that were committed.
    MetadataLost,
}

thread_local! {
    static PLANTED: Cell<Option<Fault>> = const { Cell::new(None) };
    /// What is planted has happened.
    static STRUCK: Cell<bool> = const { Cell::new(false) };
    /// True while the day lasts.
    static HEARS: Cell<bool> = const { Cell::new(false) };
    /// What was said first.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// True in a test that wants to hear of a panic, wherever it is caught.
pub(crate) fn is_planted() -> bool {
    HEARS.get()
}

/// The fault that is still to strike.
pub(crate) fn planted() -> Option<Fault> {
    PLANTED.get().filter(|_| !STRUCK.get())
}

/// It has.
pub(crate) fn struck() {
    STRUCK.set(true);
}

/// True once, where this fault was planted.
pub(crate) fn strikes(fault: Fault) -> bool {
    planted() == Some(fault) && lasts(fault)
}

/// True from now on, where this fault was planted.
pub(crate) fn lasts(fault: Fault) -> bool {
    let strikes = PLANTED.get() == Some(fault);
    if strikes {
        struck();
    }
    strikes
}

/// Handlers catch panics and a shard's turn would end the process: the first words are taken down where they are said.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !is_planted() {
                return before(panic);
            }
            let said = panic.payload_as_str().unwrap_or("no text").to_owned();
            SAID.with_borrow_mut(|first| {
                first.get_or_insert(said);
            });
        }));
    });
    HEARS.set(true);
}

/// A day of a node: records with every kind of ack, a group's commits, another machine's sums, new topics.
fn day(fault: Option<Fault>) {
    let mut node = Harness::start();
    PLANTED.set(fault);
    node.create("t", 2);
    node.create(TallyMachine::TOPIC, 1);
    for acks in [-1, 1, -1] {
        let both = request("t", 1, acks, batch(&["x"]));
        let _begun = node.begin(ApiKey::Produce, 9, &both);
        assert_eq!(produce(&mut node, "t", 0, acks, batch(&["a", "b"])).error_code, 0);
    }
    find_coordinator(&mut node, "group");
    for offset in 1..3 {
        let answer: OffsetCommitResponse = node.ask(ApiKey::OffsetCommit, 8, &commit("group", "t", offset));
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    }
    assert_eq!(add(&mut node, "sum", 3), Ok(3));
    node.create("another", 1);
    node.advance(1_000);
    assert_eq!(planted(), None, "the day was too short for it");
    node.stop();
}

/// A day of three nodes: records on all of them, a leader that dies, a follower that comes back.
fn day_of_three(fault: Option<Fault>) {
    let mut cluster = Cluster::of_three();
    cluster.ready();
    PLANTED.set(fault);
    replication::create(&mut cluster, "t", &[("min.insync.replicas", "2")]);
    assert_eq!(replication::put(&mut cluster, "t", &["a", "b"]).0, ErrorCode::None);
    let first = replication::leader(&cluster, "t");
    cluster.kill(first);
    cluster.until("another leads", |cluster| ![first, -1].contains(&replication::leader(cluster, "t")));
    assert_eq!(replication::put(&mut cluster, "t", &["c"]).0, ErrorCode::None);
    cluster.start(first);
    cluster.ready();
    replication::isr_is(&mut cluster, "t", &[1, 2, 3]);
    assert_eq!(planted(), None, "the day was too short for it");
}

fn said(fault: Option<Fault>) -> Option<String> {
    said_in(fault, day)
}

fn said_in(fault: Option<Fault>, day: fn(Option<Fault>)) -> Option<String> {
    listen();
    let day = catch_unwind(AssertUnwindSafe(|| day(fault)));
    HEARS.set(false);
    let said = SAID.take();
    assert!(said.is_some() || day.is_ok());
    said
}

#[track_caller]
fn check(fault: Fault, invariant: &str) {
    let said = said(Some(fault)).unwrap_or_default();
    assert!(said.contains(invariant), "{fault:?}: {said}");
}

#[test]
fn a_day_without_a_fault_breaks_nothing() {
    assert_eq!(said(None), None);
}

#[test]
fn a_day_of_three_without_a_fault_breaks_nothing() {
    assert_eq!(said_in(None, day_of_three), None);
}

#[test]
fn what_goes_wrong_between_leaders_and_followers_is_seen() {
    for (fault, invariant) in [
        (Fault::CommittedTooEarly, "watermarks: a replica in sync has not got what is committed"),
        (Fault::IsrOfAStranger, "isr: it holds one that is not assigned"),
        (Fault::TakenTwice, "flight: two answers are taken in at once"),
    ] {
        let said = said_in(Some(fault), day_of_three).unwrap_or_default();
        assert!(said.contains(invariant), "{fault:?}: {said}");
        STRUCK.set(false);
    }
}

#[test]
fn an_ack_for_what_was_not_appended_is_seen() {
    check(Fault::AckForNothing, "acks: one waits for what was not appended");
}

#[test]
fn an_ack_that_is_not_released_is_seen() {
    check(Fault::AckKept, "acks: one is overdue");
}

#[test]
fn a_parked_batch_of_no_produce_is_seen() {
    check(Fault::AckOfNobody, "produces: a parked batch is of none");
}

#[test]
fn a_follower_that_owes_acks_is_seen() {
    check(Fault::AcksOfAFollower, "acks: a follower owes some");
}

#[test]
fn a_role_that_nobody_heard_of_is_seen() {
    check(Fault::RoleUntold, "shown: readers know another role, or another directory");
}

#[test]
fn a_directory_that_nobody_heard_of_is_seen() {
    check(Fault::DirectoryUntold, "shown: readers know another role, or another directory");
}

#[test]
fn a_leader_whose_log_lost_what_was_committed_is_seen() {
    check(Fault::LogLost, "shown: readers know another high watermark");
}

#[test]
fn a_leader_of_an_epoch_before_its_log_is_seen() {
    check(Fault::EpochOfBefore, "epoch: the log is of a later one");
}

#[test]
fn a_move_to_where_the_replica_is_is_seen() {
    check(Fault::MoveToItself, "moving: it goes where it is");
}

#[test]
fn a_replica_that_a_turn_passed_over_is_seen() {
    check(Fault::LeftUnsettled, "settled: a replica waits for it and is not known to");
}

#[test]
fn a_cell_that_points_elsewhere_is_seen() {
    check(Fault::CellAstray, "seats: a cell points at nobody");
}

#[test]
fn a_coordinator_on_a_follower_is_seen() {
    check(Fault::CoordinatorOfAFollower, "coordinator: it is where nothing is led");
}

#[test]
fn a_foreign_append_to_a_coordinators_partition_is_seen() {
    check(Fault::ForeignAppend, "someone else appended to a coordinator's partition");
}

#[test]
fn twins_that_differ_with_nothing_in_flight_are_seen() {
    check(Fault::TwinsApart, "twins: they differ with nothing in flight");
}

#[test]
fn a_quorum_whose_log_is_of_a_later_epoch_is_seen() {
    check(Fault::MetadataOfLater, "epoch: the log is of a later one");
}

#[test]
fn a_quorum_whose_log_lost_what_was_committed_is_seen() {
    check(Fault::MetadataLost, "high watermark: it is beyond the log's end");
}
