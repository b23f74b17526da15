//! What may happen next, and what becomes of the state if it does. A fetch and its answer are one step, or the answer is lost; an image is
//! seen when its broker looks, and what it did not look at in time it never sees. Time stands still: who is behind may be called slow.

use super::books::{BASE, Event, KEY, Library, directory};
use super::bounds::{Bounds, Mutation};
use super::rules::{self, Broken};
use super::state::{Asks, BROKERS, Known, Machine, Role, Said, State, bit, id, place};
use crate::quorum::isr_proposals::IsrAnswer;
use crate::replica::divergence::truncation_target;
use crate::replica::isr::InSyncReplicas;
use crate::replica::term::Leader;

/// One step; the numbers are brokers, by their places, or targets, by theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A leader takes a record with acks=all.
    Produces(usize),
    /// A follower fetches, and takes a record or what else it is told.
    Fetches(usize),
    /// Its leader hears it, and it hears nothing.
    FetchesInVain(usize),
    /// It looks at the newest image.
    Sees(usize),
    /// What it proposes is decided.
    Decides(usize),
    /// It hears what was decided.
    Hears(usize),
    /// It does not, and asks again.
    AsksAgain(usize),
    /// Whoever is behind is to leave the ISR.
    Shrinks(usize),
    /// The process ends, the machine does not.
    Killed(usize),
    /// The machine ends; so many records are left.
    Powerless(usize, usize),
    /// The machine ends, and its disk.
    Diskless(usize),
    /// It comes back: it registers and looks at the image.
    Returns(usize),
    /// Its session ends.
    Fenced(usize),
    /// A heartbeat of one that has seen everything.
    Unfenced(usize),
    /// It wishes to go.
    Leaves(usize),
    /// It says where its replica lies.
    Assigns(usize),
    /// Somebody reassigns.
    Reassigned(usize),
    /// Somebody calls it off.
    CalledOff,
    /// Somebody asks for an election.
    Elected { unclean: bool },
}

/// All that there is, possible or not.
pub(super) fn all(bounds: &Bounds) -> Vec<Step> {
    let mut all = Vec::new();
    let kinds = [
        Step::Produces,
        Step::Fetches,
        Step::FetchesInVain,
        Step::Sees,
        Step::Decides,
        Step::Hears,
        Step::AsksAgain,
        Step::Shrinks,
        Step::Killed,
        Step::Diskless,
        Step::Returns,
        Step::Fenced,
        Step::Unfenced,
        Step::Leaves,
        Step::Assigns,
    ];
    for at in 0..BROKERS {
        all.extend(kinds.iter().map(|kind: &fn(usize) -> Step| kind(at)));
        all.extend((0..=usize::from(bounds.records)).map(|kept| Step::Powerless(at, kept)));
    }
    all.extend((0..bounds.targets.len()).map(Step::Reassigned));
    all.extend([Step::CalledOff, Step::Elected { unclean: false }, Step::Elected { unclean: true }]);
    all
}

/// What a step needs beside the state.
pub(super) struct Around<'a> {
    pub bounds: &'a Bounds,
    pub library: &'a mut Library,
}

/// A look before the state is copied: who does it is there, in that part, and so much may still happen.
fn may_be(state: &State, step: Step) -> bool {
    let (left, machines) = (&state.left, &state.machines);
    let leads = |at: usize| matches!(machines[at].role, Role::Leader(_));
    match step {
        Step::Produces(at) => left.records > 0 && leads(at),
        Step::Fetches(at) => matches!(machines[at].role, Role::Follower { .. }),
        Step::FetchesInVain(at) => {
            left.lost_answers > 0 && matches!(machines[at].role, Role::Follower { .. })
        }
        Step::Sees(at) | Step::Unfenced(at) => machines[at].is_up,
        Step::Decides(at) => machines[at].asks.as_ref().is_some_and(|asks| asks.said.is_none()),
        Step::Hears(at) => machines[at].asks.as_ref().is_some_and(|asks| asks.said.is_some()),
        Step::AsksAgain(at) => left.lost_answers > 0 && machines[at].asks.is_some(),
        Step::Shrinks(at) => left.shrinks > 0 && leads(at),
        Step::Killed(at) => left.kills > 0 && machines[at].is_up,
        Step::Powerless(at, kept) => {
            left.power_cuts > 0 && machines[at].is_up && kept <= machines[at].log.records.len()
        }
        Step::Diskless(at) => left.lost_disks > 0 && machines[at].is_up,
        Step::Returns(at) => !machines[at].is_up,
        Step::Fenced(at) => left.suspicions > 0 || !machines[at].is_up,
        Step::Leaves(at) => left.departures > 0 && machines[at].is_up,
        Step::Assigns(at) => machines[at].is_up && machines[at].role != Role::Absent,
        Step::Reassigned(_) | Step::CalledOff => left.reassignments > 0,
        Step::Elected { unclean } => 0 < if unclean { left.unclean } else { left.elections },
    }
}

/// One less; `None` if there is none.
fn spend(left: &mut u8) -> Option<()> {
    *left = left.checked_sub(1)?;
    Some(())
}

impl Around<'_> {
    /// The state after a step; `None` if it cannot be taken, or changes nothing.
    pub fn take(&mut self, before: &State, step: Step) -> Option<Result<State, Broken>> {
        if !may_be(before, step) {
            return None;
        }
        let mut state = before.clone();
        let mut lost = Ok(());
        match step {
            Step::Produces(at) => self.produces(&mut state, at)?,
            Step::Fetches(at) => self.fetches(&mut state, at, true)?,
            Step::FetchesInVain(at) => {
                spend(&mut state.left.lost_answers)?;
                self.fetches(&mut state, at, false)?;
            }
            Step::Sees(at) => lost = self.sees(&mut state, at),
            Step::Decides(at) => self.decides(&mut state, at)?,
            Step::Hears(at) => self.hears(&mut state, at)?,
            Step::AsksAgain(at) => {
                spend(&mut state.left.lost_answers)?;
                state.machines[at].asks.as_mut()?.said.take()?;
            }
            Step::Shrinks(at) => self.shrinks(&mut state, at)?,
            Step::Killed(at) => {
                spend(&mut state.left.kills)?;
                end(&mut state.machines[at]);
            }
            Step::Powerless(at, kept) => {
                spend(&mut state.left.power_cuts)?;
                let machine = &mut state.machines[at];
                end(machine);
                machine.log.records.truncate(kept);
                machine.log.reopen();
                machine.previous = -1;
                rules::loses(&mut state, at);
            }
            Step::Diskless(at) => {
                spend(&mut state.left.lost_disks)?;
                let machine = &mut state.machines[at];
                end(machine);
                machine.log = Default::default();
                machine.disk += 1;
                if !self.bounds.disks_leave_cleanly {
                    machine.previous = -1;
                }
                rules::loses(&mut state, at);
            }
            Step::Returns(at) => lost = self.returns(&mut state, at)?,
            Step::Fenced(at) => {
                if state.machines[at].is_up {
                    spend(&mut state.left.suspicions)?;
                }
                if self.library.cluster(state.books).broker(id(at))?.fenced {
                    return None;
                }
                self.turn(&mut state, Event::Fence(id(at)));
            }
            Step::Unfenced(at) => {
                if !self.library.cluster(state.books).broker(id(at))?.fenced {
                    return None;
                }
                self.turn(&mut state, Event::Unfence(id(at)));
            }
            Step::Leaves(at) => {
                spend(&mut state.left.departures)?;
                if !self.library.cluster(state.books).is_active(id(at)) {
                    return None;
                }
                self.turn(&mut state, Event::Leave(id(at)));
            }
            Step::Assigns(at) => {
                let disk = state.machines[at].disk;
                if self.library.partition(state.books).directory(id(at))? == directory(id(at), disk) {
                    return None;
                }
                self.turn(&mut state, Event::Assign { broker: id(at), disk });
            }
            Step::Reassigned(target) => {
                spend(&mut state.left.reassignments)?;
                self.turn(&mut state, Event::Reassign(Some(self.bounds.targets[target].to_vec())));
            }
            Step::CalledOff => {
                spend(&mut state.left.reassignments)?;
                self.turn(&mut state, Event::Reassign(None));
            }
            Step::Elected { unclean } => {
                let left = &mut state.left;
                spend(if unclean { &mut left.unclean } else { &mut left.elections })?;
                self.turn(&mut state, Event::Elect { unclean });
            }
        }
        // What was only spent was spent for nothing.
        let left = std::mem::replace(&mut state.left, before.left);
        if state == *before {
            return None;
        }
        state.left = left;
        let judged = lost.and_then(|()| rules::judge(before, &mut state, self, step));
        state.renumber();
        Some(judged.map(|()| state))
    }

    /// The controller decides.
    fn turn(&mut self, state: &mut State, event: Event) -> Option<i64> {
        let turned = self.library.turn(state.books, event);
        state.books = turned.books;
        state.leader_epoch += turned.leader_epochs;
        state.partition_epoch += turned.partition_epochs;
        turned.broker_epoch
    }

    fn produces(&self, state: &mut State, at: usize) -> Option<()> {
        spend(&mut state.left.records)?;
        let machine = &mut state.machines[at];
        let Role::Leader(leader) = &machine.role else { return None };
        // As `Replica::ready_for_acks_all`.
        let enough = leader.isr.len() >= self.bounds.min_isr.min(leader.isr.assigned());
        enough.then(|| machine.log.append(leader.leader_epoch))?;
        self.advance(machine);
        Some(())
    }

    /// As `Replica::advance_high_watermark`.
    fn advance(&self, machine: &mut Machine) {
        let Role::Leader(leader) = &machine.role else { return };
        let offset = leader.isr.high_watermark(machine.log.end(), self.bounds.min_isr);
        machine.log.advance_high_watermark(offset);
    }

    /// As `Shard::follower_fetch` and the fetch itself on the leader, `Shard::replicate` on the follower.
    fn fetches(&mut self, state: &mut State, at: usize, hears: bool) -> Option<()> {
        let follower = &state.machines[at];
        let Role::Follower { leader_epoch, leader } = follower.role else { return None };
        if leader < 0 {
            return None;
        }
        let (epoch, mut fetch) = (follower.epoch, follower.log.at(leader_epoch));
        if self.bounds.mutation == Mutation::KeepsWhatDiverged {
            fetch.last_fetched_epoch = -1;
        }
        let led = &mut state.machines[place(leader)];
        let Role::Leader(leading) = &mut led.role else { return None };
        if leading.leader_epoch != leader_epoch {
            return None;
        }
        let known = Known(self.library.cluster(state.books));
        let log = led.log.of_leader(fetch);
        let heard = leading.follower_fetched((id(at), epoch), fetch, log, 0, &known).ok()?;
        if heard.moved {
            self.advance(led);
        }
        if heard.joins
            && let Role::Leader(leading) = &mut led.role
        {
            leading.isr.expand(id(at));
            propose(led, self.bounds);
        }
        if !hears {
            return Some(());
        }
        let (leaders, leaders_high_watermark) = (led.log.records.clone(), led.log.high_watermark);
        let own = &mut state.machines[at].log;
        let has_diverged = fetch.has_diverged(log.last_fetched);
        match log.last_fetched.filter(|_| has_diverged) {
            Some(told) => {
                own.truncate(truncation_target(told, own.cache().end_offset(told.0, own.end()), own.end()))
            }
            // It says that it knows nothing of that epoch, or of that offset.
            None if has_diverged || fetch.fetch_offset > log.log_end_offset => {
                own.truncate(log.log_end_offset.min(own.end()));
            }
            None => {
                if let Some(next) = leaders.get(own.records.len()) {
                    own.append(*next);
                }
                own.advance_high_watermark(leaders_high_watermark);
            }
        }
        Some(())
    }

    /// As `Shard::reconcile`.
    fn sees(&mut self, state: &mut State, at: usize) -> Result<(), Broken> {
        let partition = state.partition(self.library);
        let machine = &mut state.machines[at];
        if let Role::Leader(leader) = &mut machine.role
            && leader.isr.review(0, 0, &Known(self.library.cluster(state.books)))
        {
            self.advance(machine);
        }
        if !partition.replicas.contains(&id(at)) {
            (machine.role, machine.log, machine.asks) = (Role::Absent, Default::default(), None);
            return Ok(());
        }
        if partition.leader != id(at) {
            let (leader_epoch, leader) = (partition.leader_epoch, partition.leader);
            let follower = Role::Follower { leader_epoch, leader };
            if machine.role != follower {
                (machine.role, machine.asks) = (follower, None);
                // As `Shard::follow_leader`.
                let log = &mut machine.log;
                if log.epochs.is_empty() && log.end() > log.high_watermark {
                    log.truncate(log.high_watermark);
                }
            }
            return Ok(());
        }
        match &mut machine.role {
            Role::Leader(leader) if leader.leader_epoch == partition.leader_epoch => {
                if leader.sees(&partition, 0) {
                    self.advance(machine);
                }
                Ok(())
            }
            Role::Absent | Role::Follower { .. } | Role::Leader(_) => {
                let begins = (machine.log.end(), 0);
                let (replicas, isr) = (&partition.replicas, &partition.isr);
                let (leader_epoch, partition_epoch) = (partition.leader_epoch, partition.partition_epoch);
                machine.log.begin_epoch(leader_epoch);
                machine.role = Role::Leader(Leader {
                    leader_epoch,
                    partition_epoch,
                    isr: InSyncReplicas::led_from(id(at), replicas, isr, begins),
                    flush_acks: false,
                });
                machine.asks = None;
                self.advance(machine);
                rules::leads(state, at, &partition, self.bounds.min_isr)
            }
        }
    }

    fn decides(&mut self, state: &mut State, at: usize) -> Option<()> {
        let epoch = state.machines[at].epoch;
        let Asks { proposal, said: None } = state.machines[at].asks.clone()? else { return None };
        let (leader_epoch, partition_epoch) = (BASE - state.leader_epoch, BASE - state.partition_epoch);
        let event = Event::Alter {
            broker: id(at),
            epoch,
            leader_epoch: proposal.leader_epoch + leader_epoch,
            partition_epoch: proposal.partition_epoch + partition_epoch,
            isr: proposal.isr,
        };
        let turned = self.library.turn(state.books, event.clone());
        self.turn(state, event);
        let said =
            turned.outcome.as_ref().map(|outcome| Said::of(outcome, (-leader_epoch, -partition_epoch)));
        state.machines[at].asks.as_mut()?.said = said;
        Some(())
    }

    /// As `Shard::isr_answered`.
    fn hears(&mut self, state: &mut State, at: usize) -> Option<()> {
        let machine = &mut state.machines[at];
        let Asks { proposal, said: Some(said) } = machine.asks.take()? else { return None };
        let (leader_epoch, partition_epoch) = (proposal.leader_epoch, proposal.partition_epoch);
        let answer = IsrAnswer { key: KEY, leader_epoch, partition_epoch, outcome: said.outcome() };
        if let Role::Leader(leader) = &mut machine.role
            && leader.hears(&answer)
        {
            self.advance(machine);
        }
        Some(())
    }

    fn shrinks(&self, state: &mut State, at: usize) -> Option<()> {
        spend(&mut state.left.shrinks)?;
        let machine = &mut state.machines[at];
        let end = machine.log.end();
        let Role::Leader(leader) = &mut machine.role else { return None };
        leader.isr.shrink(1, 0, end)?;
        propose(machine, self.bounds);
        Some(())
    }

    fn returns(&mut self, state: &mut State, at: usize) -> Option<Result<(), Broken>> {
        let machine = &state.machines[at];
        let event = Event::Register { broker: id(at), previous: machine.previous, disk: machine.disk };
        let epoch = self.turn(state, event)?;
        let machine = &mut state.machines[at];
        // From here on what it writes outlives its process (`.ottla_life`).
        (machine.is_up, machine.epoch, machine.previous) = (true, epoch, epoch);
        Some(self.sees(state, at))
    }
}

/// The process ends.
fn end(machine: &mut Machine) {
    machine.is_up = false;
    (machine.role, machine.asks) = (Role::Absent, None);
    machine.log.reopen();
}

/// What the leader proposes is on its way.
fn propose(machine: &mut Machine, bounds: &Bounds) {
    let Role::Leader(leader) = &mut machine.role else { return };
    machine.asks = leader.proposal(KEY).map(|proposal| Asks { proposal, said: None });
    if bounds.mutation == Mutation::TrustsItsProposal
        && let Some(asks) = &machine.asks
    {
        let isr: Vec<i32> = asks.proposal.isr.iter().map(|(id, _)| *id).collect();
        leader.isr.decide(&isr);
    }
}

/// The bits of those that have this record there.
pub(super) fn having(state: &State, offset: usize, epoch: i32) -> u8 {
    let has = |at: &usize| state.machines[*at].log.records.get(offset) == Some(&epoch);
    (0..BROKERS).filter(has).map(bit).sum()
}
