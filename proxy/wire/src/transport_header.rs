//! The header that precedes a connection between two proxies (ALPN `transport.l5d.io/v1`): magic line, length, protobuf
//! `Header { int32 port = 1; string name = 2; SessionProtocol session_protocol = 3 }`.

/// ALPN name of connections that begin with this header.
pub const ALPN: &[u8] = b"transport.l5d.io/v1";
/// Magic bytes.
pub const PREFACE: &[u8] = b"transport.l5d.io/v1\r\n\r\n";
/// Largest header, magic and length included.
pub const LIMIT: usize = 64 << 10;

/// What the payload speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Session {
    /// Unknown bytes.
    Opaque,
    /// HTTP/1
    Http1,
    /// HTTP/2
    Http2,
}

/// The header. `name` is empty, or a DNS name for a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Target port, 1 to 65 535.
    pub port: u16,
    /// Target name or empty.
    pub name: &'a str,
    /// What follows.
    pub session: Session,
}

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The magic bytes are wrong.
    #[error("connection does not begin with the transport header")]
    Preface,
    /// Larger than [`LIMIT`].
    #[error("transport header is too large")]
    TooLarge,
    /// The protobuf cannot be read.
    #[error("transport header is malformed")]
    Malformed,
    /// Port missing or out of range.
    #[error("transport header has no valid port")]
    Port,
    /// The name is not a DNS name.
    #[error("transport header has no valid name")]
    Name,
}

/// Appends a header.
pub fn encode(_out: &mut Vec<u8>, _header: &Header<'_>) {
    unimplemented!()
}

/// Reads a header from the start of `bytes`: `Ok(None)` while incomplete, else the header and its length.
pub fn decode(_bytes: &[u8]) -> Result<Option<(Header<'_>, usize)>, Error> {
    unimplemented!()
}
