//! Standard output: JSON lines. A reader that closes its end early, `| head` say, is no failure.

use std::io::{self, ErrorKind, Write};

use serde_json::Value as Json;

use super::exit::{Code, Failure};

/// Writes one JSON line.
pub(super) fn line(json: &Json) -> Result<(), Failure> {
    finish(writeln!(io::stdout().lock(), "{json}"))
}

/// Writes one line for people.
pub(super) fn text(text: &str) -> Result<(), Failure> {
    finish(writeln!(io::stdout().lock(), "{text}"))
}

/// What writing came to.
pub(super) fn finish(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new(Code::Io, format!("writing to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
