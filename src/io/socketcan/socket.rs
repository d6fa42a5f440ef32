//! One bound CAN_RAW socket: opened, read in batches, asked for its drops, written to.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns, SocketError};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, getsockopt, recvmmsg, setsockopt};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use socketcan::{CanAddr, CanFdSocket, Socket as _, SocketOptions as _};
use tokio::io::Interest;

use super::wire::{FD_BYTES, filter, parse, serialize};
use super::{BATCH_FRAMES, CanSettings, FILTERS_MAX, STAMP_AGE_MAX_NS, SendError};
use crate::can::Frame;
use crate::io::sys::{Watched, watch};
use crate::time::MonoTime;

/// What reading came to.
pub(super) enum Read {
    /// All frames that there were.
    All,
    /// A whole batch: there may be more.
    Full,
    /// The interface went down.
    Down,
    /// The interface is gone.
    Gone,
}

/// What to wake up for. An interface that goes down makes no data, only an error (`EPOLLERR`).
const NEWS: Interest = Interest::READABLE.add(Interest::ERROR);

/// The index of what is no interface; the kernel's begin at 1.
const NO_INDEX: u32 = 0;

/// A bound socket.
#[derive(Debug)]
pub(super) struct BoundSocket {
    socket: CanFdSocket,
    /// A second descriptor of the same socket, for the runtime to watch.
    watched: Arc<Watched>,
    index: u32,
    receive_buffer: usize,
    drops: u32,
    stamps: Stamps,
}

/// What is kept of the stamps from batch to batch.
#[derive(Debug, Default)]
struct Stamps {
    /// Of the last frame.
    last: MonoTime,
    /// The quickest look at both clocks so far (ns).
    quickest_ns: Option<i128>,
}

impl BoundSocket {
    /// Opens, sets all options and binds. An interface that is down can be bound: see [`Self::is_up`].
    pub(super) fn open(settings: &CanSettings) -> io::Result<Self> {
        let index = nix::net::if_::if_nametoindex(settings.interface.as_str())?;
        let socket = CanFdSocket::open_addr(&CanAddr::new(index))?;
        socket.set_nonblocking(true)?;
        if (1..=FILTERS_MAX).contains(&settings.filters.len()) {
            let filters: Vec<(u32, u32)> = settings.filters.iter().map(|&id| filter(id)).collect();
            socket.set_filters(&filters)?;
        }
        socket.set_error_filter_accept_all()?;
        Self::prepare(socket, index, settings.receive_buffer)
    }

    /// Takes a connected datagram socket of another kind, each of whose datagrams is a frame in the kernel's form.
    pub(super) fn adopt(socket: OwnedFd, receive_buffer: usize) -> io::Result<Self> {
        let socket = CanFdSocket::from(socket);
        socket.set_nonblocking(true)?;
        Self::prepare(socket, NO_INDEX, receive_buffer)
    }

    fn prepare(socket: CanFdSocket, index: u32, receive_buffer: usize) -> io::Result<Self> {
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        // The first needs CAP_NET_ADMIN, the second stays below net.core.rmem_max.
        setsockopt(&socket, RcvBufForce, &receive_buffer).or_else(|_| setsockopt(&socket, RcvBuf, &receive_buffer))?;
        let receive_buffer = getsockopt(&socket, RcvBuf)?;
        let watched = Arc::new(watch(socket.as_fd().try_clone_to_owned()?, NEWS)?);
        Ok(Self { socket, watched, index, receive_buffer, drops: 0, stamps: Stamps::default() })
    }

    /// Whether the interface was up when it was bound, or has not gone down since this was asked the last time.
    pub(super) fn is_up(&self) -> io::Result<bool> {
        match getsockopt(&self.socket, SocketError)? {
            0 => Ok(true),
            error if matches!(Errno::from_raw(error), Errno::ENETDOWN) => Ok(false),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// The interface's index: another one under the same name is another interface.
    pub(super) const fn index(&self) -> u32 {
        self.index
    }

    /// What the kernel granted (bytes); it counts its own overhead, and so twice what was asked for.
    pub(super) const fn receive_buffer(&self) -> usize {
        self.receive_buffer
    }

    /// Resolves when there is something to read: frames, or what became of the interface.
    pub(super) fn ready(&self) -> impl Future<Output = ()> + use<> {
        let watched = Arc::clone(&self.watched);
        async move {
            if watched.ready(NEWS).await.is_err() {
                // The runtime ends, and whoever waits with it.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Takes what is waiting, at most one batch, whether the runtime has heard of it yet or not.
    pub(super) fn read(&mut self, sink: &mut Vec<(MonoTime, Frame)>) -> io::Result<Read> {
        let mut outcome = None;
        // `AsyncFd::try_io` takes one interest only: with two it never calls (tokio 1.54, `Interest::mask`).
        for interest in [Interest::READABLE, Interest::ERROR] {
            if outcome.is_some() {
                break;
            }
            let _: io::Result<()> = self.watched.try_io(interest, |_| {
                let read = receive(&self.socket, &mut self.stamps, sink);
                let is_drained = match &read {
                    Ok(Read::All) => interest == Interest::READABLE,
                    Ok(_) => false,
                    Err(error) => error.kind() == io::ErrorKind::WouldBlock,
                };
                outcome = Some(read);
                // With an empty queue epoll tells of what comes next, and asking again would find nothing.
                if is_drained { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
        }
        outcome.unwrap_or_else(|| receive(&self.socket, &mut self.stamps, sink))
    }

    /// How many frames the kernel dropped since this was asked the last time, because the receive queue was full.
    ///
    /// It is the counter of SO_RXQ_OVFL, read directly: a control message would tell only with the next frame.
    pub(super) fn dropped(&mut self) -> io::Result<u32> {
        let mut bytes = [0_u8; MEMINFO_BYTES];
        let size = self.socket.get_socket_option_bytes(libc::SOL_SOCKET, libc::SO_MEMINFO, &mut bytes)?;
        let drops = bytes[..size].get(MEMINFO_DROPS_AT..).and_then(|rest| rest.first_chunk::<4>());
        let Some(drops) = drops.map(|bytes| u32::from_ne_bytes(*bytes)) else { return Ok(0) };
        let more = drops.wrapping_sub(self.drops);
        self.drops = drops;
        Ok(more)
    }

    /// Puts a frame into the transmit queue.
    pub(super) fn send(&self, frame: &Frame) -> Result<(), SendError> {
        let (bytes, size) = serialize(frame).ok_or(SendError::NotSendable)?;
        match nix::unistd::write(&self.socket, &bytes[..size]) {
            Ok(_) => Ok(()),
            Err(Errno::ENOBUFS | Errno::EAGAIN) => Err(SendError::Full),
            Err(Errno::ENETDOWN | Errno::ENODEV | Errno::ENXIO) => Err(SendError::Down),
            Err(errno) => Err(SendError::Refused(errno.into())),
        }
    }
}

/// Takes what is waiting, at most one batch, and stamps no frame earlier than the last.
fn receive(socket: &CanFdSocket, stamps: &mut Stamps, sink: &mut Vec<(MonoTime, Frame)>) -> io::Result<Read> {
    let mut buffers = [[0_u8; FD_BYTES]; BATCH_FRAMES];
    let mut slices: Vec<[IoSliceMut<'_>; 1]> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
    // Made anew each time: the kernel shortens the room for control messages in it to what it used, and nix does
    // not restore it (nix pull request 1744).
    let mut headers = MultiHeaders::<()>::preallocate(BATCH_FRAMES, Some(nix::cmsg_space!(TimeSpec)));
    let flags = MsgFlags::MSG_DONTWAIT;
    let messages = match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None) {
        Ok(messages) => messages,
        Err(Errno::ENETDOWN) => return Ok(Read::Down),
        Err(Errno::ENODEV | Errno::ENXIO) => return Ok(Read::Gone),
        Err(errno) => return Err(errno.into()),
    };
    // After them: a frame that comes between a look and its reading would count as old as the look.
    let clock = StampClock::read(&mut stamps.quickest_ns, clock_ns)?;
    let mut count = 0;
    for message in messages {
        count += 1;
        let stamp = message.cmsgs().ok().and_then(|mut all| {
            all.find_map(|one| match one {
                ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
                _ => None,
            })
        });
        // Order is certain and stamps are not: the wall clock that they come from can be set back.
        stamps.last = stamps.last.max(clock.mono(stamp));
        if let Some(frame) = message.iovs().next().and_then(parse) {
            sink.push((stamps.last, frame));
        }
    }
    Ok(if count == BATCH_FRAMES { Read::Full } else { Read::All })
}

/// linux/sock_diag.h: SO_MEMINFO is nine 32-bit numbers, the last of them SK_MEMINFO_DROPS.
const MEMINFO_BYTES: usize = 36;
const MEMINFO_DROPS_AT: usize = 32;

/// A look at both clocks that takes no longer (ns) is as good as any.
const LOOK_NS: i128 = 5_000;

/// One that takes so many times longer than the quickest so far was interrupted. Where the kernel has no vDSO for these
/// clocks every look is a few system calls, and none stays below [`LOOK_NS`].
const LOOK_FACTOR: i128 = 2;

/// So many looks are made at most.
const LOOKS_MAX: u32 = 3;

/// Kernel stamps are of CLOCK_REALTIME; both clocks, read together, turn them into monotonic time.
struct StampClock {
    real_ns: i128,
    mono_ns: i128,
}

impl StampClock {
    /// Whoever is interrupted between the looks at the two clocks looks again: the error would set one bus's frames
    /// before those of another. `quickest_ns` is the quickest look so far; none before the first.
    fn read(quickest_ns: &mut Option<i128>, clock: impl Fn(ClockId) -> io::Result<i128>) -> io::Result<Self> {
        let mut best = None;
        for _ in 0..LOOKS_MAX {
            let before_ns = clock(ClockId::CLOCK_BOOTTIME)?;
            let real_ns = clock(ClockId::CLOCK_REALTIME)?;
            let took_ns = clock(ClockId::CLOCK_BOOTTIME)? - before_ns;
            if best.as_ref().is_none_or(|(least_ns, _)| took_ns < *least_ns) {
                best = Some((took_ns, Self { real_ns, mono_ns: before_ns + took_ns / 2 }));
            }
            let is_good = took_ns <= LOOK_NS || quickest_ns.is_some_and(|quickest| took_ns <= LOOK_FACTOR * quickest);
            *quickest_ns = Some(quickest_ns.map_or(took_ns, |quickest| quickest.min(took_ns)));
            if is_good {
                break;
            }
        }
        best.map(|(_, clock)| clock).ok_or_else(|| io::ErrorKind::Other.into())
    }

    /// Now when there is no stamp, or when the wall clock was set since it was made.
    fn mono(&self, stamp: Option<TimeSpec>) -> MonoTime {
        let age_ns = stamp.map_or(0, |stamp| self.real_ns - nanos(&stamp));
        let age_ns = if (0..=STAMP_AGE_MAX_NS).contains(&age_ns) { age_ns } else { 0 };
        MonoTime::from_nanos(u64::try_from(self.mono_ns - age_ns).unwrap_or(0))
    }
}

/// What the clock says (ns).
fn clock_ns(clock: ClockId) -> io::Result<i128> {
    Ok(clock_gettime(clock).map(|time| nanos(&time))?)
}

fn nanos(time: &TimeSpec) -> i128 {
    i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_stamp_becomes_monotonic_and_one_from_before_a_clock_step_becomes_now() {
        let clock = StampClock { real_ns: 1_000_000_000_000, mono_ns: 50_000_000_000 };
        let at = |secs| clock.mono(Some(TimeSpec::new(secs, 0)));
        assert_eq!(at(999), MonoTime::from_millis(49_000));
        assert_eq!(at(1000), MonoTime::from_millis(50_000));
        assert_eq!(at(1001), MonoTime::from_millis(50_000), "the clock was set back");
        assert_eq!(at(10), MonoTime::from_millis(50_000), "the clock was set forward");
        assert_eq!(clock.mono(None), MonoTime::from_millis(50_000));
    }

    /// A kernel whose clocks take so long to read, each time (ns), and how often they were read.
    fn looks(quickest_ns: &mut Option<i128>, took_ns: &[i128]) -> (StampClock, usize) {
        let (now, reads) = (Cell::new(1_000_000_i128), Cell::new(0));
        let clock = StampClock::read(quickest_ns, |_| {
            now.set(now.get() + took_ns.get(reads.get()).copied().unwrap_or(30_000));
            reads.set(reads.get() + 1);
            Ok(now.get())
        });
        (clock.unwrap(), reads.get())
    }

    #[test]
    fn clocks_that_are_slow_to_read_are_read_once_and_an_interrupted_look_is_made_again() {
        let mut quickest_ns = None;
        assert_eq!(looks(&mut quickest_ns, &[]).1, 6, "the first has nothing to be compared with");
        assert_eq!(looks(&mut quickest_ns, &[]).1, 3, "as quick as it gets here");
        let (clock, reads) = looks(&mut quickest_ns, &[30_000, 30_000, 900_000]);
        assert_eq!((reads, clock.real_ns), (6, 1_000_000 + 60_000 + 900_000 + 60_000));
        assert_eq!(quickest_ns, Some(60_000));
        assert_eq!(looks(&mut None, &[100, 100, 100]).1, 3, "with a vDSO");
    }
}
