//! Cores: a worker stays on its own, so that its caches do.

/// Pins the calling thread to a core; false if the system does not let it (a container with fewer cores, say).
pub fn pin_to_core(core: usize) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: core })
}
