//! A car that crashes again and again while its power is cut, and the judge of what is left of it each time.
//!
//! ```text
//! crash_rig find                                 the contact of the drive, in nanoseconds of its own time
//! crash_rig life FOLDER LOG TELLTALED CONTACT N  one life of the car; N counts from 1, 0 is the last one, unhurt
//! crash_rig judge LOG LAG_MS                     reads the log of all lives, prints a report
//! ```
//!
//! A life looks at the black box that the life before left, starts mosquitto, a subscriber and the daemon, waits until
//! all that was left is told, and then plays the last seconds before the crash, and the crash, over the CAN interfaces
//! in `TELLTALE_CAN`. Everything that it sees goes to standard output, a line each; LOG holds those lines of all lives
//! before. The bench cuts the power some time after the line of the contact.
//!
//! | line | what |
//! |---|---|
//! | `contact N NS` | life N: when the contact was due, in nanoseconds since boot |
//! | `beat MS FELT_MS` | so long after the contact the power was still there, and the drive had come so far |
//! | `heard N TOPIC ID CRASH` | the subscriber got a report of a crash in life N |
//! | `found N CUT_MS FELT_MS CRASH STAGE LAST_MS WHAT` | what life N left in the black box, up to when, and whether it is whole |
//!
//! The car is a program like the daemon: on a machine with too much to do it puts its frames on the bus late. What counts
//! is what the car has told: a record cannot have what was not on the bus when the power went.
//!
//! Used by `hil/scenarios/crash_powercut`.

#[path = "../tests/common/black_box_disk.rs"]
mod black_box_disk;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::Value as Json;
use socketcan::id::FdFlags;
use socketcan::{CanAnyFrame, CanDataFrame, CanFdFrame, CanFdSocket, EmbeddedFrame as _, Socket as _, StandardId};

use telltale::can::{Frame, FrameKind};
use telltale::config::{Config, Emergency};
use telltale::crash::Stage;
use telltale::crash::black_box::{BlackBoxEvent, Recording, TimedSample};
use telltale::delivery::{BootId, Limits, VehicleId};
use telltale::gateway::{Effect, Gateway, Input, Setup};
use telltale::io::black_box;
use telltale::io::clock::MonoClock;
use telltale::sim::{BUSES, Begin, Car, Emission, Scenario, What};
use telltale::time::{KernelBoot, MonoTime, WallTime};

use black_box_disk::{made, put, read};

const MORNING: WallTime = WallTime::from_unix_micros(1_772_434_800_000_000);

/// The crash is in the first two minutes of the drive.
const DRIVE_MS: u64 = 120_000;

/// So much of the drive is played before the contact: the classifier takes what comes in the first five seconds of a
/// restraint that it has not seen at rest for an old firing.
const BEFORE: Duration = Duration::from_secs(3);

/// The crash is over, and the last cut was made, so long after the contact.
const AFTER: Duration = Duration::from_secs(20);

const BEAT: Duration = Duration::from_millis(10);
const STEP: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(120);
const BROKER_PORT: u16 = 18_883;

/// A suspicion belongs to a contact that is so near.
const NEAR: Duration = Duration::from_secs(1);

/// The record has the pulse from so long before the contact, each sample of it.
const LEAD: Duration = Duration::from_millis(100);

/// The sensor feels so often.
const SAMPLE_MS: u64 = 1;

/// A frame's stamp is wall time of the kernel; as monotonic time it may be off by so much.
const STAMP: Duration = Duration::from_millis(1);

/// While the pulse lasts the black box is written each 20 ms, then each 100 ms.
const PULSE_MS: u64 = 320;
const CALM_MS: u64 = 100;

/// A cut so early has to leave nothing.
const EARLY_MS: u64 = 100;

/// A car that puts its frames on the bus later than this has not crashed when the power goes, and its life shows nothing;
/// one in so many lives may, where there are so many.
const CAR_LATE_MS: u64 = 250;
const CAR_LATE_SHARE: u64 = 10;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["find"] => find(),
        ["life", folder, log, daemon, contact, number] => {
            let paths = Paths { folder: Path::new(folder), log: Path::new(log) };
            live(&paths, daemon, contact.parse().unwrap_or(0), number.parse().unwrap_or(0))
        }
        ["judge", log, lag_ms] => judge(Path::new(log), lag_ms.parse().unwrap_or(0)),
        _ => Err("usage: crash_rig find | life FOLDER LOG TELLTALED CONTACT N | judge LOG LAG_MS".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("FAILED {error}"));
            ExitCode::FAILURE
        }
    }
}

struct Paths<'a> {
    folder: &'a Path,
    log: &'a Path,
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The mark at the end tells a whole line from a torn one.
    let _ = writeln!(out, "{line} .").and_then(|()| out.flush());
}

// --- the drive ------------------------------------------------------------------------------------------------------

fn drive() -> Outcome<impl Iterator<Item = Emission>> {
    let car = Car::new(1, Scenario::Crash, Begin { mono: MonoTime::ZERO, wall: MORNING })?;
    Ok(car.take_while(|emission| emission.at < MonoTime::from_millis(DRIVE_MS)))
}

fn find() -> Outcome<()> {
    let recording = undisturbed(MonoTime::ZERO, MonoTime::from_millis(DRIVE_MS))?;
    println!("{}", recording.verdicts.first().ok_or("a record without a verdict")?.contact.as_nanos());
    Ok(())
}

/// What the black box of a car has that hears this part of the drive and keeps its power.
fn undisturbed(from: MonoTime, to: MonoTime) -> Outcome<Recording> {
    let setup = Setup {
        vehicle: VehicleId::new("rig")?,
        profile: config("")?.profile,
        boot: BootId { counter: 1, random: 1 },
        kernel: KernelBoot(1),
        seed: 1,
        limits: Limits::default(),
        keep_alive: Duration::from_secs(60),
        emergency: Emergency::default(),
    };
    let mut gateway = Gateway::new(MonoTime::ZERO, setup)?;
    let mut file = made();
    gateway.handle(MonoTime::ZERO, Input::BlackBox(BlackBoxEvent::Opened(Box::new(read(&file, |_| true)))));
    for emission in drive()?.take_while(|emission| emission.at <= to).filter(|emission| emission.at >= from) {
        let What::Frame(bus, frame) = &emission.what else { continue };
        gateway.handle(emission.at, Input::Frame(*bus, frame));
        while let Some(effect) = gateway.poll_effect() {
            let Effect::BlackBox(request) = effect else { continue };
            for write in &request.writes {
                put(&mut file, write.offset, &write.bytes);
            }
            gateway.handle(emission.at, Input::BlackBox(BlackBoxEvent::Written(request.ticket)));
        }
    }
    read(&file, |_| true).recordings.into_iter().next().ok_or_else(|| "the drive has no crash".into())
}

fn config(folder: &str) -> Outcome<Config> {
    let text = deployment(folder);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/rig.toml");
    let read = |path: &Path| if path == file { Ok(text.clone().into_bytes()) } else { fs::read(path) };
    Ok(Config::load(&file, &read).map_err(|problems| problems.to_string())?)
}

fn deployment(folder: &str) -> String {
    let profile = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/demo-phev");
    let interfaces = interfaces();
    let buses = BUSES.iter().zip(&interfaces).map(|(bus, name)| format!("[bus.{bus}]\ninterface = \"{name}\"\n"));
    format!(
        "schema = 1\nprofile = {:?}\n[vehicle]\nid = \"rig\"\n{}[broker]\nhost = \"127.0.0.1\"\nport = {BROKER_PORT}\n\
         keep_alive_s = 10\n[store]\npath = \"{folder}/store\"\nlimit_mib = 16\n\
         [metrics]\nlisten = \"unix:/run/rig.sock\"\n",
        profile.display().to_string(),
        buses.collect::<String>(),
    )
}

fn interfaces() -> Vec<String> {
    let names = std::env::var("TELLTALE_CAN").unwrap_or_else(|_| "vcan0,vcan1,vcan2".to_owned());
    names.split(',').map(str::to_owned).collect()
}

/// Plays the end of the drive in real time; `contact` is the drive's own time of it.
fn play(contact: MonoTime, number: u32) -> Outcome<()> {
    let sockets = interfaces().iter().map(|name| CanFdSocket::open(name)).collect::<Result<Vec<_>, _>>()?;
    let emissions: Vec<(MonoTime, usize, CanAnyFrame)> = drive()?
        .filter(|emission| contact.since(emission.at) <= BEFORE && emission.at.since(contact) <= AFTER)
        .filter_map(|emission| match emission.what {
            What::Frame(bus, frame) => Some((emission.at, usize::from(bus.0), on_wire(&frame)?)),
            What::Nmea(_) | What::Coverage(_) | What::Note(_) => None,
        })
        .collect();
    let clock = MonoClock::new()?;
    let (begin, first) = (clock.now(), contact - BEFORE);
    let progress = Arc::new(Progress { contact: AtomicU64::new(u64::MAX), felt_ms: AtomicU64::new(0) });
    beat(Arc::clone(&progress));
    for (at, bus, frame) in emissions {
        let due = begin + at.since(first);
        sleep(due.since(clock.now()));
        if at >= contact && progress.contact.load(Ordering::Relaxed) == u64::MAX {
            let contact = begin + BEFORE;
            progress.contact.store(contact.as_nanos(), Ordering::Relaxed);
            say(&format!("contact {number} {}", contact.as_nanos()));
        }
        if let Some(socket) = sockets.get(bus) {
            socket.write_frame(&frame).map_err(|error| format!("life {number}: a frame was not sent: {error}"))?;
            progress.felt_ms.store(millis(at.since(contact)), Ordering::Relaxed);
        }
    }
    Ok(())
}

/// How far the drive has come.
struct Progress {
    /// When the contact was due, in nanoseconds since boot; `u64::MAX` before it.
    contact: AtomicU64,
    /// Of the last frame on the bus, after the contact.
    felt_ms: AtomicU64,
}

/// Says again and again that the power is there.
fn beat(progress: Arc<Progress>) {
    thread::spawn(move || {
        let Ok(clock) = MonoClock::new() else { return };
        loop {
            sleep(BEAT);
            let contact = MonoTime::from_nanos(progress.contact.load(Ordering::Relaxed));
            if contact != MonoTime::from_nanos(u64::MAX) {
                let felt_ms = progress.felt_ms.load(Ordering::Relaxed);
                say(&format!("beat {} {felt_ms}", millis(clock.now().since(contact))));
            }
        }
    });
}

fn on_wire(frame: &Frame) -> Option<CanAnyFrame> {
    let id = StandardId::new(u16::try_from(frame.id().raw()).ok()?)?;
    match frame.kind() {
        FrameKind::Data => CanDataFrame::new(id, frame.payload()).map(CanAnyFrame::from),
        FrameKind::Fd { .. } => CanFdFrame::with_flags(id, frame.payload(), FdFlags::BRS).map(CanAnyFrame::from),
        FrameKind::Remote | FrameKind::Error => None,
    }
}

// --- a life ---------------------------------------------------------------------------------------------------------

fn live(paths: &Paths<'_>, daemon: &str, contact: u64, number: u32) -> Outcome<()> {
    let log = fs::read_to_string(paths.log).unwrap_or_default();
    look(paths.folder, &log, MonoTime::from_nanos(contact))?;
    let _broker = Ended(start_broker()?);
    subscribe(number)?;
    let file = Path::new("/run/rig.toml");
    fs::write(file, deployment(&paths.folder.display().to_string()))?;
    let sink = File::create("/run/daemon.log")?;
    let mut command = Command::new(daemon);
    command.args(["run", "--config"]).arg(file).stdin(Stdio::null()).stdout(Stdio::null()).stderr(sink);
    let mut daemon = Ended(command.spawn()?);
    let told = wait(|| {
        let page = metrics().unwrap_or_default();
        let is =
            |series: &str, value: f64| figure(&page, series).is_some_and(|figure| figure.to_bits() == value.to_bits());
        let is_told = is("telltale_blackbox_ready", 1.0)
            && is("telltale_store_healthy", 1.0)
            && is("telltale_link_up", 1.0)
            && is("telltale_lane_stored_records{lane=\"critical\"}", 0.0)
            && is("telltale_lane_memory_records{lane=\"critical\"}", 0.0);
        is_told.then_some(())
    });
    if told.is_none() {
        let log = fs::read_to_string("/run/daemon.log").unwrap_or_default();
        return Err(format!("life {number}: the daemon does not come to rest:\n{log}").into());
    }
    if number > 0 {
        play(MonoTime::from_nanos(contact), number)?;
        return Err("the power was not cut".into());
    }
    // What is on its way to the subscriber arrives.
    sleep(Duration::from_secs(2));
    daemon.0.kill()?;
    Ok(())
}

/// A process that does not outlive its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start_broker() -> Outcome<Child> {
    let file = "/run/mosquitto.conf";
    fs::write(file, format!("user root\nallow_anonymous true\npersistence false\nlistener {BROKER_PORT} 127.0.0.1\n"))?;
    let binary = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|path| Path::new(path).exists());
    let binary = binary.ok_or("mosquitto is not installed (Debian package mosquitto)")?;
    let child = Command::new(binary).args(["-c", file]).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    wait(|| TcpStream::connect(("127.0.0.1", BROKER_PORT)).ok()).ok_or("mosquitto does not listen")?;
    Ok(child)
}

/// Says every report of a crash that arrives.
fn subscribe(number: u32) -> Outcome<()> {
    let mut options = MqttOptions::new("cloud", "127.0.0.1", BROKER_PORT);
    options.set_keep_alive(Duration::from_secs(5)).set_max_packet_size(1 << 20, 1 << 20);
    let (client, mut connection) = Client::new(options, 10);
    client.subscribe("telltale/v1/rig/event/+", QoS::AtLeastOnce)?;
    let (subscribed, is_subscribed) = std::sync::mpsc::channel();
    thread::spawn(move || {
        for event in connection.iter() {
            match event {
                Ok(Event::Incoming(Packet::SubAck(_))) => drop(subscribed.send(())),
                Ok(Event::Incoming(Packet::Publish(publish))) => {
                    let topic = publish.topic.rsplit('/').next().unwrap_or_default();
                    let event: Json = serde_json::from_slice(&publish.payload).unwrap_or_default();
                    let text = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
                    if ["crash.detected", "crash.recovered"].contains(&topic) {
                        say(&format!("heard {number} {topic} {} {}", text("id"), text("subject")));
                    }
                }
                Ok(_) => {}
                Err(_) => sleep(STEP),
            }
        }
    });
    is_subscribed.recv_timeout(PATIENCE).map_err(|_| "no subscription in time".into())
}

fn metrics() -> Outcome<String> {
    let mut stream = UnixStream::connect("/run/rig.sock")?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: rig\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page)?;
    Ok(page)
}

fn figure(page: &str, series: &str) -> Option<f64> {
    page.lines().find(|line| line.starts_with(series))?.rsplit(' ').next()?.parse().ok()
}

fn wait<T>(mut find: impl FnMut() -> Option<T>) -> Option<T> {
    let clock = MonoClock::new().ok()?;
    let end = clock.now() + PATIENCE;
    while clock.now() < end {
        if let Some(found) = find() {
            return Some(found);
        }
        sleep(STEP);
    }
    None
}

// --- what is left ---------------------------------------------------------------------------------------------------

/// The whole lines of a log, as words.
fn lines(log: &str) -> impl Iterator<Item = Vec<&str>> {
    let whole = log.lines().filter_map(|line| line.trim_end_matches('\r').strip_suffix(" ."));
    whole.map(|line| line.split(' ').collect())
}

/// A life as the log shows it.
struct Life {
    number: u32,
    contact: MonoTime,
    /// So long after the contact the power was still there, and the drive had come so far.
    cut_ms: u64,
    felt_ms: u64,
}

/// The last life that came to the contact.
fn last_life(log: &str) -> Option<Life> {
    let mut last = None;
    for words in lines(log) {
        match (words.as_slice(), &mut last) {
            (["contact", number, nanos], _) => {
                let contact = MonoTime::from_nanos(nanos.parse().ok()?);
                last = Some(Life { number: number.parse().ok()?, contact, cut_ms: 0, felt_ms: 0 });
            }
            (["beat", cut, felt], Some(life)) => {
                life.cut_ms = cut.parse().unwrap_or(life.cut_ms);
                life.felt_ms = felt.parse().unwrap_or(life.felt_ms);
            }
            _ => {}
        }
    }
    last
}

/// Says what the life before left in the black box.
fn look(folder: &Path, log: &str, contact_in_drive: MonoTime) -> Outcome<()> {
    let Some(Life { number, contact, cut_ms, felt_ms }) = last_life(log) else { return Ok(()) };
    let contents = black_box::read(&folder.join("store").join(black_box::FILE_NAME))?;
    let seen: BTreeSet<&str> = lines(log).filter_map(|words| Some(*words.strip_prefix(&["found"])?.get(2)?)).collect();
    let is_of = |recording: &&Recording| {
        let start = recording.start.as_ref();
        let is_then = start.is_some_and(|start| start.suspected.since(contact) + contact.since(start.suspected) < NEAR);
        is_then && !seen.contains(recording.slot.crash.to_string().as_str())
    };
    let newest = contents.recordings.iter().rev().find(is_of);
    let Some(recording) = newest else {
        say(&format!("found {number} {cut_ms} {felt_ms} - none 0 nothing"));
        return Ok(());
    };
    let drive = of_sensor(&undisturbed(contact_in_drive - BEFORE, contact_in_drive + AFTER)?, contact_in_drive);
    let (last_ms, what) = compare(&drive, &of_sensor(recording, contact))?;
    let stage = match recording.slot.stage {
        Some(stage) if stage >= Stage::Confirmed => "confirmed",
        _ => "suspected",
    };
    say(&format!("found {number} {cut_ms} {felt_ms} {} {stage} {last_ms} {what}", recording.slot.crash));
    Ok(())
}

/// A sample of the accelerometer of the restraints.
struct Felt {
    /// Time since [`BEFORE`] before the contact.
    at: Duration,
    /// Of its three values; sums of it do not tell in which order they came.
    print: u64,
}

fn of_sensor(recording: &Recording, contact: MonoTime) -> Vec<Felt> {
    let samples = recording.samples.iter().filter(|sample| sample.sensor == 0);
    samples.map(|sample| Felt { at: sample.at.since(contact - BEFORE), print: fingerprint(sample) }).collect()
}

fn fingerprint(sample: &TimedSample) -> u64 {
    let mut hasher = DefaultHasher::new();
    sample.axes.map(f32::to_bits).hash(&mut hasher);
    hasher.finish()
}

/// Up to when after the contact a record goes, in ms of the drive, and whether it has every sample of the drive once,
/// from [`LEAD`] before the contact to its own end. The values tell: a machine that does other things too sends frames
/// late, and then some at once, whose samples fall between each other.
fn compare(drive: &[Felt], recorded: &[Felt]) -> Outcome<(u64, String)> {
    let (Some(first), Some(last)) = (drive.first(), drive.last()) else {
        return Err("nothing is felt in the drive".into());
    };
    if (drive.len() as u64) < millis(last.at.saturating_sub(first.at)) / SAMPLE_MS {
        return Err(format!("the drive has only {} samples", drive.len()).into());
    }
    let sum = |samples: &[Felt]| samples.iter().fold(0_u64, |sum, sample| sum.wrapping_add(sample.print));
    let wanted = sum(recorded);
    let run = drive.windows(recorded.len().max(1)).find(|run| sum(run) == wanted);
    let Some(run) = run else {
        let last = recorded.last().map_or(0, |last| millis(last.at.saturating_sub(BEFORE)));
        return Ok((last, format!("not-{}-in-a-row", recorded.len())));
    };
    let pairs = || run.iter().zip(recorded);
    let early = pairs().map(|(drive, recorded)| drive.at.saturating_sub(recorded.at)).max().unwrap_or_default();
    let late = pairs().map(|(drive, recorded)| recorded.at.saturating_sub(drive.at)).max().unwrap_or_default();
    let state = if run[0].at + LEAD > BEFORE {
        format!("begins-{}-ms-late", millis((run[0].at + LEAD).saturating_sub(BEFORE)))
    } else if early > STAMP || late > NEAR {
        format!("stamped-{}-us-early-{}-us-late", early.as_micros(), late.as_micros())
    } else {
        "whole".to_owned()
    };
    Ok((run.last().map_or(0, |last| millis(last.at.saturating_sub(BEFORE))), state))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// The longest time between two beats of each life: a machine with too much to do stops the whole guest now and then,
/// and no daemon in it writes meanwhile. It excuses nothing; it says what a fault is worth.
fn longest_beats(log: &str) -> BTreeMap<&str, u64> {
    let (mut longest, mut life, mut last_ms) = (BTreeMap::new(), "", 0);
    for words in lines(log) {
        match words.as_slice() {
            ["contact", number, _] => (life, last_ms) = (*number, 0),
            ["beat", millis, _] => {
                let beat_ms: u64 = millis.parse().unwrap_or(last_ms);
                let pause = longest.entry(life).or_insert(0);
                *pause = beat_ms.saturating_sub(last_ms).max(*pause);
                last_ms = beat_ms;
            }
            _ => {}
        }
    }
    longest
}

/// What all lives came to.
fn judge(log: &Path, lag_limit_ms: u64) -> Outcome<()> {
    let log = fs::read_to_string(log)?;
    let mut reports: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut repeats = 0;
    let mut recovered = 0;
    for words in lines(&log) {
        if let ["heard", _, topic, id, crash] = words.as_slice() {
            repeats += u32::from(!reports.entry(crash).or_default().insert(id));
            recovered += u32::from(*topic == "crash.recovered");
        }
    }
    let mut faults: Vec<String> = Vec::new();
    for (crash, ids) in reports.iter().filter(|(_, ids)| ids.len() > 1) {
        faults.push(format!("{crash} was told under {ids:?}"));
    }
    // Each life has one crash, and the name of a crash begins with that of its life.
    for (one, other) in reports.keys().zip(reports.keys().skip(1)) {
        if one.split_once("-crash-").map(|(boot, _)| boot) == other.split_once("-crash-").map(|(boot, _)| boot) {
            faults.push(format!("one crash was told as {one} and as {other}"));
        }
    }
    let stood_still = longest_beats(&log);
    let (mut cuts, mut late, mut within, mut lags, mut told, mut car_late_ms) = (0_u64, 0, 0, Vec::new(), 0, 0);
    let mut idle = 0;
    for words in lines(&log) {
        let ["found", number, cut_ms, felt_ms, crash, stage, last_ms, what] = words.as_slice() else { continue };
        cuts += 1;
        let (cut_ms, felt_ms, last_ms): (u64, u64, u64) = (cut_ms.parse()?, felt_ms.parse()?, last_ms.parse()?);
        car_late_ms = cut_ms.saturating_sub(felt_ms).max(car_late_ms);
        idle += u64::from(cut_ms.saturating_sub(felt_ms) > CAR_LATE_MS);
        let is_told = reports.contains_key(crash);
        told += u32::from(is_told);
        let lag_ms = felt_ms.saturating_sub(last_ms);
        // What was felt up to the limit before the cut has to be there.
        let limit_ms = lag_limit_ms + if felt_ms <= PULSE_MS { 0 } else { CALM_MS };
        let is_late = felt_ms >= EARLY_MS;
        if is_late {
            late += 1;
            lags.push(lag_ms);
            within += u32::from(lag_ms <= limit_ms);
        }
        let must_hold = is_late && felt_ms > limit_ms;
        let is_broken = *stage != "none" && *what != "whole" && !what.starts_with("begins");
        if is_broken || must_hold && (*stage == "none" || *what != "whole" || lag_ms > limit_ms) {
            faults.push(format!(
                "life {number}, cut {cut_ms} ms after contact, told of {felt_ms} ms: {stage}, recorded to {last_ms} ms, \
                 {what}; the guest stood still for up to {} ms",
                stood_still.get(number).copied().unwrap_or(0)
            ));
        }
        if !is_told && (*stage == "confirmed" || must_hold) {
            faults.push(format!("life {number}, cut {cut_ms} ms after contact: {crash}, {stage}, was not told"));
        }
    }
    if cuts >= CAR_LATE_SHARE && (idle * CAR_LATE_SHARE > cuts || late == 0) {
        faults.push(format!("the machine is too busy: in {idle} lives the car was more than {CAR_LATE_MS} ms late"));
    }
    lags.sort_unstable();
    let lag =
        |share: usize| lags.get((lags.len() * share / 100).min(lags.len().saturating_sub(1))).copied().unwrap_or(0);
    for fault in &faults {
        println!("crash_powercut: {fault}");
    }
    println!(
        "crash_powercut: cuts={cuts} cut_after_{EARLY_MS}ms={late} pulse_on_disk={within} told={told} recovered={recovered} \
         repeats={repeats} faults={} lag_ms_median={} lag_ms_p95={} lag_ms_max={} car_late_ms_max={car_late_ms} \
         guest_still_ms_max={}",
        faults.len(),
        lag(50),
        lag(95),
        lag(100),
        stood_still.values().max().copied().unwrap_or(0),
    );
    if cuts == 0 || !faults.is_empty() {
        return Err("see above".into());
    }
    Ok(())
}
