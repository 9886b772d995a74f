//! HTTP/1 carried over HTTP/2: `l5d-orig-proto` says what the message was, so that the far side can restore it. Its value
//! is `HTTP/1.1` or `HTTP/1.0`, maybe followed by `; absolute-form`. The sender adds it (`transfer-encoding` goes by
//! itself, as every hop-by-hop field); the receiver restores and drops it, and puts it on the response; the sender drops it
//! there.

use crate::head::{Field, Fields, Form, Request, Version};
use crate::names::Name;

/// What the field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrigProto {
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The target was in absolute form.
    pub absolute: bool,
}

/// The value for a request or response that is to travel over HTTP/2; `None` if it is HTTP/2 itself.
pub fn value(version: Version, form: Form) -> Option<&'static [u8]> {
    match (version, form) {
        (Version::H2, _) => None,
        (Version::Http11, Form::Absolute) => Some(b"HTTP/1.1; absolute-form"),
        (Version::Http11, _) => Some(b"HTTP/1.1"),
        (Version::Http10, Form::Absolute) => Some(b"HTTP/1.0; absolute-form"),
        (Version::Http10, _) => Some(b"HTTP/1.0"),
    }
}

/// The field to add to a request (client side) or a response (server side, with `Form::Origin`).
pub fn field(version: Version, form: Form) -> Option<Field<'static>> {
    value(version, form).map(|value| Field::known(Name::L5dOrigProto, value))
}

/// Reads the field, if there is one and it makes sense.
pub fn read(fields: &Fields<'_>) -> Option<OrigProto> {
    let value = fields.get(Name::L5dOrigProto)?;
    let version = match value.get(..8)? {
        b"HTTP/1.1" => Version::Http11,
        b"HTTP/1.0" => Version::Http10,
        _ => return None,
    };
    let rest = value[8..].trim_ascii_start().strip_prefix(b";").unwrap_or_default();
    Some(OrigProto { version, absolute: rest.trim_ascii() == b"absolute-form" })
}

/// Server side: the request as it was before the upgrade (version and form), and whether it had been HTTP/1. The field
/// itself is to be dropped with `Edit.drop`.
pub fn restore<'a>(request: &Request<'a>) -> (Request<'a>, Option<OrigProto>) {
    let Some(was) = read(&request.fields) else { return (*request, None) };
    let form = if was.absolute && request.form == Form::Origin { Form::Absolute } else { request.form };
    (Request { version: was.version, form, ..*request }, Some(was))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{self, Limits};
    use crate::head::Scratch;

    fn read_back(value: &str) -> Option<OrigProto> {
        let input = format!("GET / HTTP/1.1\r\nhost: a\r\nl5d-orig-proto: {value}\r\n\r\n");
        let mut scratch = Scratch::new();
        let head = h1::request(input.as_bytes(), &mut scratch, &Limits::default()).unwrap().unwrap();
        restore(&Request { version: Version::H2, ..head.request }).1
    }

    #[test]
    fn what_is_said_is_read() {
        for version in [Version::Http10, Version::Http11] {
            for (form, absolute) in [(Form::Origin, false), (Form::Absolute, true), (Form::Asterisk, false)] {
                let said = std::str::from_utf8(value(version, form).unwrap()).unwrap();
                assert_eq!(read_back(said), Some(OrigProto { version, absolute }), "{said}");
            }
        }
        assert_eq!((value(Version::H2, Form::Origin), field(Version::H2, Form::Origin)), (None, None));
    }

    #[test]
    fn nonsense_is_passed_over() {
        for value in ["", "HTTP/2.0", "http/1.1", "HTTP/1", "HTTP/1.2; absolute-form"] {
            assert_eq!(read_back(value), None, "{value}");
        }
        assert_eq!(read_back("HTTP/1.1;absolute-form").map(|was| was.absolute), Some(true));
    }

    #[test]
    fn the_form_comes_back() {
        let input = b"GET / HTTP/1.1\r\nhost: a\r\nl5d-orig-proto: HTTP/1.0; absolute-form\r\n\r\n";
        let mut scratch = Scratch::new();
        let head = h1::request(input, &mut scratch, &Limits::default()).unwrap().unwrap();
        let (request, _) = restore(&Request { version: Version::H2, ..head.request });
        assert_eq!((request.version, request.form), (Version::Http10, Form::Absolute));
    }
}
