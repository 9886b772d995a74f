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
