//! The suites: where each comes from, what its broker is like, how many of its tests run at the same time.

use super::case::Case;
use super::{crates, librdkafka, python};
use crate::stages::workbench::Workbench;
use anyhow::Result;

/// One suite: where it comes from, what its broker is like, how many of its tests run at the same time.
pub struct Suite {
    /// What picks it on the command line, and its folder below `tests/suites`.
    pub name: &'static str,
    /// What it is, for docs/suites.md.
    pub about: &'static str,
    /// Settings of its broker.
    pub properties: &'static [(&'static str, &'static str)],
    /// Fetches and builds it; its tests.
    pub install: fn(&Workbench) -> Result<Vec<Case>>,
    /// How many of its tests run at the same time.
    pub workers: usize,
}

/// The longest first: two suites are run at a time.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "librdkafka",
        about: "librdkafka's own regression suite, from the npm package @confluentinc/kafka-javascript",
        properties: &[("num.partitions", "4")],
        install: librdkafka::install,
        workers: 4,
    },
    Suite {
        name: "rdkafka",
        about: "integration tests of the crate rdkafka",
        properties: &[("num.partitions", "3"), ("node.id", "0")],
        install: crates::rdkafka,
        workers: 2,
    },
    Suite {
        name: "krafka",
        about: "integration tests of the crate krafka",
        properties: &[("num.partitions", "4")],
        install: crates::krafka,
        workers: 4,
    },
    Suite {
        name: "kafka-python",
        about: "integration tests of kafka-python's source distribution",
        properties: &[("num.partitions", "4"), ("node.id", "0")],
        install: python::install,
        workers: 2,
    },
    Suite {
        name: "rskafka",
        about: "integration tests of the crate rskafka",
        properties: &[("auto.create.topics.enable", "false")],
        install: crates::rskafka,
        workers: 2,
    },
];
