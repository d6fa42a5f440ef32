//! Whatever the classifier is told, its words come in a legal order, and nothing of it breaks.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/setup.rs"]
mod setup;
#[expect(dead_code, reason = "this car has a profile of its own")]
#[path = "common/small_profile.rs"]
mod small_profile;

use std::time::Duration;

use proptest::prelude::*;
use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::crash::black_box::BlackBoxEvent;
use telltale::crash::{
    Belts, Calibration, Classifier, Mounting, Observation, Orientation, Quantity, Restraint, Sample, SensorIx,
    SensorSpec, Stage, Verdict,
};
use telltale::delivery::{BootId, codec};
use telltale::gateway::{Effect, Gateway, Input, Setup, StoreEvent, StoreInventory, StoreRequest};
use telltale::time::MonoTime;

use setup::setup;

fn sensors() -> Vec<SensorSpec> {
    let spec = |name: &str, quantity, axes, range, rate_hz, mounting, orientation| SensorSpec {
        name: name.to_owned(),
        quantity,
        axes,
        range,
        rate_hz,
        noise: 0.1,
        mounting,
        orientation,
        is_protected: true,
    };
    vec![
        spec("a", Quantity::Acceleration, [true; 3], 490.0, 1_000.0, Mounting::Chassis, Orientation::Stated),
        spec("b", Quantity::Acceleration, [true, true, false], 18.3, 83.0, Mounting::Chassis, Orientation::Learnt),
        spec("c", Quantity::AngularRate, [true; 3], 200.0, 100.0, Mounting::Chassis, Orientation::Stated),
        spec("d", Quantity::Acceleration, [true; 3], 80.0, 100.0, Mounting::Device, Orientation::Stated),
        spec("nonsense", Quantity::Acceleration, [false; 3], f32::NAN, 0.0, Mounting::Chassis, Orientation::Stated),
    ]
}

fn value() -> impl Strategy<Value = Option<f32>> {
    prop_oneof![
        1 => Just(None),
        4 => (-25.0_f32..25.0).prop_map(Some),
        4 => (-600.0_f32..600.0).prop_map(Some),
        1 => Just(Some(490.0)),
        1 => prop::num::f32::ANY.prop_map(Some),
    ]
}

fn observation() -> impl Strategy<Value = Observation> {
    let sample = (0_u8..7, value(), value(), value())
        .prop_map(|(sensor, x, y, z)| Observation::Sample(Sample { sensor: SensorIx(sensor), axes: [x, y, z] }));
    let restraint = prop_oneof![Just(Restraint::Front), Just(Restraint::Rollover), Just(Restraint::Unspecified)];
    prop_oneof![
        20 => sample,
        1 => (0_u8..7).prop_map(|sensor| Observation::SampleLost(SensorIx(sensor))),
        4 => (0.0_f32..60.0).prop_map(Observation::WheelSpeed),
        1 => prop::num::f32::ANY.prop_map(Observation::WheelSpeed),
        1 => prop::num::f32::ANY.prop_map(Observation::GnssSpeed),
        1 => any::<bool>().prop_map(Observation::Braking),
        1 => (restraint, any::<bool>()).prop_map(|(restraint, is_on)| Observation::Restraint(restraint, is_on)),
        1 => any::<[u16; 3]>().prop_map(|[sensed, occupied, belted]| Observation::Belts(Belts { sensed, occupied, belted })),
        1 => (0_u8..3).prop_map(|bus| Observation::BusSilent(BusId(bus))),
        1 => (0_u8..3).prop_map(|bus| Observation::BusBack(BusId(bus))),
    ]
}

/// How the time goes on: in most cases as sensors do, sometimes not at all, with a gap, or backwards.
fn step() -> impl Strategy<Value = i64> {
    prop_oneof![
        10 => Just(1_000_000_i64),
        5 => 0_i64..15_000_000,
        2 => Just(0),
        1 => -50_000_000_i64..0,
        1 => 0_i64..3_000_000_000,
        1 => Just(86_400_000_000_000),
    ]
}

/// Runs of one and the same observation make pulses.
fn story() -> impl Strategy<Value = Vec<(i64, Observation, u16)>> {
    prop::collection::vec((step(), observation(), 1_u16..60), 1..60)
}

fn run(story: &[(i64, Observation, u16)]) -> (Vec<Verdict>, Classifier) {
    let mut classifier = Classifier::new(&sensors());
    let mut now = MonoTime::from_millis(1_000_000);
    let mut latest = now;
    let mut verdicts = Vec::new();
    for (step, observation, repeat) in story {
        for _ in 0..*repeat {
            now = MonoTime::from_nanos(now.as_nanos().saturating_add_signed(*step));
            latest = latest.max(now);
            classifier.observe(now, observation);
            verdicts.extend(std::iter::from_fn(|| classifier.poll_verdict()));
            while classifier.poll_fault().is_some() {}
        }
    }
    let mut rounds = 0;
    while let Some(due) = classifier.poll_timeout() {
        classifier.handle_timeout(due.max(latest));
        verdicts.extend(std::iter::from_fn(|| classifier.poll_verdict()));
        latest = latest.max(due);
        rounds += 1;
        assert!(rounds < 1_000, "an event never ends");
    }
    (verdicts, classifier)
}

fn may_follow(before: Option<Stage>, stage: Stage) -> bool {
    matches!(
        (before, stage),
        (None, Stage::Suspected)
            | (Some(Stage::Suspected), Stage::Confirmed | Stage::Dismissed)
            | (Some(Stage::Confirmed), Stage::Graded)
            | (Some(Stage::Graded | Stage::Corrected), Stage::Corrected | Stage::Closed)
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn words_come_in_a_legal_order(story in story()) {
        let (verdicts, _) = run(&story);
        let (mut event, mut before, mut at) = (0, None, MonoTime::ZERO);
        for verdict in &verdicts {
            if verdict.event != event {
                prop_assert!(matches!(before, None | Some(Stage::Closed | Stage::Dismissed)));
                prop_assert_eq!(verdict.event, event + 1);
                (event, before) = (verdict.event, None);
            }
            prop_assert!(may_follow(before, verdict.stage), "{:?} after {before:?}", verdict.stage);
            prop_assert!(verdict.at >= at && verdict.at >= verdict.contact);
            before = Some(verdict.stage);
            at = verdict.at;
        }
        prop_assert!(matches!(before, None | Some(Stage::Closed | Stage::Dismissed)), "{before:?} is the last word");
    }

    #[test]
    fn figures_are_figures(story in story()) {
        for verdict in run(&story).0 {
            prop_assert!(verdict.impacts >= 1);
            if let Some(delta_v) = verdict.delta_v {
                prop_assert!(delta_v.resultant_mps.is_finite() && delta_v.resultant_mps >= 0.0);
                prop_assert!(delta_v.uncertainty_mps.is_finite() && delta_v.uncertainty_mps >= 0.0);
            }
            if let Some(direction) = verdict.direction {
                prop_assert!((1..=12).contains(&direction.clock) && direction.pdof_deg.abs() <= 180.0);
            }
            if let Some(mais3) = verdict.mais3 {
                prop_assert!(0.0 <= mais3.low && mais3.low <= mais3.value && mais3.value <= mais3.high);
                prop_assert!(mais3.high <= 1.0);
            }
        }
    }

    #[test]
    fn the_same_story_gives_the_same_words_also_from_a_restored_calibration(story in story()) {
        let ((one, classifier), (other, _)) = (run(&story), run(&story));
        prop_assert_eq!(one, other);
        let text = serde_json::to_string(&classifier.calibration()).expect("it is plain data");
        let restored: Calibration = serde_json::from_str(&text).expect("as it was written");
        let mut fresh = Classifier::new(&sensors());
        fresh.restore_restraints(restored.restraints);
        fresh.restore_sensors(restored.sensors.clone());
        prop_assert_eq!(fresh.calibration(), restored);
    }
}

/// Restraints that fire one after the other: once all words are fetched as they come, once only at the end.
#[test]
fn words_that_nobody_fetches_in_time_are_counted() {
    let words = |fetches: bool| {
        let mut classifier = Classifier::new(&sensors());
        let mut words = 0;
        for (round, restraint) in (1..).zip(Restraint::ALL) {
            let mut now = MonoTime::from_millis(round * 60_000);
            for (after_ms, is_on) in [(0, false), (1_000, true), (2_000, false)] {
                now = now + Duration::from_millis(after_ms);
                classifier.observe(now, &Observation::Restraint(restraint, is_on));
            }
            while let Some(due) = classifier.poll_timeout() {
                classifier.handle_timeout(due);
            }
            words += if fetches { std::iter::from_fn(|| classifier.poll_verdict()).count() } else { 0 };
        }
        let left = std::iter::from_fn(|| classifier.poll_verdict()).count();
        (words + left, classifier.dropped())
    };
    let (all, dropped) = words(true);
    assert_eq!(dropped, (0, 0));
    let (left, (verdicts, faults)) = words(false);
    assert!(verdicts > 0 && verdicts == (all - left) as u64, "{left} of {all} are left, {verdicts} counted");
    assert_eq!(faults, 0);
}

/// Restraints fire once: a bit that goes on and off neither fills the black box nor calls for help again and again.
#[test]
fn a_flag_that_flickers_for_hours_is_one_crash() {
    let mut classifier = Classifier::new(&sensors());
    let mut verdicts = Vec::new();
    for step in 0..2_000 {
        let now = MonoTime::from_millis(1_000 + step * 6_000);
        while let Some(due) = classifier.poll_timeout().filter(|due| *due <= now) {
            classifier.handle_timeout(due);
        }
        classifier.observe(now, &Observation::Restraint(Restraint::Front, step % 2 == 1));
        verdicts.extend(std::iter::from_fn(|| classifier.poll_verdict()));
    }
    let stages: Vec<_> = verdicts.iter().map(|verdict| verdict.stage).collect();
    assert_eq!(stages, [Stage::Suspected, Stage::Confirmed, Stage::Graded, Stage::Closed]);
}

const AIRBAGS: &str = r#"
[[message]]
name = "pt.Airbags"
period_ms = 100
[[signal]]
path = "Vehicle.Restraint.IsFrontDeployed"
from = "pt.Airbags.Front"
[[signal]]
path = "Vehicle.Cabin.Seat.Row1.DriverSide.Airbag.IsDeployed"
from = "pt.Airbags.Driver"
[[signal]]
path = "Vehicle.Cabin.Seat.Row1.PassengerSide.Airbag.IsDeployed"
from = "pt.Airbags.Passenger"
"#;

const AIRBAGS_DBC: &str = r#"VERSION ""
BU_: X
BO_ 256 Airbags: 1 X
 SG_ Front : 0|1@1+ (1,0) [0|1] "" X
 SG_ Driver : 1|1@1+ (1,0) [0|1] "" X
 SG_ Passenger : 2|1@1+ (1,0) [0|1] "" X
"#;

/// What the store of a car holds, and what it is asked to report, run by run.
#[derive(Default)]
struct Garage {
    runs: u32,
    values: std::collections::BTreeMap<String, Vec<u8>>,
    reports: usize,
}

impl Garage {
    /// A run of a few seconds in which the control unit says this; the store opens after so many of its frames. Gives the
    /// number of crash reports.
    fn run(&mut self, words: &[u8], opens_after: usize) -> usize {
        self.runs += 1;
        self.reports = 0;
        let profile = format!("{}{AIRBAGS}", small_profile::HEAD);
        let profile = small_profile::load(&profile, AIRBAGS_DBC).unwrap_or_else(|problems| panic!("{problems}"));
        let setup = Setup { boot: BootId { counter: self.runs, random: 7 }, ..setup("car", profile) };
        let mut now = MonoTime::from_millis(1_000);
        let mut gateway = Gateway::new(now, setup).expect("a gateway");
        let none = BlackBoxEvent::Unavailable("there is none".to_owned());
        self.input(&mut gateway, now, Input::BlackBox(none));
        for number in 0..=words.len().max(opens_after) {
            if number == opens_after {
                let values = self.values.clone().into_iter().collect();
                let inventory = StoreInventory { values, ..StoreInventory::default() };
                self.input(&mut gateway, now, Input::Store(StoreEvent::Opened(inventory)));
            }
            if let Some(word) = words.get(number) {
                let id = CanId::base(256).expect("11 bits");
                let frame = Frame::new(id, FrameKind::Data, &[*word]).expect("a byte");
                self.input(&mut gateway, now, Input::Frame(BusId(0), &frame));
            }
            now = now + Duration::from_millis(100);
            self.input(&mut gateway, now, Input::Timeout);
        }
        self.input(&mut gateway, now, Input::Shutdown);
        self.reports
    }

    /// The restraints that the next run knows not to have fired.
    fn armed(&self) -> u64 {
        let saved = self.values.get("crash").map(|bytes| serde_json::from_slice(bytes).expect("JSON"));
        let armed = |saved: serde_json::Value| saved["calibration"]["restraints"]["armed"].as_u64();
        saved.map_or(0, |saved| armed(saved).expect("a set of restraints"))
    }

    fn input(&mut self, gateway: &mut Gateway, now: MonoTime, input: Input<'_>) {
        gateway.handle(now, input);
        while let Some(effect) = gateway.poll_effect() {
            let Effect::Store(ticket, request) = effect else { continue };
            if let StoreRequest::Commit { records, values } = request {
                let records = records.iter().map(|(_, bytes)| codec::decode(bytes).expect("what it encoded"));
                self.reports += records.filter(|record| record.topic == "event/crash.detected").count();
                let armed = self.armed();
                self.values.extend(values);
                let has_fired = armed & !self.armed() != 0;
                assert!(self.reports > 0 || !has_fired, "that it fired is kept before its crash is: a cut loses it");
            }
            gateway.handle(now, Input::Store(StoreEvent::Done(ticket)));
        }
    }
}

/// An airbag fires while no daemon runs, and its control unit says so before the store of the next run has opened or after:
/// it is the same crash. Told is it once.
#[test]
fn an_airbag_that_fired_between_two_runs_is_a_crash_however_soon_its_control_unit_speaks() {
    for opens_after in [0, 1, 3] {
        let mut garage = Garage::default();
        assert_eq!(garage.run(&[0, 0], 0), 0, "nothing has fired");
        assert!(garage.run(&[1, 1, 1, 1], opens_after) > 0, "the store opens after {opens_after} frames");
        assert_eq!(garage.run(&[1, 1, 1, 1], opens_after), 0, "the store opens after {opens_after} frames");
    }
}

/// The airbag of the driver has fired long ago, as far as anybody knows, and that of the passenger has not.
#[test]
fn an_airbag_of_several_that_tells_nothing_else_is_no_crash_at_any_start() {
    for opens_after in [0, 1, 3] {
        let mut garage = Garage::default();
        for run in 0..3 {
            assert_eq!(
                garage.run(&[2, 2, 2, 2], opens_after),
                0,
                "run {run}, the store opens after {opens_after} frames"
            );
        }
        assert!(garage.run(&[2, 2, 6, 6], opens_after) > 0, "that of the passenger fires too");
    }
}
