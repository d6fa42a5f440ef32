//! What an earlier run left in the black box without having told it: what is to be told of it now.
//!
//! | what the record holds | what is told | under which id |
//! |---|---|---|
//! | the report as it was made | that report | its own |
//! | a confirmation | `crash.detected` from it | the one that the report had, or would have had |
//! | a suspicion | the classifier hears the recorded samples again: `crash.recovered` when it confirms, or when the record ends within the suspicion; nothing when it takes it back | the one that the report would have had |
//!
//! The id is what makes a report one: whether the earlier run had stored or sent it already does not matter.

use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::can::BusId;
use crate::crash::black_box::{Channel, Recording, Start, TimedSample, TimedValue};
use crate::crash::{Belts, Classifier, Observation, Restraint, Sample, SensorIx, Stage, Verdict};
use crate::delivery::{Draft, Lane, Record, codec};
use crate::time::{KernelBoot, MonoTime, Stamp, WallStamp};

use super::report;

/// What is to be told of a record.
pub(super) struct Told {
    pub(super) report: Record,
    /// The last word on it.
    pub(super) verdict: Verdict,
}

/// What is to be told of a record; none when there is nothing.
pub(super) fn told_of(recording: &Recording, classifier: impl FnOnce(&Start) -> Classifier) -> Option<Told> {
    let id = recording.slot.report();
    let kept = recording.report.as_deref().and_then(|bytes| codec::decode(bytes).ok());
    let kept = kept.filter(|record| record.id == id);
    let is_known = recording.slot.stage.is_some_and(|stage| stage >= Stage::Confirmed);
    // A run that heard it again and lost its power before it could tell has left its conclusion, not its words.
    let has_words = recording.verdict().is_some_and(|word| word.stage >= Stage::Confirmed) || recording.start.is_none();
    if kept.is_some() || (is_known && has_words) {
        let verdict = recording.verdict().copied().unwrap_or_else(|| bare(recording));
        let report = kept.unwrap_or_else(|| draft(recording, "crash.detected", &verdict, None).into_record(id));
        return Some(Told { report, verdict });
    }
    if recording.is_ended && !is_known {
        // The classifier had all the time that it needs, and did not confirm.
        return None;
    }
    let verdict = recording.start.as_ref().and_then(|start| hear_again(recording, start, classifier(start)));
    let verdict = verdict.or(recording.verdict().copied()).unwrap_or_else(|| bare(recording));
    if verdict.stage == Stage::Dismissed && !is_known {
        return None;
    }
    let is_confirmed = is_known || verdict.stage >= Stage::Confirmed;
    Some(Told { report: draft(recording, "crash.recovered", &verdict, Some(is_confirmed)).into_record(id), verdict })
}

/// When it happened, as far as the record says.
pub(super) fn contact(recording: &Recording, verdict: &Verdict) -> Stamp {
    stamp(recording.start.as_ref(), verdict.contact)
}

/// A moment of the run that recorded.
fn stamp(start: Option<&Start>, mono: MonoTime) -> Stamp {
    let kernel = start.map_or(KernelBoot(0), |start| start.kernel);
    Stamp { boot: kernel, mono, wall: start.and_then(|start| wall_at(start, mono)) }
}

/// The owner did not allow that help be offered when it happened. Where nobody knew then, or the record does not say, it is
/// for the owner's word as it is known now.
pub(super) fn forbids_help(recording: &Recording) -> bool {
    let may_be_offered = |start: &Start| start.base[Channel::HelpMayBeOffered.index()];
    recording.start.as_ref().is_some_and(|start| may_be_offered(start) < 1.0)
}

/// The last value of a channel, and when it came; no time where it came before the record begins.
fn last(recording: &Recording, channel: Channel) -> Option<(f64, Option<MonoTime>)> {
    let set = recording.values.iter().rev().find(|value| value.channel == channel);
    let base = || recording.start.as_ref().map(|start| start.base[channel.index()]);
    let value = set.map(|set| set.value).or_else(base)?;
    (!value.is_nan()).then_some((value, set.map(|set| set.at)))
}

/// All that is known where no word of the classifier can be read.
fn bare(recording: &Recording) -> Verdict {
    let at = recording.start.as_ref().map_or(MonoTime::ZERO, |start| start.suspected);
    Verdict::bare(recording.slot.crash.event, recording.slot.stage.unwrap_or(Stage::Suspected), at, at)
}

fn draft(recording: &Recording, kind: &str, verdict: &Verdict, is_confirmed: Option<bool>) -> Draft {
    let start = recording.start.as_ref();
    let contact = stamp(start, verdict.contact).wall.map_or(Json::Null, |stamp| Json::from(stamp.wall.to_string()));
    let crash = recording.slot.crash.to_string();
    let mut data = report::data(&crash, verdict, &contact);
    if let Some(is_confirmed) = is_confirmed {
        data["confirmed"] = is_confirmed.into();
    }
    let stamp = stamp(start, verdict.at);
    Draft {
        lane: Lane::Critical,
        subject: Some(crash),
        location: location(recording).map(|location| location.to_string()),
        ..Draft::event(kind, stamp, data.to_string())
    }
}

/// The wall time of a moment of that run.
fn wall_at(start: &Start, at: MonoTime) -> Option<WallStamp> {
    let stamp = start.wall?;
    let wall = stamp.wall.plus(at.since(start.suspected)).minus(start.suspected.since(at));
    Some(WallStamp { wall, ..stamp })
}

/// The last place in the record, in the form of every event's; none where it was received in privacy mode, or where the
/// record does not say.
fn location(recording: &Recording) -> Option<Json> {
    let start = recording.start.as_ref()?;
    let last = |channel| last(recording, channel);
    let ((latitude, at), (longitude, _)) = (last(Channel::Latitude)?, last(Channel::Longitude)?);
    let (may_be_told, said_at) = last(Channel::PlaceMayBeTold)?;
    // The word comes before its place: a place that is older than the word is another one.
    if may_be_told < 1.0 || said_at > at {
        return None;
    }
    let time = at.and_then(|at| wall_at(start, at)).map(|stamp| stamp.wall.to_string());
    Some(json!({ "fix": {
        "latitude": latitude,
        "longitude": longitude,
        "accuracy_m": null,
        "altitude_m": null,
        "heading_deg": null,
        "speed_kmh": null,
        "quality": "stale",
        "time": time,
    }}))
}

/// Lets a classifier hear what was recorded; its last word on the first event.
fn hear_again(recording: &Recording, start: &Start, mut classifier: Classifier) -> Option<Verdict> {
    let mut values = Replayed::default();
    let begin = recording.samples.first().map_or(start.suspected, |sample| sample.at);
    let mut last = None;
    let mut hear = |at: MonoTime, observations: &mut dyn Iterator<Item = Observation>| {
        while let Some(due) = classifier.poll_timeout().filter(|due| *due < at) {
            classifier.handle_timeout(due);
            if classifier.poll_timeout() == Some(due) {
                break;
            }
        }
        for observation in observations {
            classifier.observe(at, &observation);
        }
        while let Some(verdict) = classifier.poll_verdict() {
            // Of a second event there is a record of its own.
            if last.as_ref().is_none_or(|last: &Verdict| last.event == verdict.event) {
                last = Some(verdict);
            }
        }
    };
    for (channel, value) in Channel::ALL.into_iter().zip(start.base) {
        hear(begin, &mut values.take(channel, value).into_iter());
    }
    let mut changes = recording.values.iter().peekable();
    for sample in &recording.samples {
        while let Some(TimedValue { at, channel, value }) = changes.next_if(|change| change.at <= sample.at) {
            hear(*at, &mut values.take(*channel, *value).into_iter());
        }
        hear(sample.at, &mut std::iter::once(observation(sample)));
    }
    for TimedValue { at, channel, value } in changes {
        hear(*at, &mut values.take(*channel, *value).into_iter());
    }
    // As much time as the record knows of, and no more: what came after the power went nobody saw.
    let end = recording.samples.last().map_or(begin, |sample| sample.at);
    hear(end + Duration::from_nanos(1), &mut std::iter::empty());
    last
}

fn observation(sample: &TimedSample) -> Observation {
    let sensor = SensorIx(sample.sensor);
    if sample.axes.iter().all(|axis| axis.is_nan()) {
        return Observation::SampleLost(sensor);
    }
    Observation::Sample(Sample { sensor, axes: sample.axes.map(|axis| (!axis.is_nan()).then_some(axis)) })
}

/// What several values together tell.
#[derive(Default)]
struct Replayed {
    belts: Belts,
    restraints: Option<u32>,
    silent: u32,
}

impl Replayed {
    /// What a change of a value told the classifier then.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "masks of at most 32 bits, and speeds with few digits"
    )]
    fn take(&mut self, channel: Channel, value: f64) -> Vec<Observation> {
        if value.is_nan() {
            return Vec::new();
        }
        let mask = value as u32;
        match channel {
            Channel::WheelSpeed => vec![Observation::WheelSpeed(value as f32)],
            Channel::GnssSpeed => vec![Observation::GnssSpeed(value as f32)],
            Channel::Brake => vec![Observation::Braking(mask != 0)],
            Channel::Ignition => vec![Observation::Ignition(mask != 0)],
            Channel::SeatsSensed => self.belts(|belts| belts.sensed = mask as u16),
            Channel::SeatsOccupied => self.belts(|belts| belts.occupied = mask as u16),
            Channel::SeatsBelted => self.belts(|belts| belts.belted = mask as u16),
            Channel::Restraints => {
                // The first time all are told, so that what was off counts as seen off.
                let changed = self.restraints.replace(mask).map_or(u32::MAX, |before| before ^ mask);
                let news = Restraint::ALL.into_iter().filter(|restraint| bit(changed, *restraint as u8));
                news.map(|restraint| Observation::Restraint(restraint, bit(mask, restraint as u8))).collect()
            }
            Channel::SilentBuses => {
                let changed = std::mem::replace(&mut self.silent, mask) ^ mask;
                let news = (0..32).filter(|bus| bit(changed, *bus)).map(BusId);
                news.map(|bus| if bit(mask, bus.0) { Observation::BusSilent(bus) } else { Observation::BusBack(bus) })
                    .collect()
            }
            Channel::Pedal
            | Channel::Gear
            | Channel::EngineSpeed
            | Channel::AirbagLamp
            | Channel::Latitude
            | Channel::Longitude
            | Channel::PlaceMayBeTold
            | Channel::HelpMayBeOffered => Vec::new(),
        }
    }

    fn belts(&mut self, change: impl FnOnce(&mut Belts)) -> Vec<Observation> {
        change(&mut self.belts);
        vec![Observation::Belts(self.belts)]
    }
}

const fn bit(mask: u32, bit: u8) -> bool {
    mask >> bit & 1 == 1
}
