//! What many cases have in common: how a car came to where it is, what strikes it, and what follows.

use crate::crash::Restraint;
use crate::rng::Rng;

use super::play::GRAVITY;
use super::script::{BusEvent, GnssFacts, Script, Wheels};
use super::wave::{Form, Shape, Texture, Vibration, Wave};

/// km/h per m/s.
pub(in crate::sim) const KMH: f32 = 3.6;
/// From axle to axle in m: a car of the middle class.
pub(super) const WHEELBASE_M: f32 = 2.7;
/// A pedal takes so long from one acceleration to the next.
const PEDAL_RAMP_S: f32 = 0.3;

/// A script that is being written, with the random numbers of its case.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) rng: Rng,
    pub(super) script: Script,
    /// The kind within the class, for reports.
    pub(super) variant: String,
}

/// One impact as it is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) at_s: f32,
    pub(super) delta_v_mps: f32,
    /// Direction of the force as SAE J224 counts it: 0 from ahead, positive from the right.
    pub(super) pdof_deg: f32,
    pub(super) duration_s: f32,
}

impl Hit {
    /// Change of velocity in the car's axes.
    pub(super) fn delta_v(&self) -> [f32; 2] {
        let (sin, cos) = self.pdof_deg.to_radians().sin_cos();
        [-self.delta_v_mps * cos, self.delta_v_mps * sin]
    }
}

impl Scene {
    pub(super) fn new(mut rng: Rng) -> Self {
        let tilt_deg = [rng.gauss() * 1.0, rng.gauss() * 1.5];
        let script = Script { ignition_on: true, tilt_deg, ..Script::default() };
        Self { rng, script, variant: String::new() }
    }

    /// Adds to what people read of the case.
    pub(super) fn say(&mut self, words: &str) {
        self.variant.push_str(words);
    }

    pub(super) fn chance(&mut self, share: f32) -> bool {
        self.rng.between(0.0, 1.0) < share
    }

    pub(super) fn sign(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    /// From low to high, the low ones more often: how strong things are on roads.
    pub(super) fn skewed(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.rng.between(0.0, 1.0).powf(1.7)
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T], other: T) -> T {
        choices.get(self.rng.index(choices.len())).copied().unwrap_or(other)
    }

    /// A drive that ends at that speed; gives the time of its end. Half of the drives are long enough, with pedals and
    /// turns, that a sensor's signs can be learnt from them; the others have just begun to be seen.
    pub(super) fn drive_to(&mut self, speed_mps: f32) -> f32 {
        self.road(1.0);
        self.receiver(0.9);
        if self.chance(0.5) {
            self.script.start_mps = speed_mps;
            self.script.pedals.to(0.0, 0.0);
            self.script.event_s = self.rng.between(3.0, 6.0);
            return self.script.event_s;
        }
        let mut time_s = self.rng.between(2.0, 4.0);
        self.script.pedals.to(0.0, 0.0);
        let (high, low) = (self.rng.between(10.0, 20.0), self.rng.between(3.0, 8.0));
        time_s = self.change_speed(time_s, 0.0, high);
        time_s = self.bend(time_s, high);
        time_s = self.change_speed(time_s, high, low);
        time_s = self.change_speed(time_s, low, high);
        time_s = self.bend(time_s, high);
        time_s = self.change_speed(time_s, high, speed_mps);
        self.script.event_s = time_s + self.rng.between(2.0, 4.0);
        self.script.event_s
    }

    /// A car at rest; gives the time at which something begins.
    pub(super) fn stand(&mut self) -> f32 {
        if self.chance(0.5) {
            // It came there: what could be learnt, has been.
            let event_s = self.drive_to(5.0);
            let end_s = self.change_speed(event_s, 5.0, 0.0);
            self.script.event_s = end_s + self.rng.between(2.0, 4.0);
            return self.script.event_s;
        }
        self.receiver(0.7);
        self.script.event_s = self.rng.between(3.0, 5.0);
        self.script.event_s
    }

    fn change_speed(&mut self, time_s: f32, from: f32, to: f32) -> f32 {
        let change = to - from;
        let pedal = if change > 0.0 { self.rng.between(1.0, 2.8) } else { -self.rng.between(1.2, 3.0) };
        let level_s = (change / pedal - PEDAL_RAMP_S).max(0.0);
        let pedal = change / (level_s + PEDAL_RAMP_S);
        self.script.pedals.plateau(time_s, PEDAL_RAMP_S, level_s, pedal);
        let end_s = time_s + level_s + 2.0 * PEDAL_RAMP_S;
        if change < 0.0 {
            self.script.braking.push((time_s, true));
            self.script.braking.push((end_s, false));
        }
        end_s + self.rng.between(0.5, 1.5)
    }

    fn bend(&mut self, time_s: f32, speed_mps: f32) -> f32 {
        let lateral = self.sign() * self.rng.between(1.0, 2.5);
        let level_s = self.rng.between(1.5, 3.0);
        self.script.rates[2].plateau(time_s, 0.6, level_s, (lateral / speed_mps).to_degrees());
        time_s + level_s + 1.8
    }

    /// The ordinary shaking of a road, times a factor: 0.1 to 0.3 m/s² along and across, twice that upwards.
    pub(super) fn road(&mut self, factor: f32) {
        let along = self.rng.between(0.1, 0.3) * factor;
        let sigma = [along, along * self.rng.between(0.8, 1.3), along * self.rng.between(1.5, 3.0)];
        self.shake(0.0, f32::MAX, 0.0, 12.0, sigma, true);
    }

    pub(super) fn shake(&mut self, from_s: f32, to_s: f32, hz: f32, bandwidth_hz: f32, sigma: [f32; 3], by_road: bool) {
        self.script.vibrations.push(Vibration { from_s, to_s, hz, bandwidth_hz, sigma, by_road });
    }

    fn receiver(&mut self, sees_sky: f32) {
        let rate_hz = self.pick(&[1.0, 5.0, 10.0], 1.0);
        let delay_s = self.rng.between(0.08, 0.4);
        let sees_sky = self.chance(sees_sky);
        self.script.gnss = Some(GnssFacts { rate_hz, delay_s, sees_sky });
    }

    /// The brake is pressed from that time on, down to that deceleration; it is released with `until_s`.
    pub(super) fn brake(&mut self, from_s: f32, until_s: f32, ramp_s: f32, decel: f32) {
        self.script.pedals.cut(from_s).to(from_s + ramp_s, -decel).to(until_s, -decel).to(until_s + 0.2, 0.0);
        self.script.braking.push((from_s - 0.05, true));
        self.script.braking.push((until_s, false));
    }

    /// Samples at the fine step between those times.
    pub(super) fn window(&mut self, from_s: f32, to_s: f32) {
        self.script.windows.push((from_s, to_s));
    }

    pub(super) fn wave(&mut self, wave: Wave) {
        self.script.waves.push(wave);
    }

    /// Folding of members (two to seven waves in a pulse) and ringing of the structure at 60 to 150 Hz.
    fn texture(&mut self) -> Texture {
        let rng = &mut self.rng;
        let mut fold =
            |low, high, most| (rng.between(low, high), rng.between(0.0, most), rng.between(0.0, std::f32::consts::TAU));
        let folds = [fold(2.0, 4.0, 0.3), fold(4.0, 7.0, 0.15)];
        Texture {
            folds,
            ring: (self.rng.between(60.0, 150.0), self.rng.between(0.1, 0.3), self.rng.between(0.01, 0.03)),
        }
    }

    /// Puts an impact into the script: the pulse, what it shakes across and upwards, the pitch that it gives.
    pub(super) fn strike(&mut self, hit: Hit) {
        let form = match self.rng.below(10) {
            0..=5 => Form::Haversine,
            6..=7 => Form::HalfSine,
            _ => Form::Triangle(self.rng.between(0.3, 0.7)),
        };
        let texture = self.texture();
        self.wave(Wave::pulse(hit.at_s, hit.duration_s, form, texture, hit.delta_v()));
        let mean = hit.delta_v_mps / hit.duration_s;
        let upwards = mean * self.rng.between(0.1, 0.4) * self.sign();
        let across = mean * self.rng.between(0.05, 0.25);
        let (ring_hz, decay_s) = (self.rng.between(20.0, 80.0), self.rng.between(0.02, 0.05));
        let (sin, cos) = hit.pdof_deg.to_radians().sin_cos();
        let amplitude = [across * sin, across * cos, upwards];
        self.wave(Wave::knock(hit.at_s, 0.2, Shape::Ring(ring_hz, decay_s), amplitude));
        self.window(hit.at_s - 0.02, hit.at_s + hit.duration_s.max(0.15) + 0.25);
    }

    /// The car turns about its vertical axis by an impact: up to that rate at its end, then slower by the tires.
    pub(super) fn spin(&mut self, hit: Hit, rate_dps: f32) {
        let end_s = hit.at_s + hit.duration_s;
        let decay_s = self.rng.between(0.4, 1.2);
        self.script.rates[2].cut(hit.at_s).to(end_s, rate_dps).to(end_s + decay_s, 0.0);
    }

    /// Nobody drives any more; the tires drag, the wheels may be stopped by bent metal, the message may end.
    pub(super) fn drift(&mut self, from_s: f32, is_severe: bool) {
        let along = if self.chance(0.4) { self.rng.between(0.05, 0.3) } else { self.rng.between(0.3, 0.8) };
        let across = self.rng.between(0.5, 0.85);
        if self.script.adrift.is_none() {
            self.script.adrift = Some((from_s, [along, across]));
        }
        let (blocked, missing) = if is_severe { (0.45, 0.15) } else { (0.15, 0.03) };
        let luck = self.rng.between(0.0, 1.0);
        if luck < blocked {
            let delay_s = self.rng.between(0.01, 0.1);
            self.script.wheels.push((from_s + delay_s, Wheels::Locked(self.rng.between(0.04, 0.2))));
        } else if luck < blocked + missing {
            let delay_s = self.rng.between(0.02, 0.3);
            self.script.wheels.push((from_s + delay_s, Wheels::Missing));
        }
        self.script.duration_s = self.script.duration_s.max(from_s + self.rng.between(5.5, 8.0));
    }

    /// Whether the control unit fires, and when that is on the bus. Frontal: half have fired at 18.5 km/h and 90 % at
    /// 30 km/h (field data of Toyota); the decision takes 8 to 40 ms, the message up to 20 ms and the way through the
    /// control unit and the gateway 2 to 15 ms. Two thirds of the cars show it on a bus that the gateway hears.
    pub(super) fn restrain(&mut self, hit: Hit, restraint: Restraint) {
        let kmh = hit.delta_v_mps * KMH;
        let (half_kmh, slope, decision_s) = match restraint {
            Restraint::Front => (18.5, 0.19, (0.008, 0.04)),
            Restraint::Left | Restraint::Right => (15.0, 0.3, (0.006, 0.015)),
            Restraint::Rollover => (0.0, 0.3, (0.15, 0.5)),
            Restraint::Rear | Restraint::Unspecified => (60.0, 0.1, (0.015, 0.05)),
        };
        let likely = 1.0 / (1.0 + (-slope * (kmh - half_kmh)).exp());
        let fires = self.chance(likely);
        let is_on_bus = self.chance(0.67);
        let after_s =
            self.rng.between(decision_s.0, decision_s.1) + self.rng.between(0.0, 0.02) + self.rng.between(0.002, 0.015);
        if fires && is_on_bus {
            let what = if self.chance(0.15) { Restraint::Unspecified } else { restraint };
            self.script.restraints.push((hit.at_s + after_s, what));
        }
    }

    /// A severe impact may take the supply or a bus with it.
    pub(super) fn cut_power(&mut self, hit: Hit) {
        let kmh = hit.delta_v_mps * KMH;
        if kmh > 35.0 && self.chance(0.15) {
            let from_s = hit.at_s + self.rng.between(0.03, 0.3);
            let bus = if self.chance(0.5) { None } else { u8::try_from(self.rng.below(3)).ok() };
            let to_s = f32::MAX;
            self.script.bus_events.push(BusEvent::Silent { bus, from_s, to_s });
        }
    }

    /// In m/s², from g.
    pub(super) fn g(&mut self, low: f32, high: f32) -> f32 {
        self.rng.between(low, high) * GRAVITY
    }
}
