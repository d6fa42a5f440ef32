//! The crash classifier: evidence in, verdicts out.
//!
//! Each accelerometer has its [`track::Track`]: baseline, velocity over the last 300 ms, and the pulse that it is going
//! through. Full-range sensors confirm by the change of velocity of one pulse. Sensors that clip confirm by the time
//! beyond what tires can do, together with speed lost where speed is measured. The airbag control unit decides alone.
//! A sensor in a loose housing, one whose pushes cancel each other out, and one that is lifted as much as pushed never
//! confirm alone.
//!
//! ```text
//! quiet ─► suspected ─► confirmed ─► graded ─► corrected* ─► closed
//!                └────► dismissed
//! ```
//!
//! Times, not counts of samples, decide: frames are lost, come late, and several may share a moment. All memory is
//! taken in [`Classifier::new`].

mod account;
mod attitude;
mod blow;
mod event;
mod health;
mod jumps;
mod learner;
mod motion;
mod proof;
mod pulse;
mod rate;
mod restraints;
mod track;
mod witness;
mod word;
mod zero;

use crate::time::MonoTime;

use super::calibration::{Calibration, SensorCalibration};
use super::observation::{Belts, Observation, Restraint, Sample};
use super::ring::Queue;
use super::sensor::{Mounting, Quantity, SensorIx, SensorSpec};
use super::sensor_fault::{FaultKind, SensorFault};
use super::thresholds as limit;
use super::verdict::{Stage, Verdict};

use attitude::{Gravity, Roll};
use event::Event;
use learner::Driven;
use motion::{Heading, Speed};
use rate::{Rate, Told};
use restraints::News;
use track::Track;

pub use restraints::Restraints;

/// Verdicts that wait to be fetched: an event says three words at once at most, and the caller fetches after each
/// observation.
const MAX_VERDICTS: usize = 16;

/// Faults that wait to be fetched: three axes of eight sensors.
const MAX_FAULTS: usize = 24;

#[derive(Debug, Clone)]
enum Slot {
    Acceleration(Box<Track>),
    Rate(Box<Rate>),
}

/// The classifier of one car.
#[derive(Debug, Clone)]
pub struct Classifier {
    slots: Vec<Slot>,
    wheels: Speed,
    gnss: Speed,
    heading: Heading,
    roll: Roll,
    gravity: Gravity,
    /// The accelerometer that gravity is taken from.
    gravity_slot: Option<usize>,
    belts: Option<Belts>,
    restraints: Restraints,
    /// When each was told fired that is only believed beside something else, and there was nothing.
    unproven: [Option<MonoTime>; Restraint::ALL.len()],
    silence: Option<MonoTime>,
    /// When it is certain which sensors fell silent with it.
    silence_look: Option<MonoTime>,
    now: MonoTime,
    events: u32,
    event: Option<Event>,
    verdicts: Queue<Verdict>,
    faults: Queue<SensorFault>,
}

impl Classifier {
    /// A classifier for a car with these sensors, in the profile's order.
    #[must_use]
    pub fn new(sensors: &[SensorSpec]) -> Self {
        let slots = sensors.iter().map(|spec| match spec.quantity {
            Quantity::Acceleration => Slot::Acceleration(Box::new(Track::new(spec))),
            Quantity::AngularRate => Slot::Rate(Box::new(Rate::new(spec))),
        });
        let has_gravity = |spec: &SensorSpec| spec.quantity == Quantity::Acceleration && spec.axes == [true; 3];
        let gravity_slot = (0..sensors.len()).filter(|index| has_gravity(&sensors[*index])).min_by(|one, other| {
            let loose = |index: usize| sensors[index].mounting == Mounting::Device;
            (loose(*one).cmp(&loose(*other))).then(sensors[*one].noise.total_cmp(&sensors[*other].noise))
        });
        Self {
            slots: slots.collect(),
            wheels: Speed::new(),
            gnss: Speed::new(),
            heading: Heading::new(),
            roll: Roll::default(),
            gravity: Gravity::default(),
            gravity_slot,
            belts: None,
            restraints: Restraints::default(),
            unproven: [None; Restraint::ALL.len()],
            silence: None,
            silence_look: None,
            now: MonoTime::ZERO,
            events: 0,
            event: None,
            verdicts: Queue::new(MAX_VERDICTS),
            faults: Queue::new(MAX_FAULTS),
        }
    }

    /// Takes one piece of evidence in. `at` is when it was measured where that is known; samples of one frame may share
    /// a moment. Observations come in the order of their arrival.
    pub fn observe(&mut self, at: MonoTime, observation: &Observation) {
        self.now = self.now.max(at);
        match *observation {
            Observation::Sample(sample) => self.sample(at, sample),
            Observation::WheelSpeed(mps) => {
                self.wheels.observe(at, mps);
            }
            Observation::GnssSpeed(mps) => {
                self.gnss.observe(at, mps);
            }
            Observation::Restraint(restraint, is_on) => self.restraint(at, restraint, is_on),
            Observation::Belts(belts) => self.belts = Some(belts),
            Observation::BusSilent(_) => {
                // Buses that are cut at once fall silent one after the other, each since its own last frame.
                self.silence = self.silence.max(Some(at));
                let look = self.tracks().filter_map(|track| track.silent_from(at)).max();
                self.silence_look = self.silence_look.max(look);
            }
            // What only the black box keeps.
            Observation::SampleLost(_)
            | Observation::Braking(_)
            | Observation::BusBack(_)
            | Observation::Ignition(_) => {}
        }
        self.advance();
    }

    /// Time has come to [`Classifier::poll_timeout`].
    pub fn handle_timeout(&mut self, now: MonoTime) {
        self.now = self.now.max(now);
        self.advance();
    }

    /// When [`Classifier::handle_timeout`] is due; none while all is quiet.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoTime> {
        let look = self.silence_look.filter(|_| self.event.is_none());
        self.event.as_ref().map(Event::deadline).or(look)
    }

    /// The next verdict: suspected, then dismissed, or confirmed, graded, corrected any number of times and closed.
    pub fn poll_verdict(&mut self) -> Option<Verdict> {
        self.verdicts.pop()
    }

    /// The next fault of a sensor, or its end.
    pub fn poll_fault(&mut self) -> Option<SensorFault> {
        self.faults.pop()
    }

    /// Verdicts and faults that nobody fetched before their queue was full.
    #[must_use]
    pub const fn dropped(&self) -> (u64, u64) {
        (self.verdicts.dropped(), self.faults.dropped())
    }

    /// What driving has taught so far, to be kept over restarts.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        let known = |track: &Track| SensorCalibration { name: track.name.clone(), axes: track.learner.axes };
        Calibration { sensors: self.tracks().map(known).collect(), restraints: self.restraints }
    }

    /// What an earlier run has learnt of the sensors. Those that it does not name start anew.
    pub fn restore_sensors(&mut self, sensors: Vec<SensorCalibration>) {
        for known in sensors {
            for slot in &mut self.slots {
                if let Slot::Acceleration(track) = slot
                    && track.name == known.name
                {
                    track.restore(known.axes);
                }
            }
        }
    }

    /// What has been heard of the restraints.
    #[must_use]
    pub const fn restraints(&self) -> Restraints {
        self.restraints
    }

    /// What an earlier run has heard of the restraints: one that it left armed, and that was told fired meanwhile, fires.
    pub fn restore_restraints(&mut self, earlier: Restraints) {
        self.restraints.restore(earlier);
        let (fired, old) = self.restraints.take_early();
        for (restraint, unproven) in Restraint::ALL.into_iter().zip(&mut self.unproven) {
            if (fired | old) & restraints::bit(restraint) != 0 {
                *unproven = None;
            }
        }
        if fired != 0 {
            self.fires(self.now, fired);
        }
    }

    /// These may have fired in a crash that an earlier run recorded: that they say so is no news.
    pub const fn have_fired(&mut self, restraints: u8) {
        self.restraints.have_fired(restraints);
    }

    fn tracks(&self) -> impl Iterator<Item = &Track> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Acceleration(track) => Some(&**track),
            Slot::Rate(_) => None,
        })
    }

    fn sample(&mut self, at: MonoTime, sample: Sample) {
        match self.slots.get(usize::from(sample.sensor.0)) {
            Some(Slot::Acceleration(_)) => self.pushed(at, sample),
            Some(Slot::Rate(_)) => self.turned(at, sample),
            None => {}
        }
    }

    /// There is an event, and it is a crash.
    fn is_confirmed(&self) -> bool {
        self.event.as_ref().is_some_and(Event::is_confirmed)
    }

    fn pushed(&mut self, at: MonoTime, sample: Sample) {
        let index = usize::from(sample.sensor.0);
        let speed_mps = self.wheels.fresh(self.now, limit::SPEED_FRESH);
        let is_moving = speed_mps.is_some_and(|mps| mps >= limit::MOVING_MPS);
        let (is_calm, bend) = (!self.is_confirmed(), self.bend(speed_mps));
        let Self { slots, faults, .. } = self;
        let Some(Slot::Acceleration(track)) = slots.get_mut(index) else { return };
        let taken = track.observe(at, sample.axes, is_moving, is_calm, &mut reporter(faults, sample.sensor, at));
        let Some(at) = taken else { return };
        let is_read = track.has_read(at);
        if is_read {
            track.follow(bend);
            if self.gravity_slot == Some(index) && track.has_gravity() {
                self.gravity.observe(at, track.axes_now());
            }
        }
        let window = track.learn(at);
        if let Some(began) = window {
            self.learn(index, sample.sensor, began, at);
        }
        if is_read {
            self.weigh(index);
        }
    }

    fn turned(&mut self, at: MonoTime, sample: Sample) {
        let (is_calm, driving) = (!self.is_confirmed(), self.driving());
        let Self { slots, faults, .. } = self;
        let Some(Slot::Rate(rate)) = slots.get_mut(usize::from(sample.sensor.0)) else { return };
        let turning = rate.observe(at, sample.axes, &driving, is_calm, &mut reporter(faults, sample.sensor, at));
        match turning.roll {
            Told::Dps(roll_dps) => {
                self.roll.observe(at, roll_dps);
                self.weigh_roll(at);
            }
            Told::Faulty => self.roll = Roll::default(),
            Told::Nothing => {}
        }
        match turning.yaw {
            Told::Dps(yaw_dps) => self.heading.observe(at, yaw_dps, driving.speed_mps, driving.across_mps2),
            Told::Faulty => self.heading.forget(),
            Told::Nothing => {}
        }
    }

    /// Compares a second of readings with what the car did in it.
    fn learn(&mut self, index: usize, sensor: SensorIx, began: MonoTime, at: MonoTime) {
        let speeds = self.wheels.at(began, limit::SPEED_FRESH).zip(self.wheels.fresh(at, limit::SPEED_FRESH));
        let span_s = at.since(began).as_secs_f32();
        let driven = speeds.map_or(Driven::default(), |(before, now)| Driven {
            x: Some((now - before) / span_s),
            y: self.heading.rate_since(began).map(|rate| rate * f32::midpoint(before, now)),
            is_moving: before.min(now) >= limit::MOVING_MPS,
        });
        let (is_quiet, is_calm) = (self.event.is_none(), !self.is_confirmed());
        let Self { slots, faults, .. } = self;
        if let Some(Slot::Acceleration(track)) = slots.get_mut(index) {
            if is_calm {
                track.shaken(at, &mut reporter(faults, sensor, at));
            }
            match (is_quiet, is_calm) {
                (true, _) => track.conclude(at, driven, &mut reporter(faults, sensor, at)),
                (false, true) => track.learner.discard(),
                (false, false) => track.learner.restart(),
            }
        }
    }

    /// What the pulse of this sensor means.
    fn weigh(&mut self, index: usize) {
        let Some(Slot::Acceleration(track)) = self.slots.get(index) else { return };
        let pulse = track.pulse;
        // The clock of a sensor whose frames come in bursts may run ahead.
        let Some(contact) = pulse.contact.map(|contact| contact.min(self.now)) else { return };
        if !(pulse.is_active() || pulse.is_complete()) || !proof::is_suspicious(track) {
            return;
        }
        if self.event.is_none() && pulse.is_active() {
            self.open(contact);
        }
        self.strike(contact, pulse.last_above);
        if !self.is_confirmed() && self.proves(index) {
            self.begin_anew(contact);
            self.say(Stage::Confirmed);
        }
    }

    /// Something pushes since that time, and did so last at the other.
    fn strike(&mut self, contact: MonoTime, last_above: MonoTime) {
        let Some(event) = &mut self.event else { return };
        event.active(contact, last_above);
        if contact.since(event.impact) > limit::GRADE_AFTER {
            event.impact = contact;
            for slot in &mut self.slots {
                if let Slot::Acceleration(track) = slot {
                    track.strike(contact);
                }
            }
            self.weigh_unproven();
        }
    }

    /// What shows that it is a crash began at that time: a kerb that was suspected long before is none of it.
    fn begin_anew(&mut self, shown_since: MonoTime) {
        let Some(event) = &mut self.event else { return };
        let impact = event.impact;
        if shown_since < impact || impact == event.contact {
            return;
        }
        (event.contact, event.impacts, event.next_review) = (impact, 1, impact + limit::GRADE_AFTER);
        event.wheels_before = self.wheels.at(impact, limit::SPEED_FRESH);
        event.gnss_before = self.gnss.at(impact, limit::SPEED_WINDOW);
        event.slip = self.wheels.slip(impact - limit::SPEED_WINDOW, impact);
        (event.speed_lost, event.pulse_loss, event.bus_silent) = (None, None, false);
        self.gather();
    }

    /// No road turns a car so far, where gravity does not pull downwards any more either. Without gravity, and in a car that
    /// stands, where a hand can turn the whole unit, something else must have told of a crash.
    fn weigh_roll(&mut self, at: MonoTime) {
        let is_told = self.is_confirmed();
        let has_left = self.gravity.has_left(at, is_told).unwrap_or(is_told);
        if !self.roll.is_over(at) || !has_left || (self.has_stood() && !is_told) {
            return;
        }
        if self.event.is_none() {
            self.open(at);
        }
        if let Some(event) = &mut self.event {
            event.rolled_at.get_or_insert(at);
        }
        if !self.is_confirmed() {
            self.say(Stage::Confirmed);
        }
    }

    /// A bus that falls silent at the first samples beyond tires may have been cut by a crash: satellites will tell.
    fn weigh_silence(&mut self) {
        let Some(silence) = self.silence.filter(|_| self.silence_look.is_some_and(|look| look <= self.now)) else {
            return;
        };
        self.silence_look = None;
        let is_near = |contact: &MonoTime| silence >= *contact && silence.since(*contact) <= limit::SILENCE_NEAR;
        let contact = self.tracks().find_map(|track| track.cut_short(self.now).filter(is_near));
        if let Some(contact) = contact.filter(|_| self.event.is_none()) {
            self.open(contact);
        }
    }

    fn restraint(&mut self, at: MonoTime, restraint: Restraint, has_fired: bool) {
        let news = self.restraints.tell(restraint, has_fired);
        let unproven = &mut self.unproven[restraint as usize];
        match news {
            News::Fires => self.fires(at, restraints::bit(restraint)),
            News::Hint => {
                *unproven = Some(at);
                self.weigh_unproven();
            }
            News::None if !has_fired => *unproven = None,
            News::None => {}
        }
    }

    /// Restraints that are not believed alone, beside a suspicion: they fire while the impact goes on that makes them fire,
    /// or add to a crash that is known.
    fn weigh_unproven(&mut self) {
        let Some(event) = &self.event else { return };
        let (impact, is_known) = (event.impact, event.is_confirmed());
        let is_near = |at: MonoTime| {
            impact.since(at) <= limit::GRADE_AFTER && (is_known || at.since(impact) <= limit::GRADE_AFTER)
        };
        let (mut fired, mut last) = (0, impact);
        for (restraint, unproven) in Restraint::ALL.into_iter().zip(&mut self.unproven) {
            if let Some(at) = unproven.take_if(|at| is_near(*at)) {
                (fired, last) = (fired | restraints::bit(restraint), last.max(at));
            }
        }
        if fired != 0 {
            self.fires(last, fired);
        }
    }

    fn fires(&mut self, at: MonoTime, fired: u8) {
        self.restraints.spend(fired);
        if self.event.is_none() {
            self.open(at);
        }
        if let Some(event) = &mut self.event {
            event.restraints |= fired;
        }
        if !self.is_confirmed() {
            // It fires while the impact goes on that makes it fire.
            if self.event.as_ref().is_some_and(|event| at.since(event.impact) <= limit::GRADE_AFTER) {
                self.begin_anew(at);
            }
            self.say(Stage::Confirmed);
        }
    }

    fn open(&mut self, contact: MonoTime) {
        self.events = self.events.saturating_add(1);
        for slot in &mut self.slots {
            if let Slot::Acceleration(track) = slot {
                track.anchor(contact);
            }
        }
        self.roll.restart();
        self.gravity.latch();
        self.event = Some(Event {
            number: self.events,
            contact,
            impact: contact,
            opened: self.now,
            stage: Stage::Suspected,
            impacts: 1,
            restraints: 0,
            last_active: contact,
            wheels_before: self.wheels.at(contact, limit::SPEED_FRESH),
            gnss_before: self.gnss.at(contact, limit::SPEED_WINDOW),
            slip: self.wheels.slip(contact - limit::SPEED_WINDOW, contact),
            was_rolling: (self.wheels.at(contact - limit::SPEED_WINDOW, limit::SPEED_FRESH))
                .is_some_and(|before| before >= limit::MOVING_MPS),
            was_sliding: self.heading.was_sliding(contact, self.now),
            rolled_at: None,
            speed_lost: None,
            pulse_loss: None,
            tilt_deg: None,
            bus_silent: false,
            next_review: contact + limit::GRADE_AFTER,
            corrections: 0,
            said: None,
        });
        self.say(Stage::Suspected);
        self.weigh_unproven();
    }

    /// Does what is due.
    fn advance(&mut self) {
        self.weigh_silence();
        self.gather();
        if self.event.is_some() && !self.is_confirmed() && self.proves_late() {
            if self.is_of_newest_impact() {
                self.begin_anew(self.now);
            }
            self.say(Stage::Confirmed);
        }
        while let Some(event) = &mut self.event {
            if self.now < event.deadline() {
                return;
            }
            match event.stage {
                Stage::Suspected => self.end(Stage::Dismissed),
                Stage::Confirmed => {
                    event.next_review = self.now + limit::REVIEW_EVERY;
                    self.say(Stage::Graded);
                }
                _ if self.now >= event.closes() => self.end(Stage::Closed),
                _ => {
                    event.next_review = self.now + limit::REVIEW_EVERY;
                    self.review();
                }
            }
        }
    }

    /// What the slow sources say of an open event.
    fn gather(&mut self) {
        let Some(event) = &mut self.event else { return };
        if self.now.since(event.contact) <= limit::SPEED_WINDOW {
            let wheels = self.wheels.fresh(self.now, limit::SPEED_FRESH);
            let lost = event.wheels_before.zip(wheels).map(|(before, now)| before - now);
            let gnss = self.gnss.fresh(self.now, limit::SPEED_WINDOW);
            let by_gnss = event.gnss_before.zip(gnss).map(|(before, now)| before - now);
            event.speed_lost = lost.or(by_gnss).or(event.speed_lost);
            let ends = event.last_active + limit::SPEED_LAG;
            // Wheels that slipped at contact do not tell how fast the car was.
            let is_known = event.slip.is_none_or(|slip| !slip.is_evident);
            if self.now <= ends.min(event.contact + limit::GRADED_BY) && is_known {
                event.pulse_loss = event.loss_of_rolling(self.wheels.since(event.last_active, self.now));
            }
        }
        let near = |silence: MonoTime| silence >= event.contact && silence.since(event.contact) <= limit::SILENCE_NEAR;
        event.bus_silent |= self.silence.is_some_and(near);
        if self.now.since(event.last_active) >= limit::REST_AFTER {
            event.tilt_deg = self.gravity.tilt_deg(self.now).or(event.tilt_deg);
        }
    }

    fn review(&mut self) {
        let Some(event) = &self.event else { return };
        let verdict = self.word(event, Stage::Corrected);
        if event.corrections < limit::MAX_CORRECTIONS
            && event.said.as_ref().is_some_and(|said| event::differs(said, &verdict))
        {
            if let Some(event) = &mut self.event {
                event.corrections += 1;
            }
            self.say(Stage::Corrected);
        }
    }

    fn end(&mut self, stage: Stage) {
        self.say(stage);
        self.event = None;
        for slot in &mut self.slots {
            if let Slot::Acceleration(track) = slot {
                if stage == Stage::Dismissed {
                    track.mislead(self.now);
                }
                track.release();
            }
        }
    }

    fn say(&mut self, stage: Stage) {
        let Some(event) = &self.event else { return };
        let verdict = self.word(event, stage);
        self.verdicts.push(verdict);
        if let Some(event) = &mut self.event {
            event.stage = stage;
            event.said = Some(verdict);
        }
    }
}

/// Puts what happens to the axes of a sensor into the queue.
fn reporter(faults: &mut Queue<SensorFault>, sensor: SensorIx, at: MonoTime) -> impl FnMut(usize, FaultKind) {
    move |axis, kind| {
        let axis = u8::try_from(axis).unwrap_or(u8::MAX);
        faults.push(SensorFault { sensor, axis, kind, at });
    }
}

#[cfg(test)]
mod rate_tests;
#[cfg(test)]
mod restraint_tests;
#[cfg(test)]
mod speed_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod turn_tests;
