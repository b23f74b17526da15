//! Other people's jobs against one broker: what Kafka Streams, Kafka Connect, Flink, Spark and the like make of a topic while they and the
//! broker are killed with -9 is compared to the last record.
//!
//! Owns the table of jobs; how one is run is in its own file, what it runs in `tests/jobs/<job>`. Never judges by exit codes alone.

mod connect;
mod program;
mod streams;

use super::workbench::Workbench;
use crate::tally::Tally;
use crate::words::say;
use anyhow::{Context, Result};
use std::time::Instant;

/// One job.
struct Job {
    /// What picks it: `--only=NAME`.
    name: &'static str,
    run: fn(&Workbench) -> Result<Tally>,
}

const JOBS: &[Job] = &[
    Job { name: "streams", run: streams::run },
    Job { name: "streams-group", run: streams::run_as_group },
    Job { name: "connect", run: connect::run },
];

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    for job in JOBS {
        let chosen = bench.part.as_deref().is_none_or(|part| part == job.name);
        if chosen {
            let began = Instant::now();
            let found = (job.run)(bench).with_context(|| job.name.to_owned())?;
            say(format_args!(
                "   {}: {} checks in {:.0} s",
                job.name,
                found.passed,
                began.elapsed().as_secs_f64()
            ));
            tally.absorb(job.name, found);
        }
    }
    Ok(tally)
}
