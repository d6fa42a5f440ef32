//! A record as bytes in the store.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version of this format, [`VERSION`] |
//! | 4 | CRC-32 (IEEE 802.3) of all that follows |
//! | 13 | boot counter, boot random, sequence (u32 each), lane (u8) |
//! | 16 | kernel boot, monotonic nanoseconds (u64 each) |
//! | 1 | flags: 1 wall time, 2 subject, 4 location, 8 statutory; others must be 0 |
//! | 17 | only with a wall time: microseconds (i64), uncertainty (u64), source (u8) |
//! | 4 + n | topic, kind, [subject], data, [location]: length (u32), UTF-8 |
//!
//! Integers are little-endian. Nothing may follow. JSON would escape the JSON within it and double its size; this form
//! is as large as its texts, and its size is known before it is written ([`encoded_len`]).

use std::str;

use crate::time::{KernelBoot, MonoTime, Stamp, TimeSource, WallStamp, WallTime};

use super::record::{BootId, Lane, Record, RecordId};

/// The version that is written, and the only one that is read.
pub const VERSION: u8 = 1;

const HEADER_BYTES: usize = 1 + 4;
const FIXED_BYTES: usize = HEADER_BYTES + 13 + 16 + 1;
const WALL_BYTES: usize = 17;
const LENGTH_BYTES: usize = 4;

const HAS_WALL: u8 = 1;
const HAS_SUBJECT: u8 = 2;
const HAS_LOCATION: u8 = 4;
const STATUTORY: u8 = 8;
const ALL_FLAGS: u8 = HAS_WALL | HAS_SUBJECT | HAS_LOCATION | STATUTORY;

/// Why stored bytes are no record. The outbox drops such a record, counts it and says so in an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another version of the daemon wrote it. Nobody has to act; it is lost.
    #[error("stored record has format version {0}, this daemon reads {VERSION}")]
    Version(u8),
    /// The bytes changed on the medium. If it happens again, the flash is failing.
    #[error("stored record fails its checksum")]
    Checksum,
    /// The checksum is right, the content is not: a defect of the writer.
    #[error("stored record is malformed at byte {0}")]
    Malformed(usize),
}

/// The size of [`encode`]'s result.
#[must_use]
pub fn encoded_len(record: &Record) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, |text| LENGTH_BYTES + text.len());
    FIXED_BYTES
        + if record.stamp.wall.is_some() { WALL_BYTES } else { 0 }
        + 3 * LENGTH_BYTES
        + record.topic.len()
        + record.kind.len()
        + record.data.len()
        + optional(&record.subject)
        + optional(&record.location)
}

/// The record as bytes.
#[must_use]
pub fn encode(record: &Record) -> Vec<u8> {
    let mut out = Vec::with_capacity(encoded_len(record));
    out.push(VERSION);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&record.id.boot.counter.to_le_bytes());
    out.extend_from_slice(&record.id.boot.random.to_le_bytes());
    out.extend_from_slice(&record.id.seq.to_le_bytes());
    out.push(lane_code(record.id.lane));
    out.extend_from_slice(&record.stamp.boot.0.to_le_bytes());
    out.extend_from_slice(&record.stamp.mono.as_nanos().to_le_bytes());
    out.push(flags(record));
    if let Some(wall) = record.stamp.wall {
        out.extend_from_slice(&wall.wall.as_unix_micros().to_le_bytes());
        out.extend_from_slice(&wall.uncertainty_us.to_le_bytes());
        out.push(source_code(wall.source));
    }
    put_text(&mut out, &record.topic);
    put_text(&mut out, &record.kind);
    if let Some(subject) = &record.subject {
        put_text(&mut out, subject);
    }
    put_text(&mut out, &record.data);
    if let Some(location) = &record.location {
        put_text(&mut out, location);
    }
    let crc = crc32fast::hash(&out[HEADER_BYTES..]);
    out[1..HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    out
}

/// The record that these bytes are.
pub fn decode(bytes: &[u8]) -> Result<Record, DecodeError> {
    let mut reader = Reader { bytes, at: 0 };
    let version = reader.u8()?;
    if version != VERSION {
        return Err(DecodeError::Version(version));
    }
    let crc = reader.u32()?;
    if crc != crc32fast::hash(reader.rest()) {
        return Err(DecodeError::Checksum);
    }
    let record = reader.record()?;
    if !reader.rest().is_empty() {
        return Err(reader.malformed());
    }
    Ok(record)
}

fn flags(record: &Record) -> u8 {
    let mut flags = 0;
    for (set, flag) in [
        (record.stamp.wall.is_some(), HAS_WALL),
        (record.subject.is_some(), HAS_SUBJECT),
        (record.location.is_some(), HAS_LOCATION),
        (record.statutory, STATUTORY),
    ] {
        if set {
            flags |= flag;
        }
    }
    flags
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    // A draft is at most 64 KiB, so the length always fits.
    out.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

const fn lane_code(lane: Lane) -> u8 {
    match lane {
        Lane::Critical => 0,
        Lane::Event => 1,
        Lane::State => 2,
        Lane::Telemetry => 3,
    }
}

const fn source_code(source: TimeSource) -> u8 {
    match source {
        TimeSource::Rtc => 0,
        TimeSource::Ntp => 1,
        TimeSource::Gnss => 2,
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn record(&mut self) -> Result<Record, DecodeError> {
        let boot = BootId { counter: self.u32()?, random: self.u32()? };
        let seq = self.u32()?;
        let lane = self.lane()?;
        let kernel = KernelBoot(self.u64()?);
        let mono = MonoTime::from_nanos(self.u64()?);
        let flags = self.u8()?;
        if flags & !ALL_FLAGS != 0 {
            return Err(self.malformed());
        }
        let wall = if flags & HAS_WALL == 0 { None } else { Some(self.wall()?) };
        let topic = self.text()?;
        let kind = self.text()?;
        let subject = if flags & HAS_SUBJECT == 0 { None } else { Some(self.text()?) };
        let data = self.text()?;
        let location = if flags & HAS_LOCATION == 0 { None } else { Some(self.text()?) };
        Ok(Record {
            id: RecordId { boot, lane, seq },
            topic,
            kind,
            subject,
            stamp: Stamp { boot: kernel, mono, wall },
            data,
            location,
            statutory: flags & STATUTORY != 0,
        })
    }

    fn wall(&mut self) -> Result<WallStamp, DecodeError> {
        let wall = WallTime::from_unix_micros(i64::from_le_bytes(self.array()?));
        let uncertainty_us = self.u64()?;
        let source = match self.u8()? {
            0 => TimeSource::Rtc,
            1 => TimeSource::Ntp,
            2 => TimeSource::Gnss,
            _ => return Err(self.malformed()),
        };
        Ok(WallStamp { wall, source, uncertainty_us })
    }

    fn lane(&mut self) -> Result<Lane, DecodeError> {
        match self.u8()? {
            0 => Ok(Lane::Critical),
            1 => Ok(Lane::Event),
            2 => Ok(Lane::State),
            3 => Ok(Lane::Telemetry),
            _ => Err(self.malformed()),
        }
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let length = usize::try_from(self.u32()?).map_err(|_| self.malformed())?;
        let bytes = self.rest().get(..length).ok_or_else(|| self.malformed())?;
        let text = str::from_utf8(bytes).map_err(|_| self.malformed())?;
        self.at += length;
        Ok(text.to_owned())
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let array = self.rest().first_chunk().copied().ok_or_else(|| self.malformed())?;
        self.at += N;
        Ok(array)
    }

    fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    const fn malformed(&self) -> DecodeError {
        DecodeError::Malformed(self.at)
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "any bits will do")]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn record(rng: &mut Rng) -> Record {
        let text = |rng: &mut Rng| "aé\"\\{}\u{0}🚗".chars().cycle().take(rng.index(40)).collect::<String>();
        let boot = BootId { counter: rng.next_u64() as u32, random: rng.next_u64() as u32 };
        let lane = Lane::ALL[rng.index(4)];
        let sources = [TimeSource::Rtc, TimeSource::Ntp, TimeSource::Gnss];
        let wall = (rng.below(2) == 0).then(|| WallStamp {
            wall: WallTime::from_unix_micros(rng.next_u64().cast_signed()),
            source: sources[rng.index(3)],
            uncertainty_us: rng.next_u64(),
        });
        Record {
            id: RecordId { boot, lane, seq: rng.next_u64() as u32 },
            topic: text(rng),
            kind: text(rng),
            subject: (rng.below(2) == 0).then(|| text(rng)),
            stamp: Stamp { boot: KernelBoot(rng.next_u64()), mono: MonoTime::from_nanos(rng.next_u64()), wall },
            data: text(rng),
            location: (rng.below(2) == 0).then(|| text(rng)),
            statutory: rng.below(2) == 0,
        }
    }

    #[test]
    fn what_is_written_is_read_and_its_size_was_known() {
        for seed in 0..500 {
            let record = record(&mut Rng::new(seed));
            let bytes = encode(&record);
            assert_eq!(bytes.len(), encoded_len(&record), "seed {seed}");
            assert_eq!(decode(&bytes), Ok(record), "seed {seed}");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = encode(&record(&mut Rng::new(7)));
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&damaged).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "length {length}");
        }
        let longer: Vec<u8> = bytes.iter().copied().chain([0]).collect();
        assert_eq!(decode(&longer), Err(DecodeError::Checksum));
    }

    #[test]
    fn garbage_with_a_right_checksum_is_refused_without_a_panic() {
        let mut refused = 0;
        for seed in 0..20_000 {
            let mut rng = Rng::new(seed);
            let mut body = encode(&record(&mut rng)).split_off(HEADER_BYTES);
            let at = rng.index(body.len());
            body[at] = rng.next_u64() as u8;
            body.truncate(body.len() - rng.index(2));
            let mut bytes = vec![VERSION];
            bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
            bytes.extend_from_slice(&body);
            refused += u32::from(matches!(decode(&bytes), Err(DecodeError::Malformed(_))));
        }
        assert!(refused > 10_000, "cut bodies are always refused, {refused}");
    }
}
