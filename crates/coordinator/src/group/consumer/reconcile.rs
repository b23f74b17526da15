//! One step of a member towards its target: first it gives back what it shall not have, then it is given what nobody else has any more.
//! A pure function of the member, the target and who owns what.

use super::super::assignor::Assignment;
use super::member::{ConsumerMember, Held, MemberState};
use std::collections::{BTreeMap, BTreeSet};
use wire::Uuid;
use wire::messages::consumer_group_heartbeat::TopicPartitions;

/// What a member is brought to.
pub struct Reconciliation<'a> {
    /// The epoch of the target.
    pub target_epoch: i32,
    /// What it shall have.
    pub target: &'a Assignment,
    /// What it subscribes to now, of topics that exist.
    pub subscribed: &'a BTreeSet<Uuid>,
    /// It subscribes to something else than before.
    pub subscription_changed: bool,
    /// What the member says it has, if it says so.
    pub owned: Option<&'a [TopicPartitions]>,
    /// Whether anybody has a partition, or has still to give it back.
    pub is_owned: &'a dyn Fn(Uuid, i32) -> bool,
}

/// The member is in a state of a later version, and has partitions: it has to give them all up and come again.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownState;

impl Reconciliation<'_> {
    /// The member after the step.
    pub fn step(&self, member: &ConsumerMember) -> Result<ConsumerMember, UnknownState> {
        match member.state {
            MemberState::Stable if member.epoch != self.target_epoch => Ok(self.towards_target(member)),
            MemberState::UnrevokedPartitions if !self.still_has(&member.revoking) => {
                Ok(self.towards_target(member))
            }
            MemberState::Stable | MemberState::UnrevokedPartitions if self.subscription_changed => {
                Ok(self.without_unsubscribed(member))
            }
            MemberState::Stable | MemberState::UnrevokedPartitions => Ok(member.clone()),
            MemberState::UnreleasedPartitions => Ok(self.towards_target(member)),
            MemberState::Unknown if self.owned.is_some_and(|owned| owned.is_empty()) => {
                let at_target = ConsumerMember { epoch: self.target_epoch, ..member.clone() };
                Ok(self.towards_target(&at_target))
            }
            MemberState::Unknown => Err(UnknownState),
        }
    }

    /// Who does not say what it has may have all of it.
    fn still_has(&self, revoking: &Held) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|topic| {
            let asked = revoking.get(&topic.topic_id);
            asked.is_some_and(|asked| topic.partitions.iter().any(|partition| asked.contains_key(partition)))
        })
    }

    /// Topics that it no longer subscribes to are to be given back at once, whatever the target.
    fn without_unsubscribed(&self, member: &ConsumerMember) -> ConsumerMember {
        let mut next = member.clone();
        let (kept, gone): (Held, Held) =
            std::mem::take(&mut next.assigned).into_iter().partition(|(id, _)| self.subscribed.contains(id));
        next.assigned = kept;
        if gone.is_empty() {
            return next;
        }
        let mut revoking = next.revoking.clone();
        for (topic, partitions) in gone {
            revoking.entry(topic).or_default().extend(partitions);
        }
        next.advance_to(member.epoch);
        if self.still_has(&revoking) {
            next.state = MemberState::UnrevokedPartitions;
            next.revoking = revoking;
        }
        next
    }

    fn towards_target(&self, member: &ConsumerMember) -> ConsumerMember {
        let none = BTreeSet::new();
        let (mut assigned, mut revoking) = (Held::new(), Held::new());
        for (topic, partitions) in &member.assigned {
            let wanted = self.target.get(topic).filter(|_| self.subscribed.contains(topic)).unwrap_or(&none);
            for (partition, epoch) in partitions {
                let into = if wanted.contains(partition) { &mut assigned } else { &mut revoking };
                into.entry(*topic).or_default().insert(*partition, *epoch);
            }
        }
        let mut next = member.clone();
        if !revoking.is_empty() && self.still_has(&revoking) {
            next.state = MemberState::UnrevokedPartitions;
            next.advance_to(member.epoch);
            next.assigned = assigned;
            next.revoking = revoking;
            return next;
        }
        let mut unreleased = false;
        for (topic, wanted) in self.target.iter().filter(|(topic, _)| self.subscribed.contains(topic)) {
            let has = |held: &Held, partition: &i32| {
                held.get(topic).is_some_and(|partitions| partitions.contains_key(partition))
            };
            let missing = wanted.iter().filter(|partition| !has(&assigned, partition));
            // What it has just given back is free, whatever the records say.
            let (free, taken): (BTreeSet<i32>, BTreeSet<i32>) = missing.partition(|partition| {
                has(&member.revoking, partition) || !(self.is_owned)(*topic, **partition)
            });
            unreleased |= !taken.is_empty();
            if !free.is_empty() {
                let own: &mut BTreeMap<i32, i32> = assigned.entry(*topic).or_default();
                own.extend(free.into_iter().map(|partition| (partition, self.target_epoch)));
            }
        }
        next.state = if unreleased { MemberState::UnreleasedPartitions } else { MemberState::Stable };
        next.advance_to(self.target_epoch);
        next.assigned = assigned;
        next.revoking = Held::new();
        next
    }
}
