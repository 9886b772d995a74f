//! From certificate bytes to what a worker hands to rustls.
//!
//! In: leaf, intermediates, key, trust anchors. Out: `table::Credentials`, or a sentence why not.
//! Never here: files, renewal times, requests to the identity plane.

use crate::verify::{self, Expect, Named};
use rustls::crypto::aws_lc_rs::{self, Ticketer, cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedCipherSuite};
use std::sync::{Arc, OnceLock};

/// Why certificates could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The PEM text holds no certificate or a broken one.
    #[error("trust anchors are not PEM certificates: {0}")]
    Anchors(String),
    /// rustls refused the chain, the key or the combination.
    #[error("certificate cannot be used: {0}")]
    Certificate(#[from] rustls::Error),
    /// Chain or key is fine, but it is not ours.
    #[error("certificate does not carry the identity {0:?}")]
    Identity(String),
    /// The verifier could not be built.
    #[error("client verifier: {0}")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// Key exchanges in the order we like them; a client sends a share of the first.
static GROUPS: [&dyn SupportedKxGroup; 4] =
    [kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];

/// Ciphers in the order we like them. Handshakes hash a lot: processors have instructions for SHA-256, seldom for SHA-384.
static SUITES: [SupportedCipherSuite; 3] = [
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
];

pub(crate) fn provider() -> Arc<CryptoProvider> {
    static ONE: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    let make = || {
        let (cipher_suites, kx_groups) = (SUITES.to_vec(), GROUPS.to_vec());
        Arc::new(CryptoProvider { cipher_suites, kx_groups, ..aws_lc_rs::default_provider() })
    };
    ONE.get_or_init(make).clone()
}

/// Suites and key exchange groups in force, each in its order, for a metric.
#[must_use]
pub fn described() -> (String, String) {
    let provider = provider();
    let suites: Vec<_> = provider.cipher_suites.iter().filter(|s| s.tls13().is_some()).map(|s| s.suite()).collect();
    let suites: Vec<_> = suites.iter().filter_map(|suite| suite.as_str()).collect();
    let groups: Vec<_> = provider.kx_groups.iter().filter_map(|group| group.name().as_str()).collect();
    (suites.join(","), groups.join(","))
}

/// Reads trust anchors from PEM text.
///
/// # Errors
/// When there is none, or one is broken.
pub fn anchors(pem: &str) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let cert = cert.map_err(|e| TlsError::Anchors(format!("{e:?}")))?;
        roots.add(cert).map_err(|e| TlsError::Anchors(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(TlsError::Anchors("no certificate in it".into()));
    }
    Ok(Arc::new(roots))
}

/// Trust anchors from DER.
///
/// # Errors
/// When there is none, or one is broken.
pub fn roots(certificates: Vec<Vec<u8>>) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for cert in certificates {
        roots.add(cert.into()).map_err(|e| TlsError::Anchors(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(TlsError::Anchors("no certificate in it".into()));
    }
    Ok(Arc::new(roots))
}

/// A client that proves nothing about itself but checks the server's chain and that a SAN equals the server name: for the first
/// call to the identity plane, before there is a certificate.
///
/// # Errors
/// When the crypto provider lacks TLS 1.3.
pub fn anonymous_client(roots: &Arc<RootCertStore>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Expect::sni(roots.clone())))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Builds the configurations of a certificate, after checking that it chains to the anchors and carries `identity`.
///
/// # Errors
/// When a part is broken, the chain does not reach an anchor now, or the certificate is someone else's.
pub fn credentials(
    identity: &str,
    server_name: &str,
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    key_pkcs8: &[u8],
    roots: &Arc<RootCertStore>,
) -> Result<table::Credentials, TlsError> {
    let own = CertificateDer::from(leaf);
    let rest: Vec<_> = intermediates.iter().map(|der| CertificateDer::from(&der[..])).collect();
    verify::chain(&own, &rest, roots, UnixTime::now())?;
    forced(identity, server_name, leaf, intermediates, key_pkcs8, roots)
}

/// The same for a certificate whose chain does not reach these anchors any more: we show it, but trust the anchors alone.
///
/// # Errors
/// When a part is broken, or the certificate is someone else's.
pub fn forced(
    identity: &str,
    server_name: &str,
    leaf: &[u8],
    intermediates: &[Vec<u8>],
    key_pkcs8: &[u8],
    roots: &Arc<RootCertStore>,
) -> Result<table::Credentials, TlsError> {
    let leaf = CertificateDer::from(leaf.to_vec());
    let rest: Vec<_> = intermediates.iter().map(|der| CertificateDer::from(der.clone())).collect();
    if !verify::names(&leaf).any(|name| verify::same(&name, identity)) {
        return Err(TlsError::Identity(identity.into()));
    }
    let mut chain = vec![leaf];
    chain.extend(rest);
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key_pkcs8.to_vec()));
    let server = server(&chain, &key, roots)?;
    let client = client(&chain, &key, roots)?;
    let mut direct = server.clone();
    direct.alpn_protocols = vec![crate::ALPN_DIRECT.to_vec()];
    let mut client_direct = client.clone();
    client_direct.alpn_protocols = vec![crate::ALPN_DIRECT.to_vec()];
    Ok(table::Credentials {
        identity: identity.into(),
        server_name: server_name.into(),
        server: Arc::new(server),
        direct: Arc::new(direct),
        client: Arc::new(client),
        client_direct: Arc::new(client_direct),
        roots: roots.clone(),
    })
}

fn server(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    roots: &Arc<RootCertStore>,
) -> Result<ServerConfig, TlsError> {
    // Who may come without a certificate is for authorization to say, later; one that is shown must chain.
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
        .allow_unauthenticated()
        .clear_root_hint_subjects()
        .build()?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(Named(verifier)))
        .with_single_cert(chain.to_vec(), key.clone_key())?;
    // A ticket lives no longer than this certificate and these anchors: the next configuration has another key.
    config.ticketer = Ticketer::new()?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

fn client(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    roots: &Arc<RootCertStore>,
) -> Result<ClientConfig, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Expect::sni(roots.clone())))
        .with_client_auth_cert(chain.to_vec(), key.clone_key())?;
    // Tickets belong to one peer: `client_for` gives each a store of its own.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}
