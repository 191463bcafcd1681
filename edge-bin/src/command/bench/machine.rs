//! The machine as the system tells of it: what its CPU is called, and what this process takes of its memory.

use std::fs;

use firesteel_io::sys;

/// What runs the benchmark.
#[derive(Debug)]
pub struct Machine {
    /// What the CPU or the board is called.
    pub model: String,
    /// Cores this process may run on.
    pub cores: usize,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        // ARM's CPUs have no names there; boards have.
        let board = || fs::read_to_string("/sys/firmware/devicetree/base/model").ok();
        let model = field(&cpu, "model name").map(String::from).or_else(board);
        let model = model.map(|name| name.trim_matches(['\0', '\n', ' ']).to_string());
        Self { model: model.unwrap_or_else(|| std::env::consts::ARCH.into()), cores: sys::cores().len() }
    }
}

/// Resident memory of this process, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Memory {
    /// Heap and stacks.
    pub own: u64,
    /// Pages of files: the program's, which the system can drop at any time, and of rings that lie on a disk.
    pub files: u64,
    /// Pages of rings in memory.
    pub shared: u64,
}

impl Memory {
    /// As it is now; nothing where the system does not tell.
    pub fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let bytes = |name| {
            let kilobytes = field(&status, name).and_then(|value| value.strip_suffix("kB")?.trim().parse::<u64>().ok());
            kilobytes.unwrap_or_default() * 1024
        };
        Self { own: bytes("RssAnon"), files: bytes("RssFile"), shared: bytes("RssShmem") }
    }
}

/// The value of the first line `name : value`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name).map(|(_, v)| v.trim())
}
