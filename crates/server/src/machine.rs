//! What the process asks of the machine it runs on: its name, its memory, its descriptors. Read once, at the start.

use std::fs;

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

/// Descriptors this process may open.
pub fn descriptors_max() -> usize {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok()).unwrap_or(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_answers() {
        assert!(!host_name().is_empty());
        assert!(memory_bytes() > 1 << 24);
        assert!(descriptors_max() >= 64);
        assert_eq!(total_of("X: 1\nMemTotal:       24684420 kB\n"), Some(24_684_420 * 1024));
    }
}
