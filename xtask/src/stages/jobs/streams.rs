//! Kafka Streams counts words with `exactly_once_v2` while it is killed with -9 and started again, and so is the broker: every count of every
//! word is written once, in order. Once by the classic protocol, once as a streams group (KIP-1071).

use super::program::Program;
use crate::broker::Broker;
use crate::oracle::Oracle;
use crate::process::pause;
use crate::provision;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

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

/// Members of a streams group that are killed are missed sooner than Kafka allows by default.
const SOON: &[(&str, &str)] = &[
    ("group.streams.min.session.timeout.ms", "6000"),
    ("group.streams.session.timeout.ms", "6000"),
    ("group.streams.min.heartbeat.interval.ms", "500"),
    ("group.streams.heartbeat.interval.ms", "500"),
];

/// The run by the classic protocol.
pub fn run(bench: &Workbench) -> Result<Tally> {
    counted(bench, "classic", "streams", &[])
}

/// The run as a streams group, which administrators of Kafka's see.
pub fn run_as_group(bench: &Workbench) -> Result<Tally> {
    counted(bench, "streams", "streams-group", SOON)
}

fn counted(bench: &Workbench, protocol: &str, job: &str, overrides: &[(&str, &str)]) -> Result<Tally> {
    let mut tally = Tally::default();
    let blows = if bench.full { LONG } else { SHORT };
    let words = Words::ready(bench, blows.len() * LINES)?;
    let mut broker = Broker::start(&bench.workspace, bench.kind, job, overrides)?;
    let state = bench.workspace.scratch("brokers")?.join(format!("{job}-state"));
    let _ = std::fs::remove_dir_all(&state);
    let mut feeder = words.fed(bench, &broker, job, WHILE * (blows.len() as u32 + 1))?;
    let counting = |broker: &Broker, life: usize| {
        let folder = state.display().to_string();
        let mut command = words.command(&[&broker.address(), "run", &folder, protocol]);
        Program::start(bench, &format!("{job}-run-{life}"), &mut command)
    };
    let mut application = counting(&broker, 0)?;
    for (life, blow) in blows.iter().enumerate() {
        pause(WHILE);
        match blow {
            Blow::Application => {
                application.kill();
                application = counting(&broker, life + 1)?;
            }
            Blow::Broker => {
                broker.kill()?;
                broker.restart(&bench.workspace)?;
            }
        }
    }
    feeder.ends()?;
    words.counted(bench, &broker, job, &mut tally)?;
    if protocol == "streams" {
        described(bench, &words, &broker, &mut tally)?;
    }
    Ok(tally)
}

/// What Kafka's administrators see of the group: both threads, and each of the six tasks once.
fn described(bench: &Workbench, words: &Words, broker: &Broker, tally: &mut Tally) -> Result<()> {
    let mut command = words.command(&[&broker.address(), "describe"]);
    let said = bench.lines("jobs-streams-group-describe", &mut command, 2, broker)?;
    let wanted = "STREAMS Stable, members 2, subtopologies 0 1, tasks 0_0 0_1 0_2 1_0 1_1 1_2";
    tally
        .check(&format!("the group is described: {said:?}"), said.last().map(String::as_str) == Some(wanted));
    Ok(())
}

/// The program that writes lines of words, counts them by Kafka Streams, and judges what whoever counted them has written.
pub struct Words {
    oracle: Oracle,
    jars: PathBuf,
    classes: PathBuf,
    lines: usize,
}

impl Words {
    /// For so many lines.
    pub fn ready(bench: &Workbench, lines: usize) -> Result<Self> {
        let oracle = Oracle::install(&bench.workspace)?;
        let jars = Oracle::jars_of(&bench.workspace, "streams")?;
        let sources = bench.workspace.root.join("tests/jobs/streams");
        let classes = provision::javac(&bench.workspace, &sources, &jars)?;
        Ok(Self { oracle, jars, classes, lines })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.oracle.java_on(&self.jars, "256m", &[&self.classes]);
        command.arg("WordCount").args(arguments);
        command
    }

    /// Makes the topics and begins to write the lines over so long.
    pub fn fed(&self, bench: &Workbench, broker: &Broker, job: &str, time: Duration) -> Result<Program> {
        let (lines, millis) = (self.lines.to_string(), time.as_millis().to_string());
        let mut command = self.command(&[&broker.address(), "feed", &lines, &millis]);
        let mut feeder = Program::start(bench, &format!("{job}-feed"), &mut command)?;
        feeder.waits_for("topics are there")?;
        Ok(feeder)
    }

    /// Waits until all words are counted, and holds what was written against what should have been: one check.
    pub fn counted(&self, bench: &Workbench, broker: &Broker, job: &str, tally: &mut Tally) -> Result<()> {
        let mut command = self.command(&[&broker.address(), "check", &self.lines.to_string(), TO_THE_END]);
        let said = bench.lines(&format!("jobs-{job}-check"), &mut command, 4, broker)?;
        let counts = self.lines * 3;
        let wanted = format!("counts {counts} of {counts}, wrong 0, at the end true");
        tally.check(&format!("every count once: {said:?}"), said.last() == Some(&wanted));
        Ok(())
    }
}
