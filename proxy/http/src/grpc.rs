//! What the proxy must know of gRPC: is it one, what status did it end with, how long may it take.

use crate::h1::number;
use crate::head::{Fields, Request};
use crate::names::Name;

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

const CODES: [Status; 17] = [
    Status::Ok,
    Status::Cancelled,
    Status::Unknown,
    Status::InvalidArgument,
    Status::DeadlineExceeded,
    Status::NotFound,
    Status::AlreadyExists,
    Status::PermissionDenied,
    Status::ResourceExhausted,
    Status::FailedPrecondition,
    Status::Aborted,
    Status::OutOfRange,
    Status::Unimplemented,
    Status::Internal,
    Status::Unavailable,
    Status::DataLoss,
    Status::Unauthenticated,
];

impl Status {
    /// The status with this number; `Unknown` for numbers that mean nothing.
    pub fn of(number: u64) -> Status {
        usize::try_from(number).ok().and_then(|n| CODES.get(n)).copied().unwrap_or(Status::Unknown)
    }

    /// The status for an HTTP answer that is not gRPC (the gRPC project's mapping).
    pub fn of_http(status: u16) -> Status {
        match status {
            400 => Status::Internal,
            401 => Status::Unauthenticated,
            403 => Status::PermissionDenied,
            404 => Status::Unimplemented,
            429 | 502..=504 => Status::Unavailable,
            _ => Status::Unknown,
        }
    }
}

const TYPE: &[u8] = b"application/grpc";

/// Whether a request speaks gRPC: `content-type` begins with `application/grpc`, then ends or goes on with `+` or `;`.
pub fn is_grpc(request: &Request<'_>) -> bool {
    let Some(value) = request.fields.get(Name::ContentType) else { return false };
    let Some((kind, rest)) = value.split_at_checked(TYPE.len()) else { return false };
    kind.eq_ignore_ascii_case(TYPE) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
}

/// The status in trailers (or in a trailers-only head). Unreadable numbers are `Unknown`.
pub fn status(fields: &Fields<'_>) -> Option<Status> {
    let value = fields.get(Name::GrpcStatus)?;
    Some(number(value).map_or(Status::Unknown, Status::of))
}

/// `grpc-timeout` in nanoseconds: 1 to 8 digits and a unit; `None` if absent or malformed. Cannot overflow.
pub fn timeout(fields: &Fields<'_>) -> Option<u64> {
    let (unit, digits) = fields.get(Name::GrpcTimeout)?.split_last()?;
    if digits.len() > 8 {
        return None;
    }
    let scale = match unit {
        b'H' => 3_600_000_000_000,
        b'M' => 60_000_000_000,
        b'S' => 1_000_000_000,
        b'm' => 1_000_000,
        b'u' => 1_000,
        b'n' => 1,
        _ => return None,
    };
    Some(number(digits)?.saturating_mul(scale))
}
