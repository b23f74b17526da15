//! What the blows of `faults.rs` and `moves.rs` strike with: the network and the disk below three nodes. All of it is gone with this value.

use crate::network::Network;
use crate::stages::crash::power::PoweredDisk;
use crate::stages::workbench::Workbench;

/// The controller that comes into the quorum for a while: it has a host beside those of the three.
pub const FOURTH: i32 = 4;

/// The ground on which three nodes stand.
pub struct Ground<'a> {
    pub bench: &'a Workbench,
    pub network: Network,
    /// One of the log directories of one node lies on it.
    pub disk: PoweredDisk,
}
