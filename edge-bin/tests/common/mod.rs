//! Rings for tests of the binary, and what others may do to their files.

use std::{
    env, fs, io,
    ops::{Deref, DerefMut},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Child, Command},
};

use firesteel_core::schema::Schema;
use firesteel_io::ring::{Producer, RingOptions, StreamFolder};
use tempfile::TempDir;

/// xorshift; the seed is printed when a test fails.
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A ring in memory, as gateways have it, if there is such a place.
pub fn ring(test: &str) -> (TempDir, PathBuf) {
    let memory = Path::new("/dev/shm");
    let base = if memory.is_dir() { memory.into() } else { env::temp_dir() };
    let dir = tempfile::Builder::new().prefix(&format!("firesteel-{test}-")).tempdir_in(base).unwrap();
    let path = dir.path().join("ring");
    let schema = Schema::parse_ddl("id BIGINT NOT NULL, name STRING").unwrap();
    StreamFolder::create(&path, &schema, &RingOptions::parse([("capacity", "200k")]).unwrap()).unwrap();
    (dir, path)
}

/// A row of this number, published.
pub fn write(producer: &mut Producer, id: i64) {
    assert!(producer.push(&[id.into(), "x".into()]).unwrap());
    producer.publish();
}

/// One attack on a lane whose producer has just left, or is still there.
pub fn attack(ring: &Path, lane: &str, random: &mut Random) {
    let path = ring.join(format!("{lane}.lane"));
    let truncate = |len: u64| fs::File::options().write(true).open(&path).and_then(|file| file.set_len(len));
    let full = fs::metadata(&path).map_or(0, |data| data.len());
    // Any of these may find that the file is gone already.
    let _ = match random.below(8) {
        0 => truncate(0),
        1 => truncate(4096),
        2 => truncate(random.below(full.max(1))),
        3 => truncate(0).and_then(|()| truncate(full)),
        4 => fs::remove_file(&path),
        5 => fs::write(ring.join("new"), b"this is no lane").and_then(|()| fs::rename(ring.join("new"), &path)),
        6 => fs::remove_file(&path).and_then(|()| symlink("/etc/passwd", &path)),
        _ => fs::remove_file(&path).and_then(|()| fs::create_dir(&path)),
    };
}

/// Removes whatever an attack has left there.
pub fn clean(ring: &Path, lane: &str) {
    let path = ring.join(format!("{lane}.lane"));
    let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
}

/// An engine that ends with its test, whatever becomes of that.
pub struct Engine(Child);

impl Engine {
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }
}

impl Deref for Engine {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.0
    }
}

impl DerefMut for Engine {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.0
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Most have ended already.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
