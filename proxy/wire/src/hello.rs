//! Is it TLS, and for whom? Reads a whole ClientHello (RFC 8446 section 4.1.2), maybe over several records.

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hello<'a> {
    /// Not a TLS client hello.
    NotTls,
    /// Could still become one: read more. Never after [`LIMIT`] bytes.
    Partial,
    /// A client hello. The name is a valid host name (no IP, no wildcard, at most 253 bytes) or absent.
    Tls {
        /// The server name, as sent.
        sni: Option<Sni<'a>>,
    },
}

/// A server name that borrows the input, or (hello cut into records in the midst of the name) a copy.
pub type Sni<'a> = std::borrow::Cow<'a, str>;

/// Bytes after which an unfinished hello is no hello.
pub const LIMIT: usize = 16 << 10;

/// Looks at the first bytes of a connection. An empty input is `Partial`.
pub fn sniff(_bytes: &[u8]) -> Hello<'_> {
    unimplemented!()
}
