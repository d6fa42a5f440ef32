//! A sensor chain: what is left of an acceleration between the car's structure and the gateway.
//!
//! A recording of a laboratory, or a generated pulse, goes through it so that the classifier sees what the car of a
//! profile would have shown of it: low-pass of the sensor, its noise, its clock, quantization and clipping, the frame
//! that waits for its last sample, delay and jitter of the bus, frames that are lost or damaged.
//!
//! Pure and deterministic: the same seed and series give the same deliveries. Series may be of any rate, also a
//! changing one; nothing is allocated after [`Chain::new`].

use std::time::Duration;

use crate::rng::Rng;
use crate::time::MonoTime;

use super::sensor::SensorSpec;

/// Samples that a frame can hold: the 64 bytes of CAN FD (ISO 11898-1) hold 32 numbers of 16 bits.
pub const MAX_PACKED: usize = 32;

/// Corner of a stability control's accelerometer. A workshop manual of Hyundai states at least 20 Hz, typically 40 Hz,
/// for its ±1.8 g sensor; VTI states 0 to 50 Hz for its ±2 g sensors.
const LOW_RANGE_CORNER_HZ: f32 = 40.0;

/// Corner of a restraint system's accelerometer: the customary 400 Hz of airbag sensors, between CFC 180 (300 Hz) and
/// CFC 600 (1,000 Hz) of SAE J211-1.
const RESTRAINT_CORNER_HZ: f32 = 400.0;

/// A message that comes more often than this is a restraint sensor's: stability controls send at 50 to 100 Hz.
const RESTRAINT_RATE_HZ: f32 = 200.0;

/// What the chain does to a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChainSpec {
    /// Which of x, y, z arrive.
    pub axes: [bool; 3],
    /// Corner of the sensor's low-pass, two poles, Butterworth. A series that is too slow to hold it passes as it is.
    pub corner_hz: f32,
    /// Standard deviation of the white noise, in the series' unit.
    pub noise: f32,
    /// The largest magnitude.
    pub range: f32,
    /// The smallest difference, by axis; zero where it is below what matters.
    pub steps: [f32; 3],
    /// Samples a second.
    pub rate_hz: f32,
    /// Samples in a frame, which leaves with the last of them; 1 to [`MAX_PACKED`].
    pub packed: usize,
    /// From the last sample of a frame to its arrival.
    pub delay: Duration,
    /// Up to so much more, evenly spread.
    pub jitter: Duration,
    /// Share of frames that never arrive.
    pub loss: f32,
    /// Share of frames that arrive damaged, which their check shows.
    pub damage: f32,
}

impl ChainSpec {
    /// The chain that such a sensor has when all is well: steps and packing as the profile's message gives them.
    #[must_use]
    pub fn of(spec: &SensorSpec, steps: [f32; 3], packed: usize) -> Self {
        let is_restraint = spec.rate_hz > RESTRAINT_RATE_HZ;
        Self {
            axes: spec.axes,
            corner_hz: if is_restraint { RESTRAINT_CORNER_HZ } else { LOW_RANGE_CORNER_HZ },
            noise: spec.noise,
            range: spec.range,
            steps,
            rate_hz: spec.rate_hz,
            packed: packed.clamp(1, MAX_PACKED),
            delay: Duration::from_micros(500),
            jitter: Duration::from_micros(500),
            loss: 0.0,
            damage: 0.0,
        }
    }

    /// From one sample to the next.
    #[must_use]
    pub fn sample_interval(&self) -> Duration {
        Duration::from_secs_f32(1.0 / self.rate_hz.max(0.1))
    }
}

/// One sample as it arrives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delivery {
    /// When it was taken.
    pub sampled: MonoTime,
    /// When its frame arrived.
    pub arrived: MonoTime,
    /// The axes that the sensor has; none of them when the frame was damaged.
    pub axes: Option<[Option<f32>; 3]>,
}

/// A sensor at work.
#[derive(Debug, Clone)]
pub struct Chain {
    spec: ChainSpec,
    interval: Duration,
    rng: Rng,
    filters: [LowPass; 3],
    coefficients: Coefficients,
    /// The last point of the series, filtered.
    last: Option<(MonoTime, [f32; 3])>,
    /// When the next sample is due; none before the first point.
    due: Option<MonoTime>,
    frame: [Option<Taken>; MAX_PACKED],
    filled: usize,
    arrived: MonoTime,
}

#[derive(Debug, Clone, Copy)]
struct Taken {
    at: MonoTime,
    axes: [f32; 3],
}

impl Chain {
    /// A sensor whose clock stands somewhere within its first interval, as the seed has it.
    #[must_use]
    pub fn new(spec: ChainSpec, rng: Rng) -> Self {
        let packed = spec.packed.clamp(1, MAX_PACKED);
        Self {
            spec: ChainSpec { packed, ..spec },
            interval: spec.sample_interval(),
            rng,
            filters: [LowPass::default(); 3],
            coefficients: Coefficients::default(),
            last: None,
            due: None,
            frame: [None; MAX_PACKED],
            filled: 0,
            arrived: MonoTime::ZERO,
        }
    }

    /// The next point of the series, in the order of time; samples whose frames are complete with it are handed out,
    /// oldest first. A point that is no later than the last is passed over.
    pub fn push(&mut self, at: MonoTime, value: [f32; 3], mut deliver: impl FnMut(Delivery)) {
        let Some((before, old)) = self.last else {
            for (filter, value) in self.filters.iter_mut().zip(value) {
                filter.settle(value);
            }
            self.last = Some((at, value));
            self.due = Some(at + self.interval.mul_f64(self.rng.unit()));
            return;
        };
        if at <= before {
            return;
        }
        let span_s = at.since(before).as_secs_f32();
        self.coefficients.suit(self.spec.corner_hz, span_s);
        let coefficients = self.coefficients;
        let mut new = value;
        for ((filter, value), has) in self.filters.iter_mut().zip(&mut new).zip(self.spec.axes) {
            if has {
                *value = filter.step(coefficients, *value);
            }
        }
        while let Some(due) = self.due.filter(|due| *due <= at) {
            let share = due.since(before).as_secs_f32() / span_s;
            let mut axes = old;
            for (axis, new) in axes.iter_mut().zip(new) {
                *axis += (new - *axis) * share;
            }
            self.due = Some(due + self.interval);
            self.take(Taken { at: due, axes }, &mut deliver);
        }
        self.last = Some((at, new));
    }

    fn take(&mut self, taken: Taken, deliver: &mut impl FnMut(Delivery)) {
        if let Some(slot) = self.frame.get_mut(self.filled) {
            *slot = Some(taken);
        }
        self.filled += 1;
        if self.filled < self.spec.packed {
            return;
        }
        let luck = self.rng.unit();
        let jitter = self.spec.jitter.mul_f64(self.rng.unit());
        let is_lost = luck < f64::from(self.spec.loss);
        let is_damaged = luck < f64::from(self.spec.loss) + f64::from(self.spec.damage);
        // Frames of one message never overtake each other.
        self.arrived = self.arrived.max(taken.at + self.spec.delay + jitter);
        for index in 0..self.filled {
            let Some(taken) = self.frame.get_mut(index).and_then(Option::take) else { continue };
            let axes = self.digitize(taken.axes);
            if !is_lost {
                let axes = (!is_damaged).then_some(axes);
                deliver(Delivery { sampled: taken.at, arrived: self.arrived, axes });
            }
        }
        self.filled = 0;
    }

    fn digitize(&mut self, values: [f32; 3]) -> [Option<f32>; 3] {
        let mut axes = [None; 3];
        for (index, axis) in axes.iter_mut().enumerate() {
            if !self.spec.axes[index] {
                continue;
            }
            let value = (values[index] + self.spec.noise * self.rng.gauss()).clamp(-self.spec.range, self.spec.range);
            let step = self.spec.steps[index];
            // Towards zero at the ends, so that rounding does not leave the range.
            let limit = if step > 0.0 { (self.spec.range / step).floor() * step } else { self.spec.range };
            let rounded = if step > 0.0 { (value / step).round() * step } else { value };
            *axis = Some(rounded.clamp(-limit, limit));
        }
        axes
    }
}

/// Factors of the filter for one interval of the series, kept as long as the interval stays the same.
#[derive(Debug, Clone, Copy, Default)]
struct Coefficients {
    span_s: f32,
    /// Pre-warped corner; zero lets everything pass.
    g: f32,
    a: f32,
}

impl Coefficients {
    fn suit(&mut self, corner_hz: f32, span_s: f32) {
        #[expect(clippy::float_cmp, reason = "the same interval gives the same bits; another one is worth the tangent")]
        if self.span_s == span_s {
            return;
        }
        // Above a quarter of the series' rate the filter would hardly differ from none.
        let turns = corner_hz * span_s;
        let g = if turns < 0.25 { (std::f32::consts::PI * turns).tan() } else { 0.0 };
        *self = Self { span_s, g, a: 1.0 / (1.0 + g * (g + std::f32::consts::SQRT_2)) };
    }
}

/// Butterworth low-pass of second order as a trapezoidal state variable filter (Zavalishin: "The Art of VA Filter
/// Design", 4.4), which stays correct when the interval changes between two points.
#[derive(Debug, Clone, Copy, Default)]
struct LowPass {
    band: f32,
    low: f32,
}

impl LowPass {
    /// As if the series had had that value for ever.
    const fn settle(&mut self, value: f32) {
        *self = Self { band: 0.0, low: value };
    }

    fn step(&mut self, coefficients: Coefficients, value: f32) -> f32 {
        let Coefficients { g, a, .. } = coefficients;
        if g <= 0.0 {
            self.settle(value);
            return value;
        }
        let band = a * (self.band + g * (value - self.low));
        let low = self.low + g * band;
        self.band = 2.0 * band - self.band;
        self.low = 2.0 * low - self.low;
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ChainSpec {
        ChainSpec {
            axes: [true, true, false],
            corner_hz: 100.0,
            noise: 0.0,
            range: 20.0,
            steps: [0.25; 3],
            rate_hz: 1_000.0,
            packed: 5,
            delay: Duration::from_millis(1),
            jitter: Duration::from_millis(2),
            loss: 0.0,
            damage: 0.0,
        }
    }

    /// What arrives of `signal` over two seconds at 5 kHz.
    fn deliveries(spec: ChainSpec, seed: u64, signal: impl Fn(f32) -> f32) -> Vec<Delivery> {
        let mut chain = Chain::new(spec, Rng::new(seed));
        let mut all = Vec::new();
        for step in 0..10_000_u16 {
            let time_s = f32::from(step) / 5_000.0;
            let at = MonoTime::from_nanos(u64::from(step) * 200_000);
            chain.push(at, [signal(time_s), -signal(time_s), 9.81], |delivery| all.push(delivery));
        }
        all
    }

    fn x(delivery: &Delivery) -> f32 {
        delivery.axes.and_then(|axes| axes[0]).unwrap()
    }

    fn amplitude_at(hz: f32) -> f32 {
        let spec = ChainSpec { steps: [0.0; 3], ..spec() };
        let all = deliveries(spec, 3, |time_s| 10.0 * (std::f32::consts::TAU * hz * time_s).sin());
        all.iter().skip(1_000).map(x).fold(0.0, f32::max) / 10.0
    }

    #[test]
    fn the_low_pass_is_a_butterworth_of_second_order() {
        for hz in [10.0_f32, 50.0, 100.0, 200.0, 300.0] {
            let expected = 1.0 / (1.0 + (hz / 100.0).powi(4)).sqrt();
            assert!((amplitude_at(hz) - expected).abs() < 0.03, "{hz} Hz: {} instead of {expected}", amplitude_at(hz));
        }
    }

    #[test]
    fn values_are_multiples_of_the_step_within_the_range_on_the_axes_that_exist() {
        let all = deliveries(spec(), 1, |time_s| 30.0 * (std::f32::consts::TAU * 3.0 * time_s).sin());
        assert!((1_990..=2_000).contains(&all.len()), "{}", all.len());
        for delivery in &all {
            let [Some(x), Some(y), None] = delivery.axes.unwrap() else { panic!("{delivery:?}") };
            for value in [x, y] {
                assert!((value / 0.25).fract().abs() < 1e-6 && value.abs() <= 20.0, "{value}");
            }
        }
        assert!(all.iter().map(x).fold(0.0, f32::max) >= 20.0, "it clips at the range");
    }

    #[test]
    fn a_frame_waits_for_its_last_sample_and_frames_keep_their_order() {
        let all = deliveries(spec(), 1, |_| 0.0);
        for frame in all.chunks_exact(5) {
            assert!(frame.iter().all(|delivery| delivery.arrived == frame[0].arrived));
            let after = frame[4].arrived.since(frame[4].sampled);
            assert!(after >= Duration::from_millis(1) && after <= Duration::from_millis(3), "{after:?}");
            assert_eq!(frame[4].sampled.since(frame[0].sampled), Duration::from_millis(4));
        }
        assert!(all.windows(2).all(|pair| pair[0].arrived <= pair[1].arrived));
    }

    #[test]
    fn lost_frames_are_missing_and_damaged_ones_have_no_values() {
        let all = deliveries(ChainSpec { loss: 0.2, damage: 0.1, ..spec() }, 7, |_| 1.0);
        let damaged = all.iter().filter(|delivery| delivery.axes.is_none()).count();
        assert!((1_450..1_750).contains(&all.len()), "{}", all.len());
        assert!((100..300).contains(&damaged), "{damaged}");
    }

    #[test]
    fn a_series_slower_than_the_filter_passes_as_it_is() {
        let mut chain = Chain::new(ChainSpec { rate_hz: 50.0, packed: 1, ..spec() }, Rng::new(1));
        let mut all = Vec::new();
        for step in 0..50_u64 {
            chain.push(MonoTime::from_millis(20 * step), [2.0, 0.0, 0.0], |delivery| all.push(delivery));
        }
        assert!(all.len() >= 48 && all.iter().all(|delivery| (x(delivery) - 2.0).abs() < 1e-6), "{all:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_deliveries() {
        let noisy = ChainSpec { noise: 0.5, loss: 0.1, ..spec() };
        assert_eq!(deliveries(noisy, 9, |_| 1.0), deliveries(noisy, 9, |_| 1.0));
        assert_ne!(deliveries(noisy, 9, |_| 1.0), deliveries(noisy, 10, |_| 1.0));
    }
}
