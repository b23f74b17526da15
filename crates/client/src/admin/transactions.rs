//! Transactions (KIP-664): who has one, what it has written to, and its end by hand where its coordinator knows nothing of it.

use super::{Admin, Each, Whom};
use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use wire::messages::describe_transactions::DescribeTransactionsRequest;
use wire::messages::list_transactions::ListTransactionsRequest;
use wire::messages::write_txn_markers::{
    WritableTxnMarker, WritableTxnMarkerTopic, WriteTxnMarkersRequest, WriteTxnMarkersResponse,
};
use wire::topic::TopicPartition;
use wire::{ErrorCode, Str};

/// A transactional id as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionListing {
    /// Its name.
    pub transactional_id: Str,
    /// Of its producer.
    pub producer_id: i64,
    /// In Kafka's words: `Empty`, `Ongoing`, `PrepareCommit`, `CompleteAbort`…
    pub state: Str,
    /// The node that coordinates it.
    pub coordinator: i32,
}

/// A transactional id in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionDescription {
    /// Of its producer.
    pub producer_id: i64,
    /// Of its producer.
    pub producer_epoch: i16,
    /// In Kafka's words.
    pub state: Str,
    /// How long a transaction may be open, in milliseconds.
    pub timeout_ms: i32,
    /// When it began, in milliseconds since the epoch; `None` where none is open.
    pub start_ms: Option<i64>,
    /// What it has written to; of one that ends, where its marker is missing.
    pub partitions: Vec<TopicPartition>,
}

/// A transaction that is open in a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTransaction {
    /// Where.
    pub partition: TopicPartition,
    /// Whose.
    pub producer_id: i64,
    /// Whose.
    pub producer_epoch: i32,
    /// Of the coordinator that ended its last transaction there; -1 for none.
    pub coordinator_epoch: i32,
    /// Where it begins.
    pub start_offset: i64,
    /// Its last record's time, in milliseconds since the epoch.
    pub last_timestamp_ms: i64,
}

impl Admin {
    /// Every transactional id of every broker; filtered by state, in Kafka's words, unless empty. Cancel-safe.
    pub async fn list_transactions(&self, states: &[Str]) -> Result<Vec<TransactionListing>> {
        self.list_some_transactions(states, &[]).await
    }

    async fn list_some_transactions(
        &self,
        states: &[Str],
        producer_ids: &[i64],
    ) -> Result<Vec<TransactionListing>> {
        let request = ListTransactionsRequest {
            state_filters: states.to_vec(),
            producer_id_filters: producer_ids.to_vec(),
            duration_filter: -1,
            ..ListTransactionsRequest::default()
        };
        let mut all = BTreeMap::new();
        for coordinator in self.nodes().await? {
            let listed = self
                .ask(Whom::Node(coordinator), &request, "list transactions", |answer| {
                    Error::check(answer.error_code, None, || "list transactions".to_owned())?;
                    Ok(answer.transaction_states)
                })
                .await?;
            for one in listed {
                let listing = TransactionListing {
                    transactional_id: one.transactional_id.detached(),
                    producer_id: one.producer_id,
                    state: one.transaction_state.detached(),
                    coordinator,
                };
                all.insert(listing.transactional_id.clone(), listing);
            }
        }
        Ok(all.into_values().collect())
    }

    /// One transactional id; `TRANSACTIONAL_ID_NOT_FOUND` where there is none. Cancel-safe.
    pub async fn describe_transaction(&self, transactional_id: &Str) -> Result<TransactionDescription> {
        let doing = format!("describe transactional id {transactional_id:?}");
        let request = DescribeTransactionsRequest { transactional_ids: vec![transactional_id.clone()] };
        let whom = Whom::TransactionCoordinator(transactional_id);
        self.ask(whom, &request, &doing, |answer| {
            let one = answer.transaction_states.into_iter().next();
            let one = one.ok_or_else(|| Error::refused(ErrorCode::TransactionalIdNotFound, doing.clone()))?;
            Error::check(one.error_code, None, || doing.clone())?;
            let partitions = one.topics.iter().flat_map(|topic| {
                topic.partitions.iter().map(|&number| TopicPartition::new(topic.topic.detached(), number))
            });
            Ok(TransactionDescription {
                producer_id: one.producer_id,
                producer_epoch: one.producer_epoch,
                state: one.transaction_state.detached(),
                timeout_ms: one.transaction_timeout_ms,
                start_ms: Some(one.transaction_start_time_ms).filter(|&at_ms| at_ms >= 0),
                partitions: partitions.collect(),
            })
        })
        .await
    }

    /// Ends a transaction in one partition as aborted, whatever its coordinator knows: for one that hangs. Cancel-safe: a dropped call
    /// may still abort.
    pub async fn abort_hung_transaction(&self, hung: &OpenTransaction) -> Result<()> {
        let doing = format!("abort the transaction of producer {} in {}", hung.producer_id, hung.partition);
        let mut leaders: Each<TopicPartition, ()> = Each::new();
        let by_leader = self.by_leader([&hung.partition], &mut leaders).await?;
        let Some((&leader, _)) = by_leader.iter().next() else {
            return leaders.into_values().next().unwrap_or(Ok(()));
        };
        let topic = WritableTxnMarkerTopic {
            name: hung.partition.topic.clone(),
            partition_indexes: vec![hung.partition.partition],
        };
        let marker = WritableTxnMarker {
            producer_id: hung.producer_id,
            producer_epoch: i16::try_from(hung.producer_epoch).unwrap_or(-1),
            transaction_result: false,
            topics: vec![topic],
            // One that has never ended anything there is not fenced by this.
            coordinator_epoch: hung.coordinator_epoch.max(0),
            transaction_version: 0,
        };
        let request = WriteTxnMarkersRequest { markers: vec![marker] };
        let read = |answer: WriteTxnMarkersResponse| {
            let topic = answer.markers.into_iter().next().and_then(|marker| marker.topics.into_iter().next());
            let partition = topic.and_then(|topic| topic.partitions.into_iter().next());
            let code = partition.map_or(ErrorCode::UnknownServerError.code(), |one| one.error_code);
            Error::check(code, None, || doing.clone())
        };
        self.ask(Whom::Node(leader), &request, &doing, read).await
    }

    /// Transactions that are open in these partitions, whoever knows of them. Cancel-safe.
    pub async fn find_open_transactions(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<OpenTransaction>> {
        let mut open = Vec::new();
        for (partition, producers) in self.describe_producers(partitions).await? {
            for one in producers? {
                if let Some(start_offset) = one.transaction_start_offset {
                    open.push(OpenTransaction {
                        partition: partition.clone(),
                        producer_id: one.producer_id,
                        producer_epoch: one.epoch,
                        coordinator_epoch: one.coordinator_epoch,
                        start_offset,
                        last_timestamp_ms: one.last_timestamp_ms,
                    });
                }
            }
        }
        Ok(open)
    }

    /// Transactions that are open in these partitions for longer than `older_than_ms` and that no coordinator knows to be open there.
    /// Cancel-safe.
    pub async fn find_hung_transactions(
        &self,
        partitions: &[TopicPartition],
        now_ms: i64,
        older_than_ms: i64,
    ) -> Result<Vec<OpenTransaction>> {
        let mut open = self.find_open_transactions(partitions).await?;
        open.retain(|one| now_ms.saturating_sub(one.last_timestamp_ms) >= older_than_ms);
        let ids: BTreeSet<i64> = open.iter().map(|one| one.producer_id).collect();
        if ids.is_empty() {
            return Ok(open);
        }
        let mut known: BTreeMap<i64, TransactionDescription> = BTreeMap::new();
        for listing in self.list_some_transactions(&[], &ids.into_iter().collect::<Vec<_>>()).await? {
            match self.describe_transaction(&listing.transactional_id).await {
                Ok(described) => drop(known.insert(listing.producer_id, described)),
                Err(error) if error.code() == Some(ErrorCode::TransactionalIdNotFound) => {}
                Err(error) => return Err(error),
            }
        }
        open.retain(|one| {
            let described = known.get(&one.producer_id);
            described.is_none_or(|known| !known.partitions.contains(&one.partition))
        });
        Ok(open)
    }
}
