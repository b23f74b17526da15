//! What the kernel says of this process, for those who watch it. Read when somebody asks; what cannot be read is 0 or left out.

use std::fs;

use broker::metrics::process::RimFigures;
use rustix::process::{Resource, getrlimit};

/// Ticks in a second of `/proc`: Linux has told user space this number on every architecture since it began.
const TICKS: f64 = 100.0;

/// Everything but connections and certificates. `started_seconds`: of the process, since the Unix epoch.
pub fn read(started_seconds: f64) -> RimFigures {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let kib = |name: &str| number(&status, name).unwrap_or(0) * 1024;
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let descriptors = fs::read_dir("/proc/self/fd").map_or(0, |all| all.count().saturating_sub(1));
    RimFigures {
        connections: Vec::new(),
        certificates: Vec::new(),
        cpu_seconds: cpu_seconds(&fs::read_to_string("/proc/self/stat").unwrap_or_default()),
        resident_bytes: kib("VmRSS:"),
        virtual_bytes: kib("VmSize:"),
        open_descriptors: descriptors as u64,
        descriptors_max: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        threads: number(&status, "Threads:").unwrap_or(0),
        started_seconds,
        disk_read_bytes: number(&io, "read_bytes:"),
        disk_written_bytes: number(&io, "write_bytes:"),
    }
}

fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// User and system time of all threads: the 14th and the 15th field, the second of which may hold anything but ends with the last `)`.
fn cpu_seconds(stat: &str) -> f64 {
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks = after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_this_process() {
        let figures = read(1.0);
        assert!(figures.resident_bytes > 1 << 20 && figures.virtual_bytes >= figures.resident_bytes);
        assert!(figures.threads >= 1 && figures.open_descriptors >= 3);
        assert!(figures.descriptors_max >= figures.open_descriptors);
        assert_eq!(cpu_seconds("7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0"), 2.0);
    }
}
