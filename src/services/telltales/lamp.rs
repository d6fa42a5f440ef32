//! One lamp: what is seen of it, and what is shown.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::services::View;
use crate::services::debounce::Debounce;
use crate::signals::overlay::{self, Color, Telltale};
use crate::signals::{Quality, SignalId, Signals};
use crate::time::{MonoTime, Stamp};

use super::{
    CLEAR_HOLD, DRIVERS_OWN, FLASHES_IN_USE, FLICKER_RAISES, FLICKER_WINDOW, LIT_UNTIL_READY, Moment, RAISE_HOLD,
};

/// So many lightings, each less than [`CLEAR_HOLD`] after the one before, are a flashing lamp, not a glitch.
const FLASHES: u32 = 3;

/// How a lamp is lit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mode {
    On,
    Flashing,
}

impl Mode {
    /// As the label of the signal.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::On => "ON",
            Self::Flashing => "FLASHING",
        }
    }
}

/// A lamp that is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// When it came on.
    pub(super) since: Moment,
    pub(super) mode: Mode,
    /// How often it was lit since, a flickering one more than once.
    pub(super) count: u32,
    /// That it flashes was told.
    flashed: bool,
    /// A loose contact: it must be dark for longer until it is cleared.
    flickers: bool,
}

/// What became of what is shown.
#[derive(Debug)]
pub(super) enum Step {
    Raised(Shown),
    /// Flashes since then.
    Flashes(Shown, MonoTime),
    /// Went out then.
    Cleared(Shown, MonoTime),
}

#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    pub(super) name: String,
    since: Stamp,
    mode: Mode,
    count: u32,
    flashed: bool,
    flickers: bool,
}

#[derive(Debug)]
pub(super) struct Lamp {
    pub(super) id: SignalId,
    pub(super) name: String,
    pub(super) info: Option<&'static Telltale>,
    pub(super) lit_until_ready: bool,
    pub(super) shown: Option<Shown>,
    seen: Seen,
    /// The way it is lit, once it has been seen for [`RAISE_HOLD`].
    mode: Debounce<Mode>,
    mode_since: MonoTime,
    /// When it was raised, the last times.
    raises: [Option<MonoTime>; FLICKER_RAISES],
    quality: Quality,
}

/// What was seen of the lamp, on good readings only: a reading that is not good begins it anew.
#[derive(Debug, Default, Clone, Copy)]
struct Seen {
    /// Lit, with breaks shorter than [`CLEAR_HOLD`], since then.
    burst_since: Option<MonoTime>,
    /// Lit without a break since then.
    lit_since: Option<MonoTime>,
    /// Dark since then.
    dark_since: Option<MonoTime>,
    /// Lightings in this burst.
    lightings: u32,
}

impl Lamp {
    pub(super) fn new(id: SignalId, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            info: overlay::telltale(name),
            lit_until_ready: LIT_UNTIL_READY.contains(&name),
            shown: None,
            seen: Seen::default(),
            mode: Debounce::new(None),
            mode_since: MonoTime::ZERO,
            raises: [None; FLICKER_RAISES],
            quality: Quality::Stale,
        }
    }

    /// The name of its colour, null when the overlay does not know it.
    pub(super) fn color(&self) -> Json {
        self.info.map_or(Json::Null, |info| info.color.name().into())
    }

    pub(super) fn makes_events(&self) -> bool {
        let urgent = self.info.is_none_or(|info| matches!(info.color, Color::Red | Color::Amber));
        urgent && !DRIVERS_OWN.contains(&self.name.as_str())
    }

    /// Takes in the reading; says whether its quality changed.
    pub(super) fn observe(&mut self, now: MonoTime, signals: &Signals) -> bool {
        let reading = signals.get(self.id);
        let label = reading.good().and_then(|value| signals.label(self.id, value));
        let lit = match label {
            Some("ON") => Some(Some(Mode::On)),
            Some("FLASHING") if FLASHES_IN_USE.contains(&self.name.as_str()) => Some(None),
            Some("FLASHING") => Some(Some(Mode::Flashing)),
            Some("OFF") => Some(None),
            _ => None,
        };
        match lit {
            None => self.seen = Seen::default(),
            Some(None) => self.seen.is_dark(now),
            Some(Some(_)) => {
                self.count_flicker(now);
                self.seen.is_lit(now);
            }
        }
        let mode = lit.and_then(|lit| {
            let blinks = self.seen.burst_since.is_some() && self.seen.lightings >= FLASHES;
            if blinks { Some(Mode::Flashing) } else { lit }
        });
        if let Some((_, since)) = self.mode.offer(now, mode, RAISE_HOLD) {
            self.mode_since = since;
        }
        std::mem::replace(&mut self.quality, reading.quality) != reading.quality
    }

    /// What becomes of what is shown, nothing before `check_end`; at most two steps at once.
    pub(super) fn follow(
        &mut self,
        now: MonoTime,
        check_end: MonoTime,
        ignition_on: Option<MonoTime>,
    ) -> [Option<Step>; 2] {
        if now < check_end {
            if self.seen.dark_since.is_some() {
                self.seen.forget_burst();
            }
            return [None, None];
        }
        if self.shown.is_none() {
            return [self.raise(now, ignition_on), None];
        }
        let flashes = self.follow_mode(ignition_on);
        [flashes, self.clear(now, ignition_on)]
    }

    /// When time alone brings the next step.
    pub(super) fn deadline(&self, now: MonoTime, check_end: MonoTime) -> Option<MonoTime> {
        let seen = &self.seen;
        let step = match &self.shown {
            Some(shown) => seen.dark_since.map(|since| since + shown.clear_hold()),
            None if seen.lightings >= FLASHES => Some(check_end),
            None => seen.lit_since.map(|since| since + RAISE_HOLD),
        };
        let steady = seen.lit_since.filter(|_| seen.lightings > 1).map(|since| since + CLEAR_HOLD);
        let after_check = step.map(|due| due.max(check_end));
        let mode_differs = self.shown.is_some_and(|shown| self.mode.believed() != Some(shown.mode));
        let mode_due = mode_differs.then_some(check_end);
        [after_check, steady, mode_due, self.mode.deadline()].into_iter().flatten().filter(|due| *due > now).min()
    }

    pub(super) fn save(&self, view: &View<'_>) -> Option<Saved> {
        let Shown { since, mode, count, flashed, flickers } = *self.shown.as_ref()?;
        let (since, name) = (since.stamp(view), self.name.clone());
        Some(Saved { name, since, mode, count, flashed, flickers })
    }

    pub(super) fn restore(&mut self, saved: &Saved, view: &View<'_>) {
        let since = Moment::restored(saved.since, view);
        self.mode = Debounce::new(Some(saved.mode));
        let Saved { mode, count, flashed, flickers, .. } = *saved;
        self.shown = Some(Shown { since, mode, count, flashed, flickers });
    }

    fn raise(&mut self, now: MonoTime, ignition_on: Option<MonoTime>) -> Option<Step> {
        let burst_since = self.seen.burst_since?;
        let steady = self.seen.lit_since.is_some_and(|since| now >= since + RAISE_HOLD);
        if !steady && self.seen.lightings < FLASHES {
            return None;
        }
        let since = Moment::Here(ignition_on.map_or(burst_since, |on| burst_since.max(on)));
        let mode =
            if self.seen.lightings >= FLASHES { Mode::Flashing } else { self.mode.believed().unwrap_or(Mode::On) };
        self.mode = Debounce::new(Some(mode));
        self.raises.rotate_left(1);
        if let Some(last) = self.raises.last_mut() {
            *last = Some(now);
        }
        let flickers = self.raises.iter().all(|at| at.is_some_and(|at| now.since(at) < FLICKER_WINDOW));
        let shown = Shown { since, mode, count: 1, flashed: mode == Mode::Flashing, flickers };
        self.shown = Some(shown);
        Some(Step::Raised(shown))
    }

    fn follow_mode(&mut self, ignition_on: Option<MonoTime>) -> Option<Step> {
        // What was believed of a lamp that is dark now is past.
        self.seen.burst_since?;
        let shown = self.shown.as_mut()?;
        let mode = self.mode.believed().filter(|mode| *mode != shown.mode)?;
        shown.mode = mode;
        if mode == Mode::On || std::mem::replace(&mut shown.flashed, true) {
            return None;
        }
        let since = ignition_on.map_or(self.mode_since, |on| self.mode_since.max(on));
        Some(Step::Flashes(*shown, since))
    }

    fn clear(&mut self, now: MonoTime, ignition_on: Option<MonoTime>) -> Option<Step> {
        let dark_since = self.seen.dark_since?;
        if now < dark_since + self.shown.as_ref()?.clear_hold() {
            return None;
        }
        let at = ignition_on.map_or(dark_since, |on| dark_since.max(on));
        self.seen.forget_burst();
        self.shown.take().map(|shown| Step::Cleared(shown, at))
    }

    /// A shown lamp that comes back after it would have been cleared, had it not flickered before.
    fn count_flicker(&mut self, now: MonoTime) {
        let came_back = self.seen.dark_since.is_some_and(|since| now >= since + CLEAR_HOLD);
        if let Some(shown) = self.shown.as_mut().filter(|_| came_back) {
            shown.count = shown.count.saturating_add(1);
        }
    }
}

impl Shown {
    const fn clear_hold(&self) -> Duration {
        if self.flickers { FLICKER_WINDOW } else { CLEAR_HOLD }
    }
}

impl Seen {
    fn is_dark(&mut self, now: MonoTime) {
        self.lit_since = None;
        let since = *self.dark_since.get_or_insert(now);
        if now >= since + CLEAR_HOLD {
            self.forget_burst();
        }
    }

    fn is_lit(&mut self, now: MonoTime) {
        if self.dark_since.take().is_some_and(|since| now >= since + CLEAR_HOLD) {
            self.forget_burst();
        }
        self.burst_since.get_or_insert(now);
        match self.lit_since {
            None => {
                self.lit_since = Some(now);
                self.lightings = self.lightings.saturating_add(1);
            }
            Some(since) if now >= since + CLEAR_HOLD => self.lightings = 1,
            Some(_) => (),
        }
    }

    fn forget_burst(&mut self) {
        self.burst_since = None;
        self.lightings = 0;
    }
}
