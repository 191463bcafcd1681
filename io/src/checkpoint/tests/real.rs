//! The store on the file system of this machine: who may open it, what is refused, what errors say.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::checkpoint;
use crate::checkpoint::{Content, Disk, Lock, Lost, RealDisk, Store};

#[test]
fn what_is_saved_is_opened_again_and_two_generations_stay() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("a/b/c");
    for number in 1..=5 {
        let mut opened = Store::open(&folder).unwrap();
        let before = (number > 1).then(|| checkpoint(number - 1, 1000));
        assert_eq!(opened.checkpoint, before);
        assert!(opened.discarded.is_empty() && !opened.is_lost);
        let size = opened.store.save(&checkpoint(number, 1000), &[]).unwrap();
        let file = folder.join(format!("generation-{number:020}.ckpt"));
        assert_eq!(fs::metadata(file).unwrap().len(), size);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1 + number.min(2) as usize);
    }
}

#[test]
fn a_second_opener_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let first = Store::open(dir.path()).unwrap();
    let error = Store::open(dir.path()).unwrap_err();
    assert!(error.is_io() && error.message().contains("is in use by a query of process"), "{error}");
    assert!(error.message().contains(&std::process::id().to_string()) && error.hint_text().is_some());
    drop(first);
    Store::open(dir.path()).unwrap();
}

/// Set in the process that [`another_process_is_told_too`] starts: the folder to open.
const FOLDER: &str = "FIRESTEEL_TEST_OPENS";

#[test]
fn another_process_is_told_too() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let error = Store::open(Path::new(&folder)).unwrap_err();
        assert!(error.message().contains("in use"), "{error}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let _first = Store::open(dir.path()).unwrap();
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "checkpoint::tests::real::another_process_is_told_too"])
        .env(FOLDER, dir.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
}

#[test]
fn errors_say_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(Store::open(&file).unwrap_err().message().contains("is not a folder"));
    assert!(Store::open(&file.join("deeper")).unwrap_err().message().contains("is not a folder"));

    let folder = dir.path().join("checkpoint");
    let mut store = Store::open(&folder).unwrap().store;
    let missing = [dir.path().join("part.tmp")];
    let error = store.save(&checkpoint(1, 10), &missing).unwrap_err();
    assert!(error.message().contains("part.tmp"), "{error}");
    // A folder that was away has come back.
    fs::write(&missing[0], "x").unwrap();
    store.save(&checkpoint(1, 10), &missing).unwrap();
    store.save(&checkpoint(1, 10), &[]).unwrap();

    fs::remove_dir_all(&folder).unwrap();
    let error = store.save(&checkpoint(2, 10), &[]).unwrap_err();
    assert!(error.is_io() && error.message().contains("no longer ours"), "{error}");
    let other = Store::open(&folder).unwrap();
    assert!(store.save(&checkpoint(2, 10), &[]).is_err(), "a new folder is somebody else's");
    assert!(other.checkpoint.is_none());
}

#[cfg(unix)]
#[test]
fn files_are_for_the_owner_and_links_and_pipes_are_not_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("checkpoint");
    let mut store = Store::open(&folder).unwrap().store;
    store.save(&checkpoint(1, 10), &[]).unwrap();
    let name = |generation: u64| folder.join(format!("generation-{generation:020}.ckpt"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!([mode(&folder), mode(&folder.join("lock")), mode(&name(1))], [0o700, 0o600, 0o600]);

    let secret = dir.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, folder.join("generation-00000000000000000002.ckpt.tmp")).unwrap();
    store.save(&checkpoint(2, 10), &[]).unwrap();
    drop(store);
    symlink(name(1), name(3)).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, name(4), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let opened = Store::open(&folder).unwrap();
    assert_eq!(opened.checkpoint, Some(checkpoint(2, 10)));
    let reasons: Vec<_> = opened.discarded.iter().map(|discarded| discarded.reason.as_str()).collect();
    assert!(reasons[0].contains("not a regular file") && reasons[1].contains("symbolic link"), "{reasons:?}");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");

    drop(opened);
    fs::remove_file(folder.join("lock")).unwrap();
    symlink(&secret, folder.join("lock")).unwrap();
    let error = Store::open(&folder).unwrap_err();
    assert!(error.is_io() && error.message().contains("lock"), "{error}");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
}

/// The real disk, but for a folder that goes away as soon as a file in it is durable.
#[derive(Debug)]
struct GoesAway {
    folder: PathBuf,
    to: PathBuf,
    has_gone: AtomicBool,
}

impl Disk for GoesAway {
    fn sync(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync(path)?;
        if !self.has_gone.swap(true, Ordering::Relaxed) {
            fs::rename(&self.folder, &self.to)?;
        }
        Ok(())
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.create_folder(folder)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        RealDisk.lock(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        RealDisk.list(folder)
    }

    fn read(&self, path: &Path, most: u64) -> io::Result<Content> {
        RealDisk.read(path, most)
    }

    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        RealDisk.write(path, parts)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        RealDisk.sync_folder(folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }
}

#[test]
fn a_folder_of_results_that_goes_away_has_lost_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let [results, away, checkpoints] = ["results", "away", "checkpoints"].map(|name| dir.path().join(name));
    fs::create_dir(&results).unwrap();
    let file = results.join("a");
    fs::write(&file, "rows").unwrap();
    let disk = GoesAway { folder: results.clone(), to: away.clone(), has_gone: AtomicBool::new(false) };
    let mut store = Store::open_on(Arc::new(disk), &checkpoints).unwrap().store;
    store.save(&checkpoint(0, 10), std::slice::from_ref(&file)).unwrap_err();
    assert_eq!(store.take_lost(), Lost::Nothing);
    fs::rename(&away, &results).unwrap();
    store.save(&checkpoint(0, 10), &[file]).unwrap();
}
