//! Transactions: records and offsets that count together or not at all (KIP-98, KIP-447, protocol 2 of KIP-890). Owns the transactional
//! id's producer id and epoch and the one transaction that may be open; the records themselves are an ordinary producer's.

use super::delivery::{self, Delivery};
use super::options::ProducerOptions;
use super::{Producer, ProducerBuilder};
use crate::cluster::call::Call;
use crate::cluster::connection::Connection;
use crate::cluster::{Cluster, CoordinatorKind};
use crate::consumer::GroupMembership;
use crate::error::{Error, Handling, Result};
use crate::group_offsets::CommittedOffset;
use crate::record::{Record, RecordMetadata};
use crate::standstill::Standstill;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use wire::messages::end_txn::EndTxnRequest;
use wire::messages::init_producer_id::InitProducerIdRequest;
use wire::messages::txn_offset_commit::{
    TxnOffsetCommitRequest, TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
};
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode, Str};

/// The level of `transaction.version` from which a transaction adds its partitions by itself and its end gives the next epoch.
const PROTOCOL_2: i16 = 2;
/// The first EndTxn version that tells the next epoch.
const ENDS_WITH_EPOCH: i16 = 5;
/// The TxnOffsetCommit version of protocol 2 that names topics by name.
const OFFSETS_BY_NAME: i16 = 5;
const _: () = assert!(ENDS_WITH_EPOCH == *ApiKey::EndTxn.versions().end(), "it is spoken");
const _: () = assert!(OFFSETS_BY_NAME < *ApiKey::TxnOffsetCommit.versions().end(), "a later one names ids");

/// A producer whose records count with their transaction. Of all that ever had its transactional id, only the newest can write.
#[derive(Debug)]
pub struct TransactionalProducer {
    producer: Producer,
    transactional_id: Str,
    /// Where the coordinator was found last.
    coordinator: Mutex<Option<i32>>,
    producer_id: i64,
    epoch: i16,
    state: State,
    /// The open transaction may have reached a broker.
    wrote: AtomicBool,
}

#[derive(Debug)]
enum State {
    /// No transaction is open.
    Ready,
    /// One has begun and not ended; if nobody holds it any more, it is to be aborted.
    Open,
    /// Nobody knows how the last one ended. Asking for the producer's next epoch tells, and ends it.
    Unknown,
    /// It can write no more, for this reason.
    Over(Error),
}

impl ProducerBuilder {
    /// Starts a producer whose records go in transactions, once it has taken its transactional id over from whoever had it. Fails as
    /// the coordinator does, and within `default.api.timeout.ms`. Cancel-safe.
    pub async fn build_transactional(self) -> Result<TransactionalProducer> {
        if self.options.transactional_id.as_ref().is_none_or(|id| id.is_empty()) {
            return Err(Error::configuration("transactional.id", "a transactional producer needs one"));
        }
        TransactionalProducer::take_over(self.start()?).await
    }
}

impl TransactionalProducer {
    /// Takes the transactional id over: fences whoever had it and ends what they left open.
    async fn take_over(producer: Producer) -> Result<TransactionalProducer> {
        let options = &producer.handle.0.options;
        let transactional_id = options.transactional_id.clone().unwrap_or_default();
        let mut taken = TransactionalProducer {
            producer,
            transactional_id,
            coordinator: Mutex::new(None),
            producer_id: -1,
            epoch: -1,
            state: State::Unknown,
            wrote: AtomicBool::new(false),
        };
        taken.initialize().await?;
        Ok(taken)
    }

    /// Begins a transaction, and first aborts one that was dropped unended. Fails for good with `PRODUCER_FENCED` once another
    /// producer has taken the transactional id over. Cancel-safe.
    pub async fn begin(&mut self) -> Result<Transaction<'_>> {
        match &self.state {
            State::Over(error) => return Err(error.clone()),
            State::Open => {
                self.settle(false).await;
                self.end(false).await?;
            }
            State::Unknown => self.initialize().await?,
            State::Ready => {}
        }
        self.state = State::Open;
        Ok(Transaction { owner: self })
    }

    /// Its name.
    pub fn transactional_id(&self) -> &Str {
        &self.transactional_id
    }

    /// Finds a topic, or has it created where the cluster does that by itself, before the first record wants it.
    /// Cancel-safe.
    pub async fn find_topic(&self, topic: &Str, within: Duration) -> Result<()> {
        self.producer.find_topic(topic, within).await
    }

    /// Asks for the next epoch. The first time as nobody in particular, later as who this is: who has been fenced does not fence back.
    async fn initialize(&mut self) -> Result<()> {
        let options = self.options();
        let request = InitProducerIdRequest {
            transactional_id: Some(self.transactional_id.clone()),
            transaction_timeout_ms: i32::try_from(options.transaction_timeout.as_millis())
                .unwrap_or(i32::MAX),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            ..InitProducerIdRequest::default()
        };
        let doing = format!("take over transactional id {:?}", self.transactional_id);
        let asked = self.ask(&request, i16::MAX, &doing, |answer| {
            Error::check(answer.error_code, None, || doing.clone())?;
            Ok((answer.producer_id, answer.producer_epoch))
        });
        let answer = asked.await;
        self.go_on(answer)
    }

    /// Waits until every record of the transaction is decided; of one that is to be aborted, what is not sent yet never is.
    async fn settle(&self, to_commit: bool) {
        let shared = &self.producer.handle.0;
        let outcomes = {
            let mut buffer = shared.buffer.lock();
            if !to_commit {
                let doing = format!("send within a transaction of {:?}", self.transactional_id);
                let error = Error::Refused {
                    code: ErrorCode::TransactionAbortable,
                    doing,
                    message: Some("the transaction is being aborted".to_owned()),
                };
                buffer.accumulator.doom_all(&error);
            }
            buffer.accumulator.flush()
        };
        shared.wake.notify_one();
        delivery::all_decided(outcomes).await;
    }

    /// Ends the transaction, whose records are all decided.
    async fn end(&mut self, committed: bool) -> Result<()> {
        if !self.wrote.load(Ordering::Acquire) {
            return self.go_on(Ok((self.producer_id, self.epoch)));
        }
        let request = EndTxnRequest {
            transactional_id: self.transactional_id.clone(),
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            committed,
        };
        let what = if committed { "commit" } else { "abort" };
        let doing = format!("{what} the transaction of {:?}", self.transactional_id);
        // Whoever drops this future half-way does not know either.
        self.state = State::Unknown;
        let asked = self.ask(&request, ENDS_WITH_EPOCH, &doing, |answer| {
            Error::check(answer.error_code, None, || doing.clone())?;
            Ok((answer.producer_id, answer.producer_epoch))
        });
        let answer = asked.await;
        self.go_on(answer)
    }

    /// The coordinator has ended whatever was open and given the next epoch, or has not.
    fn go_on(&mut self, answer: Result<(i64, i16)>) -> Result<()> {
        match answer {
            Ok((producer_id, epoch)) => {
                (self.producer_id, self.epoch) = (producer_id, epoch);
                self.producer.handle.0.buffer.lock().accumulator.begin_under(producer_id, epoch);
                self.wrote.store(false, Ordering::Release);
                self.state = State::Ready;
                Ok(())
            }
            Err(error) => {
                self.state = match error.handling() {
                    Handling::ApplicationRecoverable | Handling::InvalidConfiguration => {
                        State::Over(error.clone())
                    }
                    Handling::Retriable | Handling::Abortable => State::Unknown,
                };
                Err(error)
            }
        }
    }

    /// Asks the transaction's coordinator, wherever it moves, within `default.api.timeout.ms`.
    async fn ask<R: Call, T>(
        &self,
        request: &R,
        cap: i16,
        doing: &str,
        read: impl Fn(R::Answer) -> Result<T>,
    ) -> Result<T> {
        let cluster = self.cluster();
        let mut attempts = cluster.attempts(cluster.options().api_timeout, doing);
        loop {
            let answer = match self.connection().await {
                Ok(connection) => ask_once(&connection, request, cap, cluster).await.and_then(&read),
                Err(error) => Err(error),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    self.producer.handle.0.progress.failed(error.clone());
                    if error.code() != Some(ErrorCode::ConcurrentTransactions) {
                        *self.coordinator.lock() = None;
                    }
                    attempts.failed(error).await?;
                }
            }
        }
    }

    /// To the transaction's coordinator.
    async fn connection(&self) -> Result<Connection> {
        let cluster = self.cluster();
        let known = *self.coordinator.lock();
        let node = match known {
            Some(node) => node,
            None => cluster.find_coordinator(CoordinatorKind::Transaction, &self.transactional_id).await?,
        };
        *self.coordinator.lock() = Some(node);
        let connection = cluster.node_connection(node).await?;
        if connection.transaction_version() < PROTOCOL_2 {
            let why = format!(
                "the cluster's transaction.version is {}, {PROTOCOL_2} is needed",
                connection.transaction_version()
            );
            let address = connection.address().to_owned();
            return Err(Error::Unsupported { api: ApiKey::EndTxn, address, why });
        }
        Ok(connection)
    }

    fn cluster(&self) -> &Cluster {
        &self.producer.handle.0.cluster
    }

    fn options(&self) -> &ProducerOptions {
        &self.producer.handle.0.options
    }
}

async fn ask_once<R: Call>(
    connection: &Connection,
    request: &R,
    cap: i16,
    cluster: &Cluster,
) -> Result<R::Answer> {
    let version = connection.version(R::API, cap)?;
    connection.send(request, version, cluster.options().request_timeout).await
}

/// An open transaction. Dropped without an end it is aborted, at the latest when the next one begins or `transaction.timeout.ms` is over.
#[derive(Debug)]
#[must_use = "a transaction that is not committed is aborted"]
pub struct Transaction<'a> {
    owner: &'a mut TransactionalProducer,
}

impl Transaction<'_> {
    /// Buffers a record as `Producer::enqueue` does. Fails at once where an earlier record of the transaction is lost. Cancel-safe.
    pub async fn enqueue(&self, record: Record) -> Result<Delivery> {
        self.fate()?;
        self.owner.wrote.store(true, Ordering::Release);
        self.owner.producer.enqueue(record).await
    }

    /// Sends one record and waits until it is stored; readers of committed records see it after the commit. Cancel-safe before the
    /// record is buffered.
    pub async fn send(&self, record: Record) -> Result<RecordMetadata> {
        self.enqueue(record).await?.await
    }

    /// Sends everything that is buffered now and waits until each record is stored or has failed. Cancel-safe.
    pub async fn flush(&self) {
        self.owner.producer.flush().await;
    }

    /// Why the transaction can only be aborted, if one of its records or offsets is lost.
    pub fn fate(&self) -> Result<()> {
        self.owner.producer.handle.0.buffer.lock().accumulator.fate()
    }

    /// Why records wait and since when, if the newest try of something failed.
    pub fn standstill(&self) -> Option<Standstill> {
        self.owner.producer.standstill()
    }

    /// Commits a member's positions with the transaction (KIP-447): they count when it does. The next offsets to read, as
    /// `ConsumerHandle::delivered` gives them. A refusal leaves only the abort. Cancel-safe: a dropped call may still count.
    pub async fn send_offsets(
        &self,
        member: &GroupMembership,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<()> {
        self.fate()?;
        if offsets.is_empty() {
            return Ok(());
        }
        self.owner.wrote.store(true, Ordering::Release);
        let sent = self.try_offsets(member, offsets).await;
        if let Err(error) = &sent {
            self.owner.producer.handle.0.buffer.lock().accumulator.doom_all(error);
        }
        sent
    }

    async fn try_offsets(
        &self,
        member: &GroupMembership,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> Result<()> {
        let cluster = self.owner.cluster();
        let request = self.offsets_request(member, offsets);
        let doing = format!("send offsets of group {:?} to the transaction", member.group_id);
        let mut attempts = cluster.attempts(cluster.options().api_timeout, doing);
        loop {
            let asked = async {
                let node = cluster.find_coordinator(CoordinatorKind::Group, &member.group_id).await?;
                let connection = cluster.node_connection(node).await?;
                ask_once(&connection, &request, OFFSETS_BY_NAME, cluster).await
            };
            match asked.await.and_then(read_offsets) {
                Ok(()) => return Ok(()),
                Err(error) => attempts.failed(error).await?,
            }
        }
    }

    fn offsets_request(
        &self,
        member: &GroupMembership,
        offsets: &BTreeMap<TopicPartition, CommittedOffset>,
    ) -> TxnOffsetCommitRequest {
        let mut topics: Vec<TxnOffsetCommitRequestTopic> = Vec::new();
        for (target, offset) in offsets {
            let partition = TxnOffsetCommitRequestPartition {
                partition_index: target.partition,
                committed_offset: offset.offset,
                committed_leader_epoch: offset.leader_epoch,
                committed_metadata: Some(offset.metadata.clone()),
            };
            match topics.last_mut().filter(|topic| topic.name == target.topic) {
                Some(topic) => topic.partitions.push(partition),
                None => topics.push(TxnOffsetCommitRequestTopic {
                    name: target.topic.clone(),
                    partitions: vec![partition],
                    ..TxnOffsetCommitRequestTopic::default()
                }),
            }
        }
        TxnOffsetCommitRequest {
            transactional_id: self.owner.transactional_id.clone(),
            group_id: member.group_id.clone(),
            producer_id: self.owner.producer_id,
            producer_epoch: self.owner.epoch,
            generation_id_or_member_epoch: member.generation,
            member_id: member.member_id.clone(),
            group_instance_id: member.instance_id.clone(),
            topics,
        }
    }

    /// Sends what is buffered, waits for it, and commits. Where a record or an offset is lost, the transaction is aborted instead and
    /// the loss returned. `Timeout`: nobody knows yet; the next `begin` finds out and leaves nothing open. Not cancel-safe: dropped, it
    /// may be committed or not.
    pub async fn commit(self) -> Result<()> {
        self.owner.settle(true).await;
        match self.fate() {
            Ok(()) => self.owner.end(true).await,
            Err(lost) => {
                self.owner.settle(false).await;
                // The loss is what the caller must know; what became of the abort, the next `begin` says.
                let _ = self.owner.end(false).await;
                Err(lost)
            }
        }
    }

    /// Gives up what is buffered and aborts. Not cancel-safe: dropped, the next `begin` finishes it.
    pub async fn abort(self) -> Result<()> {
        self.owner.settle(false).await;
        self.owner.end(false).await
    }
}

fn read_offsets(answer: TxnOffsetCommitResponse) -> Result<()> {
    let partitions = answer.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|one| (&topic.name, one.partition_index, one.error_code))
    });
    partitions.into_iter().try_for_each(|(topic, partition, code)| {
        Error::check(code, None, || format!("send the offset of {topic}-{partition} to the transaction"))
    })
}
