//! Mesh TLS: certificates to rustls configurations, who a peer is, and sessions that take and give bytes.
//!
//! In: DER and PEM from the identity plane, ciphertext from `engine`. Out: `table::Credentials`, identities, plaintext.
//! Never here: sockets, clocks beyond rustls's own, TLS below 1.3, or a connection without a chain check.

mod credentials;
mod reason;
mod session;
mod tickets;
mod validity;
mod verify;

pub use credentials::{TlsError, anchors, anonymous_client, credentials, described, forced, roots};
pub use reason::reason;
pub use session::{Fed, Session};
pub use validity::{ended, split, until};
pub use verify::{BadName, breaks_its_rules, client_for, first_identity, identity, names};

/// ALPN of connections that start with a transport header.
pub const ALPN_DIRECT: &[u8] = b"transport.l5d.io/v1";

#[cfg(test)]
mod tests;
