//! The five codecs of record batches. Owns their framing as the Java clients read it (xerial snappy, independent 64 KiB lz4
//! blocks) and the bound on what decompression may produce; never sees records. KIP-110 (zstd), KIP-390 (levels).

mod lz4_high;

use bytes::Bytes;
use std::fmt;
use std::io::{self, Read, Write};

/// A codec, as the low three attribute bits of a batch say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// In the framing of xerial, which Java writes.
    Snappy,
    /// A frame of independent blocks.
    Lz4,
    /// KIP-110.
    Zstd,
}

/// Bounds on decompression: a batch may not become more than `max_output` bytes, nor more than `max_ratio` times its
/// compressed size once it is past `ratio_free_bytes` (bombs, CVE-2023-34455 class).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecompressLimit {
    /// Bytes.
    pub max_output: usize,
    /// Bytes out for one byte in.
    pub max_ratio: usize,
    /// Bytes out up to which the ratio does not count.
    pub ratio_free_bytes: usize,
}

/// What one batch may become, whatever is said of it.
pub const MAX_OUTPUT_BYTES: usize = 64 << 20;
/// Up to here the ratio does not matter: a batch of `message.max.bytes` full of zeros still passes.
const RATIO_FREE_BYTES: usize = 16 << 20;
/// Beyond that.
const MAX_RATIO: usize = 1000;

const _: () = assert!(RATIO_FREE_BYTES <= MAX_OUTPUT_BYTES, "the ratio is asked for somewhere");

/// Why decompression gave nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecompressError {
    /// More output than allowed.
    #[allow(missing_docs)] // its fields are what the line above says
    TooLarge { limit: usize },
    /// Not what the codec wrote.
    Corrupt(String),
}

impl Default for DecompressLimit {
    /// 64 MiB, and 1000:1 beyond the first 16 MiB.
    fn default() -> DecompressLimit {
        DecompressLimit {
            max_output: MAX_OUTPUT_BYTES,
            max_ratio: MAX_RATIO,
            ratio_free_bytes: RATIO_FREE_BYTES,
        }
    }
}

impl DecompressLimit {
    /// The default ratio rule under another absolute bound.
    pub fn with_max_output(max_output: usize) -> DecompressLimit {
        DecompressLimit { max_output, ..DecompressLimit::default() }
    }

    fn bytes_for(&self, input: usize) -> usize {
        self.max_output.min(self.ratio_free_bytes.max(input.saturating_mul(self.max_ratio)))
    }
}

impl fmt::Display for DecompressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecompressError::TooLarge { limit } => write!(f, "decompresses to more than {limit} bytes"),
            DecompressError::Corrupt(what) => write!(f, "does not decompress: {what}"),
        }
    }
}

impl std::error::Error for DecompressError {}

impl Compression {
    /// The codec of a number in a batch's attributes.
    pub fn from_id(id: u8) -> Option<Compression> {
        match id {
            0 => Some(Compression::None),
            1 => Some(Compression::Gzip),
            2 => Some(Compression::Snappy),
            3 => Some(Compression::Lz4),
            4 => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// Its number there.
    pub fn id(self) -> u8 {
        match self {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Snappy => 2,
            Compression::Lz4 => 3,
            Compression::Zstd => 4,
        }
    }

    /// Kafka's configuration spelling.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }

    /// Kafka's configuration spelling; `uncompressed` is the topic-level word for `none`.
    pub fn from_name(name: &str) -> Option<Compression> {
        match name {
            "none" | "uncompressed" => Some(Compression::None),
            "gzip" => Some(Compression::Gzip),
            "snappy" => Some(Compression::Snappy),
            "lz4" => Some(Compression::Lz4),
            "zstd" => Some(Compression::Zstd),
            _ => None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `compression.lz4.level` where nobody chose one.
const LZ4_DEFAULT_LEVEL: i32 = 9;

/// Compresses one batch's records. `level` is Kafka's (`compression.<codec>.level`); `None` is the codec's default.
pub fn compress(codec: Compression, level: Option<i32>, input: &[u8]) -> Bytes {
    let compressed = match codec {
        Compression::None => Ok(input.to_vec()),
        Compression::Gzip => gzip(level, input),
        Compression::Snappy => Ok(snappy(input)),
        // As in Kafka the default is not the ninth of seventeen but the fast encoder.
        Compression::Lz4 => match level {
            None | Some(LZ4_DEFAULT_LEVEL) => lz4(input),
            Some(level) => Ok(lz4_high::compress(level, input)),
        },
        Compression::Zstd => zstd::bulk::compress(input, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)),
    };
    // Every sink is a Vec: the encoders can only fail on I/O, and memory does not.
    Bytes::from(compressed.expect("encoding into memory"))
}

/// Decompresses one batch's records, never producing more than the limit allows.
pub fn decompress(
    codec: Compression,
    input: &Bytes,
    limit: DecompressLimit,
) -> Result<Bytes, DecompressError> {
    let allowed = limit.bytes_for(input.len());
    match codec {
        Compression::None => Ok(input.clone()),
        Compression::Gzip => {
            read_bounded(flate2::read::MultiGzDecoder::new(&input[..]), input.len(), allowed)
        }
        Compression::Snappy => unsnappy(input, allowed),
        Compression::Lz4 => unlz4(input, allowed),
        Compression::Zstd => unzstd(input, allowed),
    }
}

fn gzip(level: Option<i32>, input: &[u8]) -> io::Result<Vec<u8>> {
    let level = match level {
        Some(level @ 1..=9) => flate2::Compression::new(level.unsigned_abs()),
        Some(_) | None => flate2::Compression::default(),
    };
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(input.len() / 2 + 64), level);
    encoder.write_all(input)?;
    encoder.finish()
}

fn lz4(input: &[u8]) -> io::Result<Vec<u8>> {
    // What Java's reader accepts: independent blocks of 64 KiB, no content size, no checksums.
    let info = lz4_flex::frame::FrameInfo::new()
        .block_size(lz4_flex::frame::BlockSize::Max64KB)
        .block_mode(lz4_flex::frame::BlockMode::Independent);
    let mut encoder =
        lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::with_capacity(input.len() / 2 + 64));
    encoder.write_all(input)?;
    encoder.finish().map_err(io::Error::other)
}

/// Grows with what really comes out, so that a declared size allocates nothing.
fn read_bounded(mut reader: impl Read, input: usize, allowed: usize) -> Result<Bytes, DecompressError> {
    const STEP: usize = 64 << 10;
    let mut output =
        vec![0u8; input.saturating_mul(4).clamp(4 << 10, 1 << 20).min(allowed.saturating_add(1))];
    let mut filled = 0;
    loop {
        if filled == output.len() {
            let grown = output.len().saturating_mul(2).max(STEP).min(allowed.saturating_add(1));
            output.resize(grown, 0);
        }
        let Some(free) = output.get_mut(filled..) else { break };
        match reader.read(free) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(DecompressError::Corrupt(error.to_string())),
        }
        if filled > allowed {
            return Err(DecompressError::TooLarge { limit: allowed });
        }
    }
    output.truncate(filled);
    Ok(Bytes::from(output))
}

/// How frames begin that hold independent blocks of 64 KiB and nothing else: those of Java, librdkafka and our own.
const PLAIN_LZ4_FRAME: [u8; 7] = [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82];
const LZ4_BLOCK_BYTES: usize = 64 << 10;
/// Set in the length of a block that did not get smaller.
const LZ4_STORED: u32 = 1 << 31;

/// Plain frames block by block, straight to where they stay: the general decoder clears and copies 64 KiB for the smallest batch.
fn unlz4(input: &[u8], allowed: usize) -> Result<Bytes, DecompressError> {
    let Some(mut rest) = input.strip_prefix(&PLAIN_LZ4_FRAME) else {
        return read_bounded(lz4_flex::frame::FrameDecoder::new(input), input.len(), allowed);
    };
    let cut_short = || DecompressError::Corrupt("lz4 block cut short".into());
    let mut output = Vec::new();
    while let Some((size, after)) = rest.split_first_chunk::<4>() {
        let size = u32::from_le_bytes(*size);
        if size == 0 {
            break;
        }
        let (block, after) = after.split_at_checked((size & !LZ4_STORED) as usize).ok_or_else(cut_short)?;
        if block.len() > LZ4_BLOCK_BYTES {
            return Err(DecompressError::Corrupt("lz4 block of more than 64 KiB".into()));
        }
        if size & LZ4_STORED == 0 {
            unlz4_block(block, &mut output)?
        } else {
            output.extend_from_slice(block)
        }
        if output.len() > allowed {
            return Err(DecompressError::TooLarge { limit: allowed });
        }
        rest = after;
    }
    Ok(Bytes::from(output))
}

fn unlz4_block(block: &[u8], output: &mut Vec<u8>) -> Result<(), DecompressError> {
    let start = output.len();
    // Room must be cleared before it is filled. Few records shrink to less than a quarter: those are begun again.
    let usual = block.len().saturating_mul(4).min(LZ4_BLOCK_BYTES);
    for room in [usual, LZ4_BLOCK_BYTES] {
        output.resize(start + room, 0);
        match lz4_flex::block::decompress_into(block, output.get_mut(start..).unwrap_or_default()) {
            Ok(length) => {
                output.truncate(start + length);
                return Ok(());
            }
            Err(lz4_flex::block::DecompressError::OutputTooSmall { .. }) if room < LZ4_BLOCK_BYTES => {}
            Err(error) => return Err(DecompressError::Corrupt(error.to_string())),
        }
    }
    Err(DecompressError::Corrupt("lz4 block of more than 64 KiB".into()))
}

fn unzstd(input: &[u8], allowed: usize) -> Result<Bytes, DecompressError> {
    let corrupt = |error: io::Error| DecompressError::Corrupt(error.to_string());
    // With the content size in the frame (librdkafka, we) one call does it, and the size is a bound, not an order.
    if let Ok(Some(size)) = zstd::zstd_safe::get_frame_content_size(input) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > allowed {
            return Err(DecompressError::TooLarge { limit: allowed });
        }
        let frame = zstd::zstd_safe::find_frame_compressed_size(input).ok();
        if frame == Some(input.len()) && size <= input.len().saturating_mul(64) {
            return zstd::bulk::decompress(input, size).map(Bytes::from).map_err(corrupt);
        }
    }
    let mut decoder = zstd::stream::read::Decoder::with_buffer(input).map_err(corrupt)?;
    decoder.window_log_max(27).map_err(corrupt)?;
    read_bounded(decoder, input.len(), allowed)
}

/// Java's snappy-java stream ("xerial"): magic, version 1, compatible from 1, then blocks of a length and raw snappy.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_BLOCK_BYTES: usize = 32 << 10;

fn snappy(input: &[u8]) -> Vec<u8> {
    let mut encoder = snap::raw::Encoder::new();
    let mut output = Vec::with_capacity(input.len() / 2 + 64);
    output.extend_from_slice(&XERIAL_MAGIC);
    output.extend_from_slice(&1i32.to_be_bytes());
    output.extend_from_slice(&1i32.to_be_bytes());
    let mut block = vec![0u8; snap::raw::max_compress_len(XERIAL_BLOCK_BYTES.min(input.len()))];
    for chunk in input.chunks(XERIAL_BLOCK_BYTES) {
        let length = encoder.compress(chunk, &mut block).expect("the block buffer holds the worst case");
        output.extend_from_slice(&u32::try_from(length).expect("a block is small").to_be_bytes());
        output.extend_from_slice(block.get(..length).expect("the encoder wrote inside its buffer"));
    }
    output
}

fn unsnappy(input: &[u8], allowed: usize) -> Result<Bytes, DecompressError> {
    let mut output = Vec::new();
    let mut decoder = snap::raw::Decoder::new();
    let Some(mut rest) = input.strip_prefix(&XERIAL_MAGIC) else {
        // Raw snappy, as some clients send it.
        unsnappy_block(&mut decoder, input, allowed, &mut output)?;
        return Ok(Bytes::from(output));
    };
    rest = rest.get(8..).ok_or_else(|| DecompressError::Corrupt("snappy header cut short".into()))?;
    while !rest.is_empty() {
        let (length, after) = rest
            .split_first_chunk::<4>()
            .ok_or_else(|| DecompressError::Corrupt("snappy block length cut short".into()))?;
        // Concatenated streams repeat the header.
        if rest.starts_with(&XERIAL_MAGIC) {
            rest =
                rest.get(16..).ok_or_else(|| DecompressError::Corrupt("snappy header cut short".into()))?;
            continue;
        }
        let length = u32::from_be_bytes(*length) as usize;
        let block =
            after.get(..length).ok_or_else(|| DecompressError::Corrupt("snappy block cut short".into()))?;
        unsnappy_block(&mut decoder, block, allowed, &mut output)?;
        rest = after.get(length..).unwrap_or_default();
    }
    Ok(Bytes::from(output))
}

fn unsnappy_block(
    decoder: &mut snap::raw::Decoder,
    block: &[u8],
    allowed: usize,
    output: &mut Vec<u8>,
) -> Result<(), DecompressError> {
    let corrupt = |error: snap::Error| DecompressError::Corrupt(error.to_string());
    let length = snap::raw::decompress_len(block).map_err(corrupt)?;
    let start = output.len();
    if length > allowed.saturating_sub(start) {
        return Err(DecompressError::TooLarge { limit: allowed });
    }
    // Snappy's densest element copies 64 bytes from 3: a larger claim is a lie that must not allocate.
    if length > block.len().saturating_mul(32).saturating_add(64) {
        return Err(DecompressError::Corrupt("snappy block claims an impossible size".into()));
    }
    output.resize(start + length, 0);
    let free = output.get_mut(start..).unwrap_or_default();
    decoder.decompress(block, free).map_err(corrupt)?;
    Ok(())
}

#[cfg(test)]
mod tests;
