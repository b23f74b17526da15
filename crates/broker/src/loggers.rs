//! The loggers of this process as Kafka's admin clients see them (KIP-412): a tree of names with Kafka's sound over the parts
//! that write log lines. Owns which level each has; what a level does to a line is the rim's business, which is told.

use parking_lot::Mutex;
use std::collections::BTreeMap;

/// Kafka's levels, the loudest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// The process cannot go on.
    Fatal,
    /// Something is lost, or refused for a reason of our own.
    Error,
    /// Somebody should look.
    Warn,
    /// An event of the node's life.
    Info,
    /// What led to it.
    Debug,
    /// All of it.
    Trace,
}

impl LogLevel {
    const ALL: [LogLevel; 6] =
        [LogLevel::Debug, LogLevel::Error, LogLevel::Fatal, LogLevel::Info, LogLevel::Trace, LogLevel::Warn];
    /// What a refusal offers.
    pub const NAMES: &str = "DEBUG, ERROR, FATAL, INFO, TRACE, WARN";

    /// The level of a name, which is spelt in capitals.
    pub fn from_name(name: &str) -> Option<LogLevel> {
        Self::ALL.into_iter().find(|level| level.name() == name)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            LogLevel::Fatal => "FATAL",
            LogLevel::Error => "ERROR",
            LogLevel::Warn => "WARN",
            LogLevel::Info => "INFO",
            LogLevel::Debug => "DEBUG",
            LogLevel::Trace => "TRACE",
        }
    }
}

/// The logger of everything.
pub const ROOT: &str = "root";

/// Every other logger, and the parts (by their paths) whose lines it owns. A longer path is the more special one.
const LOGGERS: &[(&str, &[&str])] = &[
    ("kafka.controller", &["kraft::controller", "broker::quorum"]),
    ("kafka.coordinator.group", &["coordinator", "broker::shard::groups"]),
    ("kafka.log", &["log", "broker::directories", "broker::flusher", "broker::shard::upkeep"]),
    ("kafka.log.LogCleaner", &["log::cleaning", "broker::cleaners", "broker::shard::cleaning"]),
    ("kafka.network", &["net", "server::lanes", "server::gateway"]),
    ("kafka.raft", &["kraft::raft"]),
    ("kafka.server", &["broker", "server"]),
];

/// Tells the rim: the level of all lines, and those of parts that differ from it.
pub type Door = Box<dyn Fn(LogLevel, &[(&'static str, LogLevel)]) + Send + Sync>;

/// All loggers and their levels.
pub struct Loggers {
    set: Mutex<Set>,
    door: Door,
}

impl std::fmt::Debug for Loggers {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.debug_map().entries(self.levels()).finish()
    }
}

struct Set {
    root: LogLevel,
    /// Those that have a level of their own.
    own: BTreeMap<&'static str, LogLevel>,
}

impl Loggers {
    /// Loggers as they are in force already: all inherit `root` but those of a part that `of_path` knows another level of.
    pub fn new(root: LogLevel, of_path: impl Fn(&str) -> Option<LogLevel>, door: Door) -> Loggers {
        let own = |(name, paths): &(&'static str, &[&str])| {
            paths.iter().find_map(|path| of_path(path)).map(|level| (*name, level))
        };
        let own = LOGGERS.iter().filter_map(own).collect();
        Loggers { set: Mutex::new(Set { root, own }), door }
    }

    /// For a node whose lines nobody reads.
    pub fn silent() -> Loggers {
        Loggers::new(LogLevel::Info, |_| None, Box::new(|_, _| {}))
    }

    /// Each logger with the level that is in force for it.
    pub fn levels(&self) -> Vec<(&'static str, LogLevel)> {
        let set = self.set.lock();
        let others = LOGGERS.iter().map(|(name, _)| (*name, set.level(name)));
        std::iter::once((ROOT, set.root)).chain(others).collect()
    }

    /// The logger of that name.
    pub fn find(name: &str) -> Option<&'static str> {
        if name == ROOT {
            Some(ROOT)
        } else {
            LOGGERS.iter().map(|(known, _)| *known).find(|known| *known == name)
        }
    }

    /// Gives loggers levels of their own, or lets them inherit again (`None`; the root keeps what it has).
    pub fn change(&self, changes: &[(&'static str, Option<LogLevel>)]) {
        let mut set = self.set.lock();
        for (name, level) in changes {
            match (*name, level) {
                (ROOT, Some(level)) => set.root = *level,
                (ROOT, None) => {}
                (name, Some(level)) => {
                    set.own.insert(name, *level);
                }
                (name, None) => {
                    set.own.remove(name);
                }
            }
        }
        let mut parts = Vec::new();
        for (name, paths) in LOGGERS {
            parts.extend(paths.iter().map(|path| (*path, set.level(name))));
        }
        // Told under the lock, so that the last change is the last one told.
        (self.door)(set.root, &parts);
    }
}

impl Set {
    /// Its own level, or that of the nearest logger whose name begins its name.
    fn level(&self, name: &str) -> LogLevel {
        let mut name = name;
        loop {
            if let Some(level) = self.own.get(name) {
                return *level;
            }
            match name.rsplit_once('.') {
                Some((parent, _)) => name = parent,
                None => return self.root,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_level_reaches_the_loggers_below_and_the_rim_and_can_be_taken_back() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&told);
        let door = move |root, parts: &[(&'static str, LogLevel)]| {
            let cleaning =
                parts.iter().find(|(path, _)| *path == "broker::shard::cleaning").map(|(_, level)| *level);
            ear.lock().push((root, cleaning));
        };
        let loggers = Loggers::new(LogLevel::Info, |_| None, Box::new(door));
        let level = |name: &str| loggers.levels().into_iter().find(|(known, _)| *known == name).unwrap().1;
        loggers.change(&[("kafka.log", Some(LogLevel::Debug))]);
        assert_eq!((level("kafka.log.LogCleaner"), level("kafka.server")), (LogLevel::Debug, LogLevel::Info));
        loggers.change(&[("kafka.log.LogCleaner", Some(LogLevel::Trace)), (ROOT, Some(LogLevel::Warn))]);
        loggers.change(&[("kafka.log.LogCleaner", None), ("kafka.log", None)]);
        assert_eq!(level("kafka.log.LogCleaner"), LogLevel::Warn);
        let wanted = [
            (LogLevel::Info, Some(LogLevel::Debug)),
            (LogLevel::Warn, Some(LogLevel::Trace)),
            (LogLevel::Warn, Some(LogLevel::Warn)),
        ];
        assert_eq!(*told.lock(), wanted);
    }
}
