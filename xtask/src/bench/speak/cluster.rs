//! What several nodes say of each other: who is a broker, who leads and holds which partition, who leads the quorum.

use super::{Connection, Frame, Reader};
use anyhow::{Result, ensure};

const DESCRIBE_QUORUM: (i16, i16) = (55, 0);

/// A Metadata answer, whole.
#[derive(Debug, Default)]
pub struct Described {
    /// Node and `HOST:PORT`.
    pub brokers: Vec<(i32, String)>,
    pub topics: Vec<Topic>,
}

#[derive(Debug)]
pub struct Topic {
    pub code: i16,
    pub name: String,
    pub partitions: Vec<Partition>,
}

#[derive(Debug)]
pub struct Partition {
    pub code: i16,
    pub index: i32,
    /// -1 for none.
    pub leader: i32,
    pub replicas: Vec<i32>,
    pub in_sync: Vec<i32>,
}

impl Described {
    /// From the answer to [`super::metadata`].
    pub fn read(answer: &[u8]) -> Result<Described> {
        let mut reader = Reader(answer);
        reader.i32()?;
        let mut described = Described::default();
        for _ in 0..reader.i32()? {
            let id = reader.i32()?;
            let host = String::from_utf8_lossy(reader.text()?).into_owned();
            described.brokers.push((id, format!("{host}:{}", reader.i32()?)));
            reader.text()?;
        }
        reader.text()?;
        reader.i32()?;
        for _ in 0..reader.i32()? {
            let code = reader.i16()?;
            let name = String::from_utf8_lossy(reader.text()?).into_owned();
            reader.take(1)?;
            let mut partitions = Vec::new();
            for _ in 0..reader.i32()? {
                let (code, index, leader) = (reader.i16()?, reader.i32()?, reader.i32()?);
                let (replicas, in_sync) = (nodes(&mut reader)?, nodes(&mut reader)?);
                partitions.push(Partition { code, index, leader, replicas, in_sync });
            }
            described.topics.push(Topic { code, name, partitions });
        }
        Ok(described)
    }

    /// True if there are partitions, all of them are led and all replicas of each are in sync.
    pub fn is_in_sync(&self) -> bool {
        let holds =
            |one: &Partition| one.code == 0 && one.leader >= 0 && one.in_sync.len() == one.replicas.len();
        let whole = |topic: &Topic| {
            topic.code == 0 && !topic.partitions.is_empty() && topic.partitions.iter().all(holds)
        };
        !self.topics.is_empty() && self.topics.iter().all(whole)
    }

    /// Who leads a partition of the first topic: node and `HOST:PORT`.
    pub fn leader(&self, partition: i32) -> Option<(i32, &str)> {
        let found = self.topics.first()?.partitions.iter().find(|one| one.index == partition)?;
        let (id, address) = self.brokers.iter().find(|(id, _)| *id == found.leader)?;
        Some((*id, address))
    }
}

fn nodes(reader: &mut Reader<'_>) -> Result<Vec<i32>> {
    let many = reader.i32()?;
    (0..many).map(|_| reader.i32()).collect()
}

/// The leader of the metadata quorum as this controller sees it; only the leader itself answers.
pub fn quorum_leader(connection: &mut Connection) -> Result<i32> {
    // Flexible: header and body end with tagged fields, arrays and texts are counted from 1.
    let mut frame = Frame::new(DESCRIBE_QUORUM);
    frame.0.push(0);
    frame.0.extend([2, 19]);
    frame.0.extend(b"__cluster_metadata");
    frame.0.extend([2, 0, 0, 0, 0, 0, 0, 0]);
    let mut reader = Reader(connection.call(&frame.finish())?);
    reader.take(1)?;
    let code = reader.i16()?;
    ensure!(code == 0, "DescribeQuorum was answered with error {code}");
    let _topics_and_name = reader.take(1 + 1 + 18)?;
    reader.take(1 + 4)?;
    let code = reader.i16()?;
    ensure!(code == 0, "the quorum was described with error {code}");
    reader.i32()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two brokers; one topic of two partitions, the second without a leader.
    fn answer() -> Vec<u8> {
        let frame = Frame(Vec::new()).i32(0).i32(2);
        let frame = frame.i32(1).text("a").i32(9).i16(-1).i32(2).text("b").i32(10).i16(-1);
        let frame = frame.text("cluster").i32(1).i32(1).i16(0).text("t").i8(0).i32(2);
        let frame = frame.i16(0).i32(0).i32(2).i32(2).i32(1).i32(2).i32(2).i32(1).i32(2);
        frame.i16(5).i32(1).i32(-1).i32(2).i32(1).i32(2).i32(1).i32(1).0
    }

    #[test]
    fn a_partition_without_leader_is_neither_led_nor_in_sync() {
        let mut described = Described::read(&answer()).unwrap();
        assert_eq!(described.brokers, [(1, "a:9".to_owned()), (2, "b:10".to_owned())]);
        assert_eq!((described.leader(0), described.leader(1)), (Some((2, "b:10")), None));
        assert!(!described.is_in_sync());
        described.topics[0].partitions.pop();
        assert!(described.is_in_sync());
        described.topics[0].partitions[0].in_sync.pop();
        assert!(!described.is_in_sync());
        assert!(!Described::default().is_in_sync());
    }

    #[test]
    fn an_answer_that_ends_too_early_is_refused() {
        let whole = answer();
        for cut in 0..whole.len() {
            assert!(Described::read(&whole[..cut]).is_err(), "{cut} bytes");
        }
    }
}
