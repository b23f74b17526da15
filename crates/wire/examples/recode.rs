//! Our side of `cargo xtask differential`: each line of standard input is `name version hex`; each line of standard
//! output is what we make of it: the bytes written back and the values read, or `!` and the error.

use std::collections::BTreeMap;
use std::io::{BufRead, BufWriter, Write};

use bytes::Bytes;
use wire::codec::{Decoder, Message};

type Recode = fn(Bytes, i16) -> String;

/// The walk over all messages fills a table from names to functions.
macro_rules! catalog {
    ($($message:ty;)*) => {
        pub fn table() -> std::collections::BTreeMap<&'static str, super::Recode> {
            std::collections::BTreeMap::from([$(super::entry::<$message>(),)*])
        }
    };
}

#[path = "../tests/catalog.rs"]
mod catalog;

fn entry<M: Message + std::fmt::Debug>() -> (&'static str, Recode) {
    (M::NAME, recode::<M>)
}

fn recode<M: Message + std::fmt::Debug>(bytes: Bytes, version: i16) -> String {
    let mut from = Decoder::of(bytes);
    match M::decode(&mut from, version).and_then(|message| from.finish().map(|()| message)) {
        Ok(message) => format!("{} {message:?}", hex(&message.to_bytes(version))),
        Err(error) => format!("! {error}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Bytes> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

fn answer(table: &BTreeMap<&'static str, Recode>, line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let (name, version, bytes) = (words.next()?, words.next()?, words.next()?);
    Some(table.get(name)?(unhex(bytes)?, version.parse().ok()?))
}

fn main() -> std::io::Result<()> {
    let table = catalog::table();
    let mut out = BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        writeln!(out, "{}", answer(&table, &line).unwrap_or_else(|| format!("! not a case: {line}")))?;
    }
    out.flush()
}
