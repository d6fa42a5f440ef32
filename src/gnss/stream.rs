//! Bytes cut anywhere in, whole messages out.
//!
//! A receiver's port carries NMEA 0183 sentences, UBX frames and RTCM 3 frames, in any mix, with noise between them.
//! Every message is framed by its own kind and proven by its own checksum; what cannot be proven is skipped one byte
//! at a time, so that a false start inside good data loses nothing that is good. All that is skipped is counted by
//! its cause in [`StreamCounters`].
//!
//! * NMEA: `$`, printable ASCII, `*`, two hexadecimal digits (IEC 61162-1, 7.2). The line end behind them is not waited
//!   for: the checksum already ends the sentence. A line without checksum is refused.
//! * UBX: `B5 62`, class, id, little-endian length, payload, 8-bit Fletcher sum (u-blox M8 protocol specification, 32.4).
//! * RTCM 3: `D3`, six zero bits, ten bits of length, payload, CRC-24Q (RTCM 10403.3, 4.1). Recognised in order to be
//!   skipped whole: a correction stream is no position.
//!
//! One buffer of [`BUFFER_LIMIT`] bytes holds the unfinished message. A message that does not finish within
//! [`PARTIAL_LIMIT`] is given up, so that a false start cannot hold back what follows it.

use std::time::Duration;

use crc::{CRC_24_LTE_A, Crc};

use crate::time::MonoTime;

/// The longest NMEA sentence, from `$` to the checksum. The standard says 82; real receivers with high precision and
/// many fields go to about 110.
pub const NMEA_LIMIT: usize = 128;

/// The longest UBX payload that is taken as a frame: NAV-SAT with 128 satellites has 1,544 bytes, RXM-RAWX with 60
/// measurements 1,936. A longer one is passed over byte by byte.
pub const UBX_PAYLOAD_LIMIT: usize = 2_048;

/// Everything that an unfinished message can need, and never grows: the longest UBX frame.
pub const BUFFER_LIMIT: usize = UBX_PAYLOAD_LIMIT + UBX_OVERHEAD;

/// An unfinished message that is older than this is no message. The longest RTCM frame takes 0.9 s at 11,520 bytes/s,
/// the longest UBX frame 2.1 s at 9,600 baud; the others far less.
pub const PARTIAL_LIMIT: Duration = Duration::from_millis(2_500);

const UBX_SYNC: [u8; 2] = [0xB5, 0x62];
/// Sync, class, id and length in front, checksum behind.
const UBX_OVERHEAD: usize = 8;
const RTCM_PREAMBLE: u8 = 0xD3;
/// Preamble and length in front, CRC behind.
const RTCM_OVERHEAD: usize = 6;
/// CRC-24Q under its name in the catalogue of parametrised CRC algorithms.
const CRC_24Q: Crc<u32> = Crc::<u32>::new(&CRC_24_LTE_A);

/// A message whose checksum is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// What stands between `$` and `*`: printable ASCII.
    Nmea(&'a [u8]),
    /// A whole frame, from the sync bytes to the checksum.
    Ubx(&'a [u8]),
}

/// What was read and what was thrown away, by cause.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StreamCounters {
    /// Bytes that were fed.
    pub bytes: u64,
    /// Sentences with a right checksum.
    pub nmea: u64,
    /// UBX frames with a right checksum.
    pub ubx: u64,
    /// RTCM 3 frames with a right checksum.
    pub rtcm: u64,
    /// Sentences with a wrong checksum.
    pub nmea_checksum: u64,
    /// Lines that ended without a checksum.
    pub nmea_unchecked: u64,
    /// Sentences longer than [`NMEA_LIMIT`].
    pub nmea_overlong: u64,
    /// Sentences cut short by another start or by bytes that no sentence can hold.
    pub nmea_truncated: u64,
    /// UBX frames with a wrong checksum.
    pub ubx_checksum: u64,
    /// UBX frames that claim more than [`UBX_PAYLOAD_LIMIT`].
    pub ubx_overlong: u64,
    /// RTCM 3 frames with a wrong CRC.
    pub rtcm_checksum: u64,
    /// Messages that did not finish within [`PARTIAL_LIMIT`].
    pub expired: u64,
    /// Bytes outside any message, line ends not counted.
    pub garbage_bytes: u64,
}

/// Cuts the byte stream into messages.
#[derive(Debug)]
pub(super) struct Stream {
    buffer: Vec<u8>,
    /// Where the next message begins in `buffer`; what lies before it is done with.
    start: usize,
    /// From which index on the bytes of `buffer` came when, ascending in both; at most one for each byte.
    arrivals: Vec<(usize, MonoTime)>,
    counters: StreamCounters,
}

/// What the bytes at the start of the buffer are.
enum Found {
    /// A message of this many bytes.
    Whole(Kind, usize),
    /// Not decidable yet.
    Partial,
    /// This many bytes are no message.
    Bad(Cause, usize),
}

enum Kind {
    Nmea,
    Ubx,
    Rtcm,
}

enum Cause {
    Garbage,
    LineEnd,
    NmeaChecksum,
    NmeaUnchecked,
    NmeaOverlong,
    NmeaTruncated,
    UbxChecksum,
    UbxOverlong,
    RtcmChecksum,
}

impl Stream {
    pub(super) fn new() -> Self {
        Self {
            buffer: Vec::with_capacity(BUFFER_LIMIT),
            start: 0,
            arrivals: Vec::new(),
            counters: StreamCounters::default(),
        }
    }

    pub(super) fn counters(&self) -> &StreamCounters {
        &self.counters
    }

    /// Takes as many bytes as there is room for and returns how many. At least one, when [`Self::next`] was called
    /// until it had nothing more: an unfinished message is always shorter than the buffer.
    pub(super) fn push(&mut self, now: MonoTime, bytes: &[u8]) -> usize {
        self.drop_done();
        if self.arrivals.last().is_none_or(|&(_, last)| last != now) {
            self.arrivals.push((self.buffer.len(), now));
        }
        let taken = bytes.len().min(BUFFER_LIMIT - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..taken]);
        self.counters.bytes += taken as u64;
        taken
    }

    /// The next message, and when its first byte came.
    pub(super) fn next(&mut self) -> Option<(MonoTime, Message<'_>)> {
        loop {
            let rest = &self.buffer[self.start.min(self.buffer.len())..];
            let (kind, length) = match classify(rest) {
                Found::Partial => return None,
                Found::Bad(cause, length) => {
                    self.count(&cause, length);
                    self.start += length;
                    continue;
                }
                Found::Whole(kind, length) => (kind, length),
            };
            let at = self.arrival();
            let from = self.start;
            self.start += length;
            match kind {
                Kind::Rtcm => self.counters.rtcm += 1,
                Kind::Nmea => {
                    self.counters.nmea += 1;
                    return Some((at, Message::Nmea(&self.buffer[from + 1..from + length - NMEA_CHECKSUM])));
                }
                Kind::Ubx => {
                    self.counters.ubx += 1;
                    return Some((at, Message::Ubx(&self.buffer[from..from + length])));
                }
            }
        }
    }

    /// When the unfinished message will be given up; none when there is none.
    pub(super) fn deadline(&self) -> Option<MonoTime> {
        (self.start < self.buffer.len()).then(|| self.arrival() + PARTIAL_LIMIT)
    }

    /// Gives up the unfinished message if its time is over, and says whether it was. Call [`Self::next`] then, and
    /// this again: what follows it may be whole, or as old.
    pub(super) fn expire(&mut self, now: MonoTime) -> bool {
        let expired = self.deadline().is_some_and(|deadline| now >= deadline);
        if expired {
            self.counters.expired += 1;
            self.start += 1;
        }
        expired
    }

    /// Forgets the unfinished message: the port was closed.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.arrivals.clear();
        self.start = 0;
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// When the byte at `start` came.
    fn arrival(&self) -> MonoTime {
        let after = self.arrivals.partition_point(|&(index, _)| index <= self.start);
        after.checked_sub(1).and_then(|last| self.arrivals.get(last)).map_or(MonoTime::ZERO, |&(_, at)| at)
    }

    fn drop_done(&mut self) {
        let done = self.start.min(self.buffer.len());
        self.buffer.drain(..done);
        self.start = 0;
        if self.buffer.is_empty() {
            self.arrivals.clear();
            return;
        }
        let gone = self.arrivals.partition_point(|&(index, _)| index <= done).saturating_sub(1);
        self.arrivals.drain(..gone);
        for (index, _) in &mut self.arrivals {
            *index = index.saturating_sub(done);
        }
    }

    fn count(&mut self, cause: &Cause, length: usize) {
        let counters = &mut self.counters;
        match cause {
            Cause::LineEnd => {}
            Cause::Garbage => counters.garbage_bytes += length as u64,
            Cause::NmeaChecksum => counters.nmea_checksum += 1,
            Cause::NmeaUnchecked => counters.nmea_unchecked += 1,
            Cause::NmeaOverlong => counters.nmea_overlong += 1,
            Cause::NmeaTruncated => counters.nmea_truncated += 1,
            Cause::UbxChecksum => counters.ubx_checksum += 1,
            Cause::UbxOverlong => counters.ubx_overlong += 1,
            Cause::RtcmChecksum => counters.rtcm_checksum += 1,
        }
    }
}

fn classify(bytes: &[u8]) -> Found {
    match bytes.first() {
        None => Found::Partial,
        Some(b'$') => nmea(bytes),
        Some(&first) if first == UBX_SYNC[0] => ubx(bytes),
        Some(&RTCM_PREAMBLE) => rtcm(bytes),
        Some(b'\r' | b'\n') => Found::Bad(Cause::LineEnd, 1),
        Some(_) => {
            let garbage = bytes.iter().take_while(|&&byte| !starts_something(byte)).count();
            Found::Bad(Cause::Garbage, garbage)
        }
    }
}

fn starts_something(byte: u8) -> bool {
    matches!(byte, b'$' | b'\r' | b'\n' | RTCM_PREAMBLE) || byte == UBX_SYNC[0]
}

/// `*` and two digits.
const NMEA_CHECKSUM: usize = 3;

fn nmea(bytes: &[u8]) -> Found {
    let mut sum = 0_u8;
    for (index, &byte) in bytes.iter().enumerate().skip(1) {
        if index + NMEA_CHECKSUM > NMEA_LIMIT {
            return Found::Bad(Cause::NmeaOverlong, index);
        }
        match byte {
            b'*' => return nmea_checked(&bytes[index + 1..], index, sum),
            b'\r' | b'\n' => return Found::Bad(Cause::NmeaUnchecked, index),
            b'$' => return Found::Bad(Cause::NmeaTruncated, index),
            b' '..=b'~' => sum ^= byte,
            _ => return Found::Bad(Cause::NmeaTruncated, index),
        }
    }
    Found::Partial
}

/// `star` is where the `*` stands, `digits` what follows it.
fn nmea_checked(digits: &[u8], star: usize, sum: u8) -> Found {
    let Some(high) = digits.first() else { return Found::Partial };
    let Some(high) = hex_digit(*high) else { return Found::Bad(Cause::NmeaUnchecked, star + 1) };
    let Some(low) = digits.get(1) else { return Found::Partial };
    let Some(low) = hex_digit(*low) else { return Found::Bad(Cause::NmeaUnchecked, star + 1) };
    if high << 4 | low == sum {
        Found::Whole(Kind::Nmea, star + NMEA_CHECKSUM)
    } else {
        Found::Bad(Cause::NmeaChecksum, star + NMEA_CHECKSUM)
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}

fn ubx(bytes: &[u8]) -> Found {
    match bytes.get(1) {
        None => return Found::Partial,
        Some(&second) if second == UBX_SYNC[1] => {}
        Some(_) => return Found::Bad(Cause::Garbage, 1),
    }
    let Some(&[low, high]) = bytes.get(4..6) else { return Found::Partial };
    let payload = usize::from(u16::from_le_bytes([low, high]));
    if payload > UBX_PAYLOAD_LIMIT {
        return Found::Bad(Cause::UbxOverlong, UBX_SYNC.len());
    }
    let Some(frame) = bytes.get(..payload + UBX_OVERHEAD) else { return Found::Partial };
    let (summed, sum) = frame.split_at(frame.len() - 2);
    let (a, b) = summed[UBX_SYNC.len()..].iter().fold((0_u8, 0_u8), |(a, b), &byte| {
        let a = a.wrapping_add(byte);
        (a, b.wrapping_add(a))
    });
    if sum == [a, b] { Found::Whole(Kind::Ubx, frame.len()) } else { Found::Bad(Cause::UbxChecksum, UBX_SYNC.len()) }
}

fn rtcm(bytes: &[u8]) -> Found {
    match bytes.get(1) {
        None => return Found::Partial,
        Some(high) if high & 0xFC != 0 => return Found::Bad(Cause::Garbage, 1),
        Some(_) => {}
    }
    let Some(&[high, low]) = bytes.get(1..3) else { return Found::Partial };
    let payload = usize::from(u16::from_be_bytes([high, low]));
    let Some(frame) = bytes.get(..payload + RTCM_OVERHEAD) else { return Found::Partial };
    let (summed, sum) = frame.split_at(frame.len() - 3);
    if sum == &CRC_24Q.checksum(summed).to_be_bytes()[1..] {
        Found::Whole(Kind::Rtcm, frame.len())
    } else {
        Found::Bad(Cause::RtcmChecksum, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLL: &[u8] = b"$GPGLL,3751.65,S,14507.36,E*77";

    fn messages(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, StreamCounters) {
        let mut stream = Stream::new();
        let mut found = Vec::new();
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                let taken = stream.push(MonoTime::ZERO, rest);
                assert!(taken > 0, "the buffer is stuck");
                rest = &rest[taken..];
                while let Some((_, Message::Nmea(body) | Message::Ubx(body))) = stream.next() {
                    found.push(body.to_vec());
                }
            }
        }
        (found, *stream.counters())
    }

    fn ubx_frame(payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x01, 0x07];
        frame.extend_from_slice(&u16::try_from(payload.len()).expect("short").to_le_bytes());
        frame.extend_from_slice(payload);
        let (a, b) = frame.iter().fold((0_u8, 0_u8), |(a, b), &byte| {
            let a = a.wrapping_add(byte);
            (a, b.wrapping_add(a))
        });
        [&UBX_SYNC[..], &frame, &[a, b]].concat()
    }

    #[test]
    fn a_sentence_is_whole_at_its_checksum() {
        let (found, counters) = messages(&[GLL]);
        assert_eq!(found, [b"GPGLL,3751.65,S,14507.36,E".to_vec()]);
        assert_eq!((counters.nmea, counters.garbage_bytes), (1, 0));
    }

    #[test]
    fn each_way_to_be_wrong_has_its_counter_and_costs_no_neighbour() {
        let wrong = [GLL, b"\r\n$GPGLL,3751.65,S,14507.36,E*78\r\n$GPGLL,1,2\r\n$GPGL\xFFL$GPRMC,", GLL].concat();
        let long = [b"$".as_slice(), &[b'A'; 200], b"\r\n", GLL].concat();
        let (found, counters) = messages(&[&wrong, &long]);
        assert_eq!(found.len(), 3);
        assert_eq!(counters.nmea_checksum, 1);
        assert_eq!(counters.nmea_unchecked, 1);
        assert_eq!(counters.nmea_truncated, 2, "one by a byte that is not ASCII, one by the next start");
        assert_eq!(counters.nmea_overlong, 1);
        assert_eq!(counters.garbage_bytes, 2 + 200 - 125, "0xFF, L, and the tail of the overlong line");
    }

    #[test]
    fn a_false_start_swallows_nothing() {
        let overlong = [0xB5, 0x62, 1, 7, 0xFF, 0xFF];
        let false_ubx = [0xB5, 0x62, 1, 7, 40, 0];
        let false_rtcm = [0xD3, 0x00, 40];
        let stream = [&overlong[..], GLL, &false_ubx, GLL, GLL, &false_rtcm, GLL, GLL].concat();
        let (found, counters) = messages(&[&stream]);
        assert_eq!(found.len(), 5);
        assert_eq!((counters.ubx_overlong, counters.ubx_checksum, counters.rtcm_checksum), (1, 1, 1));
    }

    #[test]
    fn frames_and_sentences_interleave() {
        let rtcm = {
            let body = [0xD3, 0x00, 0x04, b'$', b'G', 0xB5, 0x62];
            let crc = CRC_24Q.checksum(&body).to_be_bytes();
            [&body[..], &crc[1..]].concat()
        };
        let frame = ubx_frame(b"$GPGLL inside a payload");
        let (found, counters) = messages(&[&[&frame[..], GLL, &rtcm, &frame, b"\r\n"].concat()]);
        assert_eq!(found.len(), 3);
        assert_eq!((counters.ubx, counters.nmea, counters.rtcm, counters.garbage_bytes), (2, 1, 1, 0));
    }

    #[test]
    fn the_longest_frame_fits_and_the_cut_does_not_matter() {
        let stream = [ubx_frame(&[0xB5; UBX_PAYLOAD_LIMIT]), GLL.to_vec()].concat();
        let bytes: Vec<&[u8]> = stream.chunks(1).collect();
        let (whole, counted) = messages(&[&stream]);
        let (cut, counted_cut) = messages(&bytes);
        assert_eq!(whole, cut);
        assert_eq!(counted, counted_cut);
        assert_eq!(whole.len(), 2);
    }

    #[test]
    fn an_unfinished_frame_is_given_up_in_time() {
        let mut stream = Stream::new();
        stream.push(MonoTime::ZERO, &[&[0xB5, 0x62, 1, 7, 0, 4][..], GLL].concat());
        assert_eq!(stream.next(), None);
        let deadline = stream.deadline().expect("something is unfinished");
        assert!(stream.expire(deadline));
        assert!(matches!(stream.next(), Some((_, Message::Nmea(_)))));
        assert_eq!(stream.counters().expired, 1);
        assert_eq!(stream.deadline(), None);
    }

    #[test]
    fn a_message_carries_the_time_of_its_first_byte() {
        let mut stream = Stream::new();
        let (first, second) = GLL.split_at(9);
        let times = [MonoTime::from_millis(1_000), MonoTime::from_millis(1_020)];
        stream.push(times[0], first);
        assert!(stream.next().is_none());
        stream.push(times[1], &[second, GLL].concat());
        assert_eq!(stream.next().map(|(at, _)| at), Some(times[0]));
        assert_eq!(stream.next().map(|(at, _)| at), Some(times[1]));
    }
}
