//! Why a handshake failed, in a word that a metric can carry. In: rustls errors. Out: one of a fixed set.

use crate::verify::BadName;
use rustls::{CertificateError, Error};

/// The `error` label of a connection whose TLS failed.
#[must_use]
pub fn reason(error: &Error) -> &'static str {
    use CertificateError as Bad;
    match error {
        Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => "certificate expired",
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => "certificate not yet valid",
            Bad::UnknownIssuer | Bad::BadSignature => "certificate of another authority",
            Bad::InvalidPurpose | Bad::InvalidPurposeContext { .. } => "certificate for another purpose",
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => "certificate of another identity",
            Bad::Other(other) => match other.0.downcast_ref::<BadName>() {
                Some(BadName::Nobody) => "certificate names nobody",
                Some(BadName::Two) => "certificate with two identities",
                Some(BadName::Odd) => "certificate with an odd name",
                None => "certificate invalid",
            },
            _ => "certificate invalid",
        },
        Error::AlertReceived(_) => "tls refused by peer",
        Error::PeerIncompatible(_) => "tls version or suite",
        _ => "tls malformed",
    }
}
