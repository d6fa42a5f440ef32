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
}
