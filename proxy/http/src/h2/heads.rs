//! From a decoded field list to a head (RFC 9113 section 8): pseudo-fields first and once, no connection fields, names and
//! values that HTTP/1 could carry without being read differently. A list that breaks the rules is malformed: the stream's
//! fault, not the connection's.

use super::hpack::{BAD, pseudo};
use crate::h1::{is_authority, is_target, number};
use crate::head::{Fields, Form, Request, Response, SKIP, Scratch, Slot, Version};
use crate::names::{NO_TRAILER, Name, Set};

/// The message breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What was found beside the fields. The heads themselves are built by [`request`] and [`response`] afterwards, so that
/// nothing is borrowed while the connection still works.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// How many slots are pseudo-fields.
    first: usize,
    /// Declared content-length.
    pub length: Option<u64>,
    /// `:status`.
    pub status: u16,
    /// The method is HEAD.
    pub is_head: bool,
}

const FORBIDDEN: Set = Set::of(&[
    Name::Connection,
    Name::KeepAlive,
    Name::ProxyConnection,
    Name::TransferEncoding,
    Name::Upgrade,
    Name::Http2Settings,
]);

/// Checks a request's list.
pub(super) fn check_request(scratch: &mut Scratch) -> Result<Found, Malformed> {
    let first = pseudo_count(scratch, pseudo::AUTHORITY..=pseudo::SCHEME)?;
    let mut found = fields(scratch, first)?;
    let get = |id| find(scratch, &scratch.slots[..first], id);
    let method = get(pseudo::METHOD).ok_or(Malformed)?;
    let (scheme, path, authority) = (get(pseudo::SCHEME), get(pseudo::PATH), get(pseudo::AUTHORITY));
    let host = find(scratch, &scratch.slots[first..], Name::Host as u8);
    if method.is_empty()
        || !method.iter().all(|b| is_token(*b))
        || [authority, host].iter().flatten().any(|name| !is_authority(name))
    {
        return Err(Malformed);
    }
    if let (Some(authority), Some(host)) = (authority, host)
        && !authority.eq_ignore_ascii_case(host)
    {
        return Err(Malformed);
    }
    let fits = if method == b"CONNECT" {
        scheme.is_none() && path.is_none() && authority.is_some_and(|name| !name.is_empty())
    } else {
        let scheme_fits = scheme.is_some_and(|s| s.eq_ignore_ascii_case(b"http") || s.eq_ignore_ascii_case(b"https"));
        let path = path.unwrap_or_default();
        scheme_fits && (path.first() == Some(&b'/') || (path == b"*" && method == b"OPTIONS")) && is_target(path)
    };
    found.is_head = method == b"HEAD";
    if fits { Ok(found) } else { Err(Malformed) }
}

/// Checks a response's list.
pub(super) fn check_response(scratch: &mut Scratch) -> Result<Found, Malformed> {
    let first = pseudo_count(scratch, pseudo::STATUS..=pseudo::STATUS)?;
    let mut found = fields(scratch, first)?;
    let status = find(scratch, &scratch.slots[..first], pseudo::STATUS).ok_or(Malformed)?;
    match number(status) {
        // 101 has no meaning here (RFC 9113 section 8.6).
        Some(n @ 100..=999) if status.len() == 3 && n != 101 => found.status = n as u16,
        _ => return Err(Malformed),
    }
    Ok(found)
}

/// Checks trailers: no pseudo-fields at all; what frames, routes or authenticates comes too late and goes no further.
pub(super) fn check_trailers(scratch: &mut Scratch) -> Result<Found, Malformed> {
    let found = fields(scratch, 0)?;
    if scratch.seen.meets(NO_TRAILER) {
        for slot in &mut scratch.slots {
            slot.flags |= if NO_TRAILER.has(crate::head::name_of(slot.id)) { SKIP } else { 0 };
        }
    }
    Ok(found)
}

/// The request in a checked list.
pub(super) fn request<'a>(scratch: &'a Scratch, found: &Found) -> Request<'a> {
    let get = |id| find(scratch, &scratch.slots[..found.first], id);
    let method = get(pseudo::METHOD).unwrap_or_default();
    let path = get(pseudo::PATH).unwrap_or_default();
    let scheme = get(pseudo::SCHEME).unwrap_or_default();
    let form = match path {
        b"" => Form::Authority,
        b"*" => Form::Asterisk,
        _ => Form::Origin,
    };
    let fields = rest(scratch, found);
    let authority =
        get(pseudo::AUTHORITY).filter(|name| !name.is_empty()).or_else(|| fields.get(Name::Host)).unwrap_or_default();
    Request {
        method,
        scheme: if scheme.len() == 5 {
            b"https"
        } else if scheme.is_empty() {
            b""
        } else {
            b"http"
        },
        authority,
        path,
        version: Version::H2,
        form,
        fields,
    }
}

/// The response in a checked list.
pub(super) fn response<'a>(scratch: &'a Scratch, found: &Found) -> Response<'a> {
    Response { status: found.status, reason: b"", version: Version::H2, fields: rest(scratch, found) }
}

/// The fields proper of a checked list.
pub(super) fn rest<'a>(scratch: &'a Scratch, found: &Found) -> Fields<'a> {
    Fields { base: &scratch.bytes, slots: &scratch.slots[found.first..], seen: scratch.seen }
}

/// How many pseudo-fields lead the list; each is allowed here and comes once.
fn pseudo_count(scratch: &Scratch, allowed: std::ops::RangeInclusive<u8>) -> Result<usize, Malformed> {
    let mut seen = 0u8;
    let mut count = 0;
    for slot in scratch.slots.iter().take_while(|slot| slot.id >= pseudo::AUTHORITY) {
        let bit = 1 << (slot.id - pseudo::AUTHORITY);
        if !allowed.contains(&slot.id) || seen & bit != 0 || slot.flags & BAD != 0 {
            return Err(Malformed);
        }
        seen |= bit;
        count += 1;
    }
    Ok(count)
}

/// Judges the fields proper, from slot `first` on.
fn fields(scratch: &mut Scratch, first: usize) -> Result<Found, Malformed> {
    let mut found = Found { first, ..Found::default() };
    let mut seen = Set::NONE;
    for slot in &mut scratch.slots[first..] {
        if slot.flags & BAD != 0 || slot.id >= pseudo::AUTHORITY {
            return Err(Malformed);
        }
        let id = crate::head::name_of(slot.id);
        if SPECIAL.has(id) {
            let value = &scratch.bytes[slot.value_at as usize..][..slot.value_len as usize];
            special(id, value, seen, slot, &mut found)?;
        }
        seen = seen.with(id);
    }
    scratch.seen = seen;
    Ok(found)
}

const SPECIAL: Set = FORBIDDEN.or(Set::of(&[Name::ContentLength, Name::Te, Name::Host]));

fn special(id: Name, value: &[u8], seen: Set, slot: &mut Slot, found: &mut Found) -> Result<(), Malformed> {
    // A repeated length or host, even an equal one, is refused as in HTTP/1.
    let fits = match id {
        Name::ContentLength => {
            found.length = number(value);
            found.length.is_some() && !seen.has(id)
        }
        Name::Te => value.eq_ignore_ascii_case(b"trailers"),
        Name::Host => {
            slot.flags |= SKIP;
            !seen.has(id)
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(Malformed) }
}

fn find<'a>(scratch: &'a Scratch, slots: &[Slot], id: u8) -> Option<&'a [u8]> {
    let slot = slots.iter().find(|slot| slot.id == id)?;
    scratch.bytes.get(slot.value_at as usize..slot.value_at as usize + slot.value_len as usize)
}

fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}
