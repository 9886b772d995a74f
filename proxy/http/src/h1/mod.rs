//! HTTP/1: find a head, learn its framing, split its body, write both again. The framing rules are strict on purpose:
//! whatever two parsers might read differently is refused (RFC 9112 sections 5 to 7, request smuggling).

mod body;
mod framing;
mod parse;
mod write;

pub use body::{BadBody, Body, Chunk, Step};
pub(crate) use framing::number;
pub use parse::{Asked, Limits, RequestHead, ResponseHead, may_be_whole, request, response, trailers};
pub(crate) use parse::{is_authority, is_target};
pub(crate) use write::digits;
pub use write::{Ending, Framing, chunk, finish, write_request, write_response};

/// Why a head was refused; one metric label each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Reason {
    /// The request or status line is not HTTP/1.
    #[error("malformed start line")]
    StartLine,
    /// Start line longer than the limit.
    #[error("start line too long")]
    StartLineTooLong,
    /// Head longer than the limit, or too many fields.
    #[error("head too large")]
    HeadTooLarge,
    /// A field line breaks the grammar: folding, blank before the colon, control bytes.
    #[error("malformed field")]
    Field,
    /// A line ends without carriage return.
    #[error("bare line feed")]
    BareLineFeed,
    /// Missing, doubled or malformed Host.
    #[error("malformed or missing host")]
    Host,
    /// Content-Length is not one number.
    #[error("malformed content-length")]
    ContentLength,
    /// Content-Length beside Transfer-Encoding.
    #[error("content-length beside transfer-encoding")]
    BothFramings,
    /// A Transfer-Encoding other than exactly `chunked`, or in HTTP/1.0.
    #[error("unsupported transfer-encoding")]
    TransferEncoding,
    /// The request target fits no form, or the method forbids its form.
    #[error("malformed request target")]
    Target,
    /// A version other than 1.0 and 1.1.
    #[error("unsupported version")]
    Version,
    /// 101 without a request for it.
    #[error("unasked upgrade")]
    Upgrade,
}

/// A refused head: what to answer (for a request: the status for the client; for a response: 502), and why. The
/// connection must be closed after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Reject {
    /// 400, 414, 431, 501, 505 for requests; 502 for responses.
    pub status: u16,
    /// The cause.
    pub reason: Reason,
}

/// How many 1xx answers a client may be shown before one final answer; more is a fault of the server (answer 502).
pub const INTERIM_LIMIT: u8 = 16;

#[cfg(test)]
mod tests;
