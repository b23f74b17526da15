//! `Encoder`: a rope. Small values go into one growing buffer; large `Bytes` (records) are kept by reference, so a fetch
//! answer of megabytes is written without copying a record.

use bytes::Bytes;
use smallvec::SmallVec;
use std::ops::Range;

/// The type without a value.
pub type Never = std::convert::Infallible;

/// From this many bytes on, a `Bytes` is pushed by reference instead of being copied: below, the copy is cheaper than
/// one more piece for the vectored write.
const REFERENCE_FROM: usize = 1024;

/// Large pieces, each with the place in the copied bytes that it stands before; places never decrease. A fetch of one partition has one.
type Pieces = SmallVec<[(usize, Bytes); 1]>;

/// Collects one message.
#[derive(Debug, Default)]
pub struct Encoder {
    /// All bytes that were copied.
    inline: Vec<u8>,
    pieces: Pieces,
    /// Bytes in `pieces`.
    pieces_length: usize,
    flexible: bool,
    /// How many tagged fields are open. Inside of one nothing is kept by reference, since its size goes before it.
    tag_depth: u32,
}

/// A whole message: copied bytes, and large pieces among them.
#[derive(Clone, Debug, Default)]
pub struct Rope {
    inline: Vec<u8>,
    pieces: Pieces,
}

impl Rope {
    /// A message that has been put together elsewhere.
    pub fn of(bytes: Vec<u8>) -> Rope {
        Rope { inline: bytes, pieces: Pieces::new() }
    }

    /// All of it, if it has no large pieces: nearly every answer but a fetch's.
    pub fn contiguous(&self) -> Option<&[u8]> {
        self.pieces.is_empty().then_some(&self.inline)
    }

    /// All of it in one piece without a copy, if it has no large pieces.
    pub fn into_contiguous(self) -> Result<Vec<u8>, Rope> {
        if self.pieces.is_empty() { Ok(self.inline) } else { Err(self) }
    }

    /// What stands before the only large piece, the piece, and what stands behind it: mostly nothing, or a few tags.
    pub fn into_single(mut self) -> Result<(Vec<u8>, Bytes, Vec<u8>), Rope> {
        match self.pieces.pop() {
            Some((before, piece)) if self.pieces.is_empty() => {
                let behind = self.inline.get(before..).unwrap_or_default().to_vec();
                self.inline.truncate(before);
                Ok((self.inline, piece, behind))
            }
            last => {
                self.pieces.extend(last);
                Err(self)
            }
        }
    }

    /// All of it, in order, for a vectored write.
    pub fn into_chunks(self) -> Vec<Bytes> {
        let inline = Bytes::from(self.inline);
        let mut chunks = Vec::with_capacity(self.pieces.len() * 2 + 1);
        let mut from = 0;
        for (before, piece) in self.pieces {
            if before > from {
                chunks.push(inline.slice(from..before));
                from = before;
            }
            chunks.push(piece);
        }
        if from < inline.len() {
            chunks.push(inline.slice(from..));
        }
        chunks
    }

    /// How many bytes it has.
    pub fn length(&self) -> usize {
        self.inline.len() + self.pieces.iter().map(|(_, piece)| piece.len()).sum::<usize>()
    }

    /// The bytes before the first large piece.
    pub fn head(&self) -> &[u8] {
        let end = self.pieces.first().map_or(self.inline.len(), |(before, _)| *before);
        self.inline.get(..end).unwrap_or_default()
    }

    /// Writes over some of those; false, and nothing is written, where they are not all there.
    pub fn overwrite_head(&mut self, at: usize, bytes: &[u8]) -> bool {
        let end = self.head().len();
        match self.inline.get_mut(..end).and_then(|head| head.get_mut(at..at.saturating_add(bytes.len()))) {
            Some(place) => {
                place.copy_from_slice(bytes);
                true
            }
            None => false,
        }
    }

    /// All of it in one buffer; copies the large pieces.
    pub fn concat(self) -> Vec<u8> {
        if self.pieces.is_empty() { self.inline } else { self.into_chunks().concat() }
    }
}

/// Where a tagged field's content began.
#[derive(Debug)]
pub struct TagStart(usize);

impl Encoder {
    /// An empty encoder.
    pub fn new() -> Encoder {
        Encoder::with_capacity(256)
    }

    /// An empty encoder with room for this many copied bytes.
    pub fn with_capacity(bytes: usize) -> Encoder {
        Encoder { inline: Vec::with_capacity(bytes), ..Encoder::default() }
    }

    /// Whether strings and arrays are compact and structs carry tagged fields.
    #[inline]
    pub fn flexible(&self) -> bool {
        self.flexible
    }

    /// Chooses between the flexible encoding and the old one.
    #[inline]
    pub fn set_flexible(&mut self, flexible: bool) {
        self.flexible = flexible;
    }

    /// All bytes written so far.
    pub fn length(&self) -> usize {
        self.inline.len() + self.pieces_length
    }

    /// Overwrites what was written earlier, counted without the pieces kept by reference.
    #[inline]
    pub(crate) fn overwrite(&mut self, at: usize, bytes: &[u8]) {
        let written = self.inline.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()));
        written.expect("only what was written is overwritten").copy_from_slice(bytes);
    }

    /// Writes once more what was written earlier, counted without the pieces kept by reference.
    pub(crate) fn repeat(&mut self, written: Range<usize>) {
        self.inline.extend_from_within(written);
    }

    /// The message as it was collected.
    pub fn into_rope(self) -> Rope {
        assert!(self.tag_depth == 0, "a tagged field was begun and not ended");
        Rope { inline: self.inline, pieces: self.pieces }
    }

    /// The message in pieces, in order, for a vectored write.
    pub fn finish(self) -> Vec<Bytes> {
        self.into_rope().into_chunks()
    }

    /// The message in one buffer; copies the large pieces.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from(self.into_rope().concat())
    }

    /// Copies bytes as they are.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.inline.extend_from_slice(bytes);
    }

    /// One byte, signed.
    #[inline]
    pub fn i8(&mut self, number: i8) {
        self.raw(&number.to_be_bytes());
    }

    /// Two bytes, signed.
    #[inline]
    pub fn i16(&mut self, number: i16) {
        self.raw(&number.to_be_bytes());
    }

    /// Two bytes, unsigned.
    #[inline]
    pub fn u16(&mut self, number: u16) {
        self.raw(&number.to_be_bytes());
    }

    /// Four bytes, signed.
    #[inline]
    pub fn i32(&mut self, number: i32) {
        self.raw(&number.to_be_bytes());
    }

    /// Four bytes, unsigned.
    #[inline]
    pub fn u32(&mut self, number: u32) {
        self.raw(&number.to_be_bytes());
    }

    /// Eight bytes, signed.
    #[inline]
    pub fn i64(&mut self, number: i64) {
        self.raw(&number.to_be_bytes());
    }

    /// Eight bytes, IEEE 754.
    #[inline]
    pub fn f64(&mut self, number: f64) {
        self.raw(&number.to_be_bytes());
    }

    /// An unsigned varint.
    #[inline]
    pub fn unsigned_varint(&mut self, mut number: u32) {
        while number >= 0x80 {
            self.inline.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.inline.push(number as u8);
    }

    /// The length before bytes or the count before an array; `None` is null.
    #[inline]
    pub fn length_prefix(&mut self, length: Option<usize>) {
        // A message is a frame, and a frame's length is an i32: more cannot be sent anyhow.
        if self.flexible {
            self.unsigned_varint(length.map_or(0, |length| length as u32 + 1));
        } else {
            self.i32(length.map_or(-1, |length| length as i32));
        }
    }

    /// A string, or null. Kafka's strings end at 32,767 bytes; what is longer (only texts for people can be) is cut at
    /// a character.
    #[inline]
    pub fn nullable_string(&mut self, text: Option<&str>) {
        let text = text.map(|text| if text.len() > 0x7fff { shortened(text) } else { text });
        if self.flexible {
            self.unsigned_varint(text.map_or(0, |text| text.len() as u32 + 1));
        } else {
            self.i16(text.map_or(-1, |text| text.len() as i16));
        }
        self.raw(text.unwrap_or("").as_bytes());
    }

    /// Bytes, or null; kept by reference when they are many.
    #[inline]
    pub fn nullable_bytes(&mut self, bytes: Option<&Bytes>) {
        self.length_prefix(bytes.map(Bytes::len));
        if let Some(bytes) = bytes {
            self.push(bytes);
        }
    }

    /// Bytes without a length; kept by reference when they are many.
    #[inline]
    pub fn push(&mut self, bytes: &Bytes) {
        if bytes.len() < REFERENCE_FROM || self.tag_depth > 0 {
            self.raw(bytes);
        } else {
            self.pieces_length += bytes.len();
            self.pieces.push((self.inline.len(), bytes.clone()));
        }
    }

    /// Opens a tagged field; its size is put before it by [`Encoder::end_tag`].
    pub fn begin_tag(&mut self, tag: u32) -> TagStart {
        self.unsigned_varint(tag);
        self.tag_depth += 1;
        TagStart(self.inline.len())
    }

    /// Closes a tagged field.
    pub fn end_tag(&mut self, TagStart(start): TagStart) {
        self.tag_depth -= 1;
        let end = self.inline.len();
        self.unsigned_varint((end - start) as u32);
        let width = self.inline.len() - end;
        if let Some(content_and_size) = self.inline.get_mut(start..) {
            content_and_size.rotate_right(width);
        }
    }
}

#[cold]
fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(0x7fff)).unwrap_or("")
}
