//! A value that is believed once it has held for a while.

use std::time::Duration;

use crate::time::MonoTime;

/// Follows a raw value with a delay: a new value is taken over when it has held without a break.
#[derive(Debug, Clone, Copy)]
pub(super) struct Debounce<T> {
    believed: Option<T>,
    candidate: Option<Candidate<T>>,
}

#[derive(Debug, Clone, Copy)]
struct Candidate<T> {
    value: T,
    since: MonoTime,
    due: MonoTime,
}

impl<T: Copy + PartialEq> Debounce<T> {
    /// Begins with what is believed already, if anything.
    pub(super) const fn new(believed: Option<T>) -> Self {
        Self { believed, candidate: None }
    }

    /// What is believed; none before the first value has held.
    pub(super) const fn believed(&self) -> Option<T> {
        self.believed
    }

    /// Takes the raw value at `now`, which has to hold for `hold`; none says that there is no word, which breaks a
    /// candidate off and keeps what is believed. When the belief changes, gives the new value and since when it held.
    pub(super) fn offer(&mut self, now: MonoTime, raw: Option<T>, hold: Duration) -> Option<(T, MonoTime)> {
        let Some(value) = raw.filter(|value| self.believed != Some(*value)) else {
            self.candidate = None;
            return None;
        };
        let since =
            self.candidate.filter(|candidate| candidate.value == value).map_or(now, |candidate| candidate.since);
        let due = since + hold;
        if now < due {
            self.candidate = Some(Candidate { value, since, due });
            return None;
        }
        self.believed = Some(value);
        self.candidate = None;
        Some((value, since))
    }

    /// When the candidate will have held.
    pub(super) fn deadline(&self) -> Option<MonoTime> {
        self.candidate.map(|candidate| candidate.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD: Duration = Duration::from_millis(500);

    fn at(ms: u64) -> MonoTime {
        MonoTime::from_millis(ms)
    }

    #[test]
    fn a_value_is_believed_when_it_has_held_and_dated_back() {
        let mut debounce = Debounce::new(Some(1));
        assert_eq!(debounce.offer(at(100), Some(2), HOLD), None);
        assert_eq!(debounce.deadline(), Some(at(600)));
        assert_eq!(debounce.offer(at(599), Some(2), HOLD), None);
        assert_eq!(debounce.believed(), Some(1));
        assert_eq!(debounce.offer(at(600), Some(2), HOLD), Some((2, at(100))));
        assert_eq!(debounce.deadline(), None);
        assert_eq!(debounce.offer(at(700), Some(2), HOLD), None, "told once");
    }

    #[test]
    fn a_break_or_a_silence_begins_the_wait_anew() {
        for gap in [Some(1), Some(3), None] {
            let mut debounce = Debounce::new(Some(1));
            debounce.offer(at(0), Some(2), HOLD);
            debounce.offer(at(400), gap, HOLD);
            assert_eq!(debounce.offer(at(450), Some(2), HOLD), None);
            assert_eq!(debounce.offer(at(949), Some(2), HOLD), None);
            assert_eq!(debounce.offer(at(950), Some(2), HOLD), Some((2, at(450))));
        }
    }

    #[test]
    fn without_a_hold_the_first_word_counts() {
        assert_eq!(Debounce::new(None).offer(at(7), Some(true), Duration::ZERO), Some((true, at(7))));
    }
}
