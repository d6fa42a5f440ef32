//! `struct can_frame` and `struct canfd_frame` (linux/can.h), the only two forms of a frame between us and the kernel.
//!
//! Both begin with the identifier and its flags (4 bytes, the machine's order), the length (1 byte), the FD flags (1)
//! and two bytes of padding; the payload takes 8 or 64 bytes.

use crate::can::{CanId, Frame, FrameKind};

/// The size of a classic frame (`CAN_MTU`).
pub(super) const CLASSIC_BYTES: usize = 16;
/// The size of an FD frame (`CANFD_MTU`).
pub(super) const FD_BYTES: usize = 72;

// linux/can.h: flags in the identifier.
const EXTENDED: u32 = 0x8000_0000;
const REMOTE: u32 = 0x4000_0000;
const ERROR: u32 = 0x2000_0000;
// linux/can.h: flags of an FD frame.
const BRS: u8 = 0x01;
const ESI: u8 = 0x02;

const PAYLOAD_AT: usize = 8;

/// The frame in what the kernel handed over; none when it is neither form.
pub(super) fn parse(bytes: &[u8]) -> Option<Frame> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    let word = u32::from_ne_bytes(*word);
    let [length, flags, ..] = *rest else { return None };
    let payload = bytes.get(PAYLOAD_AT..PAYLOAD_AT + usize::from(length));
    let id = if word & (EXTENDED | ERROR) == 0 {
        CanId::base(word & CanId::MAX_BASE)
    } else {
        CanId::extended(word & CanId::MAX_EXTENDED)
    }?;
    match bytes.len() {
        CLASSIC_BYTES if word & ERROR != 0 => Frame::new(id, FrameKind::Error, payload?),
        CLASSIC_BYTES if word & REMOTE != 0 => Frame::remote(id, length),
        CLASSIC_BYTES => Frame::new(id, FrameKind::Data, payload?),
        FD_BYTES => Frame::new(id, FrameKind::Fd { brs: flags & BRS != 0, esi: flags & ESI != 0 }, payload?),
        _ => None,
    }
}

/// A frame as the kernel wants it: the buffer, and how much of it. None for an error frame, which is not for sending.
pub(super) fn serialize(frame: &Frame) -> Option<([u8; FD_BYTES], usize)> {
    let (size, word_flags, fd_flags) = match frame.kind() {
        FrameKind::Data => (CLASSIC_BYTES, 0, 0),
        FrameKind::Remote => (CLASSIC_BYTES, REMOTE, 0),
        FrameKind::Fd { brs, esi } => (FD_BYTES, 0, (u8::from(brs) * BRS) | (u8::from(esi) * ESI)),
        FrameKind::Error => return None,
    };
    let mut bytes = [0; FD_BYTES];
    bytes[..4].copy_from_slice(&(word(frame.id()) | word_flags).to_ne_bytes());
    bytes[4] = u8::try_from(frame.len()).ok()?;
    bytes[5] = fd_flags;
    bytes[PAYLOAD_AT..].copy_from_slice(frame.padded());
    Some((bytes, size))
}

/// A kernel filter for exactly this identifier, data and remote frames: `(identifier, mask)`.
pub(super) fn filter(id: CanId) -> (u32, u32) {
    let bits = if id.is_extended() { CanId::MAX_EXTENDED } else { CanId::MAX_BASE };
    (word(id), bits | EXTENDED)
}

fn word(id: CanId) -> u32 {
    if id.is_extended() { id.raw() | EXTENDED } else { id.raw() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_frame_comes_back_as_it_went() {
        let base = CanId::base(0x7FF).unwrap();
        let extended = CanId::extended(0x1).unwrap();
        let frames = [
            Frame::new(base, FrameKind::Data, &[]).unwrap(),
            Frame::new(extended, FrameKind::Data, &[1, 2, 3, 4, 5, 6, 7, 8]).unwrap(),
            Frame::remote(base, 5).unwrap(),
            Frame::new(extended, FrameKind::Fd { brs: true, esi: false }, &[9; 64]).unwrap(),
            Frame::new(base, FrameKind::Fd { brs: false, esi: true }, &[9; 12]).unwrap(),
        ];
        for frame in frames {
            let (bytes, size) = serialize(&frame).unwrap();
            assert_eq!(parse(&bytes[..size]), Some(frame));
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let (mut bytes, _) = serialize(&Frame::new(CanId::base(1).unwrap(), FrameKind::Data, &[1]).unwrap()).unwrap();
        for length in (0..=FD_BYTES).filter(|length| ![CLASSIC_BYTES, FD_BYTES].contains(length)) {
            assert_eq!(parse(&bytes[..length]), None, "{length} bytes");
        }
        bytes[4] = 9;
        assert_eq!(parse(&bytes[..CLASSIC_BYTES]), None, "a classic frame of 9 bytes");
        bytes[4] = 65;
        assert_eq!(parse(&bytes), None, "an FD frame of 65 bytes");
    }

    #[test]
    fn an_error_frame_keeps_its_class_and_data_and_cannot_be_sent() {
        let mut bytes = [0; CLASSIC_BYTES];
        bytes[..4].copy_from_slice(&(ERROR | 0x40).to_ne_bytes());
        bytes[4] = 8;
        bytes[9] = 0x20;
        let frame = parse(&bytes).unwrap();
        assert_eq!((frame.kind(), frame.id().raw()), (FrameKind::Error, 0x40));
        assert_eq!(frame.payload()[1], 0x20);
        assert!(serialize(&frame).is_none());
    }
}
