//! The metrics page over HTTP/1.1: `GET /metrics` on a loopback address or a unix socket.
//!
//! The page has no password, so it never listens where another machine could reach it. The text is made by the bus
//! thread on demand ([`Ask`]); while that thread is busy a scrape waits for [`ANSWER_LIMIT`] and then gets 503, and
//! never the other way round.
//!
//! Each connection serves one request within [`CONNECTION_LIMIT`]; at most [`MAX_CONNECTIONS`] are open, further ones
//! wait in the kernel's queue. Bodies of requests are not read.

use std::convert::Infallible;
use std::io;
use std::net::{self, SocketAddr};
use std::os::unix;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// A request for the page. Whoever gets it sends the text in the Prometheus text format 0.0.4.
pub type Ask = oneshot::Sender<String>;

/// Scrapes that may wait for the bus thread: a scraper, a person, and as many again.
pub const ASK_CAPACITY: usize = 4;

/// Open connections: the scraper, a few people, and those whose limit runs out.
pub const MAX_CONNECTIONS: usize = 8;

/// How long the bus thread may take to answer. Prometheus itself gives up after 10 s.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// How long a connection may take from its first byte to its last.
pub const CONNECTION_LIMIT: Duration = Duration::from_secs(10);

/// How long a client may take to send its request line and headers.
pub const HEADER_LIMIT: Duration = Duration::from_secs(3);

/// Request line and headers: the least that hyper allows.
pub const MAX_HEADER_BYTES: usize = 8192;

/// The pause after a failed accept: descriptors have run out, and a busy loop gives none back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The mode of the unix socket: the daemon's user and group.
const SOCKET_MODE: u32 = 0o660;

/// Where the page is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A loopback address.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// The page cannot be offered there; whoever wrote the deployment file must act.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Other machines could reach it.
    #[error("metrics on {0}: everybody on the network could read them: use 127.0.0.1, [::1] or a unix socket")]
    NotLoopback(SocketAddr),
    /// Something else has that name.
    #[error("metrics on {0}: there is a file of that name that is no socket: give another name")]
    NotASocket(PathBuf),
    /// The system does not allow it, or another daemon listens there.
    #[error("metrics on {address}: {source}: choose an address that is free")]
    Io {
        /// The address or path.
        address: String,
        /// What the system says.
        source: io::Error,
    },
}

/// Listens, but does not answer yet. Belongs to no runtime until [`serve`] is called on the thread that serves.
#[derive(Debug)]
pub struct Listener(Bound);

#[derive(Debug)]
enum Bound {
    Tcp(net::TcpListener),
    Unix(unix::net::UnixListener),
}

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Binds. A socket that a dead daemon left behind is replaced; one that somebody listens on is not.
    pub async fn bind(address: &Address) -> Result<Self, BindError> {
        match address {
            Address::Tcp(address) if !address.ip().is_loopback() => Err(BindError::NotLoopback(*address)),
            Address::Tcp(address) => match net::TcpListener::bind(address) {
                Ok(listener) => Ok(Self(Bound::Tcp(listener))),
                Err(source) => Err(BindError::Io { address: address.to_string(), source }),
            },
            Address::Unix(path) => bind_unix(path).await,
        }
    }

    /// The address, where it is a TCP one: the port may have been chosen by the system.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            Bound::Tcp(listener) => listener.local_addr().ok(),
            Bound::Unix(_) => None,
        }
    }

    fn acceptor(self) -> io::Result<Acceptor> {
        match self.0 {
            Bound::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Acceptor::Tcp)
            }
            Bound::Unix(listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(Acceptor::Unix)
            }
        }
    }
}

impl Acceptor {
    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| Box::new(stream) as Box<dyn Stream>),
            Self::Unix(listener) => listener.accept().await.map(|(stream, _)| Box::new(stream) as Box<dyn Stream>),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Answers until the future is dropped; the open connections end with it.
pub async fn serve(listener: Listener, asks: mpsc::Sender<Ask>) {
    let acceptor = match listener.acceptor() {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::error!(%error, "the metrics page is not served: no file descriptor can be watched");
            return std::future::pending().await;
        }
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = acceptor.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok(stream) => { connections.spawn(connection(stream, asks.clone())); }
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection for metrics");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: Box<dyn Stream>, asks: mpsc::Sender<Ask>) {
    let answer = service_fn(move |request| answer(request, asks.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_LIMIT)
        .max_buf_size(MAX_HEADER_BYTES)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);
    // A client that is slow, rude or gone is no news to anybody.
    let _ = tokio::time::timeout(CONNECTION_LIMIT, served).await;
}

async fn answer(request: Request<Incoming>, asks: mpsc::Sender<Ask>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.uri().path() != "/metrics" {
        return Ok(response(StatusCode::NOT_FOUND, "the metrics are at /metrics\n"));
    }
    if request.method() != Method::GET {
        let mut refused = response(StatusCode::METHOD_NOT_ALLOWED, "only GET is allowed\n");
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return Ok(refused);
    }
    let (ask, text) = oneshot::channel();
    let text = match asks.try_send(ask) {
        Ok(()) => tokio::time::timeout(ANSWER_LIMIT, text).await.ok().and_then(Result::ok),
        Err(_) => None,
    };
    Ok(match text {
        Some(text) => response(StatusCode::OK, text),
        None => response(StatusCode::SERVICE_UNAVAILABLE, "the bus thread is busy: try again\n"),
    })
}

fn response(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

async fn bind_unix(path: &Path) -> Result<Listener, BindError> {
    let failed = |source| BindError::Io { address: path.display().to_string(), source };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(metadata) if !metadata.file_type().is_socket() => return Err(BindError::NotASocket(path.to_owned())),
        Ok(_) if UnixStream::connect(path).await.is_ok() => {
            return Err(failed(io::ErrorKind::AddrInUse.into()));
        }
        Ok(_) => std::fs::remove_file(path).map_err(failed)?,
    }
    let listener = unix::net::UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(SOCKET_MODE)).map_err(failed)?;
    Ok(Listener(Bound::Unix(listener)))
}
