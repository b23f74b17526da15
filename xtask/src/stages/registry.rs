//! The schema registry under our own commands and clients of other people (confluent-kafka, two in JavaScript, Confluent's own in Java; franz-go's with `--full`), under generated
//! requests, and under kills. Owns how
//! they are installed; what is done and checked stands in `tests/registry/run.py`.

use super::clients::read;
use super::workbench::Workbench;
use crate::broker::binary;
use crate::oracle::Oracle;
use crate::provision;
use crate::tally::Tally;
use anyhow::{Result, bail};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Kinds of schemas that a client writes and reads.
const ALL: &[&str] = &["avro", "json", "protobuf"];
const NO_PROTOBUF: &[&str] = &["avro", "json"];

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let root = &bench.workspace.root;
    let tests = root.join("tests/registry");
    let scratch = bench.workspace.scratch("brokers")?.join("registry");
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir_all(&scratch)?;
    let python = provision::python(&bench.workspace, "registry", &tests.join("requirements.txt"))?;
    let mut clients = serde_json::Map::new();
    let confluent = [python.display().to_string(), tests.join("confluent.py").display().to_string()];
    clients.insert("confluent-kafka".to_owned(), json!({"command": confluent, "kinds": ALL}));
    let ours = [python.display().to_string(), tests.join("ottla.py").display().to_string()];
    clients.insert("ottla".to_owned(), json!({"command": ours, "kinds": ALL}));
    let mut missing = Tally::default();
    match node(bench, &tests) {
        Ok(all) => clients.extend(all),
        Err(error) => missing.skip(format!("JavaScript clients: could not be installed: {error:#}")),
    }
    match java(bench, &tests) {
        Ok(client) => drop(clients.insert("confluent-java".to_owned(), client)),
        Err(error) => missing.skip(format!("Confluent's Java client: could not be installed: {error:#}")),
    }
    // Its compilation takes longer than all the rest.
    if bench.full {
        match go(bench, &tests) {
            Ok(client) => drop(clients.insert("franz-go".to_owned(), client)),
            Err(error) => missing.skip(format!("franz-go: could not be built: {error:#}")),
        }
    }
    let mut run = Command::new(python);
    run.arg("-u").arg(tests.join("run.py"));
    run.env("OTTLA", binary(&bench.workspace)).env("SCRATCH", &scratch);
    run.env("CLIENTS", Value::Object(clients).to_string());
    if bench.full {
        run.env("FULL", "1");
    }
    let mut tally = read("registry", &bench.run("registry", &mut run, 5)?);
    tally.skipped.extend(missing.skipped);
    Ok(tally)
}

fn node(bench: &Workbench, tests: &Path) -> Result<Vec<(String, Value)>> {
    let modules = provision::node(&bench.workspace, "registry", &tests.join("node/package.json"))?;
    let client = |script: &str, kinds: &[&str]| {
        let command = ["node".to_owned(), tests.join("node").join(script).display().to_string()];
        json!({"command": command, "kinds": kinds, "environment": {"NODE_PATH": modules.join("node_modules")}})
    };
    Ok(vec![
        ("kafkajs-registry".to_owned(), client("kafkajs.js", NO_PROTOBUF)),
        ("confluentinc-js".to_owned(), client("confluentinc.js", NO_PROTOBUF)),
    ])
}

/// Kafka's own clients around Confluent's of registries; its serializers are in no repository that this may install from.
fn java(bench: &Workbench, tests: &Path) -> Result<Value> {
    let oracle = Oracle::install(&bench.workspace)?;
    let jars = Oracle::jars_of(&bench.workspace, "confluent")?;
    let mut command = oracle.tool_java("256m", &[&jars.join("*")]);
    command.arg(tests.join("ConfluentJava.java"));
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| word.to_string_lossy().into_owned()).collect();
    Ok(json!({"command": words, "kinds": ["avro"], "environment": {"SCHEMAS": tests}}))
}

fn go(bench: &Workbench, tests: &Path) -> Result<Value> {
    let _turn = provision::turn(&bench.workspace, "go-registry")?;
    let program = bench.workspace.scratch("test-tools")?.join("go-registry");
    if !provision::callable("go") {
        bail!("go is not here");
    }
    let mut build = Command::new("go");
    build.args(["build", "-o"]).arg(&program).arg(".").current_dir(tests.join("go"));
    let finished = bench.run("registry-go", &mut build, 8)?;
    if !finished.success {
        bail!("{}", finished.tail(5));
    }
    Ok(
        json!({"command": [program.display().to_string()], "kinds": NO_PROTOBUF, "environment": {"SCHEMAS": tests}}),
    )
}
