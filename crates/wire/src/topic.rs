//! Names of topics and partitions: the pairs that everybody keys maps with, and the rules for a legal name.

use std::fmt;

use crate::{Str, Uuid};

/// A partition by topic name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Str,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The pair.
    pub fn new(topic: impl Into<Str>, partition: i32) -> TopicPartition {
        TopicPartition { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A partition by topic id (KIP-516): unlike a name, never reused after a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicIdPartition {
    /// The topic's id.
    pub topic_id: Uuid,
    /// The partition's number, from 0.
    pub partition: i32,
}

impl TopicIdPartition {
    /// The pair.
    pub fn new(topic_id: Uuid, partition: i32) -> TopicIdPartition {
        TopicIdPartition { topic_id, partition }
    }
}

impl fmt::Display for TopicIdPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic_id, self.partition)
    }
}

/// The longest legal topic name, in UTF-16 units as Java counts them: with `-`, a partition number and `.<uuid>-delete` a directory name
/// stays under 255.
pub const MAX_NAME_LENGTH: usize = 249;
/// The group coordinator's log.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";
/// The transaction coordinator's log.
pub const TRANSACTION_STATE: &str = "__transaction_state";
/// The share coordinator's log.
pub const SHARE_GROUP_STATE: &str = "__share_group_state";
/// The log of the metadata quorum.
pub const CLUSTER_METADATA: &str = "__cluster_metadata";

/// True for the topics that the coordinators own and clients may not write.
pub fn is_internal(name: &str) -> bool {
    matches!(name, CONSUMER_OFFSETS | TRANSACTION_STATE | SHARE_GROUP_STATE)
}

/// Why a topic name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidName {
    /// No character at all.
    Empty,
    /// `.` or `..`.
    Dots,
    /// More than [`MAX_NAME_LENGTH`] UTF-16 units.
    TooLong,
    /// A character other than ASCII letters, digits, `.`, `_` and `-`.
    Character,
}

impl InvalidName {
    /// What Kafka says of the name.
    pub fn of(self, name: &str) -> String {
        match self {
            InvalidName::Empty => "the empty string is not allowed".to_owned(),
            InvalidName::Dots => format!("'{name}' is not allowed"),
            InvalidName::TooLong => {
                format!("the length of '{name}' is longer than the max allowed length {MAX_NAME_LENGTH}")
            }
            InvalidName::Character => format!(
                "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
            ),
        }
    }
}

/// Kafka's rule for topic names.
pub fn validate_name(name: &str) -> Result<(), InvalidName> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    match name {
        "" => Err(InvalidName::Empty),
        "." | ".." => Err(InvalidName::Dots),
        _ if name.encode_utf16().count() > MAX_NAME_LENGTH => Err(InvalidName::TooLong),
        _ if !name.bytes().all(legal) => Err(InvalidName::Character),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_and_illegal_names() {
        assert_eq!(validate_name("a.B_c-9"), Ok(()));
        assert_eq!(validate_name(&"x".repeat(249)), Ok(()));
        assert_eq!(validate_name(&"x".repeat(250)), Err(InvalidName::TooLong));
        assert_eq!(validate_name(""), Err(InvalidName::Empty));
        assert_eq!(validate_name(".."), Err(InvalidName::Dots));
        assert_eq!(validate_name("a/b"), Err(InvalidName::Character));
        assert_eq!(validate_name("ä"), Err(InvalidName::Character));
    }
}
