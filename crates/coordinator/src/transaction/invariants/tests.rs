//! Each invariant of a transactional id, broken on purpose: the check says which.

use super::super::coordinator::Sending;
use super::*;
use crate::machine::ProducerIdentity;
use crate::transaction::{Partitions, TransactionConfig, TransactionRecord};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

fn partitions(count: i32) -> Partitions {
    let mut partitions = Partitions::default();
    for partition in 0..count {
        partitions.insert(&Str::from("x"), partition);
    }
    partitions
}

fn open() -> Transaction {
    let producer = ProducerIdentity { producer_id: 7, producer_epoch: 3 };
    Transaction::unused(7, 1_000, 0).initialized(producer, 1_000, 0).extended(&partitions(2), 2, 1)
}

fn panic_of(before: Option<Transaction>, after: Option<Transaction>, sent: bool) -> String {
    let id = Str::from("tx");
    let mut machine = TransactionMachine::new();
    if let Some(before) = before {
        machine.transactions.insert(id.clone(), Arc::new(before));
    }
    let mut soft = TransactionSoft::new(TransactionConfig::default(), 0);
    if sent {
        let (producer, left, again) = (open().producer(), partitions(2), Partitions::default());
        let sending = Sending { producer, left, again, attempts: 0, told: false };
        soft.sending.insert(id.clone(), sending);
    }
    let record = TransactionRecord { transactional_id: id, value: after.map(Arc::new), version: 1 };
    let decision = Decision { records: vec![record], ..Decision::default() };
    let check = || machine.check_decision(&soft, &decision);
    let Err(panic) = catch_unwind(AssertUnwindSafe(check)) else { return "nothing".to_owned() };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[test]
fn every_broken_invariant_is_named() {
    let decided = open().ended_with_next_epoch(true, -1, 2);
    let complete = decided.completed(3);
    let with = |transaction: &Transaction, damage: fn(&mut Transaction)| {
        let mut transaction = transaction.clone();
        damage(&mut transaction);
        Some(transaction)
    };
    let cases = [
        (Some(open()), Some(decided.clone()), "nothing"),
        (Some(decided.clone()), Some(complete.clone()), "nothing"),
        (Some(complete.clone()), None, "nothing"),
        (Some(open()), Some(complete.clone()), "move: tx would go from Ongoing to CompleteCommit"),
        (
            Some(decided.clone()),
            Some(open().ended_with_next_epoch(false, -1, 2)),
            "move: tx would go from PrepareCommit to PrepareAbort",
        ),
        (None, Some(open()), "move: tx would go from Empty to Ongoing"),
        (Some(open()), None, "move: tx would be forgotten in the middle of a transaction"),
        (None, None, "move: tx would be forgotten in the middle of a transaction"),
        (Some(open()), with(&decided, |t| t.producer_epoch = 2), "epoch: that of tx would go back"),
        (
            Some(decided.clone()),
            with(&complete, |t| t.producer_id = 8),
            "epoch: another producer id of tx would not begin with 0",
        ),
        (Some(open()), with(&decided, |t| t.producer_id = -1), "producer: tx would have none"),
        (
            Some(decided.clone()),
            with(&complete, |t| t.next_producer_id = 9),
            "next: tx would have a producer id for the time after",
        ),
        (
            Some(decided.clone()),
            with(&complete, |t| t.partitions = partitions(1)),
            "partitions: tx would have some and no transaction",
        ),
        (
            Some(open()),
            with(&open(), |t| t.partitions = partitions(1)),
            "partitions: tx would lose some while it is open",
        ),
        (
            Some(open()),
            with(&decided, |t| t.partitions = partitions(3)),
            "partitions: the outcome of tx would be about others than it has written to",
        ),
    ];
    for (before, after, name) in cases {
        assert_eq!(panic_of(before, after, false), name);
    }
    let on_their_way = "markers: those of tx are on their way and it moves";
    assert_eq!(panic_of(Some(decided), Some(complete), true), on_their_way);
}
