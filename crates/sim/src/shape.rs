//! What a seed draws before its run begins: the node's configuration, the workload, the faults and how often they come
//! (swarm testing: no two seeds stress the same corner). Decides nothing during the run.

use crate::cluster::shape::{ClusterShape, Power};
use crate::random::Random;
use wire::planted::Bug;

/// `log.flush.ack`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushMode {
    /// acks=all waits for the disk where one in-sync copy is all there is.
    Auto,
    /// acks=all always waits for the disk.
    Group,
    /// Nothing waits for the disk, as in Kafka.
    None,
}

impl FlushMode {
    /// As the key has it.
    pub fn name(self) -> &'static str {
        match self {
            FlushMode::Auto => "auto",
            FlushMode::Group => "group",
            FlushMode::None => "none",
        }
    }

    /// An acks=all answer and a committed offset outlive a power loss.
    pub fn is_durable(self) -> bool {
        match self {
            FlushMode::Auto | FlushMode::Group => true,
            FlushMode::None => false,
        }
    }
}

/// A lie planted on purpose: with it some invariant has to fall, or the simulation is blind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// None: the real thing.
    Nothing,
    /// The disk says that it has synced and has not.
    DiskLies,
    /// The node runs with `log.flush.ack=none`; the checker believes in `auto`.
    FlushesNothing,
    /// A producer retries under a new sequence, so that the node cannot know the duplicate.
    ForgetfulProducer,
    /// A group's leader gives a partition to two members.
    GenerousLeader,
    /// The disk turns a bit of a synced batch while the machine is off.
    RottenDisk,
    /// Leaders of a cluster acknowledge before anybody has replicated: producers ask for acks=1 and believe in acks=all.
    AcksBeforeReplication,
    /// The disk says that a directory is synced and has not.
    DirectoriesLie,
    /// A sync that failed is taken for one that did not.
    SwallowsSyncFaults,
    /// The nodes run with `min.insync.replicas=1`; the checker believes in 2.
    IgnoresMinIsr,
    /// The nodes run with `unclean.leader.election.enable=true`; the checker believes that they do not.
    ElectsUncleanly,
    /// The product itself is wrong.
    Product(Bug),
}

/// The shape of one run.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Shards of the node.
    pub shards: usize,
    /// When an answer waits for the disk.
    pub flush: FlushMode,
    /// Topics of the workload.
    pub topics: usize,
    /// Partitions of each of them.
    pub partitions: i32,
    /// Size of a segment of theirs.
    pub segment_bytes: i64,
    /// `index.interval.bytes` of all topics.
    pub index_interval_bytes: i64,
    /// Age at which their segments roll.
    pub segment_ms: i64,
    /// Partitions of `__consumer_offsets`.
    pub offsets_partitions: i32,
    /// Size of a segment of it.
    pub offsets_segment_bytes: i64,
    /// Metadata between two snapshots, in bytes.
    pub snapshot_bytes: i64,
    /// Producers of the workload.
    pub producers: usize,
    /// Batches that each producer sends.
    pub batches: i64,
    /// Consumer groups.
    pub groups: usize,
    /// Members of each group.
    pub members: usize,
    /// They speak the consumer protocol (KIP-848); drawn by nobody.
    pub modern_groups: bool,
    /// Their session timeout.
    pub session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`.
    pub rebalance_delay_ms: i64,
    /// Times that the machine goes down before the world heals.
    pub downs: i64,
    /// About so long between two of them.
    pub down_every_ms: i64,
    /// Of a thousand requests or answers, so many end their connection.
    pub resets: u32,
    /// Of a thousand messages, so many take long.
    pub slow_messages: u32,
    /// Of a thousand flushes, so many take long.
    pub slow_jobs: u32,
    /// Of a thousand reads, so many find that the page cache has let go of what they want.
    pub misses: u64,
    /// An admin calls DeleteRecords.
    pub deletes_records: bool,
    /// An admin creates and deletes topics.
    pub churns_topics: bool,
    /// Operations of the disk may fail.
    pub disk_faults: bool,
    /// The machines, if there are several.
    pub cluster: ClusterShape,
    /// What is planted.
    pub plant: Plant,
    /// The same run without the lie: it has to hold, or the lie is not what was found.
    pub is_sound: bool,
}

impl Shape {
    /// Draws a shape; with a plant it is one in which the plant can show.
    pub(crate) fn draw(random: &mut Random, plant: Plant) -> Shape {
        let flush = random
            .pick(&[FlushMode::Auto, FlushMode::Auto, FlushMode::Group, FlushMode::None], FlushMode::Auto);
        Shape {
            shards: random.between(1, 5) as usize,
            flush: if plant == Plant::Nothing { flush } else { FlushMode::Auto },
            topics: random.between(1, 4) as usize,
            partitions: random.between(1, 5) as i32,
            segment_bytes: random.pick(&[1_600, 4_000, 1 << 20], 4_000),
            index_interval_bytes: random.pick(&[1, 200, 4_096], 200),
            segment_ms: random.pick(&[700, 5_000, 600_000], 5_000),
            offsets_partitions: random.between(1, 4) as i32,
            offsets_segment_bytes: random.pick(&[1_500, 5_000, 1 << 20], 5_000),
            snapshot_bytes: random.pick(&[1_000, 10_000, 20 << 20], 10_000),
            producers: random.between(1, 5) as usize,
            batches: random.between(10, 60),
            groups: random.between(0, 3) as usize,
            members: random.between(1, 4) as usize,
            modern_groups: false,
            session_timeout_ms: random.pick(&[600, 2_000, 6_000], 2_000),
            rebalance_delay_ms: random.pick(&[0, 0, 100], 0),
            downs: random.between(0, 5),
            down_every_ms: random.pick(&[150, 800, 3_000], 800),
            resets: random.pick(&[0, 5, 40], 5),
            slow_messages: random.pick(&[0, 20, 200], 20),
            slow_jobs: random.pick(&[0, 50, 400], 50),
            deletes_records: random.per_mille(400),
            churns_topics: random.per_mille(400),
            disk_faults: random.per_mille(500),
            misses: random.pick(&[0, 30, 500], 30),
            cluster: ClusterShape::alone(),
            plant,
            is_sound: false,
        }
        .planted()
    }

    /// The same workload on several machines: nothing is deleted there, and what only one node's clients do is left out.
    pub(crate) fn of_a_cluster(self, cluster: ClusterShape) -> Shape {
        let flush = match cluster.power {
            Power::WeakEverywhere => FlushMode::Group,
            Power::WeakAt(_) | Power::Steady => FlushMode::Auto,
        };
        Shape { cluster, flush, deletes_records: false, churns_topics: false, ..self }
    }

    /// A plant shows only where its fault can strike.
    fn planted(self) -> Shape {
        match self.plant {
            Plant::Nothing | Plant::AcksBeforeReplication | Plant::IgnoresMinIsr | Plant::ElectsUncleanly => {
                self
            }
            Plant::DiskLies | Plant::FlushesNothing | Plant::RottenDisk | Plant::DirectoriesLie => {
                Shape { downs: 4, down_every_ms: 800, deletes_records: false, disk_faults: false, ..self }
            }
            Plant::ForgetfulProducer => Shape { resets: 40, ..self },
            Plant::SwallowsSyncFaults => {
                Shape { downs: 6, down_every_ms: 800, deletes_records: false, disk_faults: true, ..self }
            }
            Plant::Product(bug) => self.with_bug(bug),
            Plant::GenerousLeader => Shape { groups: 1, members: 3, partitions: 4, ..self },
        }
    }

    /// A bug of the product shows only where what it spoils is in use.
    fn with_bug(self, bug: Bug) -> Shape {
        match bug {
            Bug::AppendsDuplicates => Shape { resets: 40, ..self },
            Bug::ForgetsDeletions => {
                Shape { downs: 4, deletes_records: true, segment_bytes: 1 << 20, ..self }
            }
            Bug::TrustsTheTail => Shape { downs: 6, down_every_ms: 800, deletes_records: false, ..self },
            Bug::SnapsHalf => Shape { downs: 4, snapshot_bytes: 1_000, churns_topics: true, ..self },
            Bug::CleansTheLast => {
                Shape { downs: 4, groups: 2, members: 2, offsets_segment_bytes: 1_500, ..self }
            }
            Bug::AnswersEarly | Bug::LoadsHalf => Shape { groups: 2, members: 2, ..self },
            Bug::LosesFromSession => Shape { topics: 3, partitions: 4, ..self },
            _ => self,
        }
    }

    /// True where the run tells this lie.
    pub fn lies(&self, plant: Plant) -> bool {
        self.plant == plant && !self.is_sound
    }

    /// What a node's file says at its next start.
    pub fn settings(&self, boots: u64) -> Vec<(&'static str, String)> {
        let flush = if self.lies(Plant::FlushesNothing) { FlushMode::None } else { self.flush };
        let mut settings = self.cluster.settings();
        if self.lies(Plant::IgnoresMinIsr) {
            settings.retain(|(key, _)| *key != "min.insync.replicas");
        }
        if self.cluster.wavers && boots % 2 == 1 {
            let higher = i64::from(self.cluster.min_insync_replicas) + 1;
            settings.push(("min.insync.replicas", higher.to_string()));
        }
        if self.lies(Plant::ElectsUncleanly) {
            settings.push(("unclean.leader.election.enable", "true".to_owned()));
        }
        if self.modern_groups {
            let session_ms = self.session_timeout_ms.to_string();
            settings.extend([
                ("group.consumer.session.timeout.ms", session_ms),
                ("group.consumer.min.session.timeout.ms", "100".to_owned()),
                ("group.consumer.heartbeat.interval.ms", "50".to_owned()),
                ("group.consumer.min.heartbeat.interval.ms", "50".to_owned()),
                ("group.consumer.assignment.interval.ms", "0".to_owned()),
            ]);
        }
        settings.extend([
            ("log.flush.ack", flush.name().to_owned()),
            ("offsets.topic.replication.factor", self.cluster.replication_factor.to_string()),
            ("offsets.topic.num.partitions", self.offsets_partitions.to_string()),
            ("metadata.log.max.record.bytes.between.snapshots", self.snapshot_bytes.to_string()),
            ("group.initial.rebalance.delay.ms", self.rebalance_delay_ms.to_string()),
            ("group.min.session.timeout.ms", "100".to_owned()),
            ("log.segment.delete.delay.ms", "300".to_owned()),
            ("log.retention.check.interval.ms", "1000".to_owned()),
            // Cleanings all the time, with maps that are full after a few keys.
            ("log.cleaner.backoff.ms", "100".to_owned()),
            ("log.cleaner.min.cleanable.ratio", "0.01".to_owned()),
            ("log.cleaner.dedupe.buffer.size", "2000".to_owned()),
            ("auto.create.topics.enable", "false".to_owned()),
        ]);
        settings
    }

    /// What the offsets topic is created with: small segments, which `offsets.topic.segment.bytes` does not allow.
    pub fn offsets_configs(&self) -> Vec<(&'static str, String)> {
        vec![
            ("internal.segment.bytes", self.offsets_segment_bytes.to_string()),
            ("index.interval.bytes", self.index_interval_bytes.to_string()),
            ("cleanup.policy", "compact".to_owned()),
        ]
    }

    /// What a topic of the workload is created with.
    pub fn topic_configs(&self) -> Vec<(&'static str, String)> {
        vec![
            ("internal.segment.bytes", self.segment_bytes.to_string()),
            ("index.interval.bytes", self.index_interval_bytes.to_string()),
            ("segment.ms", self.segment_ms.to_string()),
            // A batch may have been made before the clock was set back.
            ("message.timestamp.after.max.ms", i64::MAX.to_string()),
        ]
    }
}
