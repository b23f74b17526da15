//! What only the rim knows: the process and its sockets.

/// What the rim knows: the process and its sockets.
#[derive(Clone, Debug, Default)]
pub struct RimFigures {
    /// Live connections by listener.
    pub connections: Vec<(String, usize)>,
    /// When the certificate that a listener shows ends, in seconds since the Unix epoch.
    pub certificates: Vec<(String, i64)>,
    /// Processor time of all threads.
    pub cpu_seconds: f64,
    /// Memory in use.
    pub resident_bytes: u64,
    /// Addresses in use.
    pub virtual_bytes: u64,
    /// Open descriptors.
    pub open_descriptors: u64,
    /// And how many there may be.
    pub descriptors_max: u64,
    /// Threads of the process.
    pub threads: u64,
    /// Since the Unix epoch.
    pub started_seconds: f64,
    /// What the process has had read from disks, where the kernel tells.
    pub disk_read_bytes: Option<u64>,
    /// And written.
    pub disk_written_bytes: Option<u64>,
}
