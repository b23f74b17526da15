//! Server-side assignors (KIP-848): who of a group shall have which partitions. Pure functions of what members want and what they were
//! last meant to have; the same answer as Kafka's for the same question, which is why the order of Java's hash tables matters here.
//!
//! Owns no state and knows neither epochs nor who has what by now: that is reconciliation's.

mod heterogeneous;
mod order;
mod queue;
mod range;
pub mod simple;
pub mod sticky;
mod table;
#[cfg(test)]
mod tests;
mod uniform;
mod wanted;

pub use wanted::{Assignment, Wanted, WantingMember};

use std::collections::BTreeMap;
use wire::Str;

/// How the partitions of a group are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assignor {
    /// As many for each as for any other; what a member has it keeps if that can be.
    Uniform,
    /// Of each topic a range; the same range of topics that are divided alike.
    Range,
}

impl Assignor {
    /// By the name that members ask for.
    pub fn of_name(name: &str) -> Option<Assignor> {
        [Assignor::Uniform, Assignor::Range].into_iter().find(|known| known.name() == name)
    }

    /// The name that members ask for.
    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// What each member shall have. A member without partitions may be missing.
    pub fn assign(self, wanted: &Wanted<'_>) -> BTreeMap<Str, Assignment> {
        if wanted.members.is_empty() {
            return BTreeMap::new();
        }
        match self {
            Assignor::Range => range::assign(wanted),
            Assignor::Uniform if wanted.all_alike => uniform::assign(wanted),
            Assignor::Uniform => heterogeneous::assign(wanted),
        }
    }
}
