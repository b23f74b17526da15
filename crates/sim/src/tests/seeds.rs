//! Seeds that hold, twice the same.

use crate::{Options, Plant, run};

#[test]
fn a_number_of_seeds_hold_and_run_twice_the_same() {
    for seed in 0..12 {
        let options = Options { seed, plant: Plant::Nothing, print: false };
        let first = run(options);
        assert_eq!(first.violation, None, "seed {seed}");
        assert_eq!(first, run(options), "seed {seed} takes two ways");
    }
}
