//! The records of share groups in `__consumer_offsets`: their bytes. Each has one version so far.

use bytes::Bytes;
use std::sync::Arc;
use wire::Str;
use wire::codec::{Decoder, Encoder, Message};
use wire::records::group::{
    GroupKey, ShareGroupCurrentMemberAssignmentKey, ShareGroupCurrentMemberAssignmentValue,
    ShareGroupMemberMetadataKey, ShareGroupMemberMetadataValue, ShareGroupMetadataKey,
    ShareGroupMetadataValue, ShareGroupStatePartitionMetadataKey, ShareGroupStatePartitionMetadataValue,
    ShareGroupTargetAssignmentMemberKey, ShareGroupTargetAssignmentMemberValue,
    ShareGroupTargetAssignmentMetadataKey, ShareGroupTargetAssignmentMetadataValue,
};

/// A change of one share group; no value is a tombstone.
#[derive(Debug, Clone, PartialEq)]
pub struct ShareGroupRecord {
    /// Whose.
    pub group: Str,
    /// Of what.
    pub of: ShareGroupChange,
}

/// What a record is of.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the fields are the record's key and value
pub enum ShareGroupChange {
    /// The epoch of the group.
    Group { value: Option<ShareGroupMetadataValue> },
    /// What a member wants.
    Member { member_id: Str, value: Option<Arc<ShareGroupMemberMetadataValue>> },
    /// The epoch of the targets.
    TargetMetadata { value: Option<ShareGroupTargetAssignmentMetadataValue> },
    /// What a member shall have.
    Target { member_id: Str, value: Option<Arc<ShareGroupTargetAssignmentMemberValue>> },
    /// How far a member is.
    Current { member_id: Str, value: Option<Arc<ShareGroupCurrentMemberAssignmentValue>> },
    /// Which topics have share state.
    Topics { value: Option<Arc<ShareGroupStatePartitionMetadataValue>> },
}

impl ShareGroupChange {
    /// It tells of something that is there.
    pub fn has_value(&self) -> bool {
        match self {
            ShareGroupChange::Group { value } => value.is_some(),
            ShareGroupChange::Member { value, .. } => value.is_some(),
            ShareGroupChange::TargetMetadata { value } => value.is_some(),
            ShareGroupChange::Target { value, .. } => value.is_some(),
            ShareGroupChange::Current { value, .. } => value.is_some(),
            ShareGroupChange::Topics { value } => value.is_some(),
        }
    }
}

/// Key and value as Kafka writes them.
pub fn encode(record: &ShareGroupRecord) -> (Bytes, Option<Bytes>) {
    fn value<T: Message>(value: Option<&T>) -> Option<Bytes> {
        value.map(|value| {
            let mut encoder = Encoder::with_capacity(96);
            encoder.i16(0);
            value.encode(&mut encoder, 0);
            encoder.into_bytes()
        })
    }
    let group_id = record.group.clone();
    let (key, value) = match &record.of {
        ShareGroupChange::Group { value: own } => {
            (GroupKey::from(ShareGroupMetadataKey { group_id }), value(own.as_ref()))
        }
        ShareGroupChange::Member { member_id, value: own } => {
            let member_id = member_id.clone();
            (GroupKey::from(ShareGroupMemberMetadataKey { group_id, member_id }), value(own.as_deref()))
        }
        ShareGroupChange::TargetMetadata { value: own } => {
            (GroupKey::from(ShareGroupTargetAssignmentMetadataKey { group_id }), value(own.as_ref()))
        }
        ShareGroupChange::Target { member_id, value: own } => {
            let key = ShareGroupTargetAssignmentMemberKey { group_id, member_id: member_id.clone() };
            (GroupKey::from(key), value(own.as_deref()))
        }
        ShareGroupChange::Current { member_id, value: own } => {
            let key = ShareGroupCurrentMemberAssignmentKey { group_id, member_id: member_id.clone() };
            (GroupKey::from(key), value(own.as_deref()))
        }
        ShareGroupChange::Topics { value: own } => {
            (GroupKey::from(ShareGroupStatePartitionMetadataKey { group_id }), value(own.as_deref()))
        }
    };
    (key.encode(), value)
}

/// `None` for keys that are no share group's.
pub fn decode(key: GroupKey, value: Option<Bytes>) -> Result<Option<ShareGroupRecord>, String> {
    let (group, of) = match key {
        GroupKey::ShareGroupMetadata(key) => {
            (key.group_id, ShareGroupChange::Group { value: value.map(read).transpose()? })
        }
        GroupKey::ShareGroupMemberMetadata(key) => {
            let value = value.map(read).transpose()?.map(detached).map(Arc::new);
            (key.group_id, ShareGroupChange::Member { member_id: key.member_id.detached(), value })
        }
        GroupKey::ShareGroupTargetAssignmentMetadata(key) => {
            (key.group_id, ShareGroupChange::TargetMetadata { value: value.map(read).transpose()? })
        }
        GroupKey::ShareGroupTargetAssignmentMember(key) => {
            let value = value.map(read).transpose()?.map(Arc::new);
            (key.group_id, ShareGroupChange::Target { member_id: key.member_id.detached(), value })
        }
        GroupKey::ShareGroupCurrentMemberAssignment(key) => {
            let value = value.map(read).transpose()?.map(Arc::new);
            (key.group_id, ShareGroupChange::Current { member_id: key.member_id.detached(), value })
        }
        GroupKey::ShareGroupStatePartitionMetadata(key) => {
            let mut value = value.map(read::<ShareGroupStatePartitionMetadataValue>).transpose()?;
            if let Some(value) = &mut value {
                let topics = value.initializing_topics.iter_mut().chain(&mut value.initialized_topics);
                topics.for_each(|topic| topic.topic_name = topic.topic_name.detached());
                value
                    .deleting_topics
                    .iter_mut()
                    .for_each(|topic| topic.topic_name = topic.topic_name.detached());
            }
            (key.group_id, ShareGroupChange::Topics { value: value.map(Arc::new) })
        }
        _ => return Ok(None),
    };
    Ok(Some(ShareGroupRecord { group: group.detached(), of }))
}

fn read<T: Message>(bytes: Bytes) -> Result<T, String> {
    let mut decoder = Decoder::of(bytes);
    let version = decoder.i16().map_err(|error| error.to_string())?;
    T::decode(&mut decoder, version).map_err(|error| error.to_string())
}

/// Off the batch that it was read from.
fn detached(mut value: ShareGroupMemberMetadataValue) -> ShareGroupMemberMetadataValue {
    value.rack_id = value.rack_id.map(|rack| rack.detached());
    value.client_id = value.client_id.detached();
    value.client_host = value.client_host.detached();
    value.subscribed_topic_names.iter_mut().for_each(|name| *name = name.detached());
    value
}
