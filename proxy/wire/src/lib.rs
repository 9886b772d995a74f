//! What the first bytes of a connection are: a TLS hello and its server name, HTTP of which version, or the mesh's
//! transport header. What enters is a borrowed slice, what leaves borrows it. Never in here: reading, waiting, copying
//! more than a header's own text.

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod hello;
pub mod preface;
pub mod transport_header;

/// Whether `name` can be a host name: labels of letters, digits, `-` and `_`, 1 to 63 bytes each, 253 in all, maybe a
/// final dot.
pub fn is_dns_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let letter = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    name.len() <= 253 && name.split('.').all(|label| (1..=63).contains(&label.len()) && label.bytes().all(letter))
}
