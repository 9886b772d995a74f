//! Heads that outlive the buffer they were parsed from: while discovery is asked, or for a retry. One allocation each
//! for bytes and fields, which [`StoredRequest::store`] uses again; bounded by the limits of a head.

use crate::head::{Fields, Form, Request, Response, Slot, Version};
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

impl Default for StoredRequest {
    fn default() -> StoredRequest {
        let (bytes, slots) = (Vec::new(), Vec::new());
        StoredRequest { bytes, slots, seen: Set::NONE, ends: [0; 4], version: Version::Http11, form: Form::Origin }
    }
}

impl StoredRequest {
    /// Copies a head.
    pub fn new(request: &Request<'_>) -> StoredRequest {
        let mut stored = StoredRequest::default();
        stored.store(request);
        stored
    }

    /// Copies a head into the room of the last one.
    pub fn store(&mut self, request: &Request<'_>) {
        let parts = [request.method, request.scheme, request.authority, request.path];
        let size = parts.iter().map(|part| part.len()).sum::<usize>() + request.fields.base.len();
        self.bytes.clear();
        self.bytes.reserve_exact(size);
        self.ends = parts.map(|part| {
            self.bytes.extend_from_slice(part);
            self.bytes.len() as u32
        });
        self.bytes.extend_from_slice(request.fields.base);
        self.slots.clear();
        self.slots.extend_from_slice(request.fields.slots);
        (self.seen, self.version, self.form) = (request.fields.seen, request.version, request.form);
    }

    /// Bytes of room it holds on to.
    pub fn room(&self) -> usize {
        self.bytes.capacity() + self.slots.capacity() * size_of::<Slot>()
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

/// An owned response head.
#[derive(Debug)]
pub struct StoredResponse {
    /// Its reason in the place of the method.
    parts: StoredRequest,
    status: u16,
}

impl StoredResponse {
    /// Copies a head.
    pub fn new(response: &Response<'_>) -> StoredResponse {
        let parts = StoredRequest::new(&Request {
            method: response.reason,
            scheme: b"",
            authority: b"",
            path: b"",
            version: response.version,
            form: Form::Origin,
            fields: response.fields,
        });
        StoredResponse { parts, status: response.status }
    }

    /// Borrows it as any other head.
    pub fn view(&self) -> Response<'_> {
        let parts = self.parts.view();
        Response { status: self.status, reason: parts.method, version: parts.version, fields: parts.fields }
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
        let (mut again, mut third) = (stored, Vec::new());
        again.store(&head.request);
        h1::write_request(&mut third, &again.view(), &Edit::NONE, Framing::AsIs, Ending::Keep);
        assert_eq!((third, again.room() > 0), (first, true));
    }

    #[test]
    fn so_does_a_stored_answer() {
        let input = b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nX: y\r\ncontent-length: 0\r\n\r\n";
        let mut scratch = Scratch::new();
        let head = h1::response(input, &mut scratch, &Limits::default(), h1::Asked::default()).unwrap().unwrap();
        let (mut first, mut second) = (Vec::new(), Vec::new());
        h1::write_response(&mut first, &head.response, &Edit::NONE, Framing::AsIs, Ending::Keep);
        let stored = StoredResponse::new(&head.response);
        h1::write_response(&mut second, &stored.view(), &Edit::NONE, Framing::AsIs, Ending::Keep);
        assert_eq!((first, stored.view().status), (second, 503));
    }
}
