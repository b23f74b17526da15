//! Share groups where the records are (KIP-932): what ShareFetch and ShareAcknowledge do with the share partitions of this node. The
//! machine of one partition is `coordinator::share_partition`; its owner is the shard of the replica that it reads from.
//!
//! `question.rs` what a share partition is asked and wants · `hosting.rs` those of one replica, and who waits for them · `settings.rs` what
//! groups are configured with · `sessions.rs` who reads which partitions · `fetching.rs` one ShareFetch's way to records ·
//! `dead_letters.rs` what goes to the dead-letter queue of a group · `acknowledging.rs` what a request says of the records that its member holds.

pub(crate) mod acknowledging;
pub(crate) mod dead_letters;
pub(crate) mod fetching;
pub(crate) mod hosting;
pub(crate) mod question;
pub(crate) mod sessions;
pub(crate) mod settings;
