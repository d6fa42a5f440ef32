//! What any reader waits on this machine beside the daemon: threads that are woken by the frames with accelerations, look
//! at the clock, and do nothing else. They share the processors with the daemon and everything that disturbs it, and
//! nothing wakes them but these frames. Each is bound to a processor: one that the scheduler may place would run where the
//! car has just sent, which is awake, while the daemon has to wait until the host of a virtual machine wakes the other one.

use std::io::IoSliceMut;
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::libc::{CAN_EFF_FLAG, CAN_RTR_FLAG};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::socket::sockopt::ReceiveTimestampns;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;
use socketcan::{CanFdSocket, CanFilter, Socket as _, SocketOptions as _};
use telltale::can::Frame;
use telltale::config::Realtime;
use telltale::io::realtime;

use super::INERTIAL;
use super::wire::{Way, udp_bus};

/// How often a reader without frames looks whether it is over.
const LOOK: Duration = Duration::from_millis(200);
/// Room for more than the simulated car sends in a ride.
const ROOM: usize = 1 << 16;

/// The readers.
pub(super) struct Bare {
    /// Where frames have to be sent once more for them; a bus of SocketCAN gives them to all its sockets.
    copies: Vec<UdpSocket>,
    readers: Vec<JoinHandle<Vec<Duration>>>,
    is_over: Arc<AtomicBool>,
}

impl Bare {
    /// One for each bus and processor, in real time where the daemon is.
    /// They remember only what comes while it `counts`.
    pub(super) fn start(way: &Way, realtime: Option<Realtime>, counts: &Arc<AtomicBool>) -> Self {
        let mut bare = Self { copies: Vec::new(), readers: Vec::new(), is_over: Arc::new(AtomicBool::new(false)) };
        let allowed = sched_getaffinity(Pid::from_raw(0)).expect("the processors of this process");
        let is_allowed = |processor: &usize| allowed.is_set(*processor).unwrap_or_default();
        for processor in (0..CpuSet::count()).filter(is_allowed) {
            bare.start_on(processor, way, realtime, counts);
        }
        bare
    }

    fn start_on(&mut self, processor: usize, way: &Way, realtime: Option<Realtime>, counts: &Arc<AtomicBool>) {
        match way {
            Way::Can(interfaces) => {
                for interface in interfaces {
                    let socket = CanFdSocket::open(interface).expect("the interface is there");
                    let exactly = |id| CanFilter::new(id, 0x7FF | CAN_EFF_FLAG | CAN_RTR_FLAG);
                    socket.set_filters(&INERTIAL.map(exactly)).expect("two filters");
                    socket.set_read_timeout(LOOK).expect("a timeout");
                    self.read(socket, processor, realtime, counts);
                }
            }
            Way::Loopback => {
                let [car, end] = udp_bus::pair();
                end.set_read_timeout(Some(LOOK)).expect("a timeout");
                self.copies.push(car);
                self.read(end, processor, realtime, counts);
            }
        }
    }

    /// Returns once the reader is about to read.
    fn read(
        &mut self,
        socket: impl AsFd + AsRawFd + Send + 'static,
        processor: usize,
        settings: Option<Realtime>,
        counts: &Arc<AtomicBool>,
    ) {
        setsockopt(&socket, ReceiveTimestampns, &true).expect("stamps");
        let counts = Arc::clone(counts);
        let (is_over, is_ready) = (Arc::clone(&self.is_over), Arc::new(Barrier::new(2)));
        let ready = Arc::clone(&is_ready);
        self.readers.push(thread::spawn(move || {
            let mut only = CpuSet::new();
            only.set(processor).expect("a processor");
            sched_setaffinity(Pid::from_raw(0), &only).expect("a processor of this process");
            if let Some(settings) = settings {
                // Above the daemon: they wait for the machine, and not for the work of the one that is measured, which has
                // to wait for theirs, a few µs.
                realtime::apply(Realtime { priority: settings.priority.map(|priority| priority + 1), ..settings });
            }
            let mut latencies = Vec::with_capacity(ROOM);
            ready.wait();
            while !is_over.load(Ordering::Relaxed) {
                while let Some(latency) = wait(socket.as_raw_fd()) {
                    if counts.load(Ordering::Relaxed) {
                        latencies.push(latency);
                    }
                }
            }
            latencies
        }));
        is_ready.wait();
    }

    /// The daemon was sent this frame.
    pub(super) fn sent(&self, frame: &Frame) {
        if INERTIAL.contains(&frame.id().raw()) {
            for copies in &self.copies {
                let _ = udp_bus::send(copies, frame);
            }
        }
    }

    /// What they waited, frame by frame.
    pub(super) fn end(self) -> Vec<Duration> {
        self.is_over.store(true, Ordering::Relaxed);
        self.readers.into_iter().flat_map(|reader| reader.join().expect("a reader ends")).collect()
    }
}

/// From the kernel's stamp of the next frame until now.
fn wait(socket: RawFd) -> Option<Duration> {
    let mut frame = [0; 72];
    let mut parts = [IoSliceMut::new(&mut frame)];
    let mut control = nix::cmsg_space!(TimeSpec);
    let message = recvmsg::<()>(socket, &mut parts, Some(&mut control), MsgFlags::empty()).ok()?;
    let now = clock_gettime(ClockId::CLOCK_REALTIME).ok()?;
    let stamp = message.cmsgs().ok()?.find_map(|part| match part {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(stamp),
        _ => None,
    })?;
    Duration::from(now).checked_sub(Duration::from(stamp))
}
