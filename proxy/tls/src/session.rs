//! A TLS session without a socket: ciphertext in, plaintext out, and back.
//!
//! In: bytes of the wire in whatever pieces they come. Out: plaintext appended to the caller's buffer, records appended to its wire
//! buffer. Holds no bytes between calls: what is not yet a whole record stays with the caller.
//! Never here: buffers of its own (an idle session costs only rustls's key state).

use crate::validity::ended;
use crate::verify::first_identity;
use rustls::HandshakeKind;
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus};
use std::sync::Arc;

/// A client's or server's session.
pub enum Session {
    /// We connected.
    Client(Box<UnbufferedClientConnection>),
    /// We accepted.
    Server(Box<UnbufferedServerConnection>),
}

/// What feeding ciphertext did.
#[derive(Debug, Default)]
pub struct Fed {
    /// Bytes taken from the front; offer the rest again, with more behind it.
    pub used: usize,
    /// The handshake is over: plaintext may be encrypted.
    pub ready: bool,
    /// The peer said that it will send no more.
    pub closed: bool,
    /// The session is broken; an alert may wait in the wire buffer.
    pub error: Option<rustls::Error>,
}

/// Largest plaintext of one record (RFC 8446 section 5.1).
const RECORD: usize = 16_384;
/// A record's header, type byte and tag, generously.
const OVERHEAD: usize = 64;

macro_rules! feed {
    ($session:expr, $input:expr, $plain:expr, $wire:expr) => {{
        let mut fed = Fed::default();
        loop {
            let UnbufferedStatus { mut discard, state, .. } = $session.process_tls_records(&mut $input[fed.used..]);
            let mut stop = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        match record {
                            Ok(record) => {
                                discard += record.discard;
                                $plain.extend_from_slice(record.payload);
                            }
                            Err(e) => {
                                fed.error = Some(e);
                                stop = true;
                                break;
                            }
                        }
                    }
                }
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    let at = $wire.len();
                    let mut room = 4096;
                    loop {
                        $wire.resize(at + room, 0);
                        match data.encode(&mut $wire[at..]) {
                            Ok(n) => {
                                $wire.truncate(at + n);
                                break;
                            }
                            Err(EncodeError::InsufficientSize(e)) => room = e.required_size,
                            Err(EncodeError::AlreadyEncoded) => {
                                $wire.truncate(at);
                                break;
                            }
                        }
                    }
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                Ok(ConnectionState::BlockedHandshake) => stop = true,
                Ok(ConnectionState::WriteTraffic(_)) => {
                    fed.ready = true;
                    stop = true;
                }
                Ok(ConnectionState::PeerClosed) => fed.closed = true,
                Ok(ConnectionState::Closed) => {
                    fed.closed = true;
                    stop = true;
                }
                // Early data is not offered.
                Ok(_) => stop = true,
                Err(e) => {
                    stop = fed.error.replace(e).is_some();
                }
            }
            fed.used += discard;
            // Of a session that failed only the alert is wanted: looked at again, it would read on and send a second one.
            if stop || fed.error.is_some() && !$session.wants_write() {
                break;
            }
        }
        fed
    }};
}

macro_rules! encrypt {
    ($session:expr, $plain:expr, $wire:expr) => {{
        $wire.reserve($plain.len() + $plain.len().div_ceil(RECORD) * OVERHEAD);
        for chunk in $plain.chunks(RECORD) {
            let UnbufferedStatus { state, .. } = $session.process_tls_records(&mut []);
            let Ok(ConnectionState::WriteTraffic(mut traffic)) = state else { return false };
            let at = $wire.len();
            $wire.resize(at + chunk.len() + OVERHEAD, 0);
            let done = match traffic.encrypt(chunk, &mut $wire[at..]) {
                Err(EncryptError::InsufficientSize(e)) => {
                    $wire.resize(at + e.required_size, 0);
                    traffic.encrypt(chunk, &mut $wire[at..])
                }
                done => done,
            };
            let Ok(n) = done else { return false };
            $wire.truncate(at + n);
        }
        true
    }};
}

macro_rules! close {
    ($session:expr, $wire:expr) => {{
        let UnbufferedStatus { state, .. } = $session.process_tls_records(&mut []);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            let at = $wire.len();
            $wire.resize(at + OVERHEAD, 0);
            let n = traffic.queue_close_notify(&mut $wire[at..]).unwrap_or(0);
            $wire.truncate(at + n);
        }
    }};
}

impl Session {
    /// A session to a peer, under its server name.
    ///
    /// # Errors
    /// When the name is no DNS name or address, or rustls refuses the configuration.
    pub fn client(config: Arc<rustls::ClientConfig>, server_name: &str) -> Result<Session, rustls::Error> {
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|_| rustls::Error::General("server name is not a DNS name".into()))?;
        Ok(Session::Client(Box::new(UnbufferedClientConnection::new(config, name)?)))
    }

    /// A session of a connection we accepted.
    ///
    /// # Errors
    /// When rustls refuses the configuration.
    pub fn server(config: Arc<rustls::ServerConfig>) -> Result<Session, rustls::Error> {
        Ok(Session::Server(Box::new(UnbufferedServerConnection::new(config)?)))
    }

    /// Takes ciphertext (decrypted in place), appends plaintext to `plain` and what must be sent to `wire`. A client's first
    /// call, with no input, starts the handshake.
    pub fn feed(&mut self, input: &mut [u8], plain: &mut Vec<u8>, wire: &mut Vec<u8>) -> Fed {
        match self {
            Session::Client(session) => feed!(session, input, plain, wire),
            Session::Server(session) => feed!(session, input, plain, wire),
        }
    }

    /// Appends `plain` as records to `wire`. False when the handshake is not over or the session is broken.
    pub fn encrypt(&mut self, plain: &[u8], wire: &mut Vec<u8>) -> bool {
        match self {
            Session::Client(session) => encrypt!(session, plain, wire),
            Session::Server(session) => encrypt!(session, plain, wire),
        }
    }

    /// Appends the notice that we will send no more.
    pub fn close(&mut self, wire: &mut Vec<u8>) {
        match self {
            Session::Client(session) => close!(session, wire),
            Session::Server(session) => close!(session, wire),
        }
    }

    /// The ALPN protocol that was agreed on.
    #[must_use]
    pub fn alpn(&self) -> Option<&[u8]> {
        match self {
            Session::Client(session) => session.alpn_protocol(),
            Session::Server(session) => session.alpn_protocol(),
        }
    }

    /// Whether it began with a ticket, without certificates.
    #[must_use]
    pub fn resumed(&self) -> bool {
        let kind = match self {
            Session::Client(session) => session.handshake_kind(),
            Session::Server(session) => session.handshake_kind(),
        };
        kind == Some(HandshakeKind::Resumed)
    }

    /// Whether it began with a ticket, and the certificate that the peer showed when it got that has ended since.
    #[must_use]
    pub fn stale(&self) -> bool {
        self.resumed() && self.leaf().is_some_and(ended)
    }

    fn leaf(&self) -> Option<&CertificateDer<'static>> {
        let certs = match self {
            Session::Client(session) => session.peer_certificates(),
            Session::Server(session) => session.peer_certificates(),
        };
        certs?.first()
    }

    /// The verified identity of the peer: the first usable SAN of its certificate.
    #[must_use]
    pub fn peer(&self) -> Option<Arc<str>> {
        first_identity(self.leaf()?)
    }
}
