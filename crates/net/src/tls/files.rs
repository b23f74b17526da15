//! The files that keys and trust were read from, and whether they have changed since. Owns what was seen of them last; reads none of them.

use super::TlsOptions;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

/// What changes with the content of a file.
type Stamp = Option<(u64, i64, i64, u64)>;

/// Files as they were seen last.
#[derive(Debug)]
pub struct KeyFiles(BTreeMap<String, Stamp>);

impl KeyFiles {
    /// As they are now.
    pub fn of(options: &TlsOptions) -> KeyFiles {
        KeyFiles(
            options
                .files()
                .into_iter()
                .map(|file| (stamp(&file), file))
                .map(|(at, file)| (file, at))
                .collect(),
        )
    }

    /// Whether one of them is another one than when this was asked last.
    pub fn have_changed(&mut self) -> bool {
        let mut changed = false;
        for (file, before) in &mut self.0 {
            let now = stamp(file);
            changed |= now != *before;
            *before = now;
        }
        changed
    }
}

fn stamp(file: &str) -> Stamp {
    std::fs::metadata(file).ok().map(|about| (about.ino(), about.mtime(), about.mtime_nsec(), about.size()))
}
