//! Fuel level: percent of the tank, steady against slosh and slope, and as it was when the ignition went off.
//!
//! # Filter
//!
//! `Vehicle.Powertrain.FuelSystem.RelativeLevel` (or `….AbsoluteLevel` in litres, where the tank's capacity is known) is
//! sampled every [`SAMPLE_PERIOD`] while the ignition is not off; not during the first [`SENDER_SETTLES`], when senders
//! report nonsense, and not while `Vehicle.Acceleration.Longitudinal` or `….Lateral` is beyond
//! [`LEVEL_ACCELERATION_MPS2`], which is braking, a bend or, at a standstill, a slope. A mean of the last
//! [`WINDOW`] samples without the outer ones drops spikes and slosh; a low-pass follows it: while driving with [`DRIVING_TAU_S`], at a
//! standstill that is known to be level with [`LEVEL_TAU_S`], at any other standstill with [`STANDING_TAU_S`].
//!
//! What is shown moves in whole percent, with an overlap, and is kept while the ignition is off and across restarts.
//!
//! # Refuelling
//!
//! A rise of at least [`REFUEL_POINTS`] against the level from before the standstill, when the samples agree within
//! [`SETTLED_POINTS`]: the new level is taken over at once. It may be recognised during the first
//! [`REFUEL_LATE`] of the next drive, in which standstills that may be on a slope are passed over. A standstill shorter than [`REFUEL_STOP`] is no stop at a pump.
//! A level that is found to be lower by as much, settled at a standstill, is taken over without an event.
//!
//! # Event
//!
//! `fuel.refueled`, with position: its time is when it was recognised. `volume_l` is null where the capacity is not
//! known.
//!
//! ```json
//! {"before_percent": 23, "after_percent": 97, "volume_l": 31.8}
//! ```
//!
//! # State: member `fuel` of group `energy`
//!
//! `volume` only where the capacity is known, `range` only where the profile has it; `at_ignition_off` is null before
//! the first time. `level` is `stale` while the ignition is off, its time being that of the last sample.
//!
//! ```json
//! {"level": {"value": 63, "unit": "percent", "quality": "good", "time": "2026-11-21T09:00:14.200Z"},
//!  "volume": {"value": 27.1, "unit": "l", "quality": "good", "time": "2026-11-21T09:00:14.200Z"},
//!  "range": {"value": 412000, "unit": "m", "quality": "good", "time": "2026-11-21T09:00:14.200Z"},
//!  "at_ignition_off": {"value": 64, "unit": "percent", "quality": "good", "time": "2026-11-20T17:31:02.000Z"}}
//! ```

mod filter;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::signals::{At, Quality, SignalId, Signals};
use crate::time::{MonoTime, Stamp};

use super::hysteresis::Steps;
use super::moment::Moment;
use super::{Cx, Event, Motion, Service, View, doc};
use filter::Window;

/// Slosh has a period of 1 to 3 s: one sample a second catches its phases, more cost time and tell no more.
pub const SAMPLE_PERIOD: Duration = Duration::from_secs(1);

/// Senders and clusters report zero or full for a moment after ignition on.
pub const SENDER_SETTLES: Duration = Duration::from_secs(3);

/// A sample also stands for those before it that were passed over in bends, but not for a whole hill.
const PASSED_OVER_AT_MOST: Duration = Duration::from_secs(10);

/// Samples that the mean is taken of: half a minute, ten periods of slosh.
pub const WINDOW: usize = 31;

/// Beyond it the surface is tilted by more than 3.5 degrees; that is a slope of 6 %, ordinary driving is below.
pub const LEVEL_ACCELERATION_MPS2: f64 = 0.6;

/// A tank loses at most half a percent a minute, so that the lag stays below one point.
pub const DRIVING_TAU_S: f64 = 90.0;

/// Nothing sloshes, nothing is tilted.
pub const LEVEL_TAU_S: f64 = 30.0;

/// Nothing sloshes, but the car may stand on a slope, which does not average out as those of a road do.
pub const STANDING_TAU_S: f64 = 180.0;

/// Four litres of a tank of 50; a slope that a car is parked on makes less.
pub const REFUEL_POINTS: f64 = 8.0;

/// The samples of [`SETTLED_SAMPLES`] agree: nobody is filling in any more, and nothing sloshes.
pub const SETTLED_POINTS: f64 = 3.0;

/// The newest samples that must agree at a standstill.
pub const SETTLED_SAMPLES: usize = 15;

/// To open the flap, fill in four litres, pay and close takes longer.
pub const REFUEL_STOP: Duration = Duration::from_secs(60);

/// So long after driving off a rise is still put down to the stop before; the window must have filled anew,
/// which takes longer when the samples of the first bends are passed over.
pub const REFUEL_LATE: Duration = Duration::from_secs(300);

/// Shown in whole percent: VSS has the level as `uint8`.
const RESOLUTION: f64 = 1.0;

/// Shown in whole kilometres.
const RANGE_STEP_M: f64 = 1_000.0;

/// The service.
#[derive(Debug)]
pub struct Fuel {
    inputs: Inputs,
    capacity_l: Option<f64>,
    window: Window<WINDOW>,
    /// The filtered level in percent.
    level: Option<f64>,
    shown: Steps,
    range: Steps,
    quality: Quality,
    sampled: Option<Moment>,
    /// The last sample that was not passed over.
    used: Option<MonoTime>,
    next_sample: Option<MonoTime>,
    stop: Stop,
    at_ignition_off: Option<(f64, Moment)>,
}

#[derive(Debug)]
struct Inputs {
    level: SignalId,
    /// Percent for one unit of the level signal.
    scale: f64,
    range: Option<SignalId>,
    longitudinal: Option<SignalId>,
    lateral: Option<SignalId>,
}

/// Whether the car may have been at a pump, and the level before.
#[derive(Debug, Clone, Copy)]
enum Stop {
    /// On the road.
    None,
    /// Stands since then, the ignition on.
    Standing { before: f64, since: MonoTime },
    /// Stood long enough, or the ignition was off.
    Made { before: f64 },
    /// Drives since then after such a stop.
    Left { before: f64, at: MonoTime },
}

#[derive(Serialize, Deserialize)]
struct Saved {
    level: f64,
    /// The last sample.
    at: Option<Stamp>,
    /// The level before the stop that the car is making.
    before: Option<f64>,
    at_ignition_off: Option<(f64, Stamp)>,
}

impl Fuel {
    /// Finds the level in the profile; none if it has none, or has litres only and the capacity of the tank is not
    /// known.
    #[must_use]
    pub fn new(signals: &Signals, capacity_l: Option<f64>) -> Option<Self> {
        let capacity_l = capacity_l.filter(|litres| *litres > 0.0);
        let relative = signals.id("Vehicle.Powertrain.FuelSystem.RelativeLevel").map(|id| (id, 1.0));
        let absolute = || Some((signals.id("Vehicle.Powertrain.FuelSystem.AbsoluteLevel")?, 100.0 / capacity_l?));
        let (level, scale) = relative.or_else(absolute)?;
        let inputs = Inputs {
            level,
            scale,
            range: signals.id("Vehicle.Powertrain.FuelSystem.Range"),
            longitudinal: signals.id("Vehicle.Acceleration.Longitudinal"),
            lateral: signals.id("Vehicle.Acceleration.Lateral"),
        };
        Some(Self {
            inputs,
            capacity_l,
            window: Window::default(),
            level: None,
            shown: Steps::of(RESOLUTION),
            range: Steps::of(RANGE_STEP_M),
            quality: Quality::Stale,
            sampled: None,
            used: None,
            next_sample: None,
            stop: Stop::None,
            at_ignition_off: None,
        })
    }

    fn sample(&mut self, cx: &mut Cx<'_>) {
        let Some(percent) = self.inputs.percent(cx.signals) else { return };
        self.sampled = Some(Moment::Here(cx.now));
        let tilted = self.inputs.is_tilted(cx.signals);
        let standing = !matches!(cx.drive.motion, Motion::Moving(_));
        let light_on_a_slope = standing && tilted.is_none() && matches!(self.stop, Stop::Left { .. });
        if tilted == Some(true) || light_on_a_slope {
            return;
        }
        let span = cx.now.since(self.used.replace(cx.now).unwrap_or(cx.now)).min(PASSED_OVER_AT_MOST);
        self.window.push(percent);
        let Some(mean) = self.window.mean() else { return };
        let tau_s = match tilted {
            _ if !standing => DRIVING_TAU_S,
            Some(_) => LEVEL_TAU_S,
            None => STANDING_TAU_S,
        };
        self.level = Some(match self.level {
            None => mean,
            // Few samples: what was known before is better.
            Some(level) if self.window.len() < SETTLED_SAMPLES => level,
            Some(level) => level + (mean - level) * span.as_secs_f64() / tau_s,
        });
        self.jump(cx, standing);
        self.show(cx);
    }

    /// A level that is really another one: filled in, or found lower than it was left.
    fn jump(&mut self, cx: &mut Cx<'_>, standing: bool) {
        let before = match self.stop {
            Stop::Standing { before, since } if cx.now >= since + REFUEL_STOP => before,
            Stop::Made { before } | Stop::Left { before, .. } => before,
            Stop::Standing { .. } | Stop::None => return,
        };
        let now = if standing { self.window.settled(SETTLED_SAMPLES, SETTLED_POINTS) } else { self.window.full_mean() };
        let Some(now) = now else { return };
        if now - before >= REFUEL_POINTS {
            self.refueled(cx, before, now);
        } else if before - now >= REFUEL_POINTS && standing {
            self.take_over(now);
        }
    }

    fn refueled(&mut self, cx: &mut Cx<'_>, before: f64, after: f64) {
        let volume_l = self.capacity_l.map(|litres| litres * (after - before) / 100.0);
        let data = json!({
            "before_percent": doc::whole(Some(before)),
            "after_percent": doc::whole(Some(after)),
            "volume_l": doc::rounded(volume_l, 1),
        });
        cx.out.events.push(Event::new("fuel.refueled", cx.now, data).with_position());
        cx.out.save = true;
        self.take_over(after);
    }

    fn take_over(&mut self, level: f64) {
        self.level = Some(level);
        self.stop = match self.stop {
            Stop::None | Stop::Left { .. } => Stop::None,
            Stop::Standing { since, .. } => Stop::Standing { before: level, since },
            Stop::Made { .. } => Stop::Made { before: level },
        };
    }

    fn show(&mut self, cx: &mut Cx<'_>) {
        if self.level.is_some_and(|level| self.shown.offer(level)) {
            (cx.out.state_changed, cx.out.save) = (true, true);
        }
    }

    /// Follows the car to the pump and away from it.
    fn follow_stop(&mut self, cx: &mut Cx<'_>) {
        let Some(level) = self.level else { return };
        self.stop = match (self.stop, cx.drive.motion) {
            (Stop::None, Motion::Standing(since)) => Stop::Standing { before: level, since },
            // A traffic light.
            (Stop::Standing { since, .. }, Motion::Moving(_)) if cx.now < since + REFUEL_STOP => Stop::None,
            (Stop::Standing { before, .. } | Stop::Made { before }, Motion::Moving(at)) => Stop::Left { before, at },
            (Stop::Left { before, .. }, Motion::Standing(since)) if cx.now >= since + REFUEL_STOP => {
                Stop::Made { before }
            }
            (Stop::Left { at, .. }, _) if cx.now >= at + REFUEL_LATE => Stop::None,
            (stop, _) => stop,
        };
    }

    /// The level is kept, and may be another one when the ignition comes back.
    fn ignition_off(&mut self, cx: &mut Cx<'_>) {
        self.next_sample = None;
        let window = std::mem::take(&mut self.window);
        let (Some(level), Some(sampled)) = (self.level, self.sampled) else { return };
        if window.len() == 0 {
            return;
        }
        self.at_ignition_off = Some((level, sampled));
        self.stop = Stop::Made { before: self.stop.before().map_or(level, |before| before.min(level)) };
        (cx.out.state_changed, cx.out.save) = (true, true);
    }
}

impl Stop {
    const fn before(&self) -> Option<f64> {
        match self {
            Self::None => None,
            Self::Standing { before, .. } | Self::Made { before } | Self::Left { before, .. } => Some(*before),
        }
    }
}

impl Inputs {
    fn percent(&self, signals: &Signals) -> Option<f64> {
        Some((signals.get(self.level).good_f64()? * self.scale).clamp(0.0, 100.0))
    }

    /// Whether the surface is tilted; none where no acceleration is known.
    fn is_tilted(&self, signals: &Signals) -> Option<bool> {
        let beyond = |id: Option<SignalId>| {
            signals.get(id?).good_f64().map(|acceleration| acceleration.abs() > LEVEL_ACCELERATION_MPS2)
        };
        match (beyond(self.longitudinal), beyond(self.lateral)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (longitudinal, _) => longitudinal,
        }
    }
}

impl Service for Fuel {
    fn name(&self) -> &'static str {
        "fuel"
    }

    fn group(&self) -> &'static str {
        "energy"
    }

    fn interests(&self) -> Vec<SignalId> {
        [Some(self.inputs.level), self.inputs.range].into_iter().flatten().collect()
    }

    fn update(&mut self, cx: &mut Cx<'_>) {
        let off = cx.drive.phase.is_off();
        if off {
            self.ignition_off(cx);
        } else {
            let due = *self.next_sample.get_or_insert(cx.now + SENDER_SETTLES);
            self.follow_stop(cx);
            if cx.now >= due {
                self.next_sample = Some(cx.now + SAMPLE_PERIOD);
                self.sample(cx);
            }
        }
        let quality = if off { Quality::Stale } else { cx.signals.get(self.inputs.level).quality };
        cx.out.state_changed |= std::mem::replace(&mut self.quality, quality) != quality;
        if let Some(range_m) = self.inputs.range.and_then(|id| cx.signals.get(id).good_f64()) {
            cx.out.state_changed |= self.range.offer(range_m);
        }
    }

    fn deadline(&self) -> Option<MonoTime> {
        self.next_sample
    }

    fn state(&self, view: &View<'_>) -> Json {
        let sampled = self.sampled.map_or(At::Unknown, Moment::at);
        let kept = self.at_ignition_off;
        let mut document = json!({
            "level": percent(self.shown.shown(), self.quality, sampled, view),
            "at_ignition_off": kept.map(|(level, at)| percent(Some(level), Quality::Good, at.at(), view)),
        });
        if let Some(litres) = self.capacity_l {
            let volume = self.shown.shown().map(|percent| litres * percent / 100.0);
            document["volume"] = doc::measured(doc::rounded(volume, 1), "l", self.quality, view.time(sampled));
        }
        if let Some(id) = self.inputs.range {
            document["range"] = doc::reading(view, id);
        }
        document
    }

    fn save(&self, view: &View<'_>) -> Json {
        let Some(level) = self.level else { return Json::Null };
        let saved = Saved {
            level,
            at: self.sampled.map(|at| at.stamp(view)),
            before: self.stop.before(),
            at_ignition_off: self.at_ignition_off.map(|(level, at)| (level, at.stamp(view))),
        };
        serde_json::to_value(saved).unwrap_or(Json::Null)
    }

    fn restore(&mut self, saved: &Json, view: &View<'_>) {
        let Ok(saved) = Saved::deserialize(saved) else { return };
        self.level = Some(saved.level);
        self.shown.offer(saved.level);
        self.sampled = saved.at.map(|at| Moment::restored(at, view));
        self.at_ignition_off = saved.at_ignition_off.map(|(level, at)| (level, Moment::restored(at, view)));
        let rebooted = self.sampled.is_some_and(|at| at.here().is_none());
        let before = saved.before.or_else(|| rebooted.then_some(saved.level));
        self.stop = before.map_or(Stop::None, |before| Stop::Made { before });
    }
}

fn percent(percent: Option<f64>, quality: Quality, at: At, view: &View<'_>) -> Json {
    doc::measured(doc::whole(percent), "percent", quality, view.time(at))
}

#[cfg(test)]
mod tests;
