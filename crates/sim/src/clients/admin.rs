//! The administrator: creates the topics of the workload, deletes records, makes and unmakes topics nobody writes to.

use wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use wire::messages::delete_records::{
    DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsResponse, DeleteRecordsTopic,
};
use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::topic::{CONSUMER_OFFSETS, TopicPartition};
use wire::{ApiKey, ErrorCode, Str};

use super::{code, is_passing};
use crate::invariants;
use crate::model::TopicFate;
use crate::socket::{Lost, Socket};
use crate::world::World;

/// Time that the controller has for a request.
const TIMEOUT_MS: i32 = 5_000;

/// The topics of the workload.
pub fn topic_names(world: &World) -> Vec<Str> {
    (0..world.shape.topics).map(|index| Str::from(format!("topic{index}"))).collect()
}

/// All partitions of the workload.
pub fn all_partitions(world: &World) -> Vec<TopicPartition> {
    let of = |topic: Str| {
        (0..world.shape.partitions).map(move |partition| TopicPartition { topic: topic.clone(), partition })
    };
    topic_names(world).into_iter().flat_map(of).collect()
}

/// Creates a topic, however often it takes.
async fn create(world: &World, name: &Str, partitions: i32, configs: Vec<(&'static str, String)>) {
    let config = |(name, value): (&'static str, String)| CreatableTopicConfig {
        name: Str::from_static(name),
        value: Some(Str::from(value)),
    };
    let topic = CreatableTopic {
        name: name.clone(),
        num_partitions: partitions,
        replication_factor: 1,
        configs: configs.into_iter().map(config).collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, validate_only: false };
    loop {
        let socket = Socket::connect(world, "admin").await;
        let answer: Result<CreateTopicsResponse, Lost> = socket.ask(ApiKey::CreateTopics, 7, &request).await;
        let Some(topic) = answer.ok().and_then(|answer| answer.topics.into_iter().next()) else { continue };
        match code(topic.error_code) {
            ErrorCode::None => {
                world.model.borrow_mut().topics.insert(name.clone(), TopicFate::Created(topic.topic_id));
                world.tell(&format!("topic {name} is created"));
                return;
            }
            ErrorCode::TopicAlreadyExists => {
                let node = world.machine().borrow().node();
                let id = node.and_then(|node| node.image().topics.by_name(name).map(|topic| topic.id));
                if let Some(id) = id {
                    world.model.borrow_mut().topics.insert(name.clone(), TopicFate::Created(id));
                    return;
                }
            }
            passing if is_passing(passing) => {}
            other => return world.check(unexplained("CreateTopics", other)),
        }
        world.sleep(30).await;
    }
}

fn unexplained(api: &str, error: ErrorCode) -> invariants::Checked {
    invariants::no_unexplained_error("admin", &format!("{api}: {error:?}"))
}

/// Creates what the workload needs; everything else begins after it.
pub async fn prepare(world: &World) {
    for name in topic_names(world) {
        create(world, &name, world.shape.partitions, world.shape.topic_configs()).await;
    }
    if world.shape.groups > 0 {
        let name = Str::from_static(CONSUMER_OFFSETS);
        create(world, &name, world.shape.offsets_partitions, world.shape.offsets_configs()).await;
    }
}

/// Deletes records now and then.
pub async fn deletes_records(world: World) {
    let partitions = all_partitions(&world);
    while !world.has_healed() {
        let pause_ms = world.draw(|random| random.between(50, 1_500));
        world.sleep(pause_ms).await;
        let index = world.draw(|random| random.index(partitions.len()));
        let Some(partition) = partitions.get(index) else { continue };
        let socket = Socket::connect(&world, "admin").await;
        let end = {
            let node = world.machine().borrow().node();
            let view = node.and_then(|node| {
                let topic = node.views().by_name(&partition.topic)?;
                topic.partition(partition.partition)?.view()
            });
            view.map_or(0, |view| view.high_watermark)
        };
        let offset = world.draw(|random| random.between(0, end + 1));
        {
            let mut model = world.model.borrow_mut();
            let model = model.partition(partition);
            model.delete_asked = model.delete_asked.max(offset);
        }
        world.tell(&format!("admin deletes {} {} before {offset}", partition.topic, partition.partition));
        let wanted = DeleteRecordsPartition { partition_index: partition.partition, offset };
        let topic = DeleteRecordsTopic { name: partition.topic.clone(), partitions: vec![wanted] };
        let request = DeleteRecordsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS };
        let answer: Result<DeleteRecordsResponse, Lost> =
            socket.ask(ApiKey::DeleteRecords, 2, &request).await;
        let Ok(answer) = answer else { continue };
        for told in answer.topics.iter().flat_map(|topic| &topic.partitions) {
            match code(told.error_code) {
                ErrorCode::None => {
                    let mut model = world.model.borrow_mut();
                    let model = model.partition(partition);
                    model.deleted = model.deleted.max(told.low_watermark);
                }
                ErrorCode::OffsetOutOfRange => {}
                passing if is_passing(passing) => {}
                other => world.check(unexplained("DeleteRecords", other)),
            }
        }
    }
}

/// Makes and unmakes topics.
pub async fn churns_topics(world: World) {
    let mut serial = 0;
    while !world.has_healed() {
        let pause_ms = world.draw(|random| random.between(50, 1_000));
        world.sleep(pause_ms).await;
        serial += 1;
        let name = Str::from(format!("churn{serial}"));
        create(&world, &name, 2, world.shape.topic_configs()).await;
        if world.draw(|random| random.per_mille(600)) {
            delete(&world, &name).await;
        }
    }
}

async fn delete(world: &World, name: &Str) {
    world.model.borrow_mut().topics.insert(name.clone(), TopicFate::Doomed);
    let topic = DeleteTopicState { name: Some(name.clone()), ..DeleteTopicState::default() };
    let request =
        DeleteTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..DeleteTopicsRequest::default() };
    loop {
        let socket = Socket::connect(world, "admin").await;
        let answer: Result<DeleteTopicsResponse, Lost> = socket.ask(ApiKey::DeleteTopics, 6, &request).await;
        let Some(topic) = answer.ok().and_then(|answer| answer.responses.into_iter().next()) else {
            continue;
        };
        match code(topic.error_code) {
            // The second attempt may find the first one's work.
            ErrorCode::None | ErrorCode::UnknownTopicOrPartition => {
                world.model.borrow_mut().topics.insert(name.clone(), TopicFate::Deleted);
                world.tell(&format!("topic {name} is deleted"));
                return;
            }
            passing if is_passing(passing) => {}
            other => return world.check(unexplained("DeleteTopics", other)),
        }
        world.sleep(30).await;
    }
}
