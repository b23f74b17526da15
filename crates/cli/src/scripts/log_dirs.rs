//! `kafka-log-dirs`: what lies in the log directories of brokers, as JSON.

use super::joptsimple::{Opt, Read, Takes, opt};
use super::script::{Script, Style};
use super::terms::{self, End, Fault, ask, required, wrong};
use super::words::{list, print_line};
use client::ErrorCode;
use client::admin::LogDir;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The script.
pub const SCRIPT: Script = Script {
    name: "kafka-log-dirs",
    style: Style::Options {
        options: OPTIONS,
        about: "This tool helps to query log directory usage on the specified brokers.",
        run,
    },
};

const OPTIONS: &[Opt] = &[
    terms::BOOTSTRAP,
    terms::COMMAND_CONFIG,
    terms::HELP,
    terms::VERSION,
    opt("describe", Takes::Nothing, "describe the directories"),
    opt("topic-list", Takes::Text, "only these topics"),
    opt("broker-list", Takes::Text, "only these brokers"),
];

fn run(read: &Read) -> Result<(), End> {
    required(read, &["bootstrap-server", "describe"])?;
    let words = |name: &str| {
        let text = read.value(name).map_err(wrong)?.unwrap_or_default();
        Ok::<_, End>(
            text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect::<BTreeSet<_>>(),
        )
    };
    let topics = words("topic-list")?;
    let id = |word: &String| {
        let class = "java.lang.NumberFormatException".to_owned();
        word.parse::<i32>().map_err(|_| Fault { class, message: format!("For input string: \"{word}\"") })
    };
    let asked = words("broker-list")?.iter().map(id).collect::<Result<BTreeSet<i32>, Fault>>()?;
    ask(read, async |admin| {
        let nodes = admin.describe_cluster(false).await?.nodes;
        let there: BTreeSet<i32> = nodes.iter().map(|node| node.id).collect();
        let strange: Vec<i32> = asked.difference(&there).copied().collect();
        if !strange.is_empty() {
            let there: Vec<i32> = there.into_iter().collect();
            crate::failure::say(format_args!(
                "ERROR: The given brokers do not exist from --broker-list: {}. Current existent brokers: {}",
                list(&strange),
                list(&there)
            ));
            return Err(End::Exit(1));
        }
        let chosen: Vec<i32> = if asked.is_empty() { there } else { asked.clone() }.into_iter().collect();
        print_line("Querying brokers for log directories information")?;
        let mut brokers = Vec::new();
        for &broker in &chosen {
            let dirs = admin.describe_log_dirs_of(broker).await?;
            let dirs: Vec<String> = dirs.iter().map(|dir| directory(dir, &topics)).collect();
            brokers.push(format!(r#"{{"broker":{broker},"logDirs":[{}]}}"#, dirs.join(",")));
        }
        print_line(&format!("Received log directory information from brokers {}", list(&chosen)))?;
        Ok(print_line(&format!(r#"{{"brokers":[{}],"version":1}}"#, brokers.join(",")))?)
    })
}

/// One directory; its keys have an order.
fn directory(dir: &LogDir, topics: &BTreeSet<String>) -> String {
    let shown = dir.replicas.iter().filter(|one| topics.is_empty() || topics.contains(&*one.partition.topic));
    let partitions = shown.map(|one| {
        format!(
            r#"{{"partition":{},"size":{},"offsetLag":{},"isFuture":{}}}"#,
            json!(format!("{}-{}", one.partition.topic, one.partition.partition)),
            one.size_bytes,
            one.offset_lag,
            one.is_future
        )
    });
    let partitions = partitions.collect::<Vec<_>>().join(",");
    let error = match dir.error {
        None => Value::Null,
        Some(ErrorCode::KafkaStorageError) => json!("org.apache.kafka.common.errors.KafkaStorageException"),
        Some(other) => json!(other.name()),
    };
    format!(r#"{{"partitions":[{partitions}],"error":{error},"logDir":{}}}"#, json!(dir.path.as_str()))
}
