//! The tables that event data recorders give, computed from a record.
//!
//! Names, times and rates are those of 49 CFR 563.7, tables I and II (UN R160, annex 4, has the same); speeds and
//! changes of velocity are in km/h as there. Time zero is the first contact that the classifier found. The change of
//! velocity is the integral of what the sensor said: nothing is subtracted, and where the sensor clipped it is a lower
//! bound. A gap in the samples longer than [`GAP_MAX`] ends it.

use std::time::Duration;

use crate::crash::thresholds::CLIPPED_SHARE;
use crate::crash::{KMH_PER_MPS, Quantity, Restraint};
use crate::time::MonoTime;

use super::channel::Channel;
use super::content::TimedSample;
use super::read::Recording;

/// The change of velocity is given so often, and so long (table I).
const DELTA_V_STEP: Duration = Duration::from_millis(10);
const DELTA_V_STEPS: u32 = 25;

/// Its maximum is looked for so long (table I).
const MAXIMUM_WITHIN: Duration = Duration::from_millis(300);

/// Before the crash, values are given from so long before it, so often (table I: −5.0 to 0 s, 2 a second).
const BEFORE_STEP: Duration = Duration::from_millis(500);
const BEFORE_STEPS: u32 = 10;

/// Belts and lamps are given as they were so long before (table I: −1.0 s).
const STATE_BEFORE: Duration = Duration::from_secs(1);

/// Samples further apart are not joined: the change of velocity in between is not known.
const GAP_MAX: Duration = Duration::from_millis(50);

/// Two events of one crash lie at most so far apart (563.5).
const MULTI_EVENT_MAX: Duration = Duration::from_secs(5);

/// A change of velocity at a time after time zero, km/h.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DeltaVRow {
    /// Milliseconds after time zero.
    pub at_ms: u32,
    /// Delta-V, longitudinal; none without such an axis, or behind a gap.
    pub longitudinal_kmh: Option<f64>,
    /// Delta-V, lateral; positive to the left, as ISO 8855 has it.
    pub lateral_kmh: Option<f64>,
}

/// The largest change of velocity, and when.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Maximum {
    /// With its sign; the resultant has none.
    pub delta_v_kmh: f64,
    /// Milliseconds after time zero.
    pub at_ms: f64,
}

/// How the car was driven at a time before the crash.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BeforeRow {
    /// Seconds before time zero, negative.
    pub at_s: f64,
    /// Speed, vehicle indicated.
    pub speed_kmh: Option<f64>,
    /// Accelerator pedal, % full.
    pub pedal_percent: Option<f64>,
    /// Service brake, on or off.
    pub is_braking: Option<bool>,
    /// Engine RPM.
    pub engine_rpm: Option<f64>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Tables {
    /// Time zero.
    pub zero: MonoTime,
    /// The accelerometer that the change of velocity is from; none when there was none.
    pub sensor: Option<String>,
    /// It clipped within 300 ms: the change of velocity is at least so much.
    pub is_lower_bound: bool,
    /// Every 10 ms from 0 to 250 ms.
    pub delta_v: Vec<DeltaVRow>,
    /// Maximum delta-V, longitudinal.
    pub maximum_longitudinal: Option<Maximum>,
    /// Maximum delta-V, lateral.
    pub maximum_lateral: Option<Maximum>,
    /// Maximum delta-V, resultant.
    pub maximum_resultant: Option<Maximum>,
    /// Every 0.5 s from −5 to 0 s.
    pub before: Vec<BeforeRow>,
    /// Safety belt status, driver, 1 s before.
    pub belt_driver: Option<bool>,
    /// Safety belt status, front passenger, 1 s before.
    pub belt_passenger: Option<bool>,
    /// Frontal air bag warning lamp, 1 s before.
    pub airbag_lamp: Option<bool>,
    /// Frontal air bag deployment, milliseconds after time zero; none when none was reported.
    pub airbag_ms: Option<f64>,
    /// Multi-event, number of events, this one included.
    pub events: u32,
    /// Time from event 1 to 2, seconds; none when there was none within 5 s before.
    pub since_last_event_s: Option<f64>,
    /// Complete file recorded.
    pub is_complete: bool,
}

impl Tables {
    /// The tables of a record; `others` are the records beside it, for crashes of several events. None when the record
    /// says nothing of a contact.
    #[must_use]
    pub fn of(recording: &Recording, others: &[Recording]) -> Option<Self> {
        let zero = zero_of(recording)?;
        let sensor = accelerometer(recording);
        let samples: Vec<&TimedSample> = sensor.map_or_else(Vec::new, |index| {
            let own = |sample: &&TimedSample| usize::from(sample.sensor) == index;
            recording.samples.iter().filter(own).collect()
        });
        let spec = recording.start.as_ref().and_then(|start| start.sensors.get(sensor?));
        let (x, y) = (Velocity::of(&samples, 0, zero), Velocity::of(&samples, 1, zero));
        let last_event = others
            .iter()
            .filter(|other| other.slot.crash.boot() == recording.slot.crash.boot())
            .filter_map(zero_of)
            .filter(|other| *other < zero && zero.since(*other) <= MULTI_EVENT_MAX)
            .max();
        let impacts = recording.verdict().map_or(1, |verdict| u32::from(verdict.impacts.max(1)));
        let state = |channel| value_at(recording, channel, zero - STATE_BEFORE);
        Some(Self {
            zero,
            sensor: spec.map(|spec| spec.name.clone()),
            is_lower_bound: spec.is_some_and(|spec| is_clipped(&samples, spec.range, zero)),
            delta_v: (0..=DELTA_V_STEPS).map(|step| delta_v_row(&x, &y, step)).collect(),
            maximum_longitudinal: x.maximum(),
            maximum_lateral: y.maximum(),
            maximum_resultant: maximum_resultant(&x, &y),
            before: (0..=BEFORE_STEPS).map(|step| before_row(recording, zero, step)).collect(),
            belt_driver: belt(state(Channel::SeatsBelted), state(Channel::SeatsSensed), 0),
            belt_passenger: belt(state(Channel::SeatsBelted), state(Channel::SeatsSensed), 1),
            airbag_lamp: state(Channel::AirbagLamp).map(is_on),
            airbag_ms: airbag(recording, zero),
            events: impacts + u32::from(last_event.is_some()),
            since_last_event_s: last_event.map(|other| zero.since(other).as_secs_f64()),
            is_complete: recording.is_complete(),
        })
    }
}

fn zero_of(recording: &Recording) -> Option<MonoTime> {
    recording.verdicts.first().map(|verdict| verdict.contact)
}

/// The accelerometer that sees farthest.
fn accelerometer(recording: &Recording) -> Option<usize> {
    let sensors = recording.start.as_ref()?.sensors.iter().enumerate();
    let sensors = sensors.filter(|(_, spec)| spec.quantity == Quantity::Acceleration && (spec.axes[0] || spec.axes[1]));
    sensors.max_by(|(_, one), (_, other)| one.range.total_cmp(&other.range)).map(|(index, _)| index)
}

fn is_clipped(samples: &[&TimedSample], range: f32, zero: MonoTime) -> bool {
    samples
        .iter()
        .filter(|sample| (zero..=zero + MAXIMUM_WITHIN).contains(&sample.at))
        .any(|sample| sample.axes[..2].iter().any(|axis| axis.abs() >= range * CLIPPED_SHARE))
}

/// The velocity along one axis: corners of a line, seconds since time zero and m/s.
struct Velocity(Vec<(f64, f64)>);

impl Velocity {
    fn of(samples: &[&TimedSample], axis: usize, zero: MonoTime) -> Self {
        let mut corners = Vec::new();
        let mut last: Option<(MonoTime, f64)> = None;
        let mut velocity = 0.0;
        let seconds = |at: MonoTime| at.since(zero).as_secs_f64();
        for sample in samples {
            let value = f64::from(sample.axes.get(axis).copied().unwrap_or(f32::NAN));
            if value.is_nan() || last.is_some_and(|(at, _)| at >= sample.at) {
                continue;
            }
            let before = last.replace((sample.at, value));
            if sample.at < zero {
                continue;
            }
            let Some((then, old)) = before.filter(|(then, _)| sample.at.since(*then) <= GAP_MAX) else {
                if corners.is_empty() && sample.at.since(zero) <= GAP_MAX {
                    corners.push((seconds(sample.at), 0.0));
                    continue;
                }
                break;
            };
            // Of the step that time zero lies in, only the part behind it counts.
            let (whole, part) = (sample.at.since(then).as_secs_f64(), seconds(sample.at) - seconds(then));
            let begin = value + (old - value) * part / whole;
            if corners.is_empty() {
                corners.push((seconds(then), 0.0));
            }
            velocity += f64::midpoint(begin, value) * part;
            corners.push((seconds(sample.at), velocity));
        }
        Self(corners)
    }

    /// None before the first and behind the last sample.
    fn at(&self, seconds: f64) -> Option<f64> {
        let next = self.0.iter().position(|(at, _)| *at >= seconds)?;
        let (right_at, right) = self.0.get(next)?;
        let Some((left_at, left)) = next.checked_sub(1).and_then(|index| self.0.get(index)) else {
            return (next == 0 && *right_at <= seconds).then_some(*right);
        };
        Some(left + (right - left) * (seconds - left_at) / (right_at - left_at))
    }

    fn maximum(&self) -> Option<Maximum> {
        maximum(self.0.iter().copied())
    }
}

/// The first of the largest within the time that counts.
fn maximum(points: impl Iterator<Item = (f64, f64)>) -> Option<Maximum> {
    let within = points.take_while(|(at, _)| *at <= MAXIMUM_WITHIN.as_secs_f64());
    let (at, velocity) = within.reduce(|one, other| if other.1.abs() > one.1.abs() { other } else { one })?;
    Some(Maximum { delta_v_kmh: velocity * KMH_PER_MPS, at_ms: at * 1e3 })
}

fn maximum_resultant(x: &Velocity, y: &Velocity) -> Option<Maximum> {
    maximum(x.0.iter().filter_map(|(at, x)| Some((*at, x.hypot(y.at(*at)?)))))
}

fn delta_v_row(x: &Velocity, y: &Velocity, step: u32) -> DeltaVRow {
    let span = DELTA_V_STEP * step;
    DeltaVRow {
        at_ms: u32::try_from(span.as_millis()).unwrap_or(u32::MAX),
        longitudinal_kmh: x.at(span.as_secs_f64()).map(|velocity| velocity * KMH_PER_MPS),
        lateral_kmh: y.at(span.as_secs_f64()).map(|velocity| velocity * KMH_PER_MPS),
    }
}

fn before_row(recording: &Recording, zero: MonoTime, step: u32) -> BeforeRow {
    let span = BEFORE_STEP * (BEFORE_STEPS - step);
    let value = |channel| value_at(recording, channel, zero - span);
    BeforeRow {
        at_s: 0.0 - span.as_secs_f64(),
        speed_kmh: value(Channel::WheelSpeed).or(value(Channel::GnssSpeed)).map(|speed| speed * KMH_PER_MPS),
        pedal_percent: value(Channel::Pedal),
        is_braking: value(Channel::Brake).map(is_on),
        engine_rpm: value(Channel::EngineSpeed),
    }
}

/// The value in force at a moment.
fn value_at(recording: &Recording, channel: Channel, at: MonoTime) -> Option<f64> {
    let changes = recording.values.iter().take_while(|value| value.at <= at);
    let last = changes.filter(|value| value.channel == channel).last().map(|value| value.value);
    let base = || recording.start.as_ref().map(|start| start.base[channel.index()]);
    last.or_else(base).filter(|value| !value.is_nan())
}

fn is_on(value: f64) -> bool {
    value != 0.0
}

fn has_bit(mask: f64, bit: u32) -> bool {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mask of at most 32 bits")]
    let mask = mask as u32;
    mask >> bit & 1 == 1
}

/// The belt of a seat that has a sensor, or that is fastened.
fn belt(belted: Option<f64>, sensed: Option<f64>, seat: u32) -> Option<bool> {
    let is_belted = has_bit(belted?, seat);
    (is_belted || sensed.is_some_and(|sensed| has_bit(sensed, seat))).then_some(is_belted)
}

fn airbag(recording: &Recording, zero: MonoTime) -> Option<f64> {
    let deployed = recording.values.iter().find(|value| {
        value.channel == Channel::Restraints && value.at >= zero && has_bit(value.value, Restraint::Front as u32)
    });
    deployed.map(|value| value.at.since(zero).as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::super::content::TimedValue;
    use super::super::testkit::{BOOT, sensor, verdict};
    use super::super::{CrashId, Slot, Start};
    use super::*;
    use crate::crash::{Stage, Verdict};
    use crate::time::KernelBoot;

    /// A haversine pulse of 30 g and 100 ms along x, and half of it along y, sampled at `rate_hz` from 10 s before.
    fn pulse(rate_hz: f64, zero_ms: u64) -> Recording {
        let zero = MonoTime::from_millis(zero_ms);
        let (peak, span) = (-294.2, 0.1);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
        let count = (15.0 * rate_hz) as u32;
        let samples = (0..count)
            .map(|index| f64::from(index) / rate_hz)
            .map(|t| {
                let since = t - 10.0;
                let inside = (0.0..span).contains(&since);
                let wave = if inside { (std::f64::consts::PI * since / span).sin().powi(2) } else { 0.0 };
                #[expect(clippy::cast_possible_truncation, reason = "seven digits do")]
                let axes = [(peak * wave) as f32, (peak * wave / 2.0) as f32, f32::NAN];
                TimedSample { at: zero - Duration::from_secs(10) + Duration::from_secs_f64(t), sensor: 0, axes }
            })
            .collect();
        let start = Start {
            crash: CrashId::new(BOOT, 1),
            kernel: KernelBoot(1),
            suspected: zero,
            wall: None,
            profile_hash: 1,
            report_seq: 1,
            sensors: vec![sensor(1_000.0)],
            base: [f64::NAN; Channel::COUNT],
        };
        Recording {
            slot: Slot { crash: start.crash, ..Slot::default() },
            start: Some(start),
            samples,
            values: Vec::new(),
            verdicts: vec![Verdict { contact: zero, ..verdict(1, Stage::Suspected, zero) }],
            report: None,
            is_ended: true,
            missing: 0,
        }
    }

    #[test]
    fn the_change_of_velocity_of_a_haversine_is_half_of_peak_times_duration() {
        for rate_hz in [83.0, 500.0, 1_000.0] {
            let tables = Tables::of(&pulse(rate_hz, 20_000), &[]).expect("a contact");
            let expected = -294.2 * 0.1 / 2.0 * 3.6;
            let end = tables.delta_v[25].longitudinal_kmh.expect("samples");
            assert!((end / expected - 1.0).abs() < 0.02, "{rate_hz} Hz: {end} against {expected}");
            let middle = tables.delta_v[5].longitudinal_kmh.expect("samples");
            assert!((middle / expected - 0.5).abs() < 0.05, "{rate_hz} Hz: {middle}");
            let maximum = tables.maximum_resultant.expect("samples");
            assert!((maximum.delta_v_kmh / expected.abs() - 1.25_f64.sqrt()).abs() < 0.03, "{maximum:?}");
            assert!((90.0..120.0).contains(&maximum.at_ms), "{maximum:?}");
            assert!(tables.is_complete && !tables.is_lower_bound);
        }
    }

    #[test]
    fn behind_a_gap_nothing_is_said_and_a_clipped_sensor_gives_a_bound() {
        let mut recording = pulse(1_000.0, 20_000);
        let gap = MonoTime::from_millis(20_040)..MonoTime::from_millis(20_110);
        recording.samples.retain(|sample| !gap.contains(&sample.at));
        for sample in &mut recording.samples {
            sample.axes[0] = sample.axes[0].max(-499.0);
        }
        recording.start.as_mut().expect("made").sensors[0].range = 100.0;
        let tables = Tables::of(&recording, &[]).expect("a contact");
        assert!(tables.delta_v[3].longitudinal_kmh.is_some());
        assert!(tables.delta_v[4..].iter().all(|row| row.longitudinal_kmh.is_none()));
        assert!(tables.is_lower_bound);
    }

    #[test]
    fn values_before_the_crash_are_those_in_force_then() {
        let mut recording = pulse(100.0, 20_000);
        let mut set = |at_ms, channel, value| {
            recording.values.push(TimedValue { at: MonoTime::from_millis(at_ms), channel, value });
        };
        set(14_000, Channel::WheelSpeed, 20.0);
        set(14_500, Channel::SeatsSensed, 3.0);
        set(14_500, Channel::SeatsBelted, 1.0);
        set(17_200, Channel::Brake, 1.0);
        set(17_400, Channel::WheelSpeed, 10.0);
        set(18_000, Channel::EngineSpeed, 1_500.0);
        set(18_700, Channel::EngineSpeed, f64::NAN);
        set(20_031, Channel::Restraints, 1.0);
        recording.start.as_mut().expect("made").base[Channel::Pedal.index()] = 12.0;
        let tables = Tables::of(&recording, &[]).expect("a contact");
        let speeds: Vec<f64> = tables.before.iter().filter_map(|row| row.speed_kmh).collect();
        assert_eq!(speeds, [[72.0; 5].as_slice(), &[36.0; 6]].concat());
        assert_eq!(tables.before.iter().map(|row| row.is_braking).filter(|is| *is == Some(true)).count(), 6);
        assert_eq!(tables.before.iter().filter(|row| row.engine_rpm.is_some()).count(), 2);
        assert!(tables.before.iter().all(|row| row.pedal_percent == Some(12.0)));
        assert_eq!((tables.belt_driver, tables.belt_passenger), (Some(true), Some(false)));
        assert_eq!((tables.airbag_lamp, tables.airbag_ms), (None, Some(31.0)));
        let mut second = pulse(100.0, 23_000);
        second.slot.crash.event = 2;
        let tables = Tables::of(&second, &[recording]).expect("a contact");
        assert_eq!((tables.events, tables.since_last_event_s), (2, Some(3.0)));
    }
}
