//! The recorder against a disk that is slow, fails, and loses its power.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "small whole numbers stay what they are through every step"
)]

use std::time::Duration;

use crate::crash::{Restraint, Stage, Verdict};
use crate::delivery::{Lane, RecordId};
use crate::rng::Rng;

use super::testkit::{BOOT, Disk, ms, read, recorder, sample, sensor, verdict};
use super::*;

/// A drive with a crash at `contact`: a sample each `step`, the verdicts, the disk's turns; until `end`.
fn drive(disk: &mut Disk, recorder: &mut Recorder, step: u64, contact: u64, end: u64) {
    for at in 0..end {
        let now = ms(at);
        if at % step == 0 {
            recorder.observe(now, &sample(at));
        }
        if at % 100 == 0 {
            recorder.value(now, Channel::WheelSpeed, at as f64 / 1_000.0);
        }
        for (delay, stage) in [(20, Stage::Suspected), (45, Stage::Confirmed), (280, Stage::Graded)] {
            if at == contact + delay {
                recorder.verdict(now, &Verdict { contact: ms(contact), ..verdict(1, stage, now) }, None, 9);
            }
        }
        disk.turn(now, recorder);
    }
}

#[test]
fn a_record_holds_every_sample_of_its_time_once() {
    for (step, latency) in [(1, 5), (12, 5), (12, 400), (1, 0)] {
        let mut disk = Disk::new(Duration::from_millis(latency));
        let mut recorder = recorder(1_000.0 / step as f32);
        disk.open(ms(0), &mut recorder);
        recorder.value(ms(0), Channel::Pedal, 31.0);
        drive(&mut disk, &mut recorder, step, 14_000, 21_000);
        let contents = disk.contents();
        assert_eq!(contents.damage, []);
        let [recording] = contents.recordings.as_slice() else { panic!("{} records", contents.recordings.len()) };
        assert!(recording.is_complete());
        assert_eq!(recording.slot.state, SlotState::Complete);
        assert_eq!(recording.slot.lock, Lock::Confirmed);
        assert_eq!(recording.slot.report(), RecordId { boot: BOOT, lane: Lane::Critical, seq: 9 });
        let expected: Vec<u64> = (4_020..=19_000).filter(|at| at % step == 0).collect();
        let got: Vec<u64> = recording.samples.iter().map(|sample| sample.at.as_millis()).collect();
        assert_eq!(got.first(), expected.first(), "step {step}, latency {latency}");
        assert!(got.len() >= expected.len(), "until 5 s after the contact and one write more");
        assert_eq!(got[..expected.len()], expected, "step {step}, latency {latency}");
        for sample in &recording.samples {
            assert_eq!(sample.axes[0], sample.at.as_millis() as f32);
            assert!(sample.axes[2].is_nan());
        }
        let stages: Vec<Stage> = recording.verdicts.iter().map(|verdict| verdict.stage).collect();
        assert_eq!(stages, [Stage::Suspected, Stage::Confirmed, Stage::Graded]);
        let start = recording.start.as_ref().expect("complete");
        assert_eq!(start.sensors, [sensor(1_000.0 / step as f32)]);
        assert_eq!(start.base[Channel::Pedal.index()], 31.0, "set long before the record begins");
        assert_eq!(start.base[Channel::WheelSpeed.index()], 4.0);
        assert_eq!(recording.values.first().map(|value| value.at.as_millis()), Some(4_100));
    }
}

#[test]
fn a_power_cut_at_any_moment_leaves_the_pulse_up_to_the_last_answered_write() {
    for seed in 0..150 {
        let mut rng = Rng::new(seed);
        let step = [1, 12][rng.index(2)];
        let latency = 1 + rng.below(25);
        let cut_ms = 20 + rng.below(3_000);
        let contact = 10_500;
        let mut disk = Disk::new(Duration::from_millis(latency));
        let mut recorder = recorder(1_000.0 / step as f32);
        disk.open(ms(0), &mut recorder);
        drive(&mut disk, &mut recorder, step, contact, contact + cut_ms);
        let contents = read(&disk.cut(&mut rng));
        // What is durable when the power goes was collected two writes and a period ago at the latest.
        let lost = 2 * latency + if cut_ms < 320 + 2 * latency { 21 } else { 101 };
        if cut_ms < 20 + lost {
            continue;
        }
        let [recording] = contents.recordings.as_slice() else { panic!("seed {seed}: no record") };
        let got: Vec<u64> = recording.samples.iter().map(|sample| sample.at.as_millis()).collect();
        let until = contact + cut_ms - lost;
        let pulse: Vec<u64> = (contact - 300..until).filter(|at| at % step == 0).collect();
        assert!(
            pulse.iter().all(|at| got.binary_search(at).is_ok()),
            "seed {seed}: cut at {cut_ms} ms, latency {latency}: {:?} to {until}",
            got.last()
        );
        assert!(got.is_sorted_by(|a, b| a < b), "seed {seed}: nothing twice");
        assert!(recording.slot.is_unreported(), "seed {seed}");
        assert_eq!(recording.slot.crash, CrashId::new(BOOT, 1), "seed {seed}");
    }
}

#[test]
fn whatever_is_damaged_nothing_is_read_that_was_not_written() {
    let mut disk = Disk::new(Duration::from_millis(3));
    let mut recorder = recorder(1_000.0);
    disk.open(ms(0), &mut recorder);
    drive(&mut disk, &mut recorder, 1, 11_000, 17_000);
    let used = 40 * PAGE_BYTES;
    for seed in 0..200 {
        let mut rng = Rng::new(seed);
        let mut file = disk.file.clone();
        for _ in 0..=rng.index(30) {
            let at = rng.index(SLOTS_AT as usize + used);
            let length = rng.index(2_000);
            for byte in file.iter_mut().skip(at).take(length) {
                *byte = rng.below(256) as u8;
            }
        }
        file.truncate(rng.index(file.len()));
        for recording in read(&file).recordings {
            assert!(recording.samples.iter().all(|sample| sample.axes[0] == sample.at.as_millis() as f32));
            assert!(recording.samples.is_sorted_by_key(|sample| sample.at));
        }
    }
}

#[test]
fn a_file_that_was_just_made_is_whole_and_one_with_records_but_no_table_is_not() {
    let mut disk = Disk::new(Duration::from_millis(3));
    disk.file.fill(0);
    assert_eq!(disk.contents().damage, []);
    let mut recorder = recorder(100.0);
    disk.open(ms(0), &mut recorder);
    drive(&mut disk, &mut recorder, 10, 11_000, 17_000);
    disk.file[..SLOTS_AT as usize].fill(0);
    assert_eq!(disk.contents().damage, [Damage::Table]);
}

#[test]
fn without_both_tables_the_record_is_found_by_its_blocks() {
    let mut disk = Disk::new(Duration::from_millis(3));
    let mut recorder = recorder(100.0);
    disk.open(ms(0), &mut recorder);
    drive(&mut disk, &mut recorder, 10, 11_000, 17_000);
    let whole = disk.contents();
    disk.file[..SLOTS_AT as usize].fill(0xff);
    let found = disk.contents();
    assert_eq!(found.damage, [Damage::Table]);
    let ([found], [whole]) = (found.recordings.as_slice(), whole.recordings.as_slice()) else { panic!("one each") };
    let times = |recording: &Recording| recording.samples.iter().map(|sample| sample.at).collect::<Vec<_>>();
    assert_eq!(times(found), times(whole));
    assert_eq!(found.slot.lock, Lock::Confirmed);
    assert_eq!((found.slot.crash, found.slot.report()), (whole.slot.crash, whole.slot.report()));
    assert!(found.slot.is_unreported());
}

/// Suspects an event, lets the disk work, says `last`, and lets time pass until the record is closed.
fn event(disk: &mut Disk, recorder: &mut Recorder, number: u32, last: Stage, restraints: u8) {
    let begin = 20_000 * u64::from(number);
    for at in begin..begin + 6_000 {
        let now = ms(at);
        let word = |stage| {
            let mut verdict = Verdict { contact: ms(begin), ..verdict(number, stage, now) };
            verdict.evidence.restraints = restraints;
            verdict
        };
        if at == begin {
            recorder.verdict(now, &word(Stage::Suspected), None, number);
        }
        if at == begin + 40 {
            recorder.verdict(now, &word(last), None, number);
            if last != Stage::Dismissed {
                let id = RecordId { boot: BOOT, lane: Lane::Critical, seq: number };
                recorder.report(now, number, id, b"report".to_vec());
            }
        }
        if at == begin + 80 {
            recorder.reported(RecordId { boot: BOOT, lane: Lane::Critical, seq: number });
        }
        disk.turn(now, recorder);
    }
}

fn kept(disk: &Disk) -> Vec<(u32, Lock)> {
    let recordings = disk.contents().recordings;
    recordings.iter().map(|recording| (recording.slot.crash.event, recording.slot.lock)).collect()
}

#[test]
fn a_suspicion_that_is_taken_back_leaves_nothing() {
    let mut disk = Disk::new(Duration::from_millis(3));
    let mut recorder = recorder(100.0);
    disk.open(ms(0), &mut recorder);
    for number in 1..20 {
        event(&mut disk, &mut recorder, number, Stage::Dismissed, 0);
    }
    assert_eq!(kept(&disk), []);
    assert_eq!(recorder.stat().dismissed, 19);
    assert!(recorder.is_idle());
}

#[test]
fn five_records_are_kept_and_a_deployment_for_good() {
    let mut disk = Disk::new(Duration::from_millis(3));
    let mut recorder = recorder(100.0);
    disk.open(ms(0), &mut recorder);
    for number in 1..=7 {
        event(&mut disk, &mut recorder, number, Stage::Confirmed, 0);
        event(&mut disk, &mut recorder, number + 100, Stage::Dismissed, 0);
    }
    assert_eq!(kept(&disk), (3..=7).map(|event| (event, Lock::Confirmed)).collect::<Vec<_>>());
    for number in 11..=16 {
        event(&mut disk, &mut recorder, number, Stage::Confirmed, 1 << Restraint::Front as u8);
    }
    let mut expected: Vec<_> = (11..=15).map(|event| (event, Lock::Deployed)).collect();
    expected.push((16, Lock::Open));
    assert_eq!(kept(&disk), expected, "the sixth stays until the next suspicion");
    assert_eq!(recorder.stat().not_locked, 1);
    event(&mut disk, &mut recorder, 17, Stage::Confirmed, 1);
    expected[5].0 = 17;
    assert_eq!(kept(&disk), expected);
}

#[test]
fn an_event_within_the_record_of_another_has_its_own() {
    let mut disk = Disk::new(Duration::from_millis(3));
    let mut recorder = recorder(100.0);
    disk.open(ms(0), &mut recorder);
    for at in 0..22_000 {
        let now = ms(at);
        if at % 10 == 0 {
            recorder.observe(now, &sample(at));
        }
        for (number, begin) in [(1, 11_000), (2, 13_000), (3, 13_500)] {
            for (delay, stage) in [(0, Stage::Suspected), (30, Stage::Confirmed)] {
                if at == begin + delay {
                    let word = Verdict { contact: ms(begin), ..verdict(number, stage, now) };
                    recorder.verdict(now, &word, None, number);
                }
            }
        }
        disk.turn(now, &mut recorder);
    }
    let recordings = disk.contents().recordings;
    let spans: Vec<_> = recordings
        .iter()
        .map(|recording| {
            assert!(recording.is_complete());
            (recording.samples[0].at.as_millis(), recording.samples.last().map_or(0, |last| last.at.as_millis()))
        })
        .collect();
    assert_eq!(spans, [(1_000, 13_500), (3_000, 18_000), (3_500, 18_500)], "the third ends the first");
}

#[test]
fn a_crash_that_is_confirmed_long_after_it_was_suspected_has_its_pulse_and_is_not_told_yet() {
    let mut disk = Disk::new(Duration::from_millis(3));
    let mut recorder = recorder(100.0);
    disk.open(ms(0), &mut recorder);
    let (suspected, struck) = (ms(11_000), ms(19_000));
    for at in 0..25_000 {
        let now = ms(at);
        if at % 10 == 0 {
            recorder.observe(now, &sample(at));
        }
        for (begin, delay, stage) in [(suspected, 0, Stage::Suspected), (struck, 30, Stage::Confirmed)] {
            if now == begin + Duration::from_millis(delay) {
                recorder.verdict(now, &Verdict { contact: begin, ..verdict(1, stage, now) }, None, 4);
            }
        }
        disk.turn(now, &mut recorder);
    }
    let recordings = disk.contents().recordings;
    assert_eq!(recordings.len(), 1, "the suspicion's has given way");
    let slot = recordings[0].slot;
    assert_eq!((slot.stage, slot.lock), (Some(Stage::Confirmed), Lock::Confirmed));
    assert!(slot.is_unreported());
    let times: Vec<_> = recordings[0].samples.iter().map(|sample| sample.at).collect();
    assert!(times[0] <= struck - Duration::from_secs(9) && *times.last().unwrap() >= struck + Duration::from_secs(4));
}

#[test]
fn a_daemon_that_ends_within_a_suspicion_leaves_it_to_the_next() {
    for (stage, is_ended) in [(Stage::Suspected, false), (Stage::Confirmed, true)] {
        let mut disk = Disk::new(Duration::from_millis(3));
        let mut recorder = recorder(100.0);
        disk.open(ms(0), &mut recorder);
        for at in 0..1_100 {
            if at % 10 == 0 {
                recorder.observe(ms(at), &sample(at));
            }
            if at == 1_000 {
                recorder.verdict(ms(at), &verdict(1, stage, ms(at)), None, 4);
            }
            disk.turn(ms(at), &mut recorder);
        }
        recorder.stop(ms(1_100));
        for at in 1_100..1_200 {
            disk.turn(ms(at), &mut recorder);
        }
        assert!(recorder.is_idle(), "{stage:?}");
        let recording = &disk.contents().recordings[0];
        assert_eq!((recording.is_ended, recording.slot.is_unreported()), (is_ended, true), "{stage:?}");
        assert_eq!(recording.samples.last().unwrap().at, ms(1_090), "{stage:?}");
    }
}

#[test]
fn a_failing_disk_is_asked_again_and_then_given_up_for_that_write() {
    let mut recorder = recorder(100.0);
    recorder.handle(ms(0), &BlackBoxEvent::Opened(Box::new(read(&[]))));
    let table = recorder.poll(ms(0)).expect("the table was missing");
    recorder.handle(ms(1), &BlackBoxEvent::Written(table.ticket));
    recorder.observe(ms(1), &sample(1));
    recorder.verdict(ms(2), &verdict(1, Stage::Suspected, ms(2)), None, 1);
    let first = recorder.poll(ms(2)).expect("a suspicion is written at once");
    for _ in 1..ATTEMPTS {
        assert_eq!(recorder.poll(ms(3)), None, "one at a time");
        recorder.handle(ms(4), &BlackBoxEvent::Failed(first.ticket, "I/O error".to_owned()));
        assert_eq!(recorder.poll(ms(4)).as_ref(), Some(&first));
    }
    recorder.handle(ms(5), &BlackBoxEvent::Failed(first.ticket, "I/O error".to_owned()));
    let next = recorder.poll(ms(5)).expect("the table goes with the next");
    assert_ne!(next.ticket, first.ticket);
    let stat = recorder.stat();
    assert_eq!((stat.failures, stat.given_up, stat.is_ready), (3, 1, true));
    recorder.handle(ms(6), &BlackBoxEvent::Unavailable("gone".to_owned()));
    assert_eq!(recorder.poll(ms(6)), None);
    assert_eq!(recorder.stat().not_recorded, 1);
}

/// A recorder with a file whose slots all hold a record of an earlier run.
fn filled(slot: Slot) -> Recorder {
    let mut contents = Disk::new(Duration::ZERO).contents();
    for (number, place) in (1..).zip(&mut contents.header.slots) {
        let crash = CrashId { boot_counter: 1, boot_random: 9, event: number };
        *place = Slot { state: SlotState::Complete, record: number, crash, stage: Some(Stage::Closed), ..slot };
    }
    let mut recorder = recorder(100.0);
    recorder.handle(ms(0), &BlackBoxEvent::Opened(Box::new(contents)));
    recorder
}

#[test]
fn an_event_that_finds_no_slot_is_counted_once_though_each_of_its_words_asks_for_one() {
    let mut recorder = filled(Slot { lock: Lock::Deployed, is_reported: true, ..Slot::default() });
    for event in 1..=2 {
        for (after, stage) in (0..).zip([Stage::Suspected, Stage::Confirmed, Stage::Graded, Stage::Closed]) {
            let at = ms(1_000 * u64::from(event) + after);
            recorder.verdict(at, &verdict(event, stage, at), None, 1);
            assert_eq!(recorder.poll(at), None);
        }
        let stat = recorder.stat();
        assert_eq!((stat.records, stat.not_recorded), (u64::from(event), u64::from(event)));
    }
}

#[test]
fn a_record_that_nobody_was_told_of_and_that_gives_way_is_counted() {
    for (is_reported, displaced) in [(true, 0), (false, 1)] {
        let mut recorder = filled(Slot { is_reported, ..Slot::default() });
        recorder.verdict(ms(2), &verdict(1, Stage::Suspected, ms(2)), None, 1);
        assert!(recorder.poll(ms(2)).is_some());
        assert_eq!(recorder.stat().displaced, displaced);
    }
}

/// A recorder with a file, a suspicion at 2 ms, and its first write.
fn suspected() -> (Recorder, BlackBoxRequest) {
    let mut recorder = recorder(100.0);
    recorder.handle(ms(0), &BlackBoxEvent::Opened(Box::new(Disk::new(Duration::ZERO).contents())));
    assert_eq!((recorder.poll(ms(0)), recorder.held_until(ms(0))), (None, None), "nothing to write, nothing held");
    recorder.verdict(ms(2), &verdict(1, Stage::Suspected, ms(2)), None, 1);
    assert!(recorder.held_until(ms(2)).is_some(), "held before it is asked for");
    let first = recorder.poll(ms(2)).expect("a suspicion is written at once");
    (recorder, first)
}

#[test]
fn nothing_is_published_before_the_first_write_of_a_record_is_answered() {
    let limit = ms(2) + BEFORE_NETWORK_MAX;
    let answers: [fn(u64) -> BlackBoxEvent; 2] =
        [BlackBoxEvent::Written, |_| BlackBoxEvent::Unavailable("gone".to_owned())];
    for answer in answers {
        let (mut recorder, first) = suspected();
        recorder.verdict(ms(20), &verdict(1, Stage::Confirmed, ms(20)), None, 1);
        assert_eq!((recorder.poll(ms(20)), recorder.held_until(ms(20))), (None, Some(limit)));
        recorder.handle(ms(30), &answer(first.ticket));
        let _ = recorder.poll(ms(30));
        assert_eq!(recorder.held_until(ms(30)), None, "the writes after the first hold nothing");
        recorder.published();
        assert_eq!(recorder.stat().overtaken, 0);
    }
    let (mut recorder, first) = suspected();
    for attempt in 1..=u64::from(ATTEMPTS) {
        assert_eq!(recorder.held_until(ms(attempt)), Some(limit));
        recorder.handle(ms(3), &BlackBoxEvent::Failed(first.ticket, "I/O error".to_owned()));
    }
    assert_eq!(recorder.held_until(ms(3)), None, "it is given up");
}

#[test]
fn a_disk_that_does_not_answer_is_overtaken_at_the_limit_and_counted_once_a_record() {
    let (mut recorder, _) = suspected();
    let limit = ms(2) + BEFORE_NETWORK_MAX;
    assert_eq!(recorder.held_until(limit - Duration::from_millis(1)), Some(limit));
    assert_eq!((recorder.held_until(limit), recorder.stat().overtaken), (None, 0), "nothing was published yet");
    recorder.published();
    recorder.published();
    assert_eq!(recorder.stat().overtaken, 1);
    // The next record's first write waits behind the one that is not answered.
    recorder.verdict(ms(9_000), &verdict(2, Stage::Suspected, ms(9_000)), None, 1);
    assert_eq!(recorder.held_until(ms(9_000)), Some(ms(9_000) + BEFORE_NETWORK_MAX));
    recorder.verdict(ms(9_050), &verdict(2, Stage::Dismissed, ms(9_050)), None, 1);
    assert_eq!(recorder.held_until(ms(9_050)), None, "nothing is left to be written");
    recorder.published();
    assert_eq!(recorder.stat().overtaken, 1);
}

#[test]
fn what_a_record_has_no_room_for_while_the_disk_does_not_answer_is_counted() {
    let (mut recorder, first) = suspected();
    let id = RecordId { boot: BOOT, lane: Lane::Critical, seq: 1 };
    recorder.report(ms(3), 1, id, vec![0; 1 << 20]);
    assert_eq!(recorder.stat().left_out, 1, "too large for a block");
    for word in 0..70 {
        recorder.verdict(ms(4 + word), &verdict(1, Stage::Corrected, ms(4 + word)), None, 1);
    }
    recorder.report(ms(80), 1, id, b"small".to_vec());
    let left_out = recorder.stat().left_out;
    assert_eq!(left_out, 1 + 70 - 64 + 1);
    recorder.handle(ms(81), &BlackBoxEvent::Written(first.ticket));
    assert!(recorder.poll(ms(81)).is_some());
    recorder.report(ms(82), 1, id, b"small".to_vec());
    assert_eq!(recorder.stat().left_out, left_out, "there is room again");
}

#[test]
fn the_report_is_in_the_record_before_it_is_marked_and_a_later_run_marks_it_too() {
    let mut disk = Disk::new(Duration::from_millis(3));
    let mut first = recorder(100.0);
    disk.open(ms(0), &mut first);
    first.verdict(ms(100), &verdict(1, Stage::Suspected, ms(100)), None, 4);
    disk.turn(ms(100), &mut first);
    disk.turn(ms(110), &mut first);
    first.expect_report(5);
    disk.turn(ms(120), &mut first);
    disk.turn(ms(130), &mut first);
    let id = |seq| RecordId { boot: BOOT, lane: Lane::Critical, seq };
    assert_eq!(disk.contents().recordings[0].slot.report(), id(5), "somebody else took 4");
    first.report(ms(130), 1, id(5), b"what goes into the store".to_vec());
    first.expect_report(6);
    disk.turn(ms(140), &mut first);
    disk.turn(ms(150), &mut first);
    let contents = disk.contents();
    let recording = &contents.recordings[0];
    assert_eq!(recording.slot.report(), id(5));
    assert_eq!(recording.report.as_deref(), Some(b"what goes into the store".as_slice()));
    assert!(recording.slot.is_unreported());
    let crash = recording.slot.crash;

    let identity = Identity { boot: crate::delivery::BootId { counter: 4, random: 1 }, ..identity() };
    let mut second = Recorder::new(identity, &[sensor(100.0)]);
    disk.open(ms(0), &mut second);
    second.recovered(crash, Stage::Confirmed);
    second.reported(id(5));
    disk.turn(ms(10), &mut second);
    disk.turn(ms(20), &mut second);
    let slot = disk.contents().recordings[0].slot;
    assert!(!slot.is_unreported());
    assert_eq!((slot.state, slot.lock), (SlotState::Complete, Lock::Confirmed));
}

fn identity() -> Identity {
    Identity { boot: BOOT, kernel: crate::time::KernelBoot(77), profile_hash: 5 }
}
