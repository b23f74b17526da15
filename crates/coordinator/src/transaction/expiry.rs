//! Transactional ids that nobody uses any more: what may go, and when. Also where every deadline is told apart.
//!
//! A scan covers all ids in pieces, each a command of its own, so that no turn is long.

use super::command::TransactionTimer;
use super::coordinator::{TransactionMachine, TransactionSoft};
use super::events::TransactionEvent;
use super::turn::Turn;
use std::ops::Bound::{Excluded, Unbounded};
use wire::Str;

/// Transactional ids that one piece of the scan may look at: about a millisecond.
const MAX_IDS_PER_PIECE: usize = 5_000;

impl TransactionMachine {
    pub(super) fn timer_fired(&self, soft: &mut TransactionSoft, turn: &mut Turn, timer: TransactionTimer) {
        match timer {
            TransactionTimer::Timeout { transactional_id } => self.timed_out(soft, turn, transactional_id),
            TransactionTimer::Markers { transactional_id } => self.markers_due(soft, turn, transactional_id),
            TransactionTimer::Expiry { after } => self.expire(soft, turn, after.as_ref()),
        }
    }

    fn expire(&self, soft: &mut TransactionSoft, turn: &mut Turn, after: Option<&Str>) {
        turn.decision.may_split = true;
        let before_ms = turn.wall_ms.saturating_sub(soft.config.id_expiration_ms);
        let from = after.cloned().map_or(Unbounded, Excluded);
        let mut last = None;
        let ids = self.transactions.range::<Str, _>((from, Unbounded)).take(MAX_IDS_PER_PIECE);
        for (seen, (transactional_id, known)) in ids.enumerate() {
            if known.state.is_settled() && known.last_update_ms <= before_ms {
                turn.write_tombstone(transactional_id);
                soft.set_before(transactional_id, None);
            }
            last = (seen + 1 == MAX_IDS_PER_PIECE).then(|| transactional_id.clone());
        }
        let expired = turn.decision.records.len();
        if expired > 0 {
            soft.events.push(TransactionEvent::Expired { transactional_ids: expired });
        }
        let delay_ms = if last.is_some() { 1 } else { soft.config.expiration_interval_ms };
        turn.set_timer(TransactionTimer::Expiry { after: last }, delay_ms);
    }
}
