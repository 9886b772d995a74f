//! From certificate bytes to what a worker hands to rustls.
//!
//! In: leaf, intermediates, key, trust anchors. Out: `table::Credentials`, or a sentence why not.
//! Never here: files, renewal times, requests to the identity plane.

use crate::verify::{self, Expect};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::Arc;

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

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
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
    let leaf = CertificateDer::from(leaf.to_vec());
    let rest: Vec<_> = intermediates.iter().map(|der| CertificateDer::from(der.clone())).collect();
    verify::chain(&leaf, &rest, roots, UnixTime::now())?;
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
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.to_vec(), key.clone_key())?;
    // Mesh clients do not resume: a ticket would be two records for nothing.
    config.send_tls13_tickets = 0;
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
    // A resumed session would skip the identity check, and identities may differ under one server name.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}
