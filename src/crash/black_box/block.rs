//! Blocks: what a record consists of on disk.
//!
//! | bytes | what |
//! |---|---|
//! | 4 | magic `TTBK` |
//! | 1 | version of this format |
//! | 1 | kind |
//! | 2 | zero |
//! | 4 | record |
//! | 4 | sequence within the record, from 0 |
//! | 16 | time range: first and last nanosecond, monotonic |
//! | 4 | length of the payload |
//! | 4 | CRC-32 (IEEE 802.3) of the 36 bytes before and the payload |
//! | n | payload |
//!
//! Integers are little-endian. A block begins on a page and owns its last page to the end, so that no write touches a
//! page that holds something else: what a power cut tears is never what was promised before.

use crate::time::MonoTime;

use super::wire::{Reader, Writer};

/// The unit of writing: the page of the page cache, and at least the sector of any disk or flash.
pub const PAGE_BYTES: usize = 4096;

/// The version that is written, and the only one that is read.
pub(super) const VERSION: u8 = 1;

/// The longest payload: a block is 64 KiB at most, which a slow eMMC (10 MB/s) writes in some 7 ms.
pub(super) const PAYLOAD_MAX: usize = 16 * PAGE_BYTES - HEAD_BYTES;

const MAGIC: [u8; 4] = *b"TTBK";
const HEAD_BYTES: usize = 40;
const CHECKED_BYTES: usize = 36;

/// What a block holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Who recorded, with which sensors, and the slow values in force when the record begins.
    Start = 1,
    /// Samples and slow values.
    Data = 2,
    /// A word of the classifier.
    Verdict = 3,
    /// The crash report as it is in the store.
    Report = 4,
    /// The record is complete.
    End = 5,
}

impl Kind {
    fn from_code(code: u8) -> Option<Self> {
        [Self::Start, Self::Data, Self::Verdict, Self::Report, Self::End].into_iter().find(|kind| *kind as u8 == code)
    }
}

/// A block as it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block<'a> {
    pub(super) kind: Kind,
    pub(super) record: u32,
    pub(super) sequence: u32,
    pub(super) from: MonoTime,
    pub(super) to: MonoTime,
    pub(super) payload: &'a [u8],
}

impl<'a> Block<'a> {
    /// The block as whole pages.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(pages(self.payload.len())));
        out.0.extend_from_slice(&MAGIC);
        out.u8(VERSION);
        out.u8(self.kind as u8);
        out.u16(0);
        out.u32(self.record);
        out.u32(self.sequence);
        out.u64(self.from.as_nanos());
        out.u64(self.to.as_nanos());
        out.u32(u32::try_from(self.payload.len()).unwrap_or(u32::MAX));
        let crc = checksum(&out.0, self.payload);
        out.u32(crc);
        out.0.extend_from_slice(self.payload);
        out.0.resize(pages(self.payload.len()), 0);
        out.0
    }

    /// The block that begins here, if it is a whole one.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.get(..CHECKED_BYTES)?;
        let mut reader = Reader(bytes);
        if reader.array()? != MAGIC || reader.u8()? != VERSION {
            return None;
        }
        let kind = Kind::from_code(reader.u8()?)?;
        if reader.u16()? != 0 {
            return None;
        }
        let (record, sequence) = (reader.u32()?, reader.u32()?);
        let (from, to) = (MonoTime::from_nanos(reader.u64()?), MonoTime::from_nanos(reader.u64()?));
        let length = usize::try_from(reader.u32()?).ok().filter(|length| *length <= PAYLOAD_MAX)?;
        let crc = reader.u32()?;
        let payload = reader.bytes(length)?;
        (crc == checksum(head, payload)).then_some(Self { kind, record, sequence, from, to, payload })
    }

    /// What it takes on disk.
    pub(super) const fn pages(&self) -> usize {
        pages(self.payload.len())
    }
}

/// The bytes that a block with such a payload takes on disk.
pub(super) const fn pages(payload_bytes: usize) -> usize {
    (HEAD_BYTES + payload_bytes).div_ceil(PAGE_BYTES) * PAGE_BYTES
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_read_as_written_and_no_damaged_bit_passes() {
        let payload: Vec<u8> = (0..200).collect();
        let block = Block {
            kind: Kind::Data,
            record: 7,
            sequence: 3,
            from: MonoTime::from_millis(1),
            to: MonoTime::from_millis(2),
            payload: &payload,
        };
        let bytes = block.encode();
        assert_eq!(bytes.len(), PAGE_BYTES);
        assert_eq!(Block::decode(&bytes), Some(block));
        for bit in 0..(HEAD_BYTES + payload.len()) * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Block::decode(&damaged), None, "bit {bit}");
        }
        for length in 0..HEAD_BYTES + payload.len() {
            assert_eq!(Block::decode(&bytes[..length]), None, "length {length}");
        }
    }

    #[test]
    fn the_longest_payload_fills_its_pages() {
        assert_eq!(pages(PAYLOAD_MAX), 16 * PAGE_BYTES);
        assert_eq!(pages(0), PAGE_BYTES);
    }
}
