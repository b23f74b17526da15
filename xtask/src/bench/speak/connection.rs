//! A blocking connection with one receive buffer: many small answers cost one read, as in a good client.

use anyhow::{Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// How much one read may bring beyond the answer that is waited for.
const READ_BYTES: usize = 64 << 10;

pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    /// What is received and not taken lies in `buffer[from..to]`.
    from: usize,
    to: usize,
}

impl Connection {
    pub fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Self { stream, buffer: Vec::new(), from: 0, to: 0 })
    }

    /// To `IP:PORT`; neither connecting nor an answer may take longer than `limit`: for a broker that may be dead or stand still.
    pub fn open_within(address: &str, limit: Duration) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address.parse()?, limit)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(limit))?;
        Ok(Self { stream, buffer: Vec::new(), from: 0, to: 0 })
    }

    /// The same connection for a second thread: one sends, the other receives.
    pub fn split(&self) -> Result<Self> {
        Ok(Self { stream: self.stream.try_clone()?, buffer: Vec::new(), from: 0, to: 0 })
    }

    pub fn send(&mut self, frame: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(frame)?)
    }

    /// The body of the next answer, behind the correlation id.
    pub fn receive(&mut self) -> Result<&[u8]> {
        while !self.has_answer() {
            self.read()?;
        }
        let length = self.announced().unwrap_or_default();
        ensure!(length >= 8, "an answer without a correlation id");
        let start = self.from + 8;
        self.from += length;
        Ok(&self.buffer[start..self.from])
    }

    /// True if the next answer is here already, whole.
    pub fn has_answer(&self) -> bool {
        self.announced().is_some_and(|length| self.to - self.from >= length)
    }

    /// Waits for something to receive, at most so long; true if an answer is here, whole.
    pub fn arrives_within(&mut self, limit: Duration) -> Result<bool> {
        let seconds = i64::try_from(limit.as_secs())?;
        let limit = Timespec { tv_sec: seconds, tv_nsec: limit.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&self.stream, PollFlags::IN)], Some(&limit)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => self.read()?,
            Err(error) => return Err(error.into()),
        }
        Ok(self.has_answer())
    }

    pub fn call(&mut self, frame: &[u8]) -> Result<&[u8]> {
        self.send(frame)?;
        self.receive()
    }

    /// Keeps no memory until the next answer: for one connection of thousands. What was received must be taken.
    pub fn give_back_buffer(&mut self) {
        if self.from == self.to {
            (self.buffer, self.from, self.to) = (Vec::new(), 0, 0);
        }
    }

    fn announced(&self) -> Option<usize> {
        let length: [u8; 4] = self.buffer.get(self.from..self.to)?.get(..4)?.try_into().ok()?;
        Some(u32::from_be_bytes(length) as usize + 4)
    }

    fn read(&mut self) -> Result<()> {
        if self.from > 0 {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        let wanted = self.announced().unwrap_or(0).max(self.to + READ_BYTES);
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let received = self.stream.read(&mut self.buffer[self.to..])?;
        ensure!(received > 0, "the broker closed the connection");
        self.to += received;
        Ok(())
    }
}
