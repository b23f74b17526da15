//! Transactions over what happens to their broker: Kafka Streams counts words exactly once while it and the broker are killed; open
//! transactions move with their directory from one broker to the other and are ended there; Kafka's tools read the coordinator's log.

mod moved;
mod streams;

use super::workbench::Workbench;
use crate::tally::Tally;
use anyhow::Result;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    if bench.part.as_deref().is_none_or(|part| part == "moved") {
        tally.absorb("moved", moved::run(bench)?);
    }
    if bench.part.as_deref().is_none_or(|part| part == "streams") {
        tally.absorb("streams", streams::run(bench)?);
    }
    Ok(tally)
}
