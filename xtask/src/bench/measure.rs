//! What a run cost the broker, read from the kernel's accounts of its process.

use std::time::Duration;

/// CPU time and memory of a process at one moment.
#[derive(Clone, Copy)]
pub struct Usage {
    /// User and system time.
    pub cpu: Duration,
    /// Resident memory.
    pub resident_mb: f64,
}

/// Reads `/proc/<id>`; zeros if the process is gone.
pub fn usage(id: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // Fields behind the name in parentheses; utime and stime are the 12th and 13th of them, in hundredths of a second.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let resident = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib =
        resident.and_then(|line| line.split_whitespace().nth(1)).and_then(|kib| kib.parse::<f64>().ok());
    Usage {
        cpu: Duration::from_millis((ticks(11) + ticks(12)) * 10),
        resident_mb: kib.unwrap_or(0.0) / 1024.0,
    }
}

/// The middle, the least and the most of some runs.
#[derive(Clone, Debug)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(mut values: Vec<f64>) -> Spread {
        values.sort_by(f64::total_cmp);
        let at = |share: usize| values.get(share).copied().unwrap_or(f64::NAN);
        let (lower, upper) = (values.len().saturating_sub(1) / 2, values.len() / 2);
        Spread {
            median: f64::midpoint(at(lower), at(upper)),
            least: at(0),
            most: at(values.len().saturating_sub(1)),
        }
    }
}

/// The value at `share` (0.99 …) of sorted times, in microseconds.
pub fn percentile(sorted: &[Duration], share: f64) -> f64 {
    let at = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6)
}
