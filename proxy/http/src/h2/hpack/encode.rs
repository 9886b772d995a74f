//! From a head to a header block. Strings are sent plain: Huffman would save bytes that TLS encrypts for next to nothing
//! and cost the far side a table walk per byte. What repeats is indexed: for each known name the last two values are
//! remembered by their place in the table, so that a hit costs one comparison and no hash; a name whose values never
//! repeat loses credit and is sent literally.

use super::pseudo;
use super::table::{NAMED, OVERHEAD, SIZE, STATIC, Table};
use crate::head::{Edit, Field, Fields, Form, Request, Response};
use crate::names::{Name, Set};

/// One direction's encoder.
pub struct Encoder {
    table: Table,
    /// Per key, the table's count after the insertion; 0: none.
    recent: [[u32; 2]; KEYS],
    credit: [i8; KEYS],
    /// The smallest and the last size the peer set since the last block.
    resized: Option<(usize, usize)>,
}

const KEYS: usize = 64;
/// Keys of the two pseudo-fields worth remembering, above those of the names.
const AUTHORITY: usize = 62;
const PATH: usize = 63;
const _: () = assert!((Name::Other as usize) < AUTHORITY);

const CREDIT: i8 = 3;
const CREDIT_MAX: i8 = 8;
/// So many misses later a name without credit gets another chance.
const CREDIT_MIN: i8 = -100;

/// Values that must not rest in a table (RFC 7541 section 7.1.3).
const SECRET: Set = Set::of(&[Name::Authorization, Name::ProxyAuthorization, Name::Cookie, Name::SetCookie]);
/// Values that hardly ever repeat, or whose names are not known.
const LITERAL: Set = Set::of(&[
    Name::Other,
    Name::L5dOther,
    Name::Location,
    Name::Range,
    Name::Traceparent,
    Name::XRequestId,
    Name::L5dProxyError,
    Name::GrpcMessage,
]);

impl Default for Encoder {
    fn default() -> Self {
        Encoder::new()
    }
}

impl Encoder {
    /// An empty table of 4 KiB.
    pub fn new() -> Encoder {
        Encoder { table: Table::new(), recent: [[0; 2]; KEYS], credit: [CREDIT; KEYS], resized: None }
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE. More than 4 KiB is not used.
    pub fn resize(&mut self, size: u32) {
        let size = (size as usize).min(SIZE);
        let before = self.resized.map_or(self.table.max(), |(_, last)| last);
        if size != before || self.resized.is_some() {
            let smallest = self.resized.map_or(size, |(smallest, _)| smallest.min(size));
            self.resized = Some((smallest, size));
        }
    }

    /// Appends the block of a request.
    pub fn request(&mut self, out: &mut Vec<u8>, head: &Request<'_>, edit: &Edit<'_>) {
        self.begin(out);
        match head.method {
            b"GET" => out.push(0x82),
            b"POST" => out.push(0x83),
            method => literal(out, 2, method),
        }
        if head.form != Form::Authority {
            out.push(if head.scheme == b"https" { 0x87 } else { 0x86 });
            if head.path == b"/" {
                out.push(0x84);
            } else {
                self.keyed(out, PATH, pseudo::PATH, 4, b":path", head.path);
            }
        }
        if !head.authority.is_empty() {
            self.keyed(out, AUTHORITY, pseudo::AUTHORITY, 1, b":authority", head.authority);
        }
        self.fields(out, &head.fields, edit);
    }

    /// Appends the block of a response.
    pub fn response(&mut self, out: &mut Vec<u8>, head: &Response<'_>, edit: &Edit<'_>) {
        self.begin(out);
        match head.status {
            200 => out.push(0x88),
            204 => out.push(0x89),
            206 => out.push(0x8a),
            304 => out.push(0x8b),
            400 => out.push(0x8c),
            404 => out.push(0x8d),
            500 => out.push(0x8e),
            status => literal(out, 8, &crate::h1::digits(status)),
        }
        self.fields(out, &head.fields, edit);
    }

    /// Appends the block of trailers.
    pub fn trailers(&mut self, out: &mut Vec<u8>, fields: &Fields<'_>, edit: &Edit<'_>) {
        self.begin(out);
        self.fields(out, fields, edit);
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        let Some((smallest, last)) = self.resized.take() else { return };
        for size in [smallest, last] {
            // Said even when equal to the present size: the peer may wait for it.
            self.table.resize(size);
        }
        if smallest < last {
            int(out, 0x20, 5, smallest);
        }
        int(out, 0x20, 5, last);
    }

    #[inline]
    fn fields(&mut self, out: &mut Vec<u8>, fields: &Fields<'_>, edit: &Edit<'_>) {
        for (field, sensitive) in fields.onward() {
            if !edit.drops(&field) {
                self.field(out, field, sensitive);
            }
        }
        for field in edit.add {
            self.field(out, *field, false);
        }
    }

    #[inline]
    fn field(&mut self, out: &mut Vec<u8>, field: Field<'_>, sensitive: bool) {
        let id = field.id;
        let fixed = NAMED[id as usize];
        if sensitive || SECRET.has(id) {
            return self.plain(out, 0x10, id as usize, fixed, field.name, field.value);
        }
        if LITERAL.has(id) {
            return self.plain(out, 0, id as usize, fixed, field.name, field.value);
        }
        self.keyed(out, id as usize, id as u8, fixed, field.name, field.value);
    }

    /// Sends a field whose name has a key: by index if it repeats, else inserting it while the name has credit.
    #[inline]
    fn keyed(&mut self, out: &mut Vec<u8>, key: usize, id: u8, fixed: u8, name: &[u8], value: &[u8]) {
        for stamp in self.recent[key] {
            if let Some(age) = self.age(stamp)
                && let Some((entry, _, seen)) = self.table.get(age)
                && entry.id == id
                && seen == value
            {
                self.credit[key] = (self.credit[key] + 1).min(CREDIT_MAX);
                return int(out, 0x80, 7, STATIC + 1 + age);
            }
        }
        self.credit[key] -= 1;
        if self.credit[key] < 0 || name.len() + value.len() + OVERHEAD > self.table.max() / 4 {
            if self.credit[key] <= CREDIT_MIN {
                self.credit[key] = 1;
            }
            return self.plain(out, 0, key, fixed, name, value);
        }
        self.name(out, 0x40, 6, key, fixed, name);
        string(out, value);
        self.table.insert(id, name, value, false);
        let [newer, _] = self.recent[key];
        self.recent[key] = [self.table.inserted, newer];
    }

    /// A literal that is not indexed; `first` is 0x10 for one that never may be.
    fn plain(&mut self, out: &mut Vec<u8>, first: u8, key: usize, fixed: u8, name: &[u8], value: &[u8]) {
        self.name(out, first, 4, key, fixed, name);
        string(out, value);
    }

    /// The name of a literal: static, from the table, or spelt out.
    #[inline]
    fn name(&self, out: &mut Vec<u8>, first: u8, prefix: u8, key: usize, fixed: u8, name: &[u8]) {
        if fixed != 0 {
            return int(out, first, prefix, usize::from(fixed));
        }
        if let Some(age) = self.age(self.recent[key][0]) {
            return int(out, first, prefix, STATIC + 1 + age);
        }
        out.push(first);
        int(out, 0, 7, name.len());
        out.extend(name.iter().map(u8::to_ascii_lowercase));
    }

    /// How old the entry inserted at `stamp` is, if it is still there.
    #[inline]
    fn age(&self, stamp: u32) -> Option<usize> {
        let age = self.table.inserted.wrapping_sub(stamp) as usize;
        (stamp != 0 && age < self.table.len()).then_some(age)
    }
}

/// A literal of a static name that is not indexed.
fn literal(out: &mut Vec<u8>, fixed: usize, value: &[u8]) {
    int(out, 0, 4, fixed);
    string(out, value);
}

#[inline]
fn string(out: &mut Vec<u8>, text: &[u8]) {
    int(out, 0, 7, text.len());
    out.extend_from_slice(text);
}

/// An integer with this many bits in the first byte.
#[inline]
fn int(out: &mut Vec<u8>, first: u8, prefix: u8, value: usize) {
    let mask = (1usize << prefix) - 1;
    if value < mask {
        return out.push(first | value as u8);
    }
    out.push(first | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}
