//! A car of a profile: its sensors with their chains, and what the gateway hears of a case through them.

use std::time::Duration;

use crate::can::BusId;
use crate::config::{Profile, STALE_AFTER, Source};
use crate::crash::chain::{Chain, ChainSpec, Delivery};
use crate::crash::{Belts, Observation, Orientation, Quantity, Sample, SensorIx, SensorSpec};
use crate::rng::Rng;
use crate::time::MonoTime;

use super::Case;
use super::defect::Harm;
use super::play::{Moment, Play};
use super::script::{BusEvent, Defect};

/// The moment at which every case begins: any, but for zero.
const EPOCH: MonoTime = MonoTime::from_millis(1_000_000);
/// Outside the windows a restraint sensor needs each of its samples; for a stability sensor this is beyond its corner.
const COARSE_RESTRAINT_S: f32 = 0.001;
const COARSE_STABILITY_S: f32 = 0.004;
/// What is played before the event where no sensor has anything to learn.
const LEAD_S: f32 = 5.0;
/// A car's speed message, where the profile does not say.
const WHEELS_PERIOD: Duration = Duration::from_millis(20);
/// Below it a wheel sensor gives no pulses that count.
const WHEELS_LEAST_MPS: f32 = 0.3;

/// A car of a profile.
#[derive(Debug, Clone)]
pub struct Rig {
    /// The profile's name.
    pub name: String,
    sensors: Vec<Sensor>,
    buses: u8,
    wheels: Option<(u8, Duration)>,
    brake: Option<u8>,
    restraints: Option<u8>,
}

#[derive(Debug, Clone)]
struct Sensor {
    spec: SensorSpec,
    chain: ChainSpec,
    bus: u8,
    /// What reports in one message is one unit.
    message: usize,
}

/// Something that the gateway hears.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Heard {
    /// When its frame arrived: nothing can be said of it earlier.
    pub arrived: MonoTime,
    /// The time that it is told with: a sample within a frame is older than the frame.
    pub at: MonoTime,
    /// What.
    pub what: Observation,
}

impl Rig {
    /// A car with the inertial sensors, buses and speed message of that profile.
    #[must_use]
    pub fn new(profile: &Profile) -> Self {
        let sensors = profile.inertial.iter().map(|sensor| {
            #[expect(clippy::cast_possible_truncation, reason = "steps of a few digits")]
            let steps = sensor.step.map(|step| step as f32);
            let chain = ChainSpec::of(&sensor.spec, steps, sensor.packed());
            Sensor { spec: sensor.spec.clone(), chain, bus: sensor.bus.0, message: sensor.message }
        });
        let bus_of = |part: &str| {
            profile.signals.iter().zip(&profile.sources).find_map(|(signal, source)| match source {
                Source::Can(source) if signal.path.contains(part) => Some(source),
                _ => None,
            })
        };
        let wheels = bus_of("Vehicle.Speed").map(|source| {
            let rules = profile.buses.get(usize::from(source.bus.0)).map_or(&[][..], |bus| &bus.rules);
            let rule = rules.iter().find(|rule| rule.message == source.message);
            (source.bus.0, rule.and_then(|rule| rule.timeout).map_or(WHEELS_PERIOD, |timeout| timeout / STALE_AFTER))
        });
        Self {
            name: profile.name.clone(),
            sensors: sensors.collect(),
            buses: u8::try_from(profile.buses.len()).unwrap_or(u8::MAX).max(1),
            wheels,
            brake: bus_of("Chassis.Brake.").map(|source| source.bus.0),
            restraints: bus_of("Restraint.").or_else(|| bus_of("Airbag.IsDeployed")).map(|source| source.bus.0),
        }
    }

    /// The sensors, as the classifier is told of them.
    #[must_use]
    pub fn specs(&self) -> Vec<SensorSpec> {
        self.sensors.iter().map(|sensor| sensor.spec.clone()).collect()
    }

    /// It measures accelerations up to that many m/s².
    #[must_use]
    pub fn range(&self) -> f32 {
        self.accelerometers().map(|(_, sensor)| sensor.spec.range).fold(0.0, f32::max)
    }

    fn accelerometers(&self) -> impl Iterator<Item = (usize, &Sensor)> {
        self.sensors_of(Quantity::Acceleration)
    }

    fn sensors_of(&self, quantity: Quantity) -> impl Iterator<Item = (usize, &Sensor)> {
        self.sensors.iter().enumerate().filter(move |(_, sensor)| sensor.spec.quantity == quantity)
    }

    /// The moment of that time of a case.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a case lasts a minute, and none begins before zero"
    )]
    pub fn moment(time_s: f32) -> MonoTime {
        MonoTime::from_nanos(EPOCH.as_nanos() + (f64::from(time_s.max(0.0)) * 1e9) as u64)
    }

    /// The time of a case of that moment.
    #[must_use]
    pub fn time_s(moment: MonoTime) -> f32 {
        moment.since(EPOCH).as_secs_f32()
    }

    /// What this car's gateway hears of a case, in the order of arrival.
    #[must_use]
    pub fn perceive(&self, case: &Case) -> Vec<Heard> {
        let mut rng = Rng::new(case.seed ^ 0x5e75_0125);
        let script = &case.script;
        let learns = self.sensors.iter().any(|sensor| sensor.spec.orientation == Orientation::Learnt);
        let from_s = if learns { 0.0 } else { (script.event_s - LEAD_S).max(0.0) };
        let coarse_s = if self.sensors.iter().any(|sensor| sensor.spec.rate_hz > 200.0) {
            COARSE_RESTRAINT_S
        } else {
            COARSE_STABILITY_S
        };
        let broken = script.broken.as_ref().and_then(|broken| {
            let own: Vec<usize> = self.sensors_of(broken.quantity).map(|(index, _)| index).collect();
            let index = own.get(usize::from(broken.sensor) % own.len().max(1))?;
            Some((*index, &broken.defect))
        });
        let mut ears: Vec<Ear> = (self.sensors.iter().enumerate())
            .map(|(index, sensor)| {
                let harm = broken.filter(|(which, defect)| self.harms(*which, defect, index)).map(|(_, defect)| defect);
                Ear::new(index, sensor, script.bus_events.iter().find_map(lossy), harm, &mut rng)
            })
            .collect();
        let mut heard = vec![];
        let mut others = Others::new(self, case, from_s, &mut rng);
        others.begin(&mut heard);
        for moment in Play::new(script, from_s, coarse_s, Rng::new(case.seed ^ 0x009d_0153)) {
            let at = Self::moment(moment.time_s);
            for ear in &mut ears {
                ear.hear(at, &moment, &mut heard);
            }
            others.hear(at, &moment, &mut heard);
        }
        others.finish(&mut heard);
        self.mute(case, &mut heard);
        heard.sort_by_key(|heard| heard.arrived);
        heard
    }

    /// Whether what is wrong with the sensor `broken` is felt by that sensor too: what shakes or turns a unit does
    /// so to all that is in it.
    fn harms(&self, broken: usize, defect: &Defect, index: usize) -> bool {
        let unit = |index: usize| self.sensors.get(index).map(|sensor| (sensor.bus, sensor.message));
        let is_rate = self.sensors.get(index).is_some_and(|sensor| sensor.spec.quantity == Quantity::AngularRate);
        broken == index || (is_rate && matches!(defect, Defect::Shaken { .. }) && unit(broken) == unit(index))
    }

    /// What this car's gateway hears of a series of acceleration, in the order of arrival: through ideal sensors and the
    /// wheels at an even speed until that time.
    #[must_use]
    pub fn listen(
        &self,
        series: impl Iterator<Item = (f32, [f32; 3])>,
        speed_mps: f32,
        wheels_to_s: f32,
        seed: u64,
    ) -> Vec<Heard> {
        let mut rng = Rng::new(seed);
        let mut chains: Vec<(usize, &Sensor, Chain)> = self
            .accelerometers()
            .map(|(index, sensor)| (index, sensor, Chain::new(sensor.chain, Rng::new(rng.next_u64()))))
            .collect();
        let (mut heard, mut wheels_due) = (Vec::new(), MonoTime::ZERO);
        let (_, wheels_period) = self.wheels.unwrap_or((0, WHEELS_PERIOD));
        for (time_s, force) in series {
            let at = Self::moment(time_s);
            for (index, sensor, chain) in &mut chains {
                let index = SensorIx(u8::try_from(*index).unwrap_or(u8::MAX));
                let begin = heard.len();
                chain.push(at, force, |Delivery { arrived, axes, .. }| {
                    let what = axes.map_or(Observation::SampleLost(index), |axes| {
                        Observation::Sample(Sample { sensor: index, axes })
                    });
                    heard.push(Heard { arrived, at: arrived, what });
                });
                // Within a frame the gateway knows how its samples lie.
                let fresh = heard.get_mut(begin..).unwrap_or_default();
                let packed = u32::try_from(sensor.chain.packed).unwrap_or(1);
                for (place, heard) in (0..).zip(fresh) {
                    heard.at = heard.arrived - sensor.chain.sample_interval() * (packed - 1 - place % packed);
                }
            }
            if time_s < wheels_to_s && at >= wheels_due {
                wheels_due = at + wheels_period;
                heard.push(Heard { arrived: at, at, what: Observation::WheelSpeed(speed_mps) });
            }
        }
        heard.sort_by_key(|heard| heard.arrived);
        heard
    }

    /// Takes out what silent buses and restarting control units do not say, and tells of the silence.
    fn mute(&self, case: &Case, heard: &mut Vec<Heard>) {
        let mut rng = Rng::new(case.seed ^ 0x511e_4ce0);
        for event in &case.script.bus_events {
            match *event {
                BusEvent::Lossy(_) => {}
                BusEvent::Restart { from_s, back_s, .. } => {
                    // The unit behind the first accelerometer.
                    let bus = self.accelerometers().next().map_or(0, |(_, sensor)| sensor.bus);
                    let (from, back) = (Self::moment(from_s), Self::moment(back_s));
                    heard.retain(|heard| {
                        let is_of_unit = matches!(self.bus_of(&heard.what), Some(of) if of == bus)
                            && matches!(heard.what, Observation::Sample(_) | Observation::SampleLost(_));
                        !(is_of_unit && heard.arrived >= from && heard.arrived < back)
                    });
                }
                BusEvent::Silent { bus, from_s, to_s } => {
                    let is_silent = |of: u8| bus.is_none_or(|bus| bus % self.buses == of);
                    let from = Self::moment(from_s);
                    let to = Self::moment(to_s.min(case.script.duration_s + 10.0));
                    heard.retain(|heard| {
                        let is_hit = self.bus_of(&heard.what).is_some_and(is_silent);
                        !(is_hit && heard.arrived >= from && heard.arrived < to)
                    });
                    // Deadlines of the fastest cyclic messages: some periods of 5 to 20 ms.
                    let deadline = Duration::from_secs_f32(rng.between(0.05, 0.2));
                    for bus in (0..self.buses).filter(|bus| is_silent(*bus)) {
                        let told = from + deadline;
                        let end = Self::moment(case.script.duration_s);
                        if told < to && told < end {
                            heard.push(Heard { arrived: told, at: told, what: Observation::BusSilent(BusId(bus)) });
                        }
                        if told < to && to < end {
                            heard.push(Heard { arrived: to, at: to, what: Observation::BusBack(BusId(bus)) });
                        }
                    }
                }
            }
        }
    }

    /// The bus that such a thing is heard on; none for what is heard elsewhere.
    fn bus_of(&self, what: &Observation) -> Option<u8> {
        match what {
            Observation::Sample(Sample { sensor, .. }) | Observation::SampleLost(sensor) => {
                self.sensors.get(usize::from(sensor.0)).map(|sensor| sensor.bus)
            }
            Observation::WheelSpeed(_) => self.wheels.map(|(bus, _)| bus),
            Observation::Braking(_) => self.brake,
            Observation::Restraint(..) | Observation::Belts(_) => self.restraints,
            _ => None,
        }
    }
}

const fn lossy(event: &BusEvent) -> Option<f32> {
    match event {
        BusEvent::Lossy(share) => Some(*share),
        _ => None,
    }
}

/// One sensor of the car at work.
struct Ear<'c> {
    index: SensorIx,
    quantity: Quantity,
    is_protected: bool,
    chain: Chain,
    signs: [f32; 3],
    scale: f32,
    offset: [f32; 3],
    harm: Harm<'c>,
    interval: Duration,
    pending: Vec<Delivery>,
}

impl<'c> Ear<'c> {
    fn new(index: usize, sensor: &Sensor, loss: Option<f32>, defect: Option<&'c Defect>, rng: &mut Rng) -> Self {
        let mut chain = sensor.chain;
        if chain.corner_hz < 100.0 {
            // What workshop manuals and makers state of such sensors.
            chain.corner_hz = rng.between(25.0, 60.0);
        }
        if let Some(share) = loss {
            (chain.loss, chain.damage) = (share, share);
        }
        let is_learnt = sensor.spec.orientation == Orientation::Learnt;
        let mut sign = || if is_learnt && rng.below(2) == 0 { -1.0 } else { 1.0 };
        let signs = [sign(), sign(), 1.0];
        // Over life and temperature: ±0.09 g and ±4 % of the ±1.8 g sensor of a workshop manual, as three standard
        // deviations; a restraint sensor is allowed about 1 g.
        let is_restraint = sensor.spec.rate_hz > 200.0;
        let offset = match sensor.spec.quantity {
            Quantity::Acceleration if is_restraint => 1.0,
            Quantity::Acceleration => 0.3,
            Quantity::AngularRate => 0.8,
        };
        Self {
            index: SensorIx(u8::try_from(index).unwrap_or(u8::MAX)),
            quantity: sensor.spec.quantity,
            is_protected: sensor.spec.is_protected,
            chain: Chain::new(chain, Rng::new(rng.next_u64())),
            signs,
            scale: 1.0 + rng.gauss() * 0.013,
            offset: [0; 3].map(|_: i32| rng.gauss() * offset),
            harm: Harm::new(defect, sensor.spec.quantity, sensor.spec.range, Rng::new(rng.next_u64())),
            interval: if sensor.chain.packed > 1 { sensor.chain.sample_interval() } else { Duration::ZERO },
            pending: Vec::new(),
        }
    }

    fn hear(&mut self, at: MonoTime, moment: &Moment, heard: &mut Vec<Heard>) {
        let mut truth = match self.quantity {
            Quantity::Acceleration => moment.force,
            Quantity::AngularRate => moment.rates,
        };
        self.harm.before(moment, &mut truth);
        for ((axis, sign), offset) in truth.iter_mut().zip(self.signs).zip(self.offset) {
            *axis = *axis * self.scale * sign + offset;
        }
        let pending = &mut self.pending;
        self.chain.push(at, truth, |delivery| pending.push(delivery));
        let count = u32::try_from(self.pending.len()).unwrap_or(0);
        for (place, mut delivery) in (1..).zip(self.pending.drain(..)) {
            if let Some(axes) = &mut delivery.axes {
                self.harm.after(delivery.sampled, axes);
            }
            // The gateway knows only when the frame came, and how its samples lie.
            let at = delivery.arrived - self.interval * (count - place);
            let what = match delivery.axes {
                Some(axes) => Observation::Sample(Sample { sensor: self.index, axes }),
                None if self.is_protected && place == count => Observation::SampleLost(self.index),
                None => continue,
            };
            heard.push(Heard { arrived: delivery.arrived, at, what });
        }
    }
}

/// Everything that is no inertial sensor: wheels, receiver, switches, the restraint control unit.
struct Others<'c> {
    rig: &'c Rig,
    case: &'c Case,
    from_s: f32,
    wheels_due: MonoTime,
    gnss_due: MonoTime,
    /// Speeds over ground of the last half second, for the receiver's delay.
    track: std::collections::VecDeque<(f32, f32)>,
    rng: Rng,
}

impl<'c> Others<'c> {
    fn new(rig: &'c Rig, case: &'c Case, from_s: f32, rng: &mut Rng) -> Self {
        let start = Rig::moment(from_s);
        let spread = |rng: &mut Rng, span: Duration| start + span.mul_f64(rng.unit());
        let wheels_due = spread(rng, rig.wheels.map_or(WHEELS_PERIOD, |(_, period)| period));
        let gnss_due = spread(rng, Duration::from_secs(1));
        let track = std::collections::VecDeque::with_capacity(1_024);
        Self { rig, case, from_s, wheels_due, gnss_due, track, rng: Rng::new(rng.next_u64()) }
    }

    fn begin(&mut self, heard: &mut Vec<Heard>) {
        let at = Rig::moment(self.from_s);
        let mut tell = |what| heard.push(Heard { arrived: at, at, what });
        tell(Observation::Ignition(self.case.script.ignition_on));
        if self.rig.restraints.is_some() {
            let occupied = 1 | u16::try_from(self.rng.below(32)).unwrap_or(0);
            let belted = occupied & !u16::from(self.rng.below(10) == 0);
            tell(Observation::Belts(Belts { sensed: 0b1_1111, occupied, belted }));
        }
        if self.rig.brake.is_some() {
            tell(Observation::Braking(false));
        }
    }

    fn hear(&mut self, at: MonoTime, moment: &Moment, heard: &mut Vec<Heard>) {
        if let Some((_, period)) = self.rig.wheels
            && at >= self.wheels_due
        {
            self.wheels_due = self.wheels_due + period;
            if let Some(speed) = moment.wheels {
                let speed = speed * (1.0 + self.rng.gauss() * 0.002);
                let speed = if speed < WHEELS_LEAST_MPS { 0.0 } else { (speed / 0.0028).round() * 0.0028 };
                let arrived = at + Duration::from_micros(500);
                heard.push(Heard { arrived, at: arrived, what: Observation::WheelSpeed(speed) });
            }
        }
        let Some(gnss) = self.case.script.gnss.filter(|gnss| gnss.sees_sky) else { return };
        if self.track.back().is_none_or(|(last_s, _)| moment.time_s - last_s > 0.01) {
            let speed = moment.velocity[0].hypot(moment.velocity[1]).hypot(self.case.script.carried_mps);
            self.track.push_back((moment.time_s, speed));
            while self.track.len() > 60 {
                self.track.pop_front();
            }
        }
        if at >= self.gnss_due {
            self.gnss_due = self.gnss_due + Duration::from_secs_f32(1.0 / gnss.rate_hz);
            let then_s = moment.time_s - gnss.delay_s;
            if let Some((_, speed)) = self.track.iter().find(|(time_s, _)| *time_s >= then_s) {
                let speed = (speed + self.rng.gauss() * 0.06).max(0.0);
                heard.push(Heard { arrived: at, at, what: Observation::GnssSpeed(speed) });
            }
        }
    }

    /// What the script tells by the clock.
    fn finish(&mut self, heard: &mut Vec<Heard>) {
        let script = &self.case.script;
        let later = |time_s: &f32| *time_s > self.from_s && *time_s < script.duration_s;
        if self.rig.brake.is_some() {
            for (time_s, is_pressed) in script.braking.iter().filter(|(time_s, _)| later(time_s)) {
                let at = Rig::moment(*time_s + self.rng.between(0.005, 0.025));
                heard.push(Heard { arrived: at, at, what: Observation::Braking(*is_pressed) });
            }
        }
        if self.rig.restraints.is_some() {
            for (time_s, restraint) in script.restraints.iter().filter(|(time_s, _)| later(time_s)) {
                let at = Rig::moment(*time_s);
                heard.push(Heard { arrived: at, at, what: Observation::Restraint(*restraint, true) });
            }
        }
        // The unit that starts anew says what its memory begins with.
        for event in &script.bus_events {
            let BusEvent::Restart { back_s, until_s, share, .. } = *event else { continue };
            let Some((first, sensor)) = self.rig.accelerometers().next() else { continue };
            let (back, until) = (Rig::moment(back_s), Rig::moment(until_s));
            let value = share * sensor.spec.range;
            let axes = sensor.spec.axes.map(|has| has.then_some(value));
            for heard in heard.iter_mut().filter(|heard| heard.arrived >= back && heard.arrived < until) {
                if let Observation::Sample(sample) = &mut heard.what
                    && usize::from(sample.sensor.0) == first
                {
                    sample.axes = axes;
                }
            }
        }
    }
}
