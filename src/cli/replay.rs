//! `telltaled replay`: the whole gateway over a recording, in virtual time.
//!
//! The recording is all that the gateway sees: time is the recording's, store and black box commit at once and keep nothing,
//! the broker is there from the start and acknowledges at once, the boot id and the seed are fixed. So the same
//! recording gives the same bytes.
//!
//! The end of the recording is a shutdown: as in the car, what waits then (the telemetry of the last seconds, an event
//! of the last moment) goes to the store for the next run, and is not printed.
//!
//! GNSS logs are merged by time. A line may begin with a time stamp in candump's form, `(1533224127.000000) $GPRMC,…`;
//! in a log without stamps each sentence with a time of day is placed by it, counted from the start of the CAN log.
//!
//! What the owner says is a file of JSON lines, each an [`OwnerInput`] with its time `t` in the CAN log's time:
//! `{"t": 1533224127.5, "privacy": "on"}`. Lines whose time lies before the first frame are said before
//! the store is open, so that they count from the first message on.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::iter::Peekable;
use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;

use crate::can::BusId;
use crate::can::candump::{self, Seconds};
use crate::config::Config;
use crate::crash::black_box::{BlackBoxEvent, Contents, Header};
use crate::delivery::{BootId, Limits, VehicleId};
use crate::gateway::{
    BusEvent, Effect, Gateway, Input, LinkDown, LinkEvent, PortEvent, Publication, Setup, StoreEvent, StoreInventory,
    StoreRequest,
};
use crate::services::OwnerInput;
use crate::time::{KernelBoot, MonoTime, TimeSource, WallReading, WallTime};

use super::exit::{Code, Failure};
use super::{output, run};

/// Where virtual time begins: not at zero, so that what happened "before" has room.
const START: MonoTime = MonoTime::from_millis(1_000);

/// Time stamps above this are wall time (2001-09-09), smaller ones count from some start of their own.
const FIRST_WALL_US: i64 = 1_000_000_000_000_000;

/// A logger's clock is believed to the second.
const LOG_UNCERTAINTY: Duration = Duration::from_secs(1);

/// The clock is offered so often, as the daemon's shell does.
const CLOCK_EVERY: Duration = Duration::from_secs(1);

/// A longer pause is none: the logger's clock was set meanwhile. So much time passes then, and the clock steps.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// 2^53 microseconds: more exactly than to the microsecond a number in JSON cannot say it.
const LAST_SECOND: f64 = 9.0e9;

/// For people who got it wrong.
const OWNER_EXAMPLE: &str = r#"{"t": 1533224127.5, "privacy": "on"}"#;

/// What the lines of a CAN log were.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    /// Lines that are frames.
    pub frames: u64,
    /// Frames of interfaces that the deployment does not have.
    pub foreign: u64,
    /// Lines that are no frames.
    pub bad_lines: u64,
}

/// What is replayed together.
#[derive(Debug, Clone, Copy, Default)]
pub struct Logs<'a> {
    /// A candump log.
    pub can: &'a [u8],
    /// A GNSS log; empty for none.
    pub gnss: &'a [u8],
    /// What the owner says; empty for nothing.
    pub owner: &'a [u8],
}

/// Replays and prints.
pub(super) fn replay(config: &Path, can: &Path, gnss: Option<&Path>, owner: Option<&Path>) -> Result<(), Failure> {
    let config = run::load(config)?;
    let can_log = read(can)?;
    let gnss_log = gnss.map(read).transpose()?.unwrap_or_default();
    let owner_log = owner.map(read).transpose()?.unwrap_or_default();
    let logs = Logs { can: &can_log, gnss: &gnss_log, owner: &owner_log };
    let stdout = BufWriter::new(io::stdout().lock());
    let interfaces: Vec<_> = config.deployment.buses.iter().map(|bus| bus.interface.clone()).collect();
    let (count, written) = play(config, logs, stdout)?;
    if count.bad_lines > 0 {
        tracing::warn!(count.bad_lines, log = %can.display(), "lines that are no frames were passed over");
    }
    if count.foreign > 0 {
        let foreign = count.foreign;
        tracing::warn!(foreign, log = %can.display(), "frames of interfaces that the deployment lacks were passed over");
    }
    output::finish(written)?;
    let interfaces = interfaces.join(", ");
    let data = |text: String| Err(Failure::new(Code::Data, format!("{}: {text}", can.display())));
    match count {
        Count { frames: 0, bad_lines: 1.., .. } => data("no line is a frame: give a candump log".to_owned()),
        Count { frames: 1.., foreign, .. } if foreign == count.frames => {
            data(format!("no frame is of an interface of the deployment ({interfaces}): change one of the two"))
        }
        _ => Ok(()),
    }
}

/// Replays logs that are in memory, one JSON line to `out` per message; returns what was in the CAN log, and what
/// writing came to.
pub fn play(config: Config, logs: Logs<'_>, out: impl Write) -> Result<(Count, io::Result<()>), Failure> {
    let said = owner_lines(logs.owner)?;
    let mut lab = Lab::new(config, out)?;
    let count = lab.play(logs.can, logs.gnss, said);
    Ok((count, lab.finish()))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::new(Code::NoInput, format!("reading {}: {error}", path.display())))
}

/// A gateway in a world that always works.
struct Lab<W> {
    gateway: Gateway,
    interfaces: Vec<String>,
    now: MonoTime,
    /// What [`START`] is in the log's own time.
    origin_us: i64,
    next_clock: MonoTime,
    out: W,
    written: io::Result<()>,
}

impl<W: Write> Lab<W> {
    fn new(config: Config, out: W) -> Result<Self, Failure> {
        let Config { deployment, profile } = config;
        let vehicle = VehicleId::new(&deployment.vehicle_id).map_err(|error| Failure::new(Code::Config, error))?;
        let setup = Setup {
            vehicle,
            profile,
            boot: BootId { counter: 1, random: 0 },
            kernel: KernelBoot(1),
            seed: 0,
            limits: Limits::default(),
            keep_alive: deployment.broker.keep_alive,
            emergency: deployment.emergency,
        };
        let gateway = Gateway::new(START, setup).map_err(|error| Failure::new(Code::Config, error))?;
        let interfaces = deployment.buses.into_iter().map(|bus| bus.interface).collect();
        Ok(Self { gateway, interfaces, now: START, origin_us: 0, next_clock: START, out, written: Ok(()) })
    }

    /// Plays all of them, merged by time; what the owner says comes first at its time.
    fn play(&mut self, can: &[u8], gnss: &[u8], mut said: Vec<(i64, OwnerInput)>) -> Count {
        let lines = || can.split(|byte| *byte == b'\n').map(candump::parse);
        let first = lines().find_map(|line| line.ok().flatten()?.time);
        self.origin_us = first.map_or(0, WallTime::as_unix_micros);
        let later = said.split_off(said.partition_point(|(at_us, _)| *at_us <= self.origin_us));
        for (_, input) in said {
            self.input(Input::Owner(input));
        }
        let mut asides =
            Asides { sentences: gnss_lines(gnss, self.origin_us).peekable(), said: later.into_iter().peekable() };
        self.begin(!gnss.is_empty());
        let mut count = Count::default();
        for line in lines() {
            let entry = match line {
                Ok(Some(entry)) => entry,
                Ok(None) => continue,
                Err(_) => {
                    count.bad_lines += 1;
                    continue;
                }
            };
            // A line without a time is as old as the one before it.
            let at_us = entry.time.map_or(self.log_us(), WallTime::as_unix_micros);
            while let Some((at_us, input)) = asides.next_until(at_us) {
                self.advance(at_us);
                self.input(input);
            }
            self.advance(at_us);
            count.frames += 1;
            match self.bus(entry.interface) {
                Some(bus) => self.input(Input::Frame(bus, &entry.frame)),
                None => count.foreign += 1,
            }
        }
        while let Some((at_us, input)) = asides.next_until(i64::MAX) {
            self.advance(at_us);
            self.input(input);
        }
        count
    }

    /// The store and the black box are open, the interfaces are up.
    fn begin(&mut self, has_gnss: bool) {
        let blank = Contents { header: Header::default(), recordings: Vec::new(), damage: Vec::new() };
        self.input(Input::BlackBox(BlackBoxEvent::Opened(Box::new(blank))));
        self.input(Input::Store(StoreEvent::Opened(StoreInventory::default())));
        for bus in (0_u8..).map(BusId).take(self.interfaces.len()) {
            self.input(Input::Bus(bus, BusEvent::Up));
        }
        if has_gnss {
            self.input(Input::GnssPort(PortEvent::Up));
        }
    }

    /// The bus of an interface; a log without names belongs to the first.
    fn bus(&self, interface: Option<&str>) -> Option<BusId> {
        let index = match interface {
            None => 0,
            Some(name) => self.interfaces.iter().position(|interface| interface == name)?,
        };
        u8::try_from(index).ok().map(BusId)
    }

    /// Says goodbye, and what writing came to.
    fn finish(mut self) -> io::Result<()> {
        self.input(Input::Shutdown);
        self.written.and_then(|()| self.out.flush())
    }

    /// Lets time pass until the log's `at_us`; a log that goes back in time stands still instead.
    fn advance(&mut self, at_us: i64) {
        let latest_us = WallTime::from_unix_micros(self.log_us()).plus(LONGEST_PAUSE).as_unix_micros();
        self.origin_us = self.origin_us.saturating_add(at_us.saturating_sub(latest_us).max(0));
        let offset = Duration::from_micros(u64::try_from(at_us.saturating_sub(self.origin_us)).unwrap_or(0));
        let until = (START + offset).max(self.now);
        while let Some(due) = self.next_due().filter(|due| *due <= until) {
            self.now = due.max(self.now);
            if self.next_clock <= self.now {
                self.next_clock = self.now + CLOCK_EVERY;
                self.offer_clock();
            } else {
                self.input(Input::Timeout);
            }
        }
        self.now = until;
    }

    fn next_due(&self) -> Option<MonoTime> {
        self.gateway.poll_timeout().into_iter().chain([self.next_clock]).min()
    }

    fn offer_clock(&mut self) {
        if self.origin_us < FIRST_WALL_US {
            return;
        }
        let wall = WallTime::from_unix_micros(self.log_us());
        self.input(Input::Clock(WallReading { wall, source: TimeSource::Rtc, uncertainty: LOG_UNCERTAINTY }));
    }

    /// Now, in the log's own time.
    fn log_us(&self) -> i64 {
        self.origin_us.saturating_add(i64::try_from(self.now.since(START).as_micros()).unwrap_or(i64::MAX))
    }

    fn input(&mut self, input: Input<'_>) {
        self.gateway.handle(self.now, input);
        while let Some(effect) = self.gateway.poll_effect() {
            if let Some(answer) = self.carry_out(effect) {
                self.gateway.handle(self.now, answer);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect) -> Option<Input<'static>> {
        match effect {
            Effect::Store(ticket, StoreRequest::Load { .. }) => {
                Some(Input::Store(StoreEvent::Loaded(ticket, Vec::new())))
            }
            Effect::Store(ticket, _) => Some(Input::Store(StoreEvent::Done(ticket))),
            Effect::Connect => Some(Input::Link(LinkEvent::Up { session_present: false })),
            Effect::Disconnect { .. } => Some(Input::Link(LinkEvent::Down(LinkDown::Requested))),
            Effect::Publish(publication) => {
                let token = publication.token;
                self.print(&publication);
                Some(Input::Link(LinkEvent::Acked(token)))
            }
            Effect::BlackBox(request) => Some(Input::BlackBox(BlackBoxEvent::Written(request.ticket))),
            Effect::Stopped => None,
        }
    }

    fn print(&mut self, publication: &Publication) {
        if self.written.is_err() {
            return;
        }
        let line = line(self.log_us(), publication);
        self.written = line.and_then(|line| writeln!(self.out, "{line}"));
    }
}

/// The payload is JSON already, and goes into the line as it is.
fn line(at_us: i64, publication: &Publication) -> io::Result<String> {
    let topic = serde_json::to_string(&publication.topic)?;
    let payload = std::str::from_utf8(&publication.payload).map_err(io::Error::other)?;
    let t = Seconds(WallTime::from_unix_micros(at_us));
    Ok(format!("{{\"t\":{t},\"topic\":{topic},\"retain\":{},\"payload\":{payload}}}", publication.retain))
}

/// What comes beside the frames.
struct Asides<'a, S: Iterator<Item = (i64, &'a [u8])>> {
    sentences: Peekable<S>,
    said: Peekable<std::vec::IntoIter<(i64, OwnerInput)>>,
}

impl<'a, S: Iterator<Item = (i64, &'a [u8])>> Asides<'a, S> {
    /// The next input of that time or before.
    fn next_until(&mut self, until_us: i64) -> Option<(i64, Input<'a>)> {
        let sentence_us = self.sentences.peek().map_or(i64::MAX, |(at_us, _)| *at_us);
        let said = self.said.next_if(|(at_us, _)| *at_us <= until_us && *at_us <= sentence_us);
        if let Some((at_us, input)) = said {
            return Some((at_us, Input::Owner(input)));
        }
        let (at_us, sentence) = self.sentences.next_if(|(at_us, _)| *at_us <= until_us)?;
        Some((at_us, Input::Gnss(sentence)))
    }
}

/// What the owner says, in the order of time.
fn owner_lines(log: &[u8]) -> Result<Vec<(i64, OwnerInput)>, Failure> {
    let lines = log.split(|byte| *byte == b'\n').zip(1_u32..).filter(|(line, _)| !line.trim_ascii().is_empty());
    let mut said = lines
        .map(|(line, number)| {
            owner_line(line).map_err(|why| {
                let text = format!("owner file, line {number}: {why}; give a JSON object like {OWNER_EXAMPLE}");
                Failure::new(Code::Data, text)
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    said.sort_by_key(|(at_us, _)| *at_us);
    Ok(said)
}

fn owner_line(line: &[u8]) -> Result<(i64, OwnerInput), String> {
    let mut object: serde_json::Map<String, Json> = serde_json::from_slice(line).map_err(|why| why.to_string())?;
    let t = object.remove("t").as_ref().and_then(Json::as_f64).filter(|t| t.abs() < LAST_SECOND);
    let t = t.ok_or("its time t is missing, or no number of seconds")?;
    #[expect(clippy::cast_possible_truncation, reason = "below 2^53 microseconds")]
    let at_us = (t * 1e6).round() as i64;
    serde_json::from_value(Json::Object(object)).map(|input| (at_us, input)).map_err(|why| why.to_string())
}

/// The lines of a GNSS log with their times in the CAN log's time; lines keep their order.
fn gnss_lines(log: &[u8], origin_us: i64) -> impl Iterator<Item = (i64, &[u8])> {
    let mut latest = origin_us;
    let mut first_of_day = None;
    log.split_inclusive(|byte| *byte == b'\n').map(move |line| {
        let (at_us, sentence) = match stamped(line) {
            Some((at_us, sentence)) => (Some(at_us), sentence),
            None => {
                (time_of_day_us(line).map(|us| origin_us.saturating_add(us - *first_of_day.get_or_insert(us))), line)
            }
        };
        latest = at_us.unwrap_or(latest).max(latest);
        (latest, sentence)
    })
}

/// `(seconds.micros) sentence`
fn stamped(line: &[u8]) -> Option<(i64, &[u8])> {
    let rest = line.strip_prefix(b"(")?;
    let end = rest.iter().position(|byte| *byte == b')')?;
    let (seconds, micros) = std::str::from_utf8(&rest[..end]).ok()?.split_once('.')?;
    if micros.len() != 6 {
        return None;
    }
    let at_us = seconds.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros.parse().ok()?)?;
    Some((at_us, rest[end + 1..].trim_ascii_start()))
}

/// The time of day that a GGA, RMC, GNS, GST or ZDA sentence begins with, `hhmmss.sss`.
fn time_of_day_us(line: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(line).ok()?;
    let mut fields = text.split(',');
    let kind = fields.next()?;
    if !["GGA", "RMC", "GNS", "GST", "ZDA"].iter().any(|wanted| kind.ends_with(wanted)) {
        return None;
    }
    let clock = fields.next().filter(|clock| clock.len() >= 6 && clock.is_ascii())?;
    let (hours, minutes) = (clock[..2].parse::<i64>().ok()?, clock[2..4].parse::<i64>().ok()?);
    let seconds: f64 = clock[4..].parse().ok().filter(|seconds| (0.0..61.0).contains(seconds))?;
    #[expect(clippy::cast_possible_truncation, reason = "below 61 million")]
    let micros = (seconds * 1e6).round() as i64;
    Some((hours * 3600 + minutes * 60) * 1_000_000 + micros)
}
