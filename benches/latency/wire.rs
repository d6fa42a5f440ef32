//! The way that frames take to the daemon: CAN interfaces, or what comes closest where the kernel has none.

use std::collections::BTreeMap;
use std::net::UdpSocket;
use std::os::fd::OwnedFd;

use socketcan::id::FdFlags;
use socketcan::{CanDataFrame, CanFdFrame, CanFdSocket, EmbeddedFrame as _, ExtendedId, Id, Socket as _, StandardId};
use telltale::can::{BusId, Frame, FrameKind};
use telltale::sim::BUSES;

#[path = "../../tests/common/udp_bus.rs"]
pub(crate) mod udp_bus;

/// Where the frames go through.
#[derive(Clone)]
pub(crate) enum Way {
    /// These interfaces, one per bus.
    Can(Vec<String>),
    /// The loopback of UDP.
    Loopback,
}

impl Way {
    /// From a list of interfaces; none means the loopback.
    pub(crate) fn new(interfaces: Option<&str>) -> Self {
        let Some(interfaces) = interfaces else { return Self::Loopback };
        let interfaces: Vec<String> = interfaces.split(',').map(str::to_owned).collect();
        assert!(interfaces.len() >= BUSES.len(), "three interfaces are needed: {interfaces:?}");
        Self::Can(interfaces)
    }

    /// In words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Can(interfaces) => format!("SocketCAN, interfaces {}", interfaces.join(", ")),
            Self::Loopback => "UDP on the loopback interface, NOT SocketCAN: each datagram is a `struct can_frame` or \
                               `canfd_frame`, stamped by the kernel when it is handed over and read by the daemon's CAN \
                               reader. Left out: the CAN controller, its driver and interrupt, the kernel's CAN filters"
                .to_owned(),
        }
    }

    /// The name of a bus's interface.
    pub(crate) fn interface(&self, bus: usize) -> &str {
        match self {
            Self::Can(interfaces) => interfaces.get(bus).map_or("", String::as_str),
            Self::Loopback => BUSES.get(bus).copied().unwrap_or_default(),
        }
    }

    /// Both ends of all buses: the car's, and what the daemon is to read instead of its interfaces.
    pub(crate) fn open(&self) -> (Vec<Wire>, BTreeMap<BusId, OwnedFd>) {
        let mut daemon = BTreeMap::new();
        let open = |bus: u8| match self {
            Self::Can(interfaces) => {
                Wire::Can(CanFdSocket::open(&interfaces[usize::from(bus)]).expect("the interface is there"))
            }
            Self::Loopback => {
                let [car, end] = udp_bus::pair();
                daemon.insert(BusId(bus), end.into());
                Wire::Udp(car)
            }
        };
        let car = (0_u8..).take(BUSES.len()).map(open).collect();
        (car, daemon)
    }
}

/// The car's end of a bus.
pub(crate) enum Wire {
    Can(CanFdSocket),
    Udp(UdpSocket),
}

impl Wire {
    /// A second hand on it.
    pub(crate) fn share(&self, interface: &str) -> Self {
        match self {
            Self::Can(_) => Self::Can(CanFdSocket::open(interface).expect("the interface is there")),
            Self::Udp(socket) => Self::Udp(socket.try_clone().expect("a descriptor")),
        }
    }

    /// Fails when the queue is full.
    pub(crate) fn send(&self, frame: &Frame) -> std::io::Result<()> {
        match self {
            Self::Can(socket) => send_can(socket, frame),
            Self::Udp(socket) => udp_bus::send(socket, frame),
        }
    }
}

fn send_can(socket: &CanFdSocket, frame: &Frame) -> std::io::Result<()> {
    let raw = frame.id().raw();
    let id = if frame.id().is_extended() {
        Id::from(ExtendedId::new(raw).expect("29 bits"))
    } else {
        Id::from(StandardId::new(u16::try_from(raw).expect("eleven bits")).expect("eleven bits"))
    };
    match frame.kind() {
        FrameKind::Fd { .. } => {
            socket.write_frame(&CanFdFrame::with_flags(id, frame.payload(), FdFlags::BRS).expect("at most 64 bytes"))
        }
        _ => socket.write_frame(&CanDataFrame::new(id, frame.payload()).expect("at most 8 bytes")),
    }
}
