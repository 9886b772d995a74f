//! The static table (RFC 7541 appendix A) by identity, and the dynamic table both directions keep.

use std::collections::VecDeque;

use super::pseudo;
use crate::names::Name;

/// What an entry costs beside its bytes (RFC 7541 section 4.1).
pub(super) const OVERHEAD: usize = 32;
/// How many static entries there are.
pub(super) const STATIC: usize = 61;
/// The size both sides begin with, and the most we ever use.
pub(super) const SIZE: usize = 4096;

/// A static entry: identity (or the name's text when the proxy does not know it) and value.
pub(super) struct Fixed {
    pub id: u8,
    pub name: &'static str,
    pub value: &'static str,
}

const fn pseudo_entry(id: u8, name: &'static str, value: &'static str) -> Fixed {
    Fixed { id, name, value }
}
const fn known(name: Name) -> Fixed {
    Fixed { id: name as u8, name: name.text(), value: "" }
}
const fn other(name: &'static str) -> Fixed {
    Fixed { id: Name::Other as u8, name, value: "" }
}

/// Entry `i` of the static table is at `i - 1`.
pub(super) static FIXED: [Fixed; STATIC] = [
    pseudo_entry(pseudo::AUTHORITY, ":authority", ""),
    pseudo_entry(pseudo::METHOD, ":method", "GET"),
    pseudo_entry(pseudo::METHOD, ":method", "POST"),
    pseudo_entry(pseudo::PATH, ":path", "/"),
    pseudo_entry(pseudo::PATH, ":path", "/index.html"),
    pseudo_entry(pseudo::SCHEME, ":scheme", "http"),
    pseudo_entry(pseudo::SCHEME, ":scheme", "https"),
    pseudo_entry(pseudo::STATUS, ":status", "200"),
    pseudo_entry(pseudo::STATUS, ":status", "204"),
    pseudo_entry(pseudo::STATUS, ":status", "206"),
    pseudo_entry(pseudo::STATUS, ":status", "304"),
    pseudo_entry(pseudo::STATUS, ":status", "400"),
    pseudo_entry(pseudo::STATUS, ":status", "404"),
    pseudo_entry(pseudo::STATUS, ":status", "500"),
    other("accept-charset"),
    Fixed { id: Name::AcceptEncoding as u8, name: "accept-encoding", value: "gzip, deflate" },
    known(Name::AcceptLanguage),
    known(Name::AcceptRanges),
    known(Name::Accept),
    other("access-control-allow-origin"),
    known(Name::Age),
    other("allow"),
    known(Name::Authorization),
    known(Name::CacheControl),
    other("content-disposition"),
    known(Name::ContentEncoding),
    other("content-language"),
    known(Name::ContentLength),
    other("content-location"),
    other("content-range"),
    known(Name::ContentType),
    known(Name::Cookie),
    known(Name::Date),
    known(Name::Etag),
    known(Name::Expect),
    other("expires"),
    other("from"),
    known(Name::Host),
    other("if-match"),
    other("if-modified-since"),
    other("if-none-match"),
    other("if-range"),
    other("if-unmodified-since"),
    known(Name::LastModified),
    other("link"),
    known(Name::Location),
    other("max-forwards"),
    other("proxy-authenticate"),
    known(Name::ProxyAuthorization),
    known(Name::Range),
    known(Name::Referer),
    other("refresh"),
    known(Name::RetryAfter),
    known(Name::Server),
    known(Name::SetCookie),
    other("strict-transport-security"),
    known(Name::TransferEncoding),
    known(Name::UserAgent),
    known(Name::Vary),
    other("via"),
    other("www-authenticate"),
];

/// The static index of each known name, 0 if it has none.
pub(super) static NAMED: [u8; 64] = {
    let mut named = [0; 64];
    let mut i = STATIC;
    while i > 0 {
        let id = FIXED[i - 1].id;
        if id < 64 && id != Name::Other as u8 {
            named[id as usize] = i as u8;
        }
        i -= 1;
    }
    named
};

/// An entry of the dynamic table. The name's bytes are kept only when the proxy does not know it.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub id: u8,
    pub bad: bool,
    at: u32,
    name_len: u16,
    value_len: u16,
}

impl Entry {
    /// What it counts in a table and in a header list.
    pub fn cost(&self) -> usize {
        self.name_len() + usize::from(self.value_len) + OVERHEAD
    }

    /// Length of the name, kept or not.
    pub fn name_len(&self) -> usize {
        usize::from(self.name_len)
    }
}

/// A dynamic table: entries in order, their bytes in one buffer that is compacted now and then. Bounded by `max`.
pub(super) struct Table {
    bytes: Vec<u8>,
    /// Bytes dropped from the front of `bytes` since the start, wrapping.
    dropped: u32,
    entries: VecDeque<Entry>,
    size: usize,
    max: usize,
    /// How many entries were ever inserted, wrapping.
    pub inserted: u32,
}

impl Table {
    pub fn new() -> Table {
        Table { bytes: Vec::new(), dropped: 0, entries: VecDeque::new(), size: 0, max: SIZE, inserted: 0 }
    }

    pub fn max(&self) -> usize {
        self.max
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn resize(&mut self, max: usize) {
        self.max = max;
        self.evict(0);
    }

    /// Entry by age: 0 is the newest.
    #[inline]
    pub fn get(&self, age: usize) -> Option<(Entry, &[u8], &[u8])> {
        let last = self.entries.len().checked_sub(1)?;
        let entry = *self.entries.get(last.checked_sub(age)?)?;
        let at = entry.at.wrapping_sub(self.dropped) as usize;
        let name_end = at + if stored(entry.id) { usize::from(entry.name_len) } else { 0 };
        let value = &self.bytes[name_end..name_end + usize::from(entry.value_len)];
        Some((entry, &self.bytes[at..name_end], value))
    }

    /// Adds an entry; one larger than the table empties it (RFC 7541 section 4.4). `name` is looked at only for its length
    /// when `id` is known.
    pub fn insert(&mut self, id: u8, name: &[u8], value: &[u8], bad: bool) {
        let cost = name.len() + value.len() + OVERHEAD;
        self.evict(cost);
        if cost > self.max {
            return;
        }
        let at = self.dropped.wrapping_add(self.bytes.len() as u32);
        if stored(id) {
            self.bytes.extend_from_slice(name);
        }
        self.bytes.extend_from_slice(value);
        self.entries.push_back(Entry { id, bad, at, name_len: name.len() as u16, value_len: value.len() as u16 });
        self.size += cost;
        self.inserted = self.inserted.wrapping_add(1);
    }

    fn evict(&mut self, room: usize) {
        while self.size + room > self.max {
            let Some(oldest) = self.entries.pop_front() else { break };
            self.size -= oldest.cost();
        }
        let start = match self.entries.front() {
            Some(oldest) => oldest.at.wrapping_sub(self.dropped) as usize,
            None => self.bytes.len(),
        };
        if start == self.bytes.len() || start >= SIZE {
            self.bytes.drain(..start);
            self.dropped = self.dropped.wrapping_add(start as u32);
        }
    }
}

/// Whether a name with this identity must be kept as text.
#[inline]
pub(super) fn stored(id: u8) -> bool {
    id == Name::Other as u8 || id == Name::L5dOther as u8 || id == pseudo::UNKNOWN
}
