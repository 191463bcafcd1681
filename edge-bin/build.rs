//! How the binary is linked. Cargo needs nothing of this: where it cannot be known that it works, nothing is asked for.

use std::{env, process::Command};

/// The first glibc whose loader reads packed addresses.
const GLIBC_MIN: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if loader_unpacks() {
        // Addresses that are settled when the program is loaded, as a bitmap: 7 KB instead of 380. Linkers that do not
        // know it ignore it.
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// Whether the program will be loaded by the glibc of this machine, and that is new enough.
fn loader_unpacks() -> bool {
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    let native = env::var("HOST") == env::var("TARGET");
    native && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") && glibc() >= Some(GLIBC_MIN)
}

/// This machine's glibc, as `getconf` tells it: `glibc 2.36`.
fn glibc() -> Option<(u32, u32)> {
    let told = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    let (major, minor) = told.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
