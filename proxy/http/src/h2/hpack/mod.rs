//! HPACK (RFC 7541): [`Decoder`] writes a block's fields into the worker's scratch, [`Encoder`] appends a head's fields to
//! the output. Each side keeps one table of at most 4 KiB; nothing else is remembered.

mod decode;
mod encode;
mod huffman;
mod table;

pub use decode::{Decoder, Error};
pub use encode::Encoder;

/// Identities of pseudo-fields in a slot, beside those of [`crate::Name`] (which stay below 64).
pub(crate) mod pseudo {
    pub const AUTHORITY: u8 = 128;
    pub const METHOD: u8 = 129;
    pub const PATH: u8 = 130;
    pub const SCHEME: u8 = 131;
    pub const STATUS: u8 = 132;
    pub const PROTOCOL: u8 = 133;
    /// A name that begins with a colon and is none of these.
    pub const UNKNOWN: u8 = 134;
}

/// Flag of a slot: the field breaks the rules for names or values (RFC 9113 section 8.2.1).
pub(crate) const BAD: u8 = 4;

#[cfg(test)]
mod tests;
