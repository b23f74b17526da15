//! The history checker: what clients sent, polled and were told, held against what Kafka promises. Pure: a history in, a verdict out;
//! knows nothing of machines or of the simulation. The rules and their names are those of the published workloads for Kafka (Jepsen);
//! what Kafka allows (gaps between the sends of a transaction, circles of writes) is not looked for.

mod cycles;
pub mod json;
pub mod ops;
mod rules;
mod verdict;
mod versions;

#[cfg(test)]
mod tests;

pub use ops::History;
pub use verdict::{Anomaly, Tally, Verdict};
pub use versions::SentTwice;

/// Judges a history. An error: it sends one value twice, so that nobody can tell which of them was read.
pub fn check(history: &History) -> Result<Verdict, SentTwice> {
    let mut verdict = Verdict { ops: history.ops.len(), values: history.values(), ..Verdict::default() };
    let versions = versions::Versions::of(history, &mut verdict)?;
    rules::reads(history, &versions, &mut verdict);
    rules::lost_and_unseen(history, &versions, &mut verdict);
    rules::courses(history, &versions, &mut verdict);
    rules::lags(history, &versions, &mut verdict);
    cycles::cycles(history, &versions, &mut verdict);
    Ok(verdict)
}
