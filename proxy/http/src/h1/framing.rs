//! What the fields of a head say about its connection and body, gathered in the one pass over the fields.

use super::{Body, Reason};
use crate::head::{SKIP, Scratch};
use crate::names::{HOP, Name, Set};

/// Gathered while the fields are walked.
#[derive(Default)]
pub(super) struct Facts<'a> {
    pub length: Option<u64>,
    pub encodings: u32,
    pub chunked: bool,
    pub hosts: u32,
    pub host: &'a [u8],
    pub close: bool,
    pub keep_alive: bool,
    pub upgrades: bool,
    pub upgrade: Option<&'a [u8]>,
    pub expects_continue: bool,
    /// A `connection` field names other fields.
    pub lists: bool,
}

/// Names a `connection` field cannot list away: framing, routing, identity and authorisation.
const KEPT: Set = crate::names::L5D.or(Set::of(&[
    Name::Authorization,
    Name::ContentLength,
    Name::ContentType,
    Name::Cookie,
    Name::Forwarded,
    Name::Host,
    Name::SetCookie,
]));

impl<'a> Facts<'a> {
    /// Looks at one field; returns whether it stays on this connection.
    #[inline]
    pub fn note(&mut self, id: Name, value: &'a [u8]) -> Result<bool, Reason> {
        match id {
            Name::Host => {
                self.hosts += 1;
                self.host = value;
                return Ok(true);
            }
            Name::ContentLength => {
                let length = number(value).ok_or(Reason::ContentLength)?;
                // Even a repeated equal value is refused: two parsers, two readings.
                if self.length.replace(length).is_some() {
                    return Err(Reason::ContentLength);
                }
            }
            Name::TransferEncoding => {
                self.encodings += 1;
                self.chunked = value.eq_ignore_ascii_case(b"chunked");
            }
            Name::Connection if value.eq_ignore_ascii_case(b"keep-alive") => self.keep_alive = true,
            Name::Connection => {
                self.lists |= lists_names(value);
                for option in options(value) {
                    match option.len() {
                        5 => self.close |= option.eq_ignore_ascii_case(b"close"),
                        7 => self.upgrades |= option.eq_ignore_ascii_case(b"upgrade"),
                        10 => self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive"),
                        _ => {}
                    }
                }
            }
            Name::Upgrade => self.upgrade = Some(value),
            Name::Expect => self.expects_continue = value.eq_ignore_ascii_case(b"100-continue"),
            _ => {}
        }
        Ok(HOP.has(id))
    }

    /// The body that the framing fields announce, `None` if they say nothing.
    pub fn body(&self, http10: bool) -> Result<Option<Body>, Reason> {
        match (self.length, self.encodings) {
            (Some(_), 1..) => Err(Reason::BothFramings),
            (None, 1) if self.chunked && !http10 => Ok(Some(Body::CHUNKED)),
            (None, 1..) => Err(Reason::TransferEncoding),
            (Some(length), 0) => Ok(Some(Body::Length(length))),
            (None, 0) => Ok(None),
        }
    }

    /// Whether the connection may live on.
    pub fn persistent(&self, http10: bool) -> bool {
        !self.close && (!http10 || self.keep_alive)
    }

    /// The protocol asked for by a proper upgrade; h2c is not one we carry (RFC 9113 section 3.1 retired it).
    pub fn upgrade(&self, http10: bool) -> Option<&'a [u8]> {
        let value = self.upgrade.filter(|_| self.upgrades && !http10)?;
        let h2c = options(value).any(|option| option.len() >= 3 && option[..3].eq_ignore_ascii_case(b"h2c"));
        (!h2c && !value.is_empty()).then_some(value)
    }
}

/// Marks the fields that `connection` listed by name. Rare: only when it lists something beyond the usual words.
pub(super) fn mark_listed(base: &[u8], scratch: &mut Scratch) {
    let slots = &mut scratch.slots;
    for i in 0..slots.len() {
        let slot = slots[i];
        if slot.id != Name::Connection as u8 {
            continue;
        }
        let value = &base[slot.value_at as usize..][..slot.value_len as usize];
        for option in options(value) {
            let id = Name::of(option);
            if KEPT.has(id) || HOP.has(id) || option.eq_ignore_ascii_case(b"close") {
                continue;
            }
            for field in slots.iter_mut().filter(|field| field.id == id as u8) {
                let name = &base[field.name_at as usize..][..usize::from(field.name_len)];
                if name.eq_ignore_ascii_case(option) {
                    field.flags |= SKIP;
                }
            }
        }
    }
}

/// Whether a `connection` value names other fields than the words every proxy knows.
fn lists_names(value: &[u8]) -> bool {
    options(value).any(|option| {
        !option.eq_ignore_ascii_case(b"close")
            && !option.eq_ignore_ascii_case(b"keep-alive")
            && !option.eq_ignore_ascii_case(b"upgrade")
    })
}

/// The members of a comma separated list, blanks trimmed, empty ones left out.
pub(super) fn options(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|option| !option.is_empty())
}

/// A decimal number of 1 to 19 digits and nothing else.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0u64, |n, b| b.is_ascii_digit().then(|| n * 10 + u64::from(b - b'0')))
}
