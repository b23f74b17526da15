//! Producer snapshots (`<offset>.snapshot`, version 1): the producers' state at an offset, so that a start need not read the log.
//! A cache with a CRC: a damaged one is deleted and the state rebuilt from an older one or the log.

use crate::producers::{BatchMetadata, ProducerEntry, Producers};

const VERSION: i16 = 1;
/// Version and CRC; the CRC covers all after it.
const HEADER_BYTES: usize = 6;
/// One producer.
const ENTRY_BYTES: usize = 46;

// Id, epoch, sequence, offset, delta, timestamp, coordinator's epoch, first offset of the transaction.
const _: () = assert!(ENTRY_BYTES == 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8);

/// The file's bytes, producers by id.
pub(crate) fn write(producers: &Producers) -> Vec<u8> {
    let mut entries: Vec<(i64, &ProducerEntry)> = producers.entries().collect();
    entries.sort_unstable_by_key(|(id, _)| *id);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + 4 + entries.len() * ENTRY_BYTES);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&u32::try_from(entries.len()).unwrap_or(u32::MAX).to_be_bytes());
    for (producer_id, entry) in entries {
        let last = entry.last_batch();
        bytes.extend_from_slice(&producer_id.to_be_bytes());
        bytes.extend_from_slice(&entry.epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.last_sequence().to_be_bytes());
        bytes.extend_from_slice(&last.map_or(-1, |batch| batch.last_offset).to_be_bytes());
        bytes.extend_from_slice(&last.map_or(0, |batch| batch.offset_delta).to_be_bytes());
        bytes.extend_from_slice(&entry.last_timestamp.to_be_bytes());
        bytes.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        bytes.extend_from_slice(&entry.transaction_first_offset.unwrap_or(-1).to_be_bytes());
    }
    let crc = wire::crc32c(bytes.get(HEADER_BYTES..).unwrap_or_default());
    if let Some(field) = bytes.get_mut(2..HEADER_BYTES) {
        field.copy_from_slice(&crc.to_be_bytes());
    }
    bytes
}

/// The producers of a snapshot taken at `offset`; `None` if it is damaged or of another version.
pub(crate) fn read(bytes: &[u8], offset: i64) -> Option<Producers> {
    let mut rest = bytes;
    if i16::from_be_bytes(take(&mut rest)?) != VERSION {
        return None;
    }
    if u32::from_be_bytes(take(&mut rest)?) != wire::crc32c(rest) {
        return None;
    }
    let count = u32::from_be_bytes(take(&mut rest)?) as usize;
    if count.checked_mul(ENTRY_BYTES)? != rest.len() {
        return None;
    }
    let mut producers = Producers::starting_at(offset);
    for _ in 0..count {
        let producer_id = i64::from_be_bytes(take(&mut rest)?);
        let mut entry = ProducerEntry::unknown();
        entry.epoch = i16::from_be_bytes(take(&mut rest)?);
        let last_sequence = i32::from_be_bytes(take(&mut rest)?);
        let last_offset = i64::from_be_bytes(take(&mut rest)?);
        let offset_delta = i32::from_be_bytes(take(&mut rest)?);
        entry.last_timestamp = i64::from_be_bytes(take(&mut rest)?);
        entry.coordinator_epoch = i32::from_be_bytes(take(&mut rest)?);
        entry.transaction_first_offset =
            Some(i64::from_be_bytes(take(&mut rest)?)).filter(|first| *first >= 0);
        // It knows of offsets before its own, or it is of another log.
        if last_offset.max(entry.transaction_first_offset.unwrap_or(-1)) >= offset {
            return None;
        }
        if last_offset >= 0 {
            let timestamp = entry.last_timestamp;
            entry.push(BatchMetadata { last_sequence, last_offset, offset_delta, timestamp });
        }
        producers.restore(producer_id, entry);
    }
    Some(producers)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (field, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_comes_back_and_damage_is_noticed() {
        let mut producers = Producers::starting_at(0);
        for id in 0..20 {
            let mut entry = ProducerEntry::unknown();
            entry.epoch = 3;
            entry.last_timestamp = 1000 + id;
            entry.coordinator_epoch = 7;
            entry.transaction_first_offset = (id % 4 == 0).then_some(id * 10);
            if id % 2 == 0 {
                let batch = BatchMetadata {
                    last_sequence: 9,
                    last_offset: id * 10 + 9,
                    offset_delta: 4,
                    timestamp: 1000 + id,
                };
                entry.push(batch);
            }
            producers.restore(id, entry);
        }
        let bytes = write(&producers);
        assert_eq!(bytes.len(), 10 + 20 * 46);
        let back = read(&bytes, 500).unwrap();
        assert_eq!(back.describe(), producers.describe());
        assert_eq!((back.end_offset, back.first_unstable_offset()), (500, Some(0)));
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 4;
            assert!(read(&damaged, 500).is_none(), "{at}");
        }
        assert!(read(&bytes[..bytes.len() - 1], 500).is_none());
        assert!(read(&[], 500).is_none());
        assert!(read(&bytes, 189).is_none(), "a producer's last offset is 189");
        assert!(read(&bytes, 190).is_some());
    }
}
