//! `kafka-server-stop`: asks the nodes that run from this binary on this machine to end: all of them, or one by its node id or its roles.
//! Nodes of `ottla dev`, `demo` and `cluster up` are ended by whoever started them.

use super::script::{Script, Style};
use super::server_start;
use super::terms::End;
use super::words::print_line;
use crate::configuration;
use crate::failure::say;
use rustix::process::{Pid, Signal, getpid, kill_process};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// The script.
pub const SCRIPT: Script = Script { name: "kafka-server-stop", style: Style::Words(run) };

/// A node's process.
struct Node {
    pid: Pid,
    source: Source,
}

/// Where a node's configuration is.
#[derive(Debug, Default, PartialEq)]
struct Source {
    file: Option<PathBuf>,
    overrides: Vec<String>,
}

fn run(words: &[String]) -> Result<(), End> {
    let named = |option: &str| {
        words.iter().find_map(|word| word.strip_prefix(option)).filter(|value| !value.is_empty())
    };
    let (id, roles) = (named("--node-id="), named("--process-role="));
    if id.is_some() && roles.is_some() {
        print_line(
            "When both node-id and process-role are provided, the value for node-id will take precedence",
        )?;
    }
    let signal = signal()?;
    let nodes = nodes()?;
    if nodes.is_empty() {
        print_line("No kafka server to stop")?;
        return Err(End::Exit(1));
    }
    let mut ended = Ok(());
    for node in nodes {
        let wanted = match (id, roles) {
            (Some(id), _) => node.says("node.id", "1").as_deref() == Some(id),
            (None, Some(roles)) => node.says("process.roles", "broker,controller").as_deref() == Some(roles),
            (None, None) => true,
        };
        if !wanted {
            continue;
        }
        if let Err(error) = kill_process(node.pid, signal) {
            say(format_args!("kafka-server-stop: cannot signal process {}: {error}", node.pid));
            ended = Err(End::Exit(1));
        }
    }
    ended
}

/// `SIGNAL` of the environment, by its name; SIGTERM without it.
fn signal() -> Result<Signal, End> {
    let name = std::env::var("SIGNAL").unwrap_or_default();
    let known = [
        ("", Signal::TERM),
        ("TERM", Signal::TERM),
        ("INT", Signal::INT),
        ("HUP", Signal::HUP),
        ("QUIT", Signal::QUIT),
        ("ABRT", Signal::ABORT),
        ("KILL", Signal::KILL),
    ];
    let bare = name.strip_prefix("SIG").unwrap_or(&name);
    let found = known.iter().find(|(known, signal)| *known == bare || signal.as_raw().to_string() == bare);
    found.map(|(_, signal)| *signal).ok_or_else(|| {
        say(format_args!("kafka-server-stop: SIGNAL={name} is no signal that ends a process"));
        End::Exit(1)
    })
}

/// All nodes that run from this binary, also where its file was replaced since; processes that may not be looked at are another's.
fn nodes() -> Result<Vec<Node>, End> {
    let binary = at_its_name(std::env::current_exe()?);
    let mut nodes = Vec::new();
    for process in fs::read_dir("/proc")?.flatten() {
        let pid = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        let Some(pid) = pid.filter(|pid| *pid != getpid()) else { continue };
        let home = process.path();
        let same = fs::read_link(home.join("exe")).is_ok_and(|runs| at_its_name(runs) == binary);
        let words = fs::read(home.join("cmdline")).unwrap_or_default();
        if let Some(source) = node_of(&words_of(&words)).filter(|_| same) {
            nodes.push(Node { pid, source });
        }
    }
    nodes.sort_by_key(|node| node.pid.as_raw_nonzero());
    Ok(nodes)
}

/// The kernel marks what was removed or replaced.
fn at_its_name(path: PathBuf) -> PathBuf {
    path.to_str().and_then(|name| name.strip_suffix(" (deleted)")).map(PathBuf::from).unwrap_or(path)
}

fn words_of(bytes: &[u8]) -> Vec<String> {
    let words = bytes.strip_suffix(b"\0").unwrap_or(bytes).split(|byte| *byte == 0);
    words.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// What a command line says of the node that it starts; `None`: it starts none.
fn node_of(words: &[String]) -> Option<Source> {
    let (program, mut rest) = words.split_first()?;
    let called = |word: &str| {
        let name = word.rsplit('/').next().unwrap_or(word);
        name.strip_suffix(".sh").unwrap_or(name) == server_start::NAME
    };
    let bare = ["--listen", "--data-dir", "--set", "--override", "--log-level"];
    match rest.first() {
        _ if called(program) => {}
        None => return Some(Source::default()),
        Some(first) if first == "server" || called(first) => rest = &rest[1..],
        Some(first) if bare.contains(&first.split('=').next().unwrap_or(first)) => {}
        Some(_) => return None,
    }
    // The one that starts another and ends.
    if rest.first().is_some_and(|word| word == "-daemon") {
        return None;
    }
    let mut source = Source::default();
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        let (name, joined) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        match name {
            "--set" | "--override" => source.overrides.extend(joined.or_else(|| rest.next().cloned())),
            "-c" | "--config" => source.file = joined.or_else(|| rest.next().cloned()).map(PathBuf::from),
            "--listen" | "--data-dir" | "--log-level" if joined.is_none() => drop(rest.next()),
            _ if !word.starts_with('-') => source.file = Some(PathBuf::from(word)),
            _ => {}
        }
    }
    Some(source)
}

impl Node {
    /// What its configuration says of a key: its file as it is now, its environment, its arguments. `None`: nobody can tell.
    fn says(&self, key: &str, embedded: &str) -> Option<String> {
        let home = Path::new("/proc").join(self.pid.to_string());
        let file = self.source.file.as_ref().map(|file| home.join("cwd").join(file));
        let environment = fs::read(home.join("environ")).unwrap_or_default();
        let variables = environment.split(|byte| *byte == 0).filter_map(variable);
        let all = configuration::read_with(file.as_deref(), variables, &self.source.overrides).ok()?;
        let old = (key == "node.id").then(|| all.get("broker.id")).flatten();
        let said = all.get(key).or(old).or(self.source.file.is_none().then_some(embedded));
        said.map(|said| said.trim().to_owned())
    }
}

fn variable(pair: &[u8]) -> Option<(OsString, OsString)> {
    let at = pair.iter().position(|byte| *byte == b'=')?;
    let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    Some((word(&pair[..at]), word(&pair[at + 1..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_known_by_their_command_lines() {
        let of = |line: &str| node_of(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let source = |file: Option<&str>, overrides: &[&str]| {
            let overrides = overrides.iter().map(|pair| (*pair).to_owned()).collect();
            Some(Source { file: file.map(PathBuf::from), overrides })
        };
        let cases = [
            (
                "kafka-server-start a.properties --override node.id=2",
                source(Some("a.properties"), &["node.id=2"]),
            ),
            ("bin/kafka-server-start.sh a.properties", source(Some("a.properties"), &[])),
            ("ottla kafka-server-start a.properties", source(Some("a.properties"), &[])),
            ("ottla server -c a.properties --set=node.id=3", source(Some("a.properties"), &["node.id=3"])),
            ("ottla server a.properties --log-level debug", source(Some("a.properties"), &[])),
            ("ottla", source(None, &[])),
            ("ottla --listen h:1 --set a=b", source(None, &["a=b"])),
        ];
        for (line, expected) in cases {
            assert_eq!(of(line), expected, "{line}");
        }
        for other in [
            "kafka-server-start -daemon a.properties",
            "ottla topic list",
            "ottla dev",
            "ottla -b h:1 topic list",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
