//! A CAN interface of the kernel: frames in, in batches with their kernel stamps, and frames out.
//!
//! # Goals
//!
//! Every frame that the kernel kept is delivered, in order, with the time at which it was received; every frame that it
//! dropped is counted. An interface that is missing, down, goes away and comes back is reported and taken up again.
//! Classic, FD, remote and error frames of 11 and 29 bits. Bit rate and the restart after bus-off are not ours: they
//! belong to whoever configures the interface (systemd-networkd), so that the daemon needs no rights for it.
//!
//! # Operation
//!
//! [`CanPort::read`] does all of it, and never waits: it opens, reads up to [`BATCH_FRAMES`] with one recvmmsg(2), and
//! says what changed. [`CanPort::ready`] tells when there is a reason to call it; it may be called without one. While the
//! interface is not up it looks each [`PROBE_EVERY`] by binding a socket to the name, the one look that tells missing,
//! down and up apart without any right; an old socket whose interface only went down is kept, so that nothing is missed
//! when it comes up.

mod socket;
mod wire;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::can::{CanId, Frame};
use crate::gateway::BusEvent;
use crate::time::MonoTime;
use socket::{BoundSocket, Read};

/// Frames read at once: 16 ms of a full 500 kbit/s bus, and 5 KB on the stack.
pub const BATCH_FRAMES: usize = 64;

/// The receive buffer that is asked for (bytes). The kernel doubles it, counts some 830 bytes for a frame, and then holds
/// some 10,000 frames: 2.5 s of a full 500 kbit/s bus. Without `CAP_NET_ADMIN` it grants no more than
/// `net.core.rmem_max` (`systemd/90-telltale-sysctl.conf`), by default 212,992: 0.13 s.
pub const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Batches that are read from an interface that went down, at most: twice what its receive buffer holds.
const LAST_BATCHES_MAX: usize = 320;

/// Filters handed to the kernel at most. It compares a frame with each of them in turn, unless they are for single
/// 11-bit identifiers; with more, taking every frame is cheaper.
pub const FILTERS_MAX: usize = 64;

/// How often to look for an interface that is not up.
pub const PROBE_EVERY: Duration = Duration::from_millis(500);

/// A kernel stamp older than this (ns) is from before a step of the wall clock: no frame waits for so long.
const STAMP_AGE_MAX_NS: i128 = 10_000_000_000;

/// What to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanSettings {
    /// The name of the interface: `can0`.
    pub interface: String,
    /// The identifiers that are of interest. None means all, as do more than [`FILTERS_MAX`]. Error frames always come.
    pub filters: Vec<CanId>,
    /// The receive buffer to ask for (bytes): [`RECEIVE_BUFFER`].
    pub receive_buffer: usize,
}

/// Why a frame was not put into the transmit queue.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The interface is missing or down. The caller may try again after [`BusEvent::Up`].
    #[error("the interface is not up")]
    Down,
    /// The transmit queue is full (`ENOBUFS`): nobody acknowledges, or the bus is busy. The caller may try again later.
    #[error("the transmit queue is full")]
    Full,
    /// An error frame, which only controllers make. The caller must not.
    #[error("an error frame cannot be sent")]
    NotSendable,
    /// The kernel refuses it, such as an FD frame on a classic interface. The operator must look at the interface.
    #[error("the kernel refused the frame: {0}")]
    Refused(#[source] io::Error),
}

/// The way to one interface, whether it is there or not.
#[derive(Debug)]
pub struct CanPort {
    settings: CanSettings,
    link: Link,
    /// When to look for the interface again, while it is not up.
    probe_at: Instant,
    behind: bool,
    /// For whoever waits for something that is no longer what there is to wait for.
    changed: Arc<Notify>,
}

#[derive(Debug)]
enum Link {
    /// Nothing was tried yet.
    New,
    /// A socket that was made elsewhere; it was not told yet that it is up.
    Given(BoundSocket),
    /// There is no such interface, or it cannot be opened.
    Missing,
    /// It is there, and not up. Its socket is kept.
    Down(BoundSocket),
    /// It is being read.
    Up(BoundSocket),
}

/// What [`CanPort::read`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What changed; it is younger than the frames.
    pub news: Option<BusEvent>,
    /// The batch was full: there may be more frames.
    pub is_full: bool,
}

impl CanPort {
    /// Opens nothing yet.
    #[must_use]
    pub fn new(settings: CanSettings) -> Self {
        Self::with(settings, Link::New)
    }

    /// Reads a connected datagram socket that was made elsewhere, each of whose datagrams is a `struct can_frame` or
    /// `struct canfd_frame`. When that fails the interface of the settings is looked for. Must be called within a tokio
    /// runtime with I/O.
    pub fn adopt(settings: CanSettings, socket: OwnedFd) -> io::Result<Self> {
        let socket = BoundSocket::adopt(socket, settings.receive_buffer)?;
        Ok(Self::with(settings, Link::Given(socket)))
    }

    fn with(settings: CanSettings, link: Link) -> Self {
        Self { settings, link, probe_at: Instant::now(), behind: false, changed: Arc::default() }
    }

    /// The name of the interface.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.settings.interface
    }

    /// The receive buffer that the kernel granted (bytes, by its own counting twice what was asked for); 0 while there
    /// is no interface.
    #[must_use]
    pub fn receive_buffer(&self) -> usize {
        match &self.link {
            Link::New | Link::Missing => 0,
            Link::Given(socket) | Link::Down(socket) | Link::Up(socket) => socket.receive_buffer(),
        }
    }

    /// Resolves when [`Self::read`] should be called. For one who waits; may be dropped at any time. Must be called
    /// within a tokio runtime with I/O and time.
    pub fn ready(&self) -> impl Future<Output = ()> + use<> {
        let changed = Arc::clone(&self.changed);
        let (socket, probe_at) = match &self.link {
            Link::New | Link::Given(_) | Link::Missing => (None, Some(self.probe_at)),
            Link::Down(socket) => (Some(socket.ready()), Some(self.probe_at)),
            Link::Up(socket) => (Some(socket.ready()), None),
        };
        async move {
            tokio::select! {
                biased;
                () = on(socket) => {}
                () = on(probe_at.map(sleep_until)) => {}
                () = changed.notified() => {}
            }
        }
    }

    /// Appends the frames that wait to `sink`, oldest first and at most [`BATCH_FRAMES`], and says what changed. Stamps
    /// never decrease and are never in the future. Must be called within a tokio runtime with I/O and time.
    pub fn read(&mut self, sink: &mut Vec<(MonoTime, Frame)>) -> Found {
        let mut is_full = false;
        let news = match &mut self.link {
            Link::Given(_) => self.came_up(),
            Link::New | Link::Missing | Link::Down(_) if self.probe_at <= Instant::now() => {
                self.look_later();
                self.look()
            }
            Link::New | Link::Missing => None,
            Link::Down(socket) | Link::Up(socket) => {
                let outcome = socket.read(sink);
                is_full = matches!(outcome, Ok(Read::Full));
                self.judge(outcome, sink)
            }
        };
        if news.is_some() {
            self.changed.notify_one();
        }
        Found { news, is_full }
    }

    /// Puts a frame into the transmit queue of the kernel, at once or not at all.
    pub fn send(&self, frame: &Frame) -> Result<(), SendError> {
        match &self.link {
            Link::Up(socket) => socket.send(frame),
            Link::New | Link::Given(_) | Link::Missing | Link::Down(_) => Err(SendError::Down),
        }
    }

    /// Looks whether the interface is there, and up.
    fn look(&mut self) -> Option<BusEvent> {
        let found = self.open();
        let (link, news) = match (found, std::mem::replace(&mut self.link, Link::Missing)) {
            (Ok((new, true)), Link::Down(old)) if old.index() == new.index() => (Link::Up(old), Some(BusEvent::Up)),
            (Ok((new, true)), _) => (Link::Up(new), Some(BusEvent::Up)),
            (Ok((new, false)), Link::Down(old)) => {
                let same = old.index() == new.index();
                (Link::Down(if same { old } else { new }), None)
            }
            (Ok((new, false)), _) => (Link::Down(new), Some(BusEvent::Down)),
            (Err(_), Link::Missing) => (Link::Missing, None),
            (Err(error), _) => {
                tracing::warn!(interface = self.settings.interface, %error, "cannot open the CAN interface");
                (Link::Missing, Some(BusEvent::Missing))
            }
        };
        self.link = link;
        if news == Some(BusEvent::Up) {
            self.check_buffer();
        }
        news
    }

    /// Says it when the frames that wait have less room than they should.
    fn check_buffer(&self) {
        let (granted, wanted) = (self.receive_buffer(), self.settings.receive_buffer.saturating_mul(2));
        if granted < wanted {
            tracing::warn!(
                interface = self.settings.interface,
                granted,
                wanted,
                "the receive buffer is smaller than it should be: set net.core.rmem_max, see docs/operations.md"
            );
        }
    }

    fn open(&self) -> io::Result<(BoundSocket, bool)> {
        let socket = BoundSocket::open(&self.settings)?;
        let up = socket.is_up()?;
        Ok((socket, up))
    }

    /// What a read says of the interface.
    fn judge(&mut self, outcome: io::Result<Read>, sink: &mut Vec<(MonoTime, Frame)>) -> Option<BusEvent> {
        match outcome {
            Ok(Read::Full) => {
                self.behind = true;
                self.came_up().or_else(|| self.dropped())
            }
            Ok(Read::All) => self.came_up().or_else(|| self.caught_up()),
            Ok(Read::Down) => self.went_down(sink),
            Ok(Read::Gone) => Some(self.went_away(&io::Error::from_raw_os_error(nix::libc::ENODEV))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.caught_up(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(error) => Some(self.went_away(&error)),
        }
    }

    fn look_later(&mut self) {
        self.probe_at = Instant::now() + PROBE_EVERY;
    }

    /// Frames on an interface that was down: it is up.
    fn came_up(&mut self) -> Option<BusEvent> {
        match std::mem::replace(&mut self.link, Link::Missing) {
            Link::Given(socket) | Link::Down(socket) => {
                self.link = Link::Up(socket);
                Some(BusEvent::Up)
            }
            other => {
                self.link = other;
                None
            }
        }
    }

    /// Takes what was received before it went down, so that only new frames mean that it is up again.
    fn went_down(&mut self, sink: &mut Vec<(MonoTime, Frame)>) -> Option<BusEvent> {
        match std::mem::replace(&mut self.link, Link::Missing) {
            Link::Up(mut socket) => {
                self.look_later();
                for _ in 0..LAST_BATCHES_MAX {
                    if !matches!(socket.read(sink), Ok(Read::Full)) {
                        break;
                    }
                }
                self.link = Link::Down(socket);
                Some(BusEvent::Down)
            }
            other => {
                self.link = other;
                None
            }
        }
    }

    fn went_away(&mut self, error: &io::Error) -> BusEvent {
        tracing::warn!(interface = self.settings.interface, %error, "the CAN interface went away");
        self.link = Link::Missing;
        self.look_later();
        BusEvent::Missing
    }

    fn caught_up(&mut self) -> Option<BusEvent> {
        if std::mem::take(&mut self.behind) { self.dropped() } else { None }
    }

    /// Asked only while we are behind: a queue of thousands does not overflow between two small batches.
    fn dropped(&mut self) -> Option<BusEvent> {
        let (Link::Down(socket) | Link::Up(socket)) = &mut self.link else { return None };
        let count = socket.dropped().unwrap_or(0);
        (count > 0).then_some(BusEvent::Dropped(count))
    }
}

/// The future, or none that ever ends.
async fn on(future: Option<impl Future<Output = ()>>) {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}
