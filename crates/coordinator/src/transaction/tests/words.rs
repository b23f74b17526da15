//! Answers, records, wishes and events as one line of text each. Producer ids are shown as `P1`, `P2`, …: by first sight.

use crate::machine::ProducerIdentity;
use crate::transaction::{MarkersWish, Partitions, TransactionAnswer, TransactionEvent, TransactionRecord};
use wire::messages::add_partitions_to_txn::AddPartitionsToTxnResult;
use wire::{ErrorCode, Str};

/// When a script begins.
pub const START_MS: i64 = 1_000_000;

/// Names of producer ids.
#[derive(Default)]
pub struct Names(Vec<i64>);

impl Names {
    pub fn of(&mut self, producer_id: i64) -> String {
        if producer_id <= 0 {
            return producer_id.to_string();
        }
        let known = self.0.iter().position(|id| *id == producer_id);
        let number = known.unwrap_or_else(|| {
            self.0.push(producer_id);
            self.0.len() - 1
        });
        format!("P{}", number + 1)
    }

    pub fn number(&self, name: &str) -> i64 {
        match name.strip_prefix('P') {
            Some(number) => self.0[number.parse::<usize>().unwrap() - 1],
            None => name.parse().unwrap(),
        }
    }

    fn producer(&mut self, producer: ProducerIdentity) -> String {
        format!("{}/{}", self.of(producer.producer_id), producer.producer_epoch)
    }
}

pub fn error(code: i16) -> &'static str {
    ErrorCode::from_code(code).name()
}

fn at(timestamp_ms: i64) -> String {
    if timestamp_ms == -1 { "-1".to_owned() } else { format!("+{}ms", timestamp_ms - START_MS) }
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(", "))
}

pub fn partitions(partitions: &Partitions) -> String {
    list(partitions.iter().map(|(topic, partition)| format!("{topic}-{partition}")))
}

pub fn answer(names: &mut Names, answer: &TransactionAnswer) -> String {
    match answer {
        TransactionAnswer::InitProducerId(response) => format!(
            "InitProducerId {} id={} epoch={}",
            error(response.error_code),
            names.of(response.producer_id),
            response.producer_epoch
        ),
        TransactionAnswer::AddPartitions(result) => format!("AddPartitionsToTxn {}", added(result)),
        TransactionAnswer::AddOffsets(response) => {
            format!("AddOffsetsToTxn {}", error(response.error_code))
        }
        TransactionAnswer::EndTxn(response) => format!(
            "EndTxn {} id={} epoch={}",
            error(response.error_code),
            names.of(response.producer_id),
            response.producer_epoch
        ),
        TransactionAnswer::Describe(transactions) => {
            let lines: Vec<String> = transactions
                .iter()
                .map(|one| {
                    let numbers = |topic: &Str, numbers: &[i32]| -> Vec<String> {
                        numbers.iter().map(|number| format!("{topic}-{number}")).collect()
                    };
                    let topics = one.topics.iter().flat_map(|topic| numbers(&topic.topic, &topic.partitions));
                    let started = match one.transaction_start_time_ms {
                        -1 => "-1",
                        0 => "0",
                        _ => "set",
                    };
                    format!(
                        "{} {} {} timeout={} started={started} id={} epoch={} {}",
                        one.transactional_id,
                        error(one.error_code),
                        one.transaction_state,
                        one.transaction_timeout_ms,
                        names.of(one.producer_id),
                        one.producer_epoch,
                        list(topics)
                    )
                })
                .collect();
            format!("DescribeTransactions [{}]", lines.join("; "))
        }
        TransactionAnswer::List(response) => format!(
            "ListTransactions {} unknown={} {}",
            error(response.error_code),
            list(response.unknown_state_filters.iter().map(ToString::to_string)),
            list(response.transaction_states.iter().map(|one| format!(
                "{} {} {}",
                one.transactional_id,
                one.transaction_state,
                names.of(one.producer_id)
            )))
        ),
        TransactionAnswer::Marker(code) => format!("WriteTxnMarkers {}", code.name()),
        TransactionAnswer::Done(code) => format!("Done {}", code.name()),
    }
}

fn added(result: &AddPartitionsToTxnResult) -> String {
    list(result.topic_results.iter().flat_map(|topic| {
        topic.results_by_partition.iter().map(move |partition| {
            format!("{}-{} {}", topic.name, partition.partition_index, error(partition.partition_error_code))
        })
    }))
}

pub fn record(names: &mut Names, offset: i64, record: &TransactionRecord) -> String {
    let id = &record.transactional_id;
    let Some(value) = &record.value else { return format!("log {offset}: {id} tombstone") };
    let (current, previous) = (names.producer(value.producer()), names.of(value.previous_producer_id));
    let next = match value.next_producer_id {
        -1 => String::new(),
        next => format!(" next={}", names.of(next)),
    };
    format!(
        "log {offset}: {id} {} {current} previous={previous}{next} protocol={} timeout={} began={} changed={} {}",
        value.state.name(),
        value.client_version,
        value.timeout_ms,
        at(value.start_ms),
        at(value.last_update_ms),
        partitions(&value.partitions)
    )
}

pub fn wish(names: &mut Names, wish: &MarkersWish) -> String {
    format!(
        "wish: {} {} {} by={} version={} {}",
        wish.transactional_id,
        names.producer(wish.producer),
        if wish.commit { "commit" } else { "abort" },
        wish.coordinator_epoch,
        wish.transaction_version,
        partitions(&wish.partitions)
    )
}

pub fn event(names: &mut Names, event: &TransactionEvent) -> String {
    match event {
        TransactionEvent::TimedOut { transactional_id, producer, timeout_ms, partitions } => format!(
            "event: {transactional_id} {} timed out after {timeout_ms}ms with {partitions} partitions",
            names.producer(*producer)
        ),
        TransactionEvent::Fenced { transactional_id, producer } => {
            format!("event: {transactional_id} {} fenced", names.producer(*producer))
        }
        TransactionEvent::MarkerRefused { transactional_id, topic, partition, error } => {
            format!("event: {transactional_id} marker refused by {topic}-{partition}: {}", error.name())
        }
        TransactionEvent::Expired { transactional_ids } => format!("event: {transactional_ids} expired"),
    }
}
