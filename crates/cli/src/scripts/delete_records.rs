//! `kafka-delete-records`: deletes records before the offsets that a JSON file names.

use super::joptsimple::{Opt, Read, Takes, opt};
use super::script::{Script, Style};
use super::terms::{self, End, Fault, ask, required, wrong};
use super::words::print_line;
use client::TopicPartition;
use serde_json::Value;
use std::collections::BTreeMap;

/// The script.
pub const SCRIPT: Script = Script {
    name: "kafka-delete-records",
    style: Style::Options {
        options: OPTIONS,
        about: "This tool helps to delete records of the given partitions down to the specified offset.",
        run,
    },
};

const OPTIONS: &[Opt] = &[
    terms::BOOTSTRAP,
    terms::COMMAND_CONFIG,
    terms::HELP,
    terms::VERSION,
    opt(
        "offset-json-file",
        Takes::Text,
        r#"{"partitions":[{"topic":"foo","partition":1,"offset":1}],"version":1}"#,
    ),
];

fn run(read: &Read) -> Result<(), End> {
    required(read, &["bootstrap-server", "offset-json-file"])?;
    let file = read.value("offset-json-file").map_err(wrong)?.unwrap_or_default();
    let before = offsets(&read_file(file)?)?;
    ask(read, async |admin| {
        print_line("Executing records delete operation")?;
        let each = admin.delete_records(&before).await?;
        print_line("Records delete operation completed:")?;
        for (target, deleted) in each {
            let name = format!("{}-{}", target.topic, target.partition);
            match deleted {
                Ok(low) => print_line(&format!("partition: {name}\tlow_watermark: {low}"))?,
                Err(error) => {
                    print_line(&format!("partition: {name}\terror: {}", Fault::from(error).shown()))?;
                }
            }
        }
        Ok(())
    })
}

fn read_file(file: &str) -> Result<String, Fault> {
    std::fs::read_to_string(file).map_err(|_| Fault {
        class: "java.io.IOException".to_owned(),
        message: format!("Unable to read file {file}"),
    })
}

fn offsets(text: &str) -> Result<BTreeMap<TopicPartition, i64>, Fault> {
    let operation = |message: &str| Fault {
        class: "org.apache.kafka.server.common.AdminOperationException".to_owned(),
        message: message.to_owned(),
    };
    let json: Value =
        serde_json::from_str(text).map_err(|_| operation("The input string is not a valid JSON"))?;
    match json.get("version").map_or(Some(1), Value::as_i64) {
        Some(1) => {}
        other => {
            let version = other.unwrap_or(-1);
            return Err(operation(&format!("Not supported version field value {version}")));
        }
    }
    let partitions = json.get("partitions").ok_or_else(|| operation("Missing partitions field"))?;
    let mut before = BTreeMap::new();
    let mut twice = Vec::new();
    for one in partitions.as_array().into_iter().flatten() {
        let topic = one.get("topic").and_then(Value::as_str);
        let partition = one.get("partition").and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok());
        let offset = one.get("offset").and_then(Value::as_i64);
        let (Some(topic), Some(partition), Some(offset)) = (topic, partition, offset) else {
            return Err(operation("Each of the partitions needs a topic, a partition and an offset"));
        };
        if before.insert(TopicPartition::new(topic, partition), offset).is_some() {
            twice.push(format!("{topic}-{partition}"));
        }
    }
    if !twice.is_empty() {
        let list = twice.join(",");
        return Err(operation(&format!("Offset json file contains duplicate topic partitions: {list}")));
    }
    Ok(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_or_refused() {
        let good = r#"{"partitions":[{"topic":"a","partition":1,"offset":5}],"version":1}"#;
        assert_eq!(offsets(good).unwrap(), BTreeMap::from([(TopicPartition::new("a", 1), 5)]));
        for (wrong, told) in [
            ("no", "The input string is not a valid JSON"),
            ("{}", "Missing partitions field"),
            (r#"{"version":2}"#, "Not supported version field value 2"),
            (
                r#"{"partitions":[{"topic":"a","partition":1,"offset":5},{"topic":"a","partition":1,"offset":6}]}"#,
                "Offset json file contains duplicate topic partitions: a-1",
            ),
        ] {
            assert_eq!(offsets(wrong).unwrap_err().message, told, "{wrong}");
        }
    }
}
