//! What the ignition service reads off the signals.

use crate::services::drive::Motion;
use crate::services::hysteresis::Schmitt;
use crate::signals::{At, SignalId, Signals, Value};
use crate::time::MonoTime;

/// The wheels turn: from 3 km/h, below which many wheel speed sensors see nothing; they stand at 1 km/h, which leaves
/// room for the noise of a standing sensor.
const MOVING_KMH: Schmitt = Schmitt::new(3.0, 1.0);

/// An engine that turns by itself: an idling one turns faster, a starter turns it at 100 to 300 rpm.
const IDLE_RPM: f64 = 400.0;

/// VSS 6.0, `Transmission.SelectedGear`: "126=Park".
const GEAR_PARK: f64 = 126.0;

/// The signals, as far as the profile has them.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) supply: Option<SignalId>,
    ready: Option<SignalId>,
    engine_running: Option<SignalId>,
    engine_rpm: Option<SignalId>,
    speed: Option<SignalId>,
    is_moving: Option<SignalId>,
    gear: Option<SignalId>,
}

impl Inputs {
    pub(super) fn of(signals: &Signals) -> Self {
        let id = |path: &str| signals.id(path);
        Self {
            supply: id("Vehicle.LowVoltageSystemState"),
            ready: id("Vehicle.Powertrain.IsReady"),
            engine_running: id("Vehicle.Powertrain.CombustionEngine.IsRunning"),
            engine_rpm: id("Vehicle.Powertrain.CombustionEngine.Speed"),
            speed: id("Vehicle.Speed"),
            is_moving: id("Vehicle.IsMoving"),
            gear: id("Vehicle.Powertrain.Transmission.SelectedGear"),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = SignalId> {
        let ids =
            [self.supply, self.ready, self.engine_running, self.engine_rpm, self.speed, self.is_moving, self.gear];
        ids.into_iter().flatten()
    }

    pub(super) fn motion(&self, signals: &Signals, was: Motion, now: MonoTime) -> Motion {
        let was_moving = match was {
            Motion::Unknown => None,
            Motion::Standing(_) => Some(false),
            Motion::Moving(_) => Some(true),
        };
        let moving = match (self.speed, self.is_moving) {
            (Some(id), _) => signals.get(id).good_f64().map(|kmh| MOVING_KMH.apply(was_moving, kmh.abs())),
            (None, Some(id)) => signals.get(id).good_bool(),
            (None, None) => None,
        };
        match moving {
            None => Motion::Unknown,
            _ if moving == was_moving => was,
            Some(true) => Motion::Moving(now),
            Some(false) => Motion::Standing(now),
        }
    }

    pub(super) fn engine_turns(&self, signals: &Signals) -> bool {
        let on = |id: Option<SignalId>| id.and_then(|id| signals.get(id).good_bool()) == Some(true);
        let rpm = self.engine_rpm.and_then(|id| signals.get(id).good_f64());
        on(self.engine_running) || rpm.is_some_and(|rpm| rpm >= IDLE_RPM)
    }

    pub(super) fn is_ready(&self, signals: &Signals) -> bool {
        let ready = self.ready.and_then(|id| signals.get(id).good_bool()) == Some(true);
        ready || self.engine_turns(signals)
    }

    pub(super) fn in_park(&self, signals: &Signals) -> Option<bool> {
        let gear = signals.get(self.gear?).good().and_then(Value::as_f64)?;
        Some((gear - GEAR_PARK).abs() < 0.5)
    }

    /// When the last of them was received in this boot.
    pub(super) fn last_word(&self, signals: &Signals) -> Option<MonoTime> {
        let words = self.all().filter_map(|id| match signals.get(id).at {
            At::Mono(mono) => Some(mono),
            At::Wall(_) | At::Unknown => None,
        });
        words.max()
    }
}
