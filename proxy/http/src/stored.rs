//! Heads that outlive the buffer they were parsed from: while discovery is asked, or for a retry. One allocation each
//! for bytes and fields; bounded by the limits of a head.

use crate::head::{Fields, Form, Request, Slot, Version};
use crate::names::Set;

/// An owned request head.
#[derive(Clone)]
pub struct StoredRequest {
    bytes: Vec<u8>,
    slots: Vec<Slot>,
    seen: Set,
    ends: [u32; 4],
    version: Version,
    form: Form,
}

impl StoredRequest {
    /// Copies a head.
    pub fn new(request: &Request<'_>) -> StoredRequest {
        let parts = [request.method, request.scheme, request.authority, request.path];
        let size = parts.iter().map(|part| part.len()).sum::<usize>() + request.fields.base.len();
        let mut bytes = Vec::with_capacity(size);
        let ends = parts.map(|part| {
            bytes.extend_from_slice(part);
            bytes.len() as u32
        });
        bytes.extend_from_slice(request.fields.base);
        StoredRequest {
            bytes,
            slots: request.fields.slots.to_vec(),
            seen: request.fields.seen,
            ends,
            version: request.version,
            form: request.form,
        }
    }

    /// Borrows it as any other head.
    pub fn view(&self) -> Request<'_> {
        let [method, scheme, authority, path] = self.ends.map(|end| end as usize);
        Request {
            method: &self.bytes[..method],
            scheme: &self.bytes[method..scheme],
            authority: &self.bytes[scheme..authority],
            path: &self.bytes[authority..path],
            version: self.version,
            form: self.form,
            fields: Fields { base: &self.bytes[path..], slots: &self.slots, seen: self.seen },
        }
    }
}

impl std::fmt::Debug for StoredRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{self, Ending, Framing, Limits};
    use crate::head::{Edit, Scratch};

    #[test]
    fn a_stored_head_writes_as_the_one_it_copied() {
        let input = b"PUT http://b/x?y HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\nX: y\r\nConnection: X\r\n\r\n";
        let mut scratch = Scratch::new();
        let head = h1::request(input, &mut scratch, &Limits::default()).unwrap().unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        h1::write_request(&mut first, &head.request, &Edit::NONE, Framing::AsIs, Ending::Keep);
        let stored = StoredRequest::new(&head.request);
        h1::write_request(&mut second, &stored.clone().view(), &Edit::NONE, Framing::AsIs, Ending::Keep);
        assert_eq!(first, second);
        assert_eq!(first, b"PUT http://b/x?y HTTP/1.1\r\nhost: b\r\ncookie: a=b\r\n\r\n");
    }
}
