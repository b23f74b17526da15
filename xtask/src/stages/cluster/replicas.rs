//! What lies on the nodes' disks once all have stopped: every replica of a partition holds the same batches, byte by byte, and so does
//! every copy of the metadata log as far as it was committed. A node that stops may keep a tail that nobody else had: what the others
//! wrote in its place is of a later epoch.

use crate::tally::Tally;
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Base offset and length stand before a batch.
const BATCH_HEAD: usize = 12;

/// Right after them, the epoch of the leader who wrote it.
const LEADER_EPOCH: std::ops::Range<usize> = BATCH_HEAD..BATCH_HEAD + 4;

/// Batches by base offset.
type Batches = BTreeMap<i64, Vec<u8>>;

/// Compares all partitions that any of the nodes holds, each in any of its directories. Those of topics that begin with `name` must be there on every node and
/// equally long; of others, which the nodes themselves write, what several have.
pub fn compare(nodes: &[Vec<PathBuf>], name: &str) -> Result<Tally> {
    let mut partitions = BTreeSet::new();
    for directory in nodes.iter().flatten() {
        for entry in std::fs::read_dir(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if entry.file_type()?.is_dir()
                && name.rsplit_once('-').is_some_and(|(_, n)| n.parse::<u32>().is_ok())
            {
                partitions.insert(name);
            }
        }
    }
    let mut tally = Tally::default();
    tally.check("there are partitions at all", partitions.iter().any(|found| found.starts_with(name)));
    for partition in &partitions {
        let whole = partition.starts_with(name);
        let copies: Vec<Batches> =
            nodes.iter().map(|node| read_any(node, partition)).collect::<Result<_>>()?;
        tally.check(partition, true);
        if let Err(why) = equal(&copies, whole) {
            tally.passed -= 1;
            tally.fail(format!("{partition}: {why:#}"));
        }
    }
    Ok(tally)
}

fn equal(copies: &[Batches], whole: bool) -> Result<()> {
    let ends: Vec<Option<i64>> = copies.iter().map(|copy| copy.keys().next_back().copied()).collect();
    let starts: Vec<Option<i64>> = copies.iter().map(|copy| copy.keys().next().copied()).collect();
    if whole {
        ensure!(ends.iter().all(|end| *end == ends[0]), "the last batches begin at {ends:?}");
        ensure!(starts.iter().all(|start| *start == starts[0]), "the first batches begin at {starts:?}");
    }
    // What one of them no longer has or does not have yet is not compared.
    let (Some(from), Some(to)) = (starts.iter().flatten().max(), ends.iter().flatten().min()) else {
        return Ok(());
    };
    let common = |copy: &Batches| -> Vec<(i64, Vec<u8>)> {
        copy.range(*from..=*to.max(from)).map(|(offset, bytes)| (*offset, bytes.clone())).collect()
    };
    let held: Vec<_> = copies.iter().filter(|copy| !copy.is_empty()).map(common).collect();
    for (at, first) in held.iter().enumerate() {
        for other in &held[at + 1..] {
            match first.iter().zip(other).find(|(a, b)| a != b) {
                None => ensure!(
                    first.len() == other.len(),
                    "a copy has {} batches, another {}",
                    first.len(),
                    other.len()
                ),
                Some((a, b)) => {
                    ensure!(!whole, "copies differ at batches {} and {}", told(a)?, told(b)?);
                    never_committed(a, b, copies)?;
                }
            }
        }
    }
    Ok(())
}

/// Of two batches at which copies part, the one of the older epoch was never committed: no majority has it.
fn never_committed(a: &(i64, Vec<u8>), b: &(i64, Vec<u8>), copies: &[Batches]) -> Result<()> {
    let (ours, theirs) = (leader_epoch(&a.1)?, leader_epoch(&b.1)?);
    ensure!(ours != theirs, "one epoch wrote two things: {} and {}", told(a)?, told(b)?);
    let older = if ours < theirs { a } else { b };
    let holders = copies.iter().filter(|copy| copy.get(&older.0) == Some(&older.1)).count();
    ensure!(holders * 2 <= copies.len(), "{} of {} copies lost {}", holders, copies.len(), told(older)?);
    Ok(())
}

fn leader_epoch(batch: &[u8]) -> Result<i32> {
    let epoch = batch.get(LEADER_EPOCH).context("a batch without an epoch")?;
    Ok(i32::from_be_bytes(epoch.try_into()?))
}

/// For whoever has to find out why: the files are gone by then.
fn told(batch: &(i64, Vec<u8>)) -> Result<String> {
    let head: Vec<String> =
        batch.1.iter().skip(LEADER_EPOCH.end).take(64).map(|b| format!("{b:02x}")).collect();
    let (epoch, length) = (leader_epoch(&batch.1)?, batch.1.len());
    Ok(format!("{} of epoch {epoch} ({length} bytes, {})", batch.0, head.concat()))
}

/// Of the directories of a node, the one that has the partition.
fn read_any(directories: &[PathBuf], partition: &str) -> Result<Batches> {
    let mut found = directories.iter().map(|one| one.join(partition)).filter(|path| path.exists());
    let first = found.next().map_or(Ok(Batches::new()), |path| read(&path))?;
    ensure!(found.next().is_none(), "{partition} is in two directories of {directories:?}");
    Ok(first)
}

/// All batches of a partition's segments.
fn read(partition: &Path) -> Result<Batches> {
    let mut batches = Batches::new();
    for entry in std::fs::read_dir(partition)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let bytes = std::fs::read(&path)?;
        let mut rest = bytes.as_slice();
        // Kafka's may end in room that was taken in advance.
        while let Some(head) = rest.first_chunk::<BATCH_HEAD>().filter(|head| **head != [0; BATCH_HEAD]) {
            let (offset, length) = head.split_at(8);
            let offset = i64::from_be_bytes(offset.try_into()?);
            let length = usize::try_from(i32::from_be_bytes(length.try_into()?))? + BATCH_HEAD;
            let batch = rest.get(..length).with_context(|| format!("{}: a torn batch", path.display()))?;
            ensure!(batches.insert(offset, batch.to_vec()).is_none(), "two batches begin at {offset}");
            rest = &rest[length..];
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch as far as it matters here: base offset, epoch, one byte.
    fn of(all: &[(i64, i32, u8)]) -> Batches {
        let batch = |epoch: i32, byte| [&[0; BATCH_HEAD], epoch.to_be_bytes().as_slice(), &[byte]].concat();
        all.iter().map(|(at, epoch, byte)| (*at, batch(*epoch, *byte))).collect()
    }

    #[test]
    fn copies_are_equal_as_far_as_they_reach_and_whole_ones_to_the_end() {
        let long = of(&[(0, 1, 1), (5, 1, 2), (9, 1, 3)]);
        let (short, late) = (of(&[(0, 1, 1), (5, 1, 2)]), of(&[(5, 1, 2), (9, 1, 3)]));
        assert!(equal(&[long.clone(), short.clone(), late.clone()], false).is_ok());
        assert!(equal(&[long.clone(), long.clone()], true).is_ok());
        assert!(equal(&[long.clone(), short], true).is_err() && equal(&[long.clone(), late], true).is_err());
        assert!(equal(&[long.clone(), of(&[(0, 1, 1), (5, 1, 7), (9, 1, 3)])], false).is_err());
        assert!(equal(&[long.clone(), of(&[(0, 1, 1), (9, 1, 3)])], false).is_err());
        assert!(equal(&[long, of(&[])], true).is_err());
    }

    #[test]
    fn a_tail_that_a_majority_never_had_may_differ_but_not_what_was_committed() {
        let alone = of(&[(0, 1, 1), (5, 1, 2)]);
        let (kept, taken) = (of(&[(0, 1, 1), (5, 2, 3)]), of(&[(0, 1, 1), (5, 2, 3), (6, 2, 4)]));
        assert!(equal(&[alone.clone(), kept.clone(), taken.clone()], false).is_ok());
        assert!(equal(&[alone.clone(), kept.clone(), taken.clone()], true).is_err());
        assert!(equal(&[alone.clone(), alone.clone(), taken.clone()], false).is_err());
        assert!(equal(&[alone, of(&[(0, 1, 1), (5, 1, 3)]), taken], false).is_err());
        assert!(equal(&[kept.clone(), of(&[(0, 1, 1), (5, 2, 9)]), kept], false).is_err());
    }
}
