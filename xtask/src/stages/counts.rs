//! The gate on speed that holds on a busy machine: instructions, allocations, system calls, memory and descriptors of the release binary
//! against the bounds in `bench/bounds.rs`. Never looks at a clock.

use super::workbench::Workbench;
use crate::bench::bounds::{self, BOUNDS};
use crate::tally::Tally;
use crate::words::say;
use anyhow::Result;

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let figures = bounds::measure(&bench.workspace)?;
    let mut tally = Tally::default();
    for bound in BOUNDS {
        let found =
            figures.iter().find(|(figure, _)| *figure == bound.figure).map_or(f64::NAN, |(_, value)| *value);
        say(format_args!("   {:<52} {found:>9.2}, bound {}, goal {}", bound.figure, bound.most, bound.goal));
        let slipped = format!("{}: {found:.2} is above its bound {}", bound.figure, bound.most);
        // A figure that was not measured is NaN and holds nothing.
        tally.check(&slipped, found <= bound.most);
    }
    Ok(tally)
}
