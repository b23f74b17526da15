//! What must hold in every state, and when a cluster that is left alone is well again.

use super::moves::{Move, Terms};
use super::state::{BROKERS, Role, State, id, index};

/// The rule that is broken, in words.
pub type Broken = Option<String>;

impl State {
    /// `before`: the state that this one came from.
    pub fn broken_rule(&self, terms: &Terms, before: Option<&State>) -> Broken {
        self.broken_rule_of_the_image(terms).or_else(|| self.broken_rule_of_logs()).or_else(|| {
            let before = before?;
            (0..BROKERS).find_map(|at| self.broken_rule_of_a_leader(before, at))
        })
    }

    fn broken_rule_of_the_image(&self, terms: &Terms) -> Broken {
        let newest = self.newest();
        let partition = &newest.partition;
        let (isr, elr) = (&partition.isr, &partition.elr);
        if let Some(both) = isr.iter().find(|id| elr.contains(id)) {
            return Some(format!("ISR and ELR are disjoint: {both} is in both"));
        }
        if isr.len() >= terms.bounds.min_insync_replicas && !elr.is_empty() {
            return Some(format!("the ELR is empty while the ISR is large enough: {isr:?}, {elr:?}"));
        }
        let is_unclean = |id: &&i32| index(**id).is_some_and(|at| self.unclean[at]);
        if let Some(unclean) = elr.iter().find(is_unclean) {
            return Some(format!("{unclean} is eligible after an unclean stop"));
        }
        if partition.leader != -1 && !isr.contains(&partition.leader) {
            return Some(format!("{} leads and is not in the ISR {isr:?}", partition.leader));
        }
        let tolerated = terms.bounds.min_insync_replicas.saturating_sub(1);
        let is_tolerated = usize::from(self.unclean_registrations) <= tolerated;
        if self.had_unclean_election && is_tolerated && !terms.bounds.unclean {
            return Some("an unclean election, though enough were stopped in order".to_owned());
        }
        None
    }

    /// Equal offsets of equal epochs have equal histories; who leads has everything that was ever committed.
    fn broken_rule_of_logs(&self) -> Broken {
        for one in 0..BROKERS {
            for other in 0..one {
                let (a, b) = (&self.broker(one).log.records, &self.broker(other).log.records);
                let same = a.iter().zip(b).rposition(|(a, b)| a == b);
                if let Some(last) = same
                    && a.get(..=last) != b.get(..=last)
                {
                    return Some(format!("logs of {} and {} part and meet: {a:?} {b:?}", id(one), id(other)));
                }
            }
        }
        if self.had_unclean_election {
            return None;
        }
        (0..BROKERS).find_map(|at| self.broken_rule_of_a_member(at))
    }

    /// Whoever leads, is in sync or eligible, and runs, has everything that was ever committed.
    fn broken_rule_of_a_member(&self, at: usize) -> Broken {
        let (newest, broker) = (self.newest(), self.broker(at));
        let partition = &newest.partition;
        let leads = matches!(&broker.role, Role::Leader(it) if it.leader_epoch == partition.leader_epoch);
        let may_lead = [&partition.isr, &partition.elr].into_iter().any(|list| list.contains(&id(at)));
        let runs = broker.is_up && broker.epoch == newest.brokers[at].0;
        let (records, committed) = (&broker.log.records, self.committed.as_slice());
        if !runs || !(leads || may_lead) || records.starts_with(committed) {
            return None;
        }
        let what = if leads { "leads" } else { "may lead" };
        Some(format!("{} {what} with {records:?} and lacks of what is committed: {committed:?}", id(at)))
    }

    fn broken_rule_of_a_leader(&self, before: &State, at: usize) -> Broken {
        let (broker, earlier) = (self.broker(at), before.broker(at));
        let Role::Leader(leader) = &broker.role else { return None };
        if let Role::Leader(it) = &earlier.role
            && it.leader_epoch == leader.leader_epoch
            && earlier.log.high_watermark > broker.log.high_watermark
        {
            return Some(format!("the high watermark of {} goes back in one epoch", id(at)));
        }
        let newest = &self.newest().partition;
        let is_the_leader = newest.leader == id(at) && newest.leader_epoch == leader.leader_epoch;
        let unheeded = |member: &&i32| **member != id(at) && !leader.isr.is_in_maximal(**member);
        // Whom the controller takes out by itself is out; whom it lets in, the leader has asked for.
        let member = newest.isr.iter().find(unheeded).filter(|_| is_the_leader)?;
        Some(format!("{member} is in the ISR and {} does not wait for it", id(at)))
    }

    /// What a cluster does next that is left alone, with all machines up; `None` when there is nothing left to do.
    pub fn healing_move(&self, moves: &[Move]) -> Option<Move> {
        moves.iter().copied().find(|what| match what {
            Move::Returns(_) | Move::Sees(_) | Move::Hears(_) | Move::Decides(_) | Move::Asks(_) => true,
            Move::DecidesLate | Move::FetchesLate | Move::Unfenced(_) => true,
            Move::Fetches(at) => self.has_to_fetch(*at),
            Move::Produces(_) | Move::Shrinks(_) | Move::Fenced(_) | Move::Killed(_) => false,
            Move::Stopped(_) | Move::Powerless(..) | Move::Loses(_) | Move::GivesUp(_) => false,
            Move::Elects | Move::ElectsUnclean => false,
        })
    }

    fn has_to_fetch(&self, at: usize) -> bool {
        let Some(leader) = self.followed(at) else { return false };
        let is_out = !self.newest().partition.isr.contains(&id(at));
        is_out || self.broker(leader).log != self.broker(at).log || {
            let Role::Leader(it) = &self.broker(leader).role else { return false };
            it.isr.high_watermark(self.broker(leader).log.end(), 1) < self.broker(leader).log.end()
        }
    }

    /// Of a cluster that has nothing left to do: whether it is well.
    pub fn is_unwell(&self) -> Broken {
        let partition = &self.newest().partition;
        if partition.leader == -1 {
            let eligible: Vec<&i32> = partition.isr.iter().chain(&partition.elr).collect();
            return (!eligible.is_empty()).then(|| format!("nobody leads, though {eligible:?} might"));
        }
        if partition.isr.len() != BROKERS {
            return Some(format!("the ISR stays {:?}", partition.isr));
        }
        let first = &self.broker(0).log;
        let same = (1..BROKERS).all(|at| self.broker(at).log.records == first.records);
        let decided = (0..BROKERS).all(|at| self.broker(at).log.high_watermark == first.end());
        (!same || !decided).then(|| "the logs stay apart".to_owned())
    }
}
