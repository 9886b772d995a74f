//! From a head to bytes, and body framing.

use crate::head::{Edit, Fields, Request, Response};

/// How the written body will be framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Pass `content-length` as it came, add nothing: no body, a length already in the fields, HEAD, or until close.
    AsIs,
    /// Write this content-length instead of any that came.
    Length(u64),
    /// Drop content-length, write `transfer-encoding: chunked`.
    Chunked,
}

/// What the head says of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    /// It lives on: nothing is written.
    Keep,
    /// `connection: close`.
    Close,
    /// `connection: upgrade` and `upgrade: <value>`.
    Upgrade(&'a [u8]),
}

/// Appends a request head, HTTP/1.1 whatever came, in origin form unless `request.form` says otherwise, `host` first.
pub fn write_request(_out: &mut Vec<u8>, _request: &Request<'_>, _edit: &Edit<'_>, _framing: Framing, _ending: Ending<'_>) {
    unimplemented!()
}

/// Appends a response head, HTTP/1.1. A missing reason is filled in.
pub fn write_response(_out: &mut Vec<u8>, _response: &Response<'_>, _edit: &Edit<'_>, _framing: Framing, _ending: Ending<'_>) {
    unimplemented!()
}

/// Appends `data` as one chunk; nothing if it is empty.
pub fn chunk(_out: &mut Vec<u8>, _data: &[u8]) {
    unimplemented!()
}

/// Appends the last chunk and the trailers.
pub fn finish(_out: &mut Vec<u8>, _trailers: Option<&Fields<'_>>) {
    unimplemented!()
}
