//! The administrator of a cluster: creates the topics of the workload through whichever broker answers.

use wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use wire::topic::CONSUMER_OFFSETS;
use wire::{ApiKey, ErrorCode, Str};

use super::router::{Router, is_passing};
use crate::clients::admin::topic_names;
use crate::clients::code;
use crate::invariants;
use crate::model::TopicFate;
use crate::socket::Lost;
use crate::world::World;

/// Time that the controller has for a request.
const TIMEOUT_MS: i32 = 5_000;

/// Creates what the workload needs.
pub async fn prepare(world: &World) {
    let mut router = Router::new(world, "admin");
    for name in topic_names(world) {
        create(world, &mut router, &name, world.shape.partitions, world.shape.topic_configs()).await;
    }
    if world.shape.groups > 0 {
        let name = Str::from_static(CONSUMER_OFFSETS);
        let configs = world.shape.offsets_configs();
        create(world, &mut router, &name, world.shape.offsets_partitions, configs).await;
    }
}

/// Creates a topic, however often it takes.
pub async fn create(
    world: &World,
    router: &mut Router,
    name: &Str,
    partitions: i32,
    configs: Vec<(&'static str, String)>,
) {
    let config = |(name, value): (&'static str, String)| CreatableTopicConfig {
        name: Str::from_static(name),
        value: Some(Str::from(value)),
    };
    let topic = CreatableTopic {
        name: name.clone(),
        num_partitions: partitions,
        replication_factor: world.shape.cluster.replication_factor,
        configs: configs.into_iter().map(config).collect(),
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, validate_only: false };
    loop {
        let socket = router.any().await;
        let answer: Result<CreateTopicsResponse, Lost> = socket.ask(ApiKey::CreateTopics, 7, &request).await;
        let topic = answer.ok().and_then(|answer| answer.topics.into_iter().next());
        let error = topic.as_ref().map_or(ErrorCode::RequestTimedOut, |topic| code(topic.error_code));
        match error {
            ErrorCode::None | ErrorCode::TopicAlreadyExists => {
                let told = topic.filter(|_| error == ErrorCode::None).map(|topic| topic.topic_id);
                let id = told.or_else(|| id_of(world, name));
                if let Some(id) = id {
                    world.model.borrow_mut().topics.insert(name.clone(), TopicFate::Created(id));
                    world.tell(&format!("topic {name} is created"));
                    return;
                }
            }
            passing if is_passing(passing) => {}
            other => {
                let what = format!("CreateTopics {name}: {other:?}");
                return world.check(invariants::no_unexplained_error("admin", &what));
            }
        }
        world.sleep(30).await;
    }
}

/// As some node's image has it.
fn id_of(world: &World, name: &Str) -> Option<wire::Uuid> {
    let mut nodes = world.machines.iter().filter_map(|machine| machine.borrow().node());
    nodes.find_map(|node| node.image().topics.by_name(name).map(|topic| topic.id))
}
