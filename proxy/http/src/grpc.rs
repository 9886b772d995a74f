//! What the proxy must know of gRPC: is it one, what status did it end with, how long may it take.

use crate::head::{Fields, Request};

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Status {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

/// Whether a request speaks gRPC: `content-type` begins with `application/grpc` (and no letter follows).
pub fn is_grpc(_request: &Request<'_>) -> bool {
    unimplemented!()
}

/// The status in trailers (or in a trailers-only head). Unreadable numbers are `Unknown`.
pub fn status(_fields: &Fields<'_>) -> Option<Status> {
    unimplemented!()
}

/// `grpc-timeout` in nanoseconds: 1 to 8 digits and a unit; `None` if absent or malformed. Cannot overflow.
pub fn timeout(_fields: &Fields<'_>) -> Option<u64> {
    unimplemented!()
}
