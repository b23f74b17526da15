//! Throttles of a reassignment (KIP-73): `reassign execute --throttle` sets them, `reassign verify` takes them away when nothing moves any
//! more. They are Kafka's own keys, as kafka-reassign-partitions sets and clears them, so either tool ends what the other began.

use super::plan_file::Plan;
use crate::failure::Failure;
use crate::refusal::{all_ok, finish};
use client::admin::{ConfigChange, ConfigResource, ResourceKind};
use client::{Admin, Str};
use std::collections::{BTreeMap, BTreeSet};

const RATES: [&str; 2] = ["leader.replication.throttled.rate", "follower.replication.throttled.rate"];
const LEADERS: &str = "leader.replication.throttled.replicas";
const FOLLOWERS: &str = "follower.replication.throttled.replicas";

type Changes = BTreeMap<ConfigResource, BTreeMap<Str, ConfigChange>>;

/// Has the brokers of a reassignment keep to `rate` bytes per second for the replicas that come.
pub(super) async fn set(admin: &Admin, rate: u64, before: &Plan, plan: &Plan) -> Result<(), Failure> {
    let (_done, failure) = all_ok(admin.alter_configs(&throttles(rate, before, plan), false).await?);
    finish(failure)
}

/// No broker that runs, and no topic of the plan, is throttled any more.
pub(super) async fn clear(admin: &Admin, plan: &Plan) -> Result<(), Failure> {
    let unset = |keys: [&'static str; 2]| keys.map(|key| (Str::from_static(key), ConfigChange::Unset));
    let mut changes = Changes::new();
    for node in admin.describe_cluster(false).await?.nodes {
        let broker = ConfigResource::new(ResourceKind::Broker, node.id.to_string());
        changes.insert(broker, unset(RATES).into());
    }
    let known = admin.list_topics().await?;
    let topics: BTreeSet<&Str> = plan.keys().map(|target| &target.topic).collect();
    for topic in topics.into_iter().filter(|topic| known.contains_key(*topic)) {
        changes.insert(ConfigResource::topic(topic.clone()), unset([LEADERS, FOLLOWERS]).into());
    }
    let (_done, failure) = all_ok(admin.alter_configs(&changes, false).await?);
    finish(failure)
}

/// Whoever has a replica now may lead and is held back as a leader; whoever gets one, as a follower.
fn throttles(rate: u64, before: &Plan, plan: &Plan) -> Changes {
    let mut replicas: BTreeMap<Str, [Vec<String>; 2]> = BTreeMap::new();
    let mut brokers = BTreeSet::new();
    for (target, now) in before {
        let Some(wanted) = plan.get(target) else { continue };
        let coming: Vec<i32> = wanted.iter().copied().filter(|id| !now.contains(id)).collect();
        if coming.is_empty() {
            continue;
        }
        let pair = |id: &i32| format!("{}:{id}", target.partition);
        let [leaders, followers] = replicas.entry(target.topic.clone()).or_default();
        leaders.extend(now.iter().map(pair));
        followers.extend(coming.iter().map(pair));
        brokers.extend(now.iter().copied().chain(coming));
    }
    let set = |value: String| ConfigChange::Set(Str::from(value));
    let of_topic = |(topic, [leaders, followers]): (Str, [Vec<String>; 2])| {
        let leaders = (Str::from_static(LEADERS), set(leaders.join(",")));
        let followers = (Str::from_static(FOLLOWERS), set(followers.join(",")));
        (ConfigResource::topic(topic), BTreeMap::from([leaders, followers]))
    };
    let of_broker = |id: i32| {
        let rates = RATES.map(|key| (Str::from_static(key), set(rate.to_string())));
        (ConfigResource::new(ResourceKind::Broker, id.to_string()), rates.into())
    };
    replicas.into_iter().map(of_topic).chain(brokers.into_iter().map(of_broker)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use client::TopicPartition;

    #[test]
    fn those_that_have_a_replica_lead_and_those_that_get_one_follow() {
        let at = |partition, replicas: &[i32]| (TopicPartition::new("t", partition), replicas.to_vec());
        let before = Plan::from([at(0, &[1, 2]), at(1, &[2, 3]), at(2, &[1, 4])]);
        let plan = Plan::from([at(0, &[2, 3]), at(1, &[3, 2]), at(2, &[4, 5])]);
        let changes = throttles(1_000, &before, &plan);
        let value = |resource: ConfigResource, key: &str| match changes.get(&resource)?.get(key)? {
            ConfigChange::Set(value) => Some(value.to_string()),
            _ => None,
        };
        let topic = || ConfigResource::topic("t");
        assert_eq!(value(topic(), LEADERS).as_deref(), Some("0:1,0:2,2:1,2:4"), "1 only changes places");
        assert_eq!(value(topic(), FOLLOWERS).as_deref(), Some("0:3,2:5"));
        for id in 1..=5 {
            let broker = ConfigResource::new(ResourceKind::Broker, id.to_string());
            assert_eq!(value(broker, RATES[0]).as_deref(), Some("1000"), "broker {id}");
        }
        assert!(throttles(1_000, &before, &before).is_empty());
    }
}
