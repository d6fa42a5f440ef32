//! A disk that loses its power, and verdicts to feed a recorder with.

#![expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small whole numbers")]

use std::time::Duration;

use crate::crash::verdict::{DeltaV, Direction, Evidence, Probability};
use crate::crash::{
    Mounting, Observation, Orientation, Quantity, Sample, SensorIx, SensorSpec, Severity, Side, Stage, Verdict,
};
use crate::delivery::BootId;
use crate::rng::Rng;
use crate::time::{KernelBoot, MonoTime};

use super::{
    BlackBoxEvent, BlackBoxRequest, Contents, FILE_BYTES, Identity, Recorder, SLOT_BYTES, SLOTS, SLOTS_AT, Survey,
    slot_at,
};

pub(super) const BOOT: BootId = BootId { counter: 3, random: 0xabcd };

/// A verdict with every field in use.
pub(super) fn verdict(event: u32, stage: Stage, at: MonoTime) -> Verdict {
    Verdict {
        event,
        stage,
        at,
        contact: at - Duration::from_millis(20),
        evidence: Evidence {
            peak_mps2: Some(300.0),
            delta_v_150ms_mps: Some(12.5),
            dwell: Some(Duration::from_millis(41)),
            saturated: None,
            pulse: Some(Duration::from_millis(97)),
            restraints: 0,
            speed_lost_mps: None,
            tilt_deg: Some(3.0),
            roll_rate_dps: Some(20.0),
            bus_silent: true,
        },
        delta_v: Some(DeltaV {
            x_mps: Some(-12.0),
            y_mps: None,
            resultant_mps: 12.5,
            uncertainty_mps: 0.5,
            is_lower_bound: false,
        }),
        direction: Some(Direction { pdof_deg: 12.0, clock: 12 }),
        side: Side::Front,
        rollover: Some(false),
        impacts: 1,
        occupants: Some((2, 1)),
        mais3: Some(Probability { value: 0.2, low: 0.1, high: 0.3 }),
        severity: Some(Severity::Moderate),
    }
}

pub(super) fn sensor(rate_hz: f32) -> SensorSpec {
    SensorSpec {
        name: "accelerometer".to_owned(),
        quantity: Quantity::Acceleration,
        axes: [true, true, false],
        range: 500.0,
        rate_hz,
        noise: 0.1,
        mounting: Mounting::Chassis,
        orientation: Orientation::Stated,
        is_protected: true,
    }
}

pub(super) fn recorder(rate_hz: f32) -> Recorder {
    let identity = Identity { boot: BOOT, kernel: KernelBoot(77), profile_hash: 5 };
    Recorder::new(identity, &[sensor(rate_hz)])
}

/// A disk that takes its time, and forgets what it has not promised.
pub(super) struct Disk {
    pub(super) file: Vec<u8>,
    /// What was asked for and not answered, and when the answer comes.
    under_way: Option<(MonoTime, BlackBoxRequest)>,
    pub(super) latency: Duration,
}

impl Disk {
    pub(super) fn new(latency: Duration) -> Self {
        Self { file: vec![0; FILE_BYTES as usize], under_way: None, latency }
    }

    pub(super) fn contents(&self) -> Contents {
        read(&self.file)
    }

    pub(super) fn open(&self, now: MonoTime, recorder: &mut Recorder) {
        recorder.handle(now, &BlackBoxEvent::Opened(Box::new(self.contents())));
    }

    /// Answers what is due, and takes what comes next.
    pub(super) fn turn(&mut self, now: MonoTime, recorder: &mut Recorder) {
        loop {
            if let Some((due, request)) = self.under_way.take_if(|(due, _)| *due <= now) {
                for write in &request.writes {
                    put(&mut self.file, write.offset, &write.bytes);
                }
                recorder.handle(due, &BlackBoxEvent::Written(request.ticket));
            }
            let Some(request) = recorder.poll(now) else { return };
            assert!(self.under_way.is_none(), "one request at a time");
            for write in &request.writes {
                assert!(write.offset % 4096 == 0 && write.bytes.len() % 4096 == 0, "whole pages");
                assert!(write.offset + write.bytes.len() as u64 <= FILE_BYTES);
            }
            self.under_way = Some((now + self.latency, request));
        }
    }

    /// The power goes: of what is under way any sectors may have reached the disk, and one may be torn.
    pub(super) fn cut(mut self, rng: &mut Rng) -> Vec<u8> {
        const SECTOR: usize = 512;
        if let Some((_, request)) = self.under_way.take() {
            for write in &request.writes {
                for (number, sector) in (0_u64..).zip(write.bytes.chunks(SECTOR)) {
                    let length = match rng.below(4) {
                        0 => 0,
                        1 => rng.index(SECTOR),
                        _ => SECTOR,
                    };
                    put(&mut self.file, write.offset + number * SECTOR as u64, &sector[..length]);
                }
            }
        }
        self.file
    }
}

fn put(file: &mut [u8], offset: u64, bytes: &[u8]) {
    let at = offset as usize;
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Everything that a file holds.
pub(super) fn read(file: &[u8]) -> Contents {
    let part = |from: usize, length: usize| &file[from.min(file.len())..(from + length).min(file.len())];
    let mut survey = Survey::new(part(0, SLOTS_AT as usize));
    for index in 0..SLOTS {
        survey.slot(index, part(slot_at(index) as usize, SLOT_BYTES), |_| true);
    }
    survey.finish()
}

/// The sample that a test's sensor gives at that millisecond.
pub(super) fn sample(ms: u64) -> Observation {
    Observation::Sample(Sample { sensor: SensorIx(0), axes: [Some(ms as f32), Some(-(ms as f32)), None] })
}

pub(super) const fn ms(millis: u64) -> MonoTime {
    MonoTime::from_millis(millis)
}
