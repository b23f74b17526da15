//! One partition's log on disk: append, read, truncate, index, recover. The only crate that touches files, and only in `disk.rs`.

#![warn(missing_docs)]

mod ahead;
pub mod append;
mod appending;
mod buffers;
mod checkpoint;
pub mod cleaning;
pub mod config;
#[cfg(test)]
mod crash_tests;
mod damage;
pub mod directory;
pub mod disk;
pub mod epochs;
pub mod fault;
mod fetched;
pub mod flush;
pub mod future;
mod index;
mod invariants;
mod leftovers;
#[allow(clippy::module_inception)]
mod log;
pub mod names;
mod open;
mod producers;
mod read;
mod read_ahead;
mod recovery;
mod removing;
mod repair;
mod replay;
mod replicating;
pub mod retention;
mod scan;
mod segment;
mod segment_list;
#[cfg(any(test, feature = "testing"))]
pub mod sim_disk;
mod snapshot;
mod source;
#[cfg(test)]
mod testing;
mod timestamps;
mod trails;
pub mod transactions;
mod verified;
pub mod view;

pub use append::{AppendOrigin, AppendRefused, Appended};
pub use buffers::ReadMemory;
pub use checkpoint::is_sound;
pub use cleaning::{CleanCandidate, CleanFigures, CleanStep, CleanStop, CleanWork, MapBounds};
pub use config::LogConfig;
pub use directory::LogDirectory;
pub use disk::{Disk, DiskSpace, FileHandle, RealDisk};
pub use fault::Fault;
pub use fetched::{Fetched, ReadRefused};
pub use flush::{FlushOutcome, FlushWork};
pub use future::{CopyStop, FutureLog};
pub use log::{Closed, Log};
pub use open::{OpenMode, RecoveryReport};
pub use producers::FirstWrite;
pub use read_ahead::ReadAhead;
pub use repair::Repaired;
pub use retention::Removal;
#[cfg(any(test, feature = "testing"))]
pub use sim_disk::SimDisk;
pub use source::Reach;
pub use view::{ActiveProducer, LogView, OffsetSpec, ReadLimit, ReadTerms, TimestampOffset};
