//! The operating system: map files and large arrays, sleep until a word changes, tell whether a process lives, pin a
//! thread. Whatever needs more than safe std calls lives here, so that nothing else does; each file has a safe face.

mod affinity;
pub mod file;
pub mod futex;
pub mod guard;
#[cfg(target_os = "linux")]
pub mod heap;
pub mod mapping;
#[cfg(target_os = "linux")]
pub mod memory;
pub mod poll;
pub mod process;
#[cfg(target_os = "linux")]
pub mod program;
pub mod scarce;
#[cfg(target_os = "linux")]
pub mod socket;

pub use affinity::{cores, pin_to_core};
pub use mapping::Mapping;
pub use process::{Identity, Watch};
