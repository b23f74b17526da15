//! A Metadata request read where it lies: names are borrowed from the frame, and a request for one topic needs no memory of its own.
//! Says what the generated `MetadataRequest` says; the tests hold both against each other in every version, whole, cut short and
//! damaged.

use smallvec::SmallVec;

use crate::Uuid;
use crate::codec::{Cursor, Decode, DecodeError};
use crate::messages::metadata::{MetadataRequest, MetadataRequestTopic};

/// A whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetadataView<'a> {
    /// `None` asks for all topics; version 0 says so with an empty list.
    pub topics: Option<AskedTopics<'a>>,
    /// A topic that is not there may be made.
    pub allow_auto_topic_creation: bool,
    /// It wants to know what it may do to the cluster.
    pub include_cluster_authorized_operations: bool,
    /// It wants to know what it may do to each topic.
    pub include_topic_authorized_operations: bool,
}

type AskedTopics<'a> = SmallVec<[AskedTopic<'a>; 1]>;

/// A topic that is asked for: by its name, or (from version 12 on) by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AskedTopic<'a> {
    /// Its name; `None` where it is asked for by its id.
    pub name: Option<&'a str>,
    /// Its id; zeros where it is asked for by its name.
    pub id: Uuid,
}

impl<'a> MetadataView<'a> {
    /// Reads a body of this version; bytes after it are ignored, as with every request.
    pub fn parse(body: &'a [u8], version: i16) -> Result<MetadataView<'a>, DecodeError> {
        let mut from = Cursor::of::<MetadataRequest>(body, version)?;
        let view = MetadataView {
            topics: topics(&mut from, version)?,
            allow_auto_topic_creation: if version >= 4 { from.bool()? } else { true },
            include_cluster_authorized_operations: (8..=10).contains(&version) && from.bool()?,
            include_topic_authorized_operations: version >= 8 && from.bool()?,
        };
        from.tags(|_, _| Ok(false))?;
        Ok(view)
    }
}

fn topics<'a>(from: &mut Cursor<'a>, version: i16) -> Result<Option<AskedTopics<'a>>, DecodeError> {
    let Some(count) = from.nullable_count(MetadataRequestTopic::MIN_SIZE, size_of::<AskedTopic<'_>>())?
    else {
        return if version >= 1 { Ok(None) } else { Err(DecodeError::UnexpectedNull) };
    };
    let mut topics = AskedTopics::with_capacity(count);
    for _ in 0..count {
        let id = if version >= 10 { Uuid(from.array()?) } else { Uuid::ZERO };
        let name = if version >= 10 { from.nullable_string()? } else { Some(from.string()?) };
        from.tags(|_, _| Ok(false))?;
        topics.push(AskedTopic { name, id });
    }
    Ok(Some(topics))
}

#[cfg(test)]
mod tests;
