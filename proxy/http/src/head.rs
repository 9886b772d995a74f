//! The head of a message, the same for both versions of HTTP. A codec parses into it, filters read it, a codec writes
//! from it. A head borrows its bytes: for HTTP/1 from the read buffer, for HTTP/2 from the [`Scratch`] the worker
//! lends. Names are numbers ([`Name`]) wherever the proxy knows them. No allocation, except in `Stored*`, which owns a
//! head that has to wait (for discovery, for a retry).

use crate::names::{Name, Set};

/// The version a message was spoken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    H2,
}

/// How an HTTP/1 request line wrote its target (RFC 9112 section 3.2). HTTP/2 requests are `Origin`, or `Authority`
/// for CONNECT, or `Asterisk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `/path?query`
    Origin,
    /// `http://authority/path`
    Absolute,
    /// `host:port`, of CONNECT
    Authority,
    /// `*`, of OPTIONS
    Asterisk,
}

/// A request head. The fields are public so that a filter may say `Request { path, ..request }`.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Method, a token, case kept.
    pub method: &'a [u8],
    /// `http`, `https`, or empty where the wire did not say.
    pub scheme: &'a [u8],
    /// Host and optional port, or empty (HTTP/1.0 without Host). This is the only authority: `host` is not among the
    /// end-to-end fields, so routing, policy, metrics and forwarding cannot disagree.
    pub authority: &'a [u8],
    /// Path and query as sent, beginning with `/`; `*` for the asterisk form; empty for CONNECT.
    pub path: &'a [u8],
    /// The version spoken.
    pub version: Version,
    /// How the target was written.
    pub form: Form,
    /// All fields.
    pub fields: Fields<'a>,
}

/// A response head.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// 100 to 999.
    pub status: u16,
    /// The reason phrase of HTTP/1, else empty.
    pub reason: &'a [u8],
    /// The version spoken.
    pub version: Version,
    /// All fields.
    pub fields: Fields<'a>,
}

/// One field. `name` is lower-case when the name is known; an unknown HTTP/1 name keeps its case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name's number.
    pub id: Name,
    /// The name's bytes.
    pub name: &'a [u8],
    /// The value, without surrounding blanks.
    pub value: &'a [u8],
}

impl<'a> Field<'a> {
    /// A field with a known name, to be added by a filter.
    #[inline]
    pub const fn known(id: Name, value: &'a [u8]) -> Field<'a> {
        Field { id, name: id.text().as_bytes(), value }
    }

    /// A field by its text, to be added by a filter.
    pub fn named(name: &'a [u8], value: &'a [u8]) -> Field<'a> {
        Field { id: Name::of(name), name, value }
    }
}

/// Where one field lies in the base bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Slot {
    pub name_at: u32,
    pub value_at: u32,
    pub value_len: u32,
    pub name_len: u16,
    pub id: u8,
    pub flags: u8,
}

/// The field speaks of one connection, or is written by the head writer itself (`host`).
pub(crate) const SKIP: u8 = 1;
/// The sender forbade indexing (RFC 7541 section 7.1.3); the next hop must hear so too.
pub(crate) const SENSITIVE: u8 = 2;

/// The fields of a head, in the order they came.
#[derive(Clone, Copy)]
pub struct Fields<'a> {
    pub(crate) base: &'a [u8],
    pub(crate) slots: &'a [Slot],
    pub(crate) seen: Set,
}

impl<'a> Fields<'a> {
    /// No fields.
    pub const EMPTY: Fields<'static> = Fields { base: &[], slots: &[], seen: Set::NONE };

    #[inline]
    fn field(&self, slot: &Slot) -> Field<'a> {
        let id = name_of(slot.id);
        let value = part(self.base, slot.value_at, slot.value_len);
        let name =
            if id.known() { id.text().as_bytes() } else { part(self.base, slot.name_at, u32::from(slot.name_len)) };
        Field { id, name, value }
    }

    /// Every field, hop-by-hop ones included.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        let fields = *self;
        self.slots.iter().map(move |slot| fields.field(slot))
    }

    /// The fields that may go on to the next hop: without `host`, hop-by-hop names and those that `Connection` listed
    /// (trusted, authorisation and framing names cannot be listed away).
    #[inline]
    pub fn end_to_end(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        self.onward().map(|(field, _)| field)
    }

    /// As [`Fields::end_to_end`], with whether the field must never be indexed.
    #[inline]
    pub(crate) fn onward(&self) -> impl Iterator<Item = (Field<'a>, bool)> + use<'a> {
        let fields = *self;
        self.slots
            .iter()
            .filter(|slot| slot.flags & SKIP == 0)
            .map(move |slot| (fields.field(slot), slot.flags & SENSITIVE != 0))
    }

    /// Whether a field with this name came. One bit test.
    #[inline]
    pub fn has(&self, name: Name) -> bool {
        self.seen.has(name)
    }

    /// The names that came.
    #[inline]
    pub fn names(&self) -> Set {
        self.seen
    }

    /// The first value of a known name.
    #[inline]
    pub fn get(&self, name: Name) -> Option<&'a [u8]> {
        if !self.seen.has(name) {
            return None;
        }
        let slot = self.slots.iter().find(|slot| slot.id == name as u8)?;
        Some(part(self.base, slot.value_at, slot.value_len))
    }

    /// The first value of a name given as text in any case. For names from configuration; prefer [`Fields::get`].
    pub fn find(&self, name: &[u8]) -> Option<&'a [u8]> {
        match Name::of(name) {
            id if id.known() => self.get(id),
            _ => self.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value),
        }
    }

    /// How many fields.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|x| (text(x.name), text(x.value)))).finish()
    }
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[inline]
fn part(base: &[u8], at: u32, len: u32) -> &[u8] {
    base.get(at as usize..at as usize + len as usize).unwrap_or_default()
}

#[inline]
pub(crate) fn name_of(id: u8) -> Name {
    match crate::names::ALL.get(id as usize) {
        Some(name) => *name,
        None if id == Name::L5dOther as u8 => Name::L5dOther,
        None => Name::Other,
    }
}

/// What a filter changes between the parsed head and the written one: first `drop`, then `add`. Nothing is copied.
#[derive(Clone, Copy, Debug, Default)]
pub struct Edit<'a> {
    /// Known names to leave out.
    pub drop: Set,
    /// Other names to leave out, any letter case.
    pub drop_other: &'a [&'a [u8]],
    /// Fields to write after the kept ones.
    pub add: &'a [Field<'a>],
}

impl<'a> Edit<'a> {
    /// Nothing changes.
    pub const NONE: Edit<'static> = Edit { drop: Set::NONE, drop_other: &[], add: &[] };

    /// Whether the writer leaves `field` out.
    #[inline]
    pub fn drops(&self, field: &Field<'_>) -> bool {
        self.drop.has(field.id)
            || (!self.drop_other.is_empty() && self.drop_other.iter().any(|name| name.eq_ignore_ascii_case(field.name)))
    }
}

/// Room a worker lends to the codecs: one per worker, reused for every head, never grows past a head's limits.
#[derive(Default)]
pub struct Scratch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) seen: Set,
}

impl Scratch {
    /// Empty room; it allocates at the first head.
    pub fn new() -> Scratch {
        Scratch::default()
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.slots.clear();
        self.seen = Set::NONE;
    }
}
