//! The text of Kafka's small files: checkpoints (version, count, lines), `partition.metadata`, `meta.properties` (read by
//! `wire::properties`), the clean shutdown marker. Pure text both ways; whoever reads a damaged one gets `None` and rebuilds,
//! these are caches.

use crate::epochs::EpochCache;
use crate::names;
use std::collections::BTreeMap;
use std::fmt::Write;
use wire::Uuid;

/// `0`, the count, then one entry per line.
fn write_lines(lines: impl ExactSizeIterator<Item = String>) -> String {
    let mut text = format!("0\n{}\n", lines.len());
    for line in lines {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The entries of a version 0 checkpoint; `None` unless there are exactly as many as it says.
fn read_lines(text: &[u8]) -> Option<Vec<&str>> {
    let mut lines = std::str::from_utf8(text).ok()?.lines();
    if lines.next()?.trim() != "0" {
        return None;
    }
    let count: usize = lines.next()?.trim().parse().ok()?;
    let entries: Vec<&str> = lines.filter(|line| !line.trim().is_empty()).collect();
    (entries.len() == count).then_some(entries)
}

/// Whether a checkpoint or `partition.metadata` holds what it should; `None` for a name that is none of theirs.
pub fn is_sound(name: &str, text: &[u8]) -> Option<bool> {
    match name {
        // Kafka makes a checkpoint before it has anything to write.
        _checkpoint if text.is_empty() && name.ends_with("-checkpoint") => Some(true),
        names::PARTITION_METADATA => Some(read_partition_metadata(text).is_some()),
        // Entries that do not grow drop each other.
        names::LEADER_EPOCHS => Some(read_lines(text).is_some_and(|lines| {
            read_epochs(text).is_some_and(|cache| cache.entries().len() == lines.len())
        })),
        _other if name.ends_with("-offset-checkpoint") => Some(read_offsets(text).is_some()),
        _other => None,
    }
}

/// Offsets per topic and partition, as the offset checkpoints hold them.
pub type Offsets = BTreeMap<(String, i32), i64>;

pub(crate) fn write_offsets(offsets: &Offsets) -> String {
    write_lines(offsets.iter().map(|((topic, partition), offset)| format!("{topic} {partition} {offset}")))
}

pub(crate) fn read_offsets(text: &[u8]) -> Option<Offsets> {
    let mut offsets = Offsets::new();
    for line in read_lines(text)? {
        let mut words = line.split_whitespace();
        let (topic, partition, offset) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() {
            return None;
        }
        offsets.insert((topic.to_owned(), partition.parse().ok()?), offset.parse().ok()?);
    }
    Some(offsets)
}

/// One epoch and its start offset per line.
pub(crate) fn write_epochs(epochs: &EpochCache) -> String {
    write_lines(epochs.entries().iter().map(|entry| format!("{} {}", entry.epoch, entry.start_offset)))
}

/// `None` if the text is not a checkpoint.
pub(crate) fn read_epochs(text: &[u8]) -> Option<EpochCache> {
    let mut epochs = EpochCache::default();
    for line in read_lines(text)? {
        let (epoch, start_offset) = line.split_once(' ')?;
        epochs.assign(epoch.parse().ok()?, start_offset.parse().ok()?);
    }
    Some(epochs)
}

pub(crate) fn write_partition_metadata(topic_id: Uuid) -> String {
    format!("version: 0\ntopic_id: {topic_id}")
}

pub(crate) fn read_partition_metadata(text: &[u8]) -> Option<Uuid> {
    let mut lines = std::str::from_utf8(text).ok()?.lines();
    if lines.next()?.strip_prefix("version:")?.trim() != "0" {
        return None;
    }
    lines.next()?.strip_prefix("topic_id:")?.trim().parse().ok()
}

/// The marker of a clean stop, with the broker epoch of KIP-966.
pub(crate) fn write_clean_shutdown(broker_epoch: i64) -> String {
    format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}")
}

/// -1 if the marker has no epoch (older Kafka leaves an empty file).
pub(crate) fn read_clean_shutdown(text: &[u8]) -> i64 {
    let epoch = || {
        let (_, after) = std::str::from_utf8(text).ok()?.split_once("\"brokerEpoch\"")?;
        let number = after.trim_start().strip_prefix(':')?.trim_start();
        let end = number.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(number.len());
        number.get(..end)?.parse().ok()
    };
    epoch().unwrap_or(-1)
}

/// The marker of a broker's life, as long as it lasts.
pub(crate) fn write_life(broker_epoch: i64, page_cache: &str) -> String {
    format!("version: 0\nbroker_epoch: {broker_epoch}\npage_cache: {page_cache}\n")
}

/// The epoch, if it was written over this page cache.
pub(crate) fn read_life(text: &[u8], page_cache: &str) -> Option<i64> {
    let mut lines = std::str::from_utf8(text).ok()?.lines();
    if lines.next()? != "version: 0" {
        return None;
    }
    let epoch = lines.next()?.strip_prefix("broker_epoch: ")?.parse().ok()?;
    (lines.next()?.strip_prefix("page_cache: ")? == page_cache).then_some(epoch)
}

/// As Java's `Properties.store` writes them, but for the date: what it reads back is what was given.
pub(crate) fn write_properties(properties: &BTreeMap<String, String>) -> String {
    let mut text = String::from("#\n");
    for (key, value) in properties {
        push_escaped(&mut text, key, true);
        text.push('=');
        push_escaped(&mut text, value, false);
        text.push('\n');
    }
    text
}

/// A blank ends a key, and is lost before a value.
fn push_escaped(text: &mut String, part: &str, is_key: bool) {
    for (at, character) in part.chars().enumerate() {
        match character {
            '\\' | '=' | ':' | '#' | '!' => text.extend(['\\', character]),
            ' ' if is_key || at == 0 => text.push_str("\\ "),
            ' '..='~' => text.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing into a String cannot fail.
                    let _ = write!(text, "\\u{unit:04X}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_come_back_and_damage_is_noticed() {
        let offsets = Offsets::from([(("a".into(), 0), 5), (("b-c".into(), 11), 0)]);
        let text = write_offsets(&offsets);
        assert_eq!(text, "0\n2\na 0 5\nb-c 11 0\n");
        assert_eq!(read_offsets(text.as_bytes()), Some(offsets));
        for damaged in
            ["", "1\n0\n", "0\n1\n", "0\n1\na 0\n", "0\n1\na 0 5 6\n", "0\n1\na x 5\n", "0\n0\na 0 5\n"]
        {
            assert_eq!(read_offsets(damaged.as_bytes()), None, "{damaged:?}");
        }
    }

    #[test]
    fn epochs_come_back() {
        let mut epochs = EpochCache::default();
        epochs.assign(1, 0);
        epochs.assign(2, 10);
        let text = write_epochs(&epochs);
        assert_eq!(text, "0\n2\n1 0\n2 10\n");
        assert_eq!(read_epochs(text.as_bytes()), Some(epochs));
        assert_eq!(read_epochs(b"0\n2\n1 0\n"), None);
        assert_eq!(read_epochs(b"\0\0\0"), None);
    }

    #[test]
    fn markers_come_back() {
        let id: Uuid = "AAAAAAAAAAAAAAAAAAAAAQ".parse().unwrap();
        assert_eq!(read_partition_metadata(write_partition_metadata(id).as_bytes()), Some(id));
        assert_eq!(read_partition_metadata(b"version: 1\ntopic_id: x"), None);
        assert_eq!(read_clean_shutdown(write_clean_shutdown(42).as_bytes()), 42);
        assert_eq!(read_clean_shutdown(b""), -1);
        let life = write_life(42, "boot/8:1/17");
        assert_eq!(read_life(life.as_bytes(), "boot/8:1/17"), Some(42));
        assert_eq!(read_life(life.as_bytes(), "boot/8:1/18"), None);
        let torn = |length: usize| read_life(&life.as_bytes()[..length], "boot/8:1/17");
        assert!((0..life.len() - 1).all(|length| torn(length).is_none()));
    }

    #[test]
    fn what_java_reads_is_what_was_given() {
        let properties = BTreeMap::from([
            ("cluster.id".to_owned(), "a=b".to_owned()),
            ("a key".to_owned(), " a \\value\n\u{20ac} \u{1f600}".to_owned()),
        ]);
        let text = write_properties(&properties);
        assert_eq!(text, "#\na\\ key=\\ a \\\\value\\u000A\\u20AC \\uD83D\\uDE00\ncluster.id=a\\=b\n");
        assert_eq!(wire::properties::parse(text.as_bytes()), Ok(properties));
    }
}
