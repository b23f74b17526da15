//! What the floor answers, request by request, at the generator's versions. A connection is one thread that waits in the kernel.

use super::frames::{Frames, Reader, Writer};
use super::log::{Found, Partition, Store};
use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

/// Answers until the other side closes.
pub fn serve(store: &Store, port: i32, mut stream: TcpStream) -> Result<()> {
    let mut frames = Frames::new(stream.try_clone()?);
    let mut out = Writer::default();
    while let Some(frame) = frames.next()? {
        let mut request = Reader(frame);
        let key = request.i16()?;
        let _version = request.i16()?;
        let correlation = request.i32()?;
        request.text()?;
        let base = out.0.len();
        out.i32(0).i32(correlation);
        match key {
            0 => produce(store, &mut request, &mut out)?,
            1 => {
                fetch(store, &mut request, &mut out, base, &mut stream)?;
                continue;
            }
            3 => metadata(store, port, &mut request, &mut out)?,
            18 => api_versions(&mut out),
            19 => create_topics(store, &mut request, &mut out)?,
            other => bail!("the floor knows no request {other}"),
        }
        frame_length(&mut out, base, 0);
        // Answers to requests that lie here already leave together.
        if frames.whole().is_none() {
            stream.write_all(&out.0)?;
            out.0.clear();
        }
    }
    Ok(())
}

fn frame_length(out: &mut Writer, base: usize, more: u64) {
    let length = (out.0.len() - base - 4) as u64 + more;
    out.0[base..base + 4].copy_from_slice(&(length as u32).to_be_bytes());
}

fn api_versions(out: &mut Writer) {
    let known = [(0, 7), (1, 11), (3, 4), (18, 0), (19, 2)];
    out.i16(0).i32(known.len() as i32);
    for (key, version) in known {
        out.i16(key).i16(version).i16(version);
    }
}

fn metadata(store: &Store, port: i32, request: &mut Reader<'_>, out: &mut Writer) -> Result<()> {
    let many = request.i32()?;
    let names = match many {
        ..0 => store.names(),
        _ => (0..many).map(|_| request.text().map(str::to_owned)).collect::<Result<_>>()?,
    };
    out.i32(0).i32(1).i32(0).text("127.0.0.1").i32(port).i16(-1).i16(-1).i32(0).i32(names.len() as i32);
    for name in names {
        let partitions = store.topic(&name).map_or(0, |topic| topic.len() as i32);
        out.i16(if partitions > 0 { 0 } else { 3 }).text(&name).i8(0).i32(partitions);
        for partition in 0..partitions {
            out.i16(0).i32(partition).i32(0).i32(1).i32(0).i32(1).i32(0);
        }
    }
    Ok(())
}

fn create_topics(store: &Store, request: &mut Reader<'_>, out: &mut Writer) -> Result<()> {
    let many = request.i32()?;
    out.i32(0).i32(many);
    for _ in 0..many {
        let (name, partitions) = (request.text()?, request.i32()?);
        request.i16()?;
        request.i32()?;
        for _ in 0..request.i32()? {
            request.text()?;
            request.text()?;
        }
        let code = store.create(name, partitions)?;
        out.text(name).i16(code).i16(-1);
    }
    Ok(())
}

fn produce(store: &Store, request: &mut Reader<'_>, out: &mut Writer) -> Result<()> {
    request.text()?;
    request.i16()?;
    request.i32()?;
    let topics = request.i32()?;
    out.i32(topics);
    for _ in 0..topics {
        let name = request.text()?;
        let topic = store.topic(name).with_context(|| format!("produce to {name}"))?;
        let partitions = request.i32()?;
        out.text(name).i32(partitions);
        for _ in 0..partitions {
            let partition = request.i32()?;
            let batch = request.bytes()?;
            let stored = topic.get(partition as usize).context("a partition")?;
            let offset = store.append(stored, batch)?;
            out.i32(partition).i16(0).i64(offset).i64(-1).i64(0);
        }
    }
    out.i32(0);
    store.ring();
    Ok(())
}

fn fetch(
    store: &Store,
    request: &mut Reader<'_>,
    out: &mut Writer,
    base: usize,
    stream: &mut TcpStream,
) -> Result<()> {
    request.i32()?;
    let (wait_ms, least, most) = (request.i32()?, request.i32()? as u64, request.i32()? as u64);
    request.take(1 + 4 + 4)?;
    anyhow::ensure!(request.i32()? == 1, "the generator fetches one topic");
    let name = request.text()?;
    let topic = store.topic(name).with_context(|| format!("fetch of {name}"))?;
    let mut wanted = Vec::new();
    for _ in 0..request.i32()? {
        let partition = request.i32()?;
        request.i32()?;
        let offset = request.i64()?;
        request.i64()?;
        wanted.push((partition, offset, request.i32()? as u64));
    }
    let found = store.wait(Duration::from_millis(wait_ms as u64), || {
        let mut all = Vec::with_capacity(wanted.len());
        let mut total = 0;
        for (number, offset, most_here) in &wanted {
            let partition = topic.get(*number as usize).context("a partition")?;
            let mut found = partition.find(*offset, *most_here)?;
            if total >= most {
                found.to = found.from;
            }
            total += found.to - found.from;
            all.push((*number, partition, found));
        }
        Ok((all, total >= least))
    })?;
    // What one partition's head takes: number, code, four offsets' worth, aborted, replica, length.
    let body: u64 = found.iter().map(|(_, _, found)| 42 + found.to - found.from).sum();
    out.i32(0).i16(0).i32(0).i32(1).text(name).i32(found.len() as i32);
    frame_length(out, base, body);
    for (number, partition, found) in found {
        out.i32(number).i16(0).i64(found.next_offset).i64(found.next_offset).i64(0).i32(-1).i32(-1);
        out.i32((found.to - found.from) as i32);
        if found.to > found.from {
            send_head(stream, &out.0)?;
            out.0.clear();
            send_stored(stream, partition, &found)?;
        }
    }
    stream.write_all(&out.0)?;
    out.0.clear();
    Ok(())
}

/// What goes before stored bytes waits in the kernel for them, so that the client is not woken twice.
fn send_head(stream: &TcpStream, mut head: &[u8]) -> Result<()> {
    while !head.is_empty() {
        let sent = send(stream, head, SendFlags::MORE)?;
        head = head.get(sent..).unwrap_or_default();
    }
    Ok(())
}

/// From the page cache to the socket. Waits for room in `poll`: who sleeps inside `sendfile` is woken for every 64 KiB.
fn send_stored(stream: &TcpStream, partition: &Partition, found: &Found) -> Result<()> {
    let mut at = found.from;
    stream.set_nonblocking(true)?;
    while at < found.to {
        let left = (found.to - at) as usize;
        match rustix::fs::sendfile(stream, &partition.file, Some(&mut at), left) {
            Ok(0) => bail!("a file ends before its log"),
            Ok(_) => {}
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(stream, PollFlags::OUT)], None)?;
            }
            Err(other) => return Err(other.into()),
        }
    }
    Ok(stream.set_nonblocking(false)?)
}
