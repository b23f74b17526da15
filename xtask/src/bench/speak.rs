//! Just enough of Kafka's protocol to load a broker, written by hand at fixed old versions: the generator shares no code with
//! the broker it measures and spends next to nothing of the machine on itself.

use anyhow::{Result, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

const PRODUCE: (i16, i16) = (0, 7);
const FETCH: (i16, i16) = (1, 11);
const METADATA: (i16, i16) = (3, 4);
const CREATE_TOPICS: (i16, i16) = (19, 2);
const API_VERSIONS: (i16, i16) = (18, 0);

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

/// A fetch without session: `partitions` of `topic` from `offsets`, up to 1 MiB each, waiting at most 500 ms.
pub fn fetch(topic: &str, offsets: &[(i32, i64)]) -> Vec<u8> {
    let head = Frame::new(FETCH).i32(-1).i32(500).i32(1).i32(50 << 20).i8(0).i32(0).i32(-1);
    let mut frame = head.i32(1).text(topic).i32(offsets.len() as i32);
    for (partition, offset) in offsets {
        frame = frame.i32(*partition).i32(-1).i64(*offset).i64(-1).i32(1 << 20);
    }
    frame.i32(0).text("").finish()
}

/// Creates `names` with `partitions` partitions each.
pub fn create_topics(names: &[String], partitions: i32) -> Vec<u8> {
    let mut frame = Frame::new(CREATE_TOPICS).i32(names.len() as i32);
    for name in names {
        frame = frame.text(name).i32(partitions).i16(1).i32(0).i32(0);
    }
    frame.i32(60_000).i8(0).finish()
}

/// Metadata of all topics (`None`) or of these, creating them if the broker does so.
pub fn metadata(names: Option<&[&str]>) -> Vec<u8> {
    let mut frame = Frame::new(METADATA).i32(names.map_or(-1, |names| names.len() as i32));
    for name in names.unwrap_or_default() {
        frame = frame.text(name);
    }
    frame.i8(1).finish()
}

/// A v2 record batch of `count` records with values of `size` bytes.
pub fn batch(count: usize, size: usize) -> Vec<u8> {
    let mut records = Vec::new();
    for delta in 0..count {
        let mut body = vec![0u8];
        varint(&mut body, 0);
        varint(&mut body, delta as i64);
        varint(&mut body, -1);
        varint(&mut body, size as i64);
        // Values look like text: neither all equal nor incompressible.
        body.extend((0..size).map(|at| b'a' + ((at * 7 + delta * 13) % 26) as u8));
        varint(&mut body, 0);
        varint(&mut records, body.len() as i64);
        records.extend(body);
    }
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as i64);
    let checked = Frame(Vec::new()).i16(0).i32(count as i32 - 1).i64(now).i64(now).i64(-1).i16(-1).i32(-1);
    let mut checked = checked.i32(count as i32).0;
    checked.extend(records);
    let head =
        Frame(Vec::new()).i64(0).i32(checked.len() as i32 + 9).i32(-1).i8(2).i32(crc32c(&checked) as i32);
    let mut whole = head.0;
    whole.extend(checked);
    whole
}

fn varint(out: &mut Vec<u8>, n: i64) {
    let mut zigzag = ((n << 1) ^ (n >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

/// Bit by bit: used a few times before the clock starts.
fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

/// A blocking connection.
pub struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    pub fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self { stream, answer: Vec::new() })
    }

    pub fn send(&mut self, frame: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(frame)?)
    }

    /// The body of the next answer, behind the correlation id.
    pub fn receive(&mut self) -> Result<&[u8]> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length)?;
        self.answer.resize(u32::from_be_bytes(length) as usize, 0);
        self.stream.read_exact(&mut self.answer)?;
        ensure!(self.answer.len() >= 4, "an answer without a correlation id");
        Ok(&self.answer[4..])
    }

    pub fn call(&mut self, frame: &[u8]) -> Result<&[u8]> {
        self.send(frame)?;
        self.receive()
    }
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
