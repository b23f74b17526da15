//! An administrator who meddles while faults strike: makes and deletes topics, moves replicas from broker to broker, has leaders elected.
//! Asks whichever broker answers; what is refused is left alone. Owns no promise but that of the topics it has made.

use wire::messages::alter_partition_reassignments::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, ReassignablePartition,
    ReassignableTopic,
};
use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::messages::elect_leaders::{ElectLeadersRequest, ElectLeadersResponse};
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode, Str};

use super::admin::create;
use super::router::{Router, is_passing};
use crate::clients::admin::all_partitions;
use crate::clients::code;
use crate::invariants;
use crate::model::TopicFate;
use crate::socket::Lost;
use crate::world::World;

/// Time that the controller has for a request.
const TIMEOUT_MS: i32 = 5_000;

/// Meddles until the world heals.
pub async fn run(world: World) {
    let mut router = Router::new(&world, "meddler");
    let partitions = all_partitions(&world);
    let mut serial = 0;
    while !world.has_healed() {
        let pause_ms = world.draw(|random| random.between(50, 1_500));
        world.sleep(pause_ms).await;
        match world.draw(|random| random.between(0, 4)) {
            0 => {
                serial += 1;
                let name = Str::from(format!("churn{serial}"));
                create(&world, &mut router, &name, 2, world.shape.topic_configs()).await;
                if world.draw(|random| random.per_mille(700)) {
                    delete(&world, &mut router, &name).await;
                }
            }
            1 => elect(&world, &mut router).await,
            _ => {
                let place = world.draw(|random| random.index(partitions.len()));
                if let Some(partition) = partitions.get(place) {
                    reassign(&world, &mut router, partition).await;
                }
            }
        }
    }
}

fn unexplained(api: &str, error: ErrorCode) -> invariants::Checked {
    invariants::no_unexplained_error("meddler", &format!("{api}: {error:?}"))
}

async fn delete(world: &World, router: &mut Router, name: &Str) {
    world.model.borrow_mut().topics.insert(name.clone(), TopicFate::Doomed);
    let topic = DeleteTopicState { name: Some(name.clone()), ..DeleteTopicState::default() };
    let request =
        DeleteTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..DeleteTopicsRequest::default() };
    loop {
        let socket = router.any().await;
        let answer: Result<DeleteTopicsResponse, Lost> = socket.ask(ApiKey::DeleteTopics, 6, &request).await;
        let Some(topic) = answer.ok().and_then(|answer| answer.responses.into_iter().next()) else {
            world.sleep(30).await;
            continue;
        };
        match code(topic.error_code) {
            // The second attempt may find the first one's work.
            ErrorCode::None | ErrorCode::UnknownTopicOrPartition => {
                world.model.borrow_mut().topics.insert(name.clone(), TopicFate::Deleted);
                return world.tell(&format!("topic {name} is deleted"));
            }
            passing if is_passing(passing) => {}
            other => return world.check(unexplained("DeleteTopics", other)),
        }
        world.sleep(30).await;
    }
}

/// As many replicas as before, somewhere.
async fn reassign(world: &World, router: &mut Router, partition: &TopicPartition) {
    let roles = (1..).zip(&world.shape.cluster.roles);
    let mut brokers: Vec<i32> = roles.filter(|(_, roles)| roles.broker).map(|(id, _)| id).collect();
    world.draw(|random| random.shuffle(&mut brokers));
    brokers.truncate(usize::try_from(world.shape.cluster.replication_factor).unwrap_or(1));
    world.tell(&format!("{}-{} goes to {brokers:?}", partition.topic, partition.partition));
    let moved = ReassignablePartition { partition_index: partition.partition, replicas: Some(brokers) };
    let request = AlterPartitionReassignmentsRequest {
        timeout_ms: TIMEOUT_MS,
        topics: vec![ReassignableTopic { name: partition.topic.clone(), partitions: vec![moved] }],
        ..AlterPartitionReassignmentsRequest::default()
    };
    let socket = router.any().await;
    let answer: Result<AlterPartitionReassignmentsResponse, Lost> =
        socket.ask(ApiKey::AlterPartitionReassignments, 0, &request).await;
    let told = answer.ok().map(|answer| {
        let of_partition = answer.responses.first().and_then(|topic| topic.partitions.first());
        of_partition.map_or(answer.error_code, |partition| partition.error_code)
    });
    match told.map(code) {
        // Brokers that are fenced are refused.
        None | Some(ErrorCode::None | ErrorCode::InvalidReplicaAssignment) => {}
        Some(passing) if is_passing(passing) => {}
        Some(other) => world.check(unexplained("AlterPartitionReassignments", other)),
    }
}

/// Preferred leaders everywhere.
async fn elect(world: &World, router: &mut Router) {
    let request = ElectLeadersRequest { election_type: 0, topic_partitions: None, timeout_ms: TIMEOUT_MS };
    let socket = router.any().await;
    let answer: Result<ElectLeadersResponse, Lost> = socket.ask(ApiKey::ElectLeaders, 2, &request).await;
    match answer.ok().map(|answer| code(answer.error_code)) {
        None | Some(ErrorCode::None) => {}
        Some(passing) if is_passing(passing) => {}
        Some(other) => world.check(unexplained("ElectLeaders", other)),
    }
}
