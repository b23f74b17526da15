//! An administrator who meddles while faults strike: makes and deletes topics, has leaders elected. Asks whichever broker answers; what is
//! refused is left alone. Owns no promise but that of the topics it has made.

use wire::messages::delete_topics::{DeleteTopicState, DeleteTopicsRequest, DeleteTopicsResponse};
use wire::messages::elect_leaders::{ElectLeadersRequest, ElectLeadersResponse};
use wire::{ApiKey, ErrorCode, Str};

use super::admin::create;
use super::router::{Router, is_passing};
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
    let mut serial = 0;
    while !world.has_healed() {
        let pause_ms = world.draw(|random| random.between(50, 1_500));
        world.sleep(pause_ms).await;
        if world.draw(|random| random.per_mille(400)) {
            elect(&world, &mut router).await;
            continue;
        }
        serial += 1;
        let name = Str::from(format!("churn{serial}"));
        create(&world, &mut router, &name, 2, world.shape.topic_configs()).await;
        if world.draw(|random| random.per_mille(700)) {
            delete(&world, &mut router, &name).await;
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
