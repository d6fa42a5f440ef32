//! Traction battery: state of charge, range, plug, and each charge from start to end.
//!
//! # Inputs below `Vehicle.Powertrain.TractionBattery`, as far as the profile has them
//!
//! | signal | use |
//! |---|---|
//! | `StateOfCharge.Displayed`, else `StateOfCharge.Current` | state of charge: what the driver sees comes first |
//! | `Range`, `Charging.ChargeLimit`, `Charging.TimeToComplete` | as they are |
//! | `Charging.ChargingPort.*.IsChargingCableConnected` | plugged in, if any port says so; not, if all say so |
//! | `Charging.IsCharging` | charging |
//! | `AccumulatedChargedEnergy`, else `StateOfCharge.CurrentEnergy`, else the capacity | energy of a charge |
//! | `Vehicle.TraveledDistance` | whether the car was driven while nobody looked |
//!
//! # A charge
//!
//! It begins when `IsCharging` has held for [`CHARGE_BEGINS`] and ends when it has been false for [`CHARGE_PAUSES`]; at
//! once when the cable is out or the car drives. So a charge is never merged into a drive, and a pause of the
//! wall box is no end.
//!
//! Messages that stop end nothing: a car that charges puts its bus to sleep. After [`CHARGE_SILENCE`] the state says
//! `unknown`; when data comes back, or after a restart, the charge goes on or is closed with what is known, as
//! `uncertain`. If the odometer moved meanwhile it is closed, and what is charged now is another charge.
//!
//! # Events
//!
//! All with position. `plug.connected`, `plug.disconnected`; the first word ever is not a change.
//!
//! ```json
//! {"soc_percent": 31.5}
//! ```
//!
//! `charging.started`
//!
//! ```json
//! {"soc_percent": 31.5}
//! ```
//!
//! `charging.ended`: `why` is `full` (the limit is reached), `unplugged`, `stopped`, or `unknown` for an uncertain one.
//! `energy_by` is `meter`, `stored` (what the battery holds now and held before) or `estimate` (from the state of charge
//! and the gross capacity), null with the energy. Nobody saw the end of an `uncertain` charge: its duration is the one until
//! the last word on it.
//!
//! ```json
//! {"why": "full", "duration_s": 11040.0, "start_soc_percent": 31.5, "end_soc_percent": 100.0, "energy_kwh": 12.4,
//!  "energy_by": "meter", "uncertain": false}
//! ```
//!
//! # State: member `traction_battery` of group `energy`
//!
//! `plug` is `connected`, `disconnected` or `unknown`; `charging` is `charging`, `not_charging` or `unknown`. `session` is
//! the charge that is going on. What the profile does not have is not in the document.
//!
//! ```json
//! {"soc": {"value": 68.5, "unit": "percent", "quality": "good", "time": "2026-11-21T09:00:14.200Z"},
//!  "range": {"value": 41000, "unit": "m", "quality": "good", "time": "2026-11-21T09:00:14.200Z"},
//!  "limit": {"value": 100, "unit": "percent", "quality": "good", "time": "2026-11-21T09:00:14.200Z"},
//!  "time_to_complete": {"value": 5400, "unit": "s", "quality": "good", "time": "2026-11-21T09:00:14.200Z"},
//!  "plug": {"value": "connected", "quality": "good", "time": "2026-11-21T09:00:14.200Z"},
//!  "charging": {"value": "charging", "quality": "good", "time": "2026-11-21T09:00:14.200Z"},
//!  "session": {"since": "2026-11-21T08:10:02.000Z", "start_soc_percent": 31.5}}
//! ```

mod inputs;
mod session;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::signals::{At, Quality, SignalId, Signals};
use crate::time::MonoTime;

use super::debounce::Debounce;
use super::hysteresis::Steps;
use super::moment::Moment;
use super::{Cx, Event, Motion, Phase, Service, View, doc};
use inputs::Inputs;
use session::{Energy, SavedSession, Session};

/// A plug that is pushed in bounces, and a proximity pilot settles.
pub const PLUG_HOLD: Duration = Duration::from_secs(2);

/// A charger tries: it locks, checks the insulation, and may give up within seconds.
pub const CHARGE_BEGINS: Duration = Duration::from_secs(5);

/// Load balancing may take the current away for as long; a charge that is paused for longer was stopped.
pub const CHARGE_PAUSES: Duration = Duration::from_secs(60);

/// Longer than a restart of the bus or of its interface; then nobody should be told that it charges.
pub const CHARGE_SILENCE: Duration = Duration::from_secs(600);

/// A car that is charged stands: an odometer that moved by this much tells of a drive.
const DRIVEN_M: f64 = 100.0;

/// Full within this of the limit: the last half percent is balancing.
const FULL_WITHIN_POINTS: f64 = 0.5;

/// Shown in half percents; saved during a charge every 5, so that a power cut costs no more.
const SOC_STEP: f64 = 0.5;
const SOC_SAVED_STEP: f64 = 5.0;

/// Shown in whole kilometres and minutes.
const RANGE_STEP_M: f64 = 1_000.0;
const TIME_STEP_S: f64 = 60.0;

/// The service.
#[derive(Debug)]
pub struct TractionBattery {
    inputs: Inputs,
    capacity_kwh: Option<f64>,
    plug: Debounce<bool>,
    charging: Debounce<bool>,
    session: Option<Session>,
    /// Since when there is no word on the charge that is going on.
    silent_since: Option<MonoTime>,
    soc: Steps,
    soc_saved: Steps,
    range: Steps,
    time_to_complete: Steps,
    /// The state document as far as steps do not say it: plug and charge with their qualities.
    told: Option<Told>,
}

type Told = (Option<bool>, Quality, &'static str, Quality, Quality);

#[derive(Serialize, Deserialize)]
struct Saved {
    plug: Option<bool>,
    charging: Option<bool>,
    session: Option<SavedSession>,
}

impl TractionBattery {
    /// Finds its inputs in the profile; none if there is neither a state of charge nor a word on plug or charging.
    #[must_use]
    pub fn new(signals: &Signals, capacity_kwh: Option<f64>) -> Option<Self> {
        Some(Self {
            inputs: Inputs::of(signals)?,
            capacity_kwh: capacity_kwh.filter(|kwh| *kwh > 0.0),
            plug: Debounce::new(None),
            charging: Debounce::new(None),
            session: None,
            silent_since: None,
            soc: Steps::of(SOC_STEP),
            soc_saved: Steps::of(SOC_SAVED_STEP),
            range: Steps::of(RANGE_STEP_M),
            time_to_complete: Steps::of(TIME_STEP_S),
            told: None,
        })
    }

    fn follow_plug(&mut self, cx: &mut Cx<'_>) {
        let known = self.plug.believed().is_some();
        let Some((connected, since)) = self.plug.offer(cx.now, self.inputs.plugged(cx.signals), PLUG_HOLD) else {
            return;
        };
        cx.out.save = true;
        if known {
            let kind = if connected { "plug.connected" } else { "plug.disconnected" };
            let data = json!({ "soc_percent": doc::rounded(self.inputs.soc(cx.signals), 1) });
            cx.out.events.push(Event::new(kind, since, data).with_position());
        }
    }

    fn follow_charge(&mut self, cx: &mut Cx<'_>) {
        let driving = cx.drive.phase == Phase::Driving;
        let was_driven = self.was_driven(cx.signals);
        let word = if driving { Some(false) } else { self.inputs.charging(cx.signals) };
        self.follow_silence(cx, word);
        if driving || was_driven {
            if let Some(session) = &mut self.session {
                session.uncertain |= was_driven;
            }
            let moved = match cx.drive.motion {
                Motion::Moving(since) if driving => cx.drive.on_since.map_or(since, |on| since.max(on)),
                _ => cx.now,
            };
            self.end(cx, moved, true);
        }
        let unplugged = self.inputs.plugged(cx.signals) == Some(false) && self.plug.believed() == Some(false);
        let hold = match word {
            Some(true) => CHARGE_BEGINS,
            _ if unplugged || self.session.is_none() => Duration::ZERO,
            _ => CHARGE_PAUSES,
        };
        match self.charging.offer(cx.now, word, hold) {
            Some((true, since)) => self.begin(cx, since),
            Some((false, since)) => {
                cx.out.save = true;
                self.end(cx, since, unplugged);
            }
            None => (),
        }
        let energy = self.inputs.energy(cx.signals);
        if let Some(session) = self.session.as_mut().filter(|_| word == Some(true)) {
            session.goes_on(cx.now, energy);
            cx.out.save |= energy.soc_percent.is_some_and(|soc| self.soc_saved.offer(soc));
        }
    }

    /// The odometer moved since the charge began, though nobody saw a drive.
    fn was_driven(&self, signals: &Signals) -> bool {
        let start_m = self.session.as_ref().and_then(|session| session.odometer_m);
        let moved = start_m.zip(self.inputs.odometer(signals)).map(|(start_m, now_m)| (now_m - start_m).abs());
        moved.is_some_and(|moved_m| moved_m >= DRIVEN_M)
    }

    fn follow_silence(&mut self, cx: &Cx<'_>, word: Option<bool>) {
        let Some(session) = self.session.as_mut() else {
            self.silent_since = None;
            return;
        };
        let Some(word) = word else {
            if self.silent_since.is_none() {
                let last_word = self.inputs.last_word_on_charging(cx.signals);
                let since = last_word.map_or(cx.now, |at| at.min(cx.now));
                self.silent_since = Some(since);
                session.falls_silent(since);
            }
            return;
        };
        let silent = self.silent_since.take().is_some_and(|since| cx.now >= since + CHARGE_SILENCE);
        let unheard = session.is_heard_again(cx.now, cx.clock, CHARGE_SILENCE);
        // A charge that goes on has not ended meanwhile; of one that has, nobody saw when.
        session.uncertain = !word && (session.uncertain || silent || unheard);
    }

    fn begin(&mut self, cx: &mut Cx<'_>, since: MonoTime) {
        let energy = self.inputs.energy(cx.signals);
        self.session = Some(Session::begin(since, energy, self.inputs.odometer(cx.signals)));
        let data = json!({ "soc_percent": doc::rounded(energy.soc_percent, 1) });
        cx.out.events.push(Event::new("charging.started", since, data).with_position());
        (cx.out.state_changed, cx.out.save) = (true, true);
    }

    fn end(&mut self, cx: &mut Cx<'_>, at: MonoTime, unplugged: bool) {
        let Some(session) = self.session.take() else { return };
        self.charging = Debounce::new(Some(false));
        self.silent_since = None;
        let at = session.since.here().map_or(at, |since| at.max(since));
        let end = session.last;
        let full_at = self.inputs.limit(cx.signals).unwrap_or(100.0) - FULL_WITHIN_POINTS;
        let why = if end.soc_percent.is_some_and(|soc| soc >= full_at) {
            "full"
        } else if session.uncertain {
            "unknown"
        } else if unplugged {
            "unplugged"
        } else {
            "stopped"
        };
        let duration = if session.uncertain { session.seen_for(cx.clock) } else { session.since.until(at, cx.clock) };
        let (energy_kwh, energy_by) = Energy::charged(&session.start, &end, self.capacity_kwh).unzip();
        let data = json!({
            "why": why,
            "duration_s": doc::seconds(duration),
            "start_soc_percent": doc::rounded(session.start.soc_percent, 1),
            "end_soc_percent": doc::rounded(end.soc_percent, 1),
            "energy_kwh": doc::rounded(energy_kwh, 2),
            "energy_by": energy_by,
            "uncertain": session.uncertain,
        });
        cx.out.events.push(Event::new("charging.ended", at, data).with_position());
        (cx.out.state_changed, cx.out.save) = (true, true);
    }

    fn charging_word(&self, now: MonoTime) -> &'static str {
        let silent = self.silent_since.is_some_and(|since| now >= since + CHARGE_SILENCE);
        match (&self.session, self.charging.believed()) {
            (Some(session), _) if silent || session.is_unheard() => "unknown",
            (Some(_), _) => "charging",
            (None, None) => "unknown",
            (None, Some(_)) => "not_charging",
        }
    }

    /// What of the state document is not thinned by steps.
    fn to_tell(&self, now: MonoTime, signals: &Signals) -> Told {
        let soc = self.inputs.soc.map_or(Quality::Good, |id| signals.get(id).quality);
        (
            self.plug.believed(),
            self.inputs.plug_quality(signals),
            self.charging_word(now),
            self.inputs.charging_quality(signals),
            soc,
        )
    }
}

impl Service for TractionBattery {
    fn name(&self) -> &'static str {
        "traction_battery"
    }

    fn group(&self) -> &'static str {
        "energy"
    }

    fn interests(&self) -> Vec<SignalId> {
        self.inputs.all()
    }

    fn update(&mut self, cx: &mut Cx<'_>) {
        self.follow_plug(cx);
        self.follow_charge(cx);
        let readings = [
            (&mut self.soc, self.inputs.soc),
            (&mut self.range, self.inputs.range),
            (&mut self.time_to_complete, self.inputs.time_to_complete),
        ];
        for (steps, id) in readings {
            let value = id.and_then(|id| cx.signals.get(id).good_f64());
            cx.out.state_changed |= value.is_some_and(|value| steps.offer(value));
        }
        let told = Some(self.to_tell(cx.now, cx.signals));
        cx.out.state_changed |= std::mem::replace(&mut self.told, told) != told;
    }

    fn deadline(&self) -> Option<MonoTime> {
        let told_silent = self.told.is_some_and(|told| told.2 == "unknown");
        let silence = self.silent_since.filter(|_| !told_silent).map(|since| since + CHARGE_SILENCE);
        [self.plug.deadline(), self.charging.deadline(), silence].into_iter().flatten().min()
    }

    fn state(&self, view: &View<'_>) -> Json {
        let mut document = serde_json::Map::new();
        let inputs = &self.inputs;
        let readings = [
            ("soc", inputs.soc),
            ("range", inputs.range),
            ("limit", inputs.limit),
            ("time_to_complete", inputs.time_to_complete),
        ];
        for (name, id) in readings {
            if let Some(id) = id {
                document.insert(name.to_owned(), doc::reading(view, id));
            }
        }
        if inputs.has_plug() {
            let word = match self.plug.believed() {
                Some(true) => "connected",
                Some(false) => "disconnected",
                None => "unknown",
            };
            let time = view.time(inputs.last_word_on_plug(view.signals).map_or(At::Unknown, At::Mono));
            document.insert("plug".to_owned(), doc::measured(word, "", inputs.plug_quality(view.signals), time));
        }
        if let Some(id) = inputs.charging {
            let word = self.charging_word(view.now);
            let reading = view.signals.get(id);
            document.insert("charging".to_owned(), doc::measured(word, "", reading.quality, view.time(reading.at)));
            let session = self.session.as_ref().map(|session| {
                let start_soc = doc::rounded(session.start.soc_percent, 1);
                json!({ "since": view.time(session.since.at()), "start_soc_percent": start_soc })
            });
            document.insert("session".to_owned(), session.unwrap_or(Json::Null));
        }
        Json::Object(document)
    }

    fn save(&self, view: &View<'_>) -> Json {
        let session = self.session.as_ref().map(|session| session.save(view));
        serde_json::to_value(Saved { plug: self.plug.believed(), charging: self.charging.believed(), session })
            .unwrap_or(Json::Null)
    }

    fn restore(&mut self, saved: &Json, view: &View<'_>) {
        let Ok(saved) = Saved::deserialize(saved) else { return };
        self.plug = Debounce::new(saved.plug);
        self.session = saved.session.map(|session| Session::restored(&session, view));
        // The two agree, whatever was saved.
        self.charging = Debounce::new(saved.charging.map(|_| self.session.is_some()));
    }
}

#[cfg(test)]
mod tests;
