//! The texts of candump (can-utils): read in all its forms, written in the form of `-L`.
//!
//! | form | example |
//! |---|---|
//! | `-L`, `-l` | `(1533224127.000013) can0 2C1#0014DF14BBCA3A91`, FD `123##1AABB`, remote `123#R8` |
//! | screen | `(1533224127.000013)  can0  2C1   [8]  00 14 DF 14 BB CA 3A 91`, remote `[8]  remote request` |
//!
//! Time stamp (`-t a`, `-t d`, `-t z`) and interface may be missing. What candump adds behind the data (`R`, `T`,
//! ASCII, `ERRORFRAME`) and before the identifier (`RX - -`, from `-x`) is passed over. Identifiers have three hex
//! digits, or eight for the extended format; with bit 29 set (`2000…`), the frame is an error frame.
//!
//! Input is bytes, lines are bounded by [`MAX_LINE_BYTES`], and a bad line is an error of its own: the next one is
//! read as if nothing had been.

use std::fmt;

use crate::time::WallTime;

use super::frame::{CanId, Frame, FrameKind, MAX_PAYLOAD};

/// Longer lines are refused. The longest that candump writes, an FD frame on the screen with its ASCII form, has
/// about 340.
pub const MAX_LINE_BYTES: usize = 512;
/// `IFNAMSIZ` without the final zero, linux/if.h.
const MAX_INTERFACE_BYTES: usize = 15;
/// `CAN_ERR_FLAG`, linux/can.h.
const ERROR_FLAG: u32 = 0x2000_0000;
/// `CANFD_BRS` and `CANFD_ESI`, linux/can.h.
const FD_BRS: u8 = 0x01;
const FD_ESI: u8 = 0x02;

/// One frame of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// When it was received; with `-t d` and `-t z`, counted from something else than the epoch.
    pub time: Option<WallTime>,
    /// Where.
    pub interface: Option<&'a str>,
    /// What.
    pub frame: Frame,
}

/// Why a line is no frame. Who made the log must act; the reader goes on with the next line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It was passed over up to its end.
    #[error("longer than {MAX_LINE_BYTES} bytes: not a candump log?")]
    TooLong,
    /// Between parentheses stands no time.
    #[error("the time stamp is not (seconds.microseconds): record with -L, -l or -t a")]
    Time,
    /// Before the identifier stands no interface name.
    #[error("the interface name is not 1 to 15 printable characters: correct it")]
    Interface,
    /// There is no identifier, or not of a known form.
    #[error("the identifier is not 3 or 8 hex digits: write 11-bit ones with 3, 29-bit ones with 8")]
    Identifier,
    /// The payload is not made of hex digits in pairs, or the line ends early.
    #[error("the data is not hex digits in pairs: correct the line")]
    Data,
    /// More data than the frame can hold, or another length than stated.
    #[error("the data does not have the length that the frame can have or states: correct the line")]
    Length,
}

/// Reads one line without its line break; none when it is blank or a `#` remark.
pub fn parse(line: &[u8]) -> Result<Option<Line<'_>>, LineError> {
    if line.len() > MAX_LINE_BYTES {
        return Err(LineError::TooLong);
    }
    let rest = line.trim_ascii();
    if rest.is_empty() || rest.starts_with(b"#") {
        return Ok(None);
    }
    let (time, rest) = time(rest)?;
    let (first, behind) = word(rest);
    let (interface, first, behind) = if is_compact(first) || is_length(word(behind).0) {
        (None, first, behind)
    } else {
        let (second, behind) = word(skip_direction(behind));
        (Some(interface(first)?), second, behind)
    };
    let frame = if is_compact(first) { compact(first) } else { screen(first, behind) }?;
    Ok(Some(Line { time, interface, frame }))
}

/// The form of `-L`, without a line break.
impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(time) = self.time {
            write!(f, "({}) ", Seconds(time))?;
        }
        if let Some(interface) = self.interface {
            write!(f, "{interface} ")?;
        }
        let frame = &self.frame;
        match frame.kind() {
            FrameKind::Error => write!(f, "{:08X}#", frame.id().raw() | ERROR_FLAG)?,
            FrameKind::Data => write!(f, "{}#", frame.id())?,
            FrameKind::Remote if frame.is_empty() => write!(f, "{}#R", frame.id())?,
            FrameKind::Remote => write!(f, "{}#R{}", frame.id(), frame.len())?,
            FrameKind::Fd { brs, esi } => {
                let flags = if brs { FD_BRS } else { 0 } | if esi { FD_ESI } else { 0 };
                write!(f, "{}##{flags:X}", frame.id())?;
            }
        }
        frame.payload().iter().try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

/// A time as candump prints it: seconds with six decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub WallTime);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_unix_micros();
        let sign = if micros < 0 { "-" } else { "" };
        let micros = micros.unsigned_abs();
        write!(f, "{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

/// Cuts a stream of bytes into lines, bounded in memory.
#[derive(Debug, Default)]
pub struct Lines {
    /// The begin of a line whose end has not come yet.
    partial: Vec<u8>,
    overlong: bool,
    number: u64,
}

impl Lines {
    /// Takes bytes, cut anywhere, and calls `visit` with the number, counted from 1, and content of each line that
    /// they complete.
    pub fn feed(&mut self, mut bytes: &[u8], mut visit: impl FnMut(u64, Result<&[u8], LineError>)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            bytes = rest.get(1..).unwrap_or_default();
            self.number += 1;
            if self.partial.is_empty() && !self.overlong {
                visit(self.number, if line.len() > MAX_LINE_BYTES { Err(LineError::TooLong) } else { Ok(line) });
            } else {
                self.keep(line);
                self.complete(&mut visit);
            }
        }
        self.keep(bytes);
    }

    /// The stream ended: `visit` is called with a last line that has no line break.
    pub fn finish(&mut self, mut visit: impl FnMut(u64, Result<&[u8], LineError>)) {
        if !self.partial.is_empty() || self.overlong {
            self.number += 1;
            self.complete(&mut visit);
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.overlong || self.partial.len() + bytes.len() > MAX_LINE_BYTES {
            self.overlong = true;
            self.partial.clear();
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn complete(&mut self, visit: &mut impl FnMut(u64, Result<&[u8], LineError>)) {
        visit(self.number, if self.overlong { Err(LineError::TooLong) } else { Ok(&self.partial) });
        self.partial.clear();
        self.overlong = false;
    }
}

/// The first word, and what follows it without leading blanks.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len());
    let (first, rest) = text.split_at(end);
    (first, rest.trim_ascii_start())
}

fn is_compact(word: &[u8]) -> bool {
    word.contains(&b'#')
}

fn is_length(word: &[u8]) -> bool {
    word.first() == Some(&b'[')
}

/// `-x` prints `RX - -` or `TX B E` before the identifier.
fn skip_direction(text: &[u8]) -> &[u8] {
    match word(text) {
        (b"RX" | b"TX", rest) => word(word(rest).1).1,
        _ => text,
    }
}

/// `(seconds.fraction)`; digits beyond microseconds are dropped.
fn time(text: &[u8]) -> Result<(Option<WallTime>, &[u8]), LineError> {
    let Some(inside) = text.strip_prefix(b"(") else { return Ok((None, text)) };
    let end = inside.iter().position(|byte| *byte == b')').ok_or(LineError::Time)?;
    let (stamp, rest) = inside.split_at(end);
    let stamp = stamp.trim_ascii();
    let point = stamp.iter().position(|byte| *byte == b'.').ok_or(LineError::Time)?;
    let (seconds, fraction) = (&stamp[..point], &stamp[point + 1..]);
    if fraction.is_empty() || fraction.len() > 9 || seconds.is_empty() {
        return Err(LineError::Time);
    }
    let fraction_digits = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(6);
    let micros = seconds.iter().copied().chain(fraction_digits).try_fold(0_i64, |sum, digit| {
        let digit = i64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
        sum.checked_mul(10)?.checked_add(digit)
    });
    if !fraction.iter().all(u8::is_ascii_digit) {
        return Err(LineError::Time);
    }
    let micros = micros.ok_or(LineError::Time)?;
    Ok((Some(WallTime::from_unix_micros(micros)), rest[1..].trim_ascii_start()))
}

fn interface(word: &[u8]) -> Result<&str, LineError> {
    let printable = !word.is_empty() && word.len() <= MAX_INTERFACE_BYTES && word.iter().all(u8::is_ascii_graphic);
    let name = if printable { std::str::from_utf8(word).ok() } else { None };
    name.ok_or(LineError::Interface)
}

/// The identifier, and whether it is that of an error frame.
fn identifier(digits: &[u8]) -> Result<(CanId, bool), LineError> {
    let value = digits.iter().try_fold(0_u32, |sum, digit| Some(sum.checked_mul(16)? + u32::from(hex(*digit)?)));
    let value = value.ok_or(LineError::Identifier)?;
    let id = match digits.len() {
        3 => CanId::base(value),
        8 if value & ERROR_FLAG != 0 => return error_class(value).ok_or(LineError::Identifier),
        8 => CanId::extended(value),
        _ => None,
    };
    id.map(|id| (id, false)).ok_or(LineError::Identifier)
}

fn error_class(value: u32) -> Option<(CanId, bool)> {
    CanId::extended(value & !ERROR_FLAG).map(|id| (id, true))
}

/// `id#data`, `id##<flags>data`, `id#R<length>`.
fn compact(text: &[u8]) -> Result<Frame, LineError> {
    let at = text.iter().position(|byte| *byte == b'#').ok_or(LineError::Data)?;
    let (id, is_error) = identifier(&text[..at])?;
    match &text[at + 1..] {
        [b'#', flags, data @ ..] => {
            let flags = hex(*flags).ok_or(LineError::Data)?;
            let kind = FrameKind::Fd { brs: flags & FD_BRS != 0, esi: flags & FD_ESI != 0 };
            frame(id, kind, is_error, data)
        }
        [b'R' | b'r', length @ ..] => {
            let length = match raw_dlc_cut(length) {
                [] => 0,
                [digit @ b'0'..=b'8'] => digit - b'0',
                _ => return Err(LineError::Length),
            };
            Frame::remote(id, length).filter(|_| !is_error).ok_or(LineError::Length)
        }
        data => frame(id, FrameKind::Data, is_error, raw_dlc_cut(data)),
    }
}

/// Classic frames of eight bytes may state a raw length code above 8 behind the data: `…77_9`.
fn raw_dlc_cut(data: &[u8]) -> &[u8] {
    match data {
        [before @ .., b'_', dlc] if hex(*dlc).is_some_and(|dlc| dlc > 8) => before,
        _ => data,
    }
}

fn frame(id: CanId, kind: FrameKind, is_error: bool, data: &[u8]) -> Result<Frame, LineError> {
    let kind = match (kind, is_error) {
        (kind, false) => kind,
        (FrameKind::Data, true) => FrameKind::Error,
        (_, true) => return Err(LineError::Identifier),
    };
    let mut payload = [0; MAX_PAYLOAD];
    let mut len = 0;
    let mut rest = data;
    while let [high, low, behind @ ..] = rest {
        let byte = hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low).ok_or(LineError::Data)?;
        *payload.get_mut(len).ok_or(LineError::Length)? = byte;
        len += 1;
        // Dots may part the bytes.
        rest = behind.strip_prefix(b".").unwrap_or(behind);
    }
    if !rest.is_empty() {
        return Err(LineError::Data);
    }
    Frame::new(id, kind, payload.get(..len).unwrap_or_default()).ok_or(LineError::Length)
}

/// `id   [length]  bytes…`; two digits of length mean FD.
fn screen(id: &[u8], behind: &[u8]) -> Result<Frame, LineError> {
    let (id, is_error) = identifier(id)?;
    let (length, mut rest) = word(behind);
    let digits = length.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]")).ok_or(LineError::Data)?;
    let (kind, stated) = match digits {
        [one @ b'0'..=b'8'] => (FrameKind::Data, one - b'0'),
        [ten @ b'0'..=b'9', one @ b'0'..=b'9'] => {
            (FrameKind::Fd { brs: false, esi: false }, (ten - b'0') * 10 + (one - b'0'))
        }
        _ => return Err(LineError::Length),
    };
    if rest.starts_with(b"remote") {
        return Frame::remote(id, stated).filter(|_| !is_error).ok_or(LineError::Length);
    }
    let mut data = [0; 2 * MAX_PAYLOAD];
    for index in 0..usize::from(stated) {
        let (byte, behind) = word(rest);
        let place = data.get_mut(2 * index..2 * index + 2).ok_or(LineError::Length)?;
        if byte.len() != 2 {
            return Err(LineError::Data);
        }
        place.copy_from_slice(byte);
        rest = behind;
    }
    frame(id, kind, is_error, data.get(..2 * usize::from(stated)).unwrap_or_default())
}

const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
