//! What a seed draws for a run with several machines: who votes, who serves, how often a record is kept, what time limits there are and
//! which kinds of faults come. Decides nothing during the run.

use broker::Roles;

use crate::random::Random;

/// Where the power may go: what an acks=all answer promises depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power {
    /// It never goes.
    Steady,
    /// One machine may lose it, this one: with two in-sync copies, another one is left.
    WeakAt(usize),
    /// All may lose it: every answer waits for the disks.
    WeakEverywhere,
}

/// Kinds of faults; a seed's storm has some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Storm {
    pub kills: bool,
    pub clean_stops: bool,
    pub pauses: bool,
    pub cuts: bool,
    pub slow_links: bool,
    /// So many faults.
    pub strikes: i64,
    /// About so long between two of them.
    pub every_ms: i64,
    /// And so long each lasts at most.
    pub for_ms: i64,
}

/// The shape of a cluster.
#[derive(Debug, Clone)]
pub struct ClusterShape {
    /// Each machine's roles, in the order of node ids from 1 on; empty: one node on its own.
    pub roles: Vec<Roles>,
    /// Machines are dealt round among so many racks; 0: none has one.
    pub racks: usize,
    /// Clocks run fast or slow by up to so many thousandths.
    pub drift: i64,
    pub replication_factor: i16,
    pub min_insync_replicas: i16,
    pub power: Power,
    pub storm: Storm,
    /// How long a client waits for an answer.
    pub patience_ms: i64,
    /// An administrator makes and deletes topics and has leaders elected while faults strike.
    pub meddles: bool,
    /// Every other start of a node has `min.insync.replicas` one higher.
    pub wavers: bool,
    /// Copiers, which copy the workload in transactions.
    pub copiers: usize,
    /// Keys of the brokers' file.
    pub keys: Vec<(&'static str, i64)>,
}

const COMBINED: Roles = Roles::COMBINED;
const BROKER: Roles = Roles { broker: true, controller: false };
const CONTROLLER: Roles = Roles { broker: false, controller: true };

impl ClusterShape {
    /// One node on its own.
    pub fn alone() -> ClusterShape {
        let storm = Storm {
            kills: false,
            clean_stops: false,
            pauses: false,
            cuts: false,
            slow_links: false,
            strikes: 0,
            every_ms: 0,
            for_ms: 0,
        };
        ClusterShape {
            roles: Vec::new(),
            racks: 0,
            drift: 0,
            replication_factor: 1,
            min_insync_replicas: 1,
            power: Power::WeakEverywhere,
            storm,
            patience_ms: 20_000,
            meddles: false,
            wavers: false,
            copiers: 0,
            keys: Vec::new(),
        }
    }

    /// Draws one.
    pub fn draw(random: &mut Random) -> ClusterShape {
        let roles = match random.between(0, 10) {
            0 => vec![COMBINED; 2],
            1..=4 => vec![COMBINED; 3],
            5 => vec![COMBINED; 5],
            6 => vec![COMBINED, COMBINED, COMBINED, BROKER],
            7 => vec![CONTROLLER, BROKER, BROKER, BROKER],
            _ => vec![CONTROLLER, CONTROLLER, CONTROLLER, BROKER, BROKER],
        };
        let brokers = roles.iter().filter(|roles| roles.broker).count() as i64;
        let replication_factor = random.between(1, brokers.min(5) + 1);
        let min_insync_replicas = random.between(1, replication_factor.min(3) + 1);
        let weak = random.index(roles.len());
        let power = match random.between(0, 3) {
            0 => Power::WeakEverywhere,
            // Of one copy that is enough, nothing may be left.
            1 if min_insync_replicas > 1 => Power::WeakAt(weak),
            _ => Power::Steady,
        };
        let mut often = |per_mille| random.per_mille(per_mille);
        let storm = Storm {
            kills: often(700),
            clean_stops: often(500),
            pauses: often(500),
            cuts: often(600),
            slow_links: often(400),
            strikes: random.between(0, 14),
            every_ms: random.pick(&[200, 800, 3_000], 800),
            for_ms: random.pick(&[300, 2_000, 8_000], 2_000),
        };
        let session_ms = random.pick(&[800, 2_000, 6_000], 2_000);
        ClusterShape {
            racks: random.pick(&[0, 2, 3], 0),
            drift: random.pick(&[0, 0, 20], 0),
            replication_factor: replication_factor as i16,
            min_insync_replicas: min_insync_replicas as i16,
            power,
            storm,
            patience_ms: random.pick(&[1_500, 4_000], 4_000),
            meddles: false,
            wavers: false,
            copiers: 0,
            keys: vec![
                ("broker.session.timeout.ms", session_ms),
                ("broker.heartbeat.interval.ms", session_ms / 4),
                ("controller.quorum.election.timeout.ms", random.pick(&[200, 500, 1_000], 500)),
                ("controller.quorum.election.backoff.max.ms", random.pick(&[100, 500, 1_000], 500)),
                ("controller.quorum.fetch.timeout.ms", random.pick(&[500, 1_000, 2_000], 1_000)),
                ("controller.quorum.request.timeout.ms", random.pick(&[300, 1_000, 2_000], 1_000)),
                ("replica.lag.time.max.ms", random.pick(&[600, 2_000, 10_000], 2_000)),
                ("replica.fetch.wait.max.ms", random.pick(&[50, 200, 500], 200)),
                ("replica.fetch.backoff.ms", random.pick(&[20, 200, 1_000], 200)),
                ("replica.fetch.max.bytes", random.pick(&[200, 4_000, 1 << 20], 4_000)),
                ("replica.fetch.response.max.bytes", random.pick(&[1_000, 10 << 20], 10 << 20)),
                ("num.replica.fetchers", random.between(1, 4)),
                ("min.insync.replicas", min_insync_replicas),
                ("default.replication.factor", replication_factor),
            ],
            roles,
        }
    }

    /// More of what may go wrong. Chance of its own: all else of a seed is what it was.
    pub fn with_more(self, random: &mut Random) -> ClusterShape {
        ClusterShape { meddles: random.per_mille(400), wavers: random.per_mille(300), ..self }
    }

    /// Transactions beside everything else. Chance of its own, too.
    pub fn with_copiers(self, random: &mut Random) -> ClusterShape {
        let copiers = random.pick(&[0, 1, 2], 1);
        // Where all power may go, what was read may not be there later: no copy would be exact.
        let copiers = if self.power == Power::WeakEverywhere { 0 } else { copiers };
        ClusterShape { copiers, ..self }
    }

    /// Three machines that do everything, without faults of their own; records are kept so often.
    pub fn three(random: &mut Random, replication_factor: i16, min_insync_replicas: i16) -> ClusterShape {
        let drawn = ClusterShape::draw(random);
        ClusterShape {
            roles: vec![COMBINED; 3],
            racks: 0,
            drift: 0,
            replication_factor,
            min_insync_replicas,
            power: Power::Steady,
            storm: ClusterShape::alone().storm,
            keys: drawn.keys.into_iter().filter(|(key, _)| !key.starts_with("min.insync")).collect(),
            ..drawn
        }
        .with("min.insync.replicas", i64::from(min_insync_replicas))
    }

    fn with(mut self, key: &'static str, value: i64) -> ClusterShape {
        self.keys.push((key, value));
        self
    }

    /// More than one machine.
    pub fn is_plural(&self) -> bool {
        !self.roles.is_empty()
    }

    /// What one of its keys is set to.
    pub fn key(&self, name: &str) -> i64 {
        self.keys.iter().find(|(key, _)| *key == name).map_or(0, |(_, value)| *value)
    }

    /// What the files of all nodes say of it.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        self.keys.iter().map(|(key, value)| (*key, value.to_string())).collect()
    }
}
