//! A bounded model of one partition on three brokers, explored to its end (the exhaustive companion of the simulator): every order in which
//! records are produced and fetched, leaders propose who is in sync, brokers are killed, lose their power or their disks, come back, are
//! fenced and unfenced, ask to go, and the partition is reassigned and leaders are elected. Whatever decides is the product's: the controller on its image,
//! the leader's bookkeeping (`replica::term`, `replica::isr`), what is kept of proposals, epoch caches, where a follower truncates. The
//! model's own are logs (the epochs of records), messages, and what a shard does when it sees an image. KIP-455, 497, 704, 841, 858, 903, 966.
//!
//! `bounds.rs` how far · `state.rs` what there is · `books.rs` the controller · `steps.rs` what may happen · `rules.rs` what must hold ·
//! `search.rs` breadth first. `OTTLA_MODEL=full` goes within wider bounds; `docs/simulation.md` has the numbers.

mod books;
mod bounds;
mod rules;
mod search;
mod state;
mod steps;

use bounds::{Bounds, Mutation};
use search::{Explored, explore};
use wire::planted::{self, Bug};

/// The least that a cluster may have: two replicas, both of which have to be in sync for a record to be taken.
const TWO: Bounds = Bounds { replicas: &[1, 2], records: 1, ..Bounds::STILL };
const THREE: Bounds = Bounds { records: 1, ..Bounds::STILL };

/// Within `short` bounds, or `long` ones where there is time; all states, so that no order is left out.
#[track_caller]
fn holds(name: &str, short: Bounds, long: Bounds) {
    let is_full = std::env::var("OTTLA_MODEL").is_ok_and(|form| form == "full");
    let Explored { states, steps, depth, images, decisions, found } =
        explore(if is_full { &long } else { &short });
    println!(
        "{name}: {states} states, {steps} steps, at most {depth} from the first; {images} images, {decisions} decisions"
    );
    if let Some((broken, way)) = found {
        panic!("{name}: {broken}\n{}", way.join("\n"));
    }
    assert!(states > 1_000, "{name}: next to nothing was looked at");
}

#[test]
fn who_is_killed_has_lost_nothing() {
    holds("killed", Bounds { kills: 2, ..THREE }, Bounds { kills: 2, suspicions: 1, depth: 12, ..THREE });
}

#[test]
fn a_machine_without_power_loses_what_one_may_lose() {
    let bounds = Bounds { kills: 1, power_cuts: 1, ..TWO };
    holds("powerless", bounds, Bounds { replicas: THREE.replicas, ..bounds });
    holds("powerless twice", Bounds { power_cuts: 2, ..TWO }, Bounds { kills: 1, power_cuts: 2, ..TWO });
}

#[test]
fn a_disk_is_lost_with_all_that_was_on_it() {
    let bounds = Bounds { kills: 1, lost_disks: 1, ..TWO };
    holds("diskless", bounds, Bounds { replicas: THREE.replicas, ..bounds });
}

#[test]
fn a_directory_that_was_taken_out_of_the_configuration_is_lost_too() {
    let bounds = Bounds { kills: 1, lost_disks: 1, disks_leave_cleanly: true, ..TWO };
    holds("diskless and clean", bounds, Bounds { replicas: THREE.replicas, ..bounds });
}

const MOVED: Bounds = Bounds { suspicions: 1, reassignments: 1, targets: &[&[3, 2]], ..TWO };

#[test]
fn a_partition_is_moved_and_moved_back() {
    let targets = &[&[3, 2] as &[i32], &[2, 1], &[1, 2, 3], &[3]];
    holds("moved", MOVED, Bounds { reassignments: 2, targets, depth: 16, ..MOVED });
}

#[test]
fn a_follower_is_slow_and_answers_are_lost() {
    let bounds = Bounds { suspicions: 1, shrinks: 1, lost_answers: 1, ..TWO };
    holds("slow", bounds, Bounds { replicas: THREE.replicas, ..bounds });
    holds(
        "divided",
        Bounds { records: 2, suspicions: 1, ..THREE },
        Bounds { records: 3, suspicions: 1, ..THREE },
    );
}

#[test]
fn leaders_are_elected_and_asked_to_go() {
    let bounds = Bounds { kills: 1, departures: 1, elections: 1, unclean: 1, ..TWO };
    holds("elected", bounds, Bounds { power_cuts: 1, ..bounds });
}

/// The rule that is broken first.
#[track_caller]
fn finds(bug: Option<Bug>, bounds: Bounds, rule: &str) {
    planted::plant(bug);
    let found = explore(&bounds).found;
    planted::plant(None);
    let Some((broken, way)) = found else { panic!("{bug:?}, {:?}: not found", bounds.mutation) };
    assert!(broken.contains(rule), "{bug:?}, {:?}: {broken}\n{}", bounds.mutation, way.join("\n"));
}

#[test]
fn bugs_of_the_product_are_found() {
    let lacks = "may lead and lacks";
    finds(Some(Bug::JoinsTooEarly), Bounds { kills: 1, lost_answers: 1, ..THREE }, lacks);
    finds(Some(Bug::CommitsItsOwnEnd), TWO, lacks);
    let crashes = Bounds { kills: 1, power_cuts: 1, ..TWO };
    finds(Some(Bug::TakesStaleBrokerEpochs), Bounds { min_isr: 1, ..crashes }, lacks);
    finds(Some(Bug::KeepsUncleanEligible), crashes, "lost: ");
}

#[test]
fn faults_of_the_model_are_found() {
    let with = |mutation: Mutation, bounds: Bounds| Bounds { mutation, ..bounds };
    let lacks = "may lead and lacks";
    finds(None, with(Mutation::RemovedStaysEligible, MOVED), lacks);
    finds(None, with(Mutation::TrustsItsProposal, Bounds { shrinks: 1, ..THREE }), lacks);
    finds(None, with(Mutation::KeepsWhatDiverged, Bounds { records: 2, suspicions: 1, ..THREE }), lacks);
}
