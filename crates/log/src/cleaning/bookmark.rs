//! Where in a segment a slice of a cleaning ended, and how the next one goes on from there.

use super::outcome::CleanStop;
use crate::disk::Disk;
use crate::scan::Scanner;
use crate::segment::Segment;
use bytes::Bytes;

/// The end of a slice.
#[derive(Debug)]
pub(super) struct Bookmark {
    position: u32,
    next_offset: i64,
    /// What was read from there on: the next slice need not read it again.
    ahead: Bytes,
}

impl Bookmark {
    pub fn beginning(segment: &Segment) -> Bookmark {
        Bookmark { position: 0, next_offset: segment.base_offset, ahead: Bytes::new() }
    }

    /// At an index entry of the segment, which says nothing of the offset but that it is the segment's.
    pub fn at(segment: &Segment, position: u32) -> Bookmark {
        Bookmark { position, ..Bookmark::beginning(segment) }
    }

    pub fn of(scanner: Scanner<'_>) -> Bookmark {
        let (position, next_offset) = (scanner.position(), scanner.next_offset);
        Bookmark { position, next_offset, ahead: scanner.into_ahead() }
    }

    pub fn scanner<'a>(self, disk: &'a dyn Disk, segment: &'a Segment) -> Scanner<'a> {
        Scanner::new(disk, segment, self.position, self.next_offset).with_ahead(self.ahead)
    }
}

/// A batch that ends a cleaning.
pub(super) fn unreadable(segment: &Segment, position: u32, what: &str) -> CleanStop {
    CleanStop::Unreadable(format!("{} at {position}: {what}", segment.log.path().display()))
}
