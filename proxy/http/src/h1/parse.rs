//! From bytes to a head.

use super::{Body, Reject};
use crate::head::{Fields, Request, Response, Scratch};

/// What a head may weigh. Defaults: 16 KiB start line (414), 64 KiB head and 128 fields (431).
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the start line.
    pub start_line: usize,
    /// Bytes of the whole head, at most 65 535.
    pub head: usize,
    /// Fields, at most 128.
    pub fields: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { start_line: 16 << 10, head: 65_535, fields: 128 }
    }
}

/// A parsed request head.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// The head.
    pub request: Request<'a>,
    /// Bytes of input it took.
    pub len: usize,
    /// The framing of the body that follows.
    pub body: Body,
    /// Whether the client lets the connection live on after this exchange.
    pub persistent: bool,
    /// The value of `upgrade` when `connection` names it; never `h2c`, which is dropped. CONNECT is told by its form.
    pub upgrade: Option<&'a [u8]>,
    /// The client waits for `100 Continue`.
    pub expects_continue: bool,
}

/// What the request asked that decides how its response reads.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// It was HEAD.
    pub head: bool,
    /// It was CONNECT.
    pub connect: bool,
    /// It carried an upgrade on to the server.
    pub upgrade: bool,
}

/// A parsed response head. A status below 200 (except a granted 101) is interim: the final one follows.
#[derive(Clone, Copy, Debug)]
pub struct ResponseHead<'a> {
    /// The head.
    pub response: Response<'a>,
    /// Bytes of input it took.
    pub len: usize,
    /// The framing of the body that follows.
    pub body: Body,
    /// Whether the server lets the connection be used again.
    pub persistent: bool,
    /// The connection is a tunnel from here on (101 that was asked for, 2xx to CONNECT).
    pub tunnel: bool,
}

/// Parses a request head from the start of `input`. `Ok(None)`: more bytes are needed.
pub fn request<'a>(_input: &'a [u8], _scratch: &'a mut Scratch, _limits: &Limits) -> Result<Option<RequestHead<'a>>, Reject> {
    unimplemented!()
}

/// Parses a response head from the start of `input`. `Ok(None)`: more bytes are needed.
pub fn response<'a>(
    _input: &'a [u8],
    _scratch: &'a mut Scratch,
    _limits: &Limits,
    _asked: Asked,
) -> Result<Option<ResponseHead<'a>>, Reject> {
    unimplemented!()
}

/// Parses a trailer section that [`Body::step`] handed out. Names that frame, route or authenticate are dropped.
pub fn trailers<'a>(_section: &'a [u8], _scratch: &'a mut Scratch) -> Result<Fields<'a>, Reject> {
    unimplemented!()
}
