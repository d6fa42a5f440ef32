//! A mean of the last samples that spikes do not move.
//!
//! The mean of what is left without the highest and lowest sixth: slosh is a wave, whose values crowd at its crests and
//! troughs, so that their median jumps between the two, and their mean does not.

/// The last `N` samples.
#[derive(Debug)]
pub(super) struct Window<const N: usize> {
    samples: [f64; N],
    /// The place of the next sample.
    next: usize,
    len: usize,
}

impl<const N: usize> Default for Window<N> {
    fn default() -> Self {
        Self { samples: [0.0; N], next: 0, len: 0 }
    }
}

impl<const N: usize> Window<N> {
    pub(super) fn push(&mut self, sample: f64) {
        self.samples[self.next % N] = sample;
        self.next = (self.next + 1) % N;
        self.len = (self.len + 1).min(N);
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// The mean of all samples; none without any.
    pub(super) fn mean(&self) -> Option<f64> {
        self.newest(self.len).0
    }

    /// The mean, once the window is full.
    pub(super) fn full_mean(&self) -> Option<f64> {
        self.newest(N).0
    }

    /// The mean of the newest `count` samples, if they lie within `spread` of each other.
    pub(super) fn settled(&self, count: usize, spread: f64) -> Option<f64> {
        let (mean, seen) = self.newest(count);
        mean.filter(|_| seen <= spread)
    }

    /// Mean and spread of the newest `count` samples; no mean when there are fewer, or none is asked for.
    fn newest(&self, count: usize) -> (Option<f64>, f64) {
        let mut sorted = [0.0; N];
        if count == 0 || count > self.len {
            return (None, 0.0);
        }
        for (age, slot) in sorted.iter_mut().take(count).enumerate() {
            *slot = self.samples[(self.next + N - 1 - age) % N];
        }
        let sorted = &mut sorted[..count];
        sorted.sort_unstable_by(f64::total_cmp);
        let spread = sorted.last().zip(sorted.first()).map_or(0.0, |(last, first)| last - first);
        let kept = &sorted[count / 6..count - count / 6];
        (Some(kept.iter().sum::<f64>() / f64::from(u16::try_from(kept.len()).unwrap_or(u16::MAX))), spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(samples: &[f64]) -> Window<6> {
        let mut window = Window::default();
        for sample in samples {
            window.push(*sample);
        }
        window
    }

    #[test]
    fn a_spike_does_not_move_the_mean() {
        assert_eq!(window(&[]).mean(), None);
        assert_eq!(window(&[7.0]).mean(), Some(7.0));
        assert_eq!(window(&[49.0, 0.0, 51.0, 100.0, 50.0, 50.0]).mean(), Some(50.0));
        assert_eq!(window(&[9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).mean(), Some(3.5), "only the last six");
    }

    #[test]
    fn settled_looks_at_the_newest_only() {
        let samples = window(&[90.0, 90.0, 40.0, 41.0, 42.0]);
        assert_eq!(samples.settled(3, 2.0), Some(41.0));
        assert_eq!(samples.settled(3, 1.9), None);
        assert_eq!(samples.settled(4, 2.0), None);
        assert_eq!(window(&[1.0, 1.0]).settled(3, 2.0), None, "too few");
        assert_eq!(window(&[1.0; 4]).full_mean(), None);
    }
}
