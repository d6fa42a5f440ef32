//! What was recorded in privacy mode is told to nobody, also when privacy mode is off again: every byte that was
//! published, and every record that was stored to be published, is searched for the places of the private time.
#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/black_box_disk.rs"]
mod black_box_disk;
#[path = "../common/setup.rs"]
mod setup;
#[path = "../common/small_profile.rs"]
#[expect(dead_code, reason = "this car has a profile of its own")]
mod small_profile;
mod world;

use telltale::crash::black_box::{BlackBoxEvent, Channel, Contents, Identity, Recorder};
use telltale::crash::{Stage, Verdict};
use telltale::delivery::{BootId, Privacy};
use telltale::time::{KernelBoot, MonoTime};

use black_box_disk::{made, put, read};
use world::{World, texts};

const NOTHING: [String; 0] = [];

/// The search finds what is there: most places of the open time, each as two numbers.
fn assert_told(world: &World, seconds: std::ops::Range<u32>) {
    let (all, told) = (seconds.len() * 2, world.told(seconds.clone()).len());
    assert!(told * 2 > all, "{told} of {all} in {seconds:?}");
}

#[test]
fn online_the_places_of_the_private_time_stay_private() {
    let mut world = World::new();
    let before = world.drive(25);
    world.say(Privacy::On);
    let private = world.drive(33);
    world.say(Privacy::Off);
    let after = world.drive(36);
    assert_eq!(world.told(private.clone()), NOTHING);
    assert_eq!(world.stored(private), NOTHING);
    assert_told(&world, before);
    assert_told(&world, after.clone());
    let state = world.retained("state/location").expect("retained");
    assert!(after.flat_map(texts).any(|place| state.contains(&place)), "{state}");
}

/// The mode changes within one batch, at every offset to its beginning.
#[test]
fn a_batch_that_is_being_collected_has_nothing_of_the_private_time() {
    for (open_s, private_s) in [(13, 2), (16, 5), (19, 9), (22, 1)] {
        let mut world = World::new();
        world.cut();
        let before = world.drive(open_s);
        world.say(Privacy::On);
        let private = world.drive(private_s);
        world.say(Privacy::Off);
        let after = world.drive(25);
        world.mend();
        world.drive(5);
        assert_eq!(world.told(private), NOTHING, "after {open_s} s, for {private_s} s");
        assert_told(&world, before);
        assert_told(&world, after);
    }
}

#[test]
fn offline_a_private_drive_leaves_no_place_in_what_waits() {
    let mut world = World::new();
    world.drive(10);
    world.cut();
    let before = world.drive(20);
    world.say(Privacy::On);
    let private = world.drive(45);
    world.say(Privacy::Off);
    let after = world.drive(30);
    assert_eq!(world.stored(private.clone()), NOTHING);
    assert!(!world.stored(before.clone()).is_empty(), "telemetry of the open time waits on the flash");
    world.mend();
    world.drive(20);
    assert_eq!(world.told(private), NOTHING);
    assert_told(&world, before);
    assert_told(&world, after);
}

#[test]
fn what_was_made_before_is_not_sent_while_it_is_on() {
    let mut world = World::new();
    world.drive(10);
    world.cut();
    let before = world.drive(30);
    world.say(Privacy::On);
    let heard = world.heard.len();
    world.mend();
    world.drive(20);
    let sent = world.heard.split_off(heard);
    let places: Vec<String> = before.flat_map(texts).collect();
    assert!(sent.len() > 5, "{} messages", sent.len());
    for message in sent {
        assert!(!places.iter().any(|place| message.text.contains(place)), "{}", message.text);
    }
}

/// Restarted in the private time, in the garage, where nothing is received: what was saved must not come out.
#[test]
fn no_place_of_the_private_time_comes_out_after_a_restart() {
    for (is_orderly, is_reboot) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut world = World::new();
        world.drive(15);
        world.cut();
        world.say(Privacy::On);
        let private = world.drive(40);
        world.restart(is_orderly, is_reboot);
        world.has_gnss = false;
        world.open_store();
        world.mend();
        world.drive(20);
        world.say(Privacy::Off);
        world.drive(20);
        let how = format!("orderly: {is_orderly}, reboot: {is_reboot}");
        assert_eq!(world.told(private.clone()), NOTHING, "{how}");
        world.has_gnss = true;
        let after = world.drive(30);
        assert_eq!(world.told(private), NOTHING, "{how}");
        assert_told(&world, after);
    }
}

/// Privacy mode ends where nothing is received, and the restart comes after: in order, or as the power goes, so that what
/// was saved in the private time is the last that was saved.
#[test]
fn a_place_stays_private_when_the_mode_ends_before_the_restart() {
    for (is_orderly, is_reboot) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut world = World::new();
        world.say(Privacy::On);
        let private = world.drive(40);
        world.has_gnss = false;
        world.drive(10);
        world.say(Privacy::Off);
        world.drive(2);
        world.restart(is_orderly, is_reboot);
        world.open_store();
        world.drive(20);
        assert_eq!(world.told(private), NOTHING, "orderly: {is_orderly}, reboot: {is_reboot}");
    }
}

/// The receiver has begun to speak in the private time, and ends after it.
#[test]
fn a_fix_that_began_in_the_private_time_is_private() {
    let mut world = World::new();
    world.say(Privacy::On);
    world.drive(20);
    let begun = world.begin_epoch();
    world.say(Privacy::Off);
    let after = world.drive(30);
    assert_eq!(world.told(begun), NOTHING);
    assert_told(&world, after);
}

/// A car that has not moved since is where it is: told anew by the first fix, although it is the same place.
#[test]
fn where_the_car_is_after_the_private_time_is_told() {
    for has_signals in [true, false] {
        let mut world = World::of_profile(has_signals);
        let way = world.drive(10);
        let garage = way.end - 1;
        world.parked_at = Some(garage);
        world.drive(10);
        world.say(Privacy::On);
        world.drive(30);
        world.heard.clear();
        world.say(Privacy::Off);
        world.drive(30);
        let state = world.retained("state/location").expect("retained");
        for place in texts(garage) {
            let times = state.matches(&place).count();
            assert_eq!(times, if has_signals { 2 } else { 1 }, "{state}");
            let is_sampled = |topic: &str| topic.ends_with("telemetry");
            let sampled = world.heard.iter().any(|heard| is_sampled(&heard.topic) && heard.text.contains(&place));
            assert_eq!(sampled, has_signals, "{place}");
        }
    }
}

/// The other side of the same rule: what was not private is known after a restart.
#[test]
fn a_place_of_the_open_time_is_known_after_a_restart() {
    for is_reboot in [false, true] {
        let mut world = World::new();
        let open = world.drive(20);
        world.restart(true, is_reboot);
        world.has_gnss = false;
        world.heard.clear();
        world.open_store();
        world.drive(3);
        assert!(!world.told(open).is_empty(), "reboot: {is_reboot}");
    }
}

const CRASHED_AT: [&str; 2] = ["44.0003641", "24.9983345"];

/// A black box whose power went within a suspicion, and what it says of the place.
fn suspicion(may_be_told: Option<f64>) -> Contents {
    let identity = Identity { boot: BootId { counter: 0, random: 0 }, kernel: KernelBoot(0), profile_hash: 0 };
    let mut recorder = Recorder::new(identity, &[]);
    let mut file = made();
    let at = MonoTime::from_millis;
    recorder.handle(at(12_020), &BlackBoxEvent::Opened(Box::new(read(&file, |_| true))));
    if let Some(value) = may_be_told {
        recorder.value(at(11_900), Channel::PlaceMayBeTold, value);
    }
    recorder.value(at(11_900), Channel::Latitude, 44.000_364_1);
    recorder.value(at(11_900), Channel::Longitude, 24.998_334_5);
    recorder.verdict(at(12_020), &Verdict::bare(1, Stage::Suspected, at(12_020), at(12_000)), None, 1);
    while let Some(request) = recorder.poll(at(12_020)) {
        for write in &request.writes {
            put(&mut file, write.offset, &write.bytes);
        }
        recorder.handle(at(12_020), &BlackBoxEvent::Written(request.ticket));
    }
    read(&file, |_| true)
}

/// The owner ends privacy mode before the disk of the black box has answered.
#[test]
fn the_report_of_an_earlier_crash_has_no_place_of_the_private_time() {
    for (may_be_told, is_told) in [(None, false), (Some(0.0), false), (Some(1.0), true)] {
        let mut world = World::new();
        world.has_gnss = false;
        world.drive(2);
        world.open_black_box(suspicion(may_be_told));
        world.drive(5);
        let report = world.heard.iter().find(|heard| heard.topic.ends_with("event/crash.recovered"));
        let report = &report.expect("the report goes out").text;
        for place in CRASHED_AT {
            assert_eq!(report.contains(place), is_told, "{may_be_told:?}: {report}");
        }
    }
}
