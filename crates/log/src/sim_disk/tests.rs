use super::*;

fn file(disk: &SimDisk, path: &str, contents: &[u8]) -> FileHandle {
    let file = FileHandle::new(path);
    disk.create(&file).unwrap();
    disk.write_at(&file, 0, &mut [IoSlice::new(contents)]).unwrap();
    file
}

fn read(disk: &SimDisk, path: &str) -> Option<Vec<u8>> {
    disk.read_file(Path::new(path)).ok().map(|bytes| bytes.to_vec())
}

#[test]
fn only_synced_bytes_under_synced_names_survive() {
    let disk = SimDisk::new(1);
    disk.create_directory(Path::new("/d")).unwrap();
    disk.sync_directory(Path::new("/")).unwrap();
    let kept = file(&disk, "/d/kept", b"kept");
    disk.sync(&kept).unwrap();
    disk.sync_directory(Path::new("/d")).unwrap();
    disk.write_at(&kept, 4, &mut [IoSlice::new(b" lost")]).unwrap();
    let nameless = file(&disk, "/d/nameless", b"synced but nameless");
    disk.sync(&nameless).unwrap();
    assert_eq!(read(&disk, "/d/kept").unwrap(), b"kept lost");
    disk.restart(Survival::Nothing);
    assert_eq!(read(&disk, "/d/kept").unwrap(), b"kept");
    assert_eq!(read(&disk, "/d/nameless"), None);
}

#[test]
fn a_replaced_file_is_old_or_new_but_never_between() {
    for nth in 0..12 {
        for seed in 0..20 {
            let disk = SimDisk::new(seed);
            disk.create_directory(Path::new("/d")).unwrap();
            disk.sync_directory(Path::new("/")).unwrap();
            let path = Path::new("/d/checkpoint");
            disk.replace_file(path, b"old").unwrap();
            disk.fail_at(nth, SimFault::Crash);
            let done = disk.replace_file(path, b"new contents").is_ok();
            disk.restart(Survival::Random);
            let found = read(&disk, "/d/checkpoint").unwrap();
            assert!(found == b"new contents" || (!done && found == b"old"), "{nth} {seed} {found:?}");
        }
    }
}

#[test]
fn a_forgetful_sync_loses_the_pages_for_good() {
    let disk = SimDisk::new(1);
    let written = file(&disk, "/f", b"bytes");
    disk.sync_directory(Path::new("/")).unwrap();
    disk.fail_at(0, SimFault::SyncForgets);
    assert!(disk.sync(&written).is_err());
    disk.sync(&written).unwrap();
    disk.restart(Survival::Everything);
    assert_eq!(read(&disk, "/f").unwrap(), b"");
}

#[test]
fn a_full_disk_says_so_and_may_have_written_a_part() {
    let disk = SimDisk::new(1);
    let written = file(&disk, "/f", &[1; 10]);
    disk.set_capacity(15);
    let fault = disk.write_at(&written, 10, &mut [IoSlice::new(&[2; 10])]).unwrap_err();
    assert!(fault.is_disk_full());
    assert!(read(&disk, "/f").unwrap().len() <= 15);
}

#[test]
fn one_seed_gives_one_crash_state() {
    let outcome = |seed| {
        let disk = SimDisk::new(seed);
        let big = file(&disk, "/f", &[7; 5000]);
        disk.sync_directory(Path::new("/")).unwrap();
        disk.write_at(&big, 100, &mut [IoSlice::new(&[8; 3000])]).unwrap();
        disk.restart(Survival::Random);
        read(&disk, "/f")
    };
    assert_eq!(outcome(5), outcome(5));
    assert!((0..20).any(|seed| outcome(seed) != outcome(5)));
}
