//! Damaged batches of a segment made good with those of another replica: committed batches are the same there, byte for byte, unless one
//! of the two was compacted. Writes them only into exactly the place that the damage takes; never moves, adds or leaves out anything.

use crate::fault::Fault;
use crate::log::Log;
use crate::replicating::take_batch;
use crate::scan::{Scanner, Step};
use bytes::Bytes;
use std::io::IoSlice;
use std::ops::Range;

/// What came of a repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// The batches are there again, and on the platter.
    Done,
    /// No damage is known at these offsets: it was made good before, or the segment is another one now.
    NotNeeded,
    /// What was brought is not what was there: other batches or other bytes.
    Unlike,
}

impl Log {
    /// Writes the batches of another replica over a damaged range, as a reader was told of it: from the first offset that cannot be
    /// read to the first behind it that can. `records` may begin before it and end behind it. A fault of the disk leaves damage where
    /// there was damage.
    pub fn repair(&mut self, damaged: &Range<i64>, records: Bytes) -> Result<Repaired, Fault> {
        self.check_poison()?;
        let list = &self.segments.segments;
        let found = self.segments.floor(damaged.start).and_then(|at| Some((list.get(at)?, list.get(at + 1))));
        let Some((segment, next)) = found else { return Ok(Repaired::NotNeeded) };
        let known = segment.damage.holding(damaged.start).filter(|known| known.next_offset == damaged.end);
        let Some(known) = known.filter(|known| known.offset == damaged.start) else {
            return Ok(Repaired::NotNeeded);
        };
        let limit = next.map_or(self.log_end_offset, |next| next.base_offset);
        let mut scanner = Scanner::new(&*self.disk, segment, known.position, known.offset).up_to(limit);
        let end = match scanner.step()? {
            Step::Batch { .. } | Step::End => {
                segment.damage.healed(known);
                return Ok(Repaired::NotNeeded);
            }
            Step::Bad { .. } => {
                scanner.resync()?;
                scanner.position()
            }
        };
        let Some(good) = good_batches(records, damaged) else { return Ok(Repaired::Unlike) };
        if u32::try_from(good.len()).ok() != Some(end - known.position) {
            return Ok(Repaired::Unlike);
        }
        self.disk.write_at(&segment.log, u64::from(known.position), &mut [IoSlice::new(&good)])?;
        self.disk.sync(&segment.log)?;
        segment.damage.healed(known);
        Ok(Repaired::Done)
    }
}

/// The whole batches between the offsets as they lie in `records`; `None` if any is damaged or reaches over an end.
fn good_batches(mut records: Bytes, range: &Range<i64>) -> Option<Bytes> {
    let (all, mut next_offset) = (records.clone(), i64::MIN);
    let (mut from, mut to) = (None, 0);
    loop {
        let before = all.len() - records.len();
        let Some(batch) = take_batch(&mut records, &mut next_offset).ok()? else { break };
        if batch.next_offset() <= range.start {
            continue;
        }
        if batch.base_offset >= range.end {
            break;
        }
        if batch.base_offset < range.start || batch.next_offset() > range.end {
            return None;
        }
        from.get_or_insert(before);
        to = all.len() - records.len();
    }
    from.map(|from| all.slice(from..to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LogConfig;
    use crate::disk::Disk;
    use crate::fetched::ReadRefused;
    use crate::sim_disk::{SimDisk, Survival};
    use crate::testing::*;
    use crate::view::ReadLimit;
    use std::path::{Path, PathBuf};
    use wire::record_batch::HEADER_BYTES;

    fn segment() -> PathBuf {
        Path::new(DIRECTORY).join("00000000000000000000.log")
    }

    /// Ten batches of two records, flushed, with the bytes of a batch.
    fn filled() -> (SimDisk, Log, usize) {
        let (disk, mut log) = fresh(LogConfig { segment_bytes: 1 << 20, ..small() });
        for number in 0..10 {
            append(&mut log, 1_000, &[&format!("value-{number:04}"), "x"]);
        }
        log.flush().unwrap();
        let size = usize::try_from(log.size_bytes()).unwrap() / 10;
        (disk, log, size)
    }

    /// All that can be read, and the ranges that cannot.
    fn read_all(log: &Log) -> (Vec<u8>, Vec<Range<i64>>) {
        let (mut bytes, mut damaged, mut from) = (Vec::new(), Vec::new(), 0);
        while from < log.log_end_offset() {
            match log.view().read(from, 1 << 20, ReadLimit::LogEnd, true) {
                Ok(fetched) => {
                    bytes.extend_from_slice(&fetched.records);
                    from = fetched.next_offset;
                }
                Err(ReadRefused::Corrupt { offset, next_offset, .. }) => {
                    damaged.push(offset..next_offset);
                    from = next_offset;
                }
                Err(refused) => panic!("{refused}"),
            }
        }
        (bytes, damaged)
    }

    #[test]
    fn what_another_replica_has_is_written_over_the_damage_and_stays() {
        let (sound, _) = read_all(&filled().1);
        // One batch, two neighbours, the first and the last, each hit in a header or in its records.
        for hit in [vec![(4, 40)], vec![(2, 3), (3, HEADER_BYTES + 4)], vec![(0, 10), (9, 20)]] {
            let (disk, mut log, size) = filled();
            hit.iter().for_each(|(batch, at)| assert!(disk.flip_bit(&segment(), batch * size + at, 1)));
            let (_, damaged) = read_all(&log);
            assert!(!damaged.is_empty(), "{hit:?}");
            for range in &damaged {
                assert_eq!(log.repair(range, Bytes::from(sound.clone())).unwrap(), Repaired::Done, "{hit:?}");
                assert_eq!(log.repair(range, Bytes::from(sound.clone())).unwrap(), Repaired::NotNeeded);
            }
            assert_eq!(read_all(&log), (sound.clone(), vec![]), "{hit:?}");
            drop(log);
            disk.restart(Survival::Nothing);
            assert!(disk.read_file(&segment()).unwrap().starts_with(&sound), "after the power went: {hit:?}");
        }
    }

    #[test]
    fn what_does_not_fit_exactly_is_not_written() {
        let sound = Bytes::from(read_all(&filled().1).0);
        let (disk, mut log, size) = filled();
        assert!(disk.flip_bit(&segment(), 4 * size + 40, 1));
        let (_, damaged) = read_all(&log);
        assert_eq!((damaged.len(), &damaged[0]), (1, &(8..10)));
        let before = disk.read_file(&segment()).unwrap();
        let range = &damaged[0];
        let mut spoilt = sound.to_vec();
        spoilt[4 * size + 41] ^= 1;
        // Damaged itself, nothing at all, cut short, batches of elsewhere.
        let others =
            [Bytes::from(spoilt), Bytes::new(), sound.slice(..5 * size - 1), sound.slice(..3 * size)];
        for records in others {
            assert_eq!(log.repair(range, records).unwrap(), Repaired::Unlike);
        }
        assert_eq!(log.repair(&(8..11), sound.clone()).unwrap(), Repaired::NotNeeded);
        assert_eq!(log.repair(&(2..4), sound.clone()).unwrap(), Repaired::NotNeeded);
        assert_eq!(disk.read_file(&segment()).unwrap(), before);
        assert_eq!(log.repair(range, sound.slice(4 * size..5 * size)).unwrap(), Repaired::Done);
    }
}
