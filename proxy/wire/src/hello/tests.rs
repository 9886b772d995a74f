use super::*;
use proptest::prelude::*;

/// A client hello's handshake message with these extensions.
fn message_with(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, data) in extensions {
        list.extend_from_slice(&kind.to_be_bytes());
        list.extend_from_slice(&(data.len() as u16).to_be_bytes());
        list.extend_from_slice(data);
    }
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 2, 0x13, 1, 1, 0]);
    body.extend_from_slice(&(list.len() as u16).to_be_bytes());
    body.extend_from_slice(&list);
    let mut message = vec![CLIENT_HELLO];
    message.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
    message.extend_from_slice(&body);
    message
}

fn sni(name: &[u8]) -> (u16, Vec<u8>) {
    let mut data = ((name.len() + 3) as u16).to_be_bytes().to_vec();
    data.push(0);
    data.extend_from_slice(&(name.len() as u16).to_be_bytes());
    data.extend_from_slice(name);
    (0, data)
}

fn records(message: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for part in message.chunks(size) {
        out.extend_from_slice(&[HANDSHAKE, 3, 1]);
        out.extend_from_slice(&(part.len() as u16).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

fn tls(name: &str) -> Hello<'_> {
    Hello::Tls { sni: Some(name.into()) }
}

#[test]
fn finds_the_name_however_the_hello_is_cut() {
    let message = message_with(&[(10, vec![0; 1400]), sni(b"web.default.svc.cluster.local")]);
    for size in [16_000, 700, 17, 3, 1] {
        assert_eq!(sniff(&records(&message, size)), tls("web.default.svc.cluster.local"), "{size}");
    }
}

#[test]
fn every_prefix_is_partial() {
    let whole = records(&message_with(&[sni(b"web.local")]), 40);
    for end in 0..whole.len() {
        assert_eq!(sniff(&whole[..end]), Hello::Partial, "{end}");
    }
}

#[test]
fn names_that_are_no_host_names_are_absent() {
    let long = [b'a'; 300];
    for name in [b"10.0.0.1".as_slice(), b"*.svc", b"a\0b", b"", b"::1", b"a..b", &long, b"\xff\xfe"] {
        let bytes = records(&message_with(&[sni(name)]), 16_000);
        assert_eq!(sniff(&bytes), Hello::Tls { sni: None }, "{name:?}");
    }
    assert_eq!(sniff(&records(&message_with(&[]), 16_000)), Hello::Tls { sni: None });
}

#[test]
fn what_is_no_hello_is_said_at_once() {
    for bytes in [
        b"GET / HTTP/1.1\r\n".as_slice(),
        b"\x16\x02\x01",
        b"\x16\x03\x04",
        b"\x17\x03\x03",
        b"\x16\x03\x01\x00\x00",
        b"\x16\x03\x01\x00\x04\x02",
        b"\x16\x03\x01\xff\xff\x01",
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
    ] {
        assert_eq!(sniff(bytes), Hello::NotTls, "{bytes:?}");
    }
}

#[test]
fn an_endless_hello_is_given_up() {
    let message = message_with(&[(10, vec![0; 16_100])]);
    let bytes = records(&message, 16_000);
    assert_eq!(sniff(&bytes[..LIMIT - 400]), Hello::Partial);
    let mut padded = records(&message[..100], 1);
    padded.resize(LIMIT, HANDSHAKE);
    assert_eq!(sniff(&padded), Hello::NotTls);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut framed = vec![HANDSHAKE, 3, 1, 1, 0, CLIENT_HELLO, 0];
        framed.extend_from_slice(&bytes);
        sniff(&bytes);
        sniff(&framed);
    }

    #[test]
    fn one_wrong_byte_never_panics(at in 0usize..120, byte in any::<u8>()) {
        let mut bytes = records(&message_with(&[sni(b"web.local")]), 50);
        let at = at % bytes.len();
        bytes[at] = byte;
        sniff(&bytes);
    }
}
