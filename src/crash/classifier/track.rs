//! One accelerometer: its history, its baseline and the pulse that it is going through.

use std::time::Duration;

use crate::crash::calibration::AxisCalibration;
use crate::crash::sensor::{Mounting, Orientation, SensorSpec};
use crate::crash::sensor_fault::FaultKind;
use crate::crash::thresholds as limit;
use crate::time::MonoTime;

use super::account::{Account, Shown};
use super::blow::{Bend, Blow};
use super::health::{Health, Kind};
use super::learner::Learner;
use super::pulse::{Before, Pulse, Reading};

mod doubt;

/// The largest push along x and along y, and the largest horizontal acceleration, of the last two spans.
#[derive(Debug, Clone, Copy, Default)]
struct Felt {
    began: MonoTime,
    now: [f32; 3],
    before: [f32; 3],
}

impl Felt {
    fn add(&mut self, at: MonoTime, reading: &Reading) {
        if at.since(self.began) >= limit::STIRRED_SPAN {
            (self.began, self.before, self.now) = (at, self.now, [0.0; 3]);
        }
        let felt = [reading.off[0].abs(), reading.off[1].abs(), reading.horizontal];
        for (most, felt) in self.now.iter_mut().zip(felt) {
            *most = most.max(felt);
        }
    }

    /// Along that axis, x or y.
    fn push(&self, axis: usize) -> f32 {
        self.now[axis].max(self.before[axis])
    }

    fn horizontal(&self) -> f32 {
        self.now[2].max(self.before[2])
    }
}

/// What a sample tells along the road.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Heard {
    Nothing,
    Doubtful,
    Believed,
}

#[derive(Debug, Clone)]
pub(super) struct Track {
    pub(super) name: String,
    pub(super) range: f32,
    pub(super) mounting: Mounting,
    orientation: Orientation,
    period: Duration,
    /// Samples further apart are not joined.
    max_gap: Duration,
    /// It reports without a pause since.
    speaks_since: MonoTime,
    /// After a silence: readings count for nothing before this, but teach the baseline.
    settled: MonoTime,
    last: Option<Reading>,
    /// Last value of each axis as it came, believed or not; of those believed; and that without offset.
    told: [f32; 3],
    raw: [f32; 3],
    held: [f32; 3],
    filter: [[f32; 2]; 3],
    baseline: [f32; 3],
    account: Account,
    pub(super) pulse: Pulse,
    pub(super) health: Health,
    /// The axes that were good with the last sample, and those that have not been read since they changed.
    good: [bool; 3],
    is_stale: [bool; 3],
    pub(super) learner: Learner,
    felt: Felt,
    /// Restless since, and last seen so.
    unrest: Option<(MonoTime, MonoTime)>,
    /// The last blow, and what has followed it.
    pub(super) blow: Option<Blow>,
    /// How fast the readings of x and y wander, on the mean of the last fraction of a second, in m/s³.
    roughness: f32,
    /// The same without the last sample, which may be the first of a blow.
    rough_before: f32,
    /// It last suspected a crash that was none, and one that was none for all that it showed itself.
    suspected: Option<MonoTime>,
    doubted: Option<MonoTime>,
}

impl Track {
    pub(super) fn new(spec: &SensorSpec) -> Self {
        let rate_hz = if spec.rate_hz.is_finite() { spec.rate_hz.clamp(1.0, 20_000.0) } else { 100.0 };
        let period = Duration::from_secs_f32(1.0 / rate_hz);
        let range = if spec.range.is_finite() { spec.range.abs() } else { 0.0 };
        Self {
            name: spec.name.clone(),
            range,
            mounting: spec.mounting,
            orientation: spec.orientation,
            period,
            max_gap: period.mul_f32(limit::MAX_GAP_INTERVALS).max(limit::MAX_GAP_LEAST),
            speaks_since: MonoTime::ZERO,
            settled: MonoTime::ZERO,
            last: None,
            told: [0.0; 3],
            raw: [0.0; 3],
            held: [0.0; 3],
            filter: [[0.0; 2]; 3],
            baseline: [0.0; 3],
            account: Account::new(),
            pulse: Pulse::default(),
            health: Health::new(spec.axes, range, longest_pulse(range), Kind::Acceleration),
            good: spec.axes,
            is_stale: [false; 3],
            learner: Learner::default(),
            felt: Felt::default(),
            unrest: None,
            blow: None,
            roughness: 0.0,
            rough_before: 0.0,
            suspected: None,
            doubted: None,
        }
    }

    pub(super) fn is_full_range(&self) -> bool {
        is_full_range(self.range)
    }

    /// What the event that is open has shown so far, or the last one.
    pub(super) const fn shown(&self) -> &Shown {
        &self.account.shown
    }

    /// It sees a horizontal push.
    pub(super) fn is_good(&self) -> bool {
        self.health.is_good(0) || self.health.is_good(1)
    }

    /// Gravity can be read from it.
    pub(super) fn has_gravity(&self) -> bool {
        (0..3).all(|index| self.health.is_good(index))
    }

    /// It saw the whole event, or what there was of it so far.
    pub(super) fn is_unclipped(&self) -> bool {
        self.shown().clipped.max(self.pulse.clipped) == Duration::ZERO
    }

    /// What to multiply an axis with for the car's own; none while it is not known.
    pub(super) fn sign(&self, index: usize) -> Option<f32> {
        if !self.health.is_good(index) {
            return None;
        }
        match self.orientation {
            Orientation::Stated => Some(1.0),
            Orientation::Learnt => self.learner.axes.get(index)?.sign.map(f32::from),
        }
    }

    /// What the axes read now, without offset.
    pub(super) const fn axes_now(&self) -> [f32; 3] {
        self.held
    }

    /// It was asked, and does not say, or not yet, what another one says since `contact`, mostly along that axis. Only one
    /// that sees both ways along the road can.
    pub(super) fn contradicts(&self, axis: usize, contact: MonoTime, now: MonoTime) -> bool {
        let Some(last) = self.last.filter(|_| !self.is_silent(now)) else { return false };
        let is_late = last.at.since(contact) >= limit::STIRRED_WITHIN;
        let is_unstirred = self.felt.push(axis) < limit::STIRRED_MPS2;
        let is_mild = is_late && self.felt.horizontal() < limit::TIRE_LIMIT_MPS2;
        self.mounting == Mounting::Chassis && self.is_whole() && (is_unstirred || is_mild)
    }

    /// An axis along the road is faulty, of a sensor that counts.
    pub(super) fn has_fault(&self) -> bool {
        self.mounting == Mounting::Chassis && (0..2).any(|index| self.health.fault(index).is_some())
    }

    /// It reports, and within its range all is seen that a crash does.
    pub(super) fn sees(&self, now: MonoTime) -> bool {
        self.mounting == Mounting::Chassis && self.is_full_range() && self.is_good() && !self.is_silent(now)
    }

    /// It has seen all that a crash does from that contact on.
    pub(super) fn has_seen(&self, contact: MonoTime) -> bool {
        let has_lasted = self.last.is_some_and(|last| last.at.since(contact) >= limit::STIRRED_WITHIN);
        self.mounting == Mounting::Chassis && self.is_full_range() && self.is_whole() && has_lasted
    }

    /// It sees both ways along the road.
    pub(super) fn is_whole(&self) -> bool {
        (0..2).all(|index| self.health.is_good(index))
    }

    /// It was taken in by itself not long ago.
    pub(super) fn is_distrusted(&self, now: MonoTime) -> bool {
        self.doubted.is_some_and(|doubted| now.since(doubted) <= limit::DISTRUST)
    }

    /// It reports without a pause since.
    pub(super) const fn speaks_since(&self) -> MonoTime {
        self.speaks_since
    }

    /// It has suspected something not long ago that was none.
    pub(super) fn was_suspicious(&self, now: MonoTime) -> bool {
        self.suspected.is_some_and(|suspected| now.since(suspected) <= limit::DISTRUST)
    }

    /// What it has suspected was none.
    pub(super) fn mislead(&mut self, now: MonoTime) {
        let is_dubious = self.blow.is_none_or(|blow| blow.is_dubious());
        if self.shown().dwell >= limit::SUSPECT_DWELL {
            self.suspected = Some(now);
            self.doubted = if is_dubious { Some(now) } else { self.doubted };
        }
    }

    /// After a blow, while the bend of the car's way explains so much across it.
    pub(super) fn follow(&mut self, bend: Bend) {
        let bend = bend.seen_by(self.sign(1));
        if let Some((blow, last)) = self.blow.as_mut().zip(self.last) {
            blow.follow(self.period, &last, bend);
        }
    }

    /// It does not rattle after what it felt.
    pub(super) fn is_calm(&self) -> bool {
        self.roughness <= limit::ROUGH_AFTER_MPS3
    }

    /// It has not stirred after the blow for as long as a hand would take to stop it.
    pub(super) fn rests_after(&self, blow: &Blow, now: MonoTime) -> bool {
        let has_stirred = self.unrest.is_some_and(|(_, last)| last > blow.ended + limit::RINGING);
        let is_watched = !self.is_silent(now) && self.speaks_since <= blow.ended;
        is_watched && !has_stirred && now.since(blow.ended) >= limit::OUT_OF_REACH_AFTER
    }

    /// The pulse goes on.
    pub(super) fn is_pushed(&self) -> bool {
        self.pulse.is_active()
    }

    /// It reports no more, or not yet again.
    pub(super) fn is_silent(&self, now: MonoTime) -> bool {
        self.last.is_none_or(|last| now.since(last.at) > self.max_gap)
    }

    /// When it is certain that it has fallen silent with a bus; none while it is not pushed harder than tires can.
    pub(super) fn silent_from(&self, silence: MonoTime) -> Option<MonoTime> {
        let last = self.last.filter(|_| self.is_pushed_hard())?;
        Some(last.at.max(silence) + self.max_gap + Duration::from_nanos(1))
    }

    /// It fell silent while it was pushed harder than tires can; since contact.
    pub(super) fn cut_short(&self, now: MonoTime) -> Option<MonoTime> {
        self.pulse.contact.filter(|_| self.is_pushed_hard() && self.is_silent(now))
    }

    fn is_pushed_hard(&self) -> bool {
        let is_hard = self.last.is_some_and(|last| last.is_beyond_tires());
        is_hard && self.mounting == Mounting::Chassis && self.pulse.is_active()
    }

    /// A blow that is not over, and was at the end of the range, when the sensor falls silent.
    pub(super) fn is_cut_off(&self, now: MonoTime) -> bool {
        let pulse = &self.pulse;
        let is_held = pulse.longest_dwell >= limit::CONFIRM_DWELL_LATERAL && pulse.clipped >= limit::CLIPPED_LEAST;
        self.is_silent(now) && pulse.is_active() && is_held
    }

    /// Before the next pulse begins: the one that is over goes into the sum.
    fn bank(&mut self) {
        let pulse = &self.pulse;
        let is_widest = self.blow.is_none_or(|blow| {
            let is_old = self.account.anchor.is_none_or(|anchor| blow.contact < anchor);
            Some(blow.contact) != pulse.contact && (is_old || pulse.longest_dwell >= blow.dwell)
        });
        if is_widest && !pulse.is_active() && pulse.longest_dwell >= limit::SUSPECT_DWELL {
            self.blow = Blow::of(pulse);
        }
        if self.account.bank(pulse) {
            self.pulse = Pulse::default();
        }
    }

    /// It was heard not long ago, and what it tells of the axis across is believed.
    pub(super) fn feels_across(&self, now: MonoTime) -> bool {
        let is_fresh = self.last.is_some_and(|last| now.since(last.at) <= limit::ROLL_MAX_GAP);
        self.mounting == Mounting::Chassis && self.health.is_good(1) && is_fresh
    }

    /// The last sample that was believed is that one.
    pub(super) fn has_read(&self, at: MonoTime) -> bool {
        self.last.is_some_and(|last| last.at == at)
    }

    /// Takes a sample in; gives back its moment, none when it told nothing. After a crash nothing is a fault.
    pub(super) fn observe(
        &mut self,
        at: MonoTime,
        axes: [Option<f32>; 3],
        is_moving: bool,
        is_calm: bool,
        report: &mut impl FnMut(usize, FaultKind),
    ) -> Option<MonoTime> {
        let at = self.moment(at)?;
        if is_calm {
            self.health.observe(at, axes, is_moving, report);
        }
        self.turn_over();
        match self.hear(axes) {
            Heard::Nothing => return None,
            // What is not believed is no sign of life, but may show that it can be believed again.
            Heard::Doubtful => return Some(at),
            Heard::Believed => {}
        }
        let span = self.notice_pause(at);
        self.settle(at, span.map_or(0.0, |span| span.as_secs_f32()));
        let reading = self.read(at);
        self.stir(at, &reading);
        self.bank();
        self.sum_up(at, span, &reading);
        self.last = Some(reading);
        if is_calm {
            self.judge(at, report);
        } else {
            self.disbelieve(at, report);
        }
        self.account.show(&self.pulse, self.is_full_range());
        Some(at)
    }

    /// Takes the values of the axes in.
    fn hear(&mut self, axes: [Option<f32>; 3]) -> Heard {
        let mut heard = Heard::Nothing;
        for (index, value) in axes.into_iter().enumerate() {
            let Some(value) = value.filter(|value| value.is_finite()) else { continue };
            self.told[index] = value.clamp(-self.range, self.range);
            if index < 2 {
                heard = heard.max(Heard::Doubtful);
            }
            if !self.health.is_good(index) {
                continue;
            }
            self.raw[index] = self.told[index];
            self.held[index] = self.raw[index] - self.offset(index);
            if index < 2 {
                heard = Heard::Believed;
            }
            if std::mem::take(&mut self.is_stale[index]) {
                (self.baseline[index], self.filter[index]) = (self.held[index], [self.held[index]; 2]);
            }
        }
        heard
    }

    /// After a pause it may have been started anew. Gives the time since the last sample, where the two can be joined.
    fn notice_pause(&mut self, at: MonoTime) -> Option<Duration> {
        let silence = self.last.map_or(Duration::MAX, |last| at.since(last.at));
        let is_blind = silence >= limit::SENSOR_PAUSE && self.is_at_edge();
        if silence >= limit::SENSOR_SILENCE || is_blind {
            self.settled = at + limit::SENSOR_SETTLE;
            self.pulse = Pulse::default();
        }
        if silence >= limit::SENSOR_PAUSE {
            self.speaks_since = at;
        }
        (silence <= self.max_gap).then_some(silence)
    }

    /// What it felt not long ago, and since when it is restless.
    fn stir(&mut self, at: MonoTime, reading: &Reading) {
        self.felt.add(at, reading);
        if reading.push() >= limit::RESTLESS_MPS2 {
            let since =
                self.unrest.filter(|(_, last)| at.since(*last) <= limit::RESTLESS_PAUSE).map_or(at, |run| run.0);
            self.unrest = Some((since, at));
        }
    }

    /// Adds the reading to the books, the pulse and the roughness.
    fn sum_up(&mut self, at: MonoTime, span: Option<Duration>, reading: &Reading) {
        let is_settled = at >= self.settled;
        let Some((last, span)) = self.last.zip(span) else {
            if is_settled {
                self.pulse.gap(reading);
            }
            return;
        };
        let span_s = span.as_secs_f32();
        self.account.integrate(at, span_s, &last, reading);
        if is_settled {
            let before = Before { unrest: self.restless(at), roughness: self.rough_before };
            self.pulse.extend(span, &last, reading, before);
        }
        let wander = (reading.held[0] - last.held[0]).abs() + (reading.held[1] - last.held[1]).abs();
        let share = span_s / (limit::ROUGH_TAU.as_secs_f32() + span_s);
        self.rough_before = self.roughness;
        self.roughness += (wander / span_s.max(f32::MIN_POSITIVE) - self.roughness) * share;
    }

    /// Adds the sample to what is learnt; gives the beginning of the window that it completes.
    pub(super) fn learn(&mut self, at: MonoTime) -> Option<MonoTime> {
        if at < self.settled {
            self.learner.restart();
            return None;
        }
        self.learner.add(at, self.period, self.told)
    }

    /// What an earlier run knew.
    pub(super) fn restore(&mut self, axes: [AxisCalibration; 3]) {
        self.learner.axes = axes;
        self.apply();
    }

    /// Opens the books of an event: what follows counts from `contact`.
    pub(super) fn anchor(&mut self, contact: MonoTime) {
        self.account.open(contact);
        self.account.show(&self.pulse, self.is_full_range());
    }

    /// Another impact of it began.
    pub(super) fn strike(&mut self, contact: MonoTime) {
        self.account.strike(contact);
    }

    /// The newest impact shows more than so many times what those before it show.
    pub(super) fn is_struck_worse(&self, times: f32) -> bool {
        self.account.is_struck_worse(times)
    }

    pub(super) const fn release(&mut self) {
        self.account.anchor = None;
    }

    /// Samples of one frame share a time, and frames come early or late: the sensor's own clock goes on.
    fn moment(&self, at: MonoTime) -> Option<MonoTime> {
        let Some(last) = self.last.filter(|last| at <= last.at) else { return Some(at) };
        let next = last.at + self.period;
        (next.since(at) <= limit::MAX_LEAD).then_some(next)
    }

    fn offset(&self, index: usize) -> f32 {
        self.learner.axes.get(index).map_or(0.0, |axis| axis.offset_mps2)
    }

    /// For how long it has been restless.
    fn restless(&self, at: MonoTime) -> Duration {
        let run = self.unrest.filter(|(_, last)| at.since(*last) <= limit::RESTLESS_PAUSE);
        run.map_or(Duration::ZERO, |(since, _)| at.since(since))
    }

    /// The readings under a new offset; the baseline moves along.
    fn apply(&mut self) {
        for index in 0..3 {
            let held = self.raw[index] - self.offset(index);
            let moved = held - self.held[index];
            self.held[index] = held;
            self.baseline[index] += moved;
            for pole in &mut self.filter[index] {
                *pole += moved;
            }
        }
    }

    /// Low-pass and baseline.
    fn settle(&mut self, at: MonoTime, span_s: f32) {
        let tau_s = 1.0 / (std::f32::consts::TAU * limit::CFC60_CORNER_HZ * limit::TWO_POLE_FACTOR);
        let share = span_s / (tau_s + span_s);
        let slow = span_s / (limit::BASELINE_TAU.as_secs_f32() + span_s);
        for index in 0..3 {
            let held = self.held[index];
            if at < self.settled {
                self.baseline[index] = held;
                self.filter[index] = [held; 2];
            }
            let mut value = held;
            for pole in &mut self.filter[index] {
                *pole += (value - *pole) * share;
                value = *pole;
            }
            let off = (held - self.baseline[index]).clamp(-limit::BASELINE_SLEW_MPS2, limit::BASELINE_SLEW_MPS2);
            self.baseline[index] += off * slow;
        }
    }

    /// It reads the end of its range along the road.
    fn is_at_edge(&self) -> bool {
        let edge = self.range * limit::CLIPPED_SHARE;
        (0..2).any(|index| self.health.is_good(index) && self.raw[index].abs() >= edge)
    }

    fn read(&self, at: MonoTime) -> Reading {
        let good = [0, 1, 2].map(|index| self.health.is_good(index));
        let part = |index: usize, value: f32| if good[index] { value } else { 0.0 };
        // What the baseline cannot explain: it never adds to a push.
        let off = [0, 1, 2].map(|index| {
            let (held, base) = (self.held[index], self.baseline[index]);
            part(index, if held * base < 0.0 && index < 2 { held } else { held - base })
        });
        Reading {
            at,
            held: [0, 1].map(|index| part(index, self.held[index])),
            off,
            horizontal: part(0, self.held[0]).hypot(part(1, self.held[1])),
            filtered: part(0, self.filter[0][1]).hypot(part(1, self.filter[1][1])),
            is_clipped: self.is_at_edge(),
            is_at_end: [0, 1].map(|index| good[index] && self.raw[index].abs() >= self.range * limit::CLIPPED_SHARE),
        }
    }
}

fn is_full_range(range: f32) -> bool {
    range >= limit::FULL_RANGE_MPS2
}

/// No crash pushes a sensor of that range for longer.
fn longest_pulse(range: f32) -> Duration {
    if is_full_range(range) { limit::LONGEST_PULSE } else { limit::LONGEST_CLIPPED }
}
