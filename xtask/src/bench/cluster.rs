//! A contender as three nodes, for the time of a cell: topics of three replicas, who leads them, what the three processes used.

use super::cell::Cell;
use super::contender::Who;
use super::measure::{cpu_seconds, resident_mb};
use super::speak::{self, Connection};
use crate::broker::Kind;
use crate::trio::{NODES, Trio};
use anyhow::{Context, Result, bail, ensure};
use std::time::{Duration, Instant};

/// How long a topic may take until all of it is led and in sync.
const LIMIT: Duration = Duration::from_secs(600);

/// Three nodes; their directories go with them.
pub struct Cluster {
    pub trio: Trio,
}

impl Cluster {
    /// The cell's contender, up and complete.
    pub fn start(cell: &Cell<'_>) -> Result<Cluster> {
        let kind = match cell.contender.who {
            Who::Ottla => Kind::Ottla,
            Who::Kafka => Kind::Kafka,
            Who::Floor { .. } | Who::Stranger => bail!("{} is no cluster", cell.contender.name),
        };
        let plain = |text: &str| text.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let name = format!("bench-{}-{}", plain(cell.name), plain(cell.contender.name));
        Ok(Cluster { trio: Trio::start(cell.workspace, kind, &name, cell.contender.settings)? })
    }

    /// Creates a topic of three replicas; returns when all nodes show it in sync and every leader can be read from.
    pub fn create(&self, topic: &str, partitions: i32) -> Result<Vec<(i32, String)>> {
        let mut connection = self.connect()?;
        let create = speak::create_replicated(&[topic.to_owned()], partitions, 3, &[]);
        speak::created(connection.call(&create)?)?;
        self.trio.wait_in_sync(&[topic], LIMIT)?;
        let leaders = self.leaders(topic)?;
        let since = Instant::now();
        for (partition, address) in &leaders {
            let mut connection = Connection::open(address)?;
            let frame = speak::fetch_now(topic, &[(*partition, 0)]);
            while let Err(refused) = speak::fetched(connection.call(&frame)?, |_, _, _| {}) {
                ensure!(since.elapsed() < LIMIT, "{topic} cannot be read: {refused}");
            }
        }
        Ok(leaders)
    }

    /// Partitions of a topic and the address of each one's leader.
    pub fn leaders(&self, topic: &str) -> Result<Vec<(i32, String)>> {
        let first = *self.trio.running().first().context("no node runs")?;
        let described = self.trio.described(first, Some(&[topic]))?;
        let partitions = described.topics.first().map_or(0, |topic| topic.partitions.len()) as i32;
        let led = |partition: i32| {
            let (_, address) = described.leader(partition).context("a partition without a leader")?;
            Ok((partition, address.to_owned()))
        };
        (0..partitions).map(led).collect()
    }

    /// To the first node that runs.
    pub fn connect(&self) -> Result<Connection> {
        let first = *self.trio.running().first().context("no node runs")?;
        Connection::open(&self.trio.address(first))
    }

    /// Of all three processes.
    pub fn cpu_seconds(&self) -> f64 {
        NODES.iter().map(|id| cpu_seconds(self.trio.process(*id))).sum()
    }

    /// Resident memory of the node that has least, and of the one that has most.
    pub fn resident_mb(&self) -> (f64, f64) {
        let each = NODES.map(|id| resident_mb(self.trio.process(id)));
        (each.into_iter().fold(f64::INFINITY, f64::min), each.into_iter().fold(0.0, f64::max))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for id in NODES {
            let _ = self.trio.kill(id);
        }
        let _ = std::fs::remove_dir_all(self.trio.directory());
    }
}
