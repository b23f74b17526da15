//! The replicated state of one `__transaction_state` partition, its soft state, and what it wishes its host would do.
//!
//! Owns `apply`: the only way in which transactional ids come, change and go. Decisions live in the other rooms.

use super::config::TransactionConfig;
use super::events::TransactionEvent;
use super::ids::ProducerIds;
use super::partitions::Partitions;
use super::records::TransactionRecord;
use super::state::Transaction;
use crate::machine::ProducerIdentity;
use std::collections::BTreeMap;
use std::sync::Arc;
use wire::Str;
use wire::wall::Wall;

/// What the partition's records add up to: the last of each transactional id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TransactionMachine {
    /// Shared between the twins.
    pub(super) transactions: BTreeMap<Str, Arc<Transaction>>,
}

impl TransactionMachine {
    /// A partition without transactional ids.
    pub fn new() -> Self {
        TransactionMachine::default()
    }

    /// What is known of a transactional id.
    pub fn get(&self, transactional_id: &str) -> Option<&Transaction> {
        self.transactions.get(transactional_id).map(Arc::as_ref)
    }

    /// Every transactional id, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Str, &Transaction)> {
        self.transactions.iter().map(|(id, transaction)| (id, transaction.as_ref()))
    }

    /// How many transactional ids.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Whatever is written: who a retry names is of the producer id before it, not of one before that, which is fenced for good.
    pub(super) fn keep_befores(&self, soft: &mut TransactionSoft, written: &[TransactionRecord]) {
        for record in written {
            let known = self.transactions.get(&record.transactional_id);
            if let (Some(known), Some(before)) = (known, soft.befores.get_mut(&record.transactional_id)) {
                before.producer_id = known.producer_id;
            }
        }
    }

    pub(super) fn apply_record(&mut self, record: &TransactionRecord) {
        match &record.value {
            Some(transaction) => {
                self.transactions.insert(record.transactional_id.clone(), transaction.clone());
            }
            None => drop(self.transactions.remove(&record.transactional_id)),
        }
    }
}

/// What the coordinator wants from its host. Carried out after the step that wished it, in order; nothing waits in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionWish {
    /// A few producer ids of this node's, to be granted with a command.
    ProducerIds,
    /// Markers to be written (WriteTxnMarkers): what they say is committed. The host finds the leaders, sends, and answers once for each
    /// partition.
    Markers(MarkersWish),
}

/// The markers of one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkersWish {
    /// For the answer; does not go out.
    pub transactional_id: Str,
    /// Whose transaction ends. With protocol 2 the epoch is the next one already.
    pub producer: ProducerIdentity,
    /// False: it is aborted.
    pub commit: bool,
    /// Of this coordinator's term: partitions refuse what an earlier one sends.
    pub coordinator_epoch: i32,
    /// By which level of `transaction.version` the transaction was ended.
    pub transaction_version: i8,
    /// Where to.
    pub partitions: Partitions,
}

/// Markers on their way.
#[derive(Debug)]
pub(super) struct Sending {
    pub producer: ProducerIdentity,
    /// Not known to be written yet.
    pub left: Partitions,
    /// Of these, those that said no and are asked again when the timer fires.
    pub again: Partitions,
    /// How often they were asked again.
    pub attempts: u32,
    /// Somebody was told of a refusal.
    pub told: bool,
}

/// What dies with leadership.
#[derive(Debug)]
pub struct TransactionSoft {
    /// As configured now.
    pub config: TransactionConfig,
    /// The leader epoch of this partition.
    pub(super) coordinator_epoch: i32,
    pub(super) wall: Wall,
    pub(super) producer_ids: ProducerIds,
    /// Who each producer was before it was given its epoch: a retry names it. Kafka does not persist it either.
    pub(super) befores: BTreeMap<Str, ProducerIdentity>,
    pub(super) sending: BTreeMap<Str, Sending>,
    /// To be carried out; whoever hosts the machine takes them after each step.
    pub wishes: Vec<TransactionWish>,
    /// What happened and nobody was told of yet; taken as the wishes are.
    pub events: Vec<TransactionEvent>,
}

impl TransactionSoft {
    /// For one term of leadership.
    pub fn new(config: TransactionConfig, coordinator_epoch: i32) -> Self {
        TransactionSoft {
            config,
            coordinator_epoch,
            wall: Wall::default(),
            producer_ids: ProducerIds::default(),
            befores: BTreeMap::new(),
            sending: BTreeMap::new(),
            wishes: Vec::new(),
            events: Vec::new(),
        }
    }

    /// What the times in records are counted in; timers are not.
    pub fn with_wall(self, wall: Wall) -> Self {
        TransactionSoft { wall, ..self }
    }

    /// Keeps who a retry would name.
    pub(super) fn set_before(&mut self, transactional_id: &Str, before: Option<ProducerIdentity>) {
        match before {
            Some(producer) => drop(self.befores.insert(transactional_id.detached(), producer)),
            None => drop(self.befores.remove(transactional_id)),
        }
    }
}
