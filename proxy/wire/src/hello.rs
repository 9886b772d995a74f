//! Is it TLS, and for whom? Reads a whole ClientHello (RFC 8446 section 4.1.2), maybe over several records, without
//! terminating anything. A hello that breaks its own lengths is no hello; a server name that is no host name is absent.

use std::borrow::Cow;

use crate::is_dns_name;

/// What the bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A server name: borrowed from the input, or a copy if the hello came in several records.
pub type Sni<'a> = Cow<'a, str>;

/// Bytes after which an unfinished hello is no hello.
pub const LIMIT: usize = 16 << 10;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const RECORD_HEAD: usize = 5;
const MESSAGE_HEAD: usize = 4;

/// Looks at the first bytes of a connection. An empty input is `Partial`.
pub fn sniff(bytes: &[u8]) -> Hello<'_> {
    let unfinished = if bytes.len() >= LIMIT { Hello::NotTls } else { Hello::Partial };
    let Some(first) = record(bytes) else { return Hello::NotTls };
    let Some((fragment, rest)) = first else { return unfinished };
    let Some(message) = message(fragment) else { return Hello::NotTls };
    match message {
        Message::Whole(body) => name_in(body).map_or(Hello::NotTls, |sni| Hello::Tls { sni: sni.map(Cow::Borrowed) }),
        Message::Cut => match join(fragment, rest) {
            Joined::Broken => Hello::NotTls,
            Joined::Short => unfinished,
            Joined::Whole(whole) => match name_in(&whole[MESSAGE_HEAD..]) {
                Some(sni) => Hello::Tls { sni: sni.map(|name| Cow::Owned(name.to_owned())) },
                None => Hello::NotTls,
            },
        },
    }
}

enum Message<'a> {
    Whole(&'a [u8]),
    Cut,
}

enum Joined {
    Whole(Vec<u8>),
    Short,
    Broken,
}

/// The first record: `None` if it cannot be a handshake record, `Some(None)` while it is incomplete.
#[allow(clippy::type_complexity)]
fn record(bytes: &[u8]) -> Option<Option<(&[u8], &[u8])>> {
    let expected: [fn(u8) -> bool; 3] = [|b| b == HANDSHAKE, |b| b == 3, |b| (1..=3).contains(&b)];
    if !bytes.iter().zip(expected).all(|(byte, fits)| fits(*byte)) {
        return None;
    }
    // The kind of message shows early: do not wait for more of something that is no hello.
    if bytes.get(RECORD_HEAD).is_some_and(|kind| *kind != CLIENT_HELLO) {
        return None;
    }
    split_record(bytes)
}

#[allow(clippy::type_complexity)]
fn split_record(bytes: &[u8]) -> Option<Option<(&[u8], &[u8])>> {
    let Some(head) = bytes.first_chunk::<RECORD_HEAD>() else { return Some(None) };
    let len = usize::from(u16::from_be_bytes([head[3], head[4]]));
    if head[0] != HANDSHAKE || head[1] != 3 || len == 0 || len > LIMIT {
        return None;
    }
    let body = &bytes[RECORD_HEAD..];
    Some((body.len() >= len).then(|| body.split_at(len)))
}

/// The handshake message at the start of a fragment; `None` if it is no client hello or too large to be one.
fn message(fragment: &[u8]) -> Option<Message<'_>> {
    if fragment[0] != CLIENT_HELLO {
        return None;
    }
    let Some(head) = fragment.first_chunk::<MESSAGE_HEAD>() else { return Some(Message::Cut) };
    let len = u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize;
    if len > LIMIT {
        return None;
    }
    Some(fragment.get(MESSAGE_HEAD..MESSAGE_HEAD + len).map_or(Message::Cut, Message::Whole))
}

/// Joins the fragments of a hello that spans records. Rare; at most [`LIMIT`] bytes are copied.
fn join(first: &[u8], mut rest: &[u8]) -> Joined {
    let mut whole = first.to_vec();
    loop {
        match message(&whole) {
            None => return Joined::Broken,
            Some(Message::Whole(_)) => return Joined::Whole(whole),
            Some(Message::Cut) => {}
        }
        match split_record(rest) {
            None => return Joined::Broken,
            Some(None) => return Joined::Short,
            Some(Some((fragment, more))) => {
                whole.extend_from_slice(fragment);
                rest = more;
            }
        }
    }
}

/// The server name in a hello's body; `None` if the body is malformed.
fn name_in(body: &[u8]) -> Option<Option<&str>> {
    let mut at = Reader(body);
    at.take(2 + 32)?;
    at.vector8()?;
    at.vector16()?;
    at.vector8()?;
    if at.0.is_empty() {
        return Some(None);
    }
    let mut extensions = Reader(at.vector16()?);
    let mut found = None;
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let data = extensions.vector16()?;
        if kind == 0 && found.is_none() {
            found = Some(host_name(data)?);
        }
    }
    Some(found.flatten())
}

/// The first host name of a server-name list, if it is one we may act on.
fn host_name(data: &[u8]) -> Option<Option<&str>> {
    let mut list = Reader(Reader(data).vector16()?);
    while !list.0.is_empty() {
        let kind = list.take(1)?[0];
        let name = list.vector16()?;
        if kind == 0 {
            let name = std::str::from_utf8(name).ok();
            return Some(name.filter(|name| is_dns_name(name) && name.parse::<std::net::IpAddr>().is_err()));
        }
    }
    Some(None)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }
    fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }
    fn vector8(&mut self) -> Option<&'a [u8]> {
        let n = usize::from(self.take(1)?[0]);
        self.take(n)
    }
    fn vector16(&mut self) -> Option<&'a [u8]> {
        let n = usize::from(self.u16()?);
        self.take(n)
    }
}

#[cfg(test)]
mod tests;
