//! From the deployment's references to keys and certificates: read anew at each connect, so that renewed ones count.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;

use crate::config::{self, Secret};
use crate::io::credentials::{self, Place, Secrecy};
use crate::io::{mqtt, tls};

/// The broker as the MQTT client wants it.
pub fn broker(broker: &config::Broker) -> mqtt::Broker {
    let directory = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let transport = broker.tls.clone().map_or(mqtt::Transport::Plain, |settings| {
        let directory = directory.clone();
        mqtt::Transport::Tls(Arc::new(move || client_config(&settings, directory.as_deref())))
    });
    let login = broker.login.clone().map(|login| mqtt::Login {
        username: login.username,
        password: Arc::new(move || {
            credentials::read_line(place(&login.password), directory.as_deref()).map_err(|error| error.to_string())
        }),
    });
    mqtt::Broker { host: broker.host.clone(), port: broker.port, client_id: broker.client_id.clone(), login, transport }
}

fn client_config(settings: &config::Tls, directory: Option<&std::path::Path>) -> Result<Arc<ClientConfig>, String> {
    let read = |secret: &Secret, secrecy| {
        credentials::read(place(secret), directory, secrecy).map_err(|error| error.to_string())
    };
    let ca = read(&settings.ca, Secrecy::Public)?;
    let client = match &settings.client {
        None => None,
        Some((certificate, key)) => Some((read(certificate, Secrecy::Public)?, read(key, Secrecy::Private)?)),
    };
    let identity = client.as_ref().map(|(certificates_pem, key_pem)| tls::ClientIdentity { certificates_pem, key_pem });
    tls::client_config(&ca, identity).map_err(|error| error.to_string())
}

fn place(secret: &Secret) -> Place<'_> {
    match secret {
        Secret::File(path) => Place::File(path),
        Secret::Credential(name) => Place::Credential(name),
    }
}
