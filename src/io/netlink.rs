//! Told by the kernel when a route or an address of the machine changes: coverage may be back (rtnetlink(7)).
//!
//! What changed does not matter and is not parsed: the core only tries the link earlier than it would have.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket};
use tokio::io::Interest;

use super::sys;

/// Multicast groups of linux/rtnetlink.h: addresses and routes, IPv4 and IPv6.
const GROUPS: u32 = 0x10 | 0x40 | 0x100 | 0x400;

/// Notices are dropped unread, so a small buffer will do; what does not fit is cut off by the kernel.
const NOTICE_BYTES: usize = 4096;

/// A socket that fails must not make a busy loop.
const AFTER_ERROR: Duration = Duration::from_secs(1);

/// A subscription to changes of the network.
pub struct NetworkWatch {
    socket: sys::Watched,
}

impl NetworkWatch {
    /// Subscribes; must be called within a tokio runtime. Needs no privilege.
    pub fn open() -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
        Ok(Self { socket: sys::watch(fd, Interest::READABLE)? })
    }

    /// Until something changed; what changed at the same time counts as one. Can be cancelled without loss.
    pub async fn changed(&mut self) {
        loop {
            let Ok(mut ready) = self.socket.readable().await else { return std::future::pending().await };
            match ready.try_io(|socket| drain(socket.get_ref())) {
                Ok(Ok(())) => return,
                Ok(Err(_)) => tokio::time::sleep(AFTER_ERROR).await,
                Err(_would_block) => {}
            }
        }
    }
}

/// Reads all notices that wait, at least one. Those that overflowed the socket were notices too.
fn drain(socket: &OwnedFd) -> io::Result<()> {
    let mut notice = [0; NOTICE_BYTES];
    let mut any = false;
    loop {
        match recv(socket.as_raw_fd(), &mut notice, MsgFlags::empty()) {
            Ok(_) | Err(Errno::ENOBUFS) => any = true,
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) if any => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_quiet_network_says_nothing() {
        let mut watch = NetworkWatch::open().expect("netlink is on every Linux");
        let said = tokio::time::timeout(Duration::from_millis(50), watch.changed()).await;
        assert!(said.is_err());
    }
}
