//! Ignition and driving: what the car is doing as a whole.
//!
//! # Inputs, all optional
//!
//! | signal | use |
//! |---|---|
//! | `Vehicle.LowVoltageSystemState` | `LOCK`, `OFF` are off, `ACC` is accessory, `ON`, `START` are on; `UNDEFINED` is no word |
//! | `Vehicle.Powertrain.IsReady`, `….CombustionEngine.IsRunning`, `….CombustionEngine.Speed` | the drive can move the car |
//! | `Vehicle.Speed`, else `Vehicle.IsMoving` | the wheels turn |
//! | `Vehicle.Powertrain.Transmission.SelectedGear` | 126, park, ends a drive at once |
//!
//! # Phases
//!
//! `unknown` → `off`, `accessory`, `on`, `ready`, `driving`. The ignition is on from `on` upwards. A profile without
//! `LowVoltageSystemState` takes a bus that speaks for an ignition that is on. Once ready, the car stays so until the
//! ignition goes off: a hybrid stops its engine at every other traffic light. A drive begins when the wheels have turned
//! for [`DRIVING_AFTER`]; it ends in park, when the ignition goes off, or after [`STANDSTILL_ENDS_DRIVE`] on the spot,
//! so that a traffic light does not end it. All ends are dated back to the standstill.
//!
//! # Silence
//!
//! A bus that falls silent is not an ignition that goes off: an interface restarts, a controller recovers from bus-off.
//! A car that sleeps is silent too, though. When every input has been stale for [`SILENCE_IS_SLEEP`], the car is
//! taken to be off since the last word, `by` `silence`.
//!
//! # Restart
//!
//! A restart of the daemon continues the phase. After a reboot of the machine an ignition that was on is closed, `by`
//! `restart`, and a new one begins: the machine is powered with the car, and nobody saw what happened meanwhile.
//!
//! # Events
//!
//! `ignition.on`, with position: `by` is `signal`, or `inferred` from a bus that speaks.
//!
//! ```json
//! {"by": "signal"}
//! ```
//!
//! `ignition.off`, with position: `by` is `signal`, `silence` or `restart`; `duration_s` is the time since
//! `ignition.on`.
//!
//! ```json
//! {"by": "signal", "duration_s": 1832.4}
//! ```
//!
//! `driving.started`, with position.
//!
//! ```json
//! {"ignition_on_s": 14.2}
//! ```
//!
//! `driving.stopped`, with position: `why` is `park`, `standstill`, `ignition_off`, `silence` or `restart`.
//!
//! ```json
//! {"why": "park", "duration_s": 1790.0}
//! ```
//!
//! # State: member `ignition` of group `vehicle`
//!
//! `time` is when the phase began. The quality is `stale` while all inputs are silent.
//!
//! ```json
//! {"by": "signal", "phase": {"value": "driving", "quality": "good", "time": "2026-11-21T09:00:14.200Z"}}
//! ```

mod inputs;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::signals::{Quality, SignalId, Signals};
use crate::time::{MonoTime, Stamp};

use super::debounce::Debounce;
use super::drive::{DriveState, Motion, Phase};
use super::moment::Moment;
use super::{Cx, Event, Output, Service, View, doc};
use inputs::Inputs;

/// How long a new supply state must hold: while the starter turns, the supply dips for some hundred milliseconds, and
/// control units report nonsense or fall back to `OFF`.
pub const SUPPLY_HOLD: Duration = Duration::from_millis(500);

/// A car whose inputs have all been stale for so long sleeps. Longer than a bus needs to recover from bus-off and an
/// interface to be set up again; short enough that the parking place is known before the owner has left it.
pub const SILENCE_IS_SLEEP: Duration = Duration::from_secs(60);

/// The wheels must turn so long until it counts as a drive: a car that is pushed a metre does not drive.
pub const DRIVING_AFTER: Duration = Duration::from_secs(2);

/// Park must be selected so long at a standstill: a selector passes it on the way to reverse.
pub const PARK_ENDS_DRIVE: Duration = Duration::from_secs(3);

/// Longer than a traffic light or a level crossing: a drive in a car without a park position, ignition left on.
pub const STANDSTILL_ENDS_DRIVE: Duration = Duration::from_secs(300);

/// How the phase is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    Signal,
    Inferred,
    Silence,
    Restart,
}

impl By {
    const fn name(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Inferred => "inferred",
            Self::Silence => "silence",
            Self::Restart => "restart",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Supply {
    Off,
    Accessory,
    On,
}

/// The service.
#[derive(Debug)]
pub struct Ignition {
    inputs: Inputs,
    supply: Debounce<Supply>,
    park: Debounce<bool>,
    drive: DriveState,
    /// When the phase began.
    since: Moment,
    by: By,
    driving_since: Option<MonoTime>,
    /// The ignition was on before the machine was rebooted, since then: to be closed with the first word.
    unclosed: Option<Unclosed>,
    /// This run has heard a word.
    heard: bool,
    /// All inputs are stale.
    silence: Option<Silence>,
    deadline: Option<MonoTime>,
}

#[derive(Debug, Clone, Copy)]
struct Silence {
    /// The last word, perhaps one that an earlier run heard.
    since: MonoTime,
    /// When it will have lasted long enough, listened to by this run.
    is_sleep_at: MonoTime,
}

#[derive(Debug, Clone, Copy)]
struct Unclosed {
    on_since: Moment,
    driving_since: Option<Moment>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    phase: Phase,
    by: By,
    since: Stamp,
    on_since: Option<Stamp>,
    ready_since: Option<Stamp>,
    driving_since: Option<Stamp>,
}

impl Ignition {
    /// Finds its inputs in the profile; without any it stays in [`Phase::Unknown`].
    #[must_use]
    pub fn new(signals: &Signals) -> Self {
        Self {
            inputs: Inputs::of(signals),
            supply: Debounce::new(None),
            park: Debounce::new(None),
            drive: DriveState { phase: Phase::Unknown, on_since: None, ready_since: None, motion: Motion::Unknown },
            since: Moment::Here(MonoTime::ZERO),
            by: By::Signal,
            driving_since: None,
            unclosed: None,
            heard: false,
            silence: None,
            deadline: None,
        }
    }

    /// What the car is doing now, for the other services.
    #[must_use]
    pub const fn drive(&self) -> DriveState {
        self.drive
    }

    /// What the supply signal, or else a speaking bus, says.
    fn supply_word(&self, signals: &Signals) -> (Option<Supply>, By) {
        let turning = matches!(self.drive.motion, Motion::Moving(_)) || self.inputs.engine_turns(signals);
        match self.inputs.supply {
            None => (Some(Supply::On), By::Inferred),
            Some(id) => match signals.get(id).good().and_then(|value| signals.label(id, value)) {
                Some("LOCK" | "OFF") => (Some(Supply::Off), By::Signal),
                Some("ACC") => (Some(Supply::Accessory), By::Signal),
                Some("ON" | "START") => (Some(Supply::On), By::Signal),
                Some(_) => (None, By::Signal),
                None => (turning.then_some(Supply::On), By::Inferred),
            },
        }
    }

    fn follow(&mut self, cx: &mut Cx<'_>) {
        self.drive.motion = self.inputs.motion(cx.signals, self.drive.motion, cx.now);
        let (word, by) = self.supply_word(cx.signals);
        if let Some((supply, since)) = self.supply.offer(cx.now, word, SUPPLY_HOLD) {
            match supply {
                Supply::On => self.switch_on(cx, since, by),
                Supply::Accessory => self.switch_off(cx, Phase::Accessory, since, by),
                Supply::Off => self.switch_off(cx, Phase::Off, since, by),
            }
        }
        if self.drive.phase.is_on() {
            self.follow_drive(cx);
        }
    }

    /// From on to ready to driving and back.
    fn follow_drive(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now;
        if self.drive.phase == Phase::On && (self.inputs.is_ready(cx.signals) || self.drives(now).is_some()) {
            self.drive.ready_since = Some(now);
            self.enter(cx.out, Phase::Ready, now);
        }
        let parked = self.inputs.in_park(cx.signals);
        self.park.offer(now, parked, PARK_ENDS_DRIVE);
        if self.drive.phase == Phase::Driving {
            if let Some((why, at)) = self.drive_ended(now) {
                self.stop_driving(cx.out, why, at);
                self.enter(cx.out, Phase::Ready, at);
            }
        } else if let Some(since) = self.drives(now) {
            self.driving_since = Some(since);
            self.enter(cx.out, Phase::Driving, since);
            let ignition_on = self.drive.on_since.map(|on| since.since(on));
            let data = json!({ "ignition_on_s": doc::seconds(ignition_on) });
            cx.out.events.push(Event::new("driving.started", since, data).with_position());
        }
    }

    /// Since when it drives, if for long enough.
    fn drives(&self, now: MonoTime) -> Option<MonoTime> {
        self.rolls_since().filter(|since| now >= *since + DRIVING_AFTER)
    }

    /// Since when the wheels turn with the ignition on: before, it was pushed or towed.
    fn rolls_since(&self) -> Option<MonoTime> {
        match self.drive.motion {
            Motion::Moving(since) => Some(self.drive.on_since.map_or(since, |on| since.max(on))),
            Motion::Standing(_) | Motion::Unknown => None,
        }
    }

    fn drive_ended(&self, now: MonoTime) -> Option<(&'static str, MonoTime)> {
        let Motion::Standing(since) = self.drive.motion else { return None };
        if self.park.believed() == Some(true) && now >= since + PARK_ENDS_DRIVE {
            Some(("park", since))
        } else if now >= since + STANDSTILL_ENDS_DRIVE {
            Some(("standstill", since))
        } else {
            None
        }
    }

    fn switch_on(&mut self, cx: &mut Cx<'_>, at: MonoTime, by: By) {
        self.close_unclosed(cx, By::Restart, cx.now);
        if self.drive.phase.is_on() {
            return;
        }
        self.by = by;
        self.drive.on_since = Some(at);
        self.enter(cx.out, Phase::On, at);
        cx.out.events.push(Event::new("ignition.on", at, json!({ "by": by.name() })).with_position());
    }

    fn switch_off(&mut self, cx: &mut Cx<'_>, phase: Phase, at: MonoTime, by: By) {
        self.close_unclosed(cx, by, at);
        self.by = by;
        let was_on = self.drive.phase.is_on();
        if self.drive.phase == Phase::Driving {
            let stood = match self.drive.motion {
                Motion::Standing(since) => since.min(at),
                Motion::Moving(_) | Motion::Unknown => at,
            };
            self.stop_driving(cx.out, if by == By::Silence { "silence" } else { "ignition_off" }, stood);
        }
        if was_on {
            let duration = self.drive.on_since.map(|since| at.since(since));
            cx.out.events.push(off_event(at, by, duration));
        }
        self.drive.on_since = None;
        self.drive.ready_since = None;
        self.enter(cx.out, phase, at);
    }

    fn stop_driving(&mut self, out: &mut Output, why: &str, at: MonoTime) {
        let duration = self.driving_since.take().map(|since| at.since(since));
        out.events.push(stopped_event(at, why, duration));
    }

    /// Closes the ignition of an earlier boot, of which the end was not seen.
    fn close_unclosed(&mut self, cx: &mut Cx<'_>, by: By, at: MonoTime) {
        let Some(unclosed) = self.unclosed.take() else { return };
        if let Some(driving) = unclosed.driving_since {
            cx.out.events.push(stopped_event(at, By::Restart.name(), driving.until(at, cx.clock)));
        }
        cx.out.events.push(off_event(at, by, unclosed.on_since.until(at, cx.clock)));
    }

    fn enter(&mut self, out: &mut Output, phase: Phase, at: MonoTime) {
        if self.drive.phase != phase {
            self.drive.phase = phase;
            self.since = Moment::Here(at);
            out.state_changed = true;
            out.save = true;
        }
    }

    /// All inputs are stale: the car sleeps when it lasts.
    fn follow_silence(&mut self, cx: &mut Cx<'_>) {
        if self.silence.is_none() {
            let since = self.inputs.last_word(cx.signals).map_or(cx.now, |at| at.min(cx.now));
            let listened = if self.heard { since } else { cx.now };
            self.silence = Some(Silence { since, is_sleep_at: listened + SILENCE_IS_SLEEP });
            self.drive.motion = Motion::Unknown;
            self.supply.offer(cx.now, None, SUPPLY_HOLD);
            self.park = Debounce::new(None);
            cx.out.state_changed = true;
        }
        if let Some(silence) = self.silence.filter(|silence| self.is_awake() && cx.now >= silence.is_sleep_at) {
            self.supply = Debounce::new(Some(Supply::Off));
            self.switch_off(cx, Phase::Off, silence.since, By::Silence);
        }
    }

    /// There is something that can fall asleep.
    fn is_awake(&self) -> bool {
        self.drive.phase > Phase::Off || self.unclosed.is_some()
    }

    fn next_deadline(&self) -> Option<MonoTime> {
        if let Some(silence) = self.silence {
            return self.is_awake().then_some(silence.is_sleep_at);
        }
        let motion = match (self.drive.motion, self.drive.phase) {
            (Motion::Moving(_), Phase::On | Phase::Ready) => self.rolls_since().map(|since| since + DRIVING_AFTER),
            (Motion::Standing(since), Phase::Driving) if self.park.believed() == Some(true) => {
                Some(since + PARK_ENDS_DRIVE)
            }
            (Motion::Standing(since), Phase::Driving) => Some(since + STANDSTILL_ENDS_DRIVE),
            _ => None,
        };
        let park = self.park.deadline().filter(|_| self.drive.phase == Phase::Driving);
        [self.supply.deadline(), park, motion].into_iter().flatten().min()
    }
}

impl Service for Ignition {
    fn name(&self) -> &'static str {
        "ignition"
    }

    fn group(&self) -> &'static str {
        "vehicle"
    }

    fn interests(&self) -> Vec<SignalId> {
        self.inputs.all().collect()
    }

    fn update(&mut self, cx: &mut Cx<'_>) {
        if self.inputs.all().next().is_none() {
            return;
        }
        if self.inputs.all().any(|id| cx.signals.get(id).quality != Quality::Stale) {
            self.heard = true;
            cx.out.state_changed |= self.silence.take().is_some();
            self.follow(cx);
        } else {
            self.follow_silence(cx);
        }
        self.deadline = self.next_deadline();
    }

    fn deadline(&self) -> Option<MonoTime> {
        self.deadline
    }

    fn state(&self, view: &View<'_>) -> Json {
        let known = self.drive.phase != Phase::Unknown;
        let quality = if self.silence.is_some() || !known { Quality::Stale } else { Quality::Good };
        let time = if known { view.time(self.since.at()) } else { Json::Null };
        json!({ "by": self.by.name(), "phase": doc::measured(self.drive.phase.name(), "", quality, time) })
    }

    fn save(&self, view: &View<'_>) -> Json {
        if self.drive.phase == Phase::Unknown && self.unclosed.is_none() {
            return Json::Null;
        }
        let here = |mono: Option<MonoTime>| mono.map(|mono| view.stamp(mono));
        let mut saved = Saved {
            phase: self.drive.phase,
            by: self.by,
            since: self.since.stamp(view),
            on_since: here(self.drive.on_since),
            ready_since: here(self.drive.ready_since),
            driving_since: here(self.driving_since),
        };
        if let Some(unclosed) = self.unclosed {
            saved.phase = if unclosed.driving_since.is_some() { Phase::Driving } else { Phase::On };
            saved.on_since = Some(unclosed.on_since.stamp(view));
            saved.driving_since = unclosed.driving_since.map(|since| since.stamp(view));
        }
        serde_json::to_value(saved).unwrap_or(Json::Null)
    }

    fn restore(&mut self, saved: &Json, view: &View<'_>) {
        let Ok(saved) = Saved::deserialize(saved) else { return };
        let moment = |stamp: Option<Stamp>| stamp.map(|stamp| Moment::restored(stamp, view));
        let (on_since, driving_since) = (moment(saved.on_since), moment(saved.driving_since));
        if saved.phase.is_on() && on_since.is_none_or(|since| since.here().is_none()) {
            let on_since = on_since.unwrap_or_else(|| Moment::restored(saved.since, view));
            self.unclosed = Some(Unclosed { on_since, driving_since });
            return;
        }
        self.by = saved.by;
        self.since = Moment::restored(saved.since, view);
        self.driving_since = driving_since.and_then(Moment::here);
        self.drive.phase = saved.phase;
        self.drive.on_since = on_since.and_then(Moment::here);
        self.drive.ready_since = moment(saved.ready_since).and_then(Moment::here);
        self.supply = Debounce::new(match saved.phase {
            Phase::Unknown => None,
            Phase::Off => Some(Supply::Off),
            Phase::Accessory => Some(Supply::Accessory),
            Phase::On | Phase::Ready | Phase::Driving => Some(Supply::On),
        });
    }
}

fn off_event(at: MonoTime, by: By, duration: Option<Duration>) -> Event {
    let data = json!({ "by": by.name(), "duration_s": doc::seconds(duration) });
    Event::new("ignition.off", at, data).with_position()
}

fn stopped_event(at: MonoTime, why: &str, duration: Option<Duration>) -> Event {
    let data = json!({ "why": why, "duration_s": doc::seconds(duration) });
    Event::new("driving.stopped", at, data).with_position()
}

#[cfg(test)]
mod tests;
