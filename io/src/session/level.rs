//! The instruction set that kernels use, as the environment says: looked at once, when the first session of the
//! process is built, because the level is the whole process's.

use std::{env, sync::OnceLock};

use firesteel_core::{Error, Result, simd::Level};

/// The variable that names a level.
const VARIABLE: &str = "FIRESTEEL_SIMD";

/// Puts the level that the environment names to use, if it names one; a warning if this CPU has only a lower one.
/// Later calls change nothing and give the same answer.
pub(super) fn use_environment() -> Result<Option<String>> {
    static DONE: OnceLock<Result<Option<String>>> = OnceLock::new();
    DONE.get_or_init(|| env::var_os(VARIABLE).map_or(Ok(None), |name| use_named(&name.to_string_lossy()))).clone()
}

fn use_named(name: &str) -> Result<Option<String>> {
    if name.is_empty() {
        return Ok(None);
    }
    let wanted = named(name)?;
    let used = wanted.force();
    Ok((used < wanted).then(|| format!("{VARIABLE}={name}: this CPU has no {wanted}; {used} is used")))
}

fn named(name: &str) -> Result<Level> {
    Level::by_name(name).ok_or_else(|| {
        Error::invalid(format!("{VARIABLE}={name} is no instruction set"))
            .hint(format!("one of {}", Level::NAMES.join(", ")))
    })
}

/// A line that says what kernels use.
pub(super) fn explain() -> String {
    let (used, best) = (Level::current(), Level::best());
    let rest = if used == best { "the best of this CPU".into() } else { format!("this CPU has {best}") };
    format!("Kernels use {used}, {rest}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_and_others_are_told_which() {
        Level::NAMES.iter().for_each(|name| assert!(named(name).is_ok(), "{name}"));
        let error = named("mmx").unwrap_err();
        assert!(error.is_invalid_job() && error.hint_text().unwrap().contains("scalar, sse2, neon, avx2, avx512"));
    }
}
