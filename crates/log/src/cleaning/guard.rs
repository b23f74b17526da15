//! How a log calls its cleaning off: truncation, deletion and the end of the log must not meet a cleaning that still writes. Every
//! change of a name or a byte by the cleaning happens under this lock; once it is called off, none happens any more.

use super::outcome::CleanStop;
use crate::disk::Disk;
use crate::fault::Fault;
use crate::segment::Segment;
use parking_lot::Mutex;
use std::sync::Arc;

/// Shared by a log and the one cleaning it has under way.
#[derive(Debug, Default)]
pub(crate) struct CleanGuard(Mutex<Under>);

#[derive(Debug, Default)]
struct Under {
    off: bool,
    /// The segment being written, until the log takes it in.
    cleaned: Option<Arc<Segment>>,
}

impl CleanGuard {
    /// Does one bounded piece of work on the disk, unless the cleaning was called off.
    pub fn step<T>(&self, work: impl FnOnce() -> Result<T, Fault>) -> Result<T, CleanStop> {
        let under = self.0.lock();
        if under.off {
            return Err(CleanStop::CalledOff);
        }
        work().map_err(CleanStop::from)
    }

    /// A segment is begun (or, `None`, belongs to the log now).
    pub fn writes(&self, cleaned: Option<Arc<Segment>>) {
        let mut under = self.0.lock();
        assert!(under.cleaned.is_none() || cleaned.is_none(), "a cleaning writes one segment at a time");
        under.cleaned = cleaned;
    }

    pub fn is_off(&self) -> bool {
        self.0.lock().off
    }

    /// Ends the cleaning; true if it leaves files behind.
    pub fn call_off(&self) -> bool {
        let mut under = self.0.lock();
        under.off = true;
        under.cleaned.is_some()
    }

    /// Removes what the cleaning was writing. Data first: companions without it are nothing.
    pub fn remove_files(&self, disk: &dyn Disk) -> Result<(), Fault> {
        let Some(cleaned) = self.0.lock().cleaned.take() else { return Ok(()) };
        cleaned.files().iter().try_for_each(|file| disk.remove(file))
    }
}
