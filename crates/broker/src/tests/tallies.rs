//! One host for every kind of coordinator: a second machine lives in a topic of its own, beside the groups.

use coordinator::Machine;
use coordinator::group::{GroupAnswer, GroupCommand, GroupMachine};

use super::groups::{commit, committed, find_coordinator};
use super::*;
use crate::command::Ask;
use crate::coordinators::kinds::{Asked, Kind, Question};
use crate::coordinators::tally::{FORGOTTEN_AFTER_MS, TallyAnswer, TallyCommand, TallyMachine};
use crate::mailbox::{self, Answer};
use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::messages::offset_commit::OffsetCommitResponse;

fn ask<M: Kind>(node: &mut Harness, topic: &str, command: M::Command) -> Answer<M::Answer> {
    let (reply, answer) = mailbox::reply();
    let cell = node.node.views().by_name(topic).expect("the topic is there").partition(0).unwrap().clone();
    node.node.ask(node.now_ms, Ask { cell, question: M::question(Asked { command, reply }) });
    answer
}

pub(super) fn add(node: &mut Harness, name: &str, number: i64) -> TallyAnswer {
    let command = TallyCommand::Add { name: name.to_owned(), number };
    let mut answer = ask::<TallyMachine>(node, TallyMachine::TOPIC, command);
    assert!(answer.known().is_none(), "what was added is not told before it is on the platter");
    node.settle();
    answer.known().expect("flushed").expect("nobody dropped it")
}

fn read(node: &mut Harness, name: &str) -> TallyAnswer {
    let mut answer =
        ask::<TallyMachine>(node, TallyMachine::TOPIC, TallyCommand::Read { name: name.to_owned() });
    answer.known().expect("at once").expect("nobody dropped it")
}

#[test]
fn another_machine_is_loaded_asked_and_ticked_beside_the_groups() {
    let mut node = Harness::start();
    node.create(TallyMachine::TOPIC, 1);
    node.create("t", 1);
    node.settle();
    find_coordinator(&mut node, "g");
    assert_eq!(add(&mut node, "a", 3), Ok(3));
    assert_eq!(add(&mut node, "a", 4), Ok(7));
    let told: OffsetCommitResponse = node.ask(ApiKey::OffsetCommit, 8, &commit("g", "t", 42));
    assert_eq!(told.topics[0].partitions[0].error_code, 0);
    let mut node = node.restart();
    assert_eq!((read(&mut node, "a"), committed(&mut node, "g", "t")), (Ok(7), 42));
    assert_eq!(add(&mut node, "a", 1), Ok(8));
    let mut node = node.crash(Survival::Nothing);
    assert_eq!((read(&mut node, "a"), committed(&mut node, "g", "t")), (Ok(8), 42));
    node.advance(FORGOTTEN_AFTER_MS + 1);
    assert_eq!(read(&mut node, "a"), Ok(0), "its timer fired");
}

#[test]
fn a_question_of_another_kind_is_refused_and_so_is_one_whose_topic_goes() {
    let mut node = Harness::start();
    let topic_id = node.create(TallyMachine::TOPIC, 1);
    node.settle();
    let command = GroupCommand::List { states: Vec::new(), types: Vec::new() };
    let mut answer = ask::<GroupMachine>(&mut node, TallyMachine::TOPIC, command);
    let Some(Ok(GroupAnswer::List(listed))) = answer.known() else { panic!("a list, or why not") };
    assert_eq!(listed.err(), Some(ErrorCode::NotCoordinator));
    let command = TallyCommand::Add { name: "a".to_owned(), number: 1 };
    let cell = node.node.views().by_name(TallyMachine::TOPIC).unwrap().partition(0).unwrap().clone();
    let mut waits = ask::<TallyMachine>(&mut node, TallyMachine::TOPIC, command.clone());
    let state = DeleteTopicState { topic_id, ..DeleteTopicState::default() };
    let delete = DeleteTopicsRequest { topics: vec![state], timeout_ms: 1_000, ..Default::default() };
    let told: DeleteTopicsResponse = node.ask(ApiKey::DeleteTopics, 6, &delete);
    assert_eq!(told.responses[0].error_code, 0);
    node.settle();
    assert!(matches!(waits.known(), Some(Ok(_))), "whoever waited has heard");
    let (reply, mut answer) = mailbox::reply();
    node.node
        .ask(node.now_ms, Ask { cell, question: Question::Tally(Asked { command: command.clone(), reply }) });
    let told = answer.known().expect("at once").expect("nobody dropped it");
    assert_eq!(told, TallyMachine::refuse(&command, ErrorCode::NotCoordinator));
}
