//! TLS settings out of PEM texts.
//!
//! Only the given CA is trusted, never the machine's collection: the broker belongs to the fleet, and so does its CA.
//! TLS 1.2 and 1.3 with the ring provider's suites. Where the texts come from is no business of this file.

use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// The car's own certificate and key.
#[derive(Clone, Copy)]
pub struct ClientIdentity<'a> {
    /// The certificate chain, own certificate first, as PEM.
    pub certificates_pem: &'a [u8],
    /// Its private key, as PEM: PKCS #8, PKCS #1 or SEC 1.
    pub key_pem: &'a [u8],
}

/// A certificate or key that cannot be used; whoever installed it must act.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM text is damaged.
    #[error("reading the {what}: {source}: install an undamaged PEM file")]
    Pem {
        /// CA, certificate or key.
        what: &'static str,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A PEM text without a certificate.
    #[error("reading the {0}: there is no certificate in it: install a PEM file with one")]
    NoCertificate(&'static str),
    /// A certificate or key is not usable, or the two do not belong together.
    #[error("using the {what}: {source}: install a certificate with its own key")]
    Unusable {
        /// CA, or certificate and key.
        what: &'static str,
        /// What is wrong with it.
        source: rustls::Error,
    },
}

/// The settings of a connection that trusts `ca_pem` and presents `identity`.
pub fn client_config(ca_pem: &[u8], identity: Option<ClientIdentity<'_>>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("CA file", ca_pem)? {
        roots.add(certificate).map_err(|source| TlsError::Unusable { what: "CA file", source })?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|source| TlsError::Unusable { what: "TLS provider", source })?
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = certificates("client certificate", identity.certificates_pem)?;
            let key = PrivateKeyDer::from_pem_slice(identity.key_pem)
                .map_err(|source| TlsError::Pem { what: "client key", source })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|source| TlsError::Unusable { what: "client certificate and key", source })?
        }
    };
    Ok(Arc::new(config))
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|source| TlsError::Pem { what, source })?;
    if certificates.is_empty() { Err(TlsError::NoCertificate(what)) } else { Ok(certificates) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn self_signed() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_with_its_key_is_taken() {
        let (certificate, key) = self_signed();
        let identity = ClientIdentity { certificates_pem: certificate.as_bytes(), key_pem: key.as_bytes() };
        assert!(client_config(certificate.as_bytes(), Some(identity)).is_ok());
        assert!(client_config(certificate.as_bytes(), None).is_ok());
    }

    #[test]
    fn each_unusable_text_is_named() {
        let (certificate, key) = self_signed();
        let (_, other_key) = self_signed();
        let text = |ca: &str, certificate: &str, key: &str| {
            let identity = ClientIdentity { certificates_pem: certificate.as_bytes(), key_pem: key.as_bytes() };
            client_config(ca.as_bytes(), Some(identity)).expect_err("refused").to_string()
        };
        assert!(text("", &certificate, &key).contains("CA file: there is no certificate"));
        assert!(text(&certificate, &key, &key).contains("client certificate: there is no certificate"));
        assert!(text(&certificate, &certificate, &certificate).contains("client key"));
        assert!(text(&certificate, &certificate, &other_key).contains("client certificate and key"));
        let cut = &certificate[..certificate.len() / 2];
        assert!(text(cut, &certificate, &key).contains("CA file"));
    }
}
