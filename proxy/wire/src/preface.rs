//! Which HTTP is it? Decided on the first bytes a client sends in the clear, or inside TLS.

/// What the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detect {
    /// HTTP/1.0 or 1.1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// Neither.
    Opaque,
    /// Could be either: read more. Never after [`LIMIT`] bytes.
    Partial,
}

/// Bytes after which an undecided start is opaque.
pub const LIMIT: usize = 1024;

/// As much of the HTTP/2 preface as settles it.
const PRI: &[u8] = b"PRI * HTTP/2.0";

/// Methods that settle it before the request line is whole. Others wait for the version at the line's end: text
/// protocols too begin with a word and a blank (`EHLO mail`, `SET key`).
const METHODS: &[&[u8]] =
    &[b"GET", b"POST", b"PUT", b"HEAD", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE", b"PROPFIND", b"REPORT"];

/// Looks at the first bytes. An empty input is `Partial`.
pub fn detect(bytes: &[u8]) -> Detect {
    let common = bytes.len().min(PRI.len());
    if bytes[..common] == PRI[..common] {
        return if common == PRI.len() { Detect::Http2 } else { Detect::Partial };
    }
    let mut request = httparse::Request::new(&mut []);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) | Err(httparse::Error::TooManyHeaders) => Detect::Http1,
        // A request line that names the version is meant as HTTP: what is wrong with it is for the codec to refuse, or a mistake
        // of one byte would take a request round every rule of its routes.
        Err(_) if request.version.is_some() || says_http(bytes) => Detect::Http1,
        Err(_) => Detect::Opaque,
        // The version was read: only fields are missing.
        Ok(httparse::Status::Partial) if request.version.is_some() || begins_with_method(bytes) => Detect::Http1,
        Ok(httparse::Status::Partial) if bytes.len() >= LIMIT => Detect::Opaque,
        Ok(httparse::Status::Partial) => Detect::Partial,
    }
}

/// Whether the first line names HTTP/1.
fn says_http(bytes: &[u8]) -> bool {
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
    begins_with_method(bytes) && line.windows(8).any(|part| part == b" HTTP/1.")
}

fn begins_with_method(bytes: &[u8]) -> bool {
    let target = |b: u8| b == b'/' || b == b'*' || b.is_ascii_alphanumeric() || b == b'[';
    METHODS.iter().any(|method| match bytes.strip_prefix(*method) {
        Some([b' ', first, ..]) => target(*first),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tells_what_it_is() {
        for (bytes, detect) in [
            (b"".as_slice(), Detect::Partial),
            (b"PRI", Detect::Partial),
            (b"PRI * HTTP/2.0", Detect::Http2),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0", Detect::Http2),
            (b"GET /", Detect::Http1),
            (b"GET", Detect::Partial),
            (b"CONNECT a:443", Detect::Http1),
            (b"OPTIONS * HTTP/1.1\r\n", Detect::Http1),
            (b"BREW /pot HTTP/1.1\r\nhost: a\r\n", Detect::Http1),
            (b"BREW /pot", Detect::Partial),
            (b"EHLO mail.example\r\n", Detect::Opaque),
            (b"SET key value\r\n", Detect::Opaque),
            (b"*1\r\n$4\r\nPING\r\n", Detect::Opaque),
            (b"SSH-2.0-OpenSSH\r\n", Detect::Opaque),
            (b"\x16\x03\x01", Detect::Opaque),
            (b"\0\0\0\x08\x04\xd2\x16\x2f", Detect::Opaque),
            (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Detect::Http1),
            (b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Detect::Http1),
            (b"GET / HTTP/1.1\r\nx\0: a\r\n", Detect::Http1),
            (b"GET /\0 HTTP/1.1\r\n", Detect::Http1),
            (b"GET / HTTP/1.1\nHost: a\r\n", Detect::Http1),
            (b"GET key\r\n", Detect::Opaque),
        ] {
            assert_eq!(super::detect(bytes), detect, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn long_targets_are_decided_and_long_words_given_up() {
        let target = [b"GET /".as_slice(), &[b'a'; 4000]].concat();
        assert_eq!(detect(&target), Detect::Http1);
        assert_eq!(detect(&[b'A'; LIMIT]), Detect::Opaque);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_always_settle(bytes in proptest::collection::vec(any::<u8>(), 0..1100)) {
            let found = detect(&bytes);
            prop_assert!(found != Detect::Partial || bytes.len() < LIMIT);
        }
    }
}
