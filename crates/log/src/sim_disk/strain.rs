//! A simulated disk that breaks or is full for a while. What then fails is the disk's own business.

use super::SimDisk;
use std::path::Path;

impl SimDisk {
    /// Bytes all files together may have.
    pub fn set_capacity(&self, bytes: u64) {
        self.state.lock().capacity = bytes;
    }

    /// All files together may have so many bytes more than they have.
    pub fn leave_room_for(&self, bytes: u64) {
        let mut state = self.state.lock();
        state.capacity = 0;
        state.capacity = state.used() + bytes;
    }

    /// True while it is broken, full to a bound, or a fault is to come.
    pub fn is_strained(&self) -> bool {
        let state = self.state.lock();
        state.capacity != u64::MAX || !state.broken.is_empty() || !state.faults.is_empty()
    }

    /// The device below a directory breaks: everything there fails with EIO, reads too, until it is [`SimDisk::mend`]ed.
    pub fn break_below(&self, directory: &Path) {
        self.state.lock().broken.push(directory.to_path_buf());
    }

    /// The device works again, with what had reached it.
    pub fn mend(&self) {
        self.state.lock().broken.clear();
    }
}
