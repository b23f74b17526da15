//! Which topics a group of Kafka's own consumers is subscribed to, read from the metadata that its members send.
//!
//! Reads the embedded consumer protocol just far enough: version, then the topic names. Never assigns anything.

use super::group::ClassicGroup;
use bytes::Bytes;
use std::collections::BTreeSet;
use wire::Str;

impl ClassicGroup {
    /// `None` when the group is not one of consumers, has no protocol yet, or a member's metadata cannot be read.
    pub(super) fn compute_subscribed_topics(&self) -> Option<BTreeSet<Str>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        if self.members.is_empty() {
            return Some(BTreeSet::new());
        }
        let protocol = self.protocol_name.as_ref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscription_topics(&member.metadata_of(Some(protocol)))?);
        }
        Some(topics)
    }
}

/// The topics of a `ConsumerProtocolSubscription`, any version from 0.
pub(crate) fn subscription_topics(metadata: &Bytes) -> Option<Vec<Str>> {
    let mut rest = metadata.as_ref();
    let version = i16::from_be_bytes(*take::<2>(&mut rest)?);
    if version < 0 {
        return None;
    }
    let count = usize::try_from(i32::from_be_bytes(*take::<4>(&mut rest)?)).ok()?;
    // Two bytes of length at least: a count beyond that is a lie, and nothing is reserved for it.
    if count > rest.len() / 2 {
        return None;
    }
    let mut topics = Vec::with_capacity(count.min(64));
    for _ in 0..count {
        let length = usize::try_from(i16::from_be_bytes(*take::<2>(&mut rest)?)).ok()?;
        let (name, after) = rest.split_at_checked(length)?;
        // As Java reads them: what is no UTF-8 becomes a name that no topic has.
        topics.push(Str::from(String::from_utf8_lossy(name).as_ref()));
        rest = after;
    }
    // The user data of version 0 must be whole, too.
    let user_data = i32::from_be_bytes(*take::<4>(&mut rest)?);
    match usize::try_from(user_data) {
        Ok(length) => rest.split_at_checked(length).map(|_| topics),
        Err(_) => (user_data == -1).then_some(topics),
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (head, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription(version: i16, topics: &[&str], tail: &[u8]) -> Bytes {
        let mut bytes = version.to_be_bytes().to_vec();
        bytes.extend((topics.len() as i32).to_be_bytes());
        for topic in topics {
            bytes.extend((topic.len() as i16).to_be_bytes());
            bytes.extend(topic.as_bytes());
        }
        bytes.extend(tail);
        Bytes::from(bytes)
    }

    #[test]
    fn topics_of_every_version_are_read() {
        let read =
            |version| subscription_topics(&subscription(version, &["a", "bb"], &[255, 255, 255, 255, 1, 2]));
        assert_eq!(read(0), Some(vec![Str::from("a"), Str::from("bb")]));
        assert_eq!(read(3), read(0));
        assert_eq!(read(-1), None);
    }

    #[test]
    fn odd_bytes_are_no_subscription() {
        assert_eq!(subscription_topics(&Bytes::from_static(b"")), None);
        assert_eq!(subscription_topics(&Bytes::from_static(&[0, 0, 127, 255, 255, 255])), None);
        assert_eq!(subscription_topics(&subscription(0, &["a"], &[])), None);
        assert_eq!(subscription_topics(&subscription(0, &["a"], &[0, 0, 0, 9])), None);
    }
}
