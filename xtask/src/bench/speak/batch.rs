//! Record batches as a client would send them: values like text, keyed or not, stamped, plain or lz4.

use super::Frame;
use anyhow::Result;
use std::io::Write;

/// What a batch is made of.
#[derive(Clone, Default)]
pub struct Batch {
    pub records: usize,
    pub value_bytes: usize,
    /// A key of eight digits per record; none if empty.
    pub keys: Vec<u64>,
    /// Time of every record; now if `None`.
    pub timestamp_ms: Option<i64>,
    /// Half of every value is then noise, so that the records shrink to about a half.
    pub lz4: bool,
}

impl Batch {
    pub fn plain(records: usize, value_bytes: usize) -> Batch {
        Batch { records, value_bytes, ..Batch::default() }
    }

    /// A v2 record batch.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        let mut records = Vec::with_capacity(self.records * (self.value_bytes + 16));
        let mut noise = 0x9e37_79b9_7f4a_7c15;
        for delta in 0..self.records {
            self.record(delta, &mut noise, &mut records);
        }
        if self.lz4 {
            records = compressed(&records)?;
        }
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis() as i64;
        let time = self.timestamp_ms.unwrap_or(now);
        let attributes = if self.lz4 { 3 } else { 0 };
        let checked = Frame(Vec::new()).i16(attributes).i32(self.records as i32 - 1).i64(time).i64(time);
        let mut checked = checked.i64(-1).i16(-1).i32(-1).i32(self.records as i32).0;
        checked.extend(records);
        let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &checked) as u32;
        let head = Frame(Vec::new()).i64(0).i32(checked.len() as i32 + 9).i32(-1).i8(2).i32(crc as i32);
        let mut whole = head.0;
        whole.extend(checked);
        Ok(whole)
    }

    fn record(&self, delta: usize, noise: &mut u64, out: &mut Vec<u8>) {
        let mut body = vec![0u8];
        varint(&mut body, 0);
        varint(&mut body, delta as i64);
        match self.keys.get(delta) {
            Some(key) => {
                varint(&mut body, 8);
                body.extend(format!("{key:08}").as_bytes());
            }
            None => varint(&mut body, -1),
        }
        varint(&mut body, self.value_bytes as i64);
        let noisy = if self.lz4 { self.value_bytes / 2 } else { 0 };
        for _ in 0..noisy {
            *noise ^= *noise << 13;
            *noise ^= *noise >> 7;
            *noise ^= *noise << 17;
            body.push((*noise >> 32) as u8);
        }
        // Values look like text: neither all equal nor incompressible.
        body.extend((noisy..self.value_bytes).map(|at| b'a' + ((at * 7 + delta * 13) % 26) as u8));
        varint(&mut body, 0);
        varint(out, body.len() as i64);
        out.extend(body);
    }
}

/// An lz4 frame as Java's client makes it: independent blocks of 64 KiB, no checksum of the content.
fn compressed(records: &[u8]) -> Result<Vec<u8>> {
    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};
    let info = FrameInfo::new().block_size(BlockSize::Max64KB).block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::new());
    encoder.write_all(records)?;
    Ok(encoder.finish()?)
}

fn varint(out: &mut Vec<u8>, n: i64) {
    let mut zigzag = ((n << 1) ^ (n >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push(zigzag as u8 | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}
