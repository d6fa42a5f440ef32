//! The metrics page as raw clients see it: Prometheus, people, and those who mean no good.
#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::time::Duration;

use telltale::io::metrics_http::{
    ANSWER_LIMIT, ASK_CAPACITY, Address, Ask, BindError, CONNECTION_LIMIT, HEADER_LIMIT, Listener, MAX_CONNECTIONS,
    serve,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

const LOOPBACK: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

/// What a busy machine may add to a time limit.
const SLACK: Duration = Duration::from_secs(3);

async fn page() -> (SocketAddr, mpsc::Receiver<Ask>, JoinHandle<()>) {
    let listener = Listener::bind(&Address::Tcp(LOOPBACK.into())).await.expect("a listener");
    let address = listener.local_addr().expect("a TCP address");
    let (asks, asked) = mpsc::channel(ASK_CAPACITY);
    (address, asked, tokio::spawn(serve(listener, asks)))
}

/// A bus thread that answers at once.
fn answering(mut asked: mpsc::Receiver<Ask>) {
    tokio::spawn(async move {
        while let Some(ask) = asked.recv().await {
            ask.send("telltale_up 1\n".to_owned()).expect("the client waits");
        }
    });
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> String {
    stream.write_all(request).await.expect("the page listens");
    let mut reply = Vec::new();
    timeout(CONNECTION_LIMIT + SLACK, stream.read_to_end(&mut reply)).await.expect("in time").expect("a reply");
    String::from_utf8(reply).expect("UTF-8")
}

async fn get(address: SocketAddr, request: &str) -> String {
    exchange(TcpStream::connect(address).await.expect("a connection"), request.as_bytes()).await
}

#[tokio::test]
async fn the_page_is_served_over_tcp_and_everything_else_is_refused() {
    let (address, asked, _server) = page().await;
    answering(asked);
    let reply = get(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    assert!(reply.contains("content-type: text/plain; version=0.0.4"), "{reply}");
    assert!(reply.ends_with("\r\n\r\ntelltale_up 1\n"), "{reply}");
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        ("GET /metrics/../etc HTTP/1.1\r\nHost: x\r\n\r\n", "404"),
        ("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "405"),
        ("GET /metrics?x=1 HTTP/1.0\r\n\r\n", "200"),
        ("\u{1}\u{2}\u{3}\r\n\r\n", "400"),
        ("GET /metrics HTTP/9.9\r\n\r\n", "400"),
    ] {
        let reply = get(address, request).await;
        assert_eq!(reply.split(' ').nth(1), Some(status), "{request:?}: {reply}");
    }
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    // The page may hang up before it has read all of it.
    let _ = stream.write_all(long.as_bytes()).await;
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    assert!(!String::from_utf8_lossy(&reply).contains("200 OK"));
    assert!(get(address, "GET /metrics HTTP/1.1\r\n\r\n").await.contains("200 OK"), "the page has survived it");
}

#[tokio::test]
async fn the_page_is_served_over_a_unix_socket_that_replaces_a_dead_one_only() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("metrics.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a dead daemon's socket"));
    let address = Address::Unix(path.clone());
    let listener = Listener::bind(&address).await.expect("a listener");
    let metadata = std::fs::metadata(&path).expect("a socket");
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o660);
    let (asks, asked) = mpsc::channel(ASK_CAPACITY);
    answering(asked);
    let _server = tokio::spawn(serve(listener, asks));
    let stream = UnixStream::connect(&path).await.expect("a connection");
    assert!(exchange(stream, b"GET /metrics HTTP/1.1\r\n\r\n").await.ends_with("telltale_up 1\n"));

    let in_use = Listener::bind(&address).await.expect_err("somebody listens there").to_string();
    assert!(in_use.contains("metrics.sock") && in_use.contains("choose an address that is free"), "{in_use}");
    let file = directory.path().join("precious");
    std::fs::write(&file, "data").expect("a file");
    let error = Listener::bind(&Address::Unix(file.clone())).await.expect_err("no socket");
    assert!(matches!(error, BindError::NotASocket(_)), "{error}");
    assert_eq!(std::fs::read(&file).expect("still there"), b"data");
}

#[tokio::test]
async fn only_loopback_addresses_are_bound() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:9100"] {
        let refused = Listener::bind(&Address::Tcp(address.parse().expect("an address"))).await;
        assert!(matches!(refused, Err(BindError::NotLoopback(_))), "{address}");
    }
}

#[tokio::test]
async fn a_busy_bus_thread_costs_the_scrape_not_the_bus_thread() {
    let (address, asked, _server) = page().await;
    let began = Instant::now();
    let scrapes = (0..ASK_CAPACITY + 2).map(|_| tokio::spawn(get(address, "GET /metrics HTTP/1.1\r\n\r\n")));
    for scrape in scrapes.collect::<Vec<_>>() {
        let reply = scrape.await.expect("a reply");
        assert!(reply.starts_with("HTTP/1.1 503 "), "{reply}");
    }
    assert!(began.elapsed() < ANSWER_LIMIT + SLACK, "{:?}", began.elapsed());
    assert_eq!(asked.len(), ASK_CAPACITY, "no more than its capacity waits for the bus thread");
}

#[tokio::test]
async fn clients_that_say_nothing_lose_their_place() {
    let (address, asked, _server) = page().await;
    answering(asked);
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        silent.push(TcpStream::connect(address).await.expect("a connection"));
    }
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    let reply = get(address, "GET /metrics HTTP/1.1\r\n\r\n").await;
    assert!(reply.starts_with("HTTP/1.1 200 "), "{reply}");
    let waited = began.elapsed();
    assert!(waited > Duration::from_secs(1), "{waited:?}: the limit of connections does not hold");
    assert!(waited < HEADER_LIMIT + SLACK, "{waited:?}");
}
