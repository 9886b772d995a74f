//! The first bytes of a connection: TLS hello, HTTP preface, transport header.

use wire::hello::{self, Hello};
use wire::preface::{self, Detect};
use wire::transport_header::{self, Header};

/// What is known of a prefix is not unsaid by more bytes, and an undecided hello ends at its limit.
pub fn hello(data: &[u8]) {
    let whole = hello::sniff(data);
    for at in [data.len() / 2, data.len().saturating_sub(1)] {
        match hello::sniff(&data[..at]) {
            Hello::Partial => assert!(at < hello::LIMIT),
            known => assert_eq!(known, whole),
        }
    }
    if let Hello::Tls { sni: Some(name) } = whole {
        assert!(wire::is_dns_name(&name) && name.len() <= 253);
    }
}

/// HTTP/2 stays what it is; a line that is no request yet may become one, and one that began like a request another protocol.
pub fn preface(data: &[u8]) {
    let whole = preface::detect(data);
    let half = preface::detect(&data[..data.len() / 2]);
    if half == Detect::Http2 {
        assert_eq!(half, whole);
    }
    assert!(whole != Detect::Partial || data.len() < preface::LIMIT);
}

/// What is read is written the same way, and read again.
pub fn transport_header(data: &[u8]) {
    let Ok(Some((header, used))) = transport_header::decode(data) else { return };
    assert!(used <= data.len() && header.port > 0);
    assert!(header.name.is_empty() || wire::is_dns_name(header.name));
    let mut out = Vec::new();
    transport_header::encode(&mut out, &header);
    let again: Option<(Header<'_>, usize)> = transport_header::decode(&out).expect("our own header");
    assert_eq!(again, Some((header, out.len())));
}
