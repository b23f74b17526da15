//! What the process asks of the machine it runs on: its name, its memory, its descriptors. Read once, at the start.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use log::Fault;
use log::disk::DEFAULT_DESCRIPTORS;
use log::fault::Cause;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The machine's name, for listeners without a host.
pub fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() || name == "(none)" { "localhost".to_owned() } else { name.to_owned() }
}

/// Memory this process may use: the machine's, or its control group's limit if that is less.
pub fn memory_bytes() -> usize {
    let machine =
        fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of(&text)).unwrap_or(1 << 30);
    let groups = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let limit = groups.iter().find_map(|file| fs::read_to_string(file).ok()?.trim().parse::<usize>().ok());
    limit.map_or(machine, |limit| limit.min(machine))
}

fn total_of(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find(|line| line.starts_with("MemTotal:"))?;
    line.split_whitespace().nth(1)?.parse::<usize>().ok().map(|kib| kib * 1024)
}

/// Signals that the process was started to ignore (nohup, background jobs of a shell): bit 0 is number 1.
pub fn ignored_signals() -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Why the file system refused something with a path, in words that name whose it is.
pub fn why_not(path: &Path, fault: &Fault) -> String {
    let Cause::Io { kind, .. } = &fault.cause else { return fault.to_string() };
    match kind {
        ErrorKind::ReadOnlyFilesystem => {
            format!("the file system of {} is mounted read-only", path.display())
        }
        ErrorKind::NotADirectory => format!("{fault}: a part of that path is a file"),
        ErrorKind::PermissionDenied => {
            // What refuses is the path itself or, where it is not there yet, the nearest directory above it that is.
            let there = path.ancestors().find_map(|path| Some((path, fs::metadata(path).ok()?)));
            let Some((place, status)) = there else { return fault.to_string() };
            format!(
                "{} belongs to {} with mode {:03o}, and this process is {}",
                place.display(),
                user(status.uid()),
                status.mode() & 0o7777,
                user(rustix::process::geteuid().as_raw())
            )
        }
        _ => fault.to_string(),
    }
}

/// A user's name, as far as the machine's own list knows it.
fn user(id: u32) -> String {
    let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(id)).then(|| name.to_owned())
    });
    name.map_or_else(|| format!("user {id}"), |name| format!("user {name} ({id})"))
}

/// How the descriptors of this process are shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// For files of the logs.
    pub files: usize,
    /// For connections.
    pub connections: usize,
}

/// Kept back from both: the standard three, locks, listeners, what the lanes poll with, and files that are open for a moment only
/// (a directory that is synced or listed, on every thread of the pool).
const DESCRIPTORS_RESERVED: usize = 64;

/// Takes as many descriptors as the process may have (its soft limit is raised to the hard one, as the JVM does), and shares them.
pub fn take_descriptors() -> Descriptors {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        // Refused where the kernel's own maximum is lower; the soft limit stands then.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    }
    let now = getrlimit(Resource::Nofile).current;
    share_descriptors(now.map_or(usize::MAX, |now| usize::try_from(now).unwrap_or(usize::MAX)))
}

fn share_descriptors(all: usize) -> Descriptors {
    let rest = all.saturating_sub(DESCRIPTORS_RESERVED);
    let files = (rest / 2).clamp(8, DEFAULT_DESCRIPTORS);
    Descriptors { files, connections: rest.saturating_sub(files).max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_connections_share_what_there_is() {
        for all in [0, 64, 80, 300, 1_024, 20_000, 1 << 20, usize::MAX] {
            let Descriptors { files, connections } = share_descriptors(all);
            assert!(files <= DEFAULT_DESCRIPTORS);
            assert!(all < 80 || files + connections + DESCRIPTORS_RESERVED <= all, "{all}");
        }
        assert_eq!(share_descriptors(300), Descriptors { files: 118, connections: 118 });
        assert_eq!(share_descriptors(1 << 20).files, DEFAULT_DESCRIPTORS);
    }

    #[test]
    fn the_machine_answers() {
        assert!(!host_name().is_empty());
        assert!(memory_bytes() > 1 << 24);
        let taken = take_descriptors();
        assert!(taken.files >= 8 && taken.connections >= 1);
        assert_eq!(getrlimit(Resource::Nofile).current, getrlimit(Resource::Nofile).maximum);
        assert_eq!(total_of("X: 1\nMemTotal:       24684420 kB\n"), Some(24_684_420 * 1024));
    }
}
