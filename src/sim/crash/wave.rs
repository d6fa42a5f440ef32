//! Shapes of acceleration over time: crash pulses, knocks, and what shakes a car for longer.

use std::f32::consts::{PI, TAU};

use crate::rng::Rng;

/// The step of the grid on which a pulse is normalized, and of the windows around events: 5 kHz resolves the 150 Hz
/// ringing of a structure thirtyfold.
pub(super) const FINE_STEP_S: f32 = 0.0002;

/// The bare form of a crash pulse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// P·sin²(πt/T), ΔV = P·T/2: a frontal structure that folds.
    Haversine,
    /// P·sin(πt/T), ΔV = 2PT/π: stiff contact.
    HalfSine,
    /// A triangle with its tip at that share of the duration, ΔV = P·T/2.
    Triangle(f32),
}

impl Form {
    fn at(self, share: f32) -> f32 {
        match self {
            Self::Haversine => (PI * share).sin().powi(2),
            Self::HalfSine => (PI * share).sin(),
            Self::Triangle(tip) if share < tip => share / tip,
            Self::Triangle(tip) => (1.0 - share) / (1.0 - tip),
        }
    }
}

/// What a crash pulse has beyond its bare form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Texture {
    /// Folding of longitudinal members: waves within the pulse, their share of the local height, their phase.
    pub(super) folds: [(f32, f32, f32); 2],
    /// Ringing of the structure after first contact: frequency in Hz, share of the peak, decay in s.
    pub(super) ring: (f32, f32, f32),
}

/// A shape in time; what it is multiplied by is in [`Wave`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    /// A crash pulse with the integral 1, so that the amplitude is the change of velocity.
    Pulse(Form, Texture, f32),
    /// Half of a squared sine with the height 1.
    Bump,
    /// One period of a sine: there and back, no change of velocity.
    Swing,
    /// A damped sine: frequency in Hz, decay in s.
    Ring(f32, f32),
    /// Up, level, down, with ramps of so many seconds.
    Plateau(f32),
}

/// A shape at a time, along an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Wave {
    pub(super) start_s: f32,
    pub(super) duration_s: f32,
    pub(super) shape: Shape,
    /// m/s² by axis; m/s for [`Shape::Pulse`].
    pub(super) amplitude: [f32; 3],
    /// It moves the whole car, so that speed changes with it; else it only shakes the structure.
    pub(super) moves: bool,
}

impl Wave {
    /// A crash pulse that changes the velocity by `delta_v` m/s.
    pub(super) fn pulse(start_s: f32, duration_s: f32, form: Form, texture: Texture, delta_v: [f32; 2]) -> Self {
        let mut wave = Self {
            start_s,
            duration_s,
            shape: Shape::Pulse(form, texture, 1.0),
            amplitude: [delta_v[0], delta_v[1], 0.0],
            moves: true,
        };
        let steps = (duration_s / FINE_STEP_S).ceil().max(1.0);
        let mut integral = 0.0;
        let mut step = 0.5;
        while step < steps {
            integral += wave.shape_at(step / steps) * duration_s / steps;
            step += 1.0;
        }
        wave.shape = Shape::Pulse(form, texture, 1.0 / integral.max(duration_s * 0.1));
        wave
    }

    /// Something that shakes the structure and leaves the speed alone.
    pub(super) const fn knock(start_s: f32, duration_s: f32, shape: Shape, amplitude: [f32; 3]) -> Self {
        Self { start_s, duration_s, shape, amplitude, moves: false }
    }

    /// Something that pushes the car.
    pub(super) const fn push(start_s: f32, duration_s: f32, shape: Shape, amplitude: [f32; 3]) -> Self {
        Self { start_s, duration_s, shape, amplitude, moves: true }
    }

    /// Acceleration at a time of the case, in m/s² by axis; none outside.
    pub(super) fn at(&self, time_s: f32) -> Option<[f32; 3]> {
        let share = (time_s - self.start_s) / self.duration_s;
        if !(0.0..1.0).contains(&share) {
            return None;
        }
        let height = self.shape_at(share);
        Some(self.amplitude.map(|axis| axis * height))
    }

    fn shape_at(&self, share: f32) -> f32 {
        let time_s = share * self.duration_s;
        match self.shape {
            Shape::Pulse(form, texture, scale) => {
                let folds: f32 =
                    texture.folds.iter().map(|(waves, part, phase)| part * (TAU * waves * share + phase).sin()).sum();
                let (hz, part, decay_s) = texture.ring;
                let ring = part * (TAU * hz * time_s).sin() * (-time_s / decay_s).exp();
                scale * (form.at(share) * (1.0 + folds) + ring)
            }
            Shape::Bump => (PI * share).sin().powi(2),
            Shape::Swing => (TAU * share).sin(),
            Shape::Ring(hz, decay_s) => (TAU * hz * time_s).sin() * (-time_s / decay_s).exp(),
            Shape::Plateau(ramp_s) => (time_s / ramp_s).min((self.duration_s - time_s) / ramp_s).min(1.0),
        }
    }
}

/// A random oscillation around a frequency; around zero it is the ordinary low-passed noise of a road.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Vibration {
    pub(super) from_s: f32,
    pub(super) to_s: f32,
    pub(super) hz: f32,
    pub(super) bandwidth_hz: f32,
    /// Standard deviation by axis in m/s².
    pub(super) sigma: [f32; 3],
    /// It comes from the road: it grows with the speed to its full size at 10 m/s, and is not there at standstill.
    pub(super) by_road: bool,
}

/// The state of a vibration: a complex first-order process (Ornstein-Uhlenbeck) by axis, exact at every step width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shaker {
    vibration: Vibration,
    state: [(f32, f32); 3],
    step_s: f32,
    turn: (f32, f32),
    drive: f32,
}

impl Shaker {
    pub(super) const fn new(vibration: Vibration) -> Self {
        Self { vibration, state: [(0.0, 0.0); 3], step_s: 0.0, turn: (0.0, 0.0), drive: 0.0 }
    }

    /// Adds the acceleration of the next step.
    pub(super) fn add(&mut self, time_s: f32, step_s: f32, speed_mps: f32, rng: &mut Rng, sum: &mut [f32; 3]) {
        let Vibration { from_s, to_s, hz, bandwidth_hz, sigma, by_road } = self.vibration;
        let is_rolling = !by_road || speed_mps > 0.3;
        if time_s < from_s || time_s > to_s || !is_rolling {
            return;
        }
        self.suit(step_s, hz, bandwidth_hz);
        let (cos, sin) = self.turn;
        let size = if by_road { (speed_mps / 10.0).min(1.0) } else { 1.0 };
        for ((state, sigma), sum) in self.state.iter_mut().zip(sigma).zip(sum) {
            if sigma > 0.0 {
                let (re, im) = *state;
                let im_drive = if hz > 0.0 { self.drive * rng.gauss() } else { 0.0 };
                *state = (cos * re - sin * im + self.drive * rng.gauss(), sin * re + cos * im + im_drive);
                *sum += sigma * size * state.0;
            }
        }
    }

    fn suit(&mut self, step_s: f32, hz: f32, bandwidth_hz: f32) {
        if (self.step_s - step_s).abs() > 1e-9 {
            let decay = (-TAU * bandwidth_hz * step_s).exp();
            let angle = TAU * hz * step_s;
            *self = Self {
                step_s,
                turn: (decay * angle.cos(), decay * angle.sin()),
                drive: (1.0 - decay * decay).sqrt(),
                ..*self
            };
        }
    }
}

/// Adds by axis.
pub(super) fn add(sum: &mut [f32; 3], value: [f32; 3]) {
    for (sum, value) in sum.iter_mut().zip(value) {
        *sum += value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Texture = Texture { folds: [(2.0, 0.0, 0.0); 2], ring: (100.0, 0.0, 0.02) };
    const TEXTURED: Texture = Texture { folds: [(3.0, 0.2, 1.0), (5.0, 0.1, 0.0)], ring: (90.0, 0.2, 0.03) };

    /// The integral of x over the pulse, and its largest magnitude.
    fn integral_and_peak(wave: &Wave) -> (f32, f32) {
        let mut step = 0.0;
        let (mut integral, mut peak) = (0.0_f32, 0.0_f32);
        while step * FINE_STEP_S < wave.duration_s {
            let value = wave.at(wave.start_s + (step + 0.5) * FINE_STEP_S).map_or(0.0, |axes| axes[0]);
            integral += value * FINE_STEP_S;
            peak = peak.max(value.abs());
            step += 1.0;
        }
        (integral, peak)
    }

    #[test]
    fn a_pulse_changes_the_velocity_by_what_it_states() {
        for form in [Form::Haversine, Form::HalfSine, Form::Triangle(0.3), Form::Triangle(0.7)] {
            for texture in [PLAIN, TEXTURED] {
                for duration_s in [0.02, 0.1, 0.14] {
                    let wave = Wave::pulse(0.0, duration_s, form, texture, [-12.0, 5.0]);
                    let (integral, _) = integral_and_peak(&wave);
                    assert!((integral + 12.0).abs() < 0.05, "{form:?}, {duration_s} s: {integral}");
                }
            }
        }
    }

    #[test]
    fn the_plain_forms_have_their_textbook_peaks() {
        for (form, factor) in [(Form::Haversine, 2.0), (Form::HalfSine, PI / 2.0), (Form::Triangle(0.4), 2.0)] {
            let (_, peak) = integral_and_peak(&Wave::pulse(0.0, 0.1, form, PLAIN, [-10.0, 0.0]));
            assert!((peak - factor * 100.0).abs() < 2.0, "{form:?}: {peak}");
        }
    }

    #[test]
    fn a_swing_changes_no_velocity() {
        let (integral, peak) = integral_and_peak(&Wave::knock(0.0, 0.02, Shape::Swing, [10.0, 0.0, 0.0]));
        assert!(integral.abs() < 1e-3 && peak > 9.9, "{integral}, {peak}");
    }

    #[test]
    fn a_vibration_has_its_deviation_at_every_step_width() {
        for (hz, bandwidth_hz) in [(0.0, 12.0), (12.0, 2.0), (80.0, 5.0)] {
            for step_s in [0.0002, 0.001, 0.005] {
                let sigma = [2.0, 0.0, 0.0];
                let vibration = Vibration { from_s: 0.0, to_s: 1e9, hz, bandwidth_hz, sigma, by_road: false };
                let (mut shaker, mut rng) = (Shaker::new(vibration), Rng::new(4));
                let mut squares = 0.0;
                for _ in 0..200_000 {
                    let mut sum = [0.0; 3];
                    shaker.add(1.0, step_s, 0.0, &mut rng, &mut sum);
                    squares += sum[0] * sum[0];
                }
                let deviation = (squares / 200_000.0_f32).sqrt();
                assert!((deviation - 2.0).abs() < 0.35, "{hz} Hz, {step_s} s: {deviation}");
            }
        }
    }
}
