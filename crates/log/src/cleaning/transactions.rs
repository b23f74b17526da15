//! What a cleaning knows of transactions while it walks the log from its beginning: which batches were aborted, and which markers
//! no longer have any data before them (KIP-98, KIP-534). Pure.

use crate::transactions::AbortedTransaction;
use std::collections::{BTreeMap, BTreeSet};
use wire::record_batch::BatchHeader;

#[derive(Debug, Default)]
pub(crate) struct CleanedTransactions {
    /// Producers with committed data before the walk's position whose marker is still to come.
    committed: BTreeSet<i64>,
    /// Aborted transactions that have begun, by producer, and whether any of their batches is still there.
    aborted: BTreeMap<i64, (AbortedTransaction, bool)>,
    /// Those that have not begun, by first offset.
    upcoming: BTreeMap<(i64, i64), AbortedTransaction>,
}

/// What a control batch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Commit,
    Abort,
    /// Its marker was compacted away before.
    Empty,
    /// Not of a transaction.
    Other,
}

/// A control batch's fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MarkerFate {
    /// Nothing of its transaction is left: it may go once its delete horizon has passed.
    pub may_go: bool,
    /// To be noted in the new segment's transaction index.
    pub aborted: Option<AbortedTransaction>,
}

impl CleanedTransactions {
    /// Transactions that overlap what is walked next; those known already do no harm.
    pub fn add(&mut self, aborted: Vec<AbortedTransaction>) {
        for transaction in aborted {
            self.upcoming.insert((transaction.first_offset, transaction.producer_id), transaction);
        }
    }

    /// A data batch; true if its transaction was aborted: it goes.
    pub fn on_data(&mut self, header: &BatchHeader) -> bool {
        self.reach(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some((_, observed)) => {
                *observed = true;
                true
            }
            None => {
                self.committed.insert(header.producer_id);
                false
            }
        }
    }

    pub fn on_control(&mut self, header: &BatchHeader, control: Control) -> MarkerFate {
        self.reach(header.last_offset());
        let fate = |may_go| MarkerFate { may_go, aborted: None };
        match control {
            Control::Abort => match self.aborted.remove(&header.producer_id) {
                Some((transaction, true)) => MarkerFate { may_go: false, aborted: Some(transaction) },
                Some((_, false)) | None => fate(true),
            },
            Control::Commit => fate(!self.committed.remove(&header.producer_id)),
            Control::Empty => fate(true),
            Control::Other => fate(false),
        }
    }

    /// The walk has come to `offset`.
    fn reach(&mut self, offset: i64) {
        while let Some(entry) = self.upcoming.first_entry() {
            if entry.key().0 > offset {
                break;
            }
            let transaction = entry.remove();
            self.aborted.entry(transaction.producer_id).or_insert((transaction, false));
        }
    }
}
