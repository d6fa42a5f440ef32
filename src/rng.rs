//! A small seeded generator for what has to be spread out, not kept secret: back-off jitter, simulated cars, tests.
//!
//! SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014): one word of state,
//! every seed is a good one, passes BigCrush. The same seed gives the same numbers on every machine and in every
//! version, so that a run can be repeated from its seed. Its output can be predicted: never for keys, tokens or ids.

/// A deterministic stream of numbers.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The stream that belongs to this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`; zero when `bound` is zero. The bias (multiply-shift without rejection) is below
    /// `bound` / 2^64.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }

    /// An index into something of this length; zero when it is empty.
    #[expect(clippy::cast_possible_truncation, reason = "the upper half of the product is below `len`")]
    pub const fn index(&mut self, len: usize) -> usize {
        ((self.next_u64() as u128 * len as u128) >> 64) as usize
    }

    /// A number from 0 (included) to 1 (not included), in steps of 2^-53.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
    pub const fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    /// A number between the two, evenly spread.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "half the digits are enough")]
    pub const fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit() as f32
    }

    /// A number of the standard normal distribution, or nearly so: the sum of four even ones has its mean, variance
    /// and skewness, and ends at ±3.46. It costs no logarithm, and is the same on every machine.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "18 bits fit a float exactly")]
    pub const fn gauss(&mut self) -> f32 {
        const MASK: u64 = 0xffff;
        let word = self.next_u64();
        let sum = (word & MASK) + (word >> 16 & MASK) + (word >> 32 & MASK) + (word >> 48);
        // Four numbers from 0 to 65,535: mean 131,070, standard deviation 65,536 / sqrt(3).
        (sum as f32 - 131_070.0) / 37_837.227
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_the_published_one() {
        // Reference values of the SplitMix64 that java.util.SplittableRandom and the xoshiro authors publish.
        let mut rng = Rng::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn numbers_stay_in_their_range_and_reach_all_of_it() {
        let mut rng = Rng::new(1);
        let mut seen = [false; 7];
        for _ in 0..1_000 {
            let unit = rng.unit();
            assert!((0.0..1.0).contains(&unit));
            seen[usize::try_from(rng.below(7)).expect("small")] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn the_normal_numbers_have_their_mean_and_deviation() {
        let mut rng = Rng::new(5);
        let numbers: Vec<f32> = (0..100_000).map(|_| rng.gauss()).collect();
        let mean = numbers.iter().sum::<f32>() / 100_000.0;
        let deviation = (numbers.iter().map(|number| number * number).sum::<f32>() / 100_000.0).sqrt();
        assert!(mean.abs() < 0.01 && (deviation - 1.0).abs() < 0.01, "{mean}, {deviation}");
    }
}
