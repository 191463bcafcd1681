//! The instruction sets a kernel is compiled for, and which of them runs.

use core::{
    fmt,
    sync::atomic::{AtomicU8, Ordering},
};

/// An instruction set that kernels are compiled for, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// The oracle: a row at a time.
    Scalar = 1,
    /// What every CPU of the architecture has: SSE2 on x86-64, NEON on aarch64.
    Baseline = 2,
    /// 256-bit vectors.
    Avx2 = 3,
    /// 512-bit vectors with byte, word, double-word and short-vector forms.
    Avx512 = 4,
}

/// The level in use; 0 before the first question.
static CURRENT: AtomicU8 = AtomicU8::new(0);

impl Level {
    const ALL: [Self; 4] = [Self::Scalar, Self::Baseline, Self::Avx2, Self::Avx512];

    /// Names for [`Level::by_name`], least first; SSE2 and NEON are what every CPU of their architecture has.
    pub const NAMES: [&str; 5] = ["scalar", "sse2", "neon", "avx2", "avx512"];

    /// The best level of this CPU.
    pub fn best() -> Self {
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        {
            let has_avx2 = std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("bmi1")
                && std::arch::is_x86_feature_detected!("bmi2")
                && std::arch::is_x86_feature_detected!("popcnt");
            let has_avx512 = has_avx2
                && std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512dq")
                && std::arch::is_x86_feature_detected!("avx512vl");
            if has_avx512 {
                return Self::Avx512;
            }
            if has_avx2 {
                return Self::Avx2;
            }
        }
        Self::Baseline
    }

    /// All levels that this CPU has.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|level| *level <= Self::best())
    }

    /// The level in use.
    #[inline]
    pub fn current() -> Self {
        match CURRENT.load(Ordering::Relaxed) {
            1 => Self::Scalar,
            2 => Self::Baseline,
            3 => Self::Avx2,
            4 => Self::Avx512,
            _ => Self::detect(),
        }
    }

    /// Uses this level from now on, in the whole process; gives the level that is used, which is a lower one if the
    /// CPU has no better. For tests and benches.
    pub fn force(self) -> Self {
        let level = self.min(Self::best());
        CURRENT.store(level as u8, Ordering::Relaxed);
        level
    }

    /// The level of this name, ignoring case: `scalar`, `baseline` (`sse2`, `neon`), `avx2`, `avx512`.
    pub fn by_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "scalar" => Some(Self::Scalar),
            "baseline" | "sse2" | "neon" => Some(Self::Baseline),
            "avx2" => Some(Self::Avx2),
            "avx512" => Some(Self::Avx512),
            _ => None,
        }
    }

    #[cold]
    fn detect() -> Self {
        Self::best().force()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scalar => "scalar",
            Self::Baseline if cfg!(target_arch = "x86_64") => "SSE2",
            Self::Baseline if cfg!(target_arch = "aarch64") => "NEON",
            Self::Baseline => "baseline",
            Self::Avx2 => "AVX2",
            Self::Avx512 => "AVX-512",
        })
    }
}

/// Makes a function that runs `scalar` or `lanes`, the latter compiled for the level in use. `lanes` must be
/// `#[inline(always)]`, or it would be compiled for the baseline alone. Type parameters stand in brackets.
macro_rules! kernel {
    ($(#[$meta:meta])* $vis:vis fn $name:ident$([$($generics:tt)*])?($($arg:ident: $type:ty),* $(,)?) $(-> $ret:ty)?,
     scalar = $scalar:path, lanes = $lanes:path) => {
        $(#[$meta])*
        #[inline]
        $vis fn $name$(<$($generics)*>)?($($arg: $type),*) $(-> $ret)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,bmi1,bmi2,popcnt")]
                fn avx2$(<$($generics)*>)?($($arg: $type),*) $(-> $ret)? {
                    $lanes($($arg),*)
                }
                #[target_feature(enable = "avx2,bmi1,bmi2,popcnt,avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512$(<$($generics)*>)?($($arg: $type),*) $(-> $ret)? {
                    $lanes($($arg),*)
                }
                match $crate::simd::Level::current() {
                    $crate::simd::Level::Scalar => $scalar($($arg),*),
                    $crate::simd::Level::Baseline => $lanes($($arg),*),
                    // SAFETY: the level in use is never above what the CPU was found to have.
                    $crate::simd::Level::Avx2 => unsafe { avx2($($arg),*) },
                    // SAFETY: as above.
                    $crate::simd::Level::Avx512 => unsafe { avx512($($arg),*) },
                }
            }
            #[cfg(not(target_arch = "x86_64"))]
            match $crate::simd::Level::current() {
                $crate::simd::Level::Scalar => $scalar($($arg),*),
                _ => $lanes($($arg),*),
            }
        }
    };
}
pub(crate) use kernel;
