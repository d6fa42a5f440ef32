//! The recorder: rings in RAM, and what of them goes to disk when.

use std::time::Duration;

use crate::crash::{Observation, Sample, SensorSpec, Stage, Verdict};
use crate::delivery::{BootId, RecordId};
use crate::time::{KernelBoot, MonoTime, WallStamp};

use super::channel::Channel;
use super::content::{Start, TimedSample, TimedValue};
use super::header::{CrashId, Header, Lock, Slot, SlotState};
use super::open::{Open, Rings};
use super::ring::Ring;
use super::{
    ATTEMPTS, BEFORE, BEFORE_NETWORK_MAX, BlackBoxEvent, BlackBoxRequest, PULSE_LEAD, SAMPLES_PER_SECOND_MAX,
    VALUES_PER_SECOND_MAX, Write, ring_capacity,
};

/// Records that are written at once: an event, and one that begins before the first is over.
const OPEN_MAX: usize = 2;

/// Open records, those included that wait for a file that is not open or a disk that does not answer: the next event is
/// not recorded, and counted. So many events without a slot are remembered, too.
const HELD_MAX: usize = 4;

/// Who records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// This run.
    pub boot: BootId,
    /// The boot that monotonic time counts from.
    pub kernel: KernelBoot,
    /// The profile.
    pub profile_hash: u32,
}

/// What the black box has done, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stat {
    /// It can write.
    pub is_ready: bool,
    /// Records that are being written.
    pub recording: u64,
    /// Records that are locked.
    pub locked: u64,
    /// Records begun.
    pub records: u64,
    /// Records of suspicions that were taken back.
    pub dismissed: u64,
    /// Blocks handed to the disk.
    pub blocks: u64,
    /// Writes that became durable.
    pub writes: u64,
    /// Writes that failed, each attempt counted.
    pub failures: u64,
    /// Writes that were given up after so many attempts.
    pub given_up: u64,
    /// Blocks for which a slot had no room.
    pub truncated: u64,
    /// Events that found no slot at one time, or no file.
    pub not_recorded: u64,
    /// Records that were not marked as told, and gave way to a newer one.
    pub displaced: u64,
    /// Confirmed crashes that found no lock.
    pub not_locked: u64,
    /// Records before whose first write was answered something was published, after [`BEFORE_NETWORK_MAX`].
    pub overtaken: u64,
    /// Verdicts and reports that are missing in a record: too many waited for the disk, or a report was too large.
    pub left_out: u64,
    /// Reports of this run that stay marked as not told: too many waited to be durable. The next start tells them again,
    /// under their ids.
    pub unmarked: u64,
    /// The sum of the times from the asking for a write to its answer.
    pub write_time: Duration,
    /// The longest of them.
    pub write_time_max: Duration,
}

/// How the file is.
#[derive(Debug)]
enum File {
    Opening,
    Ready(Header),
    Unavailable,
}

/// The request under way.
#[derive(Debug)]
struct Busy {
    request: BlackBoxRequest,
    since: MonoTime,
    /// When the record began whose first block is in it; the later one of two.
    holds: Option<MonoTime>,
    failures: u32,
    /// It failed and is to be asked for once more.
    is_due: bool,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Recorder {
    identity: Identity,
    sensors: Vec<SensorSpec>,
    rings: Rings,
    /// What was in force when the oldest value of the ring came.
    base: [f64; Channel::COUNT],
    /// The newest values.
    last: [f64; Channel::COUNT],
    file: File,
    /// The table is not as it is on disk.
    is_changed: bool,
    open: Vec<Open>,
    busy: Option<Busy>,
    next_ticket: u64,
    /// Events that found no slot: each of their words asks for one again, and each is counted once.
    unplaced: Vec<CrashId>,
    stat: Stat,
}

impl Recorder {
    /// A recorder that waits for [`BlackBoxEvent::Opened`]. The memory for the rings follows from the sensors' rates.
    #[must_use]
    pub fn new(identity: Identity, sensors: &[SensorSpec]) -> Self {
        let rate = sensors.iter().map(|sensor| f64::from(sensor.rate_hz)).sum::<f64>();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped; NaN becomes 0")]
        let rate = rate.ceil().clamp(0.0, f64::from(SAMPLES_PER_SECOND_MAX)) as u32;
        Self {
            identity,
            sensors: sensors.to_vec(),
            rings: Rings {
                samples: Ring::new(ring_capacity(rate)),
                values: Ring::new(ring_capacity(VALUES_PER_SECOND_MAX)),
            },
            base: [f64::NAN; Channel::COUNT],
            last: [f64::NAN; Channel::COUNT],
            file: File::Opening,
            is_changed: false,
            open: Vec::with_capacity(OPEN_MAX),
            busy: None,
            next_ticket: 0,
            unplaced: Vec::with_capacity(HELD_MAX),
            stat: Stat::default(),
        }
    }

    // --- what is recorded -------------------------------------------------------------------------------------------

    /// Takes what the classifier is told.
    pub fn observe(&mut self, at: MonoTime, observation: &Observation) {
        match observation {
            Observation::Sample(Sample { sensor, axes }) => {
                let axes = axes.map(|axis| axis.unwrap_or(f32::NAN));
                self.rings.samples.push(TimedSample { at, sensor: sensor.0, axes });
            }
            Observation::SampleLost(sensor) => {
                self.rings.samples.push(TimedSample { at, sensor: sensor.0, axes: [f32::NAN; 3] });
            }
            Observation::WheelSpeed(speed) => self.value(at, Channel::WheelSpeed, f64::from(*speed)),
            Observation::GnssSpeed(speed) => self.value(at, Channel::GnssSpeed, f64::from(*speed)),
            Observation::Braking(is_pressed) => self.value(at, Channel::Brake, f64::from(u8::from(*is_pressed))),
            Observation::Restraint(restraint, is_on) => {
                self.bit(at, Channel::Restraints, *restraint as u8, *is_on);
            }
            Observation::Belts(belts) => {
                self.value(at, Channel::SeatsSensed, f64::from(belts.sensed));
                self.value(at, Channel::SeatsOccupied, f64::from(belts.occupied));
                self.value(at, Channel::SeatsBelted, f64::from(belts.belted));
            }
            Observation::BusSilent(bus) => self.bit(at, Channel::SilentBuses, bus.0, true),
            Observation::BusBack(bus) => self.bit(at, Channel::SilentBuses, bus.0, false),
            Observation::Ignition(is_on) => self.value(at, Channel::Ignition, f64::from(u8::from(*is_on))),
        }
    }

    /// Takes a slow value; but for speeds, whose age matters, what is as it was is not recorded again. NaN says that it
    /// is not known.
    pub fn value(&mut self, at: MonoTime, channel: Channel, value: f64) {
        let last = &mut self.last[channel.index()];
        let is_speed = matches!(channel, Channel::WheelSpeed | Channel::GnssSpeed);
        if last.to_bits() == value.to_bits() && !is_speed {
            return;
        }
        *last = value;
        if let Some(gone) = self.rings.values.push(TimedValue { at, channel, value }) {
            self.base[gone.channel.index()] = gone.value;
        }
    }

    fn bit(&mut self, at: MonoTime, channel: Channel, bit: u8, is_set: bool) {
        // Thirty-two bits are exact in a double, and more than there are buses.
        let mask = 1_u32.checked_shl(u32::from(bit)).unwrap_or(0);
        let known = self.last[channel.index()];
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mask of 32 bits; NaN becomes 0")]
        let known = known as u32;
        self.value(at, channel, f64::from(if is_set { known | mask } else { known & !mask }));
    }

    // --- what the classifier says -----------------------------------------------------------------------------------

    /// Takes a word of the classifier. `next_report` is the sequence that the next record of the critical lane gets.
    pub fn verdict(&mut self, now: MonoTime, verdict: &Verdict, wall: Option<WallStamp>, next_report: u32) {
        let crash = CrashId::new(self.identity.boot, verdict.event);
        if verdict.stage == Stage::Dismissed {
            self.dismiss(crash);
            return;
        }
        // A suspicion whose record was full before it was confirmed: what shows the crash is still in the rings.
        if verdict.stage >= Stage::Confirmed {
            self.change(crash, |slot| {
                if slot.state == SlotState::Complete && slot.stage == Some(Stage::Suspected) {
                    *slot = Slot { record: slot.record, ..Slot::default() };
                }
            });
        }
        if self.find(crash).is_none() {
            self.begin(now, crash, verdict, wall, next_report);
        }
        let is_deployed = verdict.evidence.restraints != 0;
        if let Some(open) = self.open.iter_mut().find(|open| open.crash == crash) {
            self.stat.left_out += u64::from(!open.hear(verdict));
        }
        self.change(crash, |slot| slot.stage = Some(verdict.stage));
        if verdict.stage >= Stage::Confirmed {
            self.lock(crash, if is_deployed { Lock::Deployed } else { Lock::Confirmed });
        }
    }

    /// The sequence in the critical lane that a report which is not made yet would have now.
    pub fn expect_report(&mut self, seq: u32) {
        for open in self.open.iter_mut().filter(|open| !open.has_report) {
            let slot = match (&mut self.file, open.place) {
                (File::Ready(header), Some(index)) => &mut header.slots[index],
                _ => &mut open.slot,
            };
            if slot.report_seq != seq {
                slot.report_seq = seq;
                self.is_changed = true;
            }
        }
    }

    /// The crash report of that event was made; `bytes` is the record as it goes into the store.
    pub fn report(&mut self, now: MonoTime, event: u32, id: RecordId, bytes: Vec<u8>) {
        let crash = CrashId::new(self.identity.boot, event);
        if let Some(open) = self.open.iter_mut().find(|open| open.crash == crash) {
            self.stat.left_out += u64::from(!open.take_report(now, bytes));
        }
        self.change(crash, |slot| slot.report_seq = id.seq);
    }

    /// The report under that id is durable in the store or delivered, or there is nothing to tell under it.
    pub fn reported(&mut self, id: RecordId) {
        for open in self.open.iter_mut().filter(|open| open.slot.report() == id) {
            open.slot.is_reported = true;
        }
        let File::Ready(header) = &mut self.file else { return };
        for slot in header.slots.iter_mut().filter(|slot| slot.is_unreported() && slot.report() == id) {
            slot.is_reported = true;
            // One of an earlier run is not written to any more.
            if slot.crash.boot() != self.identity.boot {
                slot.state = SlotState::Complete;
            }
            self.is_changed = true;
        }
    }

    /// It is not known yet what earlier runs have recorded.
    #[must_use]
    pub const fn is_opening(&self) -> bool {
        matches!(self.file, File::Opening)
    }

    /// Nobody waits any more for a report of this run to be durable.
    pub const fn leave_unmarked(&mut self) {
        self.stat.unmarked += 1;
    }

    /// What an earlier run left turned out to be how far an event had come.
    pub fn recovered(&mut self, crash: CrashId, stage: Stage) {
        if stage == Stage::Dismissed {
            self.dismiss(crash);
        } else {
            self.change(crash, |slot| slot.stage = Some(stage));
            if stage >= Stage::Confirmed {
                self.lock(crash, Lock::Confirmed);
            }
        }
    }

    /// The daemon ends: what is being written is closed, but for suspicions, which the next run looks at.
    pub fn stop(&mut self, now: MonoTime) {
        for open in &mut self.open {
            let slot = match (&self.file, open.place) {
                (File::Ready(header), Some(index)) => &header.slots[index],
                _ => &open.slot,
            };
            if slot.stage > Some(Stage::Suspected) {
                open.close_at(now);
            } else {
                open.write_by(now);
            }
        }
    }

    // --- the disk ---------------------------------------------------------------------------------------------------

    /// Takes the disk's answer.
    pub fn handle(&mut self, now: MonoTime, event: &BlackBoxEvent) {
        match event {
            BlackBoxEvent::Opened(contents) => {
                if matches!(self.file, File::Opening) {
                    self.file = File::Ready(contents.header.clone());
                    self.is_changed = !contents.damage.is_empty();
                }
            }
            BlackBoxEvent::Unavailable(_) => {
                self.file = File::Unavailable;
                self.busy = None;
                self.stat.not_recorded += self.open.drain(..).count() as u64;
            }
            BlackBoxEvent::Written(ticket) => {
                let answered = self.busy.take_if(|busy| busy.request.ticket == *ticket);
                if let Some(busy) = answered {
                    let took = now.since(busy.since);
                    self.stat.writes += 1;
                    self.stat.write_time += took;
                    self.stat.write_time_max = self.stat.write_time_max.max(took);
                }
            }
            BlackBoxEvent::Failed(ticket, _) => self.failed(*ticket),
        }
    }

    fn failed(&mut self, ticket: u64) {
        let Some(busy) = self.busy.as_mut().filter(|busy| busy.request.ticket == ticket) else { return };
        self.stat.failures += 1;
        busy.failures += 1;
        busy.is_due = busy.failures < ATTEMPTS;
        if !busy.is_due {
            self.stat.given_up += 1;
            // The table may not be on disk: it goes with the next write.
            self.is_changed = true;
            self.busy = None;
        }
    }

    /// What is to be written now; one request is under way at a time.
    pub fn poll(&mut self, now: MonoTime) -> Option<BlackBoxRequest> {
        if let Some(busy) = &mut self.busy {
            return std::mem::take(&mut busy.is_due).then(|| busy.request.clone());
        }
        self.find_places();
        let File::Ready(header) = &mut self.file else { return None };
        let mut writes = Vec::new();
        let mut holds = None;
        for open in &mut self.open {
            holds = holds.max(open.holds.take());
            let written = open.write(now, &self.rings, &mut writes);
            self.stat.truncated += written.truncated;
            if written.is_ended
                && let Some(index) = open.place
            {
                let slot = &mut header.slots[index];
                slot.state = SlotState::Complete;
                // A suspicion that nobody took back in all that time is nothing to tell.
                slot.is_reported |= slot.stage == Some(Stage::Suspected);
                self.is_changed = true;
            }
        }
        self.open.retain(|open| !open.is_ended());
        self.stat.blocks += writes.len() as u64;
        if std::mem::take(&mut self.is_changed) {
            let (offset, bytes) = header.advance();
            writes.push(Write { offset, bytes });
        }
        if writes.is_empty() {
            return None;
        }
        self.next_ticket += 1;
        let request = BlackBoxRequest { ticket: self.next_ticket, writes };
        self.busy = Some(Busy { request: request.clone(), since: now, holds, failures: 0, is_due: false });
        Some(request)
    }

    /// When [`Self::poll`] has something to write, though nothing happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<MonoTime> {
        if self.busy.is_some() || !matches!(self.file, File::Ready(_)) {
            return None;
        }
        self.open.iter().map(Open::due).min()
    }

    /// Until when nothing may be published, as the first write of a record is not answered; none when all may.
    #[must_use]
    pub fn held_until(&self, now: MonoTime) -> Option<MonoTime> {
        let asked = self.busy.as_ref().and_then(|busy| busy.holds);
        let began = self.open.iter().filter_map(|open| open.holds).chain(asked).max()?;
        Some(began + BEFORE_NETWORK_MAX).filter(|until| *until > now)
    }

    /// Something is published: what holds it no more, though it is not on disk, is overtaken.
    pub fn published(&mut self) {
        let asked = self.busy.as_mut().and_then(|busy| busy.holds.take());
        let waiting = self.open.iter_mut().filter_map(|open| open.holds.take()).chain(asked);
        self.stat.overtaken += waiting.count() as u64;
    }

    /// Nothing is being written or waits for it.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let waits = matches!(self.file, File::Ready(_)) && (self.is_changed || self.open.iter().any(Open::is_closing));
        self.busy.is_none() && !waits
    }

    /// For metrics.
    #[must_use]
    pub fn stat(&self) -> Stat {
        let locked = match &self.file {
            File::Ready(header) => header.slots.iter().filter(|slot| slot.lock > Lock::Open).count() as u64,
            File::Opening | File::Unavailable => 0,
        };
        let is_ready = matches!(self.file, File::Ready(_));
        Stat { is_ready, recording: self.open.len() as u64, locked, ..self.stat }
    }

    // --- records ----------------------------------------------------------------------------------------------------

    fn begin(&mut self, now: MonoTime, crash: CrashId, verdict: &Verdict, wall: Option<WallStamp>, report_seq: u32) {
        if matches!(self.file, File::Unavailable) || self.open.len() >= HELD_MAX {
            self.stat.not_recorded += u64::from(verdict.stage == Stage::Suspected);
            return;
        }
        self.stat.records += u64::from(!self.unplaced.contains(&crash));
        if self.open.len() >= OPEN_MAX
            && let Some(oldest) = self.open.first_mut()
        {
            oldest.close_at(now);
        }
        let begins = now - BEFORE;
        let start = Start {
            crash,
            kernel: self.identity.kernel,
            suspected: now,
            wall,
            profile_hash: self.identity.profile_hash,
            report_seq,
            sensors: self.sensors.clone(),
            base: self.base_at(begins),
        };
        let slot =
            Slot { state: SlotState::Recording, crash, report_seq, stage: Some(verdict.stage), ..Slot::default() };
        self.open.push(Open::new(&start, slot, &self.rings, (begins, verdict.contact - PULSE_LEAD), verdict));
    }

    /// The slow values in force at that moment.
    fn base_at(&self, at: MonoTime) -> [f64; Channel::COUNT] {
        let mut base = self.base;
        let values = &self.rings.values;
        for value in values.range(values.first(), values.partition(|value| value.at < at)) {
            base[value.channel.index()] = value.value;
        }
        // The words since then reach the disk after the newest places: a cut in between must not make one public.
        let since = values.range(values.partition(|value| value.at < at), values.end());
        let place = Channel::PlaceMayBeTold;
        if since.into_iter().any(|value| value.channel == place && value.value < 1.0) {
            base[place.index()] = 0.0;
        }
        // As it stands now: of a word since then a cut may leave nothing, and what counts is that of the contact.
        let help = Channel::HelpMayBeOffered;
        base[help.index()] = self.last[help.index()];
        base
    }

    /// Gives each record that has none its slot.
    fn find_places(&mut self) {
        let File::Ready(header) = &mut self.file else { return };
        let mut taken: Vec<usize> = self.open.iter().filter_map(|open| open.place).collect();
        for open in self.open.iter_mut().filter(|open| open.place.is_none()) {
            let Some(index) = header.room(|index| taken.contains(&index)) else { continue };
            taken.push(index);
            self.stat.displaced += u64::from(header.slots[index].is_unreported());
            let record = header.next_record;
            header.next_record = header.next_record.saturating_add(1);
            header.slots[index] = Slot { record, lock: Lock::Open, ..open.slot };
            if open.slot.lock > Lock::Open && !header.lock(index, open.slot.lock) {
                self.stat.not_locked += 1;
            }
            open.settle_in(index, record);
            self.is_changed = true;
        }
        for open in self.open.extract_if(.., |open| open.place.is_none()) {
            if self.unplaced.contains(&open.crash) {
                continue;
            }
            self.stat.not_recorded += 1;
            if self.unplaced.len() >= HELD_MAX {
                self.unplaced.remove(0);
            }
            self.unplaced.push(open.crash);
        }
    }

    fn dismiss(&mut self, crash: CrashId) {
        let before = self.open.len();
        self.open.retain(|open| open.crash != crash);
        let was_in_file = self.change(crash, |slot| *slot = Slot { record: slot.record, ..Slot::default() });
        if was_in_file || self.open.len() < before {
            self.stat.dismissed += 1;
        }
    }

    fn lock(&mut self, crash: CrashId, lock: Lock) {
        if let Some(open) = self.open.iter_mut().find(|open| open.crash == crash && open.place.is_none()) {
            open.slot.lock = open.slot.lock.max(lock);
            return;
        }
        let File::Ready(header) = &mut self.file else { return };
        let Some(index) = position(header, crash) else { return };
        let before = header.slots[index].lock;
        if header.lock(index, lock) {
            self.is_changed |= header.slots[index].lock != before;
        } else if let Some(open) = self.open.iter_mut().find(|open| open.crash == crash) {
            // Counted once an event, though each verdict asks again.
            self.stat.not_locked += u64::from(!std::mem::replace(&mut open.is_refused_lock, true));
        }
    }

    /// The slot of that event, on its way to the file or in it.
    fn find(&mut self, crash: CrashId) -> Option<&mut Slot> {
        if let Some(at) = self.open.iter().position(|open| open.crash == crash && open.place.is_none()) {
            return self.open.get_mut(at).map(|open| &mut open.slot);
        }
        let File::Ready(header) = &mut self.file else { return None };
        position(header, crash).map(|index| &mut header.slots[index])
    }

    fn change(&mut self, crash: CrashId, change: impl FnOnce(&mut Slot)) -> bool {
        let Some(slot) = self.find(crash) else { return false };
        let before = *slot;
        change(slot);
        let is_changed = *slot != before;
        self.is_changed |= is_changed;
        is_changed
    }
}

fn position(header: &Header, crash: CrashId) -> Option<usize> {
    header.slots.iter().position(|slot| slot.state != SlotState::Empty && slot.crash == crash)
}
