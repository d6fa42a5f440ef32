//! One bound CAN_RAW socket: opened, read in batches, asked for its drops, written to.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, ReceiveTimestampns, SocketError};
use nix::sys::socket::{ControlMessageOwned, MsgFlags, MultiHeaders, getsockopt, recvmmsg, setsockopt};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use socketcan::{CanAddr, CanFdSocket, Socket as _, SocketOptions as _};
use tokio::io::{Interest, Ready};

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

/// A bound socket.
#[derive(Debug)]
pub(super) struct BoundSocket {
    socket: CanFdSocket,
    /// A second descriptor of the same socket, for the runtime to watch.
    watched: Watched,
    index: u32,
    receive_buffer: usize,
    drops: u32,
    last: MonoTime,
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
        setsockopt(&socket, ReceiveTimestampns, &true)?;
        // The first needs CAP_NET_ADMIN, the second stays below net.core.rmem_max.
        setsockopt(&socket, RcvBufForce, &settings.receive_buffer)
            .or_else(|_| setsockopt(&socket, RcvBuf, &settings.receive_buffer))?;
        let receive_buffer = getsockopt(&socket, RcvBuf)?;
        let watched = watch(socket.as_fd().try_clone_to_owned()?, NEWS)?;
        Ok(Self { socket, watched, index, receive_buffer, drops: 0, last: MonoTime::ZERO })
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

    /// Reads one batch when there is one. Nothing is lost when this is dropped while it waits.
    pub(super) async fn read_when_ready(&mut self, sink: &mut Vec<(MonoTime, Frame)>) -> io::Result<Read> {
        let mut ready = self.watched.ready(NEWS).await?;
        // `AsyncFd::try_io` takes one interest only: with two it never calls (tokio 1.54, `Interest::mask`).
        let read = ready.try_io(|_| receive(&self.socket, &mut self.last, sink));
        if matches!(read, Ok(Ok(Read::All))) {
            // The queue was empty then: epoll tells of what came since, and asking again would find nothing.
            ready.clear_ready_matching(Ready::READABLE);
        }
        read.unwrap_or_else(|_| Err(io::ErrorKind::WouldBlock.into()))
    }

    /// Takes what is waiting, at most one batch.
    pub(super) fn read(&mut self, sink: &mut Vec<(MonoTime, Frame)>) -> io::Result<Read> {
        receive(&self.socket, &mut self.last, sink)
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

/// Takes what is waiting, at most one batch, and stamps no frame earlier than `last`.
fn receive(socket: &CanFdSocket, last: &mut MonoTime, sink: &mut Vec<(MonoTime, Frame)>) -> io::Result<Read> {
    let mut buffers = [[0_u8; FD_BYTES]; BATCH_FRAMES];
    let mut slices: Vec<[IoSliceMut<'_>; 1]> = buffers.iter_mut().map(|buffer| [IoSliceMut::new(buffer)]).collect();
    // Made anew each time: the kernel shortens the room for control messages in it to what it used, and nix does
    // not restore it (nix pull request 1744).
    let mut headers = MultiHeaders::<()>::preallocate(BATCH_FRAMES, Some(nix::cmsg_space!(TimeSpec)));
    let clock = StampClock::read()?;
    let flags = MsgFlags::MSG_DONTWAIT;
    let messages = match recvmmsg(socket.as_raw_fd(), &mut headers, slices.iter_mut(), flags, None) {
        Ok(messages) => messages,
        Err(Errno::ENETDOWN) => return Ok(Read::Down),
        Err(Errno::ENODEV | Errno::ENXIO) => return Ok(Read::Gone),
        Err(errno) => return Err(errno.into()),
    };
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
        *last = (*last).max(clock.mono(stamp));
        if let Some(frame) = message.iovs().next().and_then(parse) {
            sink.push((*last, frame));
        }
    }
    Ok(if count == BATCH_FRAMES { Read::Full } else { Read::All })
}

/// linux/sock_diag.h: SO_MEMINFO is nine 32-bit numbers, the last of them SK_MEMINFO_DROPS.
const MEMINFO_BYTES: usize = 36;
const MEMINFO_DROPS_AT: usize = 32;

/// Kernel stamps are of CLOCK_REALTIME; both clocks, read together, turn them into monotonic time.
struct StampClock {
    real_ns: i128,
    mono_ns: i128,
}

impl StampClock {
    fn read() -> io::Result<Self> {
        let nanos = |clock| clock_gettime(clock).map(|time| nanos(&time));
        Ok(Self { real_ns: nanos(ClockId::CLOCK_REALTIME)?, mono_ns: nanos(ClockId::CLOCK_BOOTTIME)? })
    }

    /// Now when there is no stamp, or when the wall clock was set since it was made.
    fn mono(&self, stamp: Option<TimeSpec>) -> MonoTime {
        let age_ns = stamp.map_or(0, |stamp| self.real_ns - nanos(&stamp));
        let age_ns = if (0..=STAMP_AGE_MAX_NS).contains(&age_ns) { age_ns } else { 0 };
        MonoTime::from_nanos(u64::try_from(self.mono_ns - age_ns).unwrap_or(0))
    }
}

fn nanos(time: &TimeSpec) -> i128 {
    i128::from(time.tv_sec()) * 1_000_000_000 + i128::from(time.tv_nsec())
}

#[cfg(test)]
mod tests {
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
}
