//! The first records of a cluster, and the snapshot at offset 0, epoch 0 that carries them (KIP-630, KIP-853, KIP-1170).
//!
//! Owns the bytes that `kafka-storage format` of Kafka 4.4 leaves in the metadata directory. Pure.

use bytes::{BufMut, Bytes, BytesMut};
use wire::codec::{Encoder, Message};
use wire::record_batch::{BatchAttributes, ControlType, RecordBatchBuilder, control_batch};
use wire::records::metadata::MetadataRecord;
use wire::records::raft::{KRaftVersionRecord, SnapshotFooterRecord, SnapshotHeaderRecord, VotersRecord};

/// What a fresh cluster begins with.
#[derive(Debug, Clone, Default)]
pub struct Bootstrap {
    /// Feature levels, then credentials.
    pub records: Vec<MetadataRecord>,
    /// `kraft.version`; no control record is written for 0.
    pub kraft_version: i16,
    /// The first voters of a dynamic quorum.
    pub voters: Option<VotersRecord>,
}

/// The name of the snapshot inside the metadata log's directory.
pub const CHECKPOINT: &str = "00000000000000000000-0000000000.checkpoint";

/// The metadata log's directory inside the metadata directory.
pub use broker::metadata_files::METADATA_LOG;

impl Bootstrap {
    /// The snapshot's bytes: a batch of control records, a batch of metadata records, the footer.
    pub fn checkpoint(&self, now_ms: i64) -> Bytes {
        let header = SnapshotHeaderRecord { version: 0, last_contained_log_timestamp: now_ms };
        let mut control = vec![(ControlType::SnapshotHeader, body(&header))];
        if self.kraft_version > 0 {
            let level = KRaftVersionRecord { version: 0, kraft_version: self.kraft_version };
            control.push((ControlType::KRaftVersion, body(&level)));
        }
        if let Some(voters) = &self.voters {
            control.push((ControlType::KRaftVoters, body(voters)));
        }
        let mut next_offset = control.len() as i64;
        let mut all = BytesMut::new();
        all.put(control_batch(at(0), now_ms, &control));
        if !self.records.is_empty() {
            let mut batch = RecordBatchBuilder::new(at(next_offset));
            for record in &self.records {
                batch.append(now_ms, None, Some(&record.encode_as(0)), &[]);
            }
            next_offset += self.records.len() as i64;
            all.put(batch.build());
        }
        let footer = (ControlType::SnapshotFooter, body(&SnapshotFooterRecord { version: 0 }));
        all.put(control_batch(at(next_offset), now_ms, &[footer]));
        all.freeze()
    }
}

fn at(base_offset: i64) -> BatchAttributes {
    BatchAttributes { base_offset, leader_epoch: 0, ..BatchAttributes::default() }
}

fn body(message: &impl Message) -> Bytes {
    let mut encoder = Encoder::new();
    message.encode(&mut encoder, 0);
    let mut whole = BytesMut::new();
    encoder.finish().into_iter().for_each(|chunk| whole.put(chunk));
    whole.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::records::metadata::FeatureLevelRecord;
    use wire::records::raft::{Endpoint, KRaftVersionFeature, VotersRecordVoter};

    fn level(name: &str, feature_level: i16) -> MetadataRecord {
        FeatureLevelRecord { name: name.into(), feature_level }.into()
    }

    fn levels() -> Vec<MetadataRecord> {
        vec![
            level("metadata.version", 33),
            level("eligible.leader.replicas.version", 1),
            level("group.version", 1),
            level("share.version", 2),
            level("streams.version", 1),
            level("transaction.version", 2),
        ]
    }

    /// Kafka takes the clock once per batch; ours carry one time: stamps and the CRCs over them are masked.
    fn masked(bytes: &[u8]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        let mut start = 0;
        while let Some(length) = out.get(start + 8..start + 12) {
            let length = i32::from_be_bytes(length.try_into().unwrap()) as usize;
            out[start + 17..start + 21].fill(0);
            out[start + 27..start + 43].fill(0);
            start += 12 + length;
        }
        out
    }

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    #[test]
    fn a_static_quorums_checkpoint_is_the_one_that_kafka_4_4_writes() {
        let kafka = hex(include_str!("testdata/static.hex"));
        let ours = Bootstrap { records: levels(), ..Bootstrap::default() }.checkpoint(0x1a1_fc69_6bb3);
        assert_eq!(masked(&ours), masked(&kafka));
    }

    #[test]
    fn a_standalone_quorums_checkpoint_is_the_one_that_kafka_4_4_writes() {
        let kafka = hex(include_str!("testdata/standalone.hex"));
        let voter = VotersRecordVoter {
            voter_id: 1,
            voter_directory_id: "sQuKsYfKRUWvdx9W0kNcLg".parse().unwrap(),
            endpoints: vec![Endpoint { name: "CONTROLLER".into(), host: "127.0.0.1".into(), port: 9393 }],
            kraft_version_feature: KRaftVersionFeature { min_supported_version: 0, max_supported_version: 1 },
        };
        let voters = Some(VotersRecord { version: 0, voters: vec![voter] });
        let ours = Bootstrap { records: levels(), kraft_version: 1, voters }.checkpoint(0x1a1_fc69_7337);
        assert_eq!(masked(&ours), masked(&kafka));
    }
}
