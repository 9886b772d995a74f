//! Answers the proxy gives itself: a status for HTTP, trailers-only for gRPC.

use crate::grpc::Status;
use crate::h2;
use crate::head::Response;

/// A refusal that fits both kinds of client.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// Status for HTTP.
    pub status: u16,
    /// Status for gRPC.
    pub grpc: Status,
    /// Sentence for `l5d-proxy-error` and `grpc-message`, printable ASCII (others are replaced); empty: not said.
    pub message: &'a str,
    /// Ask the peer to close: `connection: close`, and `l5d-proxy-connection: close` for meshed peers.
    pub close: bool,
    /// The peer is meshed (or our own application): it may see `l5d-proxy-error` and `l5d-proxy-connection`.
    pub meshed: bool,
    /// The request was gRPC.
    pub is_grpc: bool,
    /// Value of `location`, for redirects; empty: none.
    pub location: &'a str,
}

/// Appends the whole refusal as an HTTP/1 response without body.
pub fn http1(_out: &mut Vec<u8>, _refusal: &Refusal<'_>) {
    unimplemented!()
}

/// Sends the whole refusal on an HTTP/2 stream.
pub fn http2(_conn: &mut h2::Conn, _out: &mut Vec<u8>, _stream: h2::StreamId, _refusal: &Refusal<'_>) -> Result<(), h2::Refused> {
    unimplemented!()
}

/// The reason phrase of a status.
pub fn reason(_status: u16) -> &'static str {
    unimplemented!()
}

#[allow(unused)]
fn _shape(_: Response<'_>) {}
