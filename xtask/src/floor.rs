//! `cargo xtask floor --listen HOST:PORT --directory DIR [--sync]`: the least a broker can do and still serve the generator of
//! `bench`. A thread per connection receives frames, checks one CRC per batch, stamps its offset, appends it to the partition's one
//! file and answers; a fetch sends stored bytes back. With `--sync` an append is on the disk before its answer.
//!
//! It bounds what any broker can reach on this machine, and is no Kafka: no metadata but names and counts, no recovery, no limits.
//! It speaks only the versions that `bench::speak` speaks, and trusts whoever connects.

mod answer;
mod frames;
mod log;

use anyhow::{Context, Result, bail};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;

/// The `floor` chore; runs until it is killed.
pub fn command(arguments: &[String]) -> Result<bool> {
    let (mut listen, mut directory, mut sync) = (None, None, false);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--listen" => listen = rest.next(),
            "--directory" => directory = rest.next().map(PathBuf::from),
            "--sync" => sync = true,
            other => bail!("{other}: the floor takes --listen HOST:PORT --directory DIR [--sync]"),
        }
    }
    let directory = directory.context("--directory DIR: where the files go")?;
    std::fs::create_dir_all(&directory)?;
    let listener = TcpListener::bind(listen.context("--listen HOST:PORT")?)?;
    let port = listener.local_addr()?.port();
    let store = Arc::new(log::Store::new(directory, sync));
    loop {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        let store = Arc::clone(&store);
        std::thread::spawn(move || {
            // Who hangs up in the middle of a frame has ended its run; there is nobody to tell.
            let _ = answer::serve(&store, i32::from(port), stream);
        });
    }
}
