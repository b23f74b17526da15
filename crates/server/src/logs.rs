//! The node's log: one line an event, on stderr. Owns what is told (INFO unless somebody asks for more or less) and how it is written;
//! what is worth a line is said where it happens. A reader that goes away never costs the node more than its lines.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;

use broker::loggers::{LogLevel, Loggers};
use tracing::Level;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// Where the environment says what is told, the first that is set.
const VARIABLES: [&str; 2] = ["OTTLA_LOG", "RUST_LOG"];

/// What is told when nobody says anything.
const DEFAULT: &str = "info";

/// What is told, and the handle on it while the node runs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Levels(Arc<reload::Handle<Targets, Registry>>);

impl Levels {
    /// What is told now.
    pub fn now(&self) -> Targets {
        self.0.clone_current().unwrap_or_default()
    }

    /// From now on it is this.
    pub fn set(&self, targets: Targets) {
        // Fails only when the subscriber is gone, and then there is nobody to tell.
        let _ = self.0.reload(targets);
    }

    /// The same for the node's clients, by the names of loggers (KIP-412).
    pub fn loggers(&self) -> Arc<Loggers> {
        let now = self.now();
        let root = now.default_level().map_or(LogLevel::Fatal, level);
        let of_path =
            |path: &str| now.iter().find(|(target, _)| *target == path).map(|(_, filter)| level(filter));
        let levels = self.clone();
        let door = move |root, parts: &[(&'static str, LogLevel)]| {
            let parts = parts.iter().map(|(path, level)| (*path, filter(*level)));
            levels.set(Targets::new().with_default(filter(root)).with_targets(parts));
        };
        Arc::new(Loggers::new(root, of_path, Box::new(door)))
    }
}

/// Begins to write. `asked` is the command line's word, which goes before the environment's: a level, or a list such as
/// `info,broker=debug`. `None`: this process has a log already.
pub fn start(asked: Option<&str>) -> Result<Option<Levels>, String> {
    let from_environment =
        || VARIABLES.iter().find_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let said = asked.map(|text| ("--log-level".to_owned(), text.to_owned())).or_else(from_environment);
    let targets = match said.filter(|(_, text)| !text.trim().is_empty()) {
        Some((name, text)) => parse(&text).map_err(|why| format!("{name}={text}: {why}"))?,
        None => parse(DEFAULT)?,
    };
    let (filter, handle) = reload::Layer::new(targets);
    let lines = fmt::layer()
        .with_writer(|| Lines)
        .with_ansi(io::stderr().is_terminal())
        // It would say so on stderr, and a process that cannot do that either ends there.
        .log_internal_errors(false);
    let begun = tracing_subscriber::registry().with(filter).with(lines).try_init();
    Ok(begun.ok().map(|()| Levels(Arc::new(handle))))
}

fn level(filter: LevelFilter) -> LogLevel {
    match filter.into_level() {
        None => LogLevel::Fatal,
        Some(Level::ERROR) => LogLevel::Error,
        Some(Level::WARN) => LogLevel::Warn,
        Some(Level::INFO) => LogLevel::Info,
        Some(Level::DEBUG) => LogLevel::Debug,
        Some(Level::TRACE) => LogLevel::Trace,
    }
}

/// No line here is worse than an error: who wants only the fatal ones hears nothing.
fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Fatal => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

fn parse(text: &str) -> Result<Targets, String> {
    let no_level = || "not error, warn, info, debug, trace or off, nor a list of TARGET=LEVEL".to_owned();
    // A word alone could be a target, all of which is told; it is a slip of the pen.
    let is_level = |part: &str| part.contains('=') || part.parse::<LevelFilter>().is_ok();
    match text.split(',').map(str::trim).all(is_level) {
        true => text.trim().parse().map_err(|_| no_level()),
        false => Err(no_level()),
    }
}

/// stderr for as long as somebody reads it.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let _ = io::stderr().write_all(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A word to whoever looks at stderr, log or no log.
pub fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_as_people_write_them() {
        assert_eq!(parse("debug").unwrap().default_level(), Some(LevelFilter::DEBUG));
        assert_eq!(parse(" WARN ").unwrap().default_level(), Some(LevelFilter::WARN));
        let list = parse("warn,broker=debug").unwrap();
        assert!(list.would_enable("broker::node", &tracing::Level::DEBUG));
        assert!(!list.would_enable("server", &tracing::Level::INFO));
        assert!(parse("info,broker=loud").is_err());
        assert!(parse("loud").is_err());
    }

    #[test]
    fn what_is_told_can_be_changed() {
        let levels = start(Some("warn")).unwrap().expect("the first of this process");
        assert_eq!(levels.now().default_level(), Some(LevelFilter::WARN));
        levels.set(levels.now().with_target("broker", LevelFilter::TRACE));
        assert!(levels.now().would_enable("broker", &tracing::Level::TRACE));
        let loggers = levels.loggers();
        let of = |name: &str| {
            loggers.levels().into_iter().find(|(known, _)| *known == name).map(|(_, level)| level)
        };
        assert_eq!((of("root"), of("kafka.server")), (Some(LogLevel::Warn), Some(LogLevel::Trace)));
        loggers.change(&[("kafka.log", Some(LogLevel::Debug)), ("kafka.server", None)]);
        assert!(levels.now().would_enable("log::segment", &Level::DEBUG));
        assert!(!levels.now().would_enable("broker::node", &Level::INFO));
        assert!(start(None).unwrap().is_none(), "one log a process");
    }
}
