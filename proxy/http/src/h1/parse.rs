//! From bytes to a head. httparse splits and checks the grammar of names and values; line ends, framing, target and Host
//! are judged here.

use std::mem::MaybeUninit;

use super::framing::{self, Facts};
use super::{Body, Reason, Reject};
use crate::head::{Fields, Form, Request, Response, SKIP, Scratch, Slot, Version};
use crate::names::{NO_TRAILER, Name, Set};

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
        Limits { start_line: 16 << 10, head: HEAD_MAX, fields: FIELDS_MAX }
    }
}

const HEAD_MAX: usize = 65_535;
const FIELDS_MAX: usize = 128;

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
    /// The value of `upgrade` of a granted 101.
    pub upgrade: Option<&'a [u8]>,
}

/// Whether a head that was incomplete with `seen` bytes may be complete now: one look at the new bytes. Ask before parsing
/// again, or a client that sends byte by byte has every byte parsed as often as it sends.
pub fn may_be_whole(input: &[u8], seen: usize) -> bool {
    let fresh = &input[seen.saturating_sub(3).min(input.len())..];
    fresh.windows(2).any(|two| two == b"\n\n")
        || fresh.windows(3).any(|three| three == b"\n\r\n")
        || input.len() > HEAD_MAX
}

type Raw<'h, 'b> = [MaybeUninit<httparse::Header<'b>>; FIELDS_MAX];

/// Parses a request head from the start of `input`. `Ok(None)`: more bytes are needed. One empty line before the
/// request line is passed over (RFC 9112 section 2.2).
pub fn request<'a>(
    input: &'a [u8],
    scratch: &'a mut Scratch,
    limits: &Limits,
) -> Result<Option<RequestHead<'a>>, Reject> {
    let skipped = if input.starts_with(b"\r\n") { 2 } else { 0 };
    let bytes = &input[skipped..];
    if matches!(bytes.first(), Some(b'\r' | b'\n')) && bytes != b"\r" {
        return Err(bad(Reason::StartLine));
    }
    let mut raw: Raw<'_, 'a> = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut head = httparse::Request::new(&mut []);
    let len = match head.parse_with_uninit_headers(bytes, &mut raw) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return unfinished(bytes, limits).map(|()| None),
        Err(error) => return Err(refused(error, bytes, limits)),
    };
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Err(bad(Reason::StartLine));
    };
    let (facts, fields) = walk(&bytes[..len], head.headers, scratch, limits).map_err(request_error)?;
    let http10 = version == 0;
    let target = Target::read(method.as_bytes(), target.as_bytes(), &facts, http10).map_err(bad)?;
    let body = facts.body(http10).map_err(bad)?.unwrap_or(Body::None);
    Ok(Some(RequestHead {
        request: Request {
            method: method.as_bytes(),
            scheme: target.scheme,
            authority: target.authority,
            path: target.path,
            version: if http10 { Version::Http10 } else { Version::Http11 },
            form: target.form,
            fields,
        },
        len: skipped + len,
        body,
        persistent: facts.persistent(http10),
        upgrade: facts.upgrade(http10),
        expects_continue: facts.expects_continue && !http10 && !body.done(),
    }))
}

/// Parses a response head from the start of `input`. `Ok(None)`: more bytes are needed.
pub fn response<'a>(
    input: &'a [u8],
    scratch: &'a mut Scratch,
    limits: &Limits,
    asked: Asked,
) -> Result<Option<ResponseHead<'a>>, Reject> {
    response_head(input, scratch, limits, asked).map_err(|reject| Reject { status: 502, ..reject })
}

fn response_head<'a>(
    input: &'a [u8],
    scratch: &'a mut Scratch,
    limits: &Limits,
    asked: Asked,
) -> Result<Option<ResponseHead<'a>>, Reject> {
    let mut raw: Raw<'_, 'a> = [const { MaybeUninit::uninit() }; FIELDS_MAX];
    let mut head = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut head, input, &mut raw);
    let len = match parsed {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return unfinished(input, limits).map(|()| None),
        Err(error) => return Err(refused(error, input, limits)),
    };
    let (Some(status @ 100..=999), Some(version)) = (head.code, head.version) else {
        return Err(bad(Reason::StartLine));
    };
    let reason = head.reason.unwrap_or_default().as_bytes();
    let (facts, fields) = walk(&input[..len], head.headers, scratch, limits).map_err(bad)?;
    let http10 = version == 0;
    let tunnel = (status == 101 && asked.upgrade) || (asked.connect && (200..300).contains(&status));
    if status == 101 && !tunnel {
        return Err(bad(Reason::Upgrade));
    }
    let announced = if tunnel || status < 200 { None } else { facts.body(http10).map_err(bad)? };
    // RFC 9112 section 6.3, in its order.
    let body = if asked.head || status < 200 || status == 204 || status == 304 || tunnel {
        Body::None
    } else {
        announced.unwrap_or(Body::UntilClose)
    };
    let version = if http10 { Version::Http10 } else { Version::Http11 };
    Ok(Some(ResponseHead {
        response: Response { status, reason, version, fields },
        len,
        body,
        persistent: facts.persistent(http10) && body != Body::UntilClose && !tunnel,
        tunnel,
        upgrade: facts.upgrade.filter(|_| tunnel),
    }))
}

/// Parses a trailer section that [`Body::step`] handed out. Names that frame, route or authenticate are dropped.
pub fn trailers<'a>(section: &'a [u8], scratch: &'a mut Scratch) -> Result<Fields<'a>, Reject> {
    let mut raw = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let Ok(httparse::Status::Complete((_, headers))) = httparse::parse_headers(section, &mut raw) else {
        return Err(bad(Reason::Field));
    };
    // An empty name slice cannot tell the line ends apart: the walk wants a line before the first field.
    let (_, fields) = walk_from(section, headers, scratch, &Limits::default(), 0).map_err(bad)?;
    Ok(fields)
}

fn walk<'a>(
    bytes: &'a [u8],
    raw: &[httparse::Header<'a>],
    scratch: &'a mut Scratch,
    limits: &Limits,
) -> Result<(Facts<'a>, Fields<'a>), Reason> {
    let first = bytes.iter().position(|b| *b == b'\n').ok_or(Reason::StartLine)? + 1;
    if first > limits.start_line + 2 {
        return Err(Reason::StartLineTooLong);
    }
    if !bytes[..first].ends_with(b"\r\n") {
        return Err(Reason::BareLineFeed);
    }
    walk_from(bytes, raw, scratch, limits, first)
}

/// One pass over the fields: where they lie, who they are, how their lines end, what they say about framing.
fn walk_from<'a>(
    bytes: &'a [u8],
    raw: &[httparse::Header<'a>],
    scratch: &'a mut Scratch,
    limits: &Limits,
    first: usize,
) -> Result<(Facts<'a>, Fields<'a>), Reason> {
    if bytes.len() > limits.head.min(HEAD_MAX) || raw.len() > limits.fields {
        return Err(Reason::HeadTooLarge);
    }
    scratch.clear();
    let mut facts = Facts::default();
    let mut seen = Set::NONE;
    for header in raw {
        let name = header.name.as_bytes();
        let id = Name::of(name);
        let name_at = offset(bytes, name);
        // httparse takes a lone line feed and, in places, blanks before a name for a line end.
        if name_at < 2 && first > 0 || name_at >= 2 && &bytes[name_at - 2..name_at] != b"\r\n" {
            return Err(if name_at >= 1 && bytes[name_at - 1] == b'\n' { Reason::BareLineFeed } else { Reason::Field });
        }
        let mut flags = if first == 0 && NO_TRAILER.has(id) { SKIP } else { 0 };
        if facts.note(id, header.value)? {
            flags |= SKIP;
        }
        seen = seen.with(id);
        let value_at = if header.value.is_empty() { 0 } else { offset(bytes, header.value) };
        scratch.slots.push(Slot {
            name_at: name_at as u32,
            value_at: value_at as u32,
            value_len: header.value.len() as u32,
            name_len: name.len() as u16,
            id: id as u8,
            flags,
        });
    }
    if !bytes.ends_with(b"\r\n\r\n") {
        return Err(Reason::BareLineFeed);
    }
    if facts.lists {
        framing::mark_listed(bytes, scratch);
    }
    Ok((facts, Fields { base: bytes, slots: &scratch.slots, seen }))
}

/// Where a slice of `bytes` begins in it.
#[inline]
fn offset(bytes: &[u8], part: &[u8]) -> usize {
    (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize)
}

/// The request target, taken apart.
struct Target<'a> {
    form: Form,
    scheme: &'a [u8],
    authority: &'a [u8],
    path: &'a [u8],
}

impl<'a> Target<'a> {
    /// RFC 9112 section 3.2; for the absolute form the target's authority wins over Host everywhere.
    fn read(method: &[u8], target: &'a [u8], facts: &Facts<'a>, http10: bool) -> Result<Target<'a>, Reason> {
        if facts.hosts > 1 || (facts.host.is_empty() && !http10) || !is_authority(facts.host) {
            return Err(Reason::Host);
        }
        if !is_target(target) {
            return Err(Reason::Target);
        }
        let connect = method == b"CONNECT";
        let (form, scheme, authority, path) = match target {
            [b'/', ..] if !connect => (Form::Origin, &[][..], facts.host, target),
            b"*" if method == b"OPTIONS" => (Form::Asterisk, &[][..], facts.host, target),
            _ if connect => (Form::Authority, &[][..], target, &[][..]),
            _ => {
                let (scheme, rest) = scheme(target).ok_or(Reason::Target)?;
                let end = rest.iter().position(|b| matches!(b, b'/' | b'?')).unwrap_or(rest.len());
                let (authority, path) = rest.split_at(end);
                // `http://host?query` has no path of its own; nobody sends it, two parsers read it two ways.
                if path.first() == Some(&b'?') {
                    return Err(Reason::Target);
                }
                (Form::Absolute, scheme, authority, if path.is_empty() { b"/" } else { path })
            }
        };
        let named = matches!(form, Form::Absolute | Form::Authority);
        if named && (authority.is_empty() || !is_authority(authority) || (connect && !has_port(authority))) {
            return Err(Reason::Target);
        }
        Ok(Target { form, scheme, authority, path })
    }
}

fn scheme(target: &[u8]) -> Option<(&'static [u8], &[u8])> {
    for scheme in ["http", "https"] {
        if let Some((head, rest)) = target.split_at_checked(scheme.len())
            && head.eq_ignore_ascii_case(scheme.as_bytes())
            && let Some(rest) = rest.strip_prefix(b"://")
        {
            return Some((scheme.as_bytes(), rest));
        }
    }
    None
}

/// Only visible ASCII, no fragment. Without early exit, so that it is done by the vector.
#[inline]
pub(crate) fn is_target(target: &[u8]) -> bool {
    !target.iter().fold(false, |bad, &b| bad | (b <= 0x20) | (b >= 0x7f) | (b == b'#'))
}

fn has_port(authority: &[u8]) -> bool {
    let digits = authority.rsplit(|b| *b == b':').next().unwrap_or_default();
    digits.len() < authority.len() && (1..=5).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

/// Host and optional port: no user, no list, no blanks, no path.
pub(crate) fn is_authority(host: &[u8]) -> bool {
    host.iter().all(|b| AUTHORITY[usize::from(*b)])
}

/// Bytes a host may have, the brackets and escapes of RFC 3986 included.
static AUTHORITY: [bool; 256] = {
    let mut table = [false; 256];
    let (others, mut b) = (b"-._~:[]%!$&'()*+;=", 0);
    while b < 256 {
        table[b] = (b as u8).is_ascii_alphanumeric();
        b += 1;
    }
    let mut i = 0;
    while i < others.len() {
        table[others[i] as usize] = true;
        i += 1;
    }
    table
};

fn bad(reason: Reason) -> Reject {
    Reject { status: 400, reason }
}

fn request_error(reason: Reason) -> Reject {
    let status = match reason {
        Reason::StartLineTooLong => 414,
        Reason::HeadTooLarge => 431,
        _ => 400,
    };
    Reject { status, reason }
}

/// Whether an incomplete head may still become one within the limits.
fn unfinished(bytes: &[u8], limits: &Limits) -> Result<(), Reject> {
    if bytes.len() > limits.head.min(HEAD_MAX) {
        return Err(too_large(bytes, limits));
    }
    if bytes.len() > limits.start_line && !bytes[..limits.start_line].contains(&b'\n') {
        return Err(request_error(Reason::StartLineTooLong));
    }
    Ok(())
}

fn too_large(bytes: &[u8], limits: &Limits) -> Reject {
    let line = bytes.iter().take(limits.start_line).any(|b| *b == b'\n');
    request_error(if line { Reason::HeadTooLarge } else { Reason::StartLineTooLong })
}

#[cold]
fn refused(error: httparse::Error, bytes: &[u8], limits: &Limits) -> Reject {
    match error {
        httparse::Error::TooManyHeaders => request_error(Reason::HeadTooLarge),
        httparse::Error::Version if !bytes.starts_with(b"HTTP/") && version_like(bytes) => {
            Reject { status: 505, reason: Reason::Version }
        }
        httparse::Error::HeaderName | httparse::Error::HeaderValue => bad(Reason::Field),
        _ if bytes.len() > limits.head => too_large(bytes, limits),
        _ => bad(Reason::StartLine),
    }
}

/// Whether the request line ends in a version of HTTP we do not speak.
fn version_like(bytes: &[u8]) -> bool {
    let line = bytes.split(|b| *b == b'\r').next().unwrap_or_default();
    matches!(line.rsplit(|b| *b == b' ').next(), Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit())
}
