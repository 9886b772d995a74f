//! What the proxy must know of gRPC: is it one, what status did it end with, how long may it take.

use crate::h1::number;
use crate::head::{Fields, Request, Response};
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
    request.fields.get(Name::ContentType).is_some_and(is_type)
}

/// The status that gRPC clients read from an answer which is no gRPC: from its HTTP status, where that is not 200 or the answer is of
/// another type. `None`: trailers will tell.
pub fn foreign(head: &Response<'_>) -> Option<Status> {
    let ours = head.status == 200 && head.fields.get(Name::ContentType).is_none_or(is_type);
    (!ours).then(|| Status::of_http(head.status))
}

fn is_type(value: &[u8]) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h1::{self, Limits};
    use crate::head::Scratch;

    fn with<R>(field: &str, look: impl FnOnce(&Request<'_>) -> R) -> R {
        let input = format!("POST / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n");
        let mut scratch = Scratch::new();
        look(&h1::request(input.as_bytes(), &mut scratch, &Limits::default()).unwrap().unwrap().request)
    }

    #[test]
    fn content_type_tells() {
        for (value, is) in [
            ("application/grpc", true),
            ("Application/gRPC", true),
            ("application/grpc+proto", true),
            ("application/grpc;x=y", true),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(with(&format!("content-type: {value}"), is_grpc), is, "{value}");
        }
        assert!(!with("x: y", is_grpc));
    }

    #[test]
    fn case_40_timeouts_cannot_overflow() {
        for (value, nanos) in [
            ("1S", Some(1_000_000_000)),
            ("99999999H", Some(u64::MAX)),
            ("250m", Some(250_000_000)),
            ("5u", Some(5_000)),
            ("7n", Some(7)),
            ("2M", Some(120_000_000_000)),
            ("999999999S", None),
            ("S", None),
            ("1", None),
            ("-1S", None),
            ("1x", None),
            ("", None),
        ] {
            assert_eq!(with(&format!("grpc-timeout: {value}"), |request| timeout(&request.fields)), nanos, "{value}");
        }
    }

    #[test]
    fn statuses_are_numbers_or_unknown() {
        for (value, wanted) in
            [("0", Status::Ok), ("14", Status::Unavailable), ("17", Status::Unknown), ("x", Status::Unknown)]
        {
            assert_eq!(
                with(&format!("grpc-status: {value}"), |request| status(&request.fields)),
                Some(wanted),
                "{value}"
            );
        }
        assert_eq!(with("x: y", |request| status(&request.fields)), None);
        assert_eq!((Status::of_http(503), Status::of_http(418)), (Status::Unavailable, Status::Unknown));
    }
}
