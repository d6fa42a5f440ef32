//! The decoder against cantools, on every database of the recordings with 20,000 random frames each: the same signals
//! are there, raw values are identical, physical ones equal within 1e-9 relative.
//!
//! Where the two differ, and why cantools' reading is not ours:
//!
//! - It refuses identifiers of the form `0x40000000 | mux << 16 | id` (`toyota_2017_ref_pt.dbc`): not a form of Vector's
//!   editor. `oracle.py` shows them to it as 29-bit ones.
//! - It refuses a file with `NS_` but neither `BS_` nor `BU_` (`kona_pcan.dbc`): its grammar wants one of them.
//! - With `strict`, it refuses a whole file for one overlap (`hyundai_canfd_generated`, `toyota_new_mc_pt_generated`,
//!   `toyota_nodsu_pt_generated`, `vw_mqb`) or one signal outside of its message (`Model3CAN`). It is asked without.
//! - It renames signals to their attribute `SystemSignalLongSymbol` (`Model3CAN`). We keep the name that the `SG_`
//!   statement gives, which is the one that value tables and people refer to; `oracle.py` takes the attribute out.
//! - It cannot unpack messages with overlapping signals ("unpacking failed": it lays signals out one behind the other).
//!   We decode each by itself. The same goes for short frames of messages with signals that lie outside (`Model3CAN`).
//! - It refuses a whole frame whose multiplexor has a value that chooses nothing. We decode what is not multiplexed;
//!   the test makes sure that such a frame is really one.

#![expect(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use telltale::can::dbc::{Dbc, Problem};
use telltale::can::e2e::{Checksum, Protection, State};
use telltale::can::plan::{Plan, Raw, Sample};
use telltale::can::{CanId, Frame, candump};

#[path = "common/data.rs"]
mod data;

const FRAMES: u32 = 20_000;
const SEED: u32 = 20_261_121;
const RELATIVE: f64 = 1e-9;

#[test]
fn decodes_as_cantools_does() {
    let Some(folder) = data::data("dbc") else { return };
    let Some(python) = python_with_cantools() else { return };
    println!("seed {SEED}");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("the folder can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "dbc"))
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{files:?}");
    std::thread::scope(|scope| {
        for path in &files {
            let python = &python;
            scope.spawn(move || compare(path, python));
        }
    });
}

/// The interpreter of a virtual environment of this test's own; a loud skip where it cannot be made.
fn python_with_cantools() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cantools");
    let python = folder.join("bin/python");
    let works = |command: &mut Command| command.status().is_ok_and(|status| status.success());
    if !works(Command::new(&python).args(["-c", "import cantools"]).stderr(Stdio::null())) {
        let made = works(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            && works(Command::new(&python).args(["-m", "pip", "install", "--quiet", "cantools==45.1.*"]));
        if !made {
            assert!(std::env::var_os("CI").is_none(), "cantools cannot be installed, and CI is set");
            eprintln!("SKIPPED: cantools cannot be installed; apt install python3-venv, and let pip reach PyPI");
            return None;
        }
    }
    Some(python)
}

fn compare(path: &Path, python: &Path) {
    let name = path.file_name().expect("a file").to_string_lossy();
    let dbc = Dbc::parse(&std::fs::read(path).expect("the database can be read"))
        .unwrap_or_else(|findings| panic!("{name} is refused:\n{findings}"));
    let plan = Plan::compile(&[&dbc], |_, _| true).expect("the database compiles");
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cantools/oracle.py");
    let mut child = Command::new(python)
        .arg(oracle)
        .arg(path)
        .args([FRAMES.to_string(), SEED.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .expect("python starts");
    let output = BufReader::new(child.stdout.take().expect("the output is piped"));
    let warnings = dbc
        .warnings
        .iter()
        .filter(|warning| matches!(warning.problem, Problem::Overlap(_) | Problem::OutsideMessage { .. }));
    let irregular = warnings.map(|warning| warning.message.clone()).collect();
    let (ours, tally) = (BTreeMap::new(), Tally::default());
    let mut checker = Checker { name: &name, plan, irregular, frame: None, ours, tally };
    for line in output.lines() {
        let line = line.expect("the output is text");
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["F", id, payload] => checker.begin(id, payload),
            ["S", signal, raw, physical] => checker.signal(signal, raw, physical),
            ["R", _] => checker.refused(),
            _ => panic!("{name}: {line}"),
        }
    }
    checker.end();
    assert!(child.wait().expect("python ends").success(), "{name}: the oracle failed");
    let tally = checker.tally;
    println!("{name}: {} frames, {} values, {} refused by cantools", tally.frames, tally.values, tally.refused);
    assert_eq!(tally.frames, FRAMES);
    assert!(tally.values > FRAMES, "{name}: {} values are too few", tally.values);
    assert!(tally.refused < FRAMES / 10, "{name}: cantools refuses {} frames", tally.refused);
}

#[derive(Default)]
struct Tally {
    frames: u32,
    values: u32,
    refused: u32,
}

struct Checker<'a> {
    name: &'a str,
    plan: Plan,
    /// Messages with signals that overlap or lie outside.
    irregular: BTreeSet<String>,
    frame: Option<Frame>,
    /// What we see in the frame and cantools has not named yet.
    ours: BTreeMap<String, Sample>,
    tally: Tally,
}

impl Checker<'_> {
    fn begin(&mut self, id: &str, payload: &str) {
        self.end();
        // The two differ only in how they write frames of more than eight bytes.
        let separator = if payload.len() > 16 { "##0" } else { "#" };
        let text = format!("{id}{separator}{payload}");
        let line = candump::parse(text.as_bytes()).expect("a frame").expect("a frame");
        let (plan, ours) = (&self.plan, &mut self.ours);
        let known = plan.decode(&line.frame, |signal, outcome| {
            if let Ok(sample) = outcome {
                ours.insert(plan.signal_def(signal).1.name.clone(), sample);
            }
        });
        assert!(known.is_some(), "{}: {text} is not known", self.name);
        self.frame = Some(line.frame);
        self.tally.frames += 1;
    }

    fn signal(&mut self, signal: &str, raw: &str, physical: &str) {
        let frame = self.frame;
        let ours = self.ours.remove(signal);
        let ours = ours.unwrap_or_else(|| panic!("{}: {frame:?}: {signal} is missing", self.name));
        let same_raw = match ours.raw {
            Raw::Unsigned(ours) => raw.parse() == Ok(ours),
            Raw::Signed(ours) => raw.parse() == Ok(ours),
            Raw::Float(ours) => raw.parse().is_ok_and(|theirs: f64| same(f64::from(ours), theirs, 0.0)),
            Raw::Double(ours) => raw.parse().is_ok_and(|theirs: f64| same(ours, theirs, 0.0)),
        };
        assert!(same_raw, "{}: {frame:?}: {signal}: {:?} is {raw}", self.name, ours.raw);
        let physical: f64 = physical.parse().expect("a number");
        let same_physical = same(ours.physical, physical, RELATIVE);
        assert!(same_physical, "{}: {frame:?}: {signal}: {} is {physical}", self.name, ours.physical);
        self.tally.values += 1;
    }

    /// cantools refused the frame: signals must overlap or lie outside of the message, or some multiplexor choose nothing.
    fn refused(&mut self) {
        let frame = self.frame.expect("a frame was begun");
        let message = self.plan.message(&frame).map(|message| self.plan.message_def(message)).expect("a known frame");
        let irregular = self.irregular.contains(&message.name);
        let chooses_nothing = message.signals.iter().enumerate().any(|(index, signal)| {
            let Some(Raw::Unsigned(value)) = self.ours.get(&signal.name).map(|sample| sample.raw) else { return false };
            let children = message.signals.iter().filter_map(|child| child.mux.as_ref());
            let mut ranges = children.filter(|mux| mux.multiplexor == index).flat_map(|mux| &mux.ranges).peekable();
            ranges.peek().is_some() && !ranges.any(|(low, high)| (*low..=*high).contains(&value))
        });
        assert!(irregular || chooses_nothing, "{}: cantools refuses {frame:?} for no reason that we know", self.name);
        self.ours.clear();
        self.tally.refused += 1;
    }

    fn end(&mut self) {
        assert!(self.ours.is_empty(), "{}: {:?}: cantools does not see {:?}", self.name, self.frame, self.ours);
    }
}

fn same(ours: f64, theirs: f64, relative: f64) -> bool {
    let scale = ours.abs().max(theirs.abs());
    ours.is_nan() && theirs.is_nan() || ours.to_bits() == theirs.to_bits() || (ours - theirs).abs() <= relative * scale
}

/// Toyota's checksum holds in every frame of 17 identifiers of the real drive, among them all that the database gives
/// a signal `CHECKSUM`.
#[test]
fn toyota_checksums_hold_on_the_real_drive() {
    let (Some(log), Some(dbc)) = (data::data("can/rav4_2016.log"), data::data("dbc/toyota_new_mc_pt_generated.dbc"))
    else {
        return;
    };
    let dbc = Dbc::parse(&std::fs::read(dbc).expect("the database can be read")).expect("the database is right");
    let mut frames: BTreeMap<CanId, (u32, u32)> = BTreeMap::new();
    for line in std::fs::read(log).expect("the log can be read").split(|byte| *byte == b'\n') {
        let Some(line) = candump::parse(line).expect("a candump log") else { continue };
        let size = u8::try_from(line.frame.len()).expect("at most 64");
        let protection = Protection::new(size, Some(Checksum::Toyota), None).expect("no frame is empty");
        let (all, right) = frames.entry(line.frame.id()).or_default();
        *all += 1;
        *right += u32::from(protection.check(&mut State::default(), &line.frame).is_ok());
    }
    let named = dbc.messages.iter().filter(|message| message.signal("CHECKSUM").is_some());
    let named: Vec<_> = named.filter_map(|message| frames.get(&message.id)).collect();
    assert!(named.len() >= 6 && named.iter().all(|(all, right)| all == right), "{named:?}");
    // A sum that is right by chance is so in one frame of 256.
    let always_right = frames.values().filter(|(all, right)| all == right && *all >= 5).count();
    assert!(always_right >= 17, "{always_right}: {frames:?}");
}
