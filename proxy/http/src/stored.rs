//! Heads that outlive the buffer they were parsed from: while discovery is asked, or for a retry. One allocation each
//! for bytes and fields; bounded by the limits of a head.

use crate::head::{Form, Request, Slot, Version};
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
    pub fn new(_request: &Request<'_>) -> StoredRequest {
        unimplemented!()
    }

    /// Borrows it as any other head.
    pub fn view(&self) -> Request<'_> {
        unimplemented!()
    }
}
