//! Kafka Streams counts words with `exactly_once_v2` while it is killed with -9 and started again, and so is the broker: every count of every
//! word is written once, in order.

use crate::broker::Broker;
use crate::oracle::Oracle;
use crate::process::{pause, signal_group, spawn};
use crate::provision;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::words::say;
use anyhow::{Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Who is killed after how long a while; then both work to the end.
#[derive(Clone, Copy)]
enum Blow {
    Application,
    Broker,
}

const SHORT: &[Blow] = &[Blow::Application, Blow::Broker];
const LONG: &[Blow] = &[
    Blow::Application,
    Blow::Broker,
    Blow::Broker,
    Blow::Application,
    Blow::Broker,
    Blow::Application,
    Blow::Application,
    Blow::Broker,
];

/// Between two blows.
const WHILE: Duration = Duration::from_secs(6);

/// Lines that are counted for each blow.
const LINES: usize = 2_000;

/// What is left to do after the last blow may take this long.
const TO_THE_END: &str = "120";

/// The run.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let started = Instant::now();
    let blows = if bench.full { LONG } else { SHORT };
    let lines = (blows.len() * LINES).to_string();
    let millis = (WHILE.as_millis() as usize * (blows.len() + 1)).to_string();
    let mut broker = Broker::start(&bench.workspace, bench.kind, "streams", &[])?;
    let state = bench.workspace.scratch("brokers")?.join("streams-state");
    let _ = std::fs::remove_dir_all(&state);
    let java = Java::ready(bench)?;
    let mut feeder = java.start(bench, "streams-feed", &[&broker.address(), "feed", &lines, &millis])?;
    java.waits_for(bench, "streams-feed", "topics are there")?;
    let counting = |bench: &Workbench, broker: &Broker, life: usize| {
        let folder = state.display().to_string();
        java.start(bench, &format!("streams-run-{life}"), &[&broker.address(), "run", &folder])
    };
    let mut application = counting(bench, &broker, 0)?;
    for (life, blow) in blows.iter().enumerate() {
        pause(WHILE);
        match blow {
            Blow::Application => {
                end(&mut application);
                application = counting(bench, &broker, life + 1)?;
            }
            Blow::Broker => {
                broker.kill()?;
                broker.restart(&bench.workspace)?;
            }
        }
    }
    let fed = feeder.wait()?;
    tally.check(&format!("the lines are written: {fed}"), fed.success());
    let mut command = java.command(&[&broker.address(), "check", &lines, TO_THE_END]);
    let said = bench.lines("streams-check", &mut command, 4, &broker);
    end(&mut application);
    let said = said?;
    let counts = lines.parse::<usize>()? * 3;
    let wanted = format!("counts {counts} of {counts}, wrong 0, at the end true");
    tally.check(&format!("every count once: {said:?}"), said.last() == Some(&wanted));
    say(format_args!(
        "   streams: {} kills, {} in {:.0} s",
        blows.len(),
        wanted,
        started.elapsed().as_secs_f64()
    ));
    Ok(tally)
}

fn end(child: &mut Child) {
    signal_group(child.id(), "KILL");
    let _ = child.wait();
}

/// The program and the jars of Kafka Streams.
struct Java {
    oracle: Oracle,
    jars: PathBuf,
    classes: PathBuf,
}

impl Java {
    fn ready(bench: &Workbench) -> Result<Java> {
        let oracle = Oracle::install(&bench.workspace)?;
        let jars = oracle.streams_jars(&bench.workspace)?;
        let classes = provision::javac(&bench.workspace, &bench.workspace.root.join("tests/streams"), &jars)?;
        Ok(Java { oracle, jars, classes })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.oracle.java_on(&self.jars, "256m", &[&self.classes]);
        command.arg("WordCount").args(arguments);
        command
    }

    fn start(&self, bench: &Workbench, name: &str, arguments: &[&str]) -> Result<Child> {
        spawn(&mut self.command(arguments), &log(bench, name))
    }

    /// Until its log has this line.
    fn waits_for(&self, bench: &Workbench, name: &str, line: &str) -> Result<()> {
        let began = Instant::now();
        while !std::fs::read_to_string(log(bench, name)).unwrap_or_default().contains(line) {
            ensure!(began.elapsed() < Duration::from_secs(60), "{name} does not say `{line}`");
            pause(Duration::from_millis(100));
        }
        Ok(())
    }
}

fn log(bench: &Workbench, name: &str) -> PathBuf {
    Path::new(&bench.logs).join(format!("{name}.log"))
}
