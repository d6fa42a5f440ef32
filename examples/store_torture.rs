//! A workload on the store that says what it was promised, and a check that compares it with what is there.
//!
//! ```text
//! store_torture run DIR SEED [BATCHES]   appends, saves and removes until killed, or for so many batches
//! store_torture verify DIR LOG           opens the store and compares it with the output of all runs so far
//! ```
//!
//! `run` prints `opened MS`, and after each answer of the store `committed FIRST LAST` (positions) and `saved N`;
//! before it asks for a removal it prints `removing FIRST LAST`. So what the lines say of a killed run is what a
//! user of the store may rely on. `verify` prints one line with its findings; its exit status is 1 when something
//! is missing, damaged or out of order, or when the store had to be quarantined.
//!
//! Used by the campaigns in `hil/scenarios`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use telltale::delivery::{Lane, StoreKey};
use telltale::gateway::{StoreEvent, StoreInventory, StoreRequest, StoreTicket};
use telltale::io::store::{OPEN_DEADLINE, Store, claim_boot};

/// Records kept before the older half is removed.
const KEEP: u64 = 300;
/// Records of earlier runs that are left when a run begins; more are removed.
const KEEP_OLD: u64 = 2000;
const LANES: [Lane; 3] = [Lane::Critical, Lane::Event, Lane::Telemetry];
const VALUE: &str = "progress";
const ANSWER_WAIT: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["run", dir, seed] => run(Path::new(dir), seed.parse().unwrap_or(1), u64::MAX),
        ["run", dir, seed, batches] => {
            run(Path::new(dir), seed.parse().unwrap_or(1), batches.parse().unwrap_or(u64::MAX))
        }
        ["verify", dir, log] => verify(Path::new(dir), Path::new(log)),
        _ => Err("usage: store_torture run DIR SEED [BATCHES] | verify DIR LOG".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            say(&format!("FAILED {text}"));
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &Path, seed: u64, batches: u64) -> Result<(), String> {
    let mut session = Session::open(dir)?;
    say(&format!("opened {}", session.open_ms));
    if session.inventory.lanes.iter().map(|lane| lane.count).sum::<u64>() > KEEP_OLD {
        session.remove_all_before(session.position(0))?;
    }
    let mut random = Random(seed);
    let mut next: u64 = 1;
    let mut oldest: u64 = 1;
    for _ in 0..batches {
        let count = 1 + random.below(40);
        let positions: Vec<u64> = (next..next + count).map(|seq| session.position(seq)).collect();
        next += count;
        session.done(StoreRequest::Commit {
            records: positions.iter().map(|&at| (key(at), content(at))).collect(),
            values: Vec::new(),
        })?;
        say(&format!("committed {} {}", positions[0], positions[positions.len() - 1]));
        if random.below(4) == 0 {
            let progress = session.position(next);
            session.done(StoreRequest::Commit {
                records: Vec::new(),
                values: vec![(VALUE.into(), progress.to_string().into_bytes())],
            })?;
            say(&format!("saved {progress}"));
        }
        if next - oldest > KEEP {
            let until = oldest + KEEP / 2;
            say(&format!("removing {} {}", session.position(oldest), session.position(until - 1)));
            let keys = (oldest..until).map(|seq| key(session.position(seq))).collect();
            session.done(StoreRequest::Remove(keys))?;
            oldest = until;
        }
    }
    if session.store.close(ANSWER_WAIT) { Ok(()) } else { Err("the store did not close".into()) }
}

fn verify(dir: &Path, log: &Path) -> Result<(), String> {
    let promised = Promised::read(&std::fs::read_to_string(log).map_err(|error| error.to_string())?);
    let mut session = Session::open(dir)?;
    let mut found = BTreeSet::new();
    let mut damaged = 0;
    for lane in LANES {
        let mut from = StoreKey { lane, position: 0 };
        loop {
            let records = session.load(from)?;
            let Some((last, _)) = records.last() else { break };
            damaged += records.iter().filter(|(at, bytes)| *bytes != content(at.position)).count();
            damaged += records.windows(2).filter(|pair| pair[0].0 >= pair[1].0).count();
            from.position = last.position + 1;
            found.extend(records.iter().map(|(at, _)| at.position));
        }
    }
    let lost = promised.kept.iter().filter(|position| !found.contains(position)).count();
    let progress = session.inventory.values.iter().find(|(name, _)| name == VALUE);
    let progress: u64 = progress.and_then(|(_, value)| String::from_utf8_lossy(value).parse().ok()).unwrap_or_default();
    let value_lost = progress < promised.saved;
    let incident = session.inventory.incident.take();
    let mut line = format!("verified committed={} found={} lost={lost}", promised.committed, found.len());
    let _ =
        write!(line, " damaged={damaged} value_lost={value_lost} open_ms={} incident={incident:?}", session.open_ms);
    say(&line);
    let closed = session.store.close(ANSWER_WAIT);
    let good = lost == 0 && damaged == 0 && !value_lost && incident.is_none() && closed;
    if good { Ok(()) } else { Err("the store does not hold what it promised".into()) }
}

/// What the lines of all runs say.
#[derive(Default)]
struct Promised {
    committed: u64,
    kept: BTreeSet<u64>,
    saved: u64,
}

impl Promised {
    fn read(log: &str) -> Self {
        let mut promised = Self::default();
        for line in log.lines() {
            // A console may put a carriage return at the end, and a kill may cut the last line.
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |word: &str| word.parse::<u64>().ok();
            match words.as_slice() {
                ["committed", first, last, "."] => {
                    if let (Some(first), Some(last)) = (number(first), number(last)) {
                        promised.committed += last - first + 1;
                        promised.kept.extend(first..=last);
                    }
                }
                ["removing", first, last, "."] => {
                    if let (Some(first), Some(last)) = (number(first), number(last)) {
                        promised.kept.retain(|position| !(first..=last).contains(position));
                    }
                }
                ["saved", value, "."] => promised.saved = number(value).unwrap_or(0).max(promised.saved),
                _ => {}
            }
        }
        promised
    }
}

struct Session {
    store: Store,
    events: Receiver<StoreEvent>,
    boot: u64,
    tickets: u64,
    inventory: StoreInventory,
    open_ms: u128,
}

impl Session {
    #[expect(clippy::disallowed_methods, reason = "measures the opening, decides nothing by it")]
    fn open(dir: &Path) -> Result<Self, String> {
        let start = Instant::now();
        let claim = claim_boot(dir).map_err(|error| error.to_string())?;
        let boot = u64::from(claim.boot_counter());
        let (send, events) = channel();
        let store = Store::start(claim, OPEN_DEADLINE, move |event| drop(send.send(event)));
        let store = store.map_err(|error| error.to_string())?;
        match events.recv_timeout(ANSWER_WAIT) {
            Ok(StoreEvent::Opened(inventory)) => {
                let open_ms = start.elapsed().as_millis();
                Ok(Self { store, events, boot, tickets: 0, inventory, open_ms })
            }
            other => Err(format!("the store did not open: {other:?}")),
        }
    }

    fn position(&self, seq: u64) -> u64 {
        self.boot << 32 | seq
    }

    fn answer(&mut self, request: StoreRequest) -> Result<StoreEvent, String> {
        self.tickets += 1;
        self.store.submit(StoreTicket(self.tickets), request).map_err(|event| format!("{event:?}"))?;
        self.events.recv_timeout(ANSWER_WAIT).map_err(|error| error.to_string())
    }

    fn done(&mut self, request: StoreRequest) -> Result<(), String> {
        match self.answer(request)? {
            StoreEvent::Done(StoreTicket(ticket)) if ticket == self.tickets => Ok(()),
            other => Err(format!("{other:?}")),
        }
    }

    fn remove_all_before(&mut self, end: u64) -> Result<(), String> {
        say(&format!("removing 0 {}", end - 1));
        for lane in LANES {
            loop {
                let records = self.load(StoreKey { lane, position: 0 })?;
                let keys: Vec<StoreKey> =
                    records.into_iter().map(|(at, _)| at).filter(|at| at.position < end).collect();
                if keys.is_empty() {
                    break;
                }
                self.done(StoreRequest::Remove(keys))?;
            }
        }
        Ok(())
    }

    fn load(&mut self, from: StoreKey) -> Result<Vec<(StoreKey, Vec<u8>)>, String> {
        match self.answer(StoreRequest::Load { from, limit: 64 })? {
            StoreEvent::Loaded(_, records) => Ok(records),
            other => Err(format!("{other:?}")),
        }
    }
}

fn key(position: u64) -> StoreKey {
    let lane = LANES[usize::try_from(position % 3).unwrap_or_default()];
    StoreKey { lane, position }
}

/// Mostly some hundred bytes, now and then some ten thousand.
fn content(position: u64) -> Vec<u8> {
    let mut random = Random(position | 1);
    let length = if random.below(50) == 0 { 20_000 + random.below(20_000) } else { 100 + random.below(700) };
    (0..length).map(|_| u8::try_from(random.below(256)).unwrap_or_default()).collect()
}

/// xorshift64* (Vigna 2016).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = if self.0 == 0 { 0x9E37_79B9_7F4A_7C15 } else { self.0 };
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

/// One line in one write, ended by a full stop so that a line that was cut is not taken for a whole one.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(format!("{text} .\n").as_bytes());
    let _ = std::io::stdout().flush();
}
