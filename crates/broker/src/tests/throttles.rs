//! KIP-73: replicas that are brought up keep to the rate on either side, in time that is told; those in sync are never held back.

use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use wire::messages::produce::ProduceResponse;
use wire::{ApiKey, ErrorCode, Str};

use super::cluster::{BOTH, Cluster};
use super::produce::request;
use super::replication::{create, isr_is, leader, put};

const BROKER: i8 = 4;
const TOPIC: i8 = 2;
const SET: i8 = 0;
const DELETE: i8 = 1;

/// Bytes of a record, and how many there are.
const VALUE: usize = 8_000;
const RECORDS: i64 = 500;
const RATE: i64 = 100_000;

fn alter(cluster: &mut Cluster, resource: (i8, &str), name: &str, value: Option<&str>) {
    let config = AlterableConfig {
        name: Str::from(name),
        config_operation: if value.is_some() { SET } else { DELETE },
        value: value.map(Str::from),
    };
    let (resource_type, resource_name) = (resource.0, Str::from(resource.1));
    let resource = AlterConfigsResource { resource_type, resource_name, configs: vec![config] };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let id = cluster.alive()[0];
    let answer: IncrementalAlterConfigsResponse =
        cluster.ask(id, ApiKey::IncrementalAlterConfigs, 1, &request);
    let said = &answer.responses[0];
    assert_eq!(ErrorCode::from_code(said.error_code), ErrorCode::None, "{:?}", said.error_message);
    cluster.advance(100);
}

fn end(cluster: &Cluster, id: i32) -> i64 {
    let topic = cluster.node(id).views().by_name("t");
    topic.and_then(|topic| topic.partition(0)?.view()).map_or(0, |view| view.log_end_offset)
}

/// A broker without what the others have.
fn one_behind() -> (Cluster, i32) {
    let settings = [("replica.fetch.max.bytes", "20000")];
    let mut cluster = Cluster::new(&[(1, BOTH), (2, BOTH), (3, BOTH)], &settings);
    cluster.ready();
    create(&mut cluster, "t", &[]);
    let leader = leader(&cluster, "t");
    let behind = leader % 3 + 1;
    cluster.kill(behind);
    let others: Vec<i32> = (1..=3).filter(|id| *id != behind).collect();
    isr_is(&mut cluster, "t", &others);
    let value = "x".repeat(VALUE);
    for _ in 0..RECORDS {
        let batch = super::batch(&[&value]);
        let answer: ProduceResponse = cluster.ask(leader, ApiKey::Produce, 9, &request("t", 0, -1, batch));
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
    (cluster, behind)
}

fn keeps_to_the_rate(side: &str) {
    let (mut cluster, behind) = one_behind();
    let rate = format!("{side}.replication.throttled.rate");
    let replicas = format!("{side}.replication.throttled.replicas");
    alter(&mut cluster, (BROKER, ""), &rate, Some(&RATE.to_string()));
    alter(&mut cluster, (TOPIC, "t"), &replicas, Some("*"));
    cluster.start(behind);
    cluster.until("it has begun", |cluster| end(cluster, behind) > 0);
    let before = end(&cluster, behind);
    cluster.advance(30_000);
    let taken = (end(&cluster, behind) - before) * VALUE as i64;
    let wanted = 30 * RATE;
    assert!((taken - wanted).abs() * 10 <= wanted, "{side}: {taken} bytes in 30 s, not {wanted}");
    // Cleared, the rest comes at once.
    alter(&mut cluster, (BROKER, ""), &rate, None);
    cluster.advance(3_000);
    assert_eq!(end(&cluster, behind), RECORDS, "{side}");
    isr_is(&mut cluster, "t", &[1, 2, 3]);
}

#[test]
fn a_leader_keeps_to_its_rate() {
    keeps_to_the_rate("leader");
}

#[test]
fn a_follower_keeps_to_its_rate() {
    keeps_to_the_rate("follower");
}

#[test]
fn only_listed_replicas_are_held_back_and_none_in_sync() {
    let (mut cluster, behind) = one_behind();
    let leader = leader(&cluster, "t");
    for side in ["leader", "follower"] {
        alter(&mut cluster, (BROKER, ""), &format!("{side}.replication.throttled.rate"), Some("0"));
    }
    // Others' replicas.
    let (a, b) = (format!("0:{behind},1:{leader}"), format!("0:{leader},1:{behind}"));
    alter(&mut cluster, (TOPIC, "t"), "leader.replication.throttled.replicas", Some(&a));
    alter(&mut cluster, (TOPIC, "t"), "follower.replication.throttled.replicas", Some(&b));
    cluster.start(behind);
    isr_is(&mut cluster, "t", &[1, 2, 3]);
    for side in ["leader", "follower"] {
        alter(&mut cluster, (TOPIC, "t"), &format!("{side}.replication.throttled.replicas"), Some("*"));
    }
    for _ in 0..5 {
        let (error, _) = put(&mut cluster, "t", &["in sync"]);
        assert_eq!(error, ErrorCode::None);
    }
    isr_is(&mut cluster, "t", &[1, 2, 3]);
}
