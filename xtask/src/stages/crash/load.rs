//! The writers and their account: `tests/crash/load.py`, and on clusters `JavaLoad.java` beside it, as children that are told what to do,
//! line by line.
//!
//! Owns the child processes, which end with this value, and the histories that they leave for the checker.

use crate::oracle::Oracle;
use crate::process::signal_group;
use crate::provision;
use crate::stages::clients;
use crate::stages::workbench::Workbench;
use crate::tally::Tally;
use crate::words::say;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

/// After so many rounds everything is read, not only what is new.
const WHOLE_EVERY: usize = 100;

/// After so many rounds all that is under way must be acknowledged before the next strike: what one start leaves refused must not
/// be hidden by the next one.
const SETTLED_EVERY: usize = 5;

/// The running writers.
pub struct Load {
    writers: Vec<Writers>,
    /// What each of them notes for the checker; nothing on a single node, which may lose what nobody was promised.
    histories: Vec<PathBuf>,
}

/// One program of writers and readers.
struct Writers {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Load {
    /// Starts them; their topics are made, nothing is written yet.
    pub fn start(bench: &Workbench, address: &str, name: &str) -> Result<Load> {
        Load::start_lossy_on(bench, address, name, 1)
    }

    /// The same on several nodes, whose addresses are a list, in topics of so many replicas; Kafka's own clients beside them, and
    /// everybody notes what they see.
    pub fn start_on(bench: &Workbench, address: &str, name: &str, replicas: usize) -> Result<Load> {
        let histories =
            ["librdkafka", "java"].map(|who| bench.logs.join(format!("crash-{name}-{who}.jsonl")));
        let [of_python, of_java] = &histories;
        let mut first = python(bench, address, name, replicas)?;
        first.arg(of_python);
        let second = java(bench, address, name, of_java)?;
        let writers = vec![
            Writers::start(bench, first, name)?,
            Writers::start(bench, second, &format!("{name}-java"))?,
        ];
        Ok(Load { writers, histories: histories.to_vec() })
    }

    /// On several nodes that may lose a little: librdkafka alone, and no history.
    pub fn start_lossy_on(bench: &Workbench, address: &str, name: &str, replicas: usize) -> Result<Load> {
        let writers = vec![Writers::start(bench, python(bench, address, name, replicas)?, name)?];
        Ok(Load { writers, histories: Vec::new() })
    }

    /// Gives a command; the numbers of their answers, added up, or what is bad.
    pub fn tell(&mut self, command: &str) -> Result<Vec<u64>> {
        for one in &mut self.writers {
            writeln!(one.to, "{command}").with_context(|| format!("the writers are gone at `{command}`"))?;
            one.to.flush()?;
        }
        let mut total: Vec<u64> = Vec::new();
        for one in &mut self.writers {
            let numbers = one.answer(command)?;
            total.resize(total.len().max(numbers.len()), 0);
            total.iter_mut().zip(numbers).for_each(|(sum, number)| *sum += number);
        }
        Ok(total)
    }

    /// The longest time that anybody waited for an acknowledgement since this was last asked, in milliseconds.
    pub fn longest_pause_ms(&mut self) -> Result<u64> {
        let mut longest = 0;
        for one in &mut self.writers {
            writeln!(one.to, "pause").context("the writers are gone at `pause`")?;
            longest = longest.max(one.answer("pause")?.first().copied().unwrap_or(0));
        }
        Ok(longest)
    }

    /// The end: everything is read once more, and the checker holds what all of them saw against what Kafka promises.
    pub fn judge(&mut self, bench: &Workbench, name: &str) -> Result<Tally> {
        self.tell("history")?;
        let file = bench.logs.join(format!("crash-{name}.jsonl"));
        let mut whole = File::create(&file).with_context(|| file.display().to_string())?;
        for history in &self.histories {
            let mut part = File::open(history).with_context(|| history.display().to_string())?;
            std::io::copy(&mut part, &mut whole)?;
        }
        // Optimised: it takes a million operations in seconds. The simulator's stage has built it.
        let arguments =
            ["run", "--quiet", "--profile", "quick", "--locked", "--package", "ottla-sim", "--", "check"];
        let mut command = bench.cargo(&arguments);
        let finished = bench.run(&format!("crash-{name}-checker"), command.arg(&file), 10)?;
        let count = |what: &str| finished.output.lines().find_map(|line| line.trim().strip_prefix(what));
        let judged = count("\"values\": ").is_some_and(|values| values.trim_end_matches(',') != "0");
        let word =
            finished.output.lines().filter(|line| line.contains("operations") || line.contains("values"));
        say(format_args!(
            "   the checker of histories: {}",
            word.map(str::trim).collect::<Vec<_>>().join(" ")
        ));
        let why = || format!("{}: {}: {}", file.display(), finished.how, finished.tail(40));
        Ok(Tally::one(&why(), finished.success && judged))
    }

    /// Lets them write while `strike` takes the node away and brings it back `rounds` times; after each round nothing that was
    /// acknowledged may be missing. `what` names the strikes, `name` the servers' logs.
    pub fn endure(
        &mut self,
        what: &str,
        name: &str,
        rounds: usize,
        mut strike: impl FnMut() -> Result<()>,
    ) -> Result<Tally> {
        self.tell("write")?;
        let started = Instant::now();
        for round in 0..rounds {
            let at = || format!("round {round}: the servers' logs are below brokers/{name}-*");
            strike().with_context(at)?;
            let whole = if round % WHOLE_EVERY == WHOLE_EVERY - 1 { "verify all" } else { "verify" };
            self.tell(whole).with_context(at)?;
            if round % SETTLED_EVERY == SETTLED_EVERY - 1 {
                self.tell("rest").with_context(at)?;
                self.tell("write")?;
            }
        }
        self.tell("rest")?;
        let counts = self.tell("verify all")?;
        say(format_args!(
            "   {rounds} {what}: {} records acknowledged, none lost; {:.0} s",
            counts.first().copied().unwrap_or(0),
            started.elapsed().as_secs_f64()
        ));
        let mut tally = Tally { passed: rounds, ..Tally::default() };
        let worked = counts.first().is_some_and(|acked| *acked > rounds as u64);
        tally.check(&format!("only {counts:?} records and offsets were acknowledged"), worked);
        Ok(tally)
    }
}

impl Writers {
    fn start(bench: &Workbench, mut command: Command, name: &str) -> Result<Writers> {
        let log = bench.logs.join(format!("crash-{name}.log"));
        let errors = File::create(&log).with_context(|| log.display().to_string())?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).process_group(0);
        let mut child = command.spawn().context("the writers could not be started")?;
        let to = child.stdin.take().context("no standard input")?;
        let from = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut writers = Writers { child, to, from };
        writers.answer("start")?;
        Ok(writers)
    }

    fn answer(&mut self, command: &str) -> Result<Vec<u64>> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        match line.trim_end().split_once(' ') {
            Some(("ok", rest)) => Ok(rest.split(' ').filter_map(|word| word.parse().ok()).collect()),
            Some(("bad", what)) => bail!("{what}"),
            _ => bail!("the writers answered `{}` to `{command}`", line.trim_end()),
        }
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        signal_group(self.child.id(), "KILL");
        let _ = self.child.wait();
    }
}

/// `tests/crash/load.py`: librdkafka.
fn python(bench: &Workbench, address: &str, name: &str, replicas: usize) -> Result<Command> {
    let mut command = Command::new(clients::python_environment(bench)?);
    command.arg("-u").arg(bench.workspace.root.join("tests/crash/load.py")).args([address, name]);
    command.arg(replicas.to_string());
    Ok(command)
}

/// `tests/crash/JavaLoad.java`: Kafka's own clients.
fn java(bench: &Workbench, address: &str, name: &str, history: &Path) -> Result<Command> {
    let oracle = Oracle::install(&bench.workspace)?;
    let sources = bench.workspace.root.join("tests/crash");
    let classes = provision::javac(&bench.workspace, &sources, &oracle.broker_jars)?;
    let mut command = oracle.java("256m", &[&classes]);
    command.args(["JavaLoad", address, name]).arg(history);
    Ok(command)
}
