//! The `_schemas` topic: made where it lacks, replayed from its beginning, written with acks=all. What is written counts when it has been
//! read back, so that every answer rests on what everybody can read. Never decides what to write.

use crate::records::{Key, Record};
use crate::state::State;
use crate::{Fault, Options};
use client::admin::NewTopic;
use client::{
    Acks, Client, ConsumerRecord, ErrorCode, OffsetReset, OffsetSpec, Producer, Str, TopicPartition,
};
use parking_lot::RwLock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Replicas of the topic where the cluster has as many brokers, as Confluent's registry makes it.
const REPLICAS: usize = 3;

/// How long a pause between two looks at the topic is.
const POLL: Duration = Duration::from_millis(500);

/// The replayed state and how far it is.
#[derive(Clone)]
pub(crate) struct Replica {
    pub state: Arc<RwLock<State>>,
    applied: watch::Receiver<i64>,
}

/// Writes records.
pub(crate) struct Writer {
    producer: Producer,
    topic: Str,
    within: Duration,
}

impl Replica {
    /// Waits until everything before this offset is there. False after `within`.
    pub async fn reaches(&self, offset: i64, within: Duration) -> bool {
        let mut applied = self.applied.clone();
        let reached = applied.wait_for(|applied| *applied >= offset);
        matches!(tokio::time::timeout(within, reached).await, Ok(Ok(_)))
    }

    /// The offset of the next record.
    pub fn offset(&self) -> i64 {
        *self.applied.borrow()
    }
}

/// Makes the topic where it lacks and the checks that Confluent makes where it does not.
pub(crate) async fn prepare(client: &Client, options: &Options) -> Result<(), Fault> {
    let admin = client.admin();
    let name = Str::from(options.topic.as_str());
    let brokers = admin.describe_cluster(false).await?.nodes.len();
    let factor = options.replication_factor.map_or(REPLICAS, usize::from).min(brokers.max(1));
    let topic = NewTopic::new(name.clone())
        .partitions(1)
        .replication_factor(i16::try_from(factor).unwrap_or(1))
        .config("cleanup.policy", "compact");
    let described = admin.describe_topics(std::slice::from_ref(&name)).await?.remove(&name);
    let known = match described {
        Some(Ok(known)) => known,
        Some(Err(error)) if error.code() != Some(ErrorCode::UnknownTopicOrPartition) => {
            return Err(error.into());
        }
        Some(Err(_)) | None => {
            match admin.create_topics(std::slice::from_ref(&topic), false).await?.remove(&name) {
                // Another instance was quicker.
                Some(Err(error)) if error.code() != Some(ErrorCode::TopicAlreadyExists) => {
                    return Err(error.into());
                }
                Some(_) | None => {
                    tracing::info!(topic = %name, replicas = factor, "made the topic of schemas");
                    return Ok(());
                }
            }
        }
    };
    if known.partition_count() != 1 {
        let partitions = known.partition_count();
        return Err(Fault::new(
            format!("the topic {name} has {partitions} partitions"),
            "schemas have one order, so the topic has one partition",
            "another topic by kafkastore.topic",
        ));
    }
    let resource = client::admin::ConfigResource::topic(name.clone());
    let configs = admin.describe_configs(std::slice::from_ref(&resource), false).await?;
    let policy = configs
        .into_values()
        .filter_map(Result::ok)
        .flatten()
        .find(|entry| entry.name == "cleanup.policy")
        .and_then(|entry| entry.value);
    match policy {
        Some(policy) if policy != "compact" && !options.skip_topic_validation => Err(Fault::new(
            format!("the topic {name} has cleanup.policy={policy}"),
            "it would lose schemas",
            format!("ottla config set topic {name} cleanup.policy=compact"),
        )),
        Some(_) | None => Ok(()),
    }
}

/// Starts to replay and waits until the end that the topic has now is reached.
pub(crate) async fn replay(client: &Client, options: &Options) -> Result<Replica, Fault> {
    let began = Instant::now();
    let place = TopicPartition::new(Str::from(options.topic.as_str()), 0);
    let end = end_of(client, &place).await?;
    let reader = client.reader().partitions([place.clone()]).offset_reset(OffsetReset::Earliest);
    let mut consumer = reader.property("fetch.max.wait.ms", "500")?.build()?;
    let state = Arc::new(RwLock::new(State::default()));
    let (told, applied) = watch::channel(0);
    let shared = state.clone();
    tokio::spawn(async move {
        loop {
            match consumer.poll(POLL).await {
                Ok(records) => {
                    let next = records.last().map(|record| record.offset + 1);
                    take_in(&shared, &records);
                    // Behind the last record may stand what is none, such as a gap of compaction.
                    let position = consumer.position(&place).into_iter().chain(next).max();
                    if let Some(position) = position.filter(|position| *position > *told.borrow()) {
                        told.send_replace(position);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot read the topic of schemas; trying again");
                    tokio::time::sleep(POLL).await;
                }
            }
            if told.is_closed() {
                return;
            }
        }
    });
    let replica = Replica { state, applied };
    if !replica.reaches(end, options.init_timeout).await {
        return Err(Fault::new(
            format!(
                "the topic of schemas was not read to its end within {} s",
                options.init_timeout.as_secs()
            ),
            format!("read {} of {end}", replica.offset()),
            "a longer kafkastore.init.timeout.ms; the brokers' logs",
        ));
    }
    tracing::info!(records = end, "replayed the topic of schemas in {} ms", began.elapsed().as_millis());
    Ok(replica)
}

/// Where the next record will be.
pub(crate) async fn end_of(client: &Client, place: &TopicPartition) -> Result<i64, Fault> {
    let wanted = BTreeMap::from([(place.clone(), OffsetSpec::Latest)]);
    let listed = client.admin().list_offsets(&wanted, client::IsolationLevel::ReadUncommitted).await;
    let found = listed.into_values().next();
    let offset = found.ok_or_else(|| {
        Fault::new("the topic of schemas has no end", "nobody said where it is", "try again")
    })??;
    Ok(offset.offset)
}

fn take_in(state: &RwLock<State>, records: &[ConsumerRecord]) {
    let read = |record: &ConsumerRecord| {
        let key = Key::read(record.key.as_deref()?)?;
        // Karapace forgets by an empty value, which no compaction takes away; Confluent's by none.
        let value = record.value.as_deref().filter(|value| !value.is_empty());
        let value = value.map(crate::json::Json::parse_bytes).transpose();
        match value {
            Ok(value) => Some(Record { key, value }),
            Err(error) => {
                tracing::warn!(offset = record.offset, %error, "a record of schemas is not JSON; passed over");
                None
            }
        }
    };
    let read: Vec<Record> = records.iter().filter_map(read).collect();
    if !read.is_empty() {
        let mut state = state.write();
        read.iter().for_each(|record| state.apply(record));
    }
}

impl Writer {
    /// Ready to write.
    pub fn new(client: &Client, options: &Options) -> Result<Writer, Fault> {
        let producer = client
            .producer()
            .acks(Acks::All)
            .linger_ms(0)
            .property("delivery.timeout.ms", &options.write_timeout.as_millis().to_string())?
            .property("max.block.ms", &options.write_timeout.as_millis().to_string())?
            .build()?;
        Ok(Writer { producer, topic: Str::from(options.topic.as_str()), within: options.write_timeout })
    }

    /// Writes these in order. The offset behind the last one, or of the first that failed the reason; then it is not known which of
    /// them are there.
    pub async fn write(&self, records: &[Record]) -> client::Result<i64> {
        let mut deliveries = Vec::with_capacity(records.len());
        for record in records {
            let mut sent =
                client::Record::new(self.topic.clone()).partition(0).key(record.key.json().to_string());
            sent.value = record.value.as_ref().map(|value| value.to_string().into());
            deliveries.push(self.producer.enqueue(sent).await?);
        }
        let mut behind = 0;
        for delivery in deliveries {
            behind = delivery.await?.offset + 1;
        }
        Ok(behind)
    }

    /// How long a write may take.
    pub fn within(&self) -> Duration {
        self.within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_forgotten_by_no_value_and_by_an_empty_one() {
        let record = |offset, value: Option<&'static [u8]>| ConsumerRecord {
            topic: Str::from("_schemas"),
            partition: 0,
            offset,
            leader_epoch: 0,
            timestamp_ms: 0,
            timestamp_type: client::TimestampType::CreateTime,
            key: Some(bytes::Bytes::from_static(
                br#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#,
            )),
            value: value.map(bytes::Bytes::from_static),
            headers: Vec::new(),
        };
        let state = RwLock::new(State::default());
        for (offset, gone) in [(0, None), (2, Some(&b""[..]))] {
            let there = br#"{"subject":"s","version":1,"id":1,"schema":"\"int\"","deleted":false}"#;
            take_in(&state, &[record(offset, Some(there))]);
            assert!(state.read().version("s", 1).is_some());
            take_in(&state, &[record(offset + 1, gone)]);
            assert!(state.read().version("s", 1).is_none(), "{gone:?}");
        }
    }
}
