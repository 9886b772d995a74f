//! From a header block to slots in the scratch. Field rules are judged here, once per entry: a bad one is flagged, and
//! stays flagged in the table, because only the stream, not the connection, is at fault.

use super::table::{FIXED, OVERHEAD, SIZE, STATIC, Table};
use super::{BAD, huffman, pseudo};
use crate::head::{SENSITIVE, Scratch, Slot};
use crate::names::Name;

/// The block cannot be decoded: connection error `COMPRESSION_ERROR`, since the table is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("header block cannot be decoded")]
pub struct Error;

/// What a block amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The list was larger than the limit; the rest was decoded, but not kept.
    pub over: bool,
}

/// One direction's decoder.
pub struct Decoder {
    table: Table,
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

impl Decoder {
    /// An empty table of 4 KiB.
    pub fn new() -> Decoder {
        Decoder { table: Table::new() }
    }

    /// Decodes a whole block into `scratch`, pseudo-fields included. Keeps at most `limit` (RFC 9113 section 6.5.2).
    pub(crate) fn decode(&mut self, block: &[u8], limit: usize, scratch: &mut Scratch) -> Result<Listed, Error> {
        scratch.clear();
        let mut block = Block(block);
        let (mut size, mut over, mut updates) = (0, false, true);
        while let Some(&first) = block.0.first() {
            let kept = (scratch.bytes.len(), scratch.slots.len());
            if first & 0x80 != 0 {
                let index = block.int(7)?;
                size += self.indexed(index, scratch)?;
            } else if first & 0xc0 == 0x40 {
                size += self.literal(&mut block, 6, true, scratch)?;
            } else if first & 0xe0 == 0x20 {
                let max = block.int(5)?;
                if !updates || max > SIZE {
                    return Err(Error);
                }
                self.table.resize(max);
                continue;
            } else {
                size += self.literal(&mut block, 4, false, scratch)?;
            }
            updates = false;
            if size > limit {
                over = true;
                scratch.bytes.truncate(kept.0);
                scratch.slots.truncate(kept.1);
            }
        }
        Ok(Listed { over })
    }

    /// Copies an entry of the tables.
    fn indexed(&self, index: usize, scratch: &mut Scratch) -> Result<usize, Error> {
        if (1..=STATIC).contains(&index) {
            let fixed = &FIXED[index - 1];
            push(scratch, fixed.id, fixed.name.as_bytes(), fixed.value.as_bytes(), 0);
            return Ok(fixed.name.len() + fixed.value.len() + OVERHEAD);
        }
        let (entry, name, value) = index.checked_sub(STATIC + 1).and_then(|age| self.table.get(age)).ok_or(Error)?;
        push(scratch, entry.id, name, value, if entry.bad { BAD } else { 0 });
        Ok(entry.cost())
    }

    /// Reads a literal; returns its size in the list.
    fn literal(
        &mut self,
        block: &mut Block<'_>,
        prefix: u8,
        insert: bool,
        scratch: &mut Scratch,
    ) -> Result<usize, Error> {
        let never = !insert && block.0[0] & 0x10 != 0;
        let index = block.int(prefix)?;
        let name_at = scratch.bytes.len();
        let (id, name_len, mut bad) = self.name(index, block, scratch)?;
        let value_at = scratch.bytes.len();
        block.string(&mut scratch.bytes)?;
        let value = &scratch.bytes[value_at..];
        bad |= !is_value(value);
        let value_len = value.len();
        let text = &scratch.bytes[name_at..value_at];
        if insert {
            let name = if text.is_empty() { text_of(id) } else { text };
            self.table.insert(id, name, value, bad);
        }
        let flags = if bad { BAD } else { 0 } | if never { SENSITIVE } else { 0 };
        scratch.slots.push(Slot {
            name_at: name_at as u32,
            value_at: value_at as u32,
            value_len: value_len as u32,
            name_len: text.len() as u16,
            id,
            flags,
        });
        Ok(name_len + value_len + OVERHEAD)
    }

    /// The name of a literal: its identity, its length, whether it is bad. Its bytes go to the scratch unless known.
    fn name(&self, index: usize, block: &mut Block<'_>, scratch: &mut Scratch) -> Result<(u8, usize, bool), Error> {
        let at = scratch.bytes.len();
        if index == 0 {
            block.string(&mut scratch.bytes)?;
            let name = &scratch.bytes[at..];
            let len = name.len();
            let (id, bad) = identify(name);
            if !super::table::stored(id) {
                scratch.bytes.truncate(at);
            }
            return if len > usize::from(u16::MAX) { Err(Error) } else { Ok((id, len, bad)) };
        }
        if index <= STATIC {
            let fixed = &FIXED[index - 1];
            if super::table::stored(fixed.id) {
                scratch.bytes.extend_from_slice(fixed.name.as_bytes());
            }
            return Ok((fixed.id, fixed.name.len(), false));
        }
        let (entry, name, _) = self.table.get(index - STATIC - 1).ok_or(Error)?;
        scratch.bytes.extend_from_slice(name);
        // The entry may be bad for its value alone.
        let bad = entry.bad && super::table::stored(entry.id) && !is_name(name);
        Ok((entry.id, entry.name_len(), bad))
    }
}

#[inline]
fn push(scratch: &mut Scratch, id: u8, name: &[u8], value: &[u8], flags: u8) {
    let name = if super::table::stored(id) { name } else { &[] };
    let name_at = scratch.bytes.len();
    scratch.bytes.extend_from_slice(name);
    scratch.bytes.extend_from_slice(value);
    scratch.slots.push(Slot {
        name_at: name_at as u32,
        value_at: (name_at + name.len()) as u32,
        value_len: value.len() as u32,
        name_len: name.len() as u16,
        id,
        flags,
    });
}

/// Who a name on the wire is, and whether it may not be there: empty, upper-case or no token.
fn identify(name: &[u8]) -> (u8, bool) {
    if let [b':', ..] = name {
        let id = match name {
            b":authority" => pseudo::AUTHORITY,
            b":method" => pseudo::METHOD,
            b":path" => pseudo::PATH,
            b":scheme" => pseudo::SCHEME,
            b":status" => pseudo::STATUS,
            b":protocol" => pseudo::PROTOCOL,
            _ => pseudo::UNKNOWN,
        };
        return (id, id == pseudo::UNKNOWN);
    }
    let id = Name::of(name);
    // A known name spelt otherwise is bad too: keep its text by calling it other, so that the lists stay true.
    let proper = is_name(name);
    if id.known() && !proper { (Name::Other as u8, true) } else { (id as u8, !proper) }
}

/// The text of an identity that needs none in the table.
fn text_of(id: u8) -> &'static [u8] {
    match id {
        pseudo::AUTHORITY => b":authority",
        pseudo::METHOD => b":method",
        pseudo::PATH => b":path",
        pseudo::SCHEME => b":scheme",
        pseudo::STATUS => b":status",
        pseudo::PROTOCOL => b":protocol",
        _ => crate::names::ALL.get(id as usize).map_or(b"", |name| name.text().as_bytes()),
    }
}

/// A lower-case token.
fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'^' | b'`' | b'|' | b'~'))
}

/// No control byte but tab, no blank at either end. Written without early exit, so that it is done by the vector.
#[inline]
fn is_value(value: &[u8]) -> bool {
    let bad = value.iter().fold(false, |bad, &b| bad | ((b < 0x20) & (b != b'\t')) | (b == 0x7f));
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    !bad && !blank(value.first()) && !blank(value.last())
}

/// What is left of a block.
struct Block<'a>(&'a [u8]);

impl Block<'_> {
    /// An integer with this many bits in the first byte; at most 28 bits more.
    #[inline]
    fn int(&mut self, prefix: u8) -> Result<usize, Error> {
        let (&first, mut rest) = self.0.split_first().ok_or(Error)?;
        let mask = (1usize << prefix) - 1;
        let mut value = usize::from(first) & mask;
        if value == mask {
            let mut shift = 0;
            loop {
                let (&byte, more) = rest.split_first().ok_or(Error)?;
                rest = more;
                value += usize::from(byte & 0x7f) << shift;
                shift += 7;
                if byte & 0x80 == 0 {
                    break;
                }
                if shift > 21 {
                    return Err(Error);
                }
            }
        }
        self.0 = rest;
        Ok(value)
    }

    /// A string, appended decoded.
    #[inline]
    fn string(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let coded = self.0.first().ok_or(Error)? & 0x80 != 0;
        let len = self.int(7)?;
        let (text, rest) = self.0.split_at_checked(len).ok_or(Error)?;
        self.0 = rest;
        if coded {
            return huffman::decode(text, out).map_err(|_| Error);
        }
        out.extend_from_slice(text);
        Ok(())
    }
}

#[cfg(test)]
impl Decoder {
    /// The examples of the standard use a table of 256 bytes.
    pub(super) fn resize_for_test(&mut self, max: usize) {
        self.table.resize(max);
    }
}
