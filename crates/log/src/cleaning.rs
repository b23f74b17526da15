//! Log compaction: which part of a log is worth cleaning (`choice`), what stays of it (`filter`), and the work itself as data
//! (`work`; its two halves `mapping` and `copying`, what they share `round`), to be run in bounded slices on any thread while the log
//! goes on. The log is entered only to take new segments in (`swap`). Never deletes what is not replaced, never cleans the active segment or beyond the last stable offset.
//! KIP-58, KIP-98, KIP-280 (offset strategy), KIP-354, KIP-534.

mod bookmark;
mod choice;
mod copying;
#[cfg(test)]
mod crash_tests;
mod filter;
mod guard;
mod key_hash;
mod mapping;
mod offset_map;
mod outcome;
mod round;
mod standings;
mod swap;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod transaction_tests;
mod transactions;
mod work;

pub(crate) use guard::CleanGuard;

pub use choice::CleanCandidate;
pub use offset_map::MapBounds;
pub use outcome::{CleanFigures, CleanStep, CleanStop};
pub use work::CleanWork;
