//! What may happen next, and what becomes of the state if it does. The order of the list is the order in which a cluster that is left
//! alone heals.

use std::sync::Arc;

use broker::in_sync::InSyncReplicas;
use broker::in_sync::{FollowerAt, Heard, IsrAnswer, Leader, LeadersLog, truncation_target};
use kraft::image::NO_LEADER;

use super::bounds::{Bounds, Plant};
use super::controller::{Asked, KEY};
use super::state::{BROKERS, Broker, LateFetch, Left, Log, Role, Seen, State, Way, id, index};

/// One step; the numbers are brokers, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// It starts and registers, and sees what the controller says.
    Returns(usize),
    /// It sees the next image.
    Sees(usize),
    /// An answer to AlterPartition arrives.
    Hears(usize),
    /// An AlterPartition request arrives at the controller.
    Decides(usize),
    /// A leader sends what it proposes.
    Asks(usize),
    /// A request arrives that its sender has given up.
    DecidesLate,
    /// A fetch arrives whose sender has lost its power.
    FetchesLate,
    /// A heartbeat has it unfenced.
    Unfenced(usize),
    /// A follower fetches, and takes what it is told.
    Fetches(usize),
    /// A record is produced to whoever believes to lead.
    Produces(usize),
    /// A leader calls slow whoever is behind.
    Shrinks(usize),
    /// Its session ends.
    Fenced(usize),
    /// It ends, and its machine does not.
    Killed(usize),
    /// It ends in order.
    Stopped(usize),
    /// Its machine ends; so many records are left.
    Powerless(usize, usize),
    /// An AlterPartition request or its answer is lost.
    Loses(usize),
    /// The request stays on its way when its sender gives it up.
    GivesUp(usize),
    /// Of the preferred leader.
    Elects,
    /// Of anybody who lives.
    ElectsUnclean,
}

/// The real thing's terms, which do not change.
pub struct Terms {
    pub bounds: Bounds,
    pub controller: Asked,
}

/// Where everything begins: three brokers in sync, broker 1 leads.
pub fn first(terms: &Terms) -> State {
    let image = terms.controller.first_image();
    let seen = Seen::of(&image);
    let broker = |index: usize| {
        Arc::new(Broker {
            is_up: true,
            was_clean: false,
            epoch: seen.brokers[index].0,
            seen: 0,
            role: Role::None,
            log: Log::default(),
            proposals: Default::default(),
            way: Way::Free,
        })
    };
    let mut state = State {
        versions: vec![Arc::new(seen.clone())],
        brokers: [broker(0), broker(1), broker(2)],
        image: Arc::new(image),
        late_request: None,
        late_fetch: None,
        committed: Arc::default(),
        had_unclean_election: false,
        unclean_registrations: 0,
        unclean: [false; BROKERS],
        left: Left::of(&terms.bounds),
    };
    (0..BROKERS).for_each(|index| state.takes_its_role(terms, index));
    state
}

impl State {
    /// All that may happen, in the order in which healing goes first.
    pub fn moves(&self, terms: &Terms) -> Vec<Move> {
        let mut moves = Vec::with_capacity(32);
        let all = 0..BROKERS;
        let newest = self.newest();
        moves.extend(all.clone().filter(|&at| !self.broker(at).is_up).map(Move::Returns));
        moves.extend(all.clone().filter(|&at| self.has_more_to_see(at)).map(Move::Sees));
        for at in all.clone() {
            match &self.broker(at).way {
                Way::Answer(_) => moves.push(Move::Hears(at)),
                Way::Request(_) => moves.push(Move::Decides(at)),
                Way::Free if self.broker(at).proposals.next_deadline().is_some() => {
                    moves.push(Move::Asks(at))
                }
                Way::Free => {}
            }
        }
        moves.extend(self.late_request.iter().map(|_| Move::DecidesLate));
        moves.extend(
            self.late_fetch.iter().filter(|it| self.leads(it.leader, it.at.0)).map(|_| Move::FetchesLate),
        );
        let may_unfence = |at: usize| {
            let (epoch, fenced) = newest.brokers[at];
            self.broker(at).is_up && fenced && self.broker(at).epoch == epoch
        };
        moves.extend(all.clone().filter(|&at| may_unfence(at)).map(Move::Unfenced));
        moves.extend(all.clone().filter(|&at| self.followed(at).is_some()).map(Move::Fetches));
        self.add_what_goes_on(&mut moves);
        self.add_blows(terms, &mut moves);
        moves
    }

    /// Records come, and leaders lose their patience.
    fn add_what_goes_on(&self, moves: &mut Vec<Move>) {
        let leads = |at: &usize| self.broker(*at).is_up && matches!(self.broker(*at).role, Role::Leader(_));
        if self.left.records > 0 {
            moves.extend((0..BROKERS).filter(leads).map(Move::Produces));
        }
        if self.left.shrinks > 0 {
            moves.extend((0..BROKERS).filter(leads).map(Move::Shrinks));
        }
    }

    /// What goes wrong, and what administrators do.
    fn add_blows(&self, terms: &Terms, moves: &mut Vec<Move>) {
        let (all, newest) = (0..BROKERS, self.newest());
        let left = &self.left;
        let may_fence = |at: usize| !newest.brokers[at].1 && (!self.broker(at).is_up || left.suspicions > 0);
        moves.extend(all.clone().filter(|&at| may_fence(at)).map(Move::Fenced));
        if left.crashes > 0 {
            for at in all.clone().filter(|&at| self.broker(at).is_up) {
                moves.extend([Move::Killed(at), Move::Stopped(at)]);
                if left.lossy > 0 {
                    let kept = 0..self.broker(at).log.records.len();
                    moves.extend(kept.map(|kept| Move::Powerless(at, kept)));
                }
            }
        }
        if left.lost > 0 {
            for at in all {
                match &self.broker(at).way {
                    Way::Free => {}
                    Way::Answer(_) => moves.push(Move::Loses(at)),
                    Way::Request(_) if self.late_request.is_none() => {
                        moves.extend([Move::Loses(at), Move::GivesUp(at)]);
                    }
                    Way::Request(_) => moves.push(Move::Loses(at)),
                }
            }
        }
        if left.elections > 0 && newest.partition.leader != 1 {
            moves.push(Move::Elects);
            if terms.bounds.unclean && newest.partition.leader == NO_LEADER {
                moves.push(Move::ElectsUnclean);
            }
        }
    }

    fn has_more_to_see(&self, at: usize) -> bool {
        self.broker(at).is_up && self.broker(at).seen + 1 < self.versions.len()
    }

    /// That broker lives and believes to lead in this epoch.
    fn leads(&self, leader: i32, leader_epoch: i32) -> bool {
        index(leader).is_some_and(|at| {
            let broker = self.broker(at);
            broker.is_up
                && matches!(&broker.role, Role::Leader(leader) if leader.leader_epoch == leader_epoch)
        })
    }

    /// Whom it follows, if that one leads in the same epoch.
    pub fn followed(&self, at: usize) -> Option<usize> {
        let broker = self.broker(at);
        match broker.role {
            Role::Follower { leader_epoch, leader } if broker.is_up && self.leads(leader, leader_epoch) => {
                index(leader)
            }
            Role::Follower { .. } | Role::Leader(_) | Role::None => None,
        }
    }

    /// What becomes of it.
    pub fn after(&self, terms: &Terms, what: Move) -> State {
        let mut next = self.clone();
        match what {
            Move::Returns(at) => next.returns(terms, at),
            Move::Sees(at) => {
                next.broker_mut(at).seen += 1;
                next.takes_its_role(terms, at);
            }
            Move::Hears(at) => next.hears(terms, at),
            Move::Decides(at) => next.is_decided(terms, at),
            Move::Asks(at) => next.asks(at),
            Move::DecidesLate => {
                if let Some(request) = next.late_request.take() {
                    next.asks_the_controller(|image| terms.controller.alter(image, &request));
                }
            }
            Move::FetchesLate => {
                if let Some(LateFetch { follower, broker_epoch, leader, at }) = next.late_fetch.take() {
                    let at = FollowerAt {
                        leader_epoch: at.0,
                        fetch_offset: at.1,
                        last_fetched_epoch: at.2,
                        log_start_offset: 0,
                    };
                    next.is_fetched_from(terms, leader, (follower, broker_epoch), at);
                }
            }
            Move::Unfenced(at) => {
                let epoch = self.broker(at).epoch;
                next.asks_the_controller(|image| terms.controller.unfence(image, at, epoch));
            }
            Move::Fetches(at) => next.fetches(terms, at),
            Move::Produces(at) => next.takes_a_record(terms, at),
            Move::Shrinks(at) => next.shrinks(terms, at),
            Move::Fenced(at) => {
                next.left.suspicions -= u8::from(self.broker(at).is_up);
                next.asks_the_controller(|image| terms.controller.fence(image, at));
            }
            Move::Killed(at) | Move::Stopped(at) | Move::Powerless(at, _) => next.ends(at, what),
            Move::Loses(at) | Move::GivesUp(at) => next.loses(terms, at, what),
            Move::Elects => {
                next.left.elections -= 1;
                next.asks_the_controller(|image| terms.controller.elect(image, false));
            }
            Move::ElectsUnclean => {
                next.left.elections -= 1;
                next.asks_the_controller(|image| terms.controller.elect(image, true));
            }
        }
        // It comes too late for anybody.
        next.late_fetch = next.late_fetch.filter(|fetch| next.leads(fetch.leader, fetch.at.0));
        next.forget_versions();
        next
    }

    /// A leader sends what it proposes.
    fn asks(&mut self, at: usize) {
        let broker = self.broker_mut(at);
        let request = broker.proposals.step(ASKED_MS, id(at), broker.epoch);
        broker.way = request.map_or(Way::Free, |request| Way::Request(Arc::new(request)));
    }

    fn is_decided(&mut self, terms: &Terms, at: usize) {
        let Way::Request(request) = self.broker(at).way.clone() else { return };
        let answer = self.asks_the_controller(|image| terms.controller.alter(image, &request));
        self.broker_mut(at).way = Way::Answer(Arc::new(answer));
    }

    fn takes_a_record(&mut self, terms: &Terms, at: usize) {
        self.left.records -= 1;
        let broker = self.broker_mut(at);
        if let Role::Leader(leader) = &broker.role {
            broker.log.append(leader.leader_epoch);
        }
        self.commits(terms, at);
    }

    fn shrinks(&mut self, terms: &Terms, at: usize) {
        self.left.shrinks -= 1;
        let broker = self.broker_mut(at);
        if let Role::Leader(leader) = &mut broker.role
            && leader.isr.shrink(NOW_MS + 1, 0, broker.log.end()).is_some()
        {
            broker.proposals.add_of(leader);
        }
        self.commits_if_planted(terms, at);
    }

    fn asks_the_controller<A>(&mut self, ask: impl FnOnce(&mut kraft::image::MetadataImage) -> A) -> A {
        let answer = ask(Arc::make_mut(&mut self.image));
        let seen = Seen::of(&self.image);
        if seen != *self.newest() {
            self.had_unclean_election |= seen.is_recovering();
            for at in 0..BROKERS {
                self.unclean[at] &= !seen.partition.isr.contains(&id(at));
            }
            self.versions.push(Arc::new(seen));
        }
        answer
    }

    fn returns(&mut self, terms: &Terms, at: usize) {
        let previous = self.broker(at).was_clean.then_some(self.broker(at).epoch);
        let epoch = self.asks_the_controller(|image| terms.controller.register(image, at, previous));
        if previous.is_none() {
            self.unclean_registrations += 1;
            self.unclean[at] = true;
        }
        let newest = self.versions.len() - 1;
        let broker = self.broker_mut(at);
        (broker.is_up, broker.was_clean, broker.epoch, broker.seen) = (true, false, epoch, newest);
        self.takes_its_role(terms, at);
    }

    /// It has seen an image: brokers may be in sync that were not, and it leads, or follows another.
    fn takes_its_role(&mut self, terms: &Terms, at: usize) {
        let seen = self.seen_by(at).clone();
        let broker = self.broker_mut(at);
        let freed = match &mut broker.role {
            Role::Leader(leader) => leader.isr.review(NOW_MS, i64::MAX, &seen),
            Role::Follower { .. } | Role::None => false,
        };
        if freed {
            self.commits(terms, at);
        }
        let (partition, broker) = (&seen.partition, self.broker_mut(at));
        if partition.leader != id(at) {
            broker.role = Role::Follower { leader_epoch: partition.leader_epoch, leader: partition.leader };
            return;
        }
        match &mut broker.role {
            Role::Leader(leader) if leader.leader_epoch == partition.leader_epoch => {
                if !leader.sees(partition, NOW_MS) {
                    return;
                }
            }
            Role::Leader(_) | Role::Follower { .. } | Role::None => {
                let begins = (broker.log.end(), NOW_MS);
                let isr = InSyncReplicas::led_from(id(at), &partition.replicas, &partition.isr, begins);
                broker.log.epochs.assign(partition.leader_epoch, broker.log.end());
                broker.role = Role::Leader(Leader {
                    leader_epoch: partition.leader_epoch,
                    partition_epoch: partition.partition_epoch,
                    isr,
                    flush_acks: false,
                });
            }
        }
        self.commits(terms, at);
    }

    fn hears(&mut self, terms: &Terms, at: usize) {
        let broker = self.broker_mut(at);
        let Way::Answer(answer) = std::mem::replace(&mut broker.way, Way::Free) else { return };
        let answers: Vec<IsrAnswer> = broker.proposals.answered(NOW_MS, &answer);
        let mut changed = false;
        for answer in &answers {
            if let Role::Leader(leader) = &mut broker.role {
                changed |= leader.hears(answer);
            }
        }
        if changed {
            self.commits(terms, at);
        }
    }

    fn loses(&mut self, terms: &Terms, at: usize, what: Move) {
        self.left.lost -= 1;
        let broker = self.broker_mut(at);
        let way = std::mem::replace(&mut broker.way, Way::Free);
        match terms.bounds.plant {
            Plant::NeverAsksAgain => broker.proposals = Default::default(),
            _ => broker.proposals.unanswered(NOW_MS),
        }
        if let (Way::Request(request), Move::GivesUp(_)) = (way, what) {
            self.late_request = Some(request);
        }
    }

    fn ends(&mut self, at: usize, how: Move) {
        self.left.crashes -= 1;
        let fetch = self.fetch_of(at);
        let broker = self.broker_mut(at);
        broker.is_up = false;
        broker.was_clean = matches!(how, Move::Stopped(_));
        broker.role = Role::None;
        broker.proposals = Default::default();
        broker.way = Way::Free;
        if let Move::Powerless(_, kept) = how {
            broker.log.truncate(kept as i64);
            self.left.lossy -= 1;
            self.late_fetch = self.late_fetch.or(fetch);
        }
        // The checkpoint may say as little as this.
        self.broker_mut(at).log.high_watermark = 0;
    }

    /// The fetch that a follower may have under way.
    fn fetch_of(&self, at: usize) -> Option<LateFetch> {
        let leader = self.followed(at)?;
        let broker = self.broker(at);
        let Role::Follower { leader_epoch, .. } = broker.role else { return None };
        let from = broker.log.at(leader_epoch);
        let at_offset = (leader_epoch, from.fetch_offset, from.last_fetched_epoch);
        Some(LateFetch { follower: id(at), broker_epoch: broker.epoch, leader: id(leader), at: at_offset })
    }

    /// A fetch arrives at a leader; `None` if it is refused.
    fn is_fetched_from(
        &mut self,
        terms: &Terms,
        leader: i32,
        (follower, epoch): (i32, i64),
        at: FollowerAt,
    ) -> Option<LeadersLog> {
        let leader_at = index(leader)?;
        let eligible = self.seen_by(leader_at).clone();
        let epoch = match terms.bounds.plant {
            Plant::EarlierIncarnationCounts => -1,
            _ => epoch,
        };
        let broker = self.broker_mut(leader_at);
        let log = broker.log.of_leader(at);
        let Role::Leader(leader) = &mut broker.role else { return None };
        let heard = leader.follower_fetched((follower, epoch), at, log, NOW_MS, &eligible).ok()?;
        let Heard { moved, joins } = heard;
        if moved {
            self.commits(terms, leader_at);
        }
        let broker = self.broker_mut(leader_at);
        if let Role::Leader(leader) = &mut broker.role
            && joins
        {
            leader.isr.expand(follower);
            broker.proposals.add_of(leader);
        }
        self.commits_if_planted(terms, leader_at);
        let log = &self.broker(leader_at).log;
        Some(log.of_leader(at))
    }

    fn fetches(&mut self, terms: &Terms, at: usize) {
        let Some(leader_at) = self.followed(at) else { return };
        let Role::Follower { leader_epoch, .. } = self.broker(at).role else { return };
        let from = self.broker(at).log.at(leader_epoch);
        let follower = (id(at), self.broker(at).epoch);
        let Some(known) = self.is_fetched_from(terms, id(leader_at), follower, from) else { return };
        let leaders = self.broker(leader_at).log.clone();
        let own = &mut self.broker_mut(at).log;
        let skips = terms.bounds.plant == Plant::SkipsTruncation;
        match known.last_fetched {
            Some(told) if from.last_fetched_epoch >= 0 && from.has_diverged(Some(told)) => {
                let target = truncation_target(told, own.epochs.end_offset(told.0, own.end()), own.end());
                if skips {
                    own.epochs.truncate_end(target);
                } else {
                    own.truncate(target);
                }
            }
            None if from.last_fetched_epoch >= 0 => own.truncate(own.end().min(known.log_end_offset)),
            Some(_) | None if from.fetch_offset > known.log_end_offset => own.truncate(known.log_end_offset),
            Some(_) | None => {
                let records = usize::try_from(from.fetch_offset).unwrap_or(0);
                leaders.records.iter().skip(records).for_each(|epoch| own.append(*epoch));
                own.advance_high_watermark(leaders.high_watermark);
            }
        }
    }

    /// A leader's high watermark follows its in-sync replicas; what it passes is committed.
    fn commits(&mut self, terms: &Terms, at: usize) {
        let min_isr = match terms.bounds.plant {
            Plant::CommitsBelowMinIsr => 1,
            _ => terms.bounds.min_insync_replicas,
        };
        let broker = self.broker_mut(at);
        let Role::Leader(leader) = &broker.role else { return };
        let offset = leader.isr.high_watermark(broker.log.end(), min_isr);
        if !broker.log.advance_high_watermark(offset) {
            return;
        }
        let broker = Arc::clone(&self.brokers[at]);
        let passed = usize::try_from(broker.log.high_watermark).unwrap_or(0);
        if passed > self.committed.len() {
            self.committed = Arc::new(broker.log.records.iter().take(passed).copied().collect());
        }
    }

    /// The planted fault: what is proposed is taken for decided.
    fn commits_if_planted(&mut self, terms: &Terms, at: usize) {
        if terms.bounds.plant != Plant::ForgetsTheCommittedIsr {
            return;
        }
        if let Role::Leader(leader) = &mut self.broker_mut(at).role
            && let Some(proposed) = leader.isr.proposal()
        {
            let ids: Vec<i32> = proposed.iter().map(|(id, _)| *id).collect();
            leader.isr.decide(&ids);
        }
        self.commits(terms, at);
    }
}

/// All that is told the time is told this.
const NOW_MS: i64 = 0;
/// What was refused is due again.
const ASKED_MS: i64 = 1_000;

trait Adds {
    fn add_of(&mut self, leader: &Leader);
}

impl Adds for broker::in_sync::IsrProposals {
    fn add_of(&mut self, leader: &Leader) {
        if let Some(proposal) = leader.proposal(KEY) {
            self.add(proposal);
        }
    }
}
