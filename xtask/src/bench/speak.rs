//! Just enough of Kafka's protocol to load a broker, written by hand at fixed old versions: the generator shares no code with
//! the broker it measures and spends next to nothing of the machine on itself.

mod batch;
pub mod cluster;
mod connection;
pub mod group;

pub use batch::Batch;
pub use connection::Connection;

use anyhow::{Result, ensure};

const PRODUCE: (i16, i16) = (0, 7);
const FETCH: (i16, i16) = (1, 11);
const METADATA: (i16, i16) = (3, 4);
const CREATE_TOPICS: (i16, i16) = (19, 2);
const API_VERSIONS: (i16, i16) = (18, 0);
const ALTER_CONFIGS: (i16, i16) = (44, 0);

/// A request under construction.
#[derive(Default)]
pub struct Frame(Vec<u8>);

impl Frame {
    fn new((key, version): (i16, i16)) -> Self {
        let frame = Frame(vec![0; 4]);
        frame.i16(key).i16(version).i32(1).text("bench")
    }
    fn i16(mut self, n: i16) -> Self {
        self.0.extend(n.to_be_bytes());
        self
    }
    fn i32(mut self, n: i32) -> Self {
        self.0.extend(n.to_be_bytes());
        self
    }
    fn i64(mut self, n: i64) -> Self {
        self.0.extend(n.to_be_bytes());
        self
    }
    fn i8(mut self, n: i8) -> Self {
        self.0.extend(n.to_be_bytes());
        self
    }
    fn text(mut self, s: &str) -> Self {
        self.0.extend((s.len() as i16).to_be_bytes());
        self.0.extend(s.as_bytes());
        self
    }
    fn bytes(mut self, b: &[u8]) -> Self {
        self.0.extend((b.len() as i32).to_be_bytes());
        self.0.extend(b);
        self
    }
    /// The finished frame with its length in front.
    fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() - 4) as u32;
        self.0[..4].copy_from_slice(&length.to_be_bytes());
        self.0
    }
}

/// What a client asks first.
pub fn api_versions() -> Vec<u8> {
    Frame::new(API_VERSIONS).finish()
}

/// One record batch for one partition, acks=all.
pub fn produce(topic: &str, partition: i32, batch: &[u8]) -> Vec<u8> {
    produce_to(topic, partition..partition + 1, batch)
}

/// The same record batch for each of these partitions, acks=all.
pub fn produce_to(topic: &str, partitions: std::ops::Range<i32>, batch: &[u8]) -> Vec<u8> {
    let head = Frame::new(PRODUCE).i16(-1).i16(-1).i32(30_000);
    let head = head.i32(1).text(topic).i32(partitions.len() as i32);
    partitions.fold(head, |frame, partition| frame.i32(partition).bytes(batch)).finish()
}

/// A record batch for each of some partitions, acks=all.
pub fn produce_batches(topic: &str, batches: &[(i32, &[u8])]) -> Vec<u8> {
    let head = Frame::new(PRODUCE).i16(-1).i16(-1).i32(30_000);
    let head = head.i32(1).text(topic).i32(batches.len() as i32);
    batches.iter().fold(head, |frame, (partition, batch)| frame.i32(*partition).bytes(batch)).finish()
}

/// A fetch without session: `partitions` of `topic` from `offsets`, up to `most_bytes` each, waiting at most 500 ms.
pub fn fetch(topic: &str, offsets: &[(i32, i64)], most_bytes: i32) -> Vec<u8> {
    fetch_within((0, -1), 500, topic, offsets, most_bytes)
}

/// A fetch that does not wait: only whether these partitions can be read.
pub fn fetch_now(topic: &str, offsets: &[(i32, i64)]) -> Vec<u8> {
    fetch_within((0, -1), 0, topic, offsets, 1)
}

/// A fetch that does not wait, within a session: its id, and the number of the fetch in it.
pub fn fetch_session(session: (i32, i32), topic: &str, offsets: &[(i32, i64)]) -> Vec<u8> {
    fetch_within(session, 0, topic, offsets, 1 << 20)
}

fn fetch_within(
    (session, epoch): (i32, i32),
    wait_ms: i32,
    topic: &str,
    offsets: &[(i32, i64)],
    most_bytes: i32,
) -> Vec<u8> {
    let head = Frame::new(FETCH).i32(-1).i32(wait_ms).i32(1).i32(50 << 20).i8(0).i32(session).i32(epoch);
    let topics = i32::from(!offsets.is_empty());
    let mut frame = head.i32(topics);
    if topics > 0 {
        frame = frame.text(topic).i32(offsets.len() as i32);
    }
    for (partition, offset) in offsets {
        frame = frame.i32(*partition).i32(-1).i64(*offset).i64(-1).i32(most_bytes);
    }
    frame.i32(0).text("").finish()
}

/// Creates `names` with `partitions` partitions of one replica each and these settings.
pub fn create_topics(names: &[String], partitions: i32, settings: &[(&str, &str)]) -> Vec<u8> {
    create_replicated(names, partitions, 1, settings)
}

/// The same with this many replicas of each partition.
pub fn create_replicated(
    names: &[String],
    partitions: i32,
    replicas: i16,
    settings: &[(&str, &str)],
) -> Vec<u8> {
    let mut frame = Frame::new(CREATE_TOPICS).i32(names.len() as i32);
    for name in names {
        frame = frame.text(name).i32(partitions).i16(replicas).i32(0).i32(settings.len() as i32);
        for (key, value) in settings {
            frame = frame.text(key).text(value);
        }
    }
    frame.i32(60_000).i8(0).finish()
}

/// Sets one setting of one topic.
pub fn alter_topic(topic: &str, key: &str, value: &str) -> Vec<u8> {
    let head = Frame::new(ALTER_CONFIGS).i32(1).i8(2).text(topic);
    head.i32(1).text(key).i8(0).text(value).i8(0).finish()
}

/// Metadata of all topics (`None`) or of these, creating them if the broker does so.
pub fn metadata(names: Option<&[&str]>) -> Vec<u8> {
    let mut frame = Frame::new(METADATA).i32(names.map_or(-1, |names| names.len() as i32));
    for name in names.unwrap_or_default() {
        frame = frame.text(name);
    }
    frame.i8(1).finish()
}

/// The first error code of a produce answer for one topic that is not 0.
pub fn produced(answer: &[u8]) -> Result<()> {
    let mut reader = Reader(answer);
    reader.i32()?;
    reader.text()?;
    for _ in 0..reader.i32()? {
        let partition = reader.i32()?;
        let code = reader.i16()?;
        ensure!(code == 0, "produce to partition {partition} was answered with error {code}");
        reader.take(24)?;
    }
    Ok(())
}

/// Per partition: its number, its high watermark, the records' bytes.
pub fn fetched(answer: &[u8], mut each: impl FnMut(i32, i64, &[u8])) -> Result<()> {
    let mut reader = Reader(answer);
    reader.i32()?;
    ensure!(reader.i16()? == 0, "the fetch was refused");
    reader.i32()?;
    for _ in 0..reader.i32()? {
        reader.text()?;
        for _ in 0..reader.i32()? {
            let partition = reader.i32()?;
            let code = reader.i16()?;
            ensure!(code == 0, "fetch of partition {partition} was answered with error {code}");
            let high_watermark = reader.i64()?;
            reader.take(16)?;
            let aborted = reader.i32()?.max(0) as usize;
            reader.take(aborted * 16 + 4)?;
            let length = reader.i32()?.max(0) as usize;
            each(partition, high_watermark, reader.take(length)?);
        }
    }
    Ok(())
}

/// The session of a fetch answer, and of how many topics it tells something.
pub fn session(answer: &[u8]) -> Result<(i32, i32)> {
    let mut reader = Reader(answer);
    reader.i32()?;
    ensure!(reader.i16()? == 0, "the session was refused");
    Ok((reader.i32()?, reader.i32()?))
}

/// The first error code of a CreateTopics answer that is not 0.
pub fn created(answer: &[u8]) -> Result<()> {
    let mut reader = Reader(answer);
    reader.i32()?;
    for _ in 0..reader.i32()? {
        let name = reader.text()?.to_vec();
        let code = reader.i16()?;
        reader.text()?;
        ensure!(code == 0, "creation of {} was answered with error {code}", String::from_utf8_lossy(&name));
    }
    Ok(())
}

/// Refuses an answer to [`alter_topic`] with an error code.
pub fn altered(answer: &[u8]) -> Result<()> {
    let mut reader = Reader(answer);
    reader.i32()?;
    ensure!(reader.i32()? == 1, "one topic was altered");
    let code = reader.i16()?;
    ensure!(code == 0, "the setting was answered with error {code}");
    Ok(())
}

/// How many brokers a Metadata answer lists.
pub fn brokers(answer: &[u8]) -> Result<i32> {
    let mut reader = Reader(answer);
    reader.i32()?;
    reader.i32()
}

/// How many topics a Metadata answer lists, and whether all are led.
pub fn described(answer: &[u8]) -> Result<(usize, bool)> {
    let mut reader = Reader(answer);
    reader.i32()?;
    for _ in 0..reader.i32()? {
        reader.i32()?;
        reader.text()?;
        reader.i32()?;
        reader.text()?;
    }
    reader.text()?;
    reader.i32()?;
    let topics = reader.i32()? as usize;
    let mut led = true;
    for _ in 0..topics {
        led &= reader.i16()? == 0;
        reader.text()?;
        reader.take(1)?;
        for _ in 0..reader.i32()? {
            led &= reader.i16()? == 0;
            reader.i32()?;
            led &= reader.i32()? >= 0;
            for _ in 0..2 {
                let nodes = reader.i32()? as usize;
                reader.take(nodes * 4)?;
            }
        }
    }
    Ok((topics, led))
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, many: usize) -> Result<&'a [u8]> {
        ensure!(many <= self.0.len(), "an answer ends too early");
        let (taken, rest) = self.0.split_at(many);
        self.0 = rest;
        Ok(taken)
    }
    fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.take(2)?.try_into()?))
    }
    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take(4)?.try_into()?))
    }
    fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.take(8)?.try_into()?))
    }
    fn text(&mut self) -> Result<&'a [u8]> {
        let length = self.i16()?.max(0) as usize;
        self.take(length)
    }
}
