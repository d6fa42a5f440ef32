//! One charge.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::services::View;
use crate::time::{Clock, MonoTime, Stamp};

use super::Moment;

/// What the battery held and what was put in, at one moment, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Energy {
    pub(super) soc_percent: Option<f64>,
    /// All that was ever charged.
    pub(super) meter_kwh: Option<f64>,
    /// What the battery holds.
    pub(super) stored_kwh: Option<f64>,
}

impl Energy {
    /// The energy of a charge and how it is known: by the meter, by what is stored, else by the state of charge.
    pub(super) fn charged(start: &Self, end: &Self, capacity_kwh: Option<f64>) -> Option<(f64, &'static str)> {
        let grown = |start: Option<f64>, end: Option<f64>| start.zip(end).map(|(start, end)| end - start);
        let meter = grown(start.meter_kwh, end.meter_kwh).map(|kwh| (kwh, "meter"));
        let stored = || grown(start.stored_kwh, end.stored_kwh).map(|kwh| (kwh, "stored"));
        let estimate = || Some((grown(start.soc_percent, end.soc_percent)? * capacity_kwh? / 100.0, "estimate"));
        meter.or_else(stored).or_else(estimate).filter(|(kwh, _)| *kwh >= 0.0)
    }

    fn or(self, older: Self) -> Self {
        Self {
            soc_percent: self.soc_percent.or(older.soc_percent),
            meter_kwh: self.meter_kwh.or(older.meter_kwh),
            stored_kwh: self.stored_kwh.or(older.stored_kwh),
        }
    }
}

#[derive(Debug)]
pub(super) struct Session {
    pub(super) since: Moment,
    pub(super) start: Energy,
    /// While it was surely charging, at the latest.
    pub(super) last: Energy,
    seen: Moment,
    pub(super) odometer_m: Option<f64>,
    /// It ended while nobody looked.
    pub(super) uncertain: bool,
    /// Restored, and nothing was heard since.
    unheard: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct SavedSession {
    since: Stamp,
    start: Energy,
    last: Energy,
    seen: Stamp,
    odometer_m: Option<f64>,
    uncertain: bool,
}

impl Session {
    pub(super) const fn begin(since: MonoTime, energy: Energy, odometer_m: Option<f64>) -> Self {
        Self {
            since: Moment::Here(since),
            start: energy,
            last: energy,
            seen: Moment::Here(since),
            odometer_m,
            uncertain: false,
            unheard: false,
        }
    }

    pub(super) fn goes_on(&mut self, now: MonoTime, energy: Energy) {
        self.seen = Moment::Here(now);
        self.last = energy.or(self.last);
        // What the start did not know is known late: better a charge that is a little short than none.
        self.start = self.start.or(energy);
    }

    /// The words on it stopped; the last one was received then.
    pub(super) const fn falls_silent(&mut self, last_word: MonoTime) {
        if !self.unheard {
            self.seen = Moment::Here(last_word);
        }
    }

    /// There is a word; says whether it is the first one after a restart, and after a long silence.
    pub(super) fn is_heard_again(&mut self, now: MonoTime, clock: &Clock, silence: Duration) -> bool {
        std::mem::take(&mut self.unheard) && self.seen.until(now, clock).is_none_or(|span| span >= silence)
    }

    pub(super) const fn is_unheard(&self) -> bool {
        self.unheard
    }

    /// For how long it was seen to be charging, from the start to the last word.
    pub(super) fn seen_for(&self, clock: &Clock) -> Option<Duration> {
        match (self.since, self.seen) {
            (since, Moment::Here(seen)) => since.until(seen, clock),
            (Moment::Earlier(since), Moment::Earlier(seen)) if since.boot == seen.boot => {
                Some(seen.mono.since(since.mono))
            }
            (Moment::Earlier(since), Moment::Earlier(seen)) => {
                let span = seen.wall?.wall.as_unix_micros().checked_sub(since.wall?.wall.as_unix_micros())?;
                u64::try_from(span).ok().map(Duration::from_micros)
            }
            (Moment::Here(_), Moment::Earlier(_)) => None,
        }
    }

    pub(super) fn save(&self, view: &View<'_>) -> SavedSession {
        let Self { start, last, odometer_m, uncertain, .. } = *self;
        let (since, seen) = (self.since.stamp(view), self.seen.stamp(view));
        SavedSession { since, start, last, seen, odometer_m, uncertain }
    }

    pub(super) fn restored(saved: &SavedSession, view: &View<'_>) -> Self {
        let SavedSession { since, start, last, seen, odometer_m, uncertain } = *saved;
        let (since, seen) = (Moment::restored(since, view), Moment::restored(seen, view));
        Self { since, start, last, seen, odometer_m, uncertain, unheard: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn energy(soc_percent: f64, meter_kwh: Option<f64>, stored_kwh: Option<f64>) -> Energy {
        Energy { soc_percent: Some(soc_percent), meter_kwh, stored_kwh }
    }

    #[test]
    fn the_best_source_of_energy_is_taken() {
        let (start, end) = (energy(30.0, Some(100.0), Some(5.0)), energy(80.0, Some(112.0), Some(14.0)));
        assert_eq!(Energy::charged(&start, &end, Some(20.0)), Some((12.0, "meter")));
        let no_meter = energy(80.0, None, Some(14.0));
        assert_eq!(Energy::charged(&start, &no_meter, Some(20.0)), Some((9.0, "stored")));
        let only_soc = energy(80.0, None, None);
        assert_eq!(Energy::charged(&start, &only_soc, Some(20.0)), Some((10.0, "estimate")));
        assert_eq!(Energy::charged(&start, &only_soc, None), None);
        assert_eq!(Energy::charged(&only_soc, &energy(70.0, None, None), Some(20.0)), None, "it cannot shrink");
    }
}
