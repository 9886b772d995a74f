//! Which HTTP is it? Decided on the first bytes a client sends in the clear (or inside TLS).

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detect {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// Neither.
    Opaque,
    /// Could be either: read more. Never after [`LIMIT`] bytes.
    Partial,
}

/// Bytes after which an undecided start is opaque.
pub const LIMIT: usize = 1024;

/// Looks at the first bytes. `PRI * HTTP/2.0` needs 14; HTTP/1 needs a method and a plausible target, or more.
pub fn detect(_bytes: &[u8]) -> Detect {
    unimplemented!()
}
