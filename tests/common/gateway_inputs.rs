//! What must hold of the gateway whatever happens to it, in whatever order. The fuzz target searches for a sequence for
//! which it does not; the committed corpus is replayed by `tests/fuzz_corpora.rs`.
//!
//! A sequence is read from bytes: one that says what happens, then what it needs. Half of the store's and the broker's
//! answers are those that the gateway waits for, so that the fuzzer gets behind the first of them.

use std::collections::BTreeSet;
use std::time::Duration;

use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::config::Emergency;
use telltale::delivery::outbox::{APPEND_RECORDS_MAX, WINDOW};
use telltale::delivery::{BootId, Lane, Limits, StoreKey, VehicleId};
use telltale::gateway::{
    BusEvent, Effect, Gateway, Input, LaneInventory, LinkDown, LinkEvent, PortEvent, PublishToken, Setup, StoreEvent,
    StoreIncident, StoreInventory, StoreRequest, StoreTicket,
};
use telltale::time::{KernelBoot, MonoTime, TimeSource, WallReading, WallTime};

use crate::tiny_profile;

/// Longer sequences find nothing new, only slower.
const MAX_BYTES: usize = 4_096;

/// Effects of one input: a window of publications, some store requests, a connect.
const MAX_EFFECTS: usize = 128;

/// Store requests without an answer: one append, one removal, a load for each of three lanes, the saved values.
const MAX_REQUESTS: usize = 80;

/// As little memory as the outbox allows, so that its ends are reached.
const LIMITS: Limits = Limits {
    store_bytes: 64 << 10,
    front_records: 64,
    volatile_records: APPEND_RECORDS_MAX + WINDOW,
    volatile_bytes: 128 << 10,
};

/// In so many timeouts without another input …
const IDLE_TIMEOUTS: usize = 100;

/// … so much time passes at least: the gateway does not spin.
const IDLE_TIME: Duration = Duration::from_millis(500);

/// Lets everything happen that the bytes say.
///
/// # Panics
///
/// When something does not hold.
pub(crate) fn check(bytes: &[u8]) {
    let mut play = Play::new(bytes.get(..MAX_BYTES).unwrap_or(bytes));
    while let Some(what) = play.script.next() {
        play.act(what);
    }
}

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next byte, or zero at the end.
    fn byte(&mut self) -> u8 {
        self.next().unwrap_or(0)
    }

    fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| word << 8 | u64::from(self.byte()))
    }

    /// At most so many bytes; how many, a byte says.
    fn some(&mut self, most: usize) -> &'a [u8] {
        let length = usize::from(self.byte()) % (most + 1);
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

struct Play<'a> {
    script: Script<'a>,
    gateway: Gateway,
    now: MonoTime,
    /// Publications without an answer.
    in_flight: Vec<PublishToken>,
    /// Store requests without an answer.
    requests: Vec<(StoreTicket, StoreRequest)>,
    /// What was appended last, to be loaded again.
    appended: Vec<(StoreKey, Vec<u8>)>,
    saved: Vec<(String, Vec<u8>)>,
    last_token: u64,
    tickets: BTreeSet<StoreTicket>,
    is_stopped: bool,
    /// It has opened, or could not be opened.
    has_heard_of_store: bool,
}

impl<'a> Play<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let now = MonoTime::from_millis(1_000);
        let setup = Setup {
            vehicle: VehicleId::new("fuzz").expect("a word"),
            profile: tiny_profile::profile(),
            boot: BootId { counter: 7, random: 0x7e11 },
            kernel: KernelBoot(1),
            seed: 1,
            limits: LIMITS,
            keep_alive: Duration::from_secs(10),
            emergency: Emergency::default(),
        };
        Self {
            script: Script(bytes),
            gateway: Gateway::new(now, setup).expect("a good profile"),
            now,
            in_flight: Vec::new(),
            requests: Vec::new(),
            appended: Vec::new(),
            saved: Vec::new(),
            last_token: 0,
            tickets: BTreeSet::new(),
            is_stopped: false,
            has_heard_of_store: false,
        }
    }

    fn act(&mut self, what: u8) {
        match what % 24 {
            0 => self.motion(),
            1 => self.car_frame(512, &[0, 0]),
            2 => self.car_frame(513, &[0]),
            3 => self.any_frame(),
            4 => {
                let bytes = self.script.some(255);
                self.input(Input::Gnss(bytes));
            }
            5 => self.sentence(),
            6 => self.clock(),
            7 => self.bus_event(),
            8 => self.port_event(),
            9 => self.link(LinkEvent::Up { session_present: what >= 128 }),
            10 => self.link_down(),
            11 => self.answer_publication(LinkEvent::Acked),
            12 => self.answer_publication(LinkEvent::Refused),
            13 => self.wrong_token(),
            14 => self.opened(),
            15 => self.store(StoreEvent::Unavailable("read-only file system".to_owned())),
            16 | 17 => self.answer_request(what % 24 == 16),
            18 => self.wrong_ticket(),
            19 => self.input(Input::NetworkChanged),
            20 => self.wait(),
            21 => self.idle(),
            22 => self.answer_all(),
            _ if what >= 240 => self.input(Input::Shutdown),
            _ => self.input(Input::Timeout),
        }
    }

    // --- the car ----------------------------------------------------------------------------------------------------

    /// A speed, with the checksum that belongs to it.
    fn motion(&mut self) {
        let mut payload = [0, 0, 0, 0, 0, self.script.byte(), self.script.byte(), 0];
        let sum = payload.iter().fold(0xB4_u8.wrapping_add(8), |sum, byte| sum.wrapping_add(*byte));
        payload[7] = sum;
        self.frame(0, 180, &payload);
    }

    /// A message of the profile, its first byte from the script.
    fn car_frame(&mut self, id: u32, rest: &[u8]) {
        let mut payload = rest.to_vec();
        payload[0] = self.script.byte();
        self.frame(1, id, &payload);
    }

    fn frame(&mut self, bus: u8, id: u32, payload: &[u8]) {
        let id = CanId::base(id).expect("11 bits");
        let frame = Frame::new(id, FrameKind::Data, payload).expect("short");
        self.input(Input::Frame(BusId(bus), &frame));
    }

    fn any_frame(&mut self) {
        let bus = BusId(self.script.byte() % 4);
        let kind = self.script.byte();
        let raw = u32::try_from(self.script.word() >> 32).expect("32 bits");
        let known = [180, 512, 513, raw & CanId::MAX_BASE][usize::from(kind >> 6)];
        let id = if kind & 1 == 0 { CanId::base(known) } else { CanId::extended(raw & CanId::MAX_EXTENDED) };
        let id = id.expect("masked");
        let kind = match kind >> 1 & 3 {
            0 | 1 => FrameKind::Data,
            2 => FrameKind::Fd { brs: true, esi: false },
            _ => FrameKind::Error,
        };
        let payload = self.script.some(64);
        if let Some(frame) = Frame::new(id, kind, payload) {
            // Another bus's batch may be older than what was handled last.
            let at = MonoTime::from_millis(self.now.as_millis().saturating_sub(u64::from(self.script.byte())));
            self.input_at(at, Input::Frame(bus, &frame));
        }
    }

    fn sentence(&mut self) {
        let text = self.script.some(80);
        let sum = text.iter().fold(0, |sum, byte| sum ^ byte);
        let line = [b"$", text, format!("*{sum:02X}\r\n").as_bytes()].concat();
        self.input(Input::Gnss(&line));
    }

    fn clock(&mut self) {
        let wall = WallTime::from_unix_micros(i64::from_be_bytes(self.script.word().to_be_bytes()));
        let source = [TimeSource::Rtc, TimeSource::Ntp, TimeSource::Gnss][usize::from(self.script.byte() % 3)];
        let uncertainty = Duration::from_millis(1 << (self.script.byte() % 32));
        self.input(Input::Clock(WallReading { wall, source, uncertainty }));
    }

    fn bus_event(&mut self) {
        let bus = BusId(self.script.byte() % 4);
        let event = match self.script.byte() % 4 {
            0 => BusEvent::Up,
            1 => BusEvent::Down,
            2 => BusEvent::Missing,
            _ => BusEvent::Dropped(u32::try_from(self.script.word() >> 32).expect("32 bits")),
        };
        self.input(Input::Bus(bus, event));
    }

    fn port_event(&mut self) {
        let is_up = self.script.byte() & 1 == 0;
        self.input(Input::GnssPort(if is_up { PortEvent::Up } else { PortEvent::Down("unplugged".to_owned()) }));
    }

    // --- the broker -------------------------------------------------------------------------------------------------

    fn link(&mut self, event: LinkEvent) {
        if matches!(event, LinkEvent::Up { .. } | LinkEvent::Down(_)) {
            self.in_flight.clear();
        }
        self.input(Input::Link(event));
    }

    fn link_down(&mut self) {
        let why = match self.script.byte() % 3 {
            0 => LinkDown::Transport("connection reset".to_owned()),
            1 => LinkDown::Credentials("not authorized".to_owned()),
            _ => LinkDown::Requested,
        };
        self.link(LinkEvent::Down(why));
    }

    fn answer_publication(&mut self, answer: fn(PublishToken) -> LinkEvent) {
        let index = usize::from(self.script.byte());
        if !self.in_flight.is_empty() {
            let token = self.in_flight.remove(index % self.in_flight.len());
            self.link(answer(token));
        }
    }

    fn wrong_token(&mut self) {
        let token = PublishToken(self.last_token.wrapping_sub(u64::from(self.script.byte())).wrapping_add(2));
        self.in_flight.retain(|known| *known != token);
        let is_acked = self.script.byte() & 1 == 0;
        self.link(if is_acked { LinkEvent::Acked(token) } else { LinkEvent::Refused(token) });
    }

    // --- the store --------------------------------------------------------------------------------------------------

    fn store(&mut self, event: StoreEvent) {
        if matches!(event, StoreEvent::Opened(_) | StoreEvent::Unavailable(_)) {
            self.has_heard_of_store = true;
            // The store answers what is under way before it says that it is gone.
            while let Some((ticket, _)) = self.requests.pop() {
                self.input(Input::Store(StoreEvent::Failed(ticket, "the store is gone".to_owned())));
                if self.is_stopped {
                    return;
                }
                assert!(self.requests.len() < MAX_REQUESTS, "a failed request is repeated at once");
                if self.script.byte() == 0 {
                    break;
                }
            }
            self.requests.clear();
        }
        self.input(Input::Store(event));
    }

    fn opened(&mut self) {
        let mut inventory = StoreInventory::default();
        let held = self.script.byte();
        for lane in Lane::ALL {
            if held >> (lane as u8) & 1 == 1 {
                let position = self.script.word();
                let count = u64::from(self.script.byte()) + 1;
                let first = StoreKey { lane, position };
                let last = StoreKey { lane, position: position.saturating_add(count) };
                inventory.lanes.push(LaneInventory { lane, first, last, count, bytes: self.script.word() >> 40 });
            }
        }
        inventory.values.clone_from(&self.saved);
        if held & 0x80 != 0
            && let Some((_, value)) = inventory.values.last_mut()
        {
            *value = self.script.some(40).to_vec();
        }
        inventory.incident = match held >> 5 & 3 {
            0 | 1 => None,
            2 => Some(StoreIncident::Quarantined("it was damaged".to_owned())),
            _ => Some(StoreIncident::LostContents("a card was changed".to_owned())),
        };
        self.store(StoreEvent::Opened(inventory));
    }

    fn answer_request(&mut self, is_well: bool) {
        let index = usize::from(self.script.byte());
        if !self.requests.is_empty() {
            let request = self.requests.remove(index % self.requests.len());
            self.answer(request, is_well);
        }
    }

    fn answer(&mut self, (ticket, request): (StoreTicket, StoreRequest), is_well: bool) {
        let event = match request {
            _ if !is_well => StoreEvent::Failed(ticket, "no space left on device".to_owned()),
            StoreRequest::Commit { records, values } => {
                if !records.is_empty() {
                    self.appended = records;
                }
                if !values.is_empty() {
                    self.saved = values;
                }
                StoreEvent::Done(ticket)
            }
            StoreRequest::Remove(_) => StoreEvent::Done(ticket),
            StoreRequest::Load { from, limit } => StoreEvent::Loaded(ticket, self.page(from, limit)),
        };
        self.store(event);
    }

    /// What was appended, and what was not.
    fn page(&mut self, from: StoreKey, limit: usize) -> Vec<(StoreKey, Vec<u8>)> {
        let how = self.script.byte();
        let mut page: Vec<_> = self.appended.iter().filter(|(key, _)| key.lane == from.lane).cloned().collect();
        page.retain(|(key, _)| how & 1 == 0 || key.position >= from.position);
        if how & 2 != 0 {
            let position = from.position.saturating_add(u64::from(self.script.byte()));
            page.push((StoreKey { lane: from.lane, position }, self.script.some(64).to_vec()));
        }
        if how & 4 == 0 {
            page.sort_unstable();
        }
        page.truncate(if how & 8 == 0 { limit } else { usize::from(how >> 4) });
        page
    }

    fn wrong_ticket(&mut self) {
        let last = self.tickets.last().map_or(0, |ticket| ticket.0);
        let ticket = StoreTicket(last.wrapping_sub(u64::from(self.script.byte())).wrapping_add(2));
        self.requests.retain(|(known, _)| *known != ticket);
        let event = match self.script.byte() % 3 {
            0 => StoreEvent::Done(ticket),
            1 => StoreEvent::Failed(ticket, "input/output error".to_owned()),
            _ => {
                let position = self.script.word();
                let from = StoreKey { lane: Lane::Event, position };
                StoreEvent::Loaded(ticket, self.page(from, usize::MAX))
            }
        };
        self.store(event);
    }

    // --- time -------------------------------------------------------------------------------------------------------

    fn wait(&mut self) {
        self.now = self.now + Duration::from_millis(1 << (self.script.byte() % 24));
        self.input(Input::Timeout);
    }

    /// Nothing happens but what the gateway asked for.
    fn idle(&mut self) {
        let begin = self.now;
        for _ in 0..IDLE_TIMEOUTS {
            let Some(due) = self.gateway.poll_timeout().filter(|_| !self.is_stopped) else { return };
            self.now = self.now.max(due);
            self.input(Input::Timeout);
        }
        assert!(self.now.since(begin) >= IDLE_TIME, "{IDLE_TIMEOUTS} timeouts in {:?}", self.now.since(begin));
    }

    /// Broker and store do all that they were asked.
    fn answer_all(&mut self) {
        for _ in 0..MAX_EFFECTS {
            if !self.requests.is_empty() {
                let request = self.requests.remove(0);
                self.answer(request, true);
            } else if !self.in_flight.is_empty() {
                let token = self.in_flight.remove(0);
                self.link(LinkEvent::Acked(token));
            } else {
                return;
            }
        }
    }

    // --- the gateway ------------------------------------------------------------------------------------------------

    fn input(&mut self, input: Input<'_>) {
        self.input_at(self.now, input);
    }

    fn input_at(&mut self, at: MonoTime, input: Input<'_>) {
        if self.is_stopped {
            return;
        }
        self.gateway.handle(at, input);
        let mut effects = 0;
        while let Some(effect) = self.gateway.poll_effect() {
            effects += 1;
            assert!(effects <= MAX_EFFECTS, "one input caused more than {MAX_EFFECTS} effects");
            self.note(effect);
        }
        if !self.is_stopped {
            let due = self.gateway.poll_timeout();
            // Only who is online and has nothing left to send, store or hear of waits for nothing; and who has not heard
            // of the store, which is opened within a deadline of its own, waits for that.
            let is_idle = self.in_flight.is_empty() && self.requests.is_empty();
            let has_sent_all = self.gateway.outbox().lanes.iter().all(|lane| lane.in_memory == 0 && lane.stored == 0);
            let may_rest = self.gateway.is_online() && is_idle && (has_sent_all || !self.has_heard_of_store);
            assert!(
                due.map_or(may_rest, |due| due > self.now),
                "the timer is not armed, or for the past: {due:?} at {:?}, online: {}, {} in flight, {:?}, {:?}",
                self.now,
                self.gateway.is_online(),
                self.in_flight.len(),
                self.requests,
                self.gateway.outbox().lanes
            );
        }
        self.check_bounds();
    }

    fn note(&mut self, effect: Effect) {
        assert!(!self.is_stopped, "{effect:?} after the stop");
        match effect {
            Effect::Store(ticket, request) => {
                assert!(self.tickets.insert(ticket), "a ticket is used again");
                self.requests.push((ticket, request));
            }
            Effect::Publish(publication) => {
                assert!(publication.token.0 > self.last_token, "a token is used again");
                self.last_token = publication.token.0;
                assert!(publication.topic.starts_with("telltale/v1/fuzz/"), "{}", publication.topic);
                assert!(publication.payload.len() <= 64 << 10, "{} bytes", publication.payload.len());
                let event = serde_json::from_slice::<serde_json::Value>(&publication.payload);
                assert!(event.is_ok_and(|event| event.is_object()), "{:?}", publication.payload);
                self.in_flight.push(publication.token);
            }
            Effect::BlackBox(_) | Effect::Disconnect { .. } | Effect::Connect => {}
            Effect::Stopped => self.is_stopped = true,
        }
    }

    fn check_bounds(&self) {
        assert!(self.in_flight.len() <= WINDOW, "{} publications without PUBACK", self.in_flight.len());
        assert!(self.requests.len() <= MAX_REQUESTS, "{} store requests without an answer", self.requests.len());
        for (lane, stat) in Lane::ALL.into_iter().zip(self.gateway.outbox().lanes) {
            let most = LIMITS.volatile_records + LIMITS.front_records + 2 * WINDOW;
            assert!(stat.in_memory <= most as u64, "{} in memory: {}", lane.name(), stat.in_memory);
        }
    }
}
