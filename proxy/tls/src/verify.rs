//! Who the other side is: chain to our anchors, and a SAN that equals the expected identity.
//!
//! In: certificates as shown in a handshake. Out: yes, no, or names.
//! Never here: common names, wildcards or other rules of host names; an identity is compared whole.

use crate::credentials::provider;
use crate::tickets::Tickets;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
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

/// DNS and URI names of a certificate, in its order. Nothing for a certificate that cannot be read.
pub fn names(cert: &CertificateDer<'_>) -> impl Iterator<Item = String> + use<> {
    let found: Vec<String> = match EndEntityCert::try_from(cert) {
        Ok(parsed) => {
            let mut found: Vec<&str> = parsed.valid_dns_names().chain(parsed.valid_uri_names()).collect();
            // They borrow from the certificate: where each lies says which came first.
            found.sort_by_key(|name| name.as_ptr().addr());
            found.into_iter().map(str::to_owned).collect()
        }
        Err(_) => Vec::new(),
    };
    found.into_iter()
}

/// Why a certificate that chains to our anchors is refused all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// No DNS or URI name; a common name is none.
    #[error("the certificate names nobody")]
    Nobody,
    /// More than one URI (a SPIFFE certificate has exactly one).
    #[error("the certificate has two URI names")]
    Two,
    /// A URI without scheme, or with a byte that is no visible ASCII: it could not be told from other names, or from two.
    #[error("the certificate has a URI name that is no plain URI")]
    Odd,
}

/// Longest URI that names somebody (SPIFFE ID, section 2.3).
const URI: usize = 2048;

/// The identity a peer is known by: its first usable SAN, a DNS name in lower case or the one URI.
///
/// # Errors
/// When there is none, or the names of the certificate could be taken for others.
pub fn identity(cert: &CertificateDer<'_>) -> Result<Arc<str>, BadName> {
    let parsed = EndEntityCert::try_from(cert).map_err(|_| BadName::Nobody)?;
    let mut uris = 0;
    for uri in parsed.valid_uri_names() {
        uris += 1;
        if uris > 1 {
            return Err(BadName::Two);
        }
        if !uri.contains("://") || uri.len() > URI || !uri.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(BadName::Odd);
        }
    }
    let first = names(cert).find(|name| !name.starts_with("*.")).ok_or(BadName::Nobody)?;
    Ok(if first.contains("://") { first.into() } else { first.to_ascii_lowercase().into() })
}

/// The identity, for those who were let in by a verifier of ours.
#[must_use]
pub fn first_identity(cert: &CertificateDer<'_>) -> Option<Arc<str>> {
    identity(cert).ok()
}

fn named(cert: &CertificateDer<'_>) -> Result<Arc<str>, Error> {
    identity(cert).map_err(|bad| CertificateError::Other(OtherError(Arc::new(bad))).into())
}

/// A client verifier: its chain is checked by the one inside, then it must name somebody.
#[derive(Debug)]
pub(crate) struct Named(pub(crate) Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Named {
    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.0.verify_client_cert(leaf, rest, now)?;
        named(leaf)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Whether a chain was refused for what its own certificates forbid: a leaf that signs, a path too long, a name not permitted,
/// a critical extension nobody knows.
#[must_use]
pub fn breaks_its_rules(error: &CertificateError) -> bool {
    use webpki::Error as E;
    let CertificateError::Other(other) = error else {
        return matches!(error, CertificateError::UnhandledCriticalExtension);
    };
    matches!(
        other.0.downcast_ref(),
        Some(
            E::CaUsedAsEndEntity
                | E::EndEntityUsedAsCa
                | E::PathLenConstraintViolated
                | E::NameConstraintViolation
                | E::UnsupportedCriticalExtension
        )
    )
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
        named(leaf)?;
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

/// The client configuration for a peer: one that expects its identity, and keeps its tickets. `direct`: with ALPN for a transport
/// header. Made once per endpoint and certificate, so that no ticket outlives anchors, our certificate or the expectation.
#[must_use]
pub fn client_for(credentials: &table::Credentials, peer: &Peer, direct: bool) -> Arc<ClientConfig> {
    let base = if direct { &credentials.client_direct } else { &credentials.client };
    let mut config = ClientConfig::clone(base);
    if !same(&peer.server_name, &peer.identity) {
        let mut expect = Expect::sni(credentials.roots.clone());
        expect.identity = Some(peer.identity.clone());
        config.dangerous().set_certificate_verifier(Arc::new(expect));
    }
    config.resumption = Resumption::store(Arc::new(Tickets::default()));
    Arc::new(config)
}
