//! Reproducible randomness: splitmix64.

use std::ops::Range;

/// A generator whose seed is printed with every failure.
pub(crate) struct Seeded(u64);

impl Seeded {
    /// From `TELLTALE_SEED`, else from the given default; printed, so that a failure can be repeated.
    pub(crate) fn from_env(default: u64) -> Self {
        let seed = std::env::var("TELLTALE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(default);
        eprintln!("TELLTALE_SEED={seed}");
        Self(seed)
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number out of the range.
    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}
