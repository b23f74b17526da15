//! A file read through a window of bounded size, at any position. Owns the buffer only.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Read at once; a larger request is read as a whole, and whoever asks for more than this has checked how much.
const PIECE_BYTES: usize = 1 << 20;

static ZEROS: [u8; PIECE_BYTES] = [0; PIECE_BYTES];

#[derive(Debug)]
pub(super) struct Window {
    file: File,
    /// When it was opened: what is written later is not looked at.
    pub(super) size: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    pub(super) fn open(path: &Path) -> io::Result<Window> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Window { file, size, start: 0, bytes: Vec::new() })
    }

    /// So many bytes, or those that there are before the end.
    pub(super) fn at(&mut self, position: u64, length: usize) -> io::Result<&[u8]> {
        let left = self.size.saturating_sub(position);
        let length = length.min(usize::try_from(left).unwrap_or(usize::MAX));
        let inside =
            |start: u64, held: usize| position >= start && position - start + length as u64 <= held as u64;
        if !inside(self.start, self.bytes.len()) {
            self.fill(position, length.max(PIECE_BYTES.min(usize::try_from(left).unwrap_or(usize::MAX))))?;
        }
        let from = (position - self.start) as usize;
        let held = self.bytes.get(from..).unwrap_or_default();
        Ok(held.get(..length).unwrap_or(held))
    }

    fn fill(&mut self, position: u64, length: usize) -> io::Result<()> {
        self.start = position;
        self.bytes.clear();
        self.bytes.shrink_to(PIECE_BYTES);
        self.bytes.resize(length, 0);
        let mut filled = 0;
        while filled < length {
            let target = self.bytes.get_mut(filled..).unwrap_or_default();
            match self.file.read_at(target, position + filled as u64) {
                // It was cut meanwhile.
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.bytes.truncate(filled);
        Ok(())
    }

    /// Whether there is nothing but zeros from here to the end.
    pub(super) fn has_only_zeros_from(&mut self, mut position: u64) -> io::Result<bool> {
        while position < self.size {
            let piece = self.at(position, PIECE_BYTES)?;
            // Kafka's indexes are made 10 MiB of zeros each: compared at once, not byte by byte.
            if Some(piece) != ZEROS.get(..piece.len()) {
                return Ok(false);
            }
            if piece.is_empty() {
                break;
            }
            position += piece.len() as u64;
        }
        Ok(true)
    }
}
