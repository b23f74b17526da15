//! The records of streams groups in `__consumer_offsets`: their bytes. Each has one version so far.

use bytes::Bytes;
use std::sync::Arc;
use wire::Str;
use wire::codec::{Decoder, Encoder, Message};
use wire::records::group::{
    GroupKey, StreamsGroupCurrentMemberAssignmentKey, StreamsGroupCurrentMemberAssignmentValue,
    StreamsGroupMemberMetadataKey, StreamsGroupMemberMetadataValue, StreamsGroupMetadataKey,
    StreamsGroupMetadataValue, StreamsGroupTargetAssignmentMemberKey,
    StreamsGroupTargetAssignmentMemberValue, StreamsGroupTargetAssignmentMetadataKey,
    StreamsGroupTargetAssignmentMetadataValue, StreamsGroupTopologyKey, StreamsGroupTopologyValue,
    StreamsGroupTopologyValueTopicInfo,
};

/// A change of one streams group; no value is a tombstone.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamsGroupRecord {
    /// Whose.
    pub group: Str,
    /// Of what.
    pub of: StreamsGroupChange,
}

/// What a record is of.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the fields are the record's key and value
pub enum StreamsGroupChange {
    /// The epoch of the group, and what it was made for.
    Group { value: Option<Arc<StreamsGroupMetadataValue>> },
    /// What a member says of itself.
    Member { member_id: Str, value: Option<Arc<StreamsGroupMemberMetadataValue>> },
    /// The epoch of the targets.
    TargetMetadata { value: Option<StreamsGroupTargetAssignmentMetadataValue> },
    /// What a member shall have.
    Target { member_id: Str, value: Option<Arc<StreamsGroupTargetAssignmentMemberValue>> },
    /// How far a member is.
    Current { member_id: Str, value: Option<Arc<StreamsGroupCurrentMemberAssignmentValue>> },
    /// What the application consists of.
    Topology { value: Option<Arc<StreamsGroupTopologyValue>> },
}

impl StreamsGroupChange {
    /// It tells of something that is there.
    pub fn has_value(&self) -> bool {
        match self {
            StreamsGroupChange::Group { value } => value.is_some(),
            StreamsGroupChange::Member { value, .. } => value.is_some(),
            StreamsGroupChange::TargetMetadata { value } => value.is_some(),
            StreamsGroupChange::Target { value, .. } => value.is_some(),
            StreamsGroupChange::Current { value, .. } => value.is_some(),
            StreamsGroupChange::Topology { value } => value.is_some(),
        }
    }
}

/// Key and value as Kafka writes them.
pub fn encode(record: &StreamsGroupRecord) -> (Bytes, Option<Bytes>) {
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
        StreamsGroupChange::Group { value: own } => {
            (GroupKey::from(StreamsGroupMetadataKey { group_id }), value(own.as_deref()))
        }
        StreamsGroupChange::Member { member_id, value: own } => {
            let key = StreamsGroupMemberMetadataKey { group_id, member_id: member_id.clone() };
            (GroupKey::from(key), value(own.as_deref()))
        }
        StreamsGroupChange::TargetMetadata { value: own } => {
            (GroupKey::from(StreamsGroupTargetAssignmentMetadataKey { group_id }), value(own.as_ref()))
        }
        StreamsGroupChange::Target { member_id, value: own } => {
            let key = StreamsGroupTargetAssignmentMemberKey { group_id, member_id: member_id.clone() };
            (GroupKey::from(key), value(own.as_deref()))
        }
        StreamsGroupChange::Current { member_id, value: own } => {
            let key = StreamsGroupCurrentMemberAssignmentKey { group_id, member_id: member_id.clone() };
            (GroupKey::from(key), value(own.as_deref()))
        }
        StreamsGroupChange::Topology { value: own } => {
            (GroupKey::from(StreamsGroupTopologyKey { group_id }), value(own.as_deref()))
        }
    };
    (key.encode(), value)
}

/// A streams group's key.
pub fn is_of_streams(key: &GroupKey) -> bool {
    matches!(
        key,
        GroupKey::StreamsGroupMetadata(_)
            | GroupKey::StreamsGroupMemberMetadata(_)
            | GroupKey::StreamsGroupTargetAssignmentMetadata(_)
            | GroupKey::StreamsGroupTargetAssignmentMember(_)
            | GroupKey::StreamsGroupCurrentMemberAssignment(_)
            | GroupKey::StreamsGroupTopology(_)
    )
}

/// `None` for keys that are no streams group's.
pub fn decode(key: GroupKey, value: Option<Bytes>) -> Result<Option<StreamsGroupRecord>, String> {
    let (group, of) = match key {
        GroupKey::StreamsGroupMetadata(key) => {
            let mut value = value.map(read::<StreamsGroupMetadataValue>).transpose()?;
            for config in value.iter_mut().flat_map(|value| &mut value.last_assignment_configs).flatten() {
                (config.key, config.value) = (config.key.detached(), config.value.detached());
            }
            (key.group_id, StreamsGroupChange::Group { value: value.map(Arc::new) })
        }
        GroupKey::StreamsGroupMemberMetadata(key) => {
            let value = value.map(read).transpose()?.map(detached_member).map(Arc::new);
            (key.group_id, StreamsGroupChange::Member { member_id: key.member_id.detached(), value })
        }
        GroupKey::StreamsGroupTargetAssignmentMetadata(key) => {
            (key.group_id, StreamsGroupChange::TargetMetadata { value: value.map(read).transpose()? })
        }
        GroupKey::StreamsGroupTargetAssignmentMember(key) => {
            let value = value.map(read).transpose()?.map(Arc::new);
            (key.group_id, StreamsGroupChange::Target { member_id: key.member_id.detached(), value })
        }
        GroupKey::StreamsGroupCurrentMemberAssignment(key) => {
            let value = value.map(read).transpose()?.map(Arc::new);
            (key.group_id, StreamsGroupChange::Current { member_id: key.member_id.detached(), value })
        }
        GroupKey::StreamsGroupTopology(key) => {
            let value = value.map(read).transpose()?.map(detached_topology).map(Arc::new);
            (key.group_id, StreamsGroupChange::Topology { value })
        }
        _ => return Ok(None),
    };
    Ok(Some(StreamsGroupRecord { group: group.detached(), of }))
}

fn read<T: Message>(bytes: Bytes) -> Result<T, String> {
    let mut decoder = Decoder::of(bytes);
    let version = decoder.i16().map_err(|error| error.to_string())?;
    T::decode(&mut decoder, version).map_err(|error| error.to_string())
}

/// Off the batch that it was read from.
fn detached_member(mut value: StreamsGroupMemberMetadataValue) -> StreamsGroupMemberMetadataValue {
    value.instance_id = value.instance_id.map(|id| id.detached());
    value.rack_id = value.rack_id.map(|rack| rack.detached());
    value.client_id = value.client_id.detached();
    value.client_host = value.client_host.detached();
    value.process_id = value.process_id.detached();
    if let Some(endpoint) = &mut value.user_endpoint {
        endpoint.host = endpoint.host.detached();
    }
    for tag in &mut value.client_tags {
        (tag.key, tag.value) = (tag.key.detached(), tag.value.detached());
    }
    value
}

/// Off the batch, or the request, that it was read from.
pub(super) fn detached_topology(mut value: StreamsGroupTopologyValue) -> StreamsGroupTopologyValue {
    let topics = |topics: &mut Vec<StreamsGroupTopologyValueTopicInfo>| {
        for topic in topics {
            topic.name = topic.name.detached();
            for config in &mut topic.topic_configs {
                (config.key, config.value) = (config.key.detached(), config.value.detached());
            }
        }
    };
    for subtopology in &mut value.subtopologies {
        subtopology.subtopology_id = subtopology.subtopology_id.detached();
        subtopology.source_topics.iter_mut().for_each(|name| *name = name.detached());
        subtopology.source_topic_regex.iter_mut().for_each(|regex| *regex = regex.detached());
        subtopology.repartition_sink_topics.iter_mut().for_each(|name| *name = name.detached());
        topics(&mut subtopology.state_changelog_topics);
        topics(&mut subtopology.repartition_source_topics);
    }
    value
}
