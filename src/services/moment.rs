//! A moment that may lie before the last restart of the machine.

use std::time::Duration;

use crate::signals::At;
use crate::time::{Clock, KernelBoot, MonoTime, Stamp, TimeSource};

use super::View;

/// When something happened: in this boot, or in an earlier one, of which only the stamp is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// In this boot.
    Here(MonoTime),
    /// In an earlier boot.
    Earlier(Stamp),
}

impl Moment {
    /// What a stamp means at `now` in the boot `kernel`.
    #[must_use]
    pub fn of(stamp: Stamp, kernel: KernelBoot, now: MonoTime) -> Self {
        if stamp.boot == kernel { Self::Here(stamp.mono.min(now)) } else { Self::Earlier(stamp) }
    }

    /// From a stamp that was saved, perhaps by an earlier run in the same boot.
    pub(super) fn restored(stamp: Stamp, view: &View<'_>) -> Self {
        Self::of(stamp, view.boot, view.now)
    }

    /// To be saved.
    pub(super) fn stamp(self, view: &View<'_>) -> Stamp {
        match self {
            Self::Here(mono) => view.stamp(mono),
            Self::Earlier(stamp) => stamp,
        }
    }

    /// For documents.
    pub(super) fn at(self) -> At {
        match self {
            Self::Here(mono) => At::Mono(mono),
            Self::Earlier(stamp) => stamp.wall.map_or(At::Unknown, |wall| At::Wall(wall.wall)),
        }
    }

    /// The same for sure: across a reboot by clocks that were set at both ends. One that nobody has set may be wrong by
    /// days, or count from 1970.
    pub(super) fn surely_until(self, now: MonoTime, clock: &Clock) -> Option<Duration> {
        let is_set = self.is_dated() && clock.source().is_some_and(|source| source > TimeSource::Rtc);
        if is_set || self.here().is_some() { self.until(now, clock) } else { None }
    }

    /// The time since is known, or will be once the clock is set.
    pub(super) fn is_dated(self) -> bool {
        match self {
            Self::Here(_) => true,
            Self::Earlier(stamp) => stamp.wall.is_some_and(|wall| wall.source > TimeSource::Rtc),
        }
    }

    /// The moment, if it lies in this boot.
    pub(super) const fn here(self) -> Option<MonoTime> {
        match self {
            Self::Here(mono) => Some(mono),
            Self::Earlier(_) => None,
        }
    }

    /// The time from then to `now`. Across a reboot it takes the wall time at both ends; none where one is not known or
    /// the clock was set back behind the moment.
    pub(super) fn until(self, now: MonoTime, clock: &Clock) -> Option<Duration> {
        match self {
            Self::Here(mono) => Some(now.since(mono)),
            Self::Earlier(stamp) => {
                let (then, now) = (stamp.wall?.wall, clock.wall_at(now)?.wall);
                let micros = now.as_unix_micros().checked_sub(then.as_unix_micros())?;
                u64::try_from(micros).ok().map(Duration::from_micros)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::testkit::{clock_at, view_parts};
    use crate::signals::Signals;

    #[test]
    fn a_span_across_a_reboot_needs_the_wall_time_at_both_ends() {
        let signals = Signals::default();
        let clock = clock_at(1_000);
        let saved =
            Moment::Here(MonoTime::from_millis(500_000)).stamp(&view_parts(500_000, KernelBoot(1), &signals, &clock));
        let later = clock_at(5_000);
        let unknown = Clock::default();
        let moment = Moment::restored(saved, &view_parts(10_000, KernelBoot(2), &signals, &unknown));
        let now = MonoTime::from_millis(10_000);
        assert_eq!(moment.until(now, &later), Some(Duration::from_secs(5_010 - 1_500)));
        assert_eq!(moment.until(now, &unknown), None);
        assert_eq!(moment.until(now, &clock_at(0)), None, "set back behind the moment");
        assert_eq!(moment.here(), None);
    }

    #[test]
    fn within_one_boot_no_clock_is_needed() {
        let (signals, clock) = (Signals::default(), Clock::default());
        let view = view_parts(9_000, KernelBoot(1), &signals, &clock);
        let moment = Moment::restored(Moment::Here(MonoTime::from_millis(4_000)).stamp(&view), &view);
        assert_eq!(moment.until(MonoTime::from_millis(9_000), &clock), Some(Duration::from_secs(5)));
    }
}
