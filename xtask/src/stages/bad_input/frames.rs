//! Malformed frames: random lawful requests of every API and version, broken in one of a dozen ways.
//!
//! The same seed gives the same frames. Owns the ways of breaking; the lawful requests come from the schemas.

use crate::differential::requests::{Request, requests};
use crate::differential::value::Random;
use anyhow::Result;

/// Seeds the generator.
const SEED: u64 = 44;

/// APIs whose lawful requests take the node out of its own cluster: not malformed, and not to be tried.
const SPARED: &[i16] = &[64, 80, 81];

/// At least `count` frames (without their length prefix).
pub fn make(count: usize) -> Result<Vec<Vec<u8>>> {
    let mut random = Random(SEED | 1);
    let mut frames = Vec::with_capacity(count + 1000);
    let mut round = 0;
    while frames.len() < count {
        for request in requests(SEED + round, 3)? {
            if !SPARED.contains(&request.key) {
                frames.push(break_one(&request, &mut random));
            }
        }
        round += 1;
    }
    Ok(frames)
}

/// The request with its header, broken.
fn break_one(request: &Request, random: &mut Random) -> Vec<u8> {
    let mut key = request.key;
    let mut version = request.version;
    let mut client: &[u8] = &[0, 3, b'b', b'a', b'd'];
    let mut body = request.body.clone();
    match random.below(16) {
        0 => body.truncate(random.below(body.len() as u64 + 1) as usize),
        1 => body.extend((0..1 + random.below(40)).map(|_| random.next() as u8)),
        2 => overwrite(&mut body, &[0x7f, 0xff, 0xff, 0xff], random),
        3 => overwrite(&mut body, &[0xff, 0xff, 0xff, 0xff], random),
        4 => overwrite(&mut body, &[0xff, 0xff, 0xff, 0xff, 0x0f], random),
        5 => overwrite(&mut body, &[0x80; 11], random),
        6 => version = [-1, 99, i16::MAX, i16::MIN, version + 1][random.below(5) as usize],
        7 => key = [-1, 95, 1000, i16::MAX, i16::MIN][random.below(5) as usize],
        8 => client = &[0x7f, 0xff],
        9 => client = &[0, 2, 0xff, 0xfe],
        10 => body = (0..random.below(300)).map(|_| random.next() as u8).collect(),
        11 => body = vec![0xff; random.below(100) as usize],
        12 => body = Vec::new(),
        13 => flip(&mut body, 1, random),
        14 => flip(&mut body, 8, random),
        _ => {} // lawful in form, senseless in content
    }
    let mut frame = Vec::with_capacity(body.len() + 16);
    frame.extend(key.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(7_i32.to_be_bytes());
    frame.extend(client);
    if request.flexible {
        frame.push(0);
    }
    frame.extend(body);
    frame
}

/// Puts `pattern` over the body at a random place.
fn overwrite(body: &mut Vec<u8>, pattern: &[u8], random: &mut Random) {
    let at = random.below(body.len() as u64 + 1) as usize;
    let end = (at + pattern.len()).min(body.len());
    body.splice(at..end, pattern.iter().copied());
}

fn flip(body: &mut [u8], times: usize, random: &mut Random) {
    for _ in 0..times {
        let at = random.below(body.len() as u64 + 1) as usize;
        if let Some(byte) = body.get_mut(at) {
            *byte ^= 1 << random.below(8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_is_there_and_the_seed_decides() {
        let frames = make(2000).expect("the schemas can be read");
        assert_eq!(frames, make(2000).expect("the schemas can be read"));
        let keys: std::collections::BTreeSet<&[u8]> =
            frames.iter().filter_map(|frame| frame.get(..2)).collect();
        assert!(keys.len() > 80, "{} keys", keys.len());
    }
}
