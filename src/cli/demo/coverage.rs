//! The radio of the demo: a TCP relay between the car and the broker that can lose coverage.
//!
//! rumqttd cannot be stopped inside a process, so the link is cut here, which is also nearer to what a car meets: the
//! broker lives, the way to it is gone.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// The relay's buffer for one direction.
const CHUNK: usize = 16 * 1024;

/// Switches coverage on and off.
#[derive(Clone, Default)]
pub(super) struct Coverage {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    is_lost: bool,
    streams: Vec<TcpStream>,
}

impl Coverage {
    /// Starts the relay to `broker`; the car connects to the address that is returned.
    pub(super) fn start(broker: SocketAddr) -> std::io::Result<(Self, SocketAddr)> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let coverage = Self::default();
        let relay = coverage.clone();
        std::thread::Builder::new().name("coverage".into()).spawn(move || {
            for car in listener.incoming().flatten() {
                if let Err(error) = relay.join(car, broker) {
                    tracing::debug!(%error, "relay refused a connection");
                }
            }
        })?;
        Ok((coverage, address))
    }

    /// Cuts every connection and refuses new ones.
    pub(super) fn lose(&self) {
        let mut state = self.lock();
        state.is_lost = true;
        for stream in state.streams.drain(..) {
            // A stream that is closed already is as cut as it can be.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Lets connections through again.
    pub(super) fn regain(&self) {
        self.lock().is_lost = false;
    }

    fn join(&self, car: TcpStream, broker: SocketAddr) -> std::io::Result<()> {
        if self.lock().is_lost {
            return Ok(());
        }
        let cloud = TcpStream::connect(broker)?;
        car.set_nodelay(true)?;
        cloud.set_nodelay(true)?;
        relay_to(car.try_clone()?, cloud.try_clone()?)?;
        relay_to(cloud.try_clone()?, car.try_clone()?)?;
        let mut state = self.lock();
        state.streams.retain(|stream| stream.peer_addr().is_ok());
        state.streams.extend([car, cloud]);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn relay_to(mut from: TcpStream, mut to: TcpStream) -> std::io::Result<()> {
    std::thread::Builder::new()
        .name("relay".into())
        .spawn(move || {
            let mut chunk = [0; CHUNK];
            while let Ok(count @ 1..) = from.read(&mut chunk) {
                if to.write_all(&chunk[..count]).is_err() {
                    break;
                }
            }
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
        })
        .map(drop)
}
