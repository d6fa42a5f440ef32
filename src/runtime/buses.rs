//! The buses of the car, read in the order in which their frames were received.
//!
//! A thread that gets no processor for seconds finds the frames of these seconds in the sockets. They are worth what they
//! were worth then, as long as they are handed on in the order of their stamps, over all buses, and before anything
//! that happens now.

use std::time::Duration;

use crate::can::{BusId, Frame};
use crate::gateway::BusEvent;
use crate::io::socketcan::{BATCH_FRAMES, CanPort};
use crate::time::MonoTime;

/// Frames that waited longer are a backlog, of which the other buses have their share; below, the order of two buses is
/// not worth reading all of them for each frame.
const LATE: Duration = Duration::from_millis(5);

/// What was received.
pub(super) enum Received<'a> {
    /// A frame, at its kernel stamp.
    Frame(MonoTime, &'a Frame),
    /// Something happened to the way to the interface, after the frames before it: at that time, or earlier.
    Event(MonoTime, BusEvent),
}

/// All buses that are read from a socket.
#[derive(Debug, Default)]
pub(super) struct Buses {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    bus: BusId,
    port: CanPort,
    /// Frames that were read and not yet handed on, from `next` on.
    batch: Vec<(MonoTime, Frame)>,
    next: usize,
    news: Option<BusEvent>,
    /// There may be more in the socket.
    is_full: bool,
}

impl Buses {
    pub(super) fn add(&mut self, bus: BusId, port: CanPort) {
        let batch = Vec::with_capacity(BATCH_FRAMES);
        self.lines.push(Line { bus, port, batch, next: 0, news: None, is_full: false });
    }

    pub(super) const fn len(&self) -> usize {
        self.lines.len()
    }

    /// Resolves when there is something to read from the bus with that index.
    pub(super) fn ready(&self, index: usize) -> Option<impl Future<Output = ()> + use<>> {
        self.lines.get(index).map(|line| line.port.ready())
    }

    /// Hands on what one bus received until `now`, and where that is a backlog, what all of them did. True when there may
    /// be more.
    pub(super) fn drain_one(&mut self, index: usize, now: MonoTime, take: impl FnMut(BusId, Received<'_>)) -> bool {
        let Some(line) = self.lines.get_mut(index) else { return false };
        line.read();
        if line.is_full || line.head().is_some_and(|at| now.since(at) > LATE) {
            self.read_others(index);
        }
        self.hand_on(now, take);
        self.lines.get(index).is_some_and(|line| line.is_full)
    }

    /// Hands on what all buses received until `now`.
    pub(super) fn drain(&mut self, now: MonoTime, take: impl FnMut(BusId, Received<'_>)) {
        self.lines.iter_mut().for_each(Line::read);
        self.hand_on(now, take);
    }

    fn read_others(&mut self, index: usize) {
        self.lines.iter_mut().enumerate().filter(|(other, _)| *other != index).for_each(|(_, line)| line.read());
    }

    /// Hands on what was read, oldest first, and reads on where a full batch ended before `now`: what comes later is left
    /// in the socket, so that this has an end on a bus that is faster than we are.
    fn hand_on(&mut self, now: MonoTime, mut take: impl FnMut(BusId, Received<'_>)) {
        while let Some(line) = self.lines.iter_mut().filter(|line| line.head().is_some()).min_by_key(|line| line.head())
        {
            let Some((at, frame)) = line.batch.get(line.next) else { return };
            line.next += 1;
            take(line.bus, Received::Frame(*at, frame));
            if line.head().is_none() && line.is_full && *at < now {
                // At the frame's time: at the present, the core would leave behind what is still to come.
                if let Some(event) = line.news.take() {
                    take(line.bus, Received::Event(*at, event));
                }
                line.read();
            }
        }
        for line in &mut self.lines {
            if let Some(event) = line.news.take() {
                take(line.bus, Received::Event(now, event));
            }
        }
    }
}

impl Line {
    /// The stamp of the oldest frame that was read.
    fn head(&self) -> Option<MonoTime> {
        self.batch.get(self.next).map(|(at, _)| *at)
    }

    /// Reads a batch, once the last one is handed on.
    fn read(&mut self) {
        self.batch.clear();
        self.next = 0;
        let found = self.port.read(&mut self.batch);
        self.is_full = found.is_full;
        self.news = found.news;
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::*;
    use crate::can::{CanId, FrameKind};
    use crate::io::clock::MonoClock;
    use crate::io::socketcan::{CanSettings, RECEIVE_BUFFER};

    fn wire() -> (CanPort, CanPort) {
        let end = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (one, other) = (end(), end());
        one.connect(other.local_addr().unwrap()).unwrap();
        other.connect(one.local_addr().unwrap()).unwrap();
        let port = |socket: UdpSocket| {
            let interface = "nocan0".to_owned();
            let settings = CanSettings { interface, filters: Vec::new(), receive_buffer: RECEIVE_BUFFER };
            let mut port = CanPort::adopt(settings, socket.into()).unwrap();
            assert_eq!(port.read(&mut Vec::new()).news, Some(BusEvent::Up));
            port
        };
        (port(one), port(other))
    }

    #[tokio::test]
    async fn a_backlog_of_several_batches_comes_in_the_order_of_its_stamps_over_all_buses() {
        let ends = [wire(), wire(), wire()];
        let mut buses = Buses::default();
        let mut cars = Vec::new();
        for (bus, (car, port)) in (0_u8..).map(BusId).zip(ends) {
            buses.add(bus, port);
            cars.push(car);
        }
        // The kernel begins to stamp some time after the first socket has asked for it.
        std::thread::sleep(Duration::from_millis(200));
        // The first bus is four times as busy as each of the others.
        let order = [0, 1, 0, 0, 2, 0];
        let count = 4 * BATCH_FRAMES;
        let mut sent = Vec::new();
        for (number, bus) in (0_u32..).zip(order.iter().cycle().take(count)) {
            let id = CanId::extended(number).unwrap();
            cars[*bus].send(&Frame::new(id, FrameKind::Data, &[]).unwrap()).unwrap();
            // Frames of two buses that come at the same moment have no order.
            std::thread::sleep(Duration::from_micros(200));
            sent.push((BusId(u8::try_from(*bus).unwrap()), number));
        }
        std::thread::sleep(LATE * 2);
        let mut seen = Vec::new();
        let now = MonoClock::new().unwrap().now();
        buses.drain_one(1, now, |bus, received| match received {
            Received::Frame(_, frame) => seen.push((bus, frame.id().raw())),
            Received::Event(_, event) => panic!("{event:?}"),
        });
        assert_eq!(seen, sent);
    }
}
