//! The records of `__consumer_offsets`: their bytes, and their making from groups and requests.
//!
//! Owns the versions that are written (those of Kafka 4.4 at the latest metadata.version: group metadata 3, offset
//! commit 4, or 1 where the commit brings its own expiry). Reads every version that Kafka reads.

use super::share::records::{self as share_records, ShareGroupRecord};
use super::streams::records::{self as streams_records, StreamsGroupRecord};
use crate::machine::EncodedRecord;
use bytes::Bytes;
use std::sync::Arc;
use wire::codec::{DecodeError, Decoder, Encoder, Message};
use wire::record_batch::HEADER_BYTES;
use wire::records::group::{
    ClassicProtocol, ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue, ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue, ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue,
    ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue, GroupKey,
    GroupMetadataKey, GroupMetadataValue, LegacyOffsetCommitValue, OffsetCommitKey, OffsetCommitValue,
};
use wire::{Str, Uuid};

const GROUP_METADATA_VERSION: i16 = 3;
const OFFSET_COMMIT_VERSION: i16 = 4;
/// The last version with an expire timestamp of its own.
const OFFSET_COMMIT_EXPIRING_VERSION: i16 = 1;

const _: () = assert!(GROUP_METADATA_VERSION <= GroupMetadataValue::MAX_VERSION);
const _: () = assert!(OFFSET_COMMIT_VERSION <= OffsetCommitValue::MAX_VERSION);
const _: () = assert!(OFFSET_COMMIT_EXPIRING_VERSION < OFFSET_COMMIT_VERSION);

/// A change of one partition's groups; no value is a tombstone.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the fields are the record's key and value
pub enum GroupRecord {
    /// The committed offset of a partition.
    OffsetCommit { group: Str, topic: Str, partition: i32, value: Option<OffsetCommitValue> },
    /// A classic group as its last generation left it.
    GroupMetadata { group: Str, value: Option<Arc<GroupMetadataValue>> },
    /// The epoch of a consumer group.
    ConsumerGroupMetadata { group: Str, value: Option<ConsumerGroupMetadataValue> },
    /// What versions before 4.1 wrote of its topics.
    ConsumerPartitionMetadata { group: Str, value: Option<Arc<ConsumerGroupPartitionMetadataValue>> },
    /// What a member wants.
    ConsumerMember { group: Str, member_id: Str, value: Option<Arc<ConsumerGroupMemberMetadataValue>> },
    /// The epoch of the targets.
    ConsumerTargetMetadata { group: Str, value: Option<ConsumerGroupTargetAssignmentMetadataValue> },
    /// What a member shall have.
    ConsumerTarget {
        group: Str,
        member_id: Str,
        value: Option<Arc<ConsumerGroupTargetAssignmentMemberValue>>,
    },
    /// How far a member is.
    ConsumerCurrentAssignment {
        group: Str,
        member_id: Str,
        value: Option<Arc<ConsumerGroupCurrentMemberAssignmentValue>>,
    },
    /// What a pattern stands for.
    ConsumerRegex { group: Str, regex: Str, value: Option<Arc<ConsumerGroupRegularExpressionValue>> },
    /// Of a share group.
    Share(ShareGroupRecord),
    /// Of a streams group.
    Streams(StreamsGroupRecord),
}

impl GroupRecord {
    /// The end of one committed offset.
    pub fn offset_tombstone(group: &Str, topic: &Str, partition: i32) -> Self {
        GroupRecord::OffsetCommit { group: group.clone(), topic: topic.clone(), partition, value: None }
    }

    /// The end of a group.
    pub fn group_tombstone(group: &Str) -> Self {
        GroupRecord::GroupMetadata { group: group.clone(), value: None }
    }
}

/// Upper bound of the bytes that these records take in a batch.
pub fn size_in_batch(records: &[GroupRecord]) -> usize {
    /// Lengths, deltas, attributes and the header count, each at its longest.
    const RECORD_OVERHEAD: usize = 5 + 1 + 10 + 5 + 5 + 5 + 1;
    /// All of an offset commit but its texts, in any version.
    const COMMIT_NUMBERS: usize = 64;
    let sizes = records.iter().map(|record| match record {
        GroupRecord::OffsetCommit { group, topic, value, .. } => {
            let metadata = value.as_ref().map_or(0, |value| value.metadata.len());
            group.len() + topic.len() + metadata + COMMIT_NUMBERS + RECORD_OVERHEAD
        }
        GroupRecord::GroupMetadata { .. }
        | GroupRecord::ConsumerGroupMetadata { .. }
        | GroupRecord::ConsumerPartitionMetadata { .. }
        | GroupRecord::ConsumerMember { .. }
        | GroupRecord::ConsumerTargetMetadata { .. }
        | GroupRecord::ConsumerTarget { .. }
        | GroupRecord::ConsumerCurrentAssignment { .. }
        | GroupRecord::ConsumerRegex { .. }
        | GroupRecord::Share(_)
        | GroupRecord::Streams(_) => {
            let encoded = encode(record);
            encoded.key.len() + encoded.value.map_or(0, |value| value.len()) + RECORD_OVERHEAD
        }
    });
    HEADER_BYTES + sizes.sum::<usize>()
}

/// Key and value as Kafka writes them.
pub fn encode(record: &GroupRecord) -> EncodedRecord {
    match record {
        GroupRecord::OffsetCommit { group, topic, partition, value } => {
            let key = OffsetCommitKey { group: group.clone(), topic: topic.clone(), partition: *partition };
            EncodedRecord {
                key: GroupKey::OffsetCommit(key).encode(),
                value: value.as_ref().map(|value| {
                    let own_expiry = value.expire_timestamp != -1;
                    let version =
                        if own_expiry { OFFSET_COMMIT_EXPIRING_VERSION } else { OFFSET_COMMIT_VERSION };
                    versioned(value, version)
                }),
            }
        }
        GroupRecord::GroupMetadata { group, value } => EncodedRecord {
            key: GroupKey::GroupMetadata(GroupMetadataKey { group: group.clone() }).encode(),
            value: value.as_ref().map(|value| versioned(value.as_ref(), GROUP_METADATA_VERSION)),
        },
        GroupRecord::ConsumerGroupMetadata { .. }
        | GroupRecord::ConsumerPartitionMetadata { .. }
        | GroupRecord::ConsumerMember { .. }
        | GroupRecord::ConsumerTargetMetadata { .. }
        | GroupRecord::ConsumerTarget { .. }
        | GroupRecord::ConsumerCurrentAssignment { .. }
        | GroupRecord::ConsumerRegex { .. } => encode_consumer(record),
        GroupRecord::Share(record) => {
            let (key, value) = share_records::encode(record);
            EncodedRecord { key, value }
        }
        GroupRecord::Streams(record) => {
            let (key, value) = streams_records::encode(record);
            EncodedRecord { key, value }
        }
    }
}

/// The records of consumer groups: each has one version so far.
fn encode_consumer(record: &GroupRecord) -> EncodedRecord {
    fn value<T: Message>(value: Option<&T>) -> Option<Bytes> {
        value.map(|value| versioned(value, 0))
    }
    let (key, value) = match record.clone() {
        GroupRecord::ConsumerGroupMetadata { group, value: own } => {
            let key = GroupKey::ConsumerGroupMetadata(ConsumerGroupMetadataKey { group_id: group });
            (key, value(own.as_ref()))
        }
        GroupRecord::ConsumerPartitionMetadata { group, value: own } => {
            let key = ConsumerGroupPartitionMetadataKey { group_id: group };
            (GroupKey::ConsumerGroupPartitionMetadata(key), value(own.as_deref()))
        }
        GroupRecord::ConsumerMember { group, member_id, value: own } => {
            let key = ConsumerGroupMemberMetadataKey { group_id: group, member_id };
            (GroupKey::ConsumerGroupMemberMetadata(key), value(own.as_deref()))
        }
        GroupRecord::ConsumerTargetMetadata { group, value: own } => {
            let key = ConsumerGroupTargetAssignmentMetadataKey { group_id: group };
            (GroupKey::ConsumerGroupTargetAssignmentMetadata(key), value(own.as_ref()))
        }
        GroupRecord::ConsumerTarget { group, member_id, value: own } => {
            let key = ConsumerGroupTargetAssignmentMemberKey { group_id: group, member_id };
            (GroupKey::ConsumerGroupTargetAssignmentMember(key), value(own.as_deref()))
        }
        GroupRecord::ConsumerCurrentAssignment { group, member_id, value: own } => {
            let key = ConsumerGroupCurrentMemberAssignmentKey { group_id: group, member_id };
            (GroupKey::ConsumerGroupCurrentMemberAssignment(key), value(own.as_deref()))
        }
        GroupRecord::ConsumerRegex { group, regex, value: own } => {
            let key = ConsumerGroupRegularExpressionKey { group_id: group, regular_expression: regex };
            (GroupKey::ConsumerGroupRegularExpression(key), value(own.as_deref()))
        }
        GroupRecord::OffsetCommit { .. }
        | GroupRecord::GroupMetadata { .. }
        | GroupRecord::Share(_)
        | GroupRecord::Streams(_) => {
            unreachable!("encoded by the one who calls")
        }
    };
    EncodedRecord { key: key.encode(), value }
}

/// A value behind its version.
fn versioned<T: Message>(value: &T, version: i16) -> Bytes {
    let mut encoder = Encoder::with_capacity(96);
    encoder.i16(version);
    value.encode(&mut encoder, version);
    encoder.into_bytes()
}

/// `None` for types yet to come.
pub fn decode(key: Option<Bytes>, value: Option<Bytes>) -> Result<Option<GroupRecord>, String> {
    let key = key.ok_or("a coordinator record has no key")?;
    let key = match GroupKey::decode(key) {
        Ok(key) => key,
        Err(DecodeError::UnknownRecord { .. }) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    match key {
        GroupKey::LegacyOffsetCommit(key) => {
            let value =
                value.map(read::<LegacyOffsetCommitValue>).transpose()?.map(|old| OffsetCommitValue {
                    offset: old.offset,
                    metadata: old.metadata.detached(),
                    commit_timestamp: old.commit_timestamp,
                    ..OffsetCommitValue::default()
                });
            let (group, topic) = (key.group.detached(), key.topic.detached());
            Ok(Some(GroupRecord::OffsetCommit { group, topic, partition: key.partition, value }))
        }
        GroupKey::OffsetCommit(key) => {
            let mut value = value.map(read::<OffsetCommitValue>).transpose()?;
            if let Some(value) = &mut value {
                value.metadata = value.metadata.detached();
            }
            let (group, topic) = (key.group.detached(), key.topic.detached());
            Ok(Some(GroupRecord::OffsetCommit { group, topic, partition: key.partition, value }))
        }
        GroupKey::GroupMetadata(key) => {
            let value = value.map(read::<GroupMetadataValue>).transpose()?.map(detached).map(Arc::new);
            Ok(Some(GroupRecord::GroupMetadata { group: key.group.detached(), value }))
        }
        key => decode_consumer(key, value),
    }
}

/// The records of consumer, share and streams groups.
fn decode_consumer(key: GroupKey, value: Option<Bytes>) -> Result<Option<GroupRecord>, String> {
    let record = match key {
        GroupKey::ConsumerGroupMetadata(key) => {
            let value = value.map(read::<ConsumerGroupMetadataValue>).transpose()?;
            GroupRecord::ConsumerGroupMetadata { group: key.group_id.detached(), value }
        }
        GroupKey::ConsumerGroupPartitionMetadata(key) => {
            // What it says is not read: it will be replaced by a tombstone.
            let value = value.map(|_| Arc::default());
            GroupRecord::ConsumerPartitionMetadata { group: key.group_id.detached(), value }
        }
        GroupKey::ConsumerGroupMemberMetadata(key) => {
            let value = value.map(read::<ConsumerGroupMemberMetadataValue>).transpose()?;
            let value = value.map(detached_member).map(Arc::new);
            let (group, member_id) = (key.group_id.detached(), key.member_id.detached());
            GroupRecord::ConsumerMember { group, member_id, value }
        }
        GroupKey::ConsumerGroupTargetAssignmentMetadata(key) => {
            let value = value.map(read::<ConsumerGroupTargetAssignmentMetadataValue>).transpose()?;
            GroupRecord::ConsumerTargetMetadata { group: key.group_id.detached(), value }
        }
        GroupKey::ConsumerGroupTargetAssignmentMember(key) => {
            let value = value.map(read::<ConsumerGroupTargetAssignmentMemberValue>).transpose()?;
            let (group, member_id) = (key.group_id.detached(), key.member_id.detached());
            GroupRecord::ConsumerTarget { group, member_id, value: value.map(Arc::new) }
        }
        GroupKey::ConsumerGroupCurrentMemberAssignment(key) => {
            let value = value.map(read::<ConsumerGroupCurrentMemberAssignmentValue>).transpose()?;
            let (group, member_id) = (key.group_id.detached(), key.member_id.detached());
            GroupRecord::ConsumerCurrentAssignment { group, member_id, value: value.map(Arc::new) }
        }
        GroupKey::ConsumerGroupRegularExpression(key) => {
            let mut value = value.map(read::<ConsumerGroupRegularExpressionValue>).transpose()?;
            if let Some(value) = &mut value {
                value.topics.iter_mut().for_each(|topic| *topic = topic.detached());
            }
            let (group, regex) = (key.group_id.detached(), key.regular_expression.detached());
            GroupRecord::ConsumerRegex { group, regex, value: value.map(Arc::new) }
        }
        key if streams_records::is_of_streams(&key) => {
            return Ok(streams_records::decode(key, value)?.map(GroupRecord::Streams));
        }
        key => return Ok(share_records::decode(key, value)?.map(GroupRecord::Share)),
    };
    Ok(Some(record))
}

fn read<T: Message>(bytes: Bytes) -> Result<T, String> {
    let mut decoder = Decoder::of(bytes);
    let version = decoder.i16().map_err(|error| error.to_string())?;
    T::decode(&mut decoder, version).map_err(|error| error.to_string())
}

/// Off the batch that it was read from.
fn detached(mut value: GroupMetadataValue) -> GroupMetadataValue {
    value.protocol_type = value.protocol_type.detached();
    value.protocol = value.protocol.map(|name| name.detached());
    value.leader = value.leader.map(|leader| leader.detached());
    for member in &mut value.members {
        member.member_id = member.member_id.detached();
        member.group_instance_id = member.group_instance_id.take().map(|id| id.detached());
        member.client_id = member.client_id.detached();
        member.client_host = member.client_host.detached();
        member.subscription = Bytes::copy_from_slice(&member.subscription);
        member.assignment = Bytes::copy_from_slice(&member.assignment);
    }
    value
}

/// Off the batch that it was read from.
fn detached_member(mut value: ConsumerGroupMemberMetadataValue) -> ConsumerGroupMemberMetadataValue {
    let off = |text: Option<Str>| text.map(|text| text.detached());
    value.instance_id = off(value.instance_id);
    value.rack_id = off(value.rack_id);
    value.client_id = value.client_id.detached();
    value.client_host = value.client_host.detached();
    value.subscribed_topic_names.iter_mut().for_each(|name| *name = name.detached());
    value.subscribed_topic_regex = off(value.subscribed_topic_regex);
    value.server_assignor = off(value.server_assignor);
    if let Some(classic) = &mut value.classic_member_metadata {
        let protocols = classic.supported_protocols.iter().map(|protocol| ClassicProtocol {
            name: protocol.name.detached(),
            metadata: Bytes::copy_from_slice(&protocol.metadata),
        });
        classic.supported_protocols = protocols.collect();
    }
    value
}

/// An offset commit as it is persisted.
pub struct OffsetToCommit<'a> {
    /// The offset to be read next.
    pub offset: i64,
    /// Of the last record read; −1 where the client gave none.
    pub leader_epoch: i32,
    /// What the client wrote beside it.
    pub metadata: Option<&'a Str>,
    /// The wall clock's time of the commit.
    pub wall_ms: i64,
    /// −1 when the broker's retention decides.
    pub expire_timestamp_ms: i64,
    /// Zero where the client did not say.
    pub topic_id: Uuid,
}

impl OffsetToCommit<'_> {
    /// The value of its record.
    pub fn value(&self) -> OffsetCommitValue {
        OffsetCommitValue {
            offset: self.offset,
            leader_epoch: self.leader_epoch,
            metadata: self.metadata.map(|text| text.detached()).unwrap_or_default(),
            commit_timestamp: self.wall_ms,
            expire_timestamp: self.expire_timestamp_ms,
            topic_id: self.topic_id,
        }
    }
}
