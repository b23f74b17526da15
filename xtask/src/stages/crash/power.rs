//! A disk whose power can be cut: ext4 on a loop device, stopped by its shutdown ioctl. Everything that was not synced is gone at
//! the next mount, as after a real power cut; the machine goes on.
//!
//! Owns the image file, the mount point and the mount. Needs root and a kernel with loop devices.

use crate::process::{pause, run};
use crate::stages::workbench::Workbench;
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Sparse; a full run writes some gigabytes and deletes them between the modes.
const IMAGE_BYTES: u64 = 6 << 30;

/// How often it is mounted again until it is another file system than the one that was shut down.
const MOUNTS: usize = 50;

/// The disk, mounted but for the moment between a cut and its repair.
pub struct PoweredDisk {
    image: PathBuf,
    mount_point: PathBuf,
    shutdown: PathBuf,
    log: PathBuf,
}

impl PoweredDisk {
    /// Makes and mounts it, and cuts it off once to see whether that works here.
    pub fn make(bench: &Workbench, name: &str) -> Result<PoweredDisk> {
        let home = bench.workspace.scratch(name)?;
        let disk = PoweredDisk {
            image: home.join("image"),
            mount_point: home.join("mounted"),
            shutdown: bench.workspace.root.join("tests/crash/shutdown.py"),
            log: bench.logs.join(format!("{name}.log")),
        };
        std::fs::create_dir_all(&disk.mount_point)?;
        let _ = disk.unmount();
        File::create(&disk.image)?.set_len(IMAGE_BYTES)?;
        disk.call(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.image))?;
        disk.mount()?;
        disk.prove()?;
        Ok(disk)
    }

    /// Where data may be put.
    pub fn path(&self) -> &Path {
        &self.mount_point
    }

    /// Power goes: whoever still writes sees errors.
    pub fn cut(&self) -> Result<()> {
        self.call(Command::new("python3").arg(&self.shutdown).arg(&self.mount_point))
    }

    /// Power comes back. Nobody may hold a file open.
    pub fn repair(&self) -> Result<()> {
        for _ in 0..MOUNTS {
            self.unmount()?;
            self.mount()?;
            if self.takes_files() {
                return Ok(());
            }
            // Somebody else's copy of the mounts still holds the file system that was shut down, and the kernel gives it again.
            pause(Duration::from_millis(200));
        }
        bail!("{} stays as it was cut off", self.mount_point.display())
    }

    fn takes_files(&self) -> bool {
        let probe = self.mount_point.join("probe");
        File::create(&probe).and_then(|_| std::fs::remove_file(&probe)).is_ok()
    }

    /// Synced bytes survive a cut, others do not: else the rounds would prove nothing.
    fn prove(&self) -> Result<()> {
        let (kept, lost) = (self.mount_point.join("kept"), self.mount_point.join("lost"));
        std::fs::write(&kept, b"synced")?;
        File::open(&kept)?.sync_all()?;
        File::open(&self.mount_point)?.sync_all()?;
        std::fs::write(&lost, b"not synced")?;
        self.cut()?;
        self.repair()?;
        ensure!(std::fs::read(&kept)? == b"synced", "the cut took a synced file");
        let left = std::fs::read(&lost).unwrap_or_default();
        ensure!(left.is_empty(), "the cut kept what was never synced");
        Ok(())
    }

    fn mount(&self) -> Result<()> {
        self.call(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.mount_point))
    }

    fn unmount(&self) -> Result<()> {
        let mut tries = 0;
        loop {
            let done = self.call(Command::new("umount").arg(&self.mount_point));
            tries += 1;
            // A process that was killed may still be closing its files.
            if done.is_ok() || tries == 100 {
                return done;
            }
            if !self.is_mounted() {
                return Ok(());
            }
            pause(Duration::from_millis(20));
        }
    }

    fn is_mounted(&self) -> bool {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|at| Path::new(at) == self.mount_point))
    }

    fn call(&self, command: &mut Command) -> Result<()> {
        let finished = run(command, &self.log, Duration::from_secs(60))
            .with_context(|| format!("{:?}", command.get_program()))?;
        ensure!(finished.success, "{:?}: {}: {}", command.get_program(), finished.how, finished.tail(2));
        Ok(())
    }
}

impl Drop for PoweredDisk {
    fn drop(&mut self) {
        let _ = self.unmount();
        let _ = std::fs::remove_file(&self.image);
    }
}
