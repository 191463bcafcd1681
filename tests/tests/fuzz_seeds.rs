//! The fuzz targets on any toolchain: their functions over the committed seeds, and over mutations of them that follow
//! from a number. What a fuzzer has found is a seed from then on. `fuzz/run` is the long form.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]

#[path = "../../fuzz/src/lib.rs"]
#[allow(missing_docs, missing_debug_implementations, reason = "held to this where it is a crate of its own")]
mod fuzz;

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Mutations of each seed, unless the environment says how many.
const MUTATIONS: usize = 100;

#[test]
fn no_lane_does_harm() {
    hold("ring");
}

#[test]
fn no_checkpoint_does_harm() {
    hold("checkpoint");
}

#[test]
fn no_text_of_a_job_does_harm() {
    hold("sql");
}

#[test]
fn no_csv_does_harm() {
    hold("csv");
}

#[test]
fn no_json_does_harm() {
    hold("json");
}

#[test]
fn no_log_and_no_pattern_does_harm() {
    hold("text");
}

/// `FIRESTEEL_FUZZ_WRITE=1 cargo test -p firesteel-tests --test fuzz_seeds program_wrote` writes them anew.
#[test]
fn seeds_that_a_program_wrote_are_there() {
    for (target, name, bytes) in fuzz::seeds::all() {
        let path = folder(target).join(&name);
        if std::env::var_os("FIRESTEEL_FUZZ_WRITE").is_some() {
            fs::create_dir_all(folder(target)).unwrap();
            fs::write(&path, &bytes).unwrap();
        }
        assert!(path.is_file(), "{target}/{name} is missing");
    }
}

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target)
}

fn hold(target: &str) {
    let (_, run) = fuzz::TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let seeds = seeds(target);
    assert!(seeds.len() >= 3, "{target} has no seeds");
    let mutations = std::env::var("FIRESTEEL_FUZZ_MUTATIONS").map_or(MUTATIONS, |text| text.parse().unwrap());
    let mut random = Random(1);
    for (name, seed) in &seeds {
        let tell = Tell(name, "as it is");
        run(seed);
        std::mem::forget(tell);
        for _ in 0..mutations {
            let mutant = mutate(seed, &mut random, &seeds);
            let how = format!("{mutant:02x?}");
            let tell = Tell(name, &how);
            run(&mutant);
            std::mem::forget(tell);
        }
    }
}

/// Says, if it is dropped by a panic, which input that was.
struct Tell<'a>(&'a str, &'a str);

impl Drop for Tell<'_> {
    fn drop(&mut self) {
        eprintln!("the seed {}, {}", self.0, self.1);
    }
}

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let mut seeds: Vec<_> = fs::read_dir(folder(target)).unwrap().map(|entry| entry.unwrap().path()).collect();
    seeds.sort();
    seeds.into_iter().map(|path| (path.display().to_string(), fs::read(path).unwrap())).collect()
}

/// xorshift: what is changed where need not be good randomness.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// A few bits, bytes or stretches changed, cut, doubled, or taken from another seed.
fn mutate(seed: &[u8], random: &mut Random, seeds: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + random.below(4) {
        let (from, to) = (random.below(bytes.len() + 1), random.below(bytes.len() + 1));
        let (from, to) = (from.min(to), from.max(to).min(from.min(to) + 64));
        match random.below(7) {
            0 | 1 if from < bytes.len() => bytes[from] ^= 1 << random.below(8),
            2 if from < bytes.len() => bytes[from] = [0, 1, 127, 128, 255, b'"', b'\n', b'('][random.below(8)],
            3 => _ = bytes.drain(from..to),
            4 => bytes.truncate(from.max(1)),
            5 => {
                let stretch = bytes[from..to].to_vec();
                bytes.splice(from..from, stretch);
            }
            _ => {
                let other = &seeds[random.below(seeds.len())].1;
                let start = random.below(other.len());
                let end = other.len().min(start + 32);
                bytes.splice(from..to, other[start..end].iter().copied());
            }
        }
    }
    bytes
}
