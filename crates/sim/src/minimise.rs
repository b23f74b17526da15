//! A failing run with as few of its faults as still make it fail the same way. Tries again and again; owns nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::run::{Options, run};

/// How a run fails: by the name of an invariant, or by a panic. `None`: it holds.
pub fn failure(options: &Options) -> Option<&'static str> {
    match catch_unwind(AssertUnwindSafe(|| run(options.clone()))) {
        Ok(report) => report.violation.map(|violation| violation.invariant),
        Err(_) => Some("panic"),
    }
}

/// Leaves out one fault after the other, until each that is left is needed.
pub fn minimise(options: &Options, faults: usize) -> Options {
    let mut kept = options.clone();
    let Some(known) = failure(&kept) else { return kept };
    loop {
        let before = kept.without.len();
        for place in (0..faults).rev() {
            let mut fewer = kept.clone();
            if fewer.without.insert(place) && failure(&fewer) == Some(known) {
                kept = fewer;
            }
        }
        if kept.without.len() == before {
            return kept;
        }
    }
}
