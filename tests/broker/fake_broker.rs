//! A broker that says what the test wants it to say.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// CONNACK, accepted, no session (MQTT 3.1.1, 3.2).
pub(crate) const CONNACK: [u8; 4] = [0x20, 2, 0, 0];

pub(crate) struct FakeBroker {
    listener: TcpListener,
    pub(crate) port: u16,
}

impl FakeBroker {
    pub(crate) async fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST.into()).await.expect("a listener")
    }

    /// Fails where the machine has no such address.
    pub(crate) async fn start_at(address: IpAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Takes a connection and its CONNECT, which it returns.
    pub(crate) async fn accept(&self) -> (Session, Vec<u8>) {
        let (socket, _) = self.listener.accept().await.expect("the client connects");
        let mut session = Session(socket);
        let connect = session.read_packet().await;
        assert_eq!(connect[0], 0x10, "the first packet is CONNECT");
        (session, connect)
    }
}

pub(crate) struct Session(TcpStream);

impl Session {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the client listens");
    }

    /// Sends what the client may hang up on, and closes.
    pub(crate) async fn send_and_close(mut self, bytes: &[u8]) {
        let _ = self.0.write_all(bytes).await;
        let _ = self.0.shutdown().await;
    }

    /// One MQTT packet of less than 16 KiB.
    pub(crate) async fn read_packet(&mut self) -> Vec<u8> {
        let mut packet = vec![0; 2];
        self.0.read_exact(&mut packet).await.expect("a packet");
        let mut length = usize::from(packet[1] & 0x7F);
        if packet[1] & 0x80 != 0 {
            packet.push(self.0.read_u8().await.expect("a length"));
            length += usize::from(packet[2]) << 7;
        }
        let header = packet.len();
        packet.resize(header + length, 0);
        self.0.read_exact(&mut packet[header..]).await.expect("a packet");
        packet
    }
}
