//! Cores: a worker stays on its own, so that its caches do.

use core_affinity::CoreId;

/// The cores this process may run on, by the system's numbers.
pub fn cores() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect()
}

/// Pins the calling thread to a core; false if the system does not let it (a container with fewer cores, say).
pub fn pin_to_core(core: usize) -> bool {
    core_affinity::set_for_current(CoreId { id: core })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_can_be_pinned_to_a_core_that_exists() {
        let core = *cores().last().expect("a machine has a core");
        assert!(std::thread::spawn(move || pin_to_core(core)).join().unwrap());
    }
}
