//! Whatever happens to the files of a store while nobody looks, opening it gives the newest good generation and says
//! what it leaves out.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tempfile::TempDir;

use super::checkpoint;
use crate::checkpoint::{Opened, Store, testing::FakeDisk};

const STATE_BYTES: usize = 24;
const FOLDER: &str = "checkpoint";

fn path(folder: &Path, generation: u64) -> PathBuf {
    folder.join(format!("generation-{generation:020}.ckpt"))
}

/// A disk in memory with what [`two_generations`] makes; opening it is a thousand times as fast.
fn two_generations_in_memory() -> (FakeDisk, [Vec<u8>; 2]) {
    let (_, bytes) = two_generations();
    let disk = FakeDisk::new(0);
    disk.make_folder(Path::new(FOLDER));
    [2, 3]
        .into_iter()
        .zip(&bytes)
        .for_each(|(generation, bytes)| disk.put(&path(Path::new(FOLDER), generation), bytes));
    (disk, bytes)
}

/// A folder with generations 2 and 3, which hold checkpoints 2 and 3; the bytes of both.
fn two_generations() -> (TempDir, [Vec<u8>; 2]) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path()).unwrap().store;
    (1..=3).for_each(|number| _ = store.save(&checkpoint(number, STATE_BYTES), &[]).unwrap());
    let bytes = [2, 3].map(|generation| fs::read(path(dir.path(), generation)).unwrap());
    (dir, bytes)
}

/// One of generations 2 and 3 is no good: the other is given. The reason that is said.
fn reason_of(opened: &Opened, damaged: u64) -> &str {
    let Opened { checkpoint: found, discarded, is_lost, .. } = opened;
    assert_eq!(*found, Some(checkpoint(5 - damaged, STATE_BYTES)), "the other one is good");
    assert!(!is_lost);
    let [discarded] = discarded.as_slice() else { panic!("{discarded:?}") };
    assert!(discarded.path.ends_with(path(Path::new(""), damaged)), "{discarded:?}");
    &discarded.reason
}

/// Damages each generation in each of the ways `damage` knows: `None` when there are no more.
fn damaged_in_turn(damage: impl Fn(&[u8], usize) -> Option<Vec<u8>>, is_told: impl Fn(usize, &str) -> bool) {
    let (disk, whole) = two_generations_in_memory();
    for (damaged, bytes) in [2, 3].into_iter().zip(&whole) {
        let path = path(Path::new(FOLDER), damaged);
        for (i, bytes) in (0..).map_while(|i| Some((i, damage(bytes, i)?))) {
            disk.overwrite(&path, bytes);
            let opened = Store::open_on(Arc::new(disk.clone()), Path::new(FOLDER)).unwrap();
            let reason = reason_of(&opened, damaged);
            assert!(is_told(i, reason), "{i}: {reason}");
        }
        disk.overwrite(&path, bytes.clone());
    }
}

#[test]
fn a_file_cut_anywhere_is_told_and_the_other_is_taken() {
    let cut = |bytes: &[u8], len: usize| (len < bytes.len()).then(|| bytes[..len].to_vec());
    damaged_in_turn(cut, |len, reason| reason.contains(if len == 0 { "empty" } else { "cut" }));
}

#[test]
fn any_flipped_bit_is_found() {
    let flip = |bytes: &[u8], bit: usize| {
        let mut bytes = bytes.to_vec();
        *bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
        Some(bytes)
    };
    damaged_in_turn(flip, |bit, reason| match bit / 8 {
        0..8 => reason.contains("not a checkpoint"),
        24..40 => reason.contains("damaged") || reason.contains("cut"),
        _ => reason.contains("checksum"),
    });
}

#[test]
fn files_that_are_no_generation_of_ours_are_told_apart() {
    let (dir, [_, whole]) = two_generations();
    let newest = path(dir.path(), 3);
    let longer = [&whole[..], b"x"].concat();
    let zeroes = vec![0; whole.len()];
    let cases: [(&[u8], &str); 5] = [
        (&longer, "should have"),
        (&zeroes, "not a checkpoint of Firesteel"),
        (b"FIREWOOD", "not a checkpoint of Firesteel"),
        (&fs::read(path(dir.path(), 2)).unwrap(), "holds generation 2"),
        (&newer(&whole), "newer version of Firesteel (format 2;"),
    ];
    for (bytes, expected) in cases {
        fs::write(&newest, bytes).unwrap();
        let opened = Store::open(dir.path()).unwrap();
        let reason = reason_of(&opened, 3);
        assert!(reason.contains(expected), "{reason}");
    }
    fs::remove_file(&newest).unwrap();
    fs::create_dir(&newest).unwrap();
    assert!(reason_of(&Store::open(dir.path()).unwrap(), 3).contains("it is a folder"));
}

/// What a later version would write: all that it shares with ours is the first 16 bytes.
fn newer(bytes: &[u8]) -> Vec<u8> {
    let mut newer = bytes.to_vec();
    newer[8..12].copy_from_slice(&2_u32.to_le_bytes());
    let check = crc32fast::hash(&newer[..12]);
    newer[12..16].copy_from_slice(&check.to_le_bytes());
    newer[16..].fill(0xaa);
    newer
}

#[test]
fn a_removed_file_leaves_the_other() {
    for (removed, left) in [(2, 3), (3, 2)] {
        let (dir, _) = two_generations();
        fs::remove_file(path(dir.path(), removed)).unwrap();
        let opened = Store::open(dir.path()).unwrap();
        assert_eq!(opened.checkpoint, Some(checkpoint(left, STATE_BYTES)));
        assert!(opened.discarded.is_empty());
    }
}

#[test]
fn files_without_a_good_one_are_a_loss_and_an_empty_folder_is_not() {
    let (dir, _) = two_generations();
    fs::write(path(dir.path(), 2), "").unwrap();
    fs::write(path(dir.path(), 3), "x").unwrap();
    let mut opened = Store::open(dir.path()).unwrap();
    assert!(opened.is_lost && opened.checkpoint.is_none());
    assert_eq!(opened.discarded.len(), 2);
    opened.store.clear().unwrap();
    drop(opened);
    let opened = Store::open(dir.path()).unwrap();
    assert!(!opened.is_lost && opened.checkpoint.is_none() && opened.discarded.is_empty());
}

#[test]
fn what_is_no_good_goes_when_a_save_succeeds_and_what_is_not_ours_stays() {
    let (dir, [_, whole]) = two_generations();
    let name = |name: &str| dir.path().join(name);
    for stale in [7, 3, u64::MAX] {
        fs::write(name(&format!("generation-{stale:020}.ckpt.tmp")), &whole[..9]).unwrap();
    }
    fs::write(path(dir.path(), 9), newer(&whole)).unwrap();
    let foreign = ["generation-5.ckpt", "generation-99999999999999999999.ckpt", "notes.txt"];
    foreign.iter().for_each(|file| fs::write(name(file), "mine").unwrap());
    let mut opened = Store::open(dir.path()).unwrap();
    assert_eq!(opened.checkpoint, Some(checkpoint(3, STATE_BYTES)));
    assert_eq!(opened.discarded.len(), 1, "{:?}", opened.discarded);
    opened.store.save(&checkpoint(10, STATE_BYTES), &[]).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let ours = ["generation-00000000000000000003.ckpt", "generation-00000000000000000010.ckpt"];
    assert_eq!(names, [&ours[..], &foreign[..1], &foreign[1..2], &["lock"], &foreign[2..]].concat());
}

#[test]
fn the_last_numbers_do_not_overflow() {
    let (dir, [_, whole]) = two_generations();
    fs::write(path(dir.path(), u64::MAX), "not good").unwrap();
    let mut opened = Store::open(dir.path()).unwrap();
    opened.store.save(&checkpoint(4, STATE_BYTES), &[]).unwrap();
    assert!(path(dir.path(), 4).exists() && !path(dir.path(), u64::MAX).exists());
    drop(opened);
    fs::write(path(dir.path(), u64::MAX - 1), whole).unwrap();
    let mut store = Store::open(dir.path()).unwrap().store;
    store.save(&checkpoint(5, STATE_BYTES), &[]).unwrap();
    for _ in 0..2 {
        let error = store.save(&checkpoint(6, STATE_BYTES), &[]).unwrap_err();
        assert!(error.is_limit() && error.hint_text().is_some());
    }
    drop(store);
    let mut opened = Store::open(dir.path()).unwrap();
    assert_eq!(opened.checkpoint, Some(checkpoint(5, STATE_BYTES)));
    assert!(opened.store.save(&checkpoint(6, STATE_BYTES), &[]).is_err());
    opened.store.clear().unwrap();
    opened.store.save(&checkpoint(7, STATE_BYTES), &[]).unwrap();
}
