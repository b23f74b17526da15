//! What a hosted machine is told about its partition.

use wire::compress::Compression;
use wire::wall::Wall;

/// Limits of its partition, and its wall clock.
#[derive(Debug, Clone)]
pub struct HostedOptions {
    /// `max.message.bytes` of the topic: no batch is larger.
    pub max_batch_bytes: usize,
    /// `offsets.topic.compression.codec` and its kin.
    pub compression: Compression,
    /// `offsets.commit.timeout.ms` and its kin: a parked answer older than this becomes COORDINATOR_NOT_AVAILABLE.
    pub answer_timeout_ms: i64,
    /// What the batches' times are.
    pub wall: Wall,
}

impl Default for HostedOptions {
    fn default() -> Self {
        HostedOptions {
            max_batch_bytes: 1_048_588,
            compression: Compression::None,
            answer_timeout_ms: 5_000,
            wall: Wall::default(),
        }
    }
}
