//! The follower's way to its leaders: which partitions are fetched from whom (`fetcher.rs`, pure), all of the node's fetchers
//! (`fetchers.rs`), what passes between them and the shards (`following.rs`), how fast it may
//! go (`throttle.rs`), and how often damage is looked after (`repairs.rs`). Never touches a log; who sends is `node/replicating.rs`.

pub(crate) mod fetcher;
pub(crate) mod fetchers;
pub(crate) mod following;
pub(crate) mod repairs;
pub(crate) mod throttle;
