//! Java's own key stores (JKS). Owns the format; keys stay encrypted until somebody has their password.

use ring::digest;
use std::fmt::Display;

use super::entry::{Entry, StoreFault};

/// How such a file begins.
pub const MAGIC: [u8; 4] = [0xfe, 0xed, 0xfe, 0xed];

/// How its relative JCEKS begins, which is not read.
pub const MAGIC_OF_JCEKS: [u8; 4] = [0xce, 0xce, 0xce, 0xce];

/// What Java hashes besides the password.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// Entries of a store; without a password it is not authenticated, as Java has it for trust stores.
pub fn entries(bytes: &[u8], password: Option<&str>) -> Result<Vec<Entry>, StoreFault> {
    let damaged = || StoreFault::Damaged("it ends early, or is no JKS store".to_owned());
    let (content, check) =
        bytes.len().checked_sub(20).and_then(|at| bytes.split_at_checked(at)).ok_or_else(damaged)?;
    if let Some(password) = password {
        let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        password.encode_utf16().for_each(|unit| context.update(&unit.to_be_bytes()));
        context.update(WHITENER);
        context.update(content);
        if context.finish().as_ref() != check {
            return Err(StoreFault::WrongPassword);
        }
    }
    let mut from = Reader(content);
    let read = |from: &mut Reader<'_>| -> Option<Vec<Entry>> {
        from.take(4)?;
        let version = from.u32()?;
        let count = from.u32()?;
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(entry(from, version)?);
        }
        Some(entries)
    };
    read(&mut from).ok_or_else(damaged)
}

fn entry(from: &mut Reader<'_>, version: u32) -> Option<Entry> {
    let kind = from.u32()?;
    let alias = from.text()?;
    from.take(8)?;
    match kind {
        1 => {
            let length = from.u32()?;
            let key = from.take(length)?.to_vec();
            let count = from.u32()?;
            let mut chain = Vec::new();
            for _ in 0..count {
                chain.push(certificate(from, version)?);
            }
            Some(Entry::Key { alias, encrypted: true, key, chain })
        }
        2 => Some(Entry::Trusted { certificate: certificate(from, version)? }),
        _unknown => None,
    }
}

fn certificate(from: &mut Reader<'_>, version: u32) -> Option<Vec<u8>> {
    if version == 2 {
        // Its type, which is X.509 always.
        from.text()?;
    }
    let length = from.u32()?;
    from.take(length).map(<[u8]>::to_vec)
}

/// Numbers and texts as Java's DataInput has them.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, length: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length as usize)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|digits| u32::from_be_bytes(*digits))
    }

    fn text(&mut self) -> Option<String> {
        let length = self.take(2)?.first_chunk().map(|digits| u16::from_be_bytes(*digits))?;
        self.take(u32::from(length)).map(|text| String::from_utf8_lossy(text).into_owned())
    }
}

/// A store that is known and not read.
pub fn is_not_read(kind: impl Display) -> StoreFault {
    StoreFault::Damaged(format!(
        "{kind} stores are not read here: keytool -importkeystore -deststoretype PKCS12 makes another of it"
    ))
}
