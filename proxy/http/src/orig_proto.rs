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
