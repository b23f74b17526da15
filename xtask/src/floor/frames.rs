//! Frames in and numbers out of them: one buffer per connection, so that small pipelined requests cost one read together. Never
//! knows what a frame means.

use anyhow::{Result, ensure};
use std::io::Read;
use std::net::TcpStream;

/// How much one read may bring beyond the frame that is waited for.
const READ_BYTES: usize = 64 << 10;

/// The receiving half of a connection.
pub struct Frames {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What is received and not taken lies in `buffer[from..to]`.
    from: usize,
    to: usize,
}

impl Frames {
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, buffer: vec![0; 4 * READ_BYTES], from: 0, to: 0 }
    }

    /// The next frame without its length; `None` when the other side has closed.
    pub fn next(&mut self) -> Result<Option<&mut [u8]>> {
        while self.whole().is_none() {
            if !self.receive()? {
                return Ok(None);
            }
        }
        let length = self.whole().unwrap_or_default();
        let start = self.from + 4;
        self.from += length;
        Ok(Some(&mut self.buffer[start..start + length - 4]))
    }

    /// The length of the frame at the front, its own four bytes included, once all of it is here.
    pub fn whole(&self) -> Option<usize> {
        self.announced().filter(|length| self.to - self.from >= *length)
    }

    fn announced(&self) -> Option<usize> {
        let length: [u8; 4] = self.buffer[self.from..self.to].get(..4)?.try_into().ok()?;
        Some(u32::from_be_bytes(length) as usize + 4)
    }

    /// One read: the rest of a large frame and nothing else, or as much as there is.
    fn receive(&mut self) -> Result<bool> {
        let wanted = self.announced().unwrap_or(4);
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
        let missing = wanted - (self.to - self.from);
        if self.from + wanted.max(READ_BYTES) > self.buffer.len() {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
            if wanted + READ_BYTES > self.buffer.len() {
                self.buffer.resize(wanted + READ_BYTES, 0);
            }
        }
        let end = self.to
            + if missing > READ_BYTES { missing } else { READ_BYTES.min(self.buffer.len() - self.to) };
        let received = self.stream.read(&mut self.buffer[self.to..end])?;
        self.to += received;
        Ok(received > 0)
    }
}

/// Numbers and texts from the front of a request.
pub struct Reader<'a>(pub &'a mut [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, many: usize) -> Result<&'a mut [u8]> {
        ensure!(many <= self.0.len(), "a request ends too early");
        let (taken, rest) = std::mem::take(&mut self.0).split_at_mut(many);
        self.0 = rest;
        Ok(taken)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok((&*self.take(N)?).try_into()?)
    }
    pub fn i16(&mut self) -> Result<i16> {
        Ok(i16::from_be_bytes(self.array()?))
    }
    pub fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.array()?))
    }
    pub fn i64(&mut self) -> Result<i64> {
        Ok(i64::from_be_bytes(self.array()?))
    }
    pub fn text(&mut self) -> Result<&'a str> {
        let length = self.i16()?.max(0) as usize;
        Ok(std::str::from_utf8(self.take(length)?)?)
    }
    pub fn bytes(&mut self) -> Result<&'a mut [u8]> {
        let length = self.i32()?.max(0) as usize;
        self.take(length)
    }
}

/// Numbers and texts to the end of an answer.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn i8(&mut self, n: i8) -> &mut Self {
        self.0.extend(n.to_be_bytes());
        self
    }
    pub fn i16(&mut self, n: i16) -> &mut Self {
        self.0.extend(n.to_be_bytes());
        self
    }
    pub fn i32(&mut self, n: i32) -> &mut Self {
        self.0.extend(n.to_be_bytes());
        self
    }
    pub fn i64(&mut self, n: i64) -> &mut Self {
        self.0.extend(n.to_be_bytes());
        self
    }
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.i16(text.len() as i16);
        self.0.extend(text.as_bytes());
        self
    }
}
