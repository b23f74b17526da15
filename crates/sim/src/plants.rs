//! The bugs that the simulation has to find, each with the runs in which it can show. A bug counts as found where a seed fails with it
//! and holds without it. Owns the table; how a bug is made is `wire::planted`'s (in the product), `shape.rs`' and the clients' business.

use std::panic::{AssertUnwindSafe, catch_unwind};

use broker::Roles;
use wire::planted::Bug;

use crate::cluster::shape::Power;
use crate::cluster::strikes::{Down, Strike, What};
use crate::run::{Options, Script, run};
use crate::shape::Plant;

const BROKER: Roles = Roles { broker: true, controller: false };
const CONTROLLER: Roles = Roles { broker: false, controller: true };

/// Seeds that are tried with one bug.
const SEEDS: u64 = 400;

/// One bug and where it is looked for.
#[derive(Debug, Clone)]
pub struct Planted {
    /// What is wrong.
    pub name: &'static str,
    plant: Plant,
    script: Option<Script>,
}

/// How a bug was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The first seed that fails with it and holds without it.
    pub seed: u64,
    /// The invariant that says so.
    pub by: &'static str,
}

/// All of them.
pub fn plants() -> Vec<Planted> {
    let one = |name, plant| Planted { name, plant, script: None };
    let many = |name, plant, script: fn() -> Script| Planted { name, plant, script: Some(script()) };
    let bug = Plant::Product;
    vec![
        one("every sync of a segment removed", Plant::DiskLies),
        one("syncs of directories removed", Plant::DirectoriesLie),
        one("a sync that failed is taken for one that did not", Plant::SwallowsSyncFaults),
        one("acknowledged before it is flushed", Plant::FlushesNothing),
        one("a producer sends again under new sequences", Plant::ForgetfulProducer),
        one("a duplicate is appended", bug(Bug::AppendsDuplicates)),
        one("a partition has two owners in one generation", Plant::GenerousLeader),
        one("a bit turns on the disk", Plant::RottenDisk),
        one("a torn tail is believed without its checksum", bug(Bug::TrustsTheTail)),
        one("DeleteRecords is forgotten at the next start", bug(Bug::ForgetsDeletions)),
        one("the cleaner takes the last value of a key", bug(Bug::CleansTheLast)),
        one("a metadata snapshot leaves a configuration out", bug(Bug::SnapsHalf)),
        many("every sync removed, and the power of all goes", Plant::DiskLies, dark),
        many("acknowledged before it is replicated", Plant::AcksBeforeReplication, kills),
        many("a leader commits its own end", bug(Bug::CommitsItsOwnEnd), kills),
        many("a follower keeps what its leader never had", bug(Bug::KeepsWhatDiverged), kills),
        many("a follower truncates to its high watermark", bug(Bug::TruncatesToHighWatermark), kills),
        many("epochs of truncated records are kept", bug(Bug::KeepsTruncatedEpochs), kills),
        many("a follower spoils what it takes", bug(Bug::SpoilsWhatItTakes), kills),
        many("followers forget producers", bug(Bug::ForgetsProducers), kills),
        many("a fetch session loses a partition", bug(Bug::LosesFromSession), kills),
        many("a coordinator answers before the high watermark", bug(Bug::AnswersEarly), kills),
        many("a coordinator does not load what it takes over", bug(Bug::LoadsHalf), kills),
        many("consumers are given what is not committed", bug(Bug::ServesUncommitted), kills),
        many("a follower is in sync too early", bug(Bug::JoinsTooEarly), laggards),
        many("min.insync.replicas is ignored", Plant::IgnoresMinIsr, deserted),
        many("leaders are elected uncleanly", Plant::ElectsUncleanly, orphaned),
        many("a voter votes twice in an epoch", bug(Bug::VotesTwice), elections),
        many("a leader of the quorum that nobody hears leads on", bug(Bug::NeverResigns), cuts),
        many("the quorum commits without a majority", bug(Bug::CommitsWithoutMajority), cuts),
        many("metadata is applied before it is committed", bug(Bug::AppliesUncommitted), splits),
    ]
}

impl Planted {
    /// Tries seeds until one holds without the bug and fails with it; `None` if none does. Where the node ends itself over the bug, this
    /// panics. `trying` is told which seed runs with it.
    pub fn find(&self, mut trying: impl FnMut(Option<u64>)) -> Option<Found> {
        (0..SEEDS).find_map(|seed| {
            // A node that ends itself without the bug has found another one.
            let holds =
                catch_unwind(AssertUnwindSafe(|| self.failure(seed, true).is_none())).unwrap_or(false);
            trying(Some(seed).filter(|_| holds));
            let by = if holds { self.failure(seed, false) } else { None };
            trying(None);
            by.map(|by| Found { seed, by })
        })
    }

    /// The invariant that a run with the bug, or without, violates.
    fn failure(&self, seed: u64, is_sound: bool) -> Option<&'static str> {
        let options = if self.script.is_some() { Options::cluster(seed) } else { Options::one(seed) };
        let options = Options { plant: self.plant, is_sound, script: self.script.clone(), ..options };
        run(options).violation.map(|violation| violation.invariant)
    }
}

// ---- Scripts: three copies of which two are enough, unless they say otherwise ----

fn script(power: Power, strikes: Vec<Strike>) -> Script {
    Script { roles: Vec::new(), replication_factor: 3, min_insync_replicas: 2, power, copiers: 0, strikes }
}

fn down(at_ms: i64, for_ms: i64, way: Down, machines: &[usize]) -> Strike {
    Strike { at_ms, for_ms, what: What::Down(way, machines.to_vec()) }
}

/// Everything between machine 1 (or whoever) and the others.
fn around(one: usize, machines: usize) -> Vec<(usize, usize)> {
    let others = (0..machines).filter(move |other| *other != one);
    others.flat_map(|other| [(one, other), (other, one)]).collect()
}

fn slow(for_ms: i64, delay_ms: i64) -> Strike {
    let all = (0..3).flat_map(|from| (0..3).map(move |to| (from, to))).filter(|(from, to)| from != to);
    Strike { at_ms: 1, for_ms, what: What::Slow(all.collect(), delay_ms) }
}

/// The power of all machines goes, twice.
fn dark() -> Script {
    let cut = |at_ms| down(at_ms, 500, Down::PowerCut, &[0, 1, 2]);
    script(Power::WeakEverywhere, vec![cut(400), cut(3_000)])
}

/// Leaders are killed one after the other while replication takes its time.
fn kills() -> Script {
    let kill = |(at_ms, machine)| down(at_ms, 1_000, Down::Kill, &[machine]);
    let kills = [(500, 0), (1_700, 1), (2_900, 2), (4_100, 0), (4_900, 1)].map(kill);
    script(Power::Steady, std::iter::once(slow(6_000, 100)).chain(kills).collect())
}

/// Each machine is cut off for longer than any time limit.
fn cuts() -> Script {
    let cut = |(at_ms, one)| Strike { at_ms, for_ms: 9_000, what: What::Cut(around(one, 3)) };
    script(Power::Steady, [(300, 0), (10_000, 1), (20_000, 2)].map(cut).to_vec())
}

/// Of five voters two are cut off from the others, each pair of neighbours in turn: a leader among them goes on deciding with one follower.
fn splits() -> Script {
    let split = |round: i64| {
        let pair = [(round % 5) as usize, ((round + 1) % 5) as usize];
        let others = (0..5).filter(|other| !pair.contains(other));
        let cut = others.flat_map(|other| pair.into_iter().flat_map(move |one| [(one, other), (other, one)]));
        Strike { at_ms: 300 + 6_000 * round, for_ms: 4_500, what: What::Cut(cut.collect()) }
    };
    Script { roles: vec![Roles::COMBINED; 5], ..script(Power::Steady, (0..5).map(split).collect()) }
}

/// Voters come and go all the time, several at once.
fn elections() -> Script {
    let mut strikes = Vec::new();
    for round in 0..14 {
        let at_ms = 300 + 700 * round;
        let one = (round % 5) as usize;
        strikes.push(down(at_ms, 120, Down::Kill, &[one, (one + 2) % 5]));
        strikes.push(Strike { at_ms: at_ms + 200, for_ms: 900, what: What::Cut(around((one + 1) % 5, 5)) });
    }
    Script { roles: vec![Roles::COMBINED; 5], ..script(Power::Steady, strikes) }
}

/// Followers miss a lot, and catch up slowly.
fn laggards() -> Script {
    let kill = |(at_ms, machine)| down(at_ms, 2_500, Down::Kill, &[machine]);
    let kills = [(300, 0), (3_500, 1), (6_500, 2)].map(kill);
    script(Power::Steady, std::iter::once(slow(12_000, 150)).chain(kills).collect())
}

/// One broker after the other is left alone by the others, which the controller still hears.
fn deserted() -> Script {
    let alone = |(at_ms, one): (i64, usize)| {
        let others = (1..4).filter(|other| *other != one);
        let cut = others.flat_map(|other| [(one, other), (other, one)]).collect();
        Strike { at_ms, for_ms: 4_000, what: What::Cut(cut) }
    };
    let strikes = [(400, 1), (5_000, 2), (10_000, 3)].map(alone).to_vec();
    Script { roles: vec![CONTROLLER, BROKER, BROKER, BROKER], ..script(Power::Steady, strikes) }
}

/// The same where one copy is enough; and then the one that has it is killed.
fn orphaned() -> Script {
    let mut script = Script { min_insync_replicas: 1, ..deserted() };
    for (at_ms, one) in [(3_600, 1), (8_200, 2), (13_200, 3)] {
        script.strikes.push(down(at_ms, 3_000, Down::Kill, &[one]));
    }
    script
}
