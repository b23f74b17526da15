//! What the active controller remembers and nobody else needs: when brokers last spoke, how far they have read, which are
//! leaving, when its own chores are due. Dies with leadership, and is rebuilt from the image.

use super::mutations::Buckets;
use crate::image::MetadataImage;
use std::collections::BTreeMap;
use wire::random::SplitMix64;
use wire::records::metadata::MetadataRecord;
use wire::{Uuid, Uuid as TopicId};

/// Soft state of the active controller.
#[derive(Debug)]
pub struct Soft {
    pub(super) rng: SplitMix64,
    /// Registered brokers.
    pub(super) brokers: BTreeMap<i32, Heartbeat>,
    /// Of each incarnation (id and epoch); none before its first heartbeat.
    contacts: BTreeMap<(i32, i64), Contact>,
    pub(super) next_noop_ms: i64,
    pub(super) next_fence_check_ms: i64,
    pub(super) next_balance_ms: i64,
    pub(super) next_unclean_ms: i64,
    pub(super) next_sweep_ms: i64,
    /// Of delegation tokens, as far as they were asked for.
    pub(super) hmacs: Hmacs,
    /// What clients have left of their mutations.
    pub(super) buckets: Buckets,
}

/// HMACs of tokens that were looked for, by id; a search derives those that are missing.
#[derive(Debug, Default)]
pub(super) struct Hmacs(pub(super) BTreeMap<wire::Str, Vec<u8>>);

/// When an incarnation spoke.
#[derive(Clone, Copy, Debug)]
struct Contact {
    last_ms: i64,
    /// Its process seems to be gone: unless it speaks before, its session ends then.
    gone_ms: Option<i64>,
    /// Between what it said last; very long before it has said so much.
    gaps_ms: [i64; GAPS],
    /// When it was asked last whether it is there.
    asked_ms: i64,
    /// It led the quorum until this controller took over, and has not been heard since.
    is_suspect: bool,
}

/// Gaps that show how often a broker speaks.
const GAPS: usize = 3;

impl Contact {
    fn new(now_ms: i64) -> Contact {
        let (gaps_ms, asked_ms) = ([i64::MAX; GAPS], i64::MIN);
        Contact { last_ms: now_ms, gone_ms: None, gaps_ms, asked_ms, is_suspect: false }
    }

    /// When it has been silent for longer than chance allows; never for who speaks no more often than Kafka's brokers do.
    fn silent_from(&self, stall_timeout_ms: i64) -> i64 {
        let patience_ms = stall_timeout_ms - answer_ms(stall_timeout_ms);
        let speaks_often = self.gaps_ms.iter().all(|gap_ms| *gap_ms <= stall_timeout_ms / 2);
        match (self.is_suspect, speaks_often) {
            (true, _) if self.asked_ms == i64::MIN => self.last_ms,
            (true, _) | (false, true) => self.last_ms.max(self.asked_ms).saturating_add(patience_ms),
            (false, false) => i64::MAX,
        }
    }

    fn is_over(&self, now_ms: i64, timeout_ms: i64) -> bool {
        self.last_ms.saturating_add(timeout_ms) < now_ms
            || self.gone_ms.is_some_and(|gone_ms| gone_ms <= now_ms)
    }
}

/// How long a broker whose process seems to be gone may take to speak again: several times what a new connection takes.
pub(super) const GONE_GRACE_MS: i64 = 150;

/// How long a broker that was silent may take to answer when it is asked: the last third of its time.
pub(crate) fn answer_ms(stall_timeout_ms: i64) -> i64 {
    (stall_timeout_ms / 3).max(1)
}

/// What a broker's heartbeats have told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heartbeat {
    pub fenced: bool,
    /// How far it has read the metadata log; -1 before it said.
    pub metadata_offset: i64,
    /// Leaving: it may go when everybody has read up to here; -1 if it is not leaving.
    pub controlled_shutdown_offset: i64,
}

impl Heartbeat {
    pub(super) fn is_leaving(&self) -> bool {
        self.controlled_shutdown_offset >= 0
    }
}

impl Soft {
    /// Takes over: unfenced brokers get a whole session to find the new controller.
    pub fn activate(image: &MetadataImage, seed: u64, now_ms: i64) -> Self {
        let mut soft = Soft {
            rng: SplitMix64::new(seed),
            brokers: BTreeMap::new(),
            contacts: BTreeMap::new(),
            next_noop_ms: now_ms,
            next_fence_check_ms: now_ms,
            next_balance_ms: now_ms,
            next_unclean_ms: now_ms,
            next_sweep_ms: now_ms,
            hmacs: Hmacs::default(),
            buckets: Buckets::default(),
        };
        for broker in image.cluster.brokers() {
            soft.registered(broker.id, broker.fenced);
            if !broker.fenced {
                soft.contacted(broker.id, broker.epoch, now_ms);
            }
        }
        soft
    }

    /// A record of a decision has been applied to the pending image, given after the change.
    pub fn observe(&mut self, image: &MetadataImage, record: &MetadataRecord) {
        match record {
            MetadataRecord::RegisterBroker(record) => {
                self.brokers.remove(&record.broker_id);
                self.registered(record.broker_id, record.fenced);
            }
            MetadataRecord::UnregisterBroker(record) => {
                self.brokers.remove(&record.broker_id);
            }
            MetadataRecord::BrokerRegistrationChange(record) => {
                if let Some(broker) = image.cluster.broker(record.broker_id) {
                    self.registered(record.broker_id, broker.fenced);
                }
            }
            _ => {}
        }
    }

    /// A decision was dropped, so that nothing it foresaw came about: what is known of brokers is again what the image says. Who was to be fenced
    /// is so a moment later.
    pub fn take_back(&mut self, image: &MetadataImage, now_ms: i64) {
        self.brokers.retain(|id, _| image.cluster.broker(*id).is_some());
        let retry_ms = now_ms.saturating_add(GONE_GRACE_MS);
        for broker in image.cluster.brokers() {
            let known = self.brokers.get(&broker.id);
            if known.is_none_or(|known| known.fenced != broker.fenced) {
                let metadata_offset = known.map_or(-1, |known| known.metadata_offset);
                self.touched(broker.id, broker.fenced, metadata_offset);
            }
            let key = (broker.id, broker.epoch);
            if !broker.fenced && !self.contacts.contains_key(&key) {
                let gone_ms = Some(retry_ms);
                self.contacts.insert(key, Contact { gone_ms, ..Contact::new(now_ms) });
                self.next_fence_check_ms = retry_ms;
            }
        }
    }

    /// A decision with this last offset put the broker into controlled shutdown, or found it there.
    pub fn note_controlled_shutdown(&mut self, broker_id: i32, offset: i64) {
        assert!(offset >= 0, "a broker that leaves waits for an offset");
        if let Some(broker) = self.brokers.get_mut(&broker_id)
            && broker.controlled_shutdown_offset < 0
        {
            broker.controlled_shutdown_offset = offset;
        }
    }

    pub(super) fn registered(&mut self, broker_id: i32, fenced: bool) {
        let known = self.brokers.get(&broker_id);
        let metadata_offset =
            known.filter(|broker| broker.fenced != fenced).map_or(-1, |broker| broker.metadata_offset);
        self.touched(broker_id, fenced, metadata_offset);
    }

    pub(super) fn touched(&mut self, broker_id: i32, fenced: bool, metadata_offset: i64) {
        let nothing = Heartbeat { fenced, metadata_offset: -1, controlled_shutdown_offset: -1 };
        let broker = self.brokers.entry(broker_id).or_insert(nothing);
        broker.fenced = fenced;
        broker.metadata_offset = metadata_offset;
        if fenced {
            broker.controlled_shutdown_offset = -1;
        }
    }

    /// The offset that all brokers which are neither fenced nor leaving have read up to.
    pub(super) fn lowest_active_offset(&self) -> i64 {
        let active = self.brokers.values().filter(|broker| !broker.fenced && !broker.is_leaving());
        active.map(|broker| broker.metadata_offset).min().unwrap_or(i64::MAX)
    }

    pub(super) fn contacted(&mut self, broker_id: i32, epoch: i64, now_ms: i64) {
        let contact = self.contacts.entry((broker_id, epoch)).or_insert_with(|| Contact::new(now_ms));
        if contact.last_ms < now_ms {
            contact.gaps_ms.rotate_left(1);
            contact.gaps_ms[GAPS - 1] = now_ms - contact.last_ms;
        }
        *contact = Contact { last_ms: now_ms, gone_ms: None, is_suspect: false, ..*contact };
    }

    /// The connection by which the broker spoke was closed, or nobody listens any more where it listened: it has a moment to speak again
    /// (at any incarnation, where `epoch` is `None`), or its session is over. `since_ms`: when that was noticed.
    // DIVERGES: Kafka waits for the session timeout (9 s), in which nobody can write to what the broker led.
    pub fn seems_gone(&mut self, broker_id: i32, epoch: Option<i64>, since_ms: i64) {
        let until_ms = since_ms.saturating_add(GONE_GRACE_MS);
        for ((id, incarnation), contact) in &mut self.contacts {
            // What it said since then shows that it is not gone.
            if *id == broker_id
                && epoch.is_none_or(|epoch| epoch == *incarnation)
                && contact.last_ms <= since_ms
            {
                contact.gone_ms = Some(contact.gone_ms.map_or(until_ms, |known_ms| known_ms.min(until_ms)));
                self.next_fence_check_ms = self.next_fence_check_ms.min(until_ms);
            }
        }
    }

    /// The broker of the node that led the quorum before: whoever lost that may have stopped altogether.
    pub fn suspect(&mut self, broker_id: i32) {
        let of = self.contacts.iter_mut().filter(|((id, _), _)| *id == broker_id);
        of.for_each(|(_, contact)| contact.is_suspect = true);
    }

    /// Unfenced brokers, and their epochs, that are to be asked now whether they are still there. Each is taken to have been asked.
    // DIVERGES: Kafka waits for the session timeout (9 s), in which nobody can write to what a stalled broker leads.
    pub fn take_silent(&mut self, now_ms: i64, stall_timeout_ms: i64) -> Vec<(i32, i64)> {
        let brokers = &self.brokers;
        let is_unfenced = |id: i32| brokers.get(&id).is_some_and(|broker| !broker.fenced);
        let mut silent = Vec::new();
        for ((id, epoch), contact) in &mut self.contacts {
            if is_unfenced(*id) && contact.silent_from(stall_timeout_ms) <= now_ms {
                contact.asked_ms = now_ms;
                silent.push((*id, *epoch));
            }
        }
        silent
    }

    /// When [`Soft::take_silent`] has somebody.
    pub fn next_silent_ms(&self, stall_timeout_ms: i64) -> i64 {
        let is_unfenced = |id: i32| self.brokers.get(&id).is_some_and(|broker| !broker.fenced);
        let unfenced = self.contacts.iter().filter(|((id, _), _)| is_unfenced(*id));
        unfenced.map(|(_, contact)| contact.silent_from(stall_timeout_ms)).min().unwrap_or(i64::MAX)
    }

    /// The broker in the controller's own process needs no time to find it: what the image has of it is either this very
    /// incarnation, which will be heard at once, or one that has died with its process.
    // DIVERGES: after a crash Kafka's combined node waits for the session of its own dead incarnation (9 s).
    pub fn end_session_of(&mut self, broker_id: i32) {
        self.contacts.retain(|(id, _), _| *id != broker_id);
    }

    /// The incarnation has spoken, and not too long ago.
    pub(super) fn has_valid_session(&self, broker_id: i32, epoch: i64, now_ms: i64, timeout_ms: i64) -> bool {
        self.contacts.get(&(broker_id, epoch)).is_some_and(|contact| !contact.is_over(now_ms, timeout_ms))
    }

    /// An incarnation that has been silent for too long; it is forgotten here.
    pub(super) fn take_expired(&mut self, now_ms: i64, timeout_ms: i64) -> Option<(i32, i64)> {
        let mut contacts = self.contacts.iter();
        let (&expired, _) = contacts.find(|(_, contact)| contact.is_over(now_ms, timeout_ms))?;
        self.contacts.remove(&expired);
        Some(expired)
    }

    /// A fresh topic or other id, as random as the seed.
    pub(super) fn fresh_id(&mut self) -> TopicId {
        loop {
            let bits = (u128::from(self.rng.next_u64()) << 64) | u128::from(self.rng.next_u64());
            if let Some(id) = Uuid::from_random(bits) {
                return id;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION_MS: i64 = 9_000;

    fn spoken_at(now_ms: i64) -> Soft {
        let mut soft = Soft::activate(&MetadataImage::default(), 1, 0);
        soft.contacted(7, 40, now_ms);
        soft.next_fence_check_ms = now_ms + SESSION_MS;
        soft
    }

    #[test]
    fn who_seems_gone_and_stays_silent_is_over_after_a_moment() {
        let mut soft = spoken_at(1_000);
        soft.seems_gone(7, Some(40), 1_500);
        let due_ms = 1_500 + GONE_GRACE_MS;
        assert_eq!(soft.next_fence_check_ms, due_ms);
        assert!(soft.has_valid_session(7, 40, due_ms - 1, SESSION_MS));
        assert_eq!(soft.take_expired(due_ms - 1, SESSION_MS), None);
        assert_eq!(soft.take_expired(due_ms, SESSION_MS), Some((7, 40)));
    }

    const STALL_MS: i64 = 1_800;

    #[test]
    fn who_spoke_often_is_asked_after_two_thirds_of_the_time_and_again_when_it_answered() {
        let mut soft = spoken_at(1_000);
        soft.touched(7, false, 0);
        assert_eq!(soft.next_silent_ms(STALL_MS), i64::MAX, "it is not known how often it speaks");
        (1..=3).for_each(|beat| soft.contacted(7, 40, 1_000 + 450 * beat));
        let due_ms = 2_350 + 1_200;
        assert_eq!(soft.next_silent_ms(STALL_MS), due_ms);
        assert_eq!(soft.take_silent(due_ms - 1, STALL_MS), []);
        assert_eq!(soft.take_silent(due_ms, STALL_MS), [(7, 40)]);
        assert_eq!(soft.next_silent_ms(STALL_MS), due_ms + 1_200);
        // Nothing came since it was asked.
        soft.seems_gone(7, Some(40), due_ms);
        assert_eq!(soft.take_expired(due_ms + answer_ms(STALL_MS), SESSION_MS), Some((7, 40)));
    }

    #[test]
    fn who_speaks_as_seldom_as_kafkas_brokers_do_is_never_asked_and_the_fenced_neither() {
        let mut soft = spoken_at(1_000);
        soft.touched(7, false, 0);
        (1..=9).for_each(|beat| soft.contacted(7, 40, 1_000 + 2_000 * beat));
        assert_eq!(soft.take_silent(27_000, STALL_MS), []);
        (1..=3).for_each(|beat| soft.contacted(7, 40, 27_000 + 100 * beat));
        soft.touched(7, true, 0);
        assert_eq!(soft.take_silent(60_000, STALL_MS), []);
        assert_eq!(soft.next_silent_ms(STALL_MS), i64::MAX);
    }

    #[test]
    fn the_broker_of_the_last_leader_is_asked_at_once() {
        let mut soft = spoken_at(1_000);
        soft.touched(7, false, 0);
        soft.suspect(7);
        assert_eq!(soft.take_silent(1_000, STALL_MS), [(7, 40)]);
        assert_eq!(soft.take_silent(1_010, STALL_MS), []);
        soft.contacted(7, 40, 1_020);
        assert_eq!(soft.next_silent_ms(STALL_MS), i64::MAX);
    }

    #[test]
    fn who_speaks_again_or_is_another_incarnation_is_not_gone() {
        let mut soft = spoken_at(1_000);
        soft.seems_gone(7, Some(40), 1_500);
        soft.contacted(7, 40, 1_600);
        assert!(soft.has_valid_session(7, 40, 1_600 + SESSION_MS, SESSION_MS));
        soft.seems_gone(7, Some(39), 1_700);
        soft.seems_gone(8, None, 1_700);
        // Noticed before it spoke last.
        soft.seems_gone(7, None, 1_550);
        assert_eq!(soft.take_expired(5_000, SESSION_MS), None);
        soft.seems_gone(7, None, 1_700);
        assert_eq!(soft.take_expired(5_000, SESSION_MS), Some((7, 40)), "whatever its incarnation");
    }
}
