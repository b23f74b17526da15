//! Damage of every kind is found where it lies, and what a running node leaves at its tail is none.

use super::*;
use bytes::Bytes;
use wire::record_batch::{BatchAttributes, RecordBatchBuilder};

/// A partition's directory of our own.
struct Partition(PathBuf);

impl Partition {
    fn new(name: &str) -> Partition {
        let path = std::env::temp_dir().join(format!("ottla-verify-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary directory is writable");
        Partition(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).expect("it is ours");
    }

    /// Kind, position and offset of what is found in the first segment.
    fn found(&self, next_base: Option<i64>) -> Vec<(Kind, Option<u64>, Option<i64>)> {
        let look = segment::look(&self.0, 0, next_base);
        look.findings.into_iter().map(|one| (one.kind, one.position, one.offset)).collect()
    }
}

impl Drop for Partition {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const LOG: &str = "00000000000000000000.log";
const INDEX: &str = "00000000000000000000.index";
const TIMES: &str = "00000000000000000000.timeindex";

fn batch(base_offset: i64, leader_epoch: i32) -> Vec<u8> {
    let mut builder =
        RecordBatchBuilder::new(BatchAttributes { base_offset, leader_epoch, ..BatchAttributes::default() });
    for at in 0..3 {
        builder.append(1000 + base_offset + at, None, Some(&Bytes::from_static(b"a value")), &[]);
    }
    builder.build().to_vec()
}

/// Five batches of three records, and how long each is.
fn five() -> (Vec<u8>, usize) {
    let log: Vec<u8> = (0..5).flat_map(|at| batch(at * 3, 1)).collect();
    let size = log.len() / 5;
    (log, size)
}

#[test]
fn a_flipped_bit_anywhere_is_found_in_its_batch() {
    let partition = Partition::new("bits");
    let (log, size) = five();
    partition.write(LOG, &log);
    assert_eq!(partition.found(None), []);
    for at in size..2 * size {
        let mut damaged = log.clone();
        damaged[at] ^= 1;
        partition.write(LOG, &damaged);
        let found = partition.found(None);
        let (kind, position, _) = found.first().unwrap_or_else(|| panic!("nothing at {}", at - size));
        // An epoch that grows too early shows where it falls again.
        let is_epoch = (12..16).contains(&(at - size));
        let places = [size as u64, if is_epoch { 2 * size as u64 } else { size as u64 }];
        assert!(*kind == Kind::Damage && places.contains(&position.unwrap()), "{} {found:?}", at - size);
        assert_eq!(found.len(), 1, "{} {found:?}", at - size);
    }
}

#[test]
fn a_torn_tail_is_damage_only_where_nobody_writes() {
    let partition = Partition::new("tail");
    let (log, size) = five();
    for cut in [1, size - 62, size - 20] {
        partition.write(LOG, &log[..log.len() - cut]);
        let place = (Some(4 * size as u64), Some(12));
        assert_eq!(partition.found(None), [(Kind::TornTail, place.0, place.1)]);
        assert_eq!(partition.found(Some(15)), [(Kind::Damage, place.0, place.1)]);
    }
    let mut ahead = log.clone();
    ahead.resize(log.len() + 4096, 0);
    partition.write(LOG, &ahead);
    assert_eq!(partition.found(None), []);
    // The last batch whole, but not what was written.
    let mut flipped = log.clone();
    flipped[log.len() - 3] ^= 16;
    partition.write(LOG, &flipped);
    assert_eq!(partition.found(None), [(Kind::Damage, Some(4 * size as u64), Some(12))]);
}

#[test]
fn several_places_are_told_apart_and_offsets_stay_in_their_segment() {
    let partition = Partition::new("several");
    let (mut log, size) = five();
    log[size + 70] ^= 1;
    log[3 * size + 70] ^= 1;
    partition.write(LOG, &log);
    let expected =
        [(Kind::Damage, Some(size as u64), Some(3)), (Kind::Damage, Some(3 * size as u64), Some(9))];
    assert_eq!(partition.found(None), expected);
    partition.write(LOG, &five().0);
    assert_eq!(partition.found(Some(13)), [(Kind::Damage, Some(4 * size as u64), Some(12))]);
}

fn entries(all: &[(u32, usize)]) -> Vec<u8> {
    let bytes =
        |(offset, position): &(u32, usize)| [offset.to_be_bytes(), (*position as u32).to_be_bytes()].concat();
    all.iter().flat_map(bytes).collect()
}

fn times(all: &[(i64, u32)]) -> Vec<u8> {
    all.iter().flat_map(|(time, offset)| [&time.to_be_bytes()[..], &offset.to_be_bytes()].concat()).collect()
}

#[test]
fn indexes_are_held_against_their_log() {
    let partition = Partition::new("indexes");
    let (log, size) = five();
    partition.write(LOG, &log);
    let check = |index: Vec<u8>, time_index: Vec<u8>, damaged: usize| {
        partition.write(INDEX, &index);
        partition.write(TIMES, &time_index);
        let found = partition.found(Some(15));
        assert_eq!(found.len(), damaged, "{found:?}");
    };
    // An entry may stand for several batches; what is larger than its entries ends in zeros.
    let good = entries(&[(5, size), (11, 2 * size), (0, 0), (0, 0)]);
    let good_times = times(&[(1005, 5), (1011, 11)]);
    check(good.clone(), good_times.clone(), 0);
    for bad in [
        entries(&[(5, size + 1)]),
        entries(&[(4, size)]),
        entries(&[(2, size)]),
        entries(&[(5, size), (5, 2 * size)]),
        entries(&[(5, size), (8, size)]),
        entries(&[(5, size), (20, 5 * size)]),
        entries(&[(5, size), (0, 0), (11, 3 * size)]),
        entries(&[(5, size)])[..7].to_vec(),
    ] {
        check(bad, good_times.clone(), 1);
    }
    for bad in [
        times(&[(1004, 5)]),
        times(&[(1006, 5)]),
        times(&[(1005, 5), (1005, 8)]),
        times(&[(1005, 5), (1008, 2)]),
        times(&[(1020, 20)]),
        times(&[(1005, 5)])[..11].to_vec(),
    ] {
        check(good.clone(), bad, 1);
    }
    fs::remove_file(partition.0.join(LOG)).unwrap();
    check(good, good_times, 1);
}

#[test]
fn small_files_are_judged_by_their_names() {
    let partition = Partition::new("small");
    let cases: [(&str, &[u8], bool); 12] = [
        ("cleaner-offset-checkpoint", b"", true),
        ("leader-epoch-checkpoint", b"0\n2\n0 0\n3 7\n", true),
        ("leader-epoch-checkpoint", b"0\n2\n3 0\n0 7\n", false),
        ("leader-epoch-checkpoint", b"0\n2\n0 0\n", false),
        ("recovery-point-offset-checkpoint", b"0\n1\norders 0 7\n", true),
        ("recovery-point-offset-checkpoint", b"0\n1\norders 0 x\n", false),
        ("partition.metadata", b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ", true),
        ("partition.metadata", b"version: 0\ntopic_id: ", false),
        ("meta.properties", b"version=1\ncluster.id=a\nnode.id=1\n", true),
        ("meta.properties", b"version=1\ncluster.id=a\nnode.id=one\n", false),
        ("00000000000000000007.snapshot", b"\0\x01\0\0\0\0", false),
        ("notes.txt", b"\xff", true),
    ];
    for (name, bytes, good) in cases {
        partition.write(name, bytes);
        let look = small::look(&partition.0.join(name));
        assert_eq!(look.findings.is_empty(), good, "{name} {look:?}");
    }
}
