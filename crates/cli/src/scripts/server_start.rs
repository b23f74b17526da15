//! `kafka-server-start`: a node from its properties file, in the foreground or detached. Owns what Kafka's shell script does around a
//! start; the node is `ottla server`'s.

use super::joptsimple::{self, Opt, Takes, opt};
use super::script::{Script, Style};
use super::terms::{End, Fault, wrong};
use super::words::{VERSION_LINE, print_line};
use crate::args::LogArgs;
use crate::failure::say;
use crate::server::{self, ServerArgs};
use std::env::{self, VarError};
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The script.
pub const SCRIPT: Script = Script { name: NAME, style: Style::Words(run) };

/// What a detached node is called, too, so that `kafka-server-stop` and people who look at processes find it.
pub const NAME: &str = "kafka-server-start";

const OPTIONS: &[Opt] = &[
    opt("override", Takes::Text, "a key of the file and its value, KEY=VALUE; may be repeated"),
    opt("version", Takes::Nothing, "print the version"),
];

const USAGE: &str = "USAGE: java [options] kafka.Kafka server.properties [--override property=value]*";

/// Variables that only a JVM understands.
const OF_JAVA: &[&str] = &[
    "KAFKA_HEAP_OPTS",
    "KAFKA_OPTS",
    "KAFKA_JVM_PERFORMANCE_OPTS",
    "KAFKA_GC_LOG_OPTS",
    "KAFKA_JMX_OPTS",
    "JMX_PORT",
    "KAFKA_LOG4J_OPTS",
    "KAFKA_DEBUG",
];

fn run(words: &[String]) -> Result<(), End> {
    match words {
        [] => {
            print_line(&format!("USAGE: {NAME} [-daemon] server.properties [--override property=value]*"))?;
            Err(End::Exit(1))
        }
        [first, rest @ ..] if first == "-daemon" => detach(rest),
        words => start(words),
    }
}

/// As `kafka.Kafka` reads what stands behind it: the first word is the file, whatever it looks like.
fn start(words: &[String]) -> Result<(), End> {
    let (file, rest) = words
        .split_first()
        .filter(|_| words.iter().all(|word| word != "--help"))
        .ok_or_else(|| usage(USAGE))?;
    if words.iter().any(|word| word == "--version") {
        return Ok(print_line(VERSION_LINE)?);
    }
    let read = joptsimple::read(OPTIONS, rest).map_err(wrong)?;
    if !read.bare.is_empty() {
        return Err(usage(&format!("Found non argument parameters: {}", read.bare.join(","))));
    }
    let set = |name: &&&str| !matches!(env::var(name), Err(VarError::NotPresent));
    let idle: Vec<&str> = OF_JAVA.iter().filter(set).copied().collect();
    if !idle.is_empty() {
        say(format_args!("{NAME}: there is no JVM here, nothing is done with {}", idle.join(", ")));
    }
    let set = read.values("override").into_iter().map(str::to_owned).collect();
    let log = LogArgs { log_level: None };
    Ok(server::run(ServerArgs { file: Some(PathBuf::from(file)), config: None, set, log })?)
}

fn usage(message: &str) -> End {
    say(message);
    say(joptsimple::table(OPTIONS).trim_end());
    End::Exit(1)
}

/// Starts it apart from this terminal and does not wait. What it prints goes to `kafkaServer.out` in `LOG_DIR`, or in `./logs`.
fn detach(words: &[String]) -> Result<(), End> {
    let directory = env::var_os("LOG_DIR").filter(|name| !name.is_empty());
    let directory = PathBuf::from(directory.unwrap_or_else(|| "logs".into()));
    let path = directory.join(format!("{}.out", service()));
    let out = fs::create_dir_all(&directory).and_then(|()| File::create(&path));
    let out = out.map_err(|error| cannot("write", &path, &error))?;
    let errors = out.try_clone()?;
    let binary = env::current_exe()?;
    let mut command = Command::new(&binary);
    // A group of its own hears neither Ctrl-C nor the end of the terminal.
    command.arg0(NAME).args(words).process_group(0);
    command.stdin(Stdio::null()).stdout(out).stderr(errors);
    // It lives on without this process.
    command.spawn().map(drop).map_err(|error| cannot("start", &binary, &error))
}

/// `-name NAME` of `EXTRA_ARGS`, as Kafka's script has it.
fn service() -> String {
    let extra = env::var("EXTRA_ARGS").unwrap_or_default();
    let mut words = extra.split_whitespace().skip_while(|word| *word != "-name").skip(1);
    words.next().filter(|name| !name.contains('/')).unwrap_or("kafkaServer").to_owned()
}

fn cannot(verb: &str, path: &Path, error: &io::Error) -> End {
    let message = format!("{NAME}: cannot {verb} {}: {error}", path.display());
    End::Failed(Fault { class: String::new(), message })
}
