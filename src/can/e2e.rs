//! End-to-end protection: is this frame what its sender made, and is it the next one?
//!
//! Three checksums: Toyota's additive one, and the CRCs of AUTOSAR E2E profiles 1 and 2 (PRS_E2EProtocol); each can
//! come with an alive counter. A frame that fails must change no value.
//!
//! Counters: the first frame is believed. A step of one is in order; a step of up to `max_step` is believed and the
//! frames between are counted as lost; a repeated counter or a larger step is not believed. The counter of a frame
//! that is not believed for its step alone is the new reference, so that a restarted sender is believed from its
//! second frame on; a frame with a wrong checksum or length leaves the reference as it was. After its message has been
//! missing, begin with a new [`State`]: nobody knows how far the counter went.

use crc::{Crc, Table};

use crate::signals::Cause;

use super::dbc;
use super::frame::{CanId, Frame, MAX_PAYLOAD};

/// CRC of E2E profile 1 (PRS_E2EProtocol, profile 1): the polynomial of SAE J1850, but start and final value zero.
/// The CRC catalogue knows it as CRC-8/GSM-A.
const PROFILE_1: Crc<u8, Table<1>> = Crc::<u8, Table<1>>::new(&crc::CRC_8_GSM_A);
/// CRC of E2E profile 2 (PRS_E2EProtocol, profile 2): CRC-8H2F, in the CRC catalogue CRC-8/AUTOSAR.
const PROFILE_2: Crc<u8, Table<1>> = Crc::<u8, Table<1>>::new(&crc::CRC_8_AUTOSAR);
/// Profile 1 counts 0 to 14; 15 is invalid.
const PROFILE_1_COUNTS: u16 = 15;
/// Profile 2 counts 0 to 15.
const PROFILE_2_COUNTS: u16 = 16;

/// How the frames of one message are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Protection {
    size: u8,
    checksum: Option<Checksum>,
    counter: Option<Counter>,
}

/// Where a checksum is and how it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// The last byte is the sum of the identifier's bytes, the length and the bytes before it.
    Toyota,
    /// AUTOSAR E2E profile 1. Variants 1A (both bytes), 1B (alternating) and 1C (nibble) have the CRC in byte 0.
    Profile1 {
        /// The byte that holds the CRC.
        crc_byte: u8,
        /// The message's Data ID.
        data_id: u16,
        /// How the Data ID takes part.
        mode: DataIdMode,
    },
    /// AUTOSAR E2E profile 2: CRC in byte 0, counter in the lower half of byte 1.
    Profile2 {
        /// The message's Data ID for each counter value.
        data_ids: [u8; 16],
    },
}

/// Which part of the Data ID goes into the CRC of profile 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataIdMode {
    /// Low and high byte (`E2E_P01_DATAID_BOTH`, variant 1A).
    Both,
    /// The low byte with even, the high byte with odd counters (`E2E_P01_DATAID_ALT`, variant 1B).
    Alternating,
    /// The low byte (`E2E_P01_DATAID_LOW`).
    Low,
    /// The low byte and a zero; the lower half of the high byte is sent in this nibble (`E2E_P01_DATAID_NIBBLE`,
    /// variant 1C: the upper half of byte 1).
    Nibble(Field),
}

/// Up to eight bits within one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    byte: u8,
    shift: u8,
    mask: u8,
}

/// An alive counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counter {
    field: Field,
    counts: u16,
    max_step: u16,
}

/// Why a message cannot be protected so. The profile's author must act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtectionError {
    /// Checksum, nibble or counter lie behind the message's end.
    #[error("the checksum or counter is in byte {byte}, but the message has {size} bytes: correct the position")]
    Outside {
        /// Counted from 0.
        byte: u8,
        /// The message's length.
        size: u8,
    },
    /// A CRC has one or two Data IDs in turn and picks them by the counter.
    #[error("this checksum depends on the counter: state the counter")]
    NoCounter,
    /// A counter that cannot count.
    #[error("a counter of {counts} values does not fit its bits: it must have 2 to 256 values that the bits can hold")]
    Counts {
        /// As stated.
        counts: u16,
    },
    /// Steps are counted modulo the counter's values.
    #[error("a step of {max_step} must be at least 1 and below the counter's {counts} values")]
    Step {
        /// As stated.
        max_step: u16,
        /// The counter's values.
        counts: u16,
    },
}

/// What is known of the frames of one message so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    counter: Option<u16>,
    lost: u64,
}

impl State {
    /// Frames that never came, as the counter tells.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

impl Field {
    /// `width` bits of `byte` from bit `shift` up; none when they leave the byte or the largest frame.
    #[must_use]
    pub const fn new(byte: u8, shift: u8, width: u8) -> Option<Self> {
        if byte as usize >= MAX_PAYLOAD || width == 0 || width > 8 || shift > 8 - width {
            return None;
        }
        Some(Self { byte, shift, mask: u8::MAX >> (8 - width) })
    }

    /// The place of a database signal; none when it is not within one byte.
    #[must_use]
    pub fn of_signal(signal: &dbc::Signal) -> Option<Self> {
        let byte = u8::try_from(signal.start / 8).ok()?;
        let bit = u8::try_from(signal.start % 8).ok()?;
        let shift = match signal.byte_order {
            dbc::ByteOrder::LittleEndian => bit,
            dbc::ByteOrder::BigEndian => (bit + 1).checked_sub(signal.length)?,
        };
        Self::new(byte, shift, signal.length)
    }

    fn get(self, payload: &[u8]) -> u8 {
        payload.get(usize::from(self.byte)).map_or(0, |byte| byte >> self.shift & self.mask)
    }

    fn set(self, payload: &mut [u8], value: u8) {
        if let Some(byte) = payload.get_mut(usize::from(self.byte)) {
            *byte = *byte & !(self.mask << self.shift) | (value & self.mask) << self.shift;
        }
    }
}

impl Counter {
    /// A counter from 0 to `counts - 1`; a step of up to `max_step` is believed.
    pub const fn new(field: Field, counts: u16, max_step: u16) -> Result<Self, ProtectionError> {
        if counts < 2 || counts > field.mask as u16 + 1 {
            return Err(ProtectionError::Counts { counts });
        }
        if max_step == 0 || max_step >= counts {
            return Err(ProtectionError::Step { max_step, counts });
        }
        Ok(Self { field, counts, max_step })
    }

    /// Follows the counter; tells whether the frame is believed.
    fn check(self, state: &mut State, payload: &[u8]) -> Result<(), Cause> {
        let counter = u16::from(self.field.get(payload));
        if counter >= self.counts {
            return Err(Cause::Counter);
        }
        let Some(last) = state.counter.replace(counter) else { return Ok(()) };
        let step = (counter + self.counts - last) % self.counts;
        if step == 0 || step > self.max_step {
            return Err(Cause::Counter);
        }
        state.lost += u64::from(step - 1);
        Ok(())
    }
}

impl Protection {
    /// Protection of a message of `size` bytes.
    pub fn new(size: u8, checksum: Option<Checksum>, counter: Option<Counter>) -> Result<Self, ProtectionError> {
        let mut places: Vec<u8> = counter.iter().map(|counter| counter.field.byte).collect();
        let needs_counter = match &checksum {
            None => false,
            Some(Checksum::Toyota) => {
                places.push(0);
                false
            }
            Some(Checksum::Profile1 { crc_byte, mode, .. }) => {
                places.push(*crc_byte);
                if let DataIdMode::Nibble(field) = mode {
                    places.push(field.byte);
                }
                matches!(mode, DataIdMode::Alternating)
            }
            Some(Checksum::Profile2 { .. }) => {
                places.push(1);
                false
            }
        };
        if let Some(&byte) = places.iter().find(|byte| **byte >= size) {
            return Err(ProtectionError::Outside { byte, size });
        }
        if needs_counter && counter.is_none() {
            return Err(ProtectionError::NoCounter);
        }
        Ok(Self { size, checksum, counter })
    }

    /// AUTOSAR E2E profile 1, variant 1A, 1B or 1C by `mode`: CRC in byte 0, counter in the lower half of byte 1.
    pub fn profile_1(size: u8, data_id: u16, mode: DataIdMode, max_step: u16) -> Result<Self, ProtectionError> {
        let counter = Counter::new(COUNTER_NIBBLE, PROFILE_1_COUNTS, max_step)?;
        Self::new(size, Some(Checksum::Profile1 { crc_byte: 0, data_id, mode }), Some(counter))
    }

    /// AUTOSAR E2E profile 2.
    pub fn profile_2(size: u8, data_ids: [u8; 16], max_step: u16) -> Result<Self, ProtectionError> {
        let counter = Counter::new(COUNTER_NIBBLE, PROFILE_2_COUNTS, max_step)?;
        Self::new(size, Some(Checksum::Profile2 { data_ids }), Some(counter))
    }

    /// Whether a frame is to be believed.
    pub fn check(&self, state: &mut State, frame: &Frame) -> Result<(), Cause> {
        let payload = frame.payload();
        if payload.len() != usize::from(self.size) {
            return Err(Cause::Length);
        }
        if let Some(checksum) = &self.checksum {
            let (at, expected) = self.checksum_of(checksum, frame.id(), payload);
            if payload.get(at) != Some(&expected) {
                return Err(Cause::Checksum);
            }
            if let Checksum::Profile1 { data_id, mode: DataIdMode::Nibble(field), .. } = checksum
                && field.get(payload) != data_id_nibble(*data_id)
            {
                return Err(Cause::Checksum);
            }
        }
        self.counter.map_or(Ok(()), |counter| counter.check(state, payload))
    }

    /// The sender's side: puts the next counter and the checksum into a payload of the message's length; does nothing
    /// to one of another length.
    pub fn protect(&self, state: &mut State, id: CanId, payload: &mut [u8]) {
        if payload.len() != usize::from(self.size) {
            return;
        }
        if let Some(counter) = &self.counter {
            let next = state.counter.map_or(0, |last| (last + 1) % counter.counts);
            state.counter = Some(next);
            counter.field.set(payload, u8::try_from(next).unwrap_or_default());
        }
        if let Some(checksum) = &self.checksum {
            if let Checksum::Profile1 { data_id, mode: DataIdMode::Nibble(field), .. } = checksum {
                field.set(payload, data_id_nibble(*data_id));
            }
            let (at, value) = self.checksum_of(checksum, id, payload);
            if let Some(byte) = payload.get_mut(at) {
                *byte = value;
            }
        }
    }

    /// The place of the checksum and what it must be.
    fn checksum_of(&self, checksum: &Checksum, id: CanId, payload: &[u8]) -> (usize, u8) {
        let counter = self.counter.map_or(0, |counter| counter.field.get(payload));
        match checksum {
            Checksum::Toyota => {
                let (_, before) = payload.split_last().unwrap_or((&0, &[]));
                (before.len(), toyota(id, self.size, before))
            }
            Checksum::Profile1 { crc_byte, data_id, mode } => {
                let at = usize::from(*crc_byte);
                (at, profile_1(at, *data_id, *mode, counter, payload))
            }
            Checksum::Profile2 { data_ids } => {
                let mut digest = PROFILE_2.digest();
                digest.update(payload.get(1..).unwrap_or_default());
                digest.update(&[data_ids[usize::from(COUNTER_NIBBLE.get(payload))]]);
                (0, digest.finalize())
            }
        }
    }
}

/// The lower half of byte 1, where profiles 1 (variants A to C) and 2 have their counter.
const COUNTER_NIBBLE: Field = Field { byte: 1, shift: 0, mask: 0x0F };

/// The upper half of byte 1, where variant 1C of profile 1 has a part of the Data ID.
pub const DATA_ID_NIBBLE: Field = Field { byte: 1, shift: 4, mask: 0x0F };

/// What [`DataIdMode::Nibble`] sends: bits 8 to 11 of the Data ID.
fn data_id_nibble(data_id: u16) -> u8 {
    data_id.to_be_bytes()[0] & 0x0F
}

/// As opendbc's `toyota_checksum`.
fn toyota(id: CanId, size: u8, before: &[u8]) -> u8 {
    let id = id.raw().to_le_bytes();
    id.iter().chain([&size]).chain(before).fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

/// PRS_E2EProtocol, profile 1: the Data ID, then the data without the CRC byte.
fn profile_1(at: usize, data_id: u16, mode: DataIdMode, counter: u8, payload: &[u8]) -> u8 {
    let [low, high] = data_id.to_le_bytes();
    let mut digest = PROFILE_1.digest();
    match mode {
        DataIdMode::Both => digest.update(&[low, high]),
        DataIdMode::Alternating if counter.is_multiple_of(2) => digest.update(&[low]),
        DataIdMode::Alternating => digest.update(&[high]),
        DataIdMode::Low => digest.update(&[low]),
        DataIdMode::Nibble(_) => digest.update(&[low, 0]),
    }
    digest.update(payload.get(..at).unwrap_or_default());
    digest.update(payload.get(at + 1..).unwrap_or_default());
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::can::FrameKind;

    fn frame(payload: &[u8]) -> Frame {
        Frame::new(CanId::base(0x260).unwrap(), FrameKind::Data, payload).unwrap()
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// What a sender makes of zeros, frame by frame.
    fn sent(protection: &Protection, frames: usize) -> Vec<Vec<u8>> {
        let mut state = State::default();
        let id = CanId::base(0x260).unwrap();
        (0..frames)
            .map(|_| {
                let mut payload = vec![0; usize::from(protection.size)];
                protection.protect(&mut state, id, &mut payload);
                payload
            })
            .collect()
    }

    #[test]
    fn the_crcs_are_those_of_the_catalogue() {
        assert_eq!(PROFILE_2.checksum(b"123456789"), 0xDF);
        // SAE J1850 is the same polynomial from 0xFF, inverted.
        let j1850 = Crc::<u8, Table<1>>::new(&crc::CRC_8_SAE_J1850);
        assert_eq!(j1850.checksum(b"123456789"), 0x4B);
        assert_eq!(crc::CRC_8_GSM_A.poly, crc::CRC_8_SAE_J1850.poly);
        let mut from_ff = PROFILE_1.digest_with_initial(0xFF);
        from_ff.update(b"123456789");
        assert_eq!(from_ff.finalize() ^ 0xFF, 0x4B);
    }

    /// Data ID 0x123 over eight zeros: the first frames of each mode as the PyPI package `autosar-e2e` 1.0.0 makes
    /// them.
    #[test]
    fn profile_1_makes_the_frames_of_another_implementation() {
        let vectors = [
            (DataIdMode::Both, ["cc00000000000000", "9101000000000000", "7602000000000000"]),
            (DataIdMode::Alternating, ["ce00000000000000", "0201000000000000", "7402000000000000"]),
            (DataIdMode::Low, ["ce00000000000000", "9301000000000000", "7402000000000000"]),
            (DataIdMode::Nibble(DATA_ID_NIBBLE), ["2a10000000000000", "7711000000000000", "9012000000000000"]),
        ];
        for (mode, expected) in vectors {
            let protection = Protection::profile_1(8, 0x123, mode, 1).unwrap();
            assert_eq!(sent(&protection, 3), expected.map(hex), "{mode:?}");
        }
    }

    /// Data IDs 1 to 16 over eight zeros, from the same package.
    #[test]
    fn profile_2_makes_the_frames_of_another_implementation() {
        let data_ids = std::array::from_fn(|index| u8::try_from(index + 1).unwrap());
        let protection = Protection::profile_2(8, data_ids, 1).unwrap();
        let expected = ["0e00000000000000", "1b01000000000000", "9802000000000000"];
        assert_eq!(sent(&protection, 3), expected.map(hex));
    }

    /// The first frame of a real RAV4: steering torque.
    #[test]
    fn toyota_sums_are_checked() {
        let protection = Protection::new(8, Some(Checksum::Toyota), None).unwrap();
        let mut payload = hex("08FFFB0000001884");
        assert_eq!(protection.check(&mut State::default(), &frame(&payload)), Ok(()));
        payload[0] = 9;
        assert_eq!(protection.check(&mut State::default(), &frame(&payload)), Err(Cause::Checksum));
        assert_eq!(protection.check(&mut State::default(), &frame(&payload[..7])), Err(Cause::Length));
    }

    #[test]
    fn every_flipped_bit_of_a_protected_frame_is_noticed() {
        for protection in [
            Protection::profile_1(8, 0xABCD, DataIdMode::Both, 14).unwrap(),
            Protection::profile_1(8, 0xABCD, DataIdMode::Nibble(DATA_ID_NIBBLE), 14).unwrap(),
            Protection::profile_2(8, [7; 16], 15).unwrap(),
            Protection::new(8, Some(Checksum::Toyota), None).unwrap(),
        ] {
            for payload in sent(&protection, 20) {
                assert_eq!(protection.check(&mut State::default(), &frame(&payload)), Ok(()));
                for bit in 0..64 {
                    let mut broken = payload.clone();
                    broken[bit / 8] ^= 1 << (bit % 8);
                    let found = protection.check(&mut State::default(), &frame(&broken));
                    assert_eq!(found, Err(Cause::Checksum), "{protection:?} {payload:?} {bit}");
                }
            }
        }
    }

    #[test]
    fn counters_tell_repeats_losses_and_jumps_apart() {
        let counter = Counter::new(Field::new(0, 4, 4).unwrap(), 15, 3).unwrap();
        let protection = Protection::new(1, None, Some(counter)).unwrap();
        let mut state = State::default();
        let mut feed = |count: u8| {
            let outcome = protection.check(&mut state, &frame(&[count << 4 | 0x0A]));
            (outcome, state.lost())
        };
        let refused = Err(Cause::Counter);
        assert_eq!(feed(13), (Ok(()), 0), "the first is believed");
        assert_eq!(feed(14), (Ok(()), 0));
        assert_eq!(feed(0), (Ok(()), 0), "15 is left out");
        assert_eq!(feed(0), (refused, 0), "repeated");
        assert_eq!(feed(3), (Ok(()), 2), "two lost");
        assert_eq!(feed(7), (refused, 2), "four steps are too many");
        assert_eq!(feed(8), (Ok(()), 2), "in order again");
        assert_eq!(feed(15), (refused, 2), "no count");
        assert_eq!(feed(9), (Ok(()), 2));
    }

    #[test]
    fn a_wrong_checksum_leaves_the_counter_as_it_was() {
        let protection = Protection::profile_2(8, [3; 16], 1).unwrap();
        let frames = sent(&protection, 3);
        let mut state = State::default();
        assert_eq!(protection.check(&mut state, &frame(&frames[0])), Ok(()));
        let mut broken = frames[2].clone();
        broken[7] ^= 1;
        assert_eq!(protection.check(&mut state, &frame(&broken)), Err(Cause::Checksum));
        assert_eq!(protection.check(&mut state, &frame(&frames[1])), Ok(()));
    }

    #[test]
    fn protection_that_does_not_fit_is_refused() {
        let nibble = Field::new(1, 0, 4).unwrap();
        assert_eq!(Counter::new(nibble, 17, 1), Err(ProtectionError::Counts { counts: 17 }));
        assert_eq!(Counter::new(nibble, 16, 0), Err(ProtectionError::Step { max_step: 0, counts: 16 }));
        assert_eq!(Field::new(1, 5, 4), None);
        assert_eq!(Protection::profile_2(1, [0; 16], 1), Err(ProtectionError::Outside { byte: 1, size: 1 }));
        assert_eq!(
            Protection::new(0, Some(Checksum::Toyota), None),
            Err(ProtectionError::Outside { byte: 0, size: 0 })
        );
        let alternating = Checksum::Profile1 { crc_byte: 0, data_id: 1, mode: DataIdMode::Alternating };
        assert_eq!(Protection::new(8, Some(alternating), None), Err(ProtectionError::NoCounter));
    }

    #[test]
    fn a_counter_is_found_by_its_signal() {
        let body = "BO_ 1 M: 8 X\n SG_ A : 12|4@1+ (1,0) [0|0] \"\" X\n SG_ B : 11|4@0+ (1,0) [0|0] \"\" X\n\
                    \x20SG_ C : 12|8@1+ (1,0) [0|0] \"\" X\n SG_ D : 2|4@0+ (1,0) [0|0] \"\" X\n";
        let dbc = dbc::Dbc::parse(body.as_bytes()).unwrap();
        let field = |name: &str| Field::of_signal(dbc.messages[0].signal(name).unwrap());
        assert_eq!(field("A"), Field::new(1, 4, 4));
        assert_eq!(field("B"), Field::new(1, 0, 4));
        assert_eq!((field("C"), field("D")), (None, None));
    }
}
