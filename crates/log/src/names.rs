//! File and directory names of a log directory, both ways. Kafka's own, byte for byte; nothing else decides a name.

use std::path::{Path, PathBuf};
use wire::topic::MAX_NAME_LENGTH;

pub(crate) const LOG: &str = "log";
pub(crate) const OFFSET_INDEX: &str = "index";
pub(crate) const TIME_INDEX: &str = "timeindex";
pub(crate) const TRANSACTION_INDEX: &str = "txnindex";
pub(crate) const SNAPSHOT: &str = "snapshot";
pub(crate) const DELETED_SUFFIX: &str = ".deleted";
pub(crate) const CLEANED_SUFFIX: &str = ".cleaned";
pub(crate) const SWAP_SUFFIX: &str = ".swap";
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";
pub(crate) const LEADER_EPOCHS: &str = "leader-epoch-checkpoint";
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";
pub(crate) const DELETE_DIRECTORY_SUFFIX: &str = "-delete";
pub(crate) const STRAY_DIRECTORY_SUFFIX: &str = "-stray";
pub(crate) const FUTURE_DIRECTORY_SUFFIX: &str = "-future";

/// `00000000000000001234.<kind>` in a partition's directory.
pub(crate) fn segment_file(directory: &Path, offset: i64, kind: &str) -> PathBuf {
    directory.join(format!("{offset:020}.{kind}"))
}

/// The offset and kind of a segment file's name; `None` for any other file.
pub(crate) fn parse_segment_file(name: &str) -> Option<(i64, &str)> {
    let (digits, kind) = name.split_once('.')?;
    if digits.len() != 20 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, kind))
}

/// Topic and partition of `<topic>-<partition>`; `None` for any other name.
pub(crate) fn parse_partition_directory(name: &str) -> Option<(&str, i32)> {
    let (topic, partition) = name.rsplit_once('-')?;
    if topic.is_empty() || partition.is_empty() || !partition.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some((topic, partition.parse().ok()?))
}

/// `<topic>-<partition>.<unique>-future`; never cut: the name says whose it is (KIP-113).
pub(crate) fn future_directory(topic_partition: &str, unique: &str) -> String {
    format!("{topic_partition}.{unique}{FUTURE_DIRECTORY_SUFFIX}")
}

/// Topic and partition of a future log's directory.
pub(crate) fn parse_future_directory(name: &str) -> Option<(&str, i32)> {
    let (topic_partition, unique) = name.strip_suffix(FUTURE_DIRECTORY_SUFFIX)?.rsplit_once('.')?;
    if unique.is_empty() || !unique.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    parse_partition_directory(topic_partition)
}

/// Whether a partition's future log could have a name that a file system takes.
pub fn may_move(topic: &str, partition: i32) -> bool {
    future_directory(&format!("{topic}-{partition}"), &"0".repeat(32)).len() <= LONGEST_NAME
}

/// The longest directory name a file system takes, `.` of the unique part and suffix included (as Kafka shortens it).
const LONGEST_NAME: usize = 255;

/// `.`, an id in hexadecimal, the longest suffix.
const LONGEST_ENDING: usize = 1 + 32 + DELETE_DIRECTORY_SUFFIX.len();

// Kafka's bound of a topic's name leaves room for a partition's number of five digits; and of a name that is cut something is left.
const _: () = assert!(MAX_NAME_LENGTH + "-12345".len() <= LONGEST_NAME);
const _: () = assert!(FUTURE_DIRECTORY_SUFFIX.len() <= DELETE_DIRECTORY_SUFFIX.len());
const _: () = assert!(STRAY_DIRECTORY_SUFFIX.len() <= DELETE_DIRECTORY_SUFFIX.len());
const _: () = assert!(LONGEST_ENDING < LONGEST_NAME);

/// `<topic>-<partition>.<unique>-delete`, the topic cut if the name would become too long.
pub(crate) fn delete_directory(topic_partition: &str, unique: &str) -> String {
    renamed_directory(topic_partition, unique, DELETE_DIRECTORY_SUFFIX)
}

/// `<topic>-<partition>.<unique>-stray`, likewise.
pub(crate) fn stray_directory(topic_partition: &str, unique: &str) -> String {
    renamed_directory(topic_partition, unique, STRAY_DIRECTORY_SUFFIX)
}

/// Whether a directory is that of a partition, by its name.
pub fn is_partition_directory(name: &str) -> bool {
    parse_partition_directory(name).is_some()
}

/// Whether a directory was set aside under such a name.
pub fn is_stray_directory(name: &str) -> bool {
    name.ends_with(STRAY_DIRECTORY_SUFFIX)
}

fn renamed_directory(topic_partition: &str, unique: &str, kind: &str) -> String {
    let suffix = format!(".{unique}{kind}");
    let keep = topic_partition.len().min(LONGEST_NAME.saturating_sub(suffix.len()));
    let kept = topic_partition.get(..keep).unwrap_or(topic_partition);
    format!("{kept}{suffix}")
}

/// A name that stays: no file on its way in or out.
#[cfg(test)]
pub(crate) fn is_plain(name: &str) -> bool {
    ![DELETED_SUFFIX, CLEANED_SUFFIX, SWAP_SUFFIX, TEMPORARY_SUFFIX].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas() {
        assert_eq!(segment_file(Path::new("/d"), 368769, LOG), Path::new("/d/00000000000000368769.log"));
        assert_eq!(parse_segment_file("00000000000000368769.timeindex"), Some((368769, "timeindex")));
        assert_eq!(parse_segment_file("00000000000000368769.log.deleted"), Some((368769, "log.deleted")));
        assert_eq!(parse_segment_file("partition.metadata"), None);
        assert_eq!(parse_partition_directory("a-b-12"), Some(("a-b", 12)));
        assert_eq!(parse_partition_directory("a-b.0123-delete"), None);
        assert_eq!(parse_partition_directory("-1"), None);
        assert_eq!(delete_directory(&"x".repeat(250), "0123").len(), 255);
        let future = future_directory("a.b-12", "0123456789abcdef0123456789abcdef");
        assert_eq!(future, "a.b-12.0123456789abcdef0123456789abcdef-future");
        assert_eq!(parse_future_directory(&future), Some(("a.b", 12)));
        assert_eq!(parse_future_directory("a-12.xyz-future"), None);
        assert_eq!(parse_future_directory("a-12.01-delete"), None);
        assert!(may_move(&"x".repeat(213), 1) && !may_move(&"x".repeat(214), 1));
    }
}
