use super::*;
use proptest::prelude::*;

fn framed(message: &[u8]) -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    out.extend_from_slice(&(message.len() as u32).to_be_bytes());
    out.extend_from_slice(message);
    out
}

#[test]
fn writes_the_bytes_the_mesh_expects() {
    let mut out = Vec::new();
    encode(&mut out, &Header { port: 4143, name: "web.svc", session: Session::Http2 });
    let message = b"\x08\xaf\x20\x12\x07web.svc\x1a\x02\x12\x00";
    assert_eq!(out, [b"transport.l5d.io/v1\r\n\r\n\0\0\0\x10".as_slice(), message].concat());
}

#[test]
fn bad_messages_are_told_apart() {
    for (message, error) in [
        (b"".as_slice(), Error::Port),
        (b"\x08\x00", Error::Port),
        (b"\x08\x80\x80\x04", Error::Port),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Error::Port),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", Error::Malformed),
        (b"\x08", Error::Malformed),
        (b"\x0a\x01a", Error::Malformed),
        (b"\x08\x50\x12\x05web", Error::Malformed),
        (b"\x08\x50\x12\x02\xff\xfe", Error::Malformed),
        (b"\x08\x50\x12\x03a b", Error::Name),
        (b"\x08\x50\x12\x02a\n", Error::Name),
        (b"\x08\x50\x1b\x1c", Error::Malformed),
        (b"\x08\x50\x1a\x02\x0a\x05", Error::Malformed),
        (b"\x00\x01", Error::Malformed),
    ] {
        assert_eq!(decode(&framed(message)), Err(error), "{}", message.escape_ascii());
    }
}

#[test]
fn frames_are_bounded_and_begin_rightly() {
    let long = [PREFACE, &(LIMIT as u32).to_be_bytes()].concat();
    assert_eq!(decode(&long), Err(Error::TooLarge));
    assert_eq!(decode(b"transport.l5d.io/v2"), Err(Error::Preface));
    assert_eq!(decode(b"\0"), Err(Error::Preface));
}

#[test]
fn unknown_fields_are_skipped_and_the_last_value_wins() {
    let message = b"\x08\x50\x08\x51\x20\x01\x29\0\0\0\0\0\0\0\0\x35\0\0\0\0\x1a\x02\x0a\0\x1a\x02\x12\0\x1a\x02\x1a\0";
    let header = Header { port: 0x51, name: "", session: Session::Http2 };
    assert_eq!(decode(&framed(message)), Ok(Some((header, PREFIX + message.len()))));
}

fn session() -> impl Strategy<Value = Session> {
    prop_oneof![Just(Session::Opaque), Just(Session::Http1), Just(Session::Http2)]
}

proptest! {
    #[test]
    fn what_is_written_is_read(port in 1u16.., name in "([a-z]{1,9}\\.){0,4}", session in session(), tail in ".{0,5}") {
        let header = Header { port, name: &name, session };
        let mut bytes = Vec::new();
        encode(&mut bytes, &header);
        let len = bytes.len();
        for end in 0..len {
            prop_assert_eq!(decode(&bytes[..end]), Ok(None));
        }
        bytes.extend_from_slice(tail.as_bytes());
        prop_assert_eq!(decode(&bytes), Ok(Some((header, len))));
    }

    #[test]
    fn random_messages_never_panic(message in proptest::collection::vec(any::<u8>(), 0..80)) {
        let bytes = framed(&message);
        if let Ok(found) = decode(&bytes) {
            prop_assert!(found.is_some_and(|(header, len)| header.port > 0 && len == bytes.len()));
        }
    }
}
