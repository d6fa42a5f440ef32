//! The GNSS receiver's port: bytes out of a tty, a GNSS device, a FIFO or a recording.
//!
//! What lies behind the path is found out at each opening:
//!
//! | path | how it is read |
//! |---|---|
//! | a tty (`/dev/serial/by-id/…`, `/dev/ttyACM0`, a pty) | raw, at the baud rate, locked for others (`TIOCEXCL`) |
//! | another character device (`/dev/gnss0`), a FIFO | as it comes |
//! | a file | played once, at the pace of the times in it |
//!
//! A port that is not there, or is unplugged (a read of no bytes, or an error), is tried again after [`RETRY_FIRST`],
//! then less and less often, at least each [`RETRY_LAST`]. Use a stable name: after an unplug the kernel may number the
//! device anew.

use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;
use tokio::io::{AsyncReadExt, Interest};
use tokio::time::Instant;
use tokio_serial::SerialStream;

use super::sys;
use crate::gateway::PortEvent;

/// The most that one read gives: a tenth of a second at 115,200 baud, and far below what makes the core's queue of
/// fixes run over.
pub const READ_LIMIT: usize = 1_024;
/// The first wait before a port is opened again.
pub const RETRY_FIRST: Duration = Duration::from_millis(250);
/// The longest wait before a port is opened again: a receiver that comes back is noticed within this.
pub const RETRY_LAST: Duration = Duration::from_secs(2);
/// What a tty behind a plain path is set to: the rate of NMEA 0183 receivers out of the box.
const BAUD_DEFAULT: u32 = 9_600;
/// A gap in a recording is shortened to this.
const PAUSE_LIMIT: Duration = Duration::from_secs(2);
/// The pause after each full buffer of a recording that is no text.
const PAUSE_BINARY: Duration = Duration::from_millis(100);

/// What the port gives.
#[derive(Debug)]
pub enum GnssInput<'a> {
    /// Bytes, cut anywhere.
    Bytes(&'a [u8]),
    /// The way to the receiver changed.
    Event(PortEvent),
}

/// The way to the receiver.
#[derive(Debug)]
pub struct GnssPort {
    path: PathBuf,
    baud: u32,
    state: State,
    retry: Duration,
    /// Why it could not be opened, as told last: told once for each reason.
    told: Option<String>,
    buffer: Box<[u8; READ_LIMIT]>,
}

#[derive(Debug)]
enum State {
    Closed {
        retry_at: Instant,
    },
    Open(Device),
    /// A recording was played to its end.
    Ended,
}

#[derive(Debug)]
enum Device {
    Tty(SerialStream),
    Plain(sys::Watched),
    Recording(Recording),
}

enum Step {
    Read(usize),
    Event(PortEvent),
}

impl GnssPort {
    /// A receiver at this tty or GNSS device.
    #[must_use]
    pub fn serial(path: &Path, baud: u32) -> Self {
        Self {
            path: path.to_owned(),
            baud,
            state: State::Closed { retry_at: Instant::now() },
            retry: RETRY_FIRST,
            told: None,
            buffer: Box::new([0; READ_LIMIT]),
        }
    }

    /// A recording, a FIFO or a pty.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self::serial(path, BAUD_DEFAULT)
    }

    /// What comes next. May be dropped and called again at any time; nothing is lost by it.
    pub async fn next(&mut self) -> GnssInput<'_> {
        loop {
            match self.step().await {
                None => {}
                Some(Step::Event(event)) => return GnssInput::Event(event),
                Some(Step::Read(length)) => return GnssInput::Bytes(&self.buffer[..length]),
            }
        }
    }

    async fn step(&mut self) -> Option<Step> {
        match &mut self.state {
            State::Ended => std::future::pending().await,
            State::Closed { retry_at } => {
                tokio::time::sleep_until(*retry_at).await;
                self.open()
            }
            State::Open(device) => match device.read(&mut self.buffer[..]).await {
                Ok(0) if matches!(device, Device::Recording(_)) => {
                    self.state = State::Ended;
                    Some(Step::Event(PortEvent::Down(format!("{}: the recording is over", self.path.display()))))
                }
                Ok(0) => Some(self.close("unplugged, or its other side was closed")),
                Ok(length) => {
                    self.retry = RETRY_FIRST;
                    Some(Step::Read(length))
                }
                Err(error) => Some(self.close(&error.to_string())),
            },
        }
    }

    fn open(&mut self) -> Option<Step> {
        match Device::open(&self.path, self.baud) {
            Ok(device) => {
                self.state = State::Open(device);
                self.told = None;
                Some(Step::Event(PortEvent::Up))
            }
            Err(error) => {
                self.wait();
                let why = format!("cannot open {}: {error}", self.path.display());
                (self.told.as_ref() != Some(&why)).then(|| {
                    self.told = Some(why.clone());
                    Step::Event(PortEvent::Down(why))
                })
            }
        }
    }

    fn close(&mut self, why: &str) -> Step {
        self.wait();
        Step::Event(PortEvent::Down(format!("{}: {why}", self.path.display())))
    }

    fn wait(&mut self) {
        self.state = State::Closed { retry_at: Instant::now() + self.retry };
        self.retry = (self.retry * 2).min(RETRY_LAST);
    }
}

impl Device {
    fn open(path: &Path, baud: u32) -> io::Result<Self> {
        let kind = std::fs::metadata(path)?.file_type();
        if kind.is_file() {
            return Ok(Self::Recording(Recording::new(File::open(path)?)));
        }
        if !kind.is_char_device() && !kind.is_fifo() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "neither a device, nor a FIFO, nor a file"));
        }
        let flags = libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
        let file = File::options().read(true).custom_flags(flags).open(path)?;
        if !nix::unistd::isatty(&file)? {
            return Ok(Self::Plain(sys::watch(file.into(), Interest::READABLE)?));
        }
        drop(file);
        let builder = tokio_serial::new(path.to_string_lossy(), baud);
        Ok(Self::Tty(SerialStream::open(&builder)?))
    }

    /// Reads at least one byte; none at the end. May be dropped at any time.
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tty(tty) => tty.read(buffer).await,
            Self::Plain(file) => file.async_io(Interest::READABLE, |file| Ok(nix::unistd::read(file, buffer)?)).await,
            Self::Recording(recording) => recording.read(buffer).await,
        }
    }
}

/// A recording in play: its lines are given when their time has come.
#[derive(Debug)]
struct Recording {
    lines: io::BufReader<File>,
    /// Before this, nothing more is given.
    resume_at: Instant,
    /// The time of day of the last line that had one, in milliseconds.
    last_ms: Option<u32>,
}

impl Recording {
    fn new(file: File) -> Self {
        Self { lines: io::BufReader::with_capacity(READ_LIMIT, file), resume_at: Instant::now(), last_ms: None }
    }

    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        tokio::time::sleep_until(self.resume_at).await;
        let waiting = self.lines.fill_buf()?;
        let line = waiting.iter().position(|&byte| byte == b'\n').map_or(waiting.len(), |end| end + 1);
        let length = line.min(buffer.len());
        let pause = match (time_of_day_ms(&waiting[..length]), self.last_ms) {
            (Some(now), Some(last)) if now > last => Duration::from_millis(u64::from(now - last)).min(PAUSE_LIMIT),
            (None, _) if length == READ_LIMIT => PAUSE_BINARY,
            _ => Duration::ZERO,
        };
        self.last_ms = time_of_day_ms(&waiting[..length]).or(self.last_ms);
        if !pause.is_zero() {
            // The line itself waits, not what follows it.
            self.resume_at = Instant::now() + pause;
            tokio::time::sleep_until(self.resume_at).await;
        }
        buffer[..length].copy_from_slice(&self.lines.fill_buf()?[..length]);
        self.lines.consume(length);
        Ok(length)
    }
}

/// The time of day that opens a GGA, GNS, RMC or ZDA sentence.
fn time_of_day_ms(line: &[u8]) -> Option<u32> {
    let mut fields = line.strip_prefix(b"$")?.split(|&byte| byte == b',');
    let name = fields.next()?.get(2..)?;
    if ![b"GGA", b"GNS", b"RMC", b"ZDA"].contains(&name.try_into().ok()?) {
        return None;
    }
    let field = str::from_utf8(fields.next()?).ok()?;
    let part = |range: std::ops::Range<usize>| field.get(range)?.parse::<u32>().ok();
    let hundredths = part(7..9).unwrap_or(0);
    let seconds = part(0..2)?.checked_mul(3_600)? + part(2..4)? * 60 + part(4..6)?;
    Some(seconds * 1_000 + hundredths * 10)
}

#[cfg(test)]
mod tests;
