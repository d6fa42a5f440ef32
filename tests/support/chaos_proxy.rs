//! A TCP proxy that does to a connection what coverage, routers and brokers do.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What can happen to a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Every connection ends now, with a reset.
    Cut,
    /// The connections end after so many more bytes towards the broker, which is mostly in the middle of a packet.
    CutAfter(usize),
    /// Connections stay, new ones are accepted, no byte passes.
    Stall,
    /// No byte passes towards the broker; those from it do.
    HalfOpenUp,
    /// No byte passes from the broker; those towards it do.
    HalfOpenDown,
    /// Connections end, new ones are closed as soon as they are accepted.
    Refuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// What the connections look at.
#[derive(Clone, Copy)]
struct State {
    /// Connections of an earlier generation end.
    generation: u64,
    fault: Option<Fault>,
}

/// A proxy in front of one upstream address.
pub(crate) struct ChaosProxy {
    /// Where to connect to.
    pub(crate) port: u16,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

struct Shared {
    state: watch::Sender<State>,
    /// What is left of [`Fault::CutAfter`].
    budget: Mutex<Option<usize>>,
}

impl ChaosProxy {
    pub(crate) async fn start(upstream_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await.expect("a listener");
        let port = listener.local_addr().expect("its address").port();
        let (state, _) = watch::channel(State { generation: 0, fault: None });
        let shared = Arc::new(Shared { state, budget: Mutex::new(None) });
        let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, upstream_port));
        let acceptor = tokio::spawn(accept(listener, upstream, Arc::clone(&shared)));
        Self { port, shared, acceptor }
    }

    /// Begins a fault; `Cut` and `CutAfter` end by themselves.
    pub(crate) fn strike(&self, fault: Fault) {
        match fault {
            Fault::Cut => self.shared.cut(None),
            Fault::CutAfter(bytes) => *self.shared.budget.lock().expect("unpoisoned") = Some(bytes),
            Fault::Refuse => self.shared.cut(Some(fault)),
            Fault::Stall | Fault::HalfOpenUp | Fault::HalfOpenDown => {
                self.shared.state.send_modify(|state| state.fault = Some(fault));
            }
        }
    }

    /// Ends a fault; the connections that suffered from it are gone.
    pub(crate) fn heal(&self) {
        self.shared.cut(None);
    }
}

impl Drop for ChaosProxy {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.shared.cut(Some(Fault::Refuse));
    }
}

impl Shared {
    fn cut(&self, fault: Option<Fault>) {
        *self.budget.lock().expect("unpoisoned") = None;
        self.state.send_modify(|state| {
            state.generation += 1;
            state.fault = fault;
        });
    }

    /// How many of `bytes` may still pass, and whether the connection ends after them.
    fn spend(&self, bytes: usize) -> (usize, bool) {
        match &mut *self.budget.lock().expect("unpoisoned") {
            None => (bytes, false),
            Some(left) if bytes < *left => {
                *left -= bytes;
                (bytes, false)
            }
            Some(left) => (*left, true),
        }
    }
}

async fn accept(listener: TcpListener, upstream: SocketAddr, shared: Arc<Shared>) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let State { generation, fault } = *shared.state.borrow();
        if fault == Some(Fault::Refuse) {
            continue;
        }
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let Ok(broker) = TcpStream::connect(upstream).await else { return };
            for stream in [&client, &broker] {
                stream.set_nodelay(true).expect("an option of a socket");
                stream.set_zero_linger().expect("an option of a socket");
            }
            let (from_client, to_client) = client.into_split();
            let (from_broker, to_broker) = broker.into_split();
            tokio::select! {
                () = pump(Direction::Up, from_client, to_broker, &shared, generation) => {}
                () = pump(Direction::Down, from_broker, to_client, &shared, generation) => {}
            }
        });
    }
}

async fn pump(direction: Direction, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, generation: u64) {
    let mut state = shared.state.subscribe();
    let mut buffer = vec![0; 4096];
    loop {
        let now = *state.borrow_and_update();
        if now.generation != generation {
            return;
        }
        let blocked = match now.fault {
            Some(Fault::Stall) => true,
            Some(Fault::HalfOpenUp) => direction == Direction::Up,
            Some(Fault::HalfOpenDown) => direction == Direction::Down,
            _ => false,
        };
        if blocked {
            if state.changed().await.is_err() {
                return;
            }
            continue;
        }
        let read = tokio::select! {
            changed = state.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            read = from.read(&mut buffer) => read,
        };
        let Ok(read @ 1..) = read else { return };
        let (pass, last) = if direction == Direction::Up { shared.spend(read) } else { (read, false) };
        if to.write_all(&buffer[..pass]).await.is_err() {
            return;
        }
        if last {
            shared.cut(None);
            return;
        }
    }
}
