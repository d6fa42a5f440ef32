//! A real pty, a FIFO and a file, as the kernel makes them.

use std::io::Write;
use std::os::unix::fs::symlink;

use tokio::io::AsyncWriteExt;
use tokio_serial::SerialPort;

use super::*;

const GGA: &[u8] = b"$GPGGA,014500.00,4404.13,N,12118.84,W,1,12,0.5,1129.9,M,,M,,*4B\r\n";
const PATIENCE: Duration = Duration::from_secs(10);

async fn bytes(port: &mut GnssPort, wanted: usize) -> Vec<u8> {
    let mut got = Vec::new();
    while got.len() < wanted {
        match tokio::time::timeout(PATIENCE, port.next()).await.expect("bytes come") {
            GnssInput::Bytes(bytes) => got.extend_from_slice(bytes),
            GnssInput::Event(event) => panic!("{event:?}"),
        }
    }
    got
}

async fn event(port: &mut GnssPort) -> PortEvent {
    match tokio::time::timeout(PATIENCE, port.next()).await.expect("an event comes") {
        GnssInput::Event(event) => event,
        GnssInput::Bytes(bytes) => panic!("{}", bytes.escape_ascii()),
    }
}

/// The side of the receiver, and the path of ours.
fn pty() -> (SerialStream, PathBuf) {
    let (master, slave) = SerialStream::pair().expect("there are ptys");
    let path = slave.name().expect("a pty has a name").into();
    (master, path)
}

#[tokio::test]
async fn a_receiver_is_read_unplugged_and_found_again_under_its_stable_name() {
    let folder = tempfile::tempdir().expect("there is room");
    let stable = folder.path().join("usb-u-blox_GNSS-if00");
    let mut port = GnssPort::serial(&stable, 9_600);
    assert!(matches!(event(&mut port).await, PortEvent::Down(why) if why.contains("u-blox")), "it is not there yet");

    for _ in 0..2 {
        let (mut receiver, path) = pty();
        symlink(&path, &stable).expect("a link can be made");
        assert_eq!(event(&mut port).await, PortEvent::Up);
        AsyncWriteExt::write_all(&mut receiver, GGA).await.expect("the pty takes bytes");
        assert_eq!(bytes(&mut port, GGA.len()).await, GGA);
        std::fs::remove_file(&stable).expect("the link is there");
        drop(receiver);
        assert!(matches!(event(&mut port).await, PortEvent::Down(_)), "unplugged");
        assert!(matches!(event(&mut port).await, PortEvent::Down(_)), "and no longer there, told once");
    }
}

#[tokio::test]
async fn a_port_that_stays_away_is_told_once() {
    let mut port = GnssPort::serial(Path::new("/nonexistent/gnss"), 9_600);
    assert!(matches!(event(&mut port).await, PortEvent::Down(_)));
    assert!(tokio::time::timeout(RETRY_FIRST * 4, port.next()).await.is_err(), "nothing new");
    assert!(port.retry > RETRY_FIRST && port.retry <= RETRY_LAST);
}

#[tokio::test]
async fn a_wait_that_is_dropped_loses_nothing() {
    let (mut receiver, path) = pty();
    let mut port = GnssPort::serial(&path, 115_200);
    assert_eq!(event(&mut port).await, PortEvent::Up);
    let mut got = Vec::new();
    for chunk in GGA.chunks(7) {
        assert!(tokio::time::timeout(Duration::from_millis(2), port.next()).await.is_err(), "nothing was sent");
        AsyncWriteExt::write_all(&mut receiver, chunk).await.expect("the pty takes bytes");
        got.extend(bytes(&mut port, chunk.len()).await);
    }
    assert_eq!(got, GGA);
}

#[tokio::test]
async fn a_fifo_is_read_like_a_port() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("fifo");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO can be made");
    let mut port = GnssPort::file(&path);
    assert_eq!(event(&mut port).await, PortEvent::Up);
    let mut writer = File::options().write(true).open(&path).expect("there is a reader");
    writer.write_all(GGA).expect("the FIFO takes bytes");
    assert_eq!(bytes(&mut port, GGA.len()).await, GGA);
    drop(writer);
    assert!(matches!(event(&mut port).await, PortEvent::Down(_)));
}

#[tokio::test]
async fn a_recording_is_played_at_its_own_pace_and_ends() {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().join("drive.nmea");
    let second = b"$GPVTG,,T,,M,,N,,K,N*2C\r\n$GPGGA,014500.30,,,,,0,,,,,,,,*5D\r\n";
    std::fs::write(&path, [GGA, second].concat()).expect("there is room");
    let mut port = GnssPort::file(&path);
    assert_eq!(event(&mut port).await, PortEvent::Up);
    let start = Instant::now();
    assert_eq!(bytes(&mut port, GGA.len() + second.len()).await, [GGA, second].concat());
    let took = start.elapsed();
    assert!(took >= Duration::from_millis(290) && took < Duration::from_secs(5), "{took:?}");
    assert!(matches!(event(&mut port).await, PortEvent::Down(why) if why.contains("over")));
    assert!(tokio::time::timeout(Duration::from_millis(50), port.next()).await.is_err(), "and then there is silence");
}

#[tokio::test]
async fn a_folder_is_no_receiver() {
    let mut port = GnssPort::file(Path::new("/tmp"));
    assert!(matches!(event(&mut port).await, PortEvent::Down(why) if why.contains("/tmp")));
}
