//! A disk with little room.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file system of its own, in memory, which is gone when this is dropped.
pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    pub fn mount(at: &Path, megabytes: u32) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={megabytes}m");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at));
        Self { at: at.to_owned() }
    }

    fn ballast(&self) -> PathBuf {
        self.at.join("ballast")
    }

    /// Takes the room that is left, but for so many megabytes.
    pub fn fill_but(&self, megabytes: u64) {
        let left = rustix::fs::statvfs(&self.at).unwrap();
        let left = (left.f_bavail * left.f_frsize).checked_sub(megabytes << 20).unwrap();
        let mut file = File::create(self.ballast()).unwrap();
        std::io::copy(&mut std::io::repeat(7).take(left), &mut file).unwrap();
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut file = File::options().append(true).create(true).open(self.ballast()).unwrap();
        let mut length = 1 << 20;
        while length > 0 {
            match file.write(&vec![7; length]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => length /= 2,
            }
        }
    }

    /// Gives that room back.
    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whatever still has a file there open keeps it until it ends.
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?} ended with {status}; the stories need root");
}
