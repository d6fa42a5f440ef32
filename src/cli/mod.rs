//! One file per subcommand. The names and flags are promises: scripts of others call them.

mod blackbox;
mod check;
mod classify;
pub mod decode;
#[cfg(feature = "demo")]
mod demo;
#[cfg(feature = "demo")]
mod evaluate_crash;
mod exit;
pub mod logging;
mod msd;
mod outbox;
mod output;
pub mod replay;
mod run;
mod version;
mod watch;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[cfg(feature = "demo")]
use crate::sim::Scenario;

pub use exit::{Code, Failure};
use logging::Filter;

/// Vehicle-side gateway: CAN and GNSS in, MQTT out, nothing lost.
///
/// Machine-readable output is JSON lines on standard output; logs go to standard error. Exit codes follow sysexits(3).
#[derive(Debug, Parser)]
#[command(name = "telltaled", version, arg_required_else_help = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The daemon.
    Run {
        /// Deployment file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// The whole system on this machine with nothing set up: simulated car, embedded broker, everything visible.
    #[cfg(feature = "demo")]
    Demo {
        /// Ends by itself after so many seconds, with a summary.
        #[arg(long, value_name = "S")]
        duration: Option<u64>,
        /// Sends the frames of the first bus over this CAN interface and reads them from it; repeat it for the others.
        #[arg(long, value_name = "INTERFACE")]
        can: Vec<String>,
        /// What happens: tour, commute, coverage-gap, lamp, refuel, crash, pileup or night-charge.
        #[arg(long, value_name = "NAME", default_value = "tour", value_parser = scenario)]
        scenario: Scenario,
        /// How the car does it: the same seed drives the same way.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Checks a deployment file with its profile and DBC files, and prints what will be decoded and published.
    Check {
        /// Deployment file.
        file: PathBuf,
    },
    /// The crash classifier over an acceleration series: verdict, severity, direction, time to verdict as one JSON line.
    Classify {
        /// Samples a second.
        #[arg(long, value_name = "HZ")]
        rate: f32,
        /// CSV with a header: t_s, ax_mps2, ay_mps2, az_mps2 and roll_dps, pitch_dps, yaw_dps, as far as there are.
        /// Axes are those of ISO 8855 (x forwards, y left, z up).
        file: PathBuf,
        /// Runs the series through the sensors of the vehicle profile in this folder.
        #[arg(long, value_name = "FOLDER")]
        profile: Option<PathBuf>,
        /// Draws the series with the verdict's marks.
        #[arg(long, value_name = "FILE.svg")]
        plot: Option<PathBuf>,
    },
    /// Decodes a candump log: one JSON line per signal value.
    Decode {
        /// DBC file; several make one database.
        #[arg(long, value_name = "FILE", required = true)]
        dbc: Vec<PathBuf>,
        /// candump log; standard input when absent or `-`.
        log: Option<PathBuf>,
    },
    /// Runs the whole gateway over a recording in virtual time: one JSON line per message that would have left the car.
    Replay {
        /// Deployment file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// candump log.
        #[arg(long, value_name = "LOG")]
        can: PathBuf,
        /// NMEA or UBX log, or one with a candump time stamp before each sentence.
        #[arg(long, value_name = "LOG")]
        gnss: Option<PathBuf>,
        /// What the owner says, and when: one JSON object a line, with its time `t` in the CAN log's time.
        #[arg(long, value_name = "FILE")]
        owner: Option<PathBuf>,
    },
    /// Plays the cloud: prints what vehicles publish, readable.
    Watch {
        /// Deployment file whose broker and TLS settings are used.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// One JSON line per message instead of text.
        #[arg(long)]
        json: bool,
    },
    /// Minimum set of data of eCall (EN 15722): JSON to UPER in hex, and back.
    Msd {
        /// Which way.
        #[command(subcommand)]
        which: MsdCommand,
    },
    /// Evaluates the recognition of crashes on generated cases; exit status 1 when a goal is missed.
    #[cfg(feature = "demo")]
    EvaluateCrash(Box<evaluate_crash::EvaluateCrash>),
    /// What is stored and waits to be sent. Reads the store of a daemon that does not run.
    Outbox {
        /// What to know.
        #[command(subcommand)]
        what: OutboxCommand,
    },
    /// What the black box holds: the records of crashes. Reads the file beside a running daemon, and copies of it.
    Blackbox {
        /// What to know.
        #[command(subcommand)]
        what: BlackBoxCommand,
    },
    /// Version, build and what this build contains.
    Version,
}

/// Which way to translate a minimum set of data.
#[derive(Debug, Subcommand)]
pub enum MsdCommand {
    /// JSON to hex: one line per message, as `decode` reads it.
    Encode {
        /// File with messages in the JSON form; standard input when absent or `-`.
        file: Option<PathBuf>,
    },
    /// Hex to JSON: one line per message, as `encode` reads it.
    Decode {
        /// A message in hex; `-` for standard input, one message a line.
        hex: String,
    },
}

/// What to know of the store.
#[derive(Debug, Subcommand)]
pub enum OutboxCommand {
    /// Records and bytes per lane, as one JSON line.
    Stat {
        /// Deployment file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Every record as one JSON line, in the order of sending.
    Dump {
        /// Deployment file.
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Which black box.
#[derive(Debug, Args)]
pub struct BlackBoxFile {
    /// The file, or a copy of it.
    #[arg(required_unless_present = "config", conflicts_with = "config")]
    pub file: Option<PathBuf>,
    /// Deployment file, whose store has the black box beside it.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What to know of the black box.
#[derive(Debug, Subcommand)]
pub enum BlackBoxCommand {
    /// The records, oldest first, and what is damaged.
    List {
        /// Which black box.
        #[command(flatten)]
        file: BlackBoxFile,
        /// One JSON line per record, and one of the whole.
        #[arg(long)]
        json: bool,
    },
    /// One record: sensors, verdicts, and the tables of 49 CFR 563.
    Show {
        /// Which black box.
        #[command(flatten)]
        file: BlackBoxFile,
        /// The record's number; the newest one when absent.
        #[arg(long, value_name = "NUMBER")]
        record: Option<u32>,
        /// One JSON line.
        #[arg(long)]
        json: bool,
    },
    /// One record as CSV (samples, values, tables) and as a picture of the pulse (SVG).
    Export {
        /// Which black box.
        #[command(flatten)]
        file: BlackBoxFile,
        /// The record's number; the newest one when absent.
        #[arg(long, value_name = "NUMBER")]
        record: Option<u32>,
        /// The folder for the files; made when it is not there.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
}

impl Command {
    /// Whether it runs under systemd rather than in a terminal.
    #[must_use]
    pub const fn is_daemon(&self) -> bool {
        matches!(self, Self::Run { .. })
    }

    /// Does it.
    pub fn execute(self, filter: &Filter) -> Result<(), Failure> {
        match self {
            Self::Run { config } => run::run(&config, filter),
            #[cfg(feature = "demo")]
            Self::Demo { duration, can, scenario, seed } => demo::demo(duration, &can, scenario, seed),
            Self::Check { file } => check::check(&file),
            Self::Classify { rate, file, profile, plot } => {
                classify::classify(rate, &file, profile.as_deref(), plot.as_deref())
            }
            Self::Decode { dbc, log } => decode::decode(&dbc, log.as_deref()),
            Self::Replay { config, can, gnss, owner } => {
                replay::replay(&config, &can, gnss.as_deref(), owner.as_deref())
            }
            Self::Watch { config, json } => watch::watch(&config, json),
            Self::Msd { which } => msd::msd(&which),
            #[cfg(feature = "demo")]
            Self::EvaluateCrash(arguments) => evaluate_crash::evaluate_crash(&arguments),
            Self::Outbox { what } => outbox::outbox(&what),
            Self::Blackbox { what } => blackbox::blackbox(what),
            Self::Version => version::version(),
        }
    }
}

#[cfg(feature = "demo")]
fn scenario(name: &str) -> Result<Scenario, String> {
    let found = Scenario::ALL.into_iter().find(|scenario| scenario.name() == name);
    found.ok_or_else(|| format!("one of {}", Scenario::ALL.map(Scenario::name).join(", ")))
}
