//! What a fetch needs besides its request: one look at the partitions it asks for (`pass.rs`), sessions (`session.rs`) and who has
//! which (`session_cache.rs`), reads that may wait for the platter (`cold_reads.rs`), waiting for bytes (`watch.rs`), followers that
//! wait (`parked.rs`), and partitions that are not simply read (`exceptions.rs`). Reads views; no shard is entered from here.

pub(crate) mod cold_reads;
pub(crate) mod exceptions;
pub(crate) mod parked;
pub(crate) mod pass;
pub(crate) mod session;
pub(crate) mod session_cache;
pub(crate) mod watch;
