//! Who the other side is: chain to our anchors, and a SAN that equals the expected identity.
//!
//! In: certificates as shown in a handshake. Out: yes, no, or names.
//! Never here: common names, wildcards or other rules of host names; an identity is compared whole.

use crate::credentials::provider;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::sync::Arc;
use table::outbound::Peer;
use webpki::EndEntityCert;

/// Checks the chain of a certificate that is used by a server or by us.
pub(crate) fn chain(
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    roots: &RootCertStore,
    now: UnixTime,
) -> Result<(), Error> {
    let parsed = ParsedCertificate::try_from(leaf)?;
    let algorithms = provider().signature_verification_algorithms.all;
    rustls::client::verify_server_cert_signed_by_trust_anchor(&parsed, roots, rest, now, algorithms)
}

/// DNS and URI names of a certificate, DNS first. Nothing for a certificate that cannot be read.
pub fn names(cert: &CertificateDer<'_>) -> impl Iterator<Item = String> + use<> {
    let found: Vec<String> = match EndEntityCert::try_from(cert) {
        Ok(cert) => cert.valid_dns_names().chain(cert.valid_uri_names()).map(str::to_owned).collect(),
        Err(_) => Vec::new(),
    };
    found.into_iter()
}

/// The identity a client is known by: its first usable SAN.
#[must_use]
pub fn first_identity(cert: &CertificateDer<'_>) -> Option<Arc<str>> {
    names(cert).next().map(|name| if name.contains("://") { name.into() } else { name.to_ascii_lowercase().into() })
}

/// DNS names compare without case, URIs byte for byte.
pub(crate) fn same(name: &str, identity: &str) -> bool {
    if identity.contains("://") { name == identity } else { name.eq_ignore_ascii_case(identity) }
}

/// A server verifier that expects one identity: the server name itself, or another one.
#[derive(Debug)]
pub(crate) struct Expect {
    roots: Arc<RootCertStore>,
    identity: Option<Arc<str>>,
    provider: Arc<CryptoProvider>,
}

impl Expect {
    /// Expects the identity that the server name says.
    pub(crate) fn sni(roots: Arc<RootCertStore>) -> Self {
        Expect { roots, identity: None, provider: provider() }
    }
}

impl ServerCertVerifier for Expect {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        chain(leaf, rest, &self.roots, now)?;
        let sni = server_name.to_str();
        let expected = self.identity.as_deref().unwrap_or(&sni);
        if names(leaf).any(|name| same(&name, expected)) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::NotValidForName))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::PeerIncompatible(rustls::PeerIncompatible::Tls12NotOffered))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The client configuration for a peer: shared when its identity is its server name, else one that expects the identity.
/// `direct`: with ALPN for a transport header. Made once per endpoint and certificate.
#[must_use]
pub fn client_for(credentials: &table::Credentials, peer: &Peer, direct: bool) -> Arc<ClientConfig> {
    let base = if direct { &credentials.client_direct } else { &credentials.client };
    if same(&peer.server_name, &peer.identity) {
        return base.clone();
    }
    let mut config = ClientConfig::clone(base);
    let mut expect = Expect::sni(credentials.roots.clone());
    expect.identity = Some(peer.identity.clone());
    config.dangerous().set_certificate_verifier(Arc::new(expect));
    Arc::new(config)
}
