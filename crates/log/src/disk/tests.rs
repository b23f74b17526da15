use super::*;

/// A fresh directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("ottla-disk-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn read(disk: &RealDisk, file: &FileHandle, position: u64, length: usize) -> Vec<u8> {
    let mut out = Vec::new();
    disk.read_at(file, position, length, &mut out).unwrap();
    out
}

#[test]
fn writes_are_read_back_and_files_follow_their_names() {
    let scratch = Scratch::new("basic");
    let disk = RealDisk::default();
    let file = FileHandle::new(scratch.0.join("a"));
    assert!(disk.read_at(&file, 0, 1, &mut Vec::new()).unwrap_err().is_not_found());
    disk.create(&file).unwrap();
    disk.write_at(&file, 3, &mut [IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"tail")]).unwrap();
    assert_eq!(read(&disk, &file, 0, 100), b"\0\0\0headtail");
    assert_eq!(read(&disk, &file, 7, 2), b"ta");
    disk.set_length(&file, 5).unwrap();
    assert_eq!(disk.length(&file).unwrap(), 5);
    disk.rename(&file, &scratch.0.join("b")).unwrap();
    disk.release(&file);
    assert_eq!(read(&disk, &file, 3, 9), b"he");
    let names: Vec<String> = disk.list(&scratch.0).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["b"]);
    disk.remove(&file).unwrap();
    disk.remove(&file).unwrap();
    assert!(disk.space(&scratch.0).unwrap().total_bytes > 0);
}

#[test]
fn small_files_are_replaced_whole() {
    let scratch = Scratch::new("replace");
    let disk = RealDisk::default();
    let path = scratch.0.join("checkpoint");
    disk.replace_file(&path, b"a longer first version").unwrap();
    disk.replace_file(&path, b"second").unwrap();
    assert_eq!(&disk.read_file(&path).unwrap()[..], b"second");
    assert_eq!(disk.list(&scratch.0).unwrap().len(), 1);
}

#[test]
fn descriptors_stay_within_their_bound_and_reopen_by_themselves() {
    let scratch = Scratch::new("bound");
    let disk = RealDisk::new(4);
    let files: Vec<FileHandle> = (0..20).map(|i| FileHandle::new(scratch.0.join(format!("{i}")))).collect();
    for (i, file) in files.iter().enumerate() {
        disk.create(file).unwrap();
        disk.write_at(file, 0, &mut [IoSlice::new(&[i as u8])]).unwrap();
        assert!(disk.open_descriptors() <= 5);
    }
    for (i, file) in files.iter().enumerate() {
        assert_eq!(read(&disk, file, 0, 1), [i as u8]);
    }
    assert!(disk.open_descriptors() <= 5);
    drop(files);
    assert_eq!(disk.open_descriptors(), 0);
}
