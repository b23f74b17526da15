//! Which configurations start a node and which are refused, in whose words: the cases of `tests/start/cases.txt`, on Apache Kafka (all in
//! one process, by `tests/start/Starts.java`) and on ours.
//!
//! A refusal of ours has three lines, leaves the data directory empty, and `storage check` says it, too.

use super::workbench::Workbench;
use crate::broker::{Broker, Kind, binary, free_ports};
use crate::oracle::Oracle;
use crate::process::{self, pause, signal_group, spawn};
use crate::provision;
use crate::tally::Tally;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What both find in their environment.
const ENVIRONMENT: (&str, &str) = ("START_FIVE", "5");

/// How long a start of ours may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What becomes of a start.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    starts: bool,
    /// What is said.
    words: Vec<String>,
}

/// One case.
#[derive(Debug, Default, PartialEq, Eq)]
struct Case {
    name: String,
    /// None where Kafka is not asked.
    kafka: Option<Verdict>,
    ottla: Option<Verdict>,
    /// Keys with a value, and those taken out.
    changes: Vec<(String, Option<String>)>,
    environment: Vec<(String, String)>,
}

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let file = bench.workspace.root.join("tests/start/cases.txt");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let home = bench.workspace.scratch("brokers")?.join("start");
    let _ = std::fs::remove_dir_all(&home);
    std::fs::create_dir_all(&home)?;
    make_keystore(bench, &home.join("keystore"))?;
    let cases = |kind: Kind| -> Result<Vec<(Case, PathBuf)>> { prepared(bench, &text, &home, kind) };
    let (kafkas, ours) = (cases(Kind::Kafka)?, cases(Kind::Ottla)?);
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| ask_kafka(bench, &kafkas));
        let mut tally = Tally::default();
        if bench.kind == Kind::Ottla {
            for (case, properties) in &ours {
                ask_ours(bench, case, properties, &mut tally)?;
            }
        }
        let asked = asked.join().unwrap_or_else(|_| Err(anyhow::anyhow!("Kafka's thread panicked")))?;
        tally.absorb("Kafka", asked);
        Ok(tally)
    })
}

/// The cases with a properties file for each, on ports and in a directory of its own.
fn prepared(bench: &Workbench, text: &str, home: &Path, kind: Kind) -> Result<Vec<(Case, PathBuf)>> {
    let files = bench.workspace.root.join("tests/start/files");
    let mut prepared = Vec::new();
    for case in parse(text)? {
        let directory = home.join(kind.name()).join(&case.name);
        std::fs::create_dir_all(directory.join("data"))?;
        let (port, controller) = free_ports()?;
        let places = [
            ("@PORT@", port.to_string()),
            ("@CONTROLLER@", controller.to_string()),
            ("@FILES@", files.display().to_string()),
            ("@DATA@", directory.join("data").display().to_string()),
            ("@KEYSTORE@", home.join("keystore").display().to_string()),
        ];
        let put = |text: &str| places.iter().fold(text.to_owned(), |text, (at, is)| text.replace(at, is));
        let mut properties = Broker::properties(port, controller, &directory);
        for (key, value) in &case.changes {
            properties.retain(|(known, _)| known != key);
            properties.extend(value.as_ref().map(|value| (key.clone(), put(value))));
        }
        let text: String = properties.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
        let path = directory.join("server.properties");
        std::fs::write(&path, text)?;
        let placed = |verdict: Option<Verdict>| {
            verdict.map(|v| Verdict { words: v.words.iter().map(|word| put(word)).collect(), ..v })
        };
        let case = Case { kafka: placed(case.kafka), ottla: placed(case.ottla), ..case };
        prepared.push((case, path));
    }
    Ok(prepared)
}

/// All cases in one process; a line for each.
fn ask_kafka(bench: &Workbench, cases: &[(Case, PathBuf)]) -> Result<Tally> {
    let oracle = Oracle::install(&bench.workspace)?;
    let sources = bench.workspace.root.join("tests/start");
    let classes = provision::javac(&bench.workspace, &sources, &oracle.broker_jars)?;
    let model = Broker::prepare(&bench.workspace, Kind::Kafka, "start-model", &[])?;
    let mut command = oracle.java("512m", &[&classes]);
    command.args(["Starts".as_ref(), model.data().as_os_str()]).env(ENVIRONMENT.0, ENVIRONMENT.1);
    let asked: Vec<_> = cases.iter().filter(|(case, _)| case.kafka.is_some()).collect();
    command.args(asked.iter().map(|(_, properties)| properties));
    let finished = bench.run("start-kafka", &mut command, 5)?;
    ensure!(finished.output.contains("done - all"), "{}: {}", finished.how, finished.tail(10));
    let answers: BTreeMap<&str, &str> =
        finished.output.lines().filter_map(|line| line.split_once(": ")).collect();
    let mut tally = Tally::default();
    for (case, _) in asked {
        let Some(wanted) = &case.kafka else { continue };
        let answer = answers.get(case.name.as_str()).copied().unwrap_or("nothing");
        let held = answer.starts_with(wanted.verb()) && wanted.is_said_in(answer);
        tally.check(&format!("{}: {answer}, wanted {wanted:?}", case.name), held);
    }
    Ok(tally)
}

/// Starts ours on a case and looks at what became of it.
fn ask_ours(bench: &Workbench, case: &Case, properties: &Path, tally: &mut Tally) -> Result<()> {
    let Some(wanted) = &case.ottla else { return Ok(()) };
    let directory = properties.parent().unwrap_or(properties);
    let command = |arguments: &[&str]| {
        let mut command = Command::new(binary(&bench.workspace));
        command.args(arguments).arg(properties).env(ENVIRONMENT.0, ENVIRONMENT.1);
        command.envs(case.environment.iter().map(|(name, value)| (name, value)));
        command
    };
    let (started, said) = try_start(&mut command(&["server", "-c"]), &directory.join("server.log"))?;
    let mut held = started == wanted.starts && wanted.is_said_in(&said);
    let mut why = String::new();
    let checked =
        process::run(&mut command(&["storage", "check", "-c"]), &directory.join("check.log"), LIMIT)?;
    if wanted.starts {
        held &= checked.success;
    } else {
        let lines: Vec<&str> = said.lines().collect();
        let heads = lines.iter().rev().take(3).rev().zip(["error: ", "  why: ", "  try: "]);
        if lines.len() < 3 || !heads.into_iter().all(|(line, head)| line.starts_with(head)) {
            why.push_str("; a refusal has three lines");
        }
        if std::fs::read_dir(directory.join("data"))?.next().is_some() {
            why.push_str("; something was written");
        }
        if checked.success || !wanted.is_said_in(&checked.output) {
            why.push_str("; storage check says otherwise");
        }
        held &= why.is_empty();
    }
    let said = format!("{said}{why}\n{}", checked.output);
    tally.check(&format!("{}: wanted {wanted:?}, got {said}", case.name), held);
    Ok(())
}

/// Whether it came up (it is stopped then), and everything it said.
pub(super) fn try_start(command: &mut Command, log: &Path) -> Result<(bool, String)> {
    let mut child = spawn(command, log)?;
    let said = || Ok::<_, anyhow::Error>(String::from_utf8_lossy(&std::fs::read(log)?).into_owned());
    let deadline = Instant::now() + LIMIT;
    while child.try_wait()?.is_none() {
        if Instant::now() >= deadline {
            signal_group(child.id(), "KILL");
            child.wait()?;
            bail!("neither started nor refused after {} s: {}", LIMIT.as_secs(), said()?);
        }
        if said()?.contains(" is ready") {
            signal_group(child.id(), "TERM");
            let status = child.wait()?;
            ensure!(status.success() || status.code() == Some(143), "stopped with {status}: {}", said()?);
            return Ok((true, said()?));
        }
        pause(Duration::from_millis(10));
    }
    Ok((false, said()?))
}

/// A key store with one self-signed certificate.
fn make_keystore(bench: &Workbench, path: &Path) -> Result<()> {
    let mut command = Command::new("keytool");
    command.args(["-genkeypair", "-alias", "node", "-keyalg", "RSA", "-dname", "CN=localhost"]);
    command.args(["-storetype", "PKCS12", "-storepass", "secret", "-keypass", "secret", "-keystore"]);
    let finished = bench.run("start-keytool", command.arg(path), 1)?;
    ensure!(finished.success, "keytool: {}: {}", finished.how, finished.tail(5));
    Ok(())
}

impl Verdict {
    fn verb(&self) -> &'static str {
        if self.starts { "starts" } else { "refuses" }
    }

    fn is_said_in(&self, said: &str) -> bool {
        self.words.iter().all(|word| said.contains(word))
    }

    fn parse(text: &str) -> Result<Option<Self>> {
        let (verb, words) = text.split_once(' ').unwrap_or((text, ""));
        let starts = match verb {
            "starts" => true,
            "refuses" => false,
            "none" => return Ok(None),
            other => bail!("{other} is no verdict"),
        };
        let words = words.split('|').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        Ok(Some(Self { starts, words }))
    }
}

fn parse(text: &str) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix("== ") {
            ensure!(cases.iter().all(|case| case.name != name), "two cases are called {name}");
            cases.push(Case { name: name.to_owned(), ..Case::default() });
            continue;
        }
        let case = cases.last_mut().with_context(|| format!("{line}: no case has begun"))?;
        if let Some(verdict) = line.strip_prefix("kafka: ") {
            case.kafka = Verdict::parse(verdict)?;
            case.ottla = case.kafka.clone();
        } else if let Some(verdict) = line.strip_prefix("ottla: ") {
            case.ottla = Verdict::parse(verdict)?;
        } else if let Some(key) = line.strip_prefix('-') {
            case.changes.push((key.to_owned(), None));
        } else if let Some(variable) = line.strip_prefix("env ") {
            let (name, value) = variable.split_once('=').with_context(|| line.to_owned())?;
            case.environment.push((name.to_owned(), value.to_owned()));
        } else {
            let (key, value) = line.split_once('=').with_context(|| line.to_owned())?;
            case.changes.push((key.to_owned(), Some(value.to_owned())));
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_read_as_they_are_written() {
        let text = "# x\n== a\nkafka: refuses one|two words\nottla: starts\nk=v=w\n-gone\n\n== b\nkafka: none\nottla: refuses\nenv N=1\n";
        let cases = parse(text).expect("cases");
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let [a, b] = cases.as_slice() else { panic!("two cases") };
        assert_eq!(a.kafka, Some(Verdict { starts: false, words: words(&["one", "two words"]) }));
        assert_eq!(a.ottla, Some(Verdict { starts: true, words: Vec::new() }));
        assert_eq!(a.changes, [("k".to_owned(), Some("v=w".to_owned())), ("gone".to_owned(), None)]);
        assert_eq!((b.kafka.clone(), b.environment.len()), (None, 1));
        assert!(
            parse("k=v").is_err() && parse("== a\n== a").is_err() && parse("== a\nkafka: maybe").is_err()
        );
    }
}
