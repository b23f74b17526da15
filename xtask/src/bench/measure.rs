//! What a process used, read from the kernel's accounts of it, and the arithmetic of several runs.

use std::time::Duration;

/// User and system seconds so far, to a hundredth; NaN for a process that is not there or not ours.
pub fn cpu_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // Fields behind the name in parentheses; utime and stime are the 12th and 13th of them, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(f64::NAN);
    (ticks(11) + ticks(12)) / 100.0
}

/// What the scheduler gave to the threads that live now, to a nanosecond: for a process that does nearly nothing.
pub fn scheduled_seconds(id: u32) -> f64 {
    let of_thread = |task: &str| {
        let text = std::fs::read_to_string(format!("/proc/{id}/task/{task}/schedstat")).unwrap_or_default();
        text.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or(0.0)
    };
    tasks(id).iter().map(|task| of_thread(task)).sum::<f64>() / 1e9
}

/// Context switches of all threads that live now.
pub fn switches(id: u32) -> f64 {
    let of_thread = |task: &String| {
        let text = std::fs::read_to_string(format!("/proc/{id}/task/{task}/status")).unwrap_or_default();
        let lines = text.lines().filter(|line| line.contains("ctxt_switches"));
        lines.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok()).sum::<f64>()
    };
    tasks(id).iter().map(of_thread).sum()
}

fn tasks(id: u32) -> Vec<String> {
    let entries = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Resident memory in MB of 2^20 bytes, shared pages of files included.
pub fn resident_mb(id: u32) -> f64 {
    status_mb(id, "VmRSS:")
}

/// The part of it that is the process' own: no page of a file.
pub fn own_mb(id: u32) -> f64 {
    status_mb(id, "RssAnon:")
}

fn status_mb(id: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let resident = status.lines().find(|line| line.starts_with(name));
    let kib =
        resident.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

pub fn descriptors(id: u32) -> f64 {
    std::fs::read_dir(format!("/proc/{id}/fd")).map_or(f64::NAN, |entries| entries.count() as f64)
}

/// The middle, the least and the most of some runs.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(values: &[f64]) -> Spread {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let (lower, upper) = (sorted.len().saturating_sub(1) / 2, sorted.len() / 2);
        Spread {
            median: f64::midpoint(at(lower), at(upper)),
            least: at(0),
            most: at(sorted.len().saturating_sub(1)),
        }
    }
}

/// The value at `share` (0.99 …) of sorted times, in microseconds.
pub fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}
