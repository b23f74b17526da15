//! The small files: producer snapshots, checkpoints, identities, and metadata snapshots. Owns which name is which; what nobody knows
//! is passed over.

use super::super::snapshot;
use super::look::Look;
use super::segment;
use ::server::directories::Meta;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// The largest small file that is read, a snapshot of five million producers.
const BYTES_MAX: u64 = 256 << 20;

pub(super) fn look(path: &Path) -> Look {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if name.ends_with(".checkpoint") {
        return segment::look_at_snapshot(path);
    }
    let mut look = Look::default();
    if !is_known(&name) {
        return look;
    }
    let bytes = read(path);
    let Some(bytes) = look.unless_gone(path, bytes) else { return look };
    look.counts.files += 1;
    look.counts.bytes += bytes.len() as u64;
    if let Err(what) = judge(&name, bytes) {
        look.damage(path, None, None, what);
    }
    look
}

const META_PROPERTIES: &str = "meta.properties";
const QUORUM_STATE: &str = "quorum-state";

fn is_known(name: &str) -> bool {
    name.ends_with(".snapshot")
        || name == META_PROPERTIES
        || name == QUORUM_STATE
        || log::is_sound(name, b"").is_some()
}

fn judge(name: &str, bytes: Vec<u8>) -> Result<(), String> {
    if name.ends_with(".snapshot") {
        return snapshot::producers(bytes.into()).map(|_| ()).map_err(|error| error.to_string());
    }
    match name {
        META_PROPERTIES => Meta::parse(&bytes).map(|_| ()),
        QUORUM_STATE => {
            serde_json::from_slice::<serde_json::Value>(&bytes).map(|_| ()).map_err(|error| error.to_string())
        }
        _checkpoint => match log::is_sound(name, &bytes) {
            Some(false) => Err("its lines are not what such a file holds".to_owned()),
            Some(true) | None => Ok(()),
        },
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let size = fs::metadata(path)?.len();
    if size > BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{size} bytes are too many for it")));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}
