//! A store that lives through thousands of crashes: in every life the process opens it, saves, and dies somewhere, with
//! or without a power cut, in the middle of a save, of an open, of an open after a crash in an open. A model knows
//! what was promised.
//!
//! `FIRESTEEL_SIM_SEEDS=100000 cargo test --release -p firesteel-io simulation -- --nocapture` runs that many seeds and
//! prints the rate; `FIRESTEEL_SIM_FIRST=4711` begins with that seed, to see one again that has failed.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use serde_json::json;

use super::checkpoint;
use crate::checkpoint::{
    Checkpoint, Discarded, Lost, Opened, Store,
    testing::{FakeDisk, Faults, Random},
};

/// Seeds that a plain `cargo test` runs.
const SEEDS: u64 = 3000;
/// Seeds that have failed once: a clear that brought an older generation back; a folder that neither synced nor could
/// be listed; a simulated disk on which changes of one name overtook each other.
const FOUND: [u64; 3] = [135_200, 152_858, 307_779];
const LIVES_PER_SEED: u64 = 12;
const SAVES_PER_LIFE_MAX: u64 = 6;
const FOLDER: &str = "checkpoint";
const SINK: &str = "results";

#[test]
fn no_crash_loses_what_was_saved() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (first, seeds) = (number("FIRESTEEL_SIM_FIRST").unwrap_or(0), number("FIRESTEEL_SIM_SEEDS").unwrap_or(SEEDS));
    let start = Instant::now();
    let mut tally = Tally::default();
    FOUND.into_iter().chain(first..first + seeds).for_each(|seed| live(seed, &mut tally));
    let seconds = start.elapsed().as_secs_f64();
    println!("{tally:?}: {:.0} crashes a second", tally.lives as f64 / seconds);
    // A simulation that hardly ever does what it is for would find nothing.
    let least = seeds * LIVES_PER_SEED / 100;
    assert!(seeds < 100 || [tally.saved, tally.failed, tally.fell_back, tally.died_opening].iter().all(|n| *n > least));
}

/// Found by the simulation: the folder of a sink could not be made durable once, its next sync succeeded, and a
/// checkpoint counted on files whose names a power cut took away.
#[test]
fn files_are_given_up_when_their_folder_could_not_be_made_durable() {
    let disk = FakeDisk::new(0);
    let mut store = Store::open_on(Arc::new(disk.clone()), Path::new(FOLDER)).unwrap().store;
    disk.make_folder(Path::new(SINK));
    let files = ["a", "b"].map(|name| Path::new(SINK).join(name));
    files.iter().for_each(|path| disk.put(path, b"rows"));
    // The first step makes the file durable, the second its folder.
    disk.set_faults(Faults { fails_after: Some(1), ..Faults::default() });
    store.save(&checkpoint(0, 10), &files[..1]).unwrap_err();
    assert_eq!(store.take_lost(), Lost::Names);
    disk.set_faults(Faults::default());
    for path in &files {
        let error = store.save(&checkpoint(1, 10), std::slice::from_ref(path)).unwrap_err();
        assert!(error.message().contains("could not be made durable before"), "{error}");
    }
    let later = Path::new(SINK).join("c");
    disk.put(&later, b"rows");
    store.save(&checkpoint(2, 10), std::slice::from_ref(&later)).unwrap();
    disk.restart(true);
    assert_eq!(disk.bytes(&later).unwrap(), b"rows");
}

#[test]
fn a_file_that_could_not_be_made_durable_counts_again_when_it_is_another_one() {
    let disk = FakeDisk::new(0);
    let mut store = Store::open_on(Arc::new(disk.clone()), Path::new(FOLDER)).unwrap().store;
    disk.make_folder(Path::new(SINK));
    let path = Path::new(SINK).join("a");
    disk.put(&path, b"rows");
    let save = |store: &mut Store| store.save(&checkpoint(0, 10), std::slice::from_ref(&path)).map(drop);
    disk.set_faults(Faults { fails_after: Some(0), ..Faults::default() });
    save(&mut store).unwrap_err();
    assert_eq!((store.take_lost(), store.take_lost()), (Lost::File(path.clone()), Lost::Nothing));
    disk.set_faults(Faults::default());
    save(&mut store).unwrap_err();
    disk.put(&path, b"rows");
    store.renewed(&path);
    save(&mut store).unwrap();
    disk.restart(true);
    assert_eq!(disk.bytes(&path).unwrap(), b"rows");
}

#[test]
fn a_folder_in_one_that_may_not_be_opened_holds_checkpoints() {
    let disk = FakeDisk::new(0);
    disk.make_folder(Path::new(FOLDER));
    disk.restart(false);
    disk.forbid(Path::new("."));
    let mut store = Store::open_on(Arc::new(disk.clone()), Path::new(FOLDER)).unwrap().store;
    store.save(&checkpoint(0, 10), &[]).unwrap();
    drop(store);
    assert_eq!(Store::open_on(Arc::new(disk.clone()), Path::new(FOLDER)).unwrap().checkpoint, Some(checkpoint(0, 10)));
    disk.forbid(Path::new(FOLDER));
    assert!(Store::open_on(Arc::new(disk), Path::new(FOLDER)).is_err());
}

/// Found by the simulation: the newest file was damaged, so the last one that a clear removed was not the newest good
/// one, and a power cut in between brought back one older than what had been opened.
#[test]
fn a_clear_that_is_cut_short_brings_no_older_generation_back() {
    let folder = Path::new(FOLDER);
    for seed in 0..100 {
        let disk = FakeDisk::new(seed);
        let mut store = Store::open_on(Arc::new(disk.clone()), folder).unwrap().store;
        store.save(&checkpoint(1, 10), &[]).unwrap();
        let oldest = newest(&disk, &[]).unwrap();
        let bytes = disk.bytes(&oldest).unwrap();
        (2..=3).for_each(|number| _ = store.save(&checkpoint(number, 10), &[]).unwrap());
        // As if its removal had not been made durable.
        disk.put(&oldest, &bytes);
        disk.overwrite(&oldest, bytes);
        disk.overwrite(&newest(&disk, &[]).unwrap(), Vec::new());
        drop(store);
        let mut opened = Store::open_on(Arc::new(disk.clone()), folder).unwrap();
        assert_eq!(opened.checkpoint, Some(checkpoint(2, 10)));
        disk.set_faults(Faults { dies_after: Some(seed % 8), ..Faults::default() });
        let is_cleared = opened.store.clear().is_ok();
        drop(opened);
        disk.restart(true);
        let found = Store::open_on(Arc::new(disk.clone()), folder).unwrap().checkpoint;
        assert!(found.is_none() || (!is_cleared && found == Some(checkpoint(2, 10))), "seed {seed}: {found:?}");
    }
}

/// What has happened, to see that all of it does.
#[derive(Debug, Default)]
struct Tally {
    lives: u64,
    opened: u64,
    died_opening: u64,
    saved: u64,
    failed: u64,
    fell_back: u64,
    cleared: u64,
}

/// One disk, from its first use to the last.
fn live(seed: u64, tally: &mut Tally) {
    let _seed = SayOnPanic(seed);
    let disk = FakeDisk::new(seed);
    let mut random = Random(seed ^ 0x5eed);
    let mut model = Model::default();
    for _ in 0..LIVES_PER_SEED {
        tally.lives += 1;
        disk.set_faults(faults(&mut random));
        one_life(&disk, &mut random, &mut model, tally);
        disk.restart(random.chance(600));
        if random.chance(100) {
            model.damage_newest(&disk, &mut random);
        }
    }
    let opened = Store::open_on(Arc::new(disk.clone()), Path::new(FOLDER)).unwrap();
    model.check(&disk, &opened, 0);
}

fn faults(random: &mut Random) -> Faults {
    let per_mille = [0, 0, 15, 150][random.below(4) as usize];
    let steps = [12, 80][random.below(2) as usize];
    let dies_after = random.chance(800).then(|| random.below(steps));
    Faults { per_mille, dies_after, fails_after: None }
}

fn one_life(disk: &FakeDisk, random: &mut Random, model: &mut Model, tally: &mut Tally) {
    let failures = disk.failures();
    let opened = match Store::open_on(Arc::new(disk.clone()), Path::new(FOLDER)) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(disk.failures() > failures, "nothing has failed, but {error}");
            tally.died_opening += u64::from(disk.is_dead());
            return;
        }
    };
    tally.opened += 1;
    tally.fell_back += u64::from(!opened.discarded.is_empty());
    model.check(disk, &opened, disk.failures() - failures);
    // A process may die while it tidies up, and whoever looks after one that has fallen back may rather stop it.
    if disk.is_dead() || opened.is_lost || (!opened.discarded.is_empty() && random.chance(500)) {
        return;
    }
    model.go_on_from(disk, &opened);
    let mut store = opened.store;
    for _ in 0..random.below(SAVES_PER_LIFE_MAX + 1) {
        if random.chance(20) {
            model.clear(&mut store);
            tally.cleared += 1;
        } else {
            let is_saved = model.save(disk, &mut store, random);
            *(if is_saved { &mut tally.saved } else { &mut tally.failed }) += 1;
        }
        if disk.is_dead() {
            return;
        }
    }
}

/// What was asked for, and what was promised.
#[derive(Debug, Default)]
struct Model {
    /// Every save that was begun: checkpoint `i` says that epoch `i` is next.
    begun: Vec<Begun>,
    /// Saves that have succeeded and are kept, newest first.
    good: Vec<usize>,
    /// The first save after the last clear.
    first: usize,
    /// The next save that succeeds keeps itself alone, as far as we know: a clear was begun; or a sync of the folder
    /// has failed, then a process died, and what it left looks good but a power cut may undo it.
    is_good_in_doubt: bool,
    /// A clear was begun and has not succeeded.
    may_be_empty: bool,
    /// Files of generations that were damaged on purpose.
    damaged: Vec<PathBuf>,
    /// Files of a sink whose save failed.
    unsaved: Vec<(PathBuf, Vec<u8>)>,
    /// Folders of a sink in a save that failed in this life.
    failed_folders: Vec<PathBuf>,
    /// A file of a sink for the next save, written before the last one.
    early: Vec<(PathBuf, Vec<u8>)>,
}

#[derive(Debug)]
struct Begun {
    checkpoint: Checkpoint,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Model {
    fn save(&mut self, disk: &FakeDisk, store: &mut Store, random: &mut Random) -> bool {
        let number = self.begun.len();
        let early = std::mem::take(&mut self.early);
        let files = [early.clone(), self.sink_files(disk, number, random)].concat();
        let paths: Vec<PathBuf> = files.iter().map(|(path, _)| path.clone()).collect();
        let mut checkpoint = checkpoint(number as u64, random.below(3000) as usize);
        checkpoint.header.sink = json!(paths);
        let is_old = !early.is_empty() || files.iter().any(|file| self.unsaved.contains(file));
        self.begun.push(Begun { checkpoint: checkpoint.clone(), files: files.clone() });
        let failures = disk.failures();
        match store.save(&checkpoint, &paths) {
            Ok(_) => {
                if std::mem::take(&mut self.is_good_in_doubt) {
                    self.good.clear();
                }
                self.good.insert(0, number);
                self.good.truncate(2);
                self.may_be_empty = false;
                self.unsaved.clear();
                if disk.failures() == failures {
                    let generations = disk.files(Path::new(FOLDER)).len() - 1;
                    assert!(generations <= 2, "{:?}", disk.files(Path::new(FOLDER)));
                }
                true
            }
            Err(error) => {
                assert!(
                    disk.failures() > failures || is_old || self.is_folder_given_up(&files),
                    "nothing has failed, but {error}"
                );
                self.failed_folders.extend(files.iter().map(|(path, _)| path.parent().unwrap().to_path_buf()));
                self.unsaved = files;
                false
            }
        }
    }

    /// A folder that neither syncs nor can be listed is given up with all that comes into it.
    fn is_folder_given_up(&self, files: &[(PathBuf, Vec<u8>)]) -> bool {
        files.iter().any(|(path, _)| self.failed_folders.iter().any(|folder| path.starts_with(folder)))
    }

    /// Files that a sink has written for a save; some of them for the one before, which has failed.
    fn sink_files(&mut self, disk: &FakeDisk, number: usize, random: &mut Random) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = if random.chance(300) { self.unsaved.clone() } else { Vec::new() };
        files.extend((0..random.below(3)).map(|i| sink_file(disk, number, i, random)));
        if random.chance(150) {
            self.early.push(sink_file(disk, number, 3, random));
        }
        files
    }

    fn clear(&mut self, store: &mut Store) {
        (self.may_be_empty, self.is_good_in_doubt) = (true, true);
        if store.clear().is_ok() {
            self.first = self.begun.len();
            self.good.clear();
        }
    }

    /// What an open gives, after as many `failures` in it, is what was promised.
    fn check(&self, disk: &FakeDisk, opened: &Opened, failures: u64) {
        assert_eq!(opened.is_lost, opened.checkpoint.is_none() && !opened.discarded.is_empty());
        if failures == 0 {
            let unexpected = opened.discarded.iter().find(|discarded| !self.damaged.contains(&discarded.path));
            assert!(unexpected.is_none(), "{unexpected:?}");
        }
        let Some(found) = &opened.checkpoint else {
            let is_right = self.good.is_empty() || self.may_be_empty || failures > 0;
            return assert!(is_right, "save {:?} is gone; discarded: {:?}", self.good, opened.discarded);
        };
        let number = found.header.next_epoch as usize;
        let begun = &self.begun[number];
        assert!(*found == begun.checkpoint, "save {number} was changed");
        assert!(number >= self.first, "save {number} was cleared");
        let newest = self.good.first().copied().unwrap_or_default();
        assert!(number >= newest || failures > 0, "save {number} instead of {newest}");
        for (path, bytes) in &begun.files {
            let is_whole =
                [disk.bytes(path), disk.durable_bytes(path)].iter().all(|found| found.as_ref() == Some(bytes));
            assert!(is_whole, "{} of save {number}", path.display());
        }
    }

    /// What was opened is relied on from now on.
    fn go_on_from(&mut self, disk: &FakeDisk, opened: &Opened) {
        let number = opened.checkpoint.as_ref().map(|found| found.header.next_epoch as usize);
        self.unsaved.clear();
        self.early.clear();
        self.failed_folders.clear();
        self.good.retain(|good| number.is_some_and(|number| *good < number));
        let newest = newest(disk, &opened.discarded);
        let is_durable = newest.is_some_and(|path| disk.durable_bytes(&path).is_some());
        self.is_good_in_doubt |= !is_durable;
        if let Some(number) = number.filter(|_| is_durable) {
            self.good.insert(0, number);
            self.good.truncate(2);
        }
    }

    /// The medium damages the newest generation, if another one is promised.
    fn damage_newest(&mut self, disk: &FakeDisk, random: &mut Random) {
        let Some(path) = newest(disk, &[]) else { return };
        if self.good.len() < 2 || self.may_be_empty {
            return;
        }
        let mut bytes = disk.bytes(&path).unwrap();
        match random.below(2) {
            0 => bytes.truncate(random.below(bytes.len() as u64) as usize),
            _ => {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << random.below(8);
            }
        }
        disk.overwrite(&path, bytes);
        self.damaged.push(path);
        self.good.remove(0);
    }
}

/// A file of a sink; every few saves there is a new folder for them.
fn sink_file(disk: &FakeDisk, number: usize, i: u64, random: &mut Random) -> (PathBuf, Vec<u8>) {
    let folder = PathBuf::from(format!("{SINK}-{}", number / 8));
    if disk.bytes(&folder).is_none() {
        disk.make_folder(&folder);
    }
    let path = folder.join(format!(".part-{number}-{i}.tmp"));
    let bytes: Vec<u8> = (0..random.below(1500)).map(|_| random.next() as u8).collect();
    disk.put(&path, &bytes);
    (path, bytes)
}

/// The newest generation of which nothing bad is known.
fn newest(disk: &FakeDisk, discarded: &[Discarded]) -> Option<PathBuf> {
    let is_generation = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "ckpt");
    let is_good = |path: &PathBuf| discarded.iter().all(|discarded| discarded.path != *path);
    disk.files(Path::new(FOLDER)).into_iter().rfind(|path| is_generation(path) && is_good(path))
}

/// Says which seed to run again.
struct SayOnPanic(u64);

impl Drop for SayOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("failed with FIRESTEEL_SIM_FIRST={} FIRESTEEL_SIM_SEEDS=1", self.0);
        }
    }
}
