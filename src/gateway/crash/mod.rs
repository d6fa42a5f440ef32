//! Crashes, as the gateway sees them: what is heard goes to the classifier, what it says becomes events and the state
//! document of the group `safety`.
//!
//! Everything that the classifier hears passes [`Crash::observe`], and everything that it says
//! [`Crash::poll_verdict`]; suspicions and dismissed ones are counted and told to nobody outside.

mod aftermath;
mod black_box;
mod gauges;
mod recovery;
mod report;
mod senses;

use serde_json::{Map, Value as Json, json};
use tracing::{info, warn};

use crate::can::BusId;
use crate::can::silence::Silence;
use crate::config::Profile;
use crate::crash::black_box::{Channel, Identity, Recorder, Recording};
use crate::crash::classifier::Restraints;
use crate::crash::{AXES, Calibration, Classifier, FaultKind, Observation, SensorFault, SensorSpec, Stage, Verdict};
use crate::delivery::{BootId, Lane, RecordId};
use crate::services::{Event, Phase, Place, Recovered, View, crash_id};
use crate::signals::{At, SignalId, Signals};
use crate::time::{KernelBoot, MonoTime};

use gauges::Gauges;
use senses::Senses;

/// The state group of what watches over the occupants.
pub(super) const GROUP: &str = "safety";

/// The name among the store's values.
const SAVED: &str = "crash";

/// In the order of a crash, for metrics.
const STAGES: [Stage; 6] =
    [Stage::Suspected, Stage::Confirmed, Stage::Graded, Stage::Corrected, Stage::Closed, Stage::Dismissed];

/// The classifier with its senses.
pub(super) struct Crash {
    classifier: Classifier,
    recorder: Recorder,
    /// What earlier runs left in the black box, until it is known whether there is a store for it.
    left: Vec<Recording>,
    /// Crashes among them that the services are still to hear of, with the ids of their reports.
    recovered: Vec<(RecordId, Recovered)>,
    /// Reports of earlier runs that are durable or delivered and not yet marked so.
    told: Vec<RecordId>,
    /// Crash reports of this run that are not yet durable.
    unkept: Vec<RecordId>,
    gauges: Gauges,
    /// The sensors of the profile.
    specs: Vec<SensorSpec>,
    senses: Senses,
    silence: Silence,
    sensors: Vec<Sensor>,
    /// The ignition as it was told last.
    is_on: Option<bool>,
    boot: BootId,
    /// The moment of contact as it was told first: the clock learns on, the words on one event must not differ in it.
    contact: Option<(MonoTime, Json)>,
    /// The last report, of this run or an earlier one.
    last: Json,
    verdicts: [u64; STAGES.len()],
    is_changed: bool,
    is_unsaved: bool,
    /// What earlier runs have heard of the restraints, until it counts.
    kept: Option<Restraints>,
    /// What the restraints have told, as it was looked at last.
    restraints: Restraints,
    /// Those that fired in this run.
    fired: u8,
    /// Whether that is durable: the next run must know, as their control unit goes on to say so.
    firing: Firing,
}

/// How far the knowledge has come that a restraint fired for the first time in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Firing {
    /// None has, or it is durable.
    Kept,
    Unsaved,
    Saving,
}

/// What is known of a sensor beside its samples.
struct Sensor {
    name: String,
    axes: [Option<Axis>; 3],
    samples: u64,
    lost: u64,
    faults: u64,
}

/// The state of an axis.
#[derive(Clone, Copy)]
struct Axis {
    /// None while it works.
    fault: Option<FaultKind>,
    since: MonoTime,
}

/// A sensor in the metrics.
pub(super) struct SensorFigures<'a> {
    pub(super) name: &'a str,
    pub(super) samples: u64,
    pub(super) lost: u64,
    pub(super) faults: u64,
}

impl Crash {
    pub(super) fn new(
        now: MonoTime,
        (boot, kernel): (BootId, KernelBoot),
        profile: &Profile,
        signals: &Signals,
    ) -> Self {
        let specs = profile.sensors();
        let sensor = |spec: &SensorSpec| Sensor {
            name: spec.name.clone(),
            axes: spec.axes.map(|has| has.then_some(Axis { fault: None, since: now })),
            samples: 0,
            lost: 0,
            faults: 0,
        };
        Self {
            sensors: specs.iter().map(sensor).collect(),
            classifier: Classifier::new(&specs),
            recorder: Recorder::new(Identity { boot, kernel, profile_hash: profile.hash }, &specs),
            left: Vec::new(),
            recovered: Vec::new(),
            told: Vec::new(),
            unkept: Vec::with_capacity(black_box::UNKEPT_MAX),
            gauges: Gauges::new(signals),
            specs,
            senses: Senses::new(signals),
            silence: Silence::new((0..).map(BusId).zip(&profile.buses).map(|(bus, _)| profile.silence(bus))),
            is_on: None,
            boot,
            contact: None,
            last: Json::Null,
            verdicts: [0; STAGES.len()],
            is_changed: false,
            is_unsaved: false,
            kept: None,
            restraints: Restraints::default(),
            fired: 0,
            firing: Firing::Kept,
        }
    }

    /// The car shows something of a crash at all.
    pub(super) fn is_equipped(&self) -> bool {
        !self.sensors.is_empty() || self.senses.has_restraints()
    }

    /// A frame was received, and the intake has taken it.
    #[inline]
    pub(super) fn frame(&mut self, at: MonoTime, bus: BusId, samples: &[(MonoTime, Observation)], signals: &Signals) {
        if self.silence.frame(at, bus) {
            self.observe(at, &Observation::BusBack(bus));
        }
        for (at, observation) in samples {
            self.count(observation);
            self.observe(*at, observation);
        }
        if let Some(speed) = self.senses.poll_speed(signals) {
            self.observe(at, &speed);
        }
    }

    /// A signal changed its value or its quality.
    pub(super) fn changed(&mut self, now: MonoTime, id: SignalId, signals: &Signals) {
        let known = self.restraints.known | self.kept.map_or(0, |kept| kept.known);
        if let Some(observation) = self.senses.changed(id, signals, known) {
            self.observe(now, &observation);
            self.follow_restraints();
        }
        if let Some((channel, value)) = self.gauges.changed(id, signals) {
            self.recorder.value(now, channel, value);
        }
    }

    /// Keeps what the restraints have told. One that fires is kept at once, but only the first time: a signal that flickers
    /// is not to wear out the flash.
    fn follow_restraints(&mut self) {
        let (before, after) = (self.restraints, self.classifier.restraints());
        let fired = before.armed & !after.armed;
        self.is_unsaved |= before != after;
        if fired & !self.fired != 0 {
            self.firing = Firing::Unsaved;
        }
        self.fired |= fired;
        self.restraints = after;
    }

    /// Airbags that are found fired now belong to a crash that an earlier run recorded, also those that fired when the
    /// power was gone.
    fn have_fired(&mut self) {
        self.classifier.have_fired(Restraints::ALL);
    }

    /// What earlier runs have heard of the restraints counts once the black box has said of which crashes they fired in. One
    /// that they left armed, and that has told meanwhile that it fired, did so when no run was there to record it.
    fn take_kept(&mut self) {
        let Some(kept) = self.kept.take() else { return };
        self.classifier.have_fired(self.senses.old());
        self.classifier.restore_restraints(kept);
        let restraints = self.classifier.restraints();
        self.is_unsaved |= restraints != kept;
        if (kept.armed & !restraints.armed) | (restraints.doubted & !kept.doubted) != 0 {
            self.firing = Firing::Unsaved;
        }
        self.restraints = restraints;
    }

    /// Where the car is, as far as it is known, and whether a report may say so. That comes first: where a place turns
    /// private, a record that the power cuts short between the two has the word and not the place.
    pub(super) fn place(&mut self, now: MonoTime, place: Place, may_be_told: bool) {
        self.recorder.value(now, Channel::PlaceMayBeTold, f64::from(u8::from(may_be_told)));
        self.recorder.value(now, Channel::Latitude, place.latitude_deg);
        self.recorder.value(now, Channel::Longitude, place.longitude_deg);
    }

    /// A fix that was believed says how fast the car is over ground.
    pub(super) fn ground_speed(&mut self, at: MonoTime, speed_mps: f64) {
        #[expect(clippy::cast_possible_truncation, reason = "a car's speed has few digits")]
        self.observe(at, &Observation::GnssSpeed(speed_mps.abs() as f32));
    }

    /// What the car is doing as a whole.
    pub(super) fn drive(&mut self, now: MonoTime, phase: Phase) {
        if phase == Phase::Unknown || self.is_on == Some(phase.is_on()) {
            return;
        }
        self.is_on = Some(phase.is_on());
        self.observe(now, &Observation::Ignition(phase.is_on()));
    }

    /// Time has passed.
    pub(super) fn handle_timeout(&mut self, now: MonoTime) {
        while let Some((bus, last)) = self.silence.poll_silent(now) {
            self.observe(last, &Observation::BusSilent(bus));
        }
        if self.classifier.poll_timeout().is_some_and(|due| due <= now) {
            self.classifier.handle_timeout(now);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<MonoTime> {
        let due = [self.silence.poll_timeout(), self.classifier.poll_timeout(), self.recorder.poll_timeout()];
        due.into_iter().flatten().min()
    }

    /// The next word of the classifier.
    #[inline]
    pub(super) fn poll_verdict(&mut self) -> Option<Verdict> {
        let verdict = self.classifier.poll_verdict()?;
        if let Some(count) = self.verdicts.get_mut(verdict.stage as usize) {
            *count += 1;
        }
        Some(verdict)
    }

    /// A verdict as an event, where it is for others.
    pub(super) fn report(&mut self, verdict: &Verdict, view: &View<'_>) -> Option<Event> {
        let stage = verdict.stage.name();
        let kind = report::kind(verdict.stage)?;
        let crash = crash_id(self.boot, verdict.event);
        warn!(crash, stage, "crash");
        let contact = self.contact_time(verdict, view);
        self.last = report::data(&crash, verdict, &contact);
        self.is_changed = true;
        self.is_unsaved = true;
        let event = Event { lane: Lane::Critical, ..Event::new(kind, verdict.at, self.last.clone()) };
        Some(event.about(&crash).with_position())
    }

    fn contact_time(&mut self, verdict: &Verdict, view: &View<'_>) -> Json {
        if let Some((_, told)) = self.contact.as_ref().filter(|(at, told)| *at == verdict.contact && !told.is_null()) {
            return told.clone();
        }
        let told = view.time(At::Mono(verdict.contact));
        self.contact = Some((verdict.contact, told.clone()));
        told
    }

    /// The next sensor that fails or works again.
    pub(super) fn poll_fault(&mut self) -> Option<Event> {
        let SensorFault { sensor, axis, kind, at } = self.classifier.poll_fault()?;
        let sensor = self.sensors.get_mut(usize::from(sensor.0))?;
        let name = AXES.get(usize::from(axis))?;
        let fault = (kind != FaultKind::Recovered).then_some(kind);
        let state = sensor.axes.get_mut(usize::from(axis))?.as_mut()?;
        *state = Axis { fault, since: at };
        self.is_changed = true;
        let (event, data) = if let Some(kind) = fault {
            sensor.faults += 1;
            warn!(sensor = sensor.name, axis = name, fault = kind.name(), "an inertial sensor is faulty");
            ("sensor.fault", json!({ "axis": name, "fault": kind.name() }))
        } else {
            info!(sensor = sensor.name, axis = name, "an inertial sensor works again");
            ("sensor.recovered", json!({ "axis": name }))
        };
        Some(Event::new(event, at, data).about(&sensor.name))
    }

    /// Whether the state is worth telling anew; asked, it is as good as told.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// Adds the state document.
    pub(super) fn describe(&self, view: &View<'_>, data: &mut Map<String, Json>) {
        let state_of = |axis: &Axis| {
            let value = axis.fault.map_or("working", FaultKind::name);
            json!({ "value": value, "quality": "good", "time": view.time(At::Mono(axis.since)) })
        };
        let sensors = self.sensors.iter().map(|sensor| {
            let axes = AXES.into_iter().zip(&sensor.axes);
            let states = axes.filter_map(|(name, axis)| Some((name.to_owned(), state_of(axis.as_ref()?))));
            (sensor.name.clone(), Json::Object(states.collect()))
        });
        data.insert("sensors".to_owned(), Json::Object(sensors.collect()));
        data.insert("crash".to_owned(), self.last.clone());
    }

    /// What must survive a restart, when it changed or `all` is asked for.
    pub(super) fn take_unsaved(&mut self, all: bool) -> Option<(String, Vec<u8>)> {
        if self.firing == Firing::Unsaved {
            self.firing = Firing::Saving;
        }
        if !(std::mem::take(&mut self.is_unsaved) || all) {
            return None;
        }
        let mut calibration = self.classifier.calibration();
        if let Some(kept) = self.kept {
            calibration.restraints.restore(kept);
        }
        let saved = json!({ "calibration": calibration, "last": self.last });
        Some((SAVED.to_owned(), saved.to_string().into_bytes()))
    }

    /// Takes back what [`Self::take_unsaved`] gave.
    pub(super) fn restore(&mut self, saved: &[(String, Vec<u8>)]) {
        let Some((_, bytes)) = saved.iter().find(|(name, _)| name == SAVED) else { return };
        let Ok(mut saved) = serde_json::from_slice::<Json>(bytes) else {
            warn!("what was learnt of the inertial sensors cannot be read; it is learnt anew");
            return;
        };
        match serde_json::from_value::<Calibration>(saved["calibration"].take()) {
            Ok(calibration) => {
                self.kept = Some(calibration.restraints);
                self.classifier.restore_sensors(calibration.sensors);
            }
            Err(error) => warn!(%error, "what was learnt of the inertial sensors cannot be read; it is learnt anew"),
        }
        if self.last.is_null() {
            self.last = saved["last"].take();
            self.is_changed = true;
        }
    }

    /// Verdicts of this run by stage.
    pub(super) fn verdicts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        STAGES.into_iter().map(Stage::name).zip(self.verdicts)
    }

    /// Words and faults that the classifier had no room for, for metrics.
    pub(super) const fn dropped(&self) -> [(&'static str, u64); 2] {
        let (verdicts, faults) = self.classifier.dropped();
        [("verdict", verdicts), ("fault", faults)]
    }

    pub(super) fn sensors(&self) -> impl Iterator<Item = SensorFigures<'_>> {
        self.sensors.iter().map(|sensor| SensorFigures {
            name: &sensor.name,
            samples: sensor.samples,
            lost: sensor.lost,
            faults: sensor.faults,
        })
    }

    /// The one door to the classifier, and to the black box.
    #[inline]
    fn observe(&mut self, at: MonoTime, observation: &Observation) {
        self.recorder.observe(at, observation);
        self.classifier.observe(at, observation);
    }

    fn count(&mut self, observation: &Observation) {
        let (sensor, is_lost) = match observation {
            Observation::Sample(sample) => (sample.sensor, false),
            Observation::SampleLost(sensor) => (*sensor, true),
            _ => return,
        };
        if let Some(sensor) = self.sensors.get_mut(usize::from(sensor.0)) {
            sensor.samples += u64::from(!is_lost);
            sensor.lost += u64::from(is_lost);
        }
    }
}
