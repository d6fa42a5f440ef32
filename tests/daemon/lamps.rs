//! A cluster of two thousand lamps, each of which is lit, flashes and goes out in its turn: twenty events a second for
//! as long as one likes, and a count of what was shown.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use socketcan::{CanFdFrame, CanFdSocket, EmbeddedFrame as _, Socket as _, StandardId};
use telltale::services::telltales::{FLICKER_RAISES, FLICKER_WINDOW, RAISE_HOLD};
use tokio::time::Instant;

/// CAN FD messages, and the lamps of each: two bits in 64 bytes.
const MESSAGES: u16 = 8;
const LAMPS_EACH: u16 = 256;
const LAMPS: u16 = MESSAGES * LAMPS_EACH;
const FIRST_ID: u16 = 0x100;

/// How often each message is sent.
const PERIOD: Duration = Duration::from_millis(200);

/// So long a lamp is steady, and then flashes: longer than `RAISE_HOLD`.
const LIT: Duration = Duration::from_millis(1_500);

/// How far apart turns begin.
const TURN_EVERY: Duration = Duration::from_millis(150);

/// `telltale.raised`, `telltale.changed`, `telltale.cleared`.
pub(crate) const EVENTS_OF_A_TURN: u64 = 3;

fn name(lamp: u16) -> String {
    format!("Lamp{lamp}")
}

pub(crate) fn dbc() -> String {
    let mut text = "VERSION \"\"\nBU_: X\n".to_owned();
    for message in 0..MESSAGES {
        writeln!(text, "BO_ {} Cluster{message}: 64 X", FIRST_ID + message).expect("a string grows");
        for index in 0..LAMPS_EACH {
            let lamp = name(message * LAMPS_EACH + index);
            writeln!(text, " SG_ {lamp} : {}|2@1+ (1,0) [0|3] \"\" X", 2 * index).expect("a string grows");
        }
    }
    text
}

pub(crate) fn profile() -> String {
    let mut text =
        "schema = 1\nname = \"lamps\"\nversion = \"1\"\ndescription = \"for tests\"\n[[bus]]\nname = \"pt\"\n\
                    dbc = [\"car.dbc\"]\nfd = true\n"
            .to_owned();
    for lamp in 0..LAMPS {
        let (message, lamp) = (lamp / LAMPS_EACH, name(lamp));
        writeln!(
            text,
            "[[overlay]]\npath = \"Vehicle.Telltale.{lamp}\"\ndatatype = \"string\"\nallowed = [\"OFF\", \"ON\", \
             \"FLASHING\"]\ndescription = \"{lamp}\"\n[[signal]]\npath = \"Vehicle.Telltale.{lamp}\"\n\
             from = \"pt.Cluster{message}.{lamp}\"\nmap = {{ 0 = \"OFF\", 1 = \"ON\", 2 = \"FLASHING\" }}"
        )
        .expect("a string grows");
    }
    text
}

/// The cluster, sending what it shows until it is dropped.
pub(crate) struct Lamps {
    /// Those that have begun.
    turns: Arc<AtomicU64>,
    /// No turn begins any more, and all are over.
    is_dark: Arc<AtomicBool>,
    no_more: Arc<AtomicBool>,
    is_over: Arc<AtomicBool>,
    sender: Option<JoinHandle<()>>,
}

impl Lamps {
    pub(crate) fn start(interface: &str) -> Self {
        let round = TURN_EVERY * u32::from(LAMPS);
        let raises = u32::try_from(FLICKER_RAISES).expect("small");
        assert!(LIT > RAISE_HOLD && round * (raises - 1) > FLICKER_WINDOW, "each turn makes all its events");
        let socket = CanFdSocket::open(interface).expect("the interface is there");
        let turns = Arc::new(AtomicU64::new(0));
        let [is_dark, no_more, is_over] = [0; 3].map(|_| Arc::new(AtomicBool::new(false)));
        let (begun, dark) = (Arc::clone(&turns), Arc::clone(&is_dark));
        let (stop, over) = (Arc::clone(&no_more), Arc::clone(&is_over));
        let sender = thread::spawn(move || {
            let mut show = Show { payloads: [[0; 64]; MESSAGES as usize], lit: Vec::new(), begun: 0 };
            let mut next = Instant::now();
            while !over.load(Ordering::Relaxed) {
                let is_last = stop.load(Ordering::Relaxed);
                while Instant::now() >= next && !is_last {
                    next += TURN_EVERY;
                    show.begin_turn();
                }
                show.go_on();
                show.send(&socket);
                begun.store(show.begun, Ordering::Relaxed);
                dark.store(is_last && show.lit.is_empty(), Ordering::Release);
                sleep(PERIOD);
            }
        });
        Self { turns, is_dark, no_more, is_over, sender: Some(sender) }
    }

    /// Turns that have begun.
    pub(crate) fn turns(&self) -> u64 {
        self.turns.load(Ordering::Relaxed)
    }

    /// Lets the turns that have begun come to their ends, and gives how often each lamp had one.
    pub(crate) fn finish(&self) -> Vec<(String, u64)> {
        self.no_more.store(true, Ordering::Relaxed);
        while !self.is_dark.load(Ordering::Acquire) {
            sleep(PERIOD);
        }
        let (rounds, rest) = (self.turns() / u64::from(LAMPS), self.turns() % u64::from(LAMPS));
        let of = |lamp: u16| rounds + u64::from(u64::from(lamp) < rest);
        (0..LAMPS).map(|lamp| (name(lamp), of(lamp))).filter(|(_, turns)| *turns > 0).collect()
    }
}

impl Drop for Lamps {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(sender) = self.sender.take() {
            // A sender that panicked has said so itself.
            let _ = sender.join();
        }
    }
}

/// What the cluster shows.
struct Show {
    payloads: [[u8; 64]; MESSAGES as usize],
    lit: Vec<Lit>,
    begun: u64,
}

struct Lit {
    lamp: u16,
    flashes: bool,
    /// Since when that has been on the bus: what is shown for too short a time makes no event.
    since: Option<Instant>,
}

impl Show {
    fn begin_turn(&mut self) {
        let lamp = u16::try_from(self.begun % u64::from(LAMPS)).expect("a lamp");
        self.begun += 1;
        self.set(lamp, 1);
        self.lit.push(Lit { lamp, flashes: false, since: None });
    }

    /// Steady lamps begin to flash, flashing ones go out.
    fn go_on(&mut self) {
        for mut lit in std::mem::take(&mut self.lit) {
            if lit.since.is_some_and(|since| since.elapsed() >= LIT) {
                self.set(lit.lamp, if lit.flashes { 0 } else { 2 });
                if lit.flashes {
                    continue;
                }
                lit = Lit { flashes: true, since: None, ..lit };
            }
            self.lit.push(lit);
        }
    }

    fn set(&mut self, lamp: u16, value: u8) {
        let (message, index) = (usize::from(lamp / LAMPS_EACH), usize::from(lamp % LAMPS_EACH));
        let byte = &mut self.payloads[message][index / 4];
        *byte = *byte & !(3 << (2 * (index % 4))) | value << (2 * (index % 4));
    }

    fn send(&mut self, socket: &CanFdSocket) {
        for (id, payload) in (FIRST_ID..).zip(&self.payloads) {
            let frame = CanFdFrame::new(StandardId::new(id).expect("11 bits"), payload).expect("64 bytes");
            socket.write_frame_insist(&frame).expect("the interface is up");
        }
        for lit in &mut self.lit {
            lit.since.get_or_insert_with(Instant::now);
        }
    }
}
