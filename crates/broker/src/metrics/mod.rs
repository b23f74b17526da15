//! What the node knows of itself, and how it is told: counters that their owners write, and the text that a scrape makes of them.
//!
//! Every counter has one owner, who writes it as a plain relaxed atomic; what several write (what leaves a partition, by lane) is a relaxed
//! addition. Nothing is looked up, locked or allocated for a request. Sums, quantiles, names and labels are made when somebody
//! asks: `scrape.rs` gathers, the rooms beside it write their families. Never decides anything, and nothing else reads from here.

pub(crate) mod families;
pub(crate) mod groups;
pub mod histogram;
pub(crate) mod node_figures;
pub(crate) mod partitions;
pub mod process;
pub mod requests;
pub mod scrape;
pub mod text;
pub(crate) mod traffic;
