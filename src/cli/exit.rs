//! Exit codes, as sysexits(3) names them, so that systemd and scripts can tell a typo from a broken disk.

use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;

use crate::runtime;

/// Why a subcommand failed: the code for scripts, the text for people.
#[derive(Debug)]
pub struct Failure {
    code: Code,
    text: String,
}

/// The codes that `telltaled` uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// A measurement fell short of its goal; everything worked.
    Missed = 1,
    /// `EX_USAGE`: an argument means nothing.
    Usage = 64,
    /// `EX_DATAERR`: the input data was wrong: a log that is no log.
    Data = 65,
    /// `EX_NOINPUT`: an input file is missing or cannot be read.
    NoInput = 66,
    /// `EX_UNAVAILABLE`: something that is needed does not answer: the broker, an interface.
    Unavailable = 69,
    /// `EX_SOFTWARE`: a defect of this program.
    Software = 70,
    /// `EX_OSERR`: the system refused something ordinary: a thread, a timer.
    System = 71,
    /// `EX_IOERR`: reading or writing failed.
    Io = 74,
    /// `EX_CONFIG`: a deployment file, profile or DBC file is wrong.
    Config = 78,
}

impl From<runtime::Failure> for Failure {
    fn from(failure: runtime::Failure) -> Self {
        let code = match &failure {
            runtime::Failure::Setting(_) => Code::Config,
            runtime::Failure::Store(_) | runtime::Failure::Metrics(_) => Code::Unavailable,
            runtime::Failure::System { .. } => Code::System,
            runtime::Failure::Task(_) => Code::Software,
        };
        Self::new(code, failure)
    }
}

impl Failure {
    /// A failure with that code and that text.
    pub fn new(code: Code, text: impl Display) -> Self {
        Self { code, text: text.to_string() }
    }

    /// Prints the text to standard error and gives the code to the system.
    #[must_use]
    pub fn report(self) -> ExitCode {
        // Where nobody reads the text, the code has to do.
        let _ = writeln!(std::io::stderr(), "telltaled: {}", self.text.trim_end());
        ExitCode::from(self.code as u8)
    }
}
