//! Shares with their bounds, and percentiles.

/// Two-sided 95 % of the normal distribution.
const Z95: f64 = 1.959_963_985;

/// A share of a count, with bounds of 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// How many.
    pub hits: usize,
    /// Of how many.
    pub of: usize,
}

impl Share {
    /// The share itself; none of nothing.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.of > 0).then(|| real(self.hits) / real(self.of))
    }

    /// Wilson's score interval (Wilson, JASA 1927): it holds for small counts and shares near 0 and 1.
    #[must_use]
    pub fn bounds(self) -> (f64, f64) {
        let (Some(share), n) = (self.value(), real(self.of)) else { return (0.0, 1.0) };
        let z2 = Z95 * Z95;
        let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
        let half = Z95 / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        ((middle - half).max(0.0), (middle + half).min(1.0))
    }

    /// The largest true share that would give so few with 5 % probability. For none it is exact (Clopper and Pearson):
    /// 1 − 0.05^(1/n), the rule of three.
    #[must_use]
    pub fn at_most(self) -> f64 {
        match (self.hits, self.of) {
            (_, 0) => 1.0,
            (0, n) => 1.0 - 0.05_f64.powf(1.0 / real(n)),
            _ => self.bounds().1,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of cases are far below 2^53")]
const fn real(count: usize) -> f64 {
    count as f64
}

/// Numbers in order.
#[derive(Debug, Clone, Default)]
pub struct Sorted(Vec<f32>);

impl Sorted {
    /// Sorts them.
    #[must_use]
    pub fn new(mut values: Vec<f32>) -> Self {
        values.sort_by(f32::total_cmp);
        Self(values)
    }

    /// How many.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest value that so many per mille are not above (nearest rank); none of nothing.
    #[must_use]
    pub fn per_mille(&self, per_mille: usize) -> Option<f32> {
        let rank = (self.0.len() * per_mille).div_ceil(1_000);
        self.0.get(rank.saturating_sub(1)).copied()
    }

    /// The one in the middle.
    #[must_use]
    pub fn median(&self) -> Option<f32> {
        self.per_mille(500)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_the_published_ones() {
        // Newcombe, Statistics in Medicine 1998, table I: 81 of 263 and 1 of 29.
        for (hits, of, low, high) in [(81, 263, 0.2553, 0.3662), (1, 29, 0.0061, 0.1718), (0, 20, 0.0, 0.1611)] {
            let bounds = Share { hits, of }.bounds();
            assert!((bounds.0 - low).abs() < 1e-4 && (bounds.1 - high).abs() < 1e-4, "{hits}/{of}: {bounds:?}");
        }
    }

    #[test]
    fn none_of_many_is_at_most_three_in_as_many() {
        let bound = Share { hits: 0, of: 20_000 }.at_most();
        assert!((bound - 3.0 / 20_000.0).abs() < 1e-6, "{bound}");
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let sorted = Sorted::new((1..=100_u8).rev().map(f32::from).collect());
        assert_eq!(sorted.median(), Some(50.0));
        assert_eq!(sorted.per_mille(950), Some(95.0));
        assert_eq!(sorted.per_mille(990), Some(99.0));
        assert_eq!(Sorted::default().median(), None);
    }
}
