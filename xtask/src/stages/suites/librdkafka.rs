//! librdkafka's own regression suite, compiled from the source inside an npm package.
//!
//! Owns the build and which of the suite's tests talk to a broker (by the table in its `test.c`); tests with mock brokers
//! are left out, for they say nothing about ours.

use super::case::{BROKER, Case, Outcome};
use crate::oracle::Oracle;
use crate::process::Finished;
use crate::provision;
use crate::stages::workbench::Workbench;
use anyhow::{Context, Result};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Tests that the suite leaves out of its quick mode, although they take seconds.
const NOT_QUICK: &[&str] = &["0082"];

/// 0081 is one test for all of the admin client, and stops at the first thing that a broker does not do. Each of its
/// functions is a test here.
const ADMIN: &str = "0081_admin";
const ADMIN_PARTS: &[&str] = &[
    "AlterConfigs",
    "AlterConsumerGroupOffsets",
    "CreateAcls",
    "CreatePartitions",
    "CreateTopics",
    "DeleteAcls",
    "DeleteConsumerGroupOffsets",
    "DeleteGroups",
    "DeleteRecords",
    "DeleteTopics",
    "DescribeAcls",
    "DescribeCluster",
    "DescribeConfigs",
    "DescribeConfigs_groups",
    "DescribeConsumerGroups",
    "DescribeConsumerGroups_with_authorized_ops",
    "DescribeTopics",
    "IncrementalAlterConfigs",
    "ListConsumerGroupOffsets",
    "ListConsumerGroups",
    "ListOffsets",
    "UserScramCredentials",
    "unclean_destroy",
];

/// Every module whose flags say that it wants no broker, or that it is known not to work.
const LEFT_OUT: &[&str] = &["TEST_F_LOCAL", "TEST_F_MANUAL", "TEST_F_KNOWN_ISSUE"];

/// Builds the suite; one case per number in its table.
pub fn install(bench: &Workbench) -> Result<Vec<Case>> {
    let home = build(bench)?;
    let tests = home.join("tests");
    let tools = tools(bench, &home)?;
    let text = std::fs::read_to_string(tests.join("test.c")).context("librdkafka's test.c")?;
    let mut names: Vec<String> = table(&text).into_iter().filter(|name| name != ADMIN).collect();
    names.extend(ADMIN_PARTS.iter().map(|part| format!("{ADMIN}/{part}")));
    Ok(names.iter().map(|name| case(name, &home, &tests, &tools)).collect())
}

/// A case writes its own configuration file: where the broker is, and names that no other test has.
fn case(name: &str, home: &Path, tests: &Path, tools: &Path) -> Case {
    let number = &name[..4];
    let quick = if NOT_QUICK.contains(&number) { "" } else { "-Q" };
    let part = name.split_once('/').map(|(_, part)| format!("do_test_{part}:"));
    let file = |kind: &str| format!("ottla-{}.{kind}", name.replace('/', "-"));
    let script = format!(
        "rm -f {report}; printf 'bootstrap.servers=%s\\ntest.topic.prefix=rdk{number}\\n' \"$BROKERS\" >{conf} && \
         ./test-runner {quick} -p1 -L; code=$?; echo; cat {report}; exit $code",
        report = file("json"),
        conf = file("conf"),
    );
    let library = format!("{0}/src:{0}/src-cpp", home.display());
    let (conf, report, tools) = (file("conf"), file("json"), tools.display().to_string());
    let mut environment = vec![
        ("TESTS", number),
        ("BROKERS", BROKER),
        ("KAFKA_PATH", &tools),
        ("RDKAFKA_TEST_CONF", &conf),
        ("TEST_REPORT", &report),
        ("TEST_KAFKA_VERSION", "4.3.0"),
        ("LD_LIBRARY_PATH", &library),
    ];
    environment.extend(part.as_deref().map(|part| ("SUBTESTS", part)));
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    Case {
        name: name.to_owned(),
        program: "sh".into(),
        arguments: vec!["-c".into(), script],
        environment: environment.iter().map(owned).collect(),
        directory: tests.to_owned(),
        verdict: if part.is_some() { verdict_of_part } else { verdict },
    }
}

/// A part whose function left itself out says nothing.
fn verdict_of_part(finished: &Finished) -> Outcome {
    match verdict(finished) {
        Outcome::Passed if !finished.output.contains(": PASS (") => Outcome::Skipped,
        other => other,
    }
}

/// The report is the last line: every test of this number passed, or what did not.
fn verdict(finished: &Finished) -> Outcome {
    let report = finished.output.lines().next_back().unwrap_or_default();
    let Ok(report) = serde_json::from_str::<Value>(report) else {
        return Outcome::Failed(format!("{}: {}", finished.how, last_words(finished)));
    };
    let tests = report["tests"].as_object().into_iter().flatten();
    let states: Vec<&str> = tests
        .filter(|(name, _)| name.as_str() != "<MAIN>")
        .filter_map(|(_, test)| test["state"].as_str())
        .filter(|state| *state != "SKIPPED" && *state != "DNS")
        .collect();
    match states.iter().find(|state| **state != "PASSED") {
        Some(state) => Outcome::Failed(format!("{state}: {}", last_words(finished))),
        None if states.is_empty() => Outcome::Skipped,
        None if finished.success => Outcome::Passed,
        None => Outcome::Failed(finished.how.clone()),
    }
}

/// The line that says which assertion failed, or the first that tells of a failure.
fn last_words(finished: &Finished) -> String {
    let find = |word: &str| finished.output.lines().find(|line| line.contains(word));
    let words = find("Test assertion failed").or_else(|| find("FAIL")).or_else(|| find("rror"));
    words.unwrap_or("no word about it").chars().filter(|char| !char.is_control()).take(300).collect()
}

/// The first name under each number of the table in `test.c` that talks to a broker.
fn table(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let start = text.find("struct test tests[]").unwrap_or(text.len());
    let end = text[start..].find("{NULL}").map_or(text.len(), |length| start + length);
    for entry in text[start..end].split("_TEST(").skip(1) {
        let entry = entry.split_once("),\n").map_or(entry, |(entry, _)| entry);
        let name = entry.split([',', ')']).next().unwrap_or_default().trim();
        let numbered = name.len() > 5 && name.bytes().take(4).all(|byte| byte.is_ascii_digit());
        let mocked = name.ends_with("_mock") || name.ends_with("_local");
        let wanted = numbered && name < "8" && !mocked && !LEFT_OUT.iter().any(|flag| entry.contains(flag));
        if wanted && !names.iter().any(|known| known[..4] == name[..4]) {
            names.push(name.to_owned());
        }
    }
    names
}

/// Without optimisation: it compiles in half the time.
fn build(bench: &Workbench) -> Result<PathBuf> {
    let home = bench.workspace.scratch("test-tools/suites")?.join("librdkafka");
    provision::librdkafka(
        &bench.workspace,
        &home,
        "--disable-optimization --disable-curl --disable-gssapi",
        "make -C tests -j2 build",
    )?;
    Ok(home)
}

/// Six tests call Kafka's own tools: `$KAFKA_PATH/bin/kafka-topics.sh` and `kafka-acls.sh`.
fn tools(bench: &Workbench, home: &Path) -> Result<PathBuf> {
    let jars = Oracle::install(&bench.workspace)?.tool_jars;
    let folder = home.join("kafka");
    std::fs::create_dir_all(folder.join("bin"))?;
    for (name, class) in [("topics", "TopicCommand"), ("acls", "AclCommand")] {
        let path = folder.join(format!("bin/kafka-{name}.sh"));
        let options = "-Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1";
        let class = format!("org.apache.kafka.tools.{class}");
        let text = format!("#!/bin/sh\nexec java {options} -cp '{}/*' {class} \"$@\"\n", jars.display());
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_each_number_that_wants_a_broker_once() {
        let text = "_TEST(0009_before, 0),\nstruct test tests[] = {\n_TEST(0000_unit,\n  TEST_F_LOCAL,\n  _THRES(.ucpu = 1)),\n\
                    _TEST(0001_one, 0),\n_TEST(0001_two, 0),\n_TEST(0003_mock, 0),\n_TEST(0002_mock, TEST_F_LOCAL),\n_TEST(0002_real, 0, TEST_BRKVER(0, 9, 0, 0)),\n\
                    _TEST(8000_idle, TEST_F_MANUAL),\n{NULL}};";
        assert_eq!(table(text), ["0001_one", "0002_real"]);
    }
}
