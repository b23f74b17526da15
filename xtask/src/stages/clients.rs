//! Unmodified clients of other people against one broker: kcat, confluent-kafka, kafka-python, aiokafka, kafkajs, Java.
//!
//! Owns how each is installed and called; what each checks stands in `tests/clients/<client>`. All run at the same time,
//! as they would on a real broker; each keeps to topics and groups of its own names.

use super::workbench::Workbench;
use crate::broker::Broker;
use crate::oracle::Oracle;
use crate::process::Finished;
use crate::provision;
use crate::tally::Tally;
use crate::words::say;
use anyhow::Result;
use std::process::Command;

/// One client: its name and how its script is called; the broker's address is appended.
struct Client {
    name: &'static str,
    command: fn(&Workbench) -> Result<Command>,
}

const CLIENTS: &[Client] = &[
    Client { name: "java", command: java },
    Client { name: "confluent-kafka", command: |bench| python(bench, "confluent.py") },
    Client { name: "kcat", command: kcat },
    Client { name: "kafkajs", command: kafkajs },
    Client { name: "kafka-python", command: |bench| python(bench, "kafka_python.py") },
    Client { name: "aiokafka", command: |bench| python(bench, "asyncio_client.py") },
];

/// Share groups whose locks end soon enough to be waited for.
const SETTINGS: &[(&str, &str)] = &[("group.share.min.record.lock.duration.ms", "1000")];

/// Minutes that one client may take.
const LIMIT: u64 = 6;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut ready = Vec::new();
    for client in CLIENTS {
        match (client.command)(bench) {
            Ok(command) => ready.push((client.name, command)),
            Err(error) => tally.skip(format!("{}: could not be installed: {error:#}", client.name)),
        }
    }
    let mut broker = Broker::start(&bench.workspace, bench.kind, "clients", SETTINGS)?;
    let address = broker.address();
    let ended: Vec<(&str, Result<Finished>)> = std::thread::scope(|scope| {
        let started: Vec<_> = ready
            .into_iter()
            .map(|(name, mut command)| {
                command.arg(&address);
                (name, scope.spawn(move || bench.run(&format!("clients-{name}"), &mut command, LIMIT)))
            })
            .collect();
        let join = |(name, thread): (_, std::thread::ScopedJoinHandle<'_, _>)| {
            (name, thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread that waited panicked"))))
        };
        started.into_iter().map(join).collect()
    });
    for (name, finished) in ended {
        let first = read(name, &finished?);
        if first.failed.is_empty() {
            tally.absorb(name, first);
            continue;
        }
        // Six clients and a broker share two cores, and their own patience is short. What fails beside the others has to pass
        // alone; what fails twice is ours.
        for line in &first.failed {
            say(format_args!("   {name} failed beside the others and is run again alone: {line}"));
        }
        tally.absorb(name, alone(bench, name, &address)?);
    }
    tally.check("the broker is still there", broker.alive());
    Ok(tally)
}

/// One client with nobody beside it.
fn alone(bench: &Workbench, name: &str, address: &str) -> Result<Tally> {
    let mut again = Tally::default();
    for client in CLIENTS.iter().filter(|client| client.name == name) {
        let mut command = (client.command)(bench)?;
        command.arg(address);
        again = read(name, &bench.run(&format!("clients-{name}-alone"), &mut command, LIMIT)?);
    }
    Ok(again)
}

/// The script's lines; one that did not come to its end has failed, whatever it printed before.
pub fn read(name: &str, finished: &Finished) -> Tally {
    let mut tally = Tally::from_lines(&finished.output);
    if !finished.output.lines().any(|line| line == format!("done - {name}")) {
        tally.fail(format!("did not come to its end: {}: {}", finished.how, finished.tail(5)));
    }
    tally
}

/// The environment of the Python clients.
pub fn python_environment(bench: &Workbench) -> Result<std::path::PathBuf> {
    let requirements = bench.workspace.root.join("tests/clients/python/requirements.txt");
    provision::python(&bench.workspace, "clients", &requirements)
}

fn python(bench: &Workbench, script: &str) -> Result<Command> {
    let mut command = Command::new(python_environment(bench)?);
    command.arg("-u").arg(bench.workspace.root.join("tests/clients/python").join(script));
    Ok(command)
}

fn kcat(bench: &Workbench) -> Result<Command> {
    provision::debian(&bench.workspace, "kcat", "kcat")?;
    Ok(Command::new(bench.workspace.root.join("tests/clients/kcat/run.sh")))
}

fn kafkajs(bench: &Workbench) -> Result<Command> {
    let directory = bench.workspace.root.join("tests/clients/kafkajs");
    let modules = provision::node(&bench.workspace, "kafkajs", &directory.join("package.json"))?;
    let mut command = Command::new("node");
    command.arg(directory.join("run.js")).env("NODE_PATH", modules.join("node_modules"));
    Ok(command)
}

fn java(bench: &Workbench) -> Result<Command> {
    let oracle = Oracle::install(&bench.workspace)?;
    let sources = bench.workspace.root.join("tests/clients/java");
    let classes = provision::javac(&bench.workspace, &sources, &oracle.broker_jars)?;
    let mut command = oracle.java("512m", &[&classes]);
    command.arg("JavaClientChecks");
    Ok(command)
}
