//! A bus made of two connected UDP sockets, for [`Plan::sockets`](telltale::runtime::Plan::sockets): the daemon reads each
//! datagram as if it came from a CAN interface.

use std::net::{Ipv4Addr, UdpSocket};

use telltale::can::{Frame, FrameKind};

/// Both ends.
pub(crate) fn pair() -> [UdpSocket; 2] {
    let end = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let (one, other) = (end(), end());
    one.connect(other.local_addr().expect("an address")).expect("the loopback is there");
    other.connect(one.local_addr().expect("an address")).expect("the loopback is there");
    [one, other]
}

/// A frame as the kernel hands it over, `struct can_frame` (16 bytes) or `struct canfd_frame` (72 bytes) of linux/can.h:
/// identifier with the flag `CAN_EFF_FLAG`, length, flags, padding, payload.
pub(crate) fn send(socket: &UdpSocket, frame: &Frame) -> std::io::Result<()> {
    let extended = u32::from(frame.id().is_extended()) << 31;
    let is_fd = matches!(frame.kind(), FrameKind::Fd { .. });
    let mut bytes = [0; 72];
    bytes[..4].copy_from_slice(&(frame.id().raw() | extended).to_ne_bytes());
    bytes[4] = u8::try_from(frame.len()).expect("at most 64 bytes");
    bytes[8..8 + frame.len()].copy_from_slice(frame.payload());
    socket.send(&bytes[..if is_fd { 72 } else { 16 }]).map(drop)
}
