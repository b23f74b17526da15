//! A plan of replicas in kafka-reassign-partitions' own JSON, read and written: `{"version":1,"partitions":[{"topic":"t","partition":0,
//! "replicas":[1,2]}]}`.

use crate::connect::unreadable;
use crate::failure::Failure;
use client::admin::TopicDescription;
use client::{Partition, Str, TopicPartition};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Where each partition's replicas shall be, the preferred leader first.
pub type Plan = BTreeMap<TopicPartition, Vec<i32>>;

/// Where all partitions of these topics are now.
pub fn current<'a>(topics: impl IntoIterator<Item = &'a TopicDescription>) -> Plan {
    let of = |topic: &'a TopicDescription| {
        let target = |one: &Partition| TopicPartition::new(topic.name.clone(), one.index);
        topic.partitions.iter().map(move |one| (target(one), one.replicas.clone()))
    };
    topics.into_iter().flat_map(of).collect()
}

/// As the file has it.
pub fn to_json(plan: &Plan) -> Value {
    let partitions: Vec<Value> = plan
        .iter()
        .map(|(target, replicas)| {
            json!({"topic": target.topic.as_str(), "partition": target.partition, "replicas": replicas})
        })
        .collect();
    json!({"version": 1, "partitions": partitions})
}

/// Reads a file.
pub fn read(file: &Path) -> Result<Plan, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| unreadable(file, &error))?;
    from_text(&text).map_err(|why| {
        Failure::usage(format!("{} is no plan", file.display()), why)
            .try_this("ottla partition reassign plan --topic TOPIC --brokers 1,2,3 > plan.json")
    })
}

fn from_text(text: &str) -> Result<Plan, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match value.get("version") {
        None | Some(Value::Number(_)) if value["version"].as_i64().unwrap_or(1) == 1 => {}
        _ => return Err("its version is not 1".to_owned()),
    }
    let partitions = value["partitions"].as_array().ok_or("it has no list called partitions")?;
    let mut plan = Plan::new();
    for one in partitions {
        let entry = (|| {
            let topic = Str::from(one["topic"].as_str()?);
            let partition = i32::try_from(one["partition"].as_i64()?).ok()?;
            let replicas = one["replicas"].as_array()?.iter();
            let replicas = replicas.map(|id| i32::try_from(id.as_i64()?).ok()).collect::<Option<Vec<_>>>()?;
            Some((TopicPartition::new(topic, partition), replicas))
        })();
        let (target, replicas) =
            entry.ok_or_else(|| format!("{one} has no topic, partition and replicas"))?;
        let mut distinct = replicas.clone();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.is_empty() || distinct.len() < replicas.len() {
            return Err(format!("the replicas of {target} are not distinct brokers"));
        }
        if plan.insert(target.clone(), replicas).is_some() {
            return Err(format!("{target} is there twice"));
        }
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_own_files_are_read_and_ours_are_read_again() {
        let text = r#"{"version":1,"partitions":[{"topic":"foo","partition":0,"replicas":[3,4],"log_dirs":["any","any"]}]}"#;
        let plan = from_text(text).unwrap();
        assert_eq!(plan[&TopicPartition::new("foo", 0)], [3, 4]);
        assert_eq!(from_text(&to_json(&plan).to_string()).unwrap(), plan);
    }

    #[test]
    fn what_is_no_plan_is_refused_with_its_place() {
        let wrong = |text: &str| from_text(text).unwrap_err();
        assert!(wrong("{").contains("EOF"));
        assert!(wrong("{}").contains("partitions"));
        assert!(wrong(r#"{"version":2,"partitions":[]}"#).contains("version"));
        let one = |replicas: &str| format!(r#"{{"topic":"t","partition":0,"replicas":{replicas}}}"#);
        let plan = |entries: &str| format!(r#"{{"version":1,"partitions":[{entries}]}}"#);
        assert!(wrong(&plan(&one("[1,1]"))).contains("t-0"));
        assert!(wrong(&plan(&one("[]"))).contains("t-0"));
        assert!(wrong(&plan(&one("[5000000000]"))).contains("replicas"));
        assert!(wrong(&plan(&format!("{0},{0}", one("[1]")))).contains("twice"));
    }
}
