//! Frames as bytes: headers, error codes, the settings' numbers.

/// An error code (RFC 9113 section 7); unknown codes read as `InternalError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[allow(missing_docs)]
pub enum Code {
    NoError = 0,
    ProtocolError = 1,
    InternalError = 2,
    FlowControlError = 3,
    SettingsTimeout = 4,
    StreamClosed = 5,
    FrameSizeError = 6,
    RefusedStream = 7,
    Cancel = 8,
    CompressionError = 9,
    ConnectError = 10,
    EnhanceYourCalm = 11,
    InadequateSecurity = 12,
    Http11Required = 13,
}

const CODES: [Code; 14] = [
    Code::NoError,
    Code::ProtocolError,
    Code::InternalError,
    Code::FlowControlError,
    Code::SettingsTimeout,
    Code::StreamClosed,
    Code::FrameSizeError,
    Code::RefusedStream,
    Code::Cancel,
    Code::CompressionError,
    Code::ConnectError,
    Code::EnhanceYourCalm,
    Code::InadequateSecurity,
    Code::Http11Required,
];

impl Code {
    /// The code with this number.
    pub fn of(number: u32) -> Code {
        CODES.get(number as usize).copied().unwrap_or(Code::InternalError)
    }
}

pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const HEAD: usize = 9;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITISED: u8 = 0x20;

pub(super) const HEADER_TABLE_SIZE: u16 = 1;
pub(super) const ENABLE_PUSH: u16 = 2;
pub(super) const MAX_STREAMS: u16 = 3;
pub(super) const INITIAL_WINDOW: u16 = 4;
pub(super) const MAX_FRAME: u16 = 5;
pub(super) const MAX_HEADER_LIST: u16 = 6;

/// The window both sides begin with.
pub(super) const DEFAULT_WINDOW: u32 = 65_535;
/// The largest window there may be.
pub(super) const MAX_WINDOW: i64 = (1 << 31) - 1;
/// The largest frame everybody takes.
pub(super) const DEFAULT_FRAME: u32 = 16_384;

/// A frame's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub len: usize,
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
}

impl Head {
    #[inline]
    pub fn read(bytes: &[u8; HEAD]) -> Head {
        let [a, b, c, kind, flags, s, t, u, v] = *bytes;
        Head {
            len: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes([s & 0x7f, t, u, v]),
        }
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

#[inline]
fn head(len: usize, kind: u8, flags: u8, stream: u32) -> [u8; HEAD] {
    let [_, a, b, c] = (len as u32).to_be_bytes();
    let [s, t, u, v] = stream.to_be_bytes();
    [a, b, c, kind, flags, s, t, u, v]
}

/// Appends a frame header.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, len: usize, kind: u8, flags: u8, stream: u32) {
    out.extend_from_slice(&head(len, kind, flags, stream));
}

/// Appends a frame whose payload is one number.
pub(super) fn put_u32(out: &mut Vec<u8>, kind: u8, stream: u32, payload: u32) {
    put(out, 4, kind, 0, stream);
    out.extend_from_slice(&payload.to_be_bytes());
}

/// Completes the header block that was appended after nine bytes left free at `start`: one HEADERS frame, and
/// CONTINUATION frames if it is larger than the peer's frames.
pub(super) fn seal(out: &mut Vec<u8>, start: usize, max: usize, end_stream: bool, stream: u32) {
    let len = out.len() - start - HEAD;
    let end = if end_stream { END_STREAM } else { 0 };
    if len <= max {
        out[start..start + HEAD].copy_from_slice(&head(len, HEADERS, END_HEADERS | end, stream));
        return;
    }
    let block = out.split_off(start + HEAD);
    out.truncate(start);
    let parts = block.chunks(max);
    let last = parts.len() - 1;
    for (i, part) in parts.enumerate() {
        let kind = if i == 0 { HEADERS } else { CONTINUATION };
        let flags = if i == 0 { end } else { 0 } | if i == last { END_HEADERS } else { 0 };
        put(out, part.len(), kind, flags, stream);
        out.extend_from_slice(part);
    }
}
