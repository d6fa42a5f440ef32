//! What the gateway is fed: frames of a small car, right and wrong, GNSS sentences and noise.

use telltale::can::{BusId, CanId, Frame, FrameKind};
use telltale::rng::Rng;

/// The car as it really is.
pub(crate) struct Car {
    pub ignition: u8,
    pub mil: bool,
    pub tpms: bool,
    /// Hundredths of km/h, the last one that was sent with a right checksum.
    pub speed: u16,
    pub bad_frames: u64,
}

impl Car {
    pub(crate) fn new() -> Self {
        Self { ignition: 2, mil: false, tpms: false, speed: 0, bad_frames: 0 }
    }

    pub(crate) fn motion(&mut self, rng: &mut Rng) -> Frame {
        let speed = u16::try_from(rng.below(25_000)).expect("small");
        let mut payload = [0; 8];
        payload[5..7].copy_from_slice(&speed.to_be_bytes());
        // Identifier high and low, length, data: the additive checksum.
        let sum = payload[..7].iter().fold(0xB4_u32 + 8, |sum, byte| sum + u32::from(*byte));
        payload[7] = u8::try_from(sum & 0xFF).expect("masked");
        if rng.below(10) == 0 {
            payload[rng.index(8)] ^= 1 << rng.below(8);
            self.bad_frames += 1;
        } else {
            self.speed = speed;
        }
        frame(180, &payload)
    }

    pub(crate) fn lamps(&self) -> Frame {
        frame(512, &[u8::from(self.mil) | u8::from(self.tpms) << 1, 0])
    }

    pub(crate) fn power(&self) -> Frame {
        frame(513, &[self.ignition])
    }
}

/// Anything that a bus can hold.
pub(crate) fn noise(rng: &mut Rng) -> (BusId, Frame) {
    let bus = BusId(u8::try_from(rng.below(4)).expect("small"));
    let mut payload = [0; 64];
    for byte in &mut payload {
        *byte = u8::try_from(rng.below(256)).expect("a byte");
    }
    let id = if rng.below(2) == 0 { CanId::base(small(rng, 100) + 600) } else { CanId::extended(small(rng, 1 << 29)) };
    let id = id.expect("in range");
    let frame = match rng.below(4) {
        0 => Frame::remote(id, 8),
        1 => Frame::new(id, FrameKind::Fd { brs: true, esi: false }, &payload[..rng.index(65)]),
        2 => Frame::new(id, FrameKind::Error, &payload[..8]),
        _ => Frame::new(id, FrameKind::Data, &payload[..rng.index(9)]),
    };
    (bus, frame.expect("fits"))
}

fn small(rng: &mut Rng, below: u64) -> u32 {
    u32::try_from(rng.below(below)).expect("below 2^32")
}

/// A sentence of the receiver, or what is left of one.
pub(crate) fn sentence(rng: &mut Rng, second_of_day: u64) -> Vec<u8> {
    let (hour, minute, second) = (second_of_day / 3600 % 24, second_of_day / 60 % 60, second_of_day % 60);
    let body = format!(
        "GNRMC,{hour:02}{minute:02}{second:02}.00,A,4717.1{:03},N,00833.9{:03},E,10.0,77.5,211126,,,A",
        second_of_day % 1000,
        second_of_day % 1000,
    );
    let sum = body.bytes().fold(0, |sum, byte| sum ^ byte);
    let mut line = format!("${body}*{sum:02X}\r\n").into_bytes();
    match rng.below(10) {
        0 => line.truncate(rng.index(line.len())),
        1 => {
            let index = rng.index(line.len());
            line[index] ^= 0x55;
        }
        _ => {}
    }
    line
}

fn frame(id: u32, payload: &[u8]) -> Frame {
    Frame::new(CanId::base(id).expect("11 bits"), FrameKind::Data, payload).expect("8 bytes at most")
}
