//! Transactions a second and how long one takes, by Kafka's own producer: begin, a record to each partition, commit, one after the other.

use super::cell::{Cell, Figures, Run};
use super::load;
use crate::oracle::Oracle;
use crate::process;
use crate::provision;
use anyhow::{Context, Result, ensure};
use std::time::Duration;

/// So long each load is measured.
const SECONDS: &str = "8";

/// Partitions of a transaction, with the figures' names.
const LOADS: [(i32, [&str; 3]); 2] = [
    (1, ["transactions/s, 1 partition", "p50 ms, 1 partition", "p99 ms, 1 partition"]),
    (16, ["transactions/s, 16 partitions", "p50 ms, 16 partitions", "p99 ms, 16 partitions"]),
];

pub fn java<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let oracle = Oracle::install(cell.workspace)?;
    let sources = cell.workspace.root.join("tests/transactions");
    let classes = provision::javac(cell.workspace, &sources, &oracle.broker_jars)?;
    let broker = cell.start()?;
    Ok(Box::new(move |run| {
        let mut figures = Figures::new();
        for (partitions, names) in LOADS {
            let topic = cell.topic(&format!("transactions-{partitions}"), run);
            load::create(&broker.address(), &topic, partitions, &[])?;
            let mut command = oracle.java("256m", &[&classes]);
            command.args(["Transactions", &broker.address(), &topic, &partitions.to_string(), SECONDS]);
            let log = cell.workspace.scratch("test-logs")?.join("bench-transactions.log");
            let finished = process::run(&mut command, &log, Duration::from_secs(120))?;
            ensure!(finished.success, "{}: {}", finished.how, finished.tail(5));
            let found = numbers(&finished.output).with_context(|| finished.tail(5))?;
            figures.extend(names.into_iter().zip(found));
        }
        Ok(figures)
    }))
}

/// The line before the last: three numbers.
fn numbers(output: &str) -> Option<[f64; 3]> {
    let line = output.lines().rev().nth(1)?;
    let found: Vec<f64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    found.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_figures_are_read() {
        assert_eq!(numbers("warning\n120.5 8.100 20.000\ndone - 9 transactions\n"), Some([120.5, 8.1, 20.0]));
        assert_eq!(numbers("done - 9 transactions\n"), None);
    }
}
