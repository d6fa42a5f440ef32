//! Where the car is: the GNSS receiver's fixes as signals, as the state of the group `location`, and beside events.
//!
//! Everything that this file hands out about a place travels in the location part of a record and nowhere else.
//!
//! A place that was received in privacy mode is told to nobody, also after privacy mode was switched off and after a
//! restart: [`Place::may_be_told`]. Services and the black box have it in any case, as the eCall record needs it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use tracing::{info, warn};

use crate::config::{Profile, Source};
use crate::crash::KMH_PER_MPS;
use crate::gnss::{Counters, Fix, Receiver};
use crate::services::{self, View};
use crate::signals::{At, SignalId, Signals, Value};
use crate::time::{MonoTime, Stamp, WallReading};

use super::PortEvent;

/// The state group of the place.
pub(super) const GROUP: &str = "location";

/// How often the state is published at most: a pin on a map every ten seconds.
pub(super) const GROUP_INTERVAL: Duration = Duration::from_secs(10);

/// A receiver speaks once a second at least; without a word for so long, the place is an old one.
const STALE_AFTER: Duration = Duration::from_secs(5);

/// A parked car's fixes wander by some metres: only a way of this length is worth a new state.
const WORTH_TELLING_M: f64 = 25.0;

/// Decimals of a degree that are published: 1e-7 degrees are a centimeter, as receivers give them.
const DEGREE_DIGITS: i32 = 7;

/// The name among the store's values.
const SAVED: &str = "position";

/// What a signal takes from a fix.
#[derive(Debug, Clone, Copy)]
enum Field {
    Latitude,
    Longitude,
    Altitude,
    Heading,
    HorizontalAccuracy,
}

impl Field {
    /// The signals that the profile can fill from the receiver.
    const PATHS: [(&'static str, Self); 5] = [
        ("Vehicle.CurrentLocation.Latitude", Self::Latitude),
        ("Vehicle.CurrentLocation.Longitude", Self::Longitude),
        ("Vehicle.CurrentLocation.Altitude", Self::Altitude),
        ("Vehicle.CurrentLocation.Heading", Self::Heading),
        ("Vehicle.CurrentLocation.HorizontalAccuracy", Self::HorizontalAccuracy),
    ];

    fn of(self, fix: &Fix) -> Option<f64> {
        match self {
            Self::Latitude => fix.trusted_position().map(|position| position.latitude_deg),
            Self::Longitude => fix.trusted_position().map(|position| position.longitude_deg),
            Self::Altitude => fix.altitude_m,
            Self::Heading => fix.course_deg,
            Self::HorizontalAccuracy => fix.accuracy.map(|accuracy| accuracy.horizontal_m),
        }
    }
}

/// A place that was believed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    at: At,
    fix: Known,
    /// Restored, and not to be told then.
    was_private: bool,
}

impl Place {
    /// It was received when privacy mode was off, `open_since` that moment.
    fn may_be_told(&self, open_since: Option<MonoTime>) -> bool {
        let is_after = |since: MonoTime| match self.at {
            At::Mono(at) => at >= since,
            At::Wall(_) | At::Unknown => true,
        };
        !self.was_private && open_since.is_some_and(is_after)
    }
}

/// What is kept of a fix.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Known {
    latitude_deg: f64,
    longitude_deg: f64,
    accuracy_m: Option<f64>,
    altitude_m: Option<f64>,
    course_deg: Option<f64>,
    speed_mps: Option<f64>,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    fix: Known,
    stamp: Stamp,
    /// What does not say so was private.
    #[serde(default)]
    may_be_told: bool,
}

/// The receiver and what is known from it.
#[derive(Debug)]
pub(super) struct Position {
    receiver: Receiver,
    is_port_up: Option<bool>,
    filled: Vec<(SignalId, Field)>,
    last: Option<Place>,
    is_fresh: bool,
    told: Option<Place>,
    is_changed: bool,
    /// Over ground, of the newest fix that was believed and not asked for yet.
    speed: Option<(MonoTime, f64)>,
}

impl Position {
    pub(super) fn new(profile: &Profile, signals: &Signals) -> Self {
        let is_filled = |id: SignalId| matches!(profile.sources.get(usize::from(id.0)), Some(Source::Gnss));
        let filled = Field::PATHS
            .into_iter()
            .filter_map(|(path, field)| Some((signals.id(path).filter(|id| is_filled(*id))?, field)))
            .collect();
        Self {
            receiver: Receiver::default(),
            is_port_up: None,
            filled,
            last: None,
            is_fresh: false,
            told: None,
            is_changed: false,
            speed: None,
        }
    }

    pub(super) fn feed(&mut self, now: MonoTime, bytes: &[u8]) {
        self.receiver.feed(now, bytes);
    }

    /// The port opened or went; true when that is news.
    pub(super) fn port(&mut self, event: &PortEvent) -> bool {
        self.receiver.port_changed();
        let is_up = *event == PortEvent::Up;
        let is_news = self.is_port_up.replace(is_up) != Some(is_up);
        match event {
            PortEvent::Up => info!("GNSS port open"),
            PortEvent::Down(why) if is_news => warn!(why, "no GNSS port; waiting for it"),
            PortEvent::Down(_) => {}
        }
        is_news
    }

    /// Takes what the receiver has finished; what its newest fix says of the wall clock, and when.
    pub(super) fn settle(
        &mut self,
        now: MonoTime,
        open_since: Option<MonoTime>,
        signals: &mut Signals,
    ) -> Option<(MonoTime, WallReading)> {
        self.receiver.handle_timeout(now);
        let mut reading = None;
        while let Some(fix) = self.receiver.poll_fix() {
            reading = fix.reading().map(|reading| (fix.at, reading)).or(reading);
            self.take(&fix, open_since, signals);
        }
        if self.is_fresh && self.stale_at().is_some_and(|due| due <= now) {
            self.is_fresh = false;
            self.is_changed = true;
            for (id, _) in &self.filled {
                signals.expire(*id);
            }
        }
        reading
    }

    fn take(&mut self, fix: &Fix, open_since: Option<MonoTime>, signals: &mut Signals) {
        let Some(position) = fix.trusted_position() else { return };
        // A receiver's epoch may end after privacy mode did: what began before is private.
        if open_since.is_none_or(|since| fix.at >= since) {
            for (id, field) in &self.filled {
                if let Some(value) = field.of(fix) {
                    signals.set(*id, Value::Float(value), fix.at);
                }
            }
        }
        let known = Known {
            latitude_deg: position.latitude_deg,
            longitude_deg: position.longitude_deg,
            accuracy_m: fix.accuracy.map(|accuracy| accuracy.horizontal_m),
            altitude_m: fix.altitude_m,
            course_deg: fix.course_deg,
            speed_mps: fix.speed_mps,
        };
        self.speed = fix.speed_mps.map(|speed_mps| (fix.at, speed_mps)).or(self.speed);
        let place = Place { at: At::Mono(fix.at), fix: known, was_private: false };
        let is_far = self.told.is_none_or(|told| distance_m(told.fix, known) >= WORTH_TELLING_M);
        let is_first = place.may_be_told(open_since) && !self.may_be_told(open_since);
        self.is_changed |= is_far || is_first || !self.is_fresh;
        self.is_fresh = true;
        self.last = Some(place);
    }

    fn stale_at(&self) -> Option<MonoTime> {
        match self.last.filter(|_| self.is_fresh)?.at {
            At::Mono(at) => Some(at + STALE_AFTER),
            At::Wall(_) | At::Unknown => None,
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<MonoTime> {
        self.receiver.poll_timeout().into_iter().chain(self.stale_at()).min()
    }

    /// The speed over ground, when there is a new one.
    pub(super) const fn take_speed(&mut self) -> Option<(MonoTime, f64)> {
        self.speed.take()
    }

    /// Whether the state is worth telling anew; asked, it is as good as told.
    pub(super) fn take_changed(&mut self) -> bool {
        let is_changed = std::mem::take(&mut self.is_changed);
        if is_changed {
            self.told = self.last;
        }
        is_changed
    }

    /// There is a place, and it was not received in privacy mode.
    pub(super) fn may_be_told(&self, open_since: Option<MonoTime>) -> bool {
        self.last.is_some_and(|place| place.may_be_told(open_since))
    }

    /// The last believed place as JSON; none where there is none that may be told.
    pub(super) fn describe(&self, view: &View<'_>, open_since: Option<MonoTime>) -> Option<Json> {
        let place = self.last.filter(|place| place.may_be_told(open_since))?;
        let tenths = |value: Option<f64>| value.map(|value| rounded(value, 1));
        Some(json!({
            "latitude": rounded(place.fix.latitude_deg, DEGREE_DIGITS),
            "longitude": rounded(place.fix.longitude_deg, DEGREE_DIGITS),
            "accuracy_m": tenths(place.fix.accuracy_m),
            "altitude_m": tenths(place.fix.altitude_m),
            "heading_deg": tenths(place.fix.course_deg),
            "speed_kmh": tenths(place.fix.speed_mps.map(|speed| speed * KMH_PER_MPS)),
            "quality": if self.is_fresh { "good" } else { "stale" },
            "time": view.time(place.at),
        }))
    }

    /// The last believed place, for services.
    pub(super) fn place(&self) -> Option<services::Place> {
        let Place { at, fix, .. } = self.last?;
        Some(services::Place {
            at,
            latitude_deg: fix.latitude_deg,
            longitude_deg: fix.longitude_deg,
            accuracy_m: fix.accuracy_m,
            course_deg: fix.course_deg,
            is_fresh: self.is_fresh,
        })
    }

    /// `up`, `down`, or `none` where no port was ever tried.
    pub(super) const fn port_name(&self) -> &'static str {
        match self.is_port_up {
            Some(true) => "up",
            Some(false) => "down",
            None => "none",
        }
    }

    pub(super) fn counters(&self) -> Counters {
        self.receiver.counters()
    }

    pub(super) fn age(&self, now: MonoTime) -> Option<Duration> {
        match self.last?.at {
            At::Mono(at) => Some(now.since(at)),
            At::Wall(_) | At::Unknown => None,
        }
    }

    /// The place for the next run.
    pub(super) fn save(&self, view: &View<'_>, open_since: Option<MonoTime>) -> Option<(String, Vec<u8>)> {
        let place = self.last?;
        let At::Mono(at) = place.at else { return None };
        let may_be_told = place.may_be_told(open_since);
        let saved = serde_json::to_vec(&Saved { fix: place.fix, stamp: view.stamp(at), may_be_told }).ok()?;
        Some((SAVED.to_owned(), saved))
    }

    /// Takes back what [`Self::save`] gave, unless there has been a fix already.
    pub(super) fn restore(&mut self, saved: &[(String, Vec<u8>)], view: &View<'_>) {
        let Some((_, bytes)) = saved.iter().find(|(name, _)| name == SAVED) else { return };
        let Ok(Saved { fix, stamp, may_be_told }) = serde_json::from_slice(bytes) else {
            warn!("the saved position cannot be read; the next fix replaces it");
            return;
        };
        if self.last.is_none() {
            let at = match stamp.wall {
                _ if stamp.boot == view.boot => At::Mono(stamp.mono),
                Some(wall) => At::Wall(wall.wall),
                None => At::Unknown,
            };
            self.last = Some(Place { at, fix, was_private: !may_be_told });
            self.is_changed = true;
        }
    }
}

fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (value * factor).round() / factor
}

fn distance_m(from: Known, to: Known) -> f64 {
    let position =
        |known: Known| crate::gnss::Position { latitude_deg: known.latitude_deg, longitude_deg: known.longitude_deg };
    position(from).distance_m(position(to))
}
