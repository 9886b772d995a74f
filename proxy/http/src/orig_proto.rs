//! HTTP/1 carried over HTTP/2: `l5d-orig-proto` says what the message was, so that the far side can restore it.

use crate::head::{Field, Fields, Form, Request, Version};

/// What the field says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrigProto {
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The target was in absolute form.
    pub absolute: bool,
}

/// The value for a request or response that is to travel over HTTP/2; `None` if it is HTTP/2 itself.
pub fn value(_version: Version, _form: Form) -> Option<&'static [u8]> {
    unimplemented!()
}

/// The field to add (client side, or the server side's response); drop `content-length` never, `transfer-encoding` is
/// hop-by-hop and goes by itself.
pub fn field(_version: Version, _form: Form) -> Option<Field<'static>> {
    unimplemented!()
}

/// Reads the field, if there is one and it makes sense.
pub fn read(_fields: &Fields<'_>) -> Option<OrigProto> {
    unimplemented!()
}

/// Server side: the request as it was before the upgrade (version and form), and whether it had been HTTP/1. The field
/// itself is to be dropped with `Edit.drop`.
pub fn restore<'a>(_request: &Request<'a>) -> (Request<'a>, Option<OrigProto>) {
    unimplemented!()
}
