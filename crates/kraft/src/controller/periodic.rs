//! What the active controller does by itself: NoOpRecords, so that observers see time pass (KIP-835); fencing of silent brokers;
//! giving partitions back to preferred leaders; unclean elections where they are allowed; taking away delegation tokens
//! that have had their time. Owns when each is due.

use super::{Controller, Decision, Situation, Soft};
use crate::raft::MAX_BATCH_RECORDS;
use wire::records::metadata::NoOpRecord;

/// Elections in one go of a periodic check.
const MAX_ELECTIONS: usize = 1000;
const _: () = assert!(MAX_ELECTIONS <= MAX_BATCH_RECORDS, "one go is one batch");

impl Controller {
    /// Sets the first deadlines, a whole period from now.
    pub fn start_timers(&self, soft: &mut Soft, now_ms: i64) {
        soft.next_noop_ms = now_ms + self.options().max_idle_interval_ms;
        soft.next_fence_check_ms = now_ms + self.fence_check_interval();
        soft.next_balance_ms = now_ms + self.options().leader_imbalance_check_interval_ms.unwrap_or(0);
        soft.next_unclean_ms = now_ms + self.options().unclean_election_check_interval_ms;
        soft.next_sweep_ms = now_ms + self.sweep_interval().unwrap_or(0);
    }

    /// When something is due next.
    pub fn next_deadline_ms(&self, soft: &Soft) -> i64 {
        let options = self.options();
        let noop = if options.max_idle_interval_ms > 0 { soft.next_noop_ms } else { i64::MAX };
        let balance = options.leader_imbalance_check_interval_ms.map_or(i64::MAX, |_| soft.next_balance_ms);
        let sweep = self.sweep_interval().map_or(i64::MAX, |_| soft.next_sweep_ms);
        noop.min(balance).min(sweep).min(soft.next_fence_check_ms).min(soft.next_unclean_ms)
    }

    /// The next thing that is due, if any; to be asked until there is nothing.
    pub fn due(&self, at: Situation<'_>, soft: &mut Soft) -> Option<Decision> {
        let now_ms = at.now_ms;
        let options = self.options();
        let mut decider = self.decider(at, soft);
        if decider.soft.next_fence_check_ms <= now_ms {
            let more = decider.fence_one_silent_broker();
            decider.soft.next_fence_check_ms =
                if more { now_ms } else { now_ms + self.fence_check_interval() };
        } else if options.max_idle_interval_ms > 0 && decider.soft.next_noop_ms <= now_ms {
            decider.write(NoOpRecord {}, 0);
            decider.soft.next_noop_ms = now_ms + options.max_idle_interval_ms;
        } else if let Some(interval) = options.leader_imbalance_check_interval_ms
            && decider.soft.next_balance_ms <= now_ms
        {
            let more = decider.balance_leaders(MAX_ELECTIONS);
            decider.soft.next_balance_ms = now_ms + if more { 1 } else { interval };
        } else if decider.soft.next_unclean_ms <= now_ms {
            let more = decider.elect_unclean_leaders(MAX_ELECTIONS);
            decider.soft.next_unclean_ms =
                now_ms + if more { 1 } else { options.unclean_election_check_interval_ms.max(1) };
        } else if let Some(interval) = self.sweep_interval()
            && decider.soft.next_sweep_ms <= now_ms
        {
            let more = decider.sweep_delegation_tokens();
            decider.soft.next_sweep_ms = now_ms + if more { 1 } else { interval };
        } else {
            return None;
        }
        Some(Decision { records: decider.records, ..Decision::default() })
    }

    /// Between looks for delegation tokens that have had their time.
    fn sweep_interval(&self) -> Option<i64> {
        self.options().delegation_tokens.as_ref().map(|tokens| tokens.expiry_check_interval_ms.max(1))
    }

    /// Eight looks per session.
    fn fence_check_interval(&self) -> i64 {
        (self.options().session_timeout_ms / 8).max(1)
    }
}
