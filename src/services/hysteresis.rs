//! Numbers that are shown without flutter.

/// A switch with two thresholds: on at the upper, off at the lower, unchanged between.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schmitt {
    on_at: f64,
    off_at: f64,
}

impl Schmitt {
    /// On at `on_at` and above, off at `off_at` and below; `off_at` is the smaller one.
    pub(super) const fn new(on_at: f64, off_at: f64) -> Self {
        Self { on_at, off_at }
    }

    /// What `value` makes of the switch; between the thresholds it stays, and is off when it was not known.
    pub(super) fn apply(&self, was_on: Option<bool>, value: f64) -> bool {
        if value >= self.on_at {
            true
        } else if value <= self.off_at {
            false
        } else {
            was_on.unwrap_or(false)
        }
    }
}

/// A number shown in whole steps: it moves when the value has left the shown step by a quarter of a step, so that a
/// value on the edge between two steps does not flutter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    step: f64,
    shown: Option<f64>,
}

/// Beyond the edge of the shown step, in steps.
const OVERLAP: f64 = 0.25;

impl Steps {
    /// Shows multiples of `step`, which is positive; nothing yet.
    pub(super) const fn of(step: f64) -> Self {
        Self { step, shown: None }
    }

    /// The number to show.
    pub(super) const fn shown(&self) -> Option<f64> {
        self.shown
    }

    /// Takes a finite value; says whether the number to show changed.
    pub(super) fn offer(&mut self, value: f64) -> bool {
        let stays = self.shown.is_some_and(|shown| (value - shown).abs() <= self.step * (0.5 + OVERLAP));
        if stays {
            return false;
        }
        let shown = Some((value / self.step).round() * self.step);
        std::mem::replace(&mut self.shown, shown) != shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn between_the_thresholds_a_switch_stays_as_it_is() {
        let switch = Schmitt::new(3.0, 1.0);
        assert!(switch.apply(Some(false), 3.0));
        assert!(!switch.apply(Some(true), 1.0));
        for was in [true, false] {
            assert_eq!(switch.apply(Some(was), 2.0), was);
        }
        assert!(!switch.apply(None, 2.0));
    }

    #[test]
    fn a_value_on_an_edge_does_not_flutter() {
        let mut steps = Steps::of(1.0);
        assert!(steps.offer(62.4));
        assert_eq!(steps.shown(), Some(62.0));
        for value in [62.6, 62.4, 62.74, 61.26, 62.5] {
            assert!(!steps.offer(value), "{value}");
        }
        assert!(steps.offer(62.8));
        assert_eq!(steps.shown(), Some(63.0));
    }

    #[test]
    fn what_is_shown_is_never_further_away_than_the_overlap() {
        let mut steps = Steps::of(0.5);
        let mut value = 50.0;
        for turn in 0..10_000_u32 {
            value += f64::from(turn * 7 % 13) / 10.0 - 0.6;
            steps.offer(value);
            let shown = steps.shown().expect("a value was offered");
            assert!((shown - value).abs() <= 0.5 * (0.5 + OVERLAP) + 1e-9, "{shown} for {value}");
        }
    }
}
