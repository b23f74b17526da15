//! Subscriptions by pattern: when they are looked at again, and what comes of it. The looking itself is done elsewhere, by whoever has all
//! topics and the time for it (`pattern.rs`); between the two a group lives with what the pattern stood for before.

use super::super::command::GroupAnswer;
use super::super::records::GroupRecord;
use super::super::state::{Group, GroupMachine, GroupSoft};
use super::super::turn::Turn;
use super::beat::{Beat, epoch_record};
use super::group::ConsumerGroup;
use super::heard::{Resolved, ToResolve};
use super::member::ConsumerMember;
use super::refusal::Refusal;
use super::subscription::Roster;
use super::view::Seen;
use crate::pattern::Pattern;
use std::collections::BTreeSet;
use std::sync::Arc;
use wire::records::group::ConsumerGroupRegularExpressionValue;
use wire::{ErrorCode, Str};

/// Patterns of a group are not looked at again before.
const MIN_REFRESH_INTERVAL_MS: i64 = 10_000;
/// When nobody has come back with what they stand for, somebody else is sent.
const RESOLVING_TIMEOUT_MS: i64 = 30_000;

/// What a heartbeat says of the member's pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RegexUpdate {
    /// The one it had.
    Unchanged,
    /// Another; what it stands for is not known yet.
    Changed,
    /// Another, or none any more, and that is known.
    Resolved,
}

impl GroupMachine {
    /// Takes note of the member's pattern, and says which are to be looked at.
    pub(super) fn update_regexes(
        &self,
        soft: &mut GroupSoft,
        turn: &mut Turn,
        group: &ConsumerGroup,
        beat: &Beat<'_>,
        (member, updated): (&ConsumerMember, &ConsumerMember),
    ) -> Result<(RegexUpdate, Option<ToResolve>), Refusal> {
        let (old, new) = (member.regex(), updated.regex());
        let members_with = |regex: &Str| group.patterns.get(regex).copied().unwrap_or(0);
        let (mut update, mut is_new) = (RegexUpdate::Unchanged, false);
        if member.topic_regex != updated.topic_regex {
            update = RegexUpdate::Changed;
            if let Some(old) = old.filter(|old| members_with(old) == 1) {
                turn.write(regex_tombstone(&beat.group_id, old));
            }
            match new {
                Some(new) if members_with(new) == 0 => {
                    validate(new)?;
                    is_new = true;
                }
                Some(new) if group.regexes.contains_key(new) => update = RegexUpdate::Resolved,
                None if old.is_some() => update = RegexUpdate::Resolved,
                Some(_) | None => {}
            }
        }
        if !is_new && group.patterns.is_empty() {
            return Ok((update, None));
        }
        let roster = Roster::with(group, updated);
        let patterns: Vec<Str> = roster.patterns().into_keys().cloned().collect();
        let due = is_new | self.regexes_are_due(soft, turn, group, patterns.len());
        let around = soft.consumer.entry(beat.group_id.clone()).or_default();
        let last_ms = group.regexes.values().next().map(|resolved| resolved.timestamp_ms);
        let rests = last_ms.is_some_and(|last_ms| {
            last_ms <= turn.wall_ms && turn.wall_ms <= last_ms.saturating_add(MIN_REFRESH_INTERVAL_MS)
        });
        if !due || patterns.is_empty() || rests || around.resolving_until_ms > turn.now_ms {
            return Ok((update, None));
        }
        let seen = Seen(Arc::clone(&soft.view));
        around.resolving_until_ms = turn.now_ms.saturating_add(RESOLVING_TIMEOUT_MS);
        Ok((update, Some(ToResolve { group: beat.group_id.clone(), patterns, seen })))
    }

    fn regexes_are_due(&self, soft: &GroupSoft, turn: &Turn, group: &ConsumerGroup, patterns: usize) -> bool {
        let Some(last) = group.regexes.values().next() else { return true };
        let interval_ms = i64::from(soft.config.consumer.regex_refresh_interval_ms);
        patterns != group.regexes.len()
            || last.version < soft.view.version()
            || turn.wall_ms > last.timestamp_ms.saturating_add(interval_ms)
    }

    /// Somebody has looked: where a pattern stands for other topics than before, the group has a new epoch.
    pub(crate) fn regexes_resolved(&self, soft: &mut GroupSoft, turn: &mut Turn, resolved: &Resolved) {
        self.take_regexes(soft, turn, resolved);
        turn.answer(GroupAnswer::Done);
    }

    fn take_regexes(&self, soft: &mut GroupSoft, turn: &mut Turn, resolved: &Resolved) {
        let around = soft.consumer.entry(resolved.group.clone()).or_default();
        around.resolving_until_ms = 0;
        let Some(Group::Consumer(group)) = self.groups.get(&resolved.group) else {
            soft.consumer.remove(&resolved.group);
            return;
        };
        let mut next = ConsumerGroup::clone(group);
        let mut changed = false;
        for (regex, topics) in &resolved.topics {
            if !group.patterns.contains_key(regex) {
                continue;
            }
            let before = group.regexes.get(regex);
            changed |= match before {
                Some(before) => before.topics != *topics,
                None => !topics.is_empty(),
            };
            let value = ConsumerGroupRegularExpressionValue {
                topics: topics.iter().cloned().collect(),
                version: resolved.version,
                timestamp: turn.wall_ms,
            };
            next.apply_regex(regex, Some(&value));
            turn.write(GroupRecord::ConsumerRegex {
                group: resolved.group.clone(),
                regex: regex.clone(),
                value: Some(Arc::new(value)),
            });
        }
        if turn.fitting(soft, ()).is_err() {
            // More topics than a batch can name: the group goes on with those of before.
            return turn.take_back();
        }
        let hash = Roster::without(&next, BTreeSet::new()).metadata_hash(soft);
        if changed || hash != group.metadata_hash {
            let epoch = group.epoch.saturating_add(1);
            turn.write(epoch_record(&resolved.group, epoch, hash));
            let version = soft.view.version();
            soft.consumer.entry(resolved.group.clone()).or_default().checked_version = Some(version);
        }
    }
}

fn validate(regex: &str) -> Result<(), Refusal> {
    Pattern::parse(regex).map(drop).map_err(|error| {
        let reason = error.what();
        Refusal::new(
            ErrorCode::InvalidRegularExpression,
            format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {reason}."),
        )
    })
}

pub(super) fn regex_tombstone(group: &Str, regex: &Str) -> GroupRecord {
    GroupRecord::ConsumerRegex { group: group.clone(), regex: regex.clone(), value: None }
}
