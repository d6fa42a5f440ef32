//! One case, one car, one fresh classifier.

use crate::crash::{Classifier, SensorFault, Stage, Verdict};
use crate::sim::crash::{Case, Class, Crash, Heard, Rig};
use crate::time::MonoTime;

/// A verdict that comes later than this after contact is not one on that contact.
const LATEST_S: f32 = 10.0;
/// A crash is graded within 300 ms; what an ideal instrument sees until then is what the grading is held against.
const GRADED_S: f32 = 0.3;
/// Words of one case that are kept; a case has a handful.
const MAX_WORDS: usize = 64;

/// A word of the classifier, and when it could be known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Word {
    /// Arrival of the frame, or the deadline, after which it was said, in s of the case.
    pub said_s: f32,
    /// What was said.
    pub verdict: Verdict,
}

/// What an ideal instrument in the car's axes shows of the first impact.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ideal {
    /// The largest horizontal change of velocity within 300 ms of contact, in m/s.
    pub delta_v_mps: f32,
    /// Direction of force there, as SAE J224 counts.
    pub pdof_deg: f32,
}

/// What became of a case in one car.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its kind.
    pub class: Class,
    /// Its number within the class.
    pub number: u32,
    /// What was drawn, for people.
    pub variant: String,
    /// What is true, where it is a crash.
    pub crash: Option<(Crash, Ideal)>,
    /// From contact to the suspicion that became the verdict.
    pub suspected_s: Option<f32>,
    /// From contact to the verdict, by the clock of the gateway: frames that wait for their last sample included.
    pub confirmed_s: Option<f32>,
    /// It was said to be a crash before contact, or though it is none: after the event's begin, in s.
    pub false_alarm_s: Option<f32>,
    /// A suspicion arose where nothing was.
    pub false_suspicion: bool,
    /// The verdict with the grade; the last one before it was closed where there is none.
    pub graded: Option<Verdict>,
    /// The last word on the event.
    pub last: Option<Verdict>,
    /// A sensor was called faulty.
    pub has_fault: bool,
}

/// Lets a fresh classifier hear what that car's gateway hears.
#[must_use]
pub fn words(rig: &Rig, heard: &[Heard]) -> (Vec<Word>, Vec<SensorFault>) {
    let mut classifier = Classifier::new(&rig.specs());
    let (mut words, mut faults) = (Vec::new(), Vec::new());
    let mut collect = |classifier: &mut Classifier, now: MonoTime| {
        while let Some(verdict) = classifier.poll_verdict() {
            if words.len() < MAX_WORDS {
                words.push(Word { said_s: Rig::time_s(now), verdict });
            }
        }
        while let Some(fault) = classifier.poll_fault() {
            if faults.len() < MAX_WORDS {
                faults.push(fault);
            }
        }
    };
    for heard in heard {
        while let Some(due) = classifier.poll_timeout().filter(|due| *due <= heard.arrived) {
            classifier.handle_timeout(due);
            collect(&mut classifier, due);
            if classifier.poll_timeout() == Some(due) {
                break;
            }
        }
        classifier.observe(heard.at, &heard.what);
        collect(&mut classifier, heard.arrived);
    }
    // The gateway lives on after the last frame.
    for _ in 0..MAX_WORDS {
        let Some(due) = classifier.poll_timeout() else { break };
        classifier.handle_timeout(due);
        collect(&mut classifier, due);
    }
    (words, faults)
}

/// One case through one car.
#[must_use]
pub fn examine(rig: &Rig, case: &Case) -> Outcome {
    let (words, faults) = words(rig, &rig.perceive(case));
    let contact_s = case.crash.map_or(f32::MAX, |crash| crash.contact_s);
    let said = |word: &&Word| word.said_s >= contact_s && word.said_s < contact_s + LATEST_S;
    let confirmed = words.iter().filter(said).find(|word| word.verdict.stage == Stage::Confirmed);
    let same_event = |word: &&Word| confirmed.is_some_and(|confirmed| word.verdict.event == confirmed.verdict.event);
    let suspected = words.iter().filter(same_event).find(|word| word.verdict.stage == Stage::Suspected).or(confirmed);
    let early = words.iter().find(|word| word.said_s < contact_s && word.verdict.stage == Stage::Confirmed);
    let suspicion = words.iter().any(|word| word.said_s < contact_s && word.verdict.stage == Stage::Suspected);
    let last = words.iter().rfind(same_event).map(|word| word.verdict);
    let graded = words.iter().filter(same_event).find(|word| word.verdict.stage == Stage::Graded);
    Outcome {
        class: case.class,
        number: case.number,
        variant: case.variant.clone(),
        crash: case.crash.map(|crash| (crash, ideal(case, &crash))),
        suspected_s: suspected.map(|word| (word.said_s - contact_s).max(0.0)),
        confirmed_s: confirmed.map(|word| word.said_s - contact_s),
        false_alarm_s: early.map(|word| word.said_s - case.event_s()),
        false_suspicion: suspicion,
        graded: graded.map(|word| word.verdict).or(last),
        last,
        has_fault: !faults.is_empty(),
    }
}

/// What moves the car, integrated from contact.
#[must_use]
pub fn ideal(case: &Case, crash: &Crash) -> Ideal {
    let (mut change, mut largest) = ([0.0_f32; 2], [0.0_f32; 2]);
    let end_s = crash.contact_s + GRADED_S.max(crash.pulse_s);
    for moment in case.moments(crash.contact_s, 0.001).take_while(|moment| moment.time_s < end_s) {
        change[0] += moment.motion[0] * moment.step_s;
        change[1] += moment.motion[1] * moment.step_s;
        if change[0].hypot(change[1]) > largest[0].hypot(largest[1]) {
            largest = change;
        }
    }
    Ideal { delta_v_mps: largest[0].hypot(largest[1]), pdof_deg: largest[1].atan2(-largest[0]).to_degrees() }
}

/// The angle between two directions in °, 0 to 180.
#[must_use]
pub fn angle_between(one_deg: f32, other_deg: f32) -> f32 {
    let apart = (one_deg - other_deg).rem_euclid(360.0);
    apart.min(360.0 - apart)
}
