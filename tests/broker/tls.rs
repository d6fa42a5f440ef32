//! Certificates: accepted, refused, renewed, and badly kept.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use telltale::gateway::{LinkDown, LinkEvent, PublishToken};
use telltale::io::credentials::{self, Place, Secrecy};
use telltale::io::mqtt::{Command, Transport};
use telltale::io::tls::{ClientIdentity, client_config};

use crate::client::Client;
use crate::mosquitto::{Identity, Mosquitto, Pki, set_mode};
use crate::subscriber::Subscriber;

/// What the runtime does: read the files anew for each connection.
fn transport(ca: PathBuf, identity: Option<Identity>) -> Transport {
    let read = |path: &PathBuf, secrecy| {
        credentials::read(Place::File(path), None, secrecy).map_err(|error| error.to_string())
    };
    Transport::Tls(Arc::new(move || {
        let ca_pem = read(&ca, Secrecy::Public)?;
        let config = match &identity {
            None => client_config(&ca_pem, None),
            Some(identity) => {
                let certificates_pem = read(&identity.certificate, Secrecy::Public)?;
                let key_pem = read(&identity.key, Secrecy::Private)?;
                let identity = ClientIdentity { certificates_pem: &certificates_pem, key_pem: &key_pem };
                client_config(&ca_pem, Some(identity))
            }
        };
        config.map_err(|error| error.to_string())
    }))
}

fn credentials_text(event: LinkEvent) -> String {
    match event {
        LinkEvent::Down(LinkDown::Credentials(text)) => text,
        other => panic!("not a matter of credentials: {other:?}"),
    }
}

#[tokio::test]
async fn a_client_certificate_of_the_brokers_authority_connects_and_publishes() {
    let pki = Pki::new("fleet");
    let Some(broker) = Mosquitto::start(false, Some(&pki)) else { return };
    let mut client = Client::start(broker.tls_port, transport(pki.ca(), Some(pki.issue("car"))));
    assert_eq!(client.connect().await, LinkEvent::Up { session_present: false });
    client.publish(7, "car/event", b"over TLS", false);
    assert_eq!(client.next().await, LinkEvent::Acked(PublishToken(7)));
}

#[tokio::test]
async fn a_broker_of_another_authority_is_not_trusted() {
    let (pki, other) = (Pki::new("fleet"), Pki::new("somebody"));
    let Some(broker) = Mosquitto::start(false, Some(&pki)) else { return };
    let mut client = Client::start(broker.tls_port, transport(other.ca(), Some(pki.issue("car"))));
    let text = credentials_text(client.connect().await);
    assert!(text.contains("UnknownIssuer") && text.contains("check the CA file"), "{text}");
}

#[tokio::test]
async fn a_broker_under_another_name_is_not_trusted() {
    let pki = Pki::new("fleet");
    let Some(broker) = Mosquitto::start(false, Some(&pki)) else { return };
    let proxy = crate::chaos_proxy::ChaosProxy::start(broker.tls_port).await;
    let mut client = Client::start_towards("127.0.0.2", proxy.port, transport(pki.ca(), Some(pki.issue("car"))));
    let text = credentials_text(client.connect().await);
    assert!(text.contains("host name"), "{text}");
}

#[tokio::test]
async fn the_brokers_refusal_of_our_certificate_is_a_matter_of_credentials() {
    let (pki, other) = (Pki::new("fleet"), Pki::new("somebody"));
    let Some(broker) = Mosquitto::start(false, Some(&pki)) else { return };
    for identity in [None, Some(other.issue("car"))] {
        for attempt in 0..10 {
            let identity = identity
                .as_ref()
                .map(|Identity { certificate, key }| Identity { certificate: certificate.clone(), key: key.clone() });
            let mut client = Client::start(broker.tls_port, transport(pki.ca(), identity));
            let text = credentials_text(client.connect().await);
            assert!(text.contains("the broker does not accept our certificate"), "attempt {attempt}: {text}");
        }
    }
}

#[tokio::test]
async fn a_key_that_others_can_read_is_refused_before_anything_is_sent_and_taken_once_it_is_closed() {
    let pki = Pki::new("fleet");
    let Some(broker) = Mosquitto::start(false, Some(&pki)) else { return };
    let identity = pki.issue("car");
    let key = identity.key.clone();
    set_mode(&key, 0o644);
    let mut client = Client::start(broker.tls_port, transport(pki.ca(), Some(identity)));
    let text = credentials_text(client.connect().await);
    assert!(text.contains("mode 0644") && text.contains("chmod 600"), "{text}");
    set_mode(&key, 0o600);
    assert_eq!(client.connect().await, LinkEvent::Up { session_present: false });
}

#[tokio::test]
async fn a_renewed_certificate_is_picked_up_by_the_next_connection() {
    let pki = Pki::new("fleet");
    let Some(broker) = Mosquitto::start(false, Some(&pki)) else { return };
    let identity = pki.issue("car");
    let (certificate, key) = (identity.certificate.clone(), identity.key.clone());
    let mut client = Client::start(broker.tls_port, transport(pki.ca(), Some(identity)));
    client.connect_until_up().await;
    client.command(Command::Disconnect { goodbye: true });
    assert_eq!(client.down().await, LinkDown::Requested);

    fs::write(&certificate, "not a certificate").expect("a file");
    let text = credentials_text(client.connect().await);
    assert!(text.contains("client certificate: there is no certificate in it"), "{text}");

    let renewed = pki.issue("renewed");
    fs::copy(&renewed.certificate, &certificate).expect("a file");
    fs::copy(&renewed.key, &key).expect("a file");
    assert_eq!(client.connect().await, LinkEvent::Up { session_present: true });
}

#[tokio::test]
async fn plain_tcp_to_a_tls_port_ends_as_a_matter_of_transport() {
    let pki = Pki::new("fleet");
    let Some(broker) = Mosquitto::start(false, Some(&pki)) else { return };
    let mut client = Client::start(broker.tls_port, Transport::Plain);
    let event = client.connect().await;
    assert!(matches!(event, LinkEvent::Down(LinkDown::Transport(_))), "{event:?}");
    let mut client = Client::start(broker.port, transport(pki.ca(), Some(pki.issue("car"))));
    let event = client.connect().await;
    assert!(matches!(event, LinkEvent::Down(LinkDown::Transport(_))), "{event:?}");
}

#[tokio::test]
async fn the_documented_broker_lets_each_car_write_its_own_topics_only() {
    let page = include_str!("../../docs/mqtt.md");
    let blocks: Vec<&str> = page.split("```conf\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let [conf, acl] = blocks[..] else { panic!("docs/mqtt.md has a configuration and an access list") };
    let pki = Pki::new("fleet");
    let server = pki.issue("localhost");
    let broker = Mosquitto::start_with(|directory, _, tls_port| {
        let here = directory.display();
        fs::write(directory.join("fleet.acl"), acl).expect("a file");
        let conf = conf
            .replace("listener 8883", &format!("user root\nlistener {tls_port} 127.0.0.1"))
            .replace("/etc/mosquitto/fleet-ca.pem", &pki.ca().display().to_string())
            .replace("/etc/mosquitto/broker.pem", &server.certificate.display().to_string())
            .replace("/etc/mosquitto/broker.key", &server.key.display().to_string())
            .replace("/etc/mosquitto/fleet.acl", &format!("{here}/fleet.acl"))
            .replace("/var/lib/mosquitto/", &format!("{here}/"));
        assert!(!conf.contains("/etc/") && !conf.contains("/var/"), "{conf}");
        conf
    });
    let Some(broker) = broker else { return };
    let Transport::Tls(cloud) = transport(pki.ca(), Some(pki.issue("cloud"))) else { panic!("TLS was asked for") };
    let cloud = rumqttc::TlsConfiguration::Rustls(cloud().expect("good certificates"));
    let subscriber = Subscriber::start_over(rumqttc::Transport::Tls(cloud), broker.tls_port, "cloud").await;
    let mut client = Client::start(broker.tls_port, transport(pki.ca(), Some(pki.issue("WTL-0001"))));
    client.connect_until_up().await;
    for (token, topic) in ["telltale/v1/WTL-0002/event/crash", "telltale/v1/WTL-0001/event/test"].iter().enumerate() {
        client.publish(token as u64, topic, b"x", false);
        assert_eq!(client.next().await, LinkEvent::Acked(PublishToken(token as u64)));
    }
    let messages = subscriber.until(|messages| !messages.is_empty()).await;
    assert_eq!(messages[0].topic, "telltale/v1/WTL-0001/event/test", "and nothing in another car's name");
}
