//! The gate on what does not depend on load: bounds of the `counts` stage, a table to edit. A bound is what was measured last plus some
//! seven percent; lower it when the code gets better, raise it only with the reason in the commit.

use super::cell::{Cell, Figures};
use super::contender::OTTLA;
use super::{Options, calls, instructions as ir, scale};
use crate::workspace::Workspace;
use anyhow::Result;

/// The most that a figure may be; `goal` is where it should go.
pub struct Bound {
    pub figure: &'static str,
    pub most: f64,
    pub goal: f64,
}

const fn at_most(figure: &'static str, most: f64, goal: f64) -> Bound {
    Bound { figure, most, goal }
}

/// Figure, bound, goal.
pub const BOUNDS: &[Bound] = &[
    // 7,057: 230 of them since requests are counted and timed (decision 0034), as in all below.
    at_most(ir::PRODUCE_1K, 7_200.0, 5_000.0),
    // 10,670 to 11,040 seen.
    at_most(ir::PRODUCE_16K, 11_250.0, 9_000.0),
    at_most(ir::PRODUCE_PART, 4_100.0, 1_800.0),
    // 7,412: each read and write asks whether the connection is plain; what leaves is counted.
    at_most(ir::FETCH_64K, 7_560.0, 6_000.0),
    // 854 since a partition may be read on a follower, and what leaves it is counted.
    at_most(ir::SESSION, 875.0, 600.0),
    // 2,815, with 25 APIs more than there were to tell of.
    at_most(ir::API_VERSIONS, 2_900.0, 2_500.0),
    // 9,200 and 20,374, since a group may be of any of three protocols.
    at_most(ir::HEARTBEAT, 9_350.0, 6_000.0),
    at_most(ir::COMMIT, 20_700.0, 15_000.0),
    // 5,897 to 6,084.
    at_most(ir::METADATA_ONE, 6_200.0, 5_000.0),
    at_most(ir::METADATA_ALL, 1_050.0, 1_000.0),
    // As if nothing else were there.
    at_most(ir::PRODUCE_BESIDE, 7_200.0, 5_000.0),
    at_most(ir::FETCH_BESIDE, 7_400.0, 6_000.0),
    at_most(ir::ALLOCATIONS_16K, 2.0, 0.0),
    // The answer's head, its records, the count of those who hold the receive block; and what timers do meanwhile.
    at_most(ir::ALLOCATIONS_FETCH, 3.7, 0.0),
    // The answer, and the count of those who hold the receive block.
    at_most(ir::ALLOCATIONS_API_VERSIONS, 2.2, 0.0),
    // Three of them are per wake-up: a machine on which a wake-up finds fewer requests counts more (1.6 to 2.2 seen).
    at_most(calls::SYSTEM_CALLS, 2.4, 2.0),
    at_most(calls::SWITCHES, 0.5, 0.5),
    // 14.7 to 16.5 seen: the pages of the binary that a start touches, and libc; the kernel maps sixteen where one is touched, so that it
    // grows with the binary. What no other process can share is the next figure.
    at_most(scale::RESIDENT_IDLE, 17.5, 8.0),
    at_most(scale::OWN_IDLE, 2.0, 1.0),
    // Ten thousand are few: what making them leaves free in the heap is shared by them (of 100,000 each holds 0.21).
    at_most(scale::A_PARTITION, 0.6, 0.5),
    at_most(scale::A_CONNECTION, 1.5, 4.0),
    at_most(scale::DESCRIPTORS, 0.0, 0.0),
];

/// Measures everything that [`BOUNDS`] names.
pub fn measure(workspace: &Workspace) -> Result<Figures> {
    let options = Options { megabytes: 100, ..Options::default() };
    let cell = |name| Cell { name, workspace, options: &options, contender: OTTLA };
    let mut figures = ir::count(&cell("counts-instructions"))?(0)?;
    figures.extend(calls::count(&cell("counts-calls"))?(0)?);
    figures.extend(scale::memory(&cell("counts-memory"))?(0)?);
    Ok(figures)
}
