//! Why a request is answered by us: one match decides status, gRPC status, metric label and whether the connection ends.

use crate::traffic::retry::Why;
use http::grpc::Status;
use http::h2::Code;

/// What a `Timeout` says when no response has begun.
pub(crate) const LATE: &str = "response headers timed out";
/// What it says when the answer did not end in time.
pub(crate) const LONG: &str = "response stream timed out";

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// No route of the port or target matches.
    NoRoute,
    /// Policy lets nobody like this in.
    Unauthorized,
    /// A rate limit of the port is reached: of all clients, or of this one.
    RateLimited(&'static str),
    /// Too many requests at a time, or in a queue.
    Loadshed,
    /// No endpoint for too long.
    Failfast,
    /// The same, and which backend it is and why.
    Unready(Box<str>),
    /// No connection could be made.
    Connect,
    /// None could be made in time.
    ConnectLate,
    /// The connection broke, or the stream was reset, before the answer was whole.
    Io,
    /// The same, and the endpoint had said that it goes away.
    Away,
    /// The stream was reset by the endpoint, before the answer was whole; `RefusedStream`: it took no notice of the request.
    Reset(Code),
    /// The client left; nobody is told.
    Cancelled,
    /// What came back is no HTTP.
    BadResponse,
    /// A timeout of the route.
    Timeout(&'static str),
    /// A request that has been here already, or would come back to us.
    Loop,
    /// A gateway request for a name we do not serve.
    GatewayName,
    /// A request that cannot be understood, with the status that fits.
    BadRequest(u16, &'static str),
    /// The endpoint is not who the client asked for.
    Identity,
    /// Policy says so: HTTP status and sentence.
    Policy(u16, Box<str>),
    /// Policy says so: gRPC code and sentence.
    PolicyRpc(u16, Box<str>),
    /// Policy says where else to ask: status and location.
    Redirect(u16, Box<str>),
    /// Policy holds something we do not know.
    Invalid,
}

impl Fault {
    /// HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Fault::NoRoute | Fault::GatewayName => 404,
            Fault::Unauthorized => 403,
            Fault::RateLimited(_) => 429,
            Fault::Loadshed | Fault::Reset(Code::RefusedStream) => 503,
            Fault::Failfast | Fault::Unready(_) | Fault::ConnectLate | Fault::Timeout(_) => 504,
            Fault::Connect | Fault::Io | Fault::Away | Fault::Reset(_) | Fault::BadResponse | Fault::Identity => 502,
            Fault::Cancelled => 499,
            Fault::Loop => 508,
            Fault::Invalid => 500,
            Fault::BadRequest(status, _) | Fault::Redirect(status, _) => *status,
            // What is no status cannot be written.
            Fault::Policy(status, _) => {
                if (100..1000).contains(status) {
                    *status
                } else {
                    500
                }
            }
            Fault::PolicyRpc(code, _) => http_of(rpc(*code)),
        }
    }

    /// gRPC status.
    pub(crate) fn grpc(&self) -> Status {
        match self {
            Fault::NoRoute | Fault::GatewayName => Status::NotFound,
            Fault::Unauthorized => Status::PermissionDenied,
            Fault::RateLimited(_) => Status::ResourceExhausted,
            Fault::Loadshed | Fault::Connect | Fault::Io | Fault::BadResponse | Fault::Identity => Status::Unavailable,
            Fault::Away | Fault::Reset(_) => Status::Unavailable,
            Fault::Cancelled => Status::Cancelled,
            Fault::Failfast | Fault::Unready(_) | Fault::ConnectLate | Fault::Timeout(_) => Status::DeadlineExceeded,
            Fault::Loop => Status::Aborted,
            Fault::Invalid => Status::Internal,
            Fault::BadRequest(..) | Fault::Redirect(..) => Status::InvalidArgument,
            Fault::Policy(status, _) => Status::of_http(*status),
            Fault::PolicyRpc(code, _) => rpc(*code),
        }
    }

    /// For `l5d-proxy-error`, `grpc-message` and the log.
    pub(crate) fn message(&self) -> &str {
        match self {
            Fault::NoRoute => "no route found for request",
            Fault::Unauthorized => "client is not authorized",
            Fault::Loadshed => "too many requests in flight",
            Fault::Failfast => "service in fail-fast: no endpoint available",
            Fault::Connect => "connection to endpoint failed",
            Fault::ConnectLate => "connection to endpoint took too long",
            Fault::Reset(Code::RefusedStream) => "endpoint refused the request",
            Fault::Io | Fault::Away | Fault::Reset(_) => "connection to endpoint broke",
            Fault::Cancelled => "client went away",
            Fault::BadResponse => "endpoint answered with malformed HTTP",
            Fault::Timeout(what) | Fault::BadRequest(_, what) | Fault::RateLimited(what) => what,
            Fault::Loop => "request loop detected",
            Fault::GatewayName => "gateway does not serve this name",
            Fault::Identity => "required identity is not the endpoint's",
            Fault::Policy(_, message) | Fault::PolicyRpc(_, message) | Fault::Unready(message) => message,
            Fault::Redirect(..) => "",
            Fault::Invalid => "policy holds an unknown filter",
        }
    }

    /// Where a redirect points.
    pub(crate) fn location(&self) -> &str {
        if let Fault::Redirect(_, location) = self { location } else { "" }
    }

    /// The `error` label of error counters.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Fault::NoRoute => "route not found",
            Fault::Unauthorized => "unauthorized",
            Fault::RateLimited(_) => "rate limited",
            Fault::Loadshed => "loadshed",
            Fault::Failfast | Fault::Unready(_) => "failfast",
            Fault::Connect | Fault::ConnectLate | Fault::Io | Fault::Away | Fault::Reset(_) | Fault::BadResponse => {
                "i/o"
            }
            Fault::Cancelled => "cancelled",
            Fault::Timeout(_) => "response timeout",
            Fault::Loop => "gateway loop",
            Fault::GatewayName => "gateway domain invalid",
            Fault::Identity => "identity required",
            Fault::BadRequest(..) | Fault::Policy(..) | Fault::PolicyRpc(..) | Fault::Redirect(..) | Fault::Invalid => {
                "unexpected"
            }
        }
    }

    /// Whether the client's connection shall end after the answer.
    pub(crate) fn closes(&self) -> bool {
        matches!(
            self,
            Fault::Loadshed
                | Fault::Failfast
                | Fault::Unready(_)
                | Fault::Connect
                | Fault::ConnectLate
                | Fault::Io
                | Fault::Away
                | Fault::Reset(_)
                | Fault::BadResponse
                | Fault::BadRequest(..)
                | Fault::Invalid
        )
    }

    /// Whether the request may be sent again because of it, and as what.
    pub(crate) fn again(&self) -> Option<Why> {
        match self {
            Fault::Failfast | Fault::Unready(_) => Some(Why::Nobody),
            Fault::Reset(Code::RefusedStream) => Some(Why::Refused),
            Fault::Timeout(what) if *what == LATE => Some(Why::Late),
            _ => None,
        }
    }

    /// Whether the endpoint is to blame, for its breaker.
    pub(crate) fn endpoints(&self) -> bool {
        match self {
            Fault::Reset(code) => *code != Code::RefusedStream,
            other => matches!(
                other,
                Fault::Connect | Fault::ConnectLate | Fault::Io | Fault::Away | Fault::BadResponse | Fault::Timeout(_)
            ),
        }
    }
}

/// A gRPC status by its number.
fn rpc(code: u16) -> Status {
    Status::of(u64::from(code))
}

/// The HTTP status that comes nearest to a gRPC one.
fn http_of(status: Status) -> u16 {
    match status {
        Status::Ok => 200,
        Status::InvalidArgument | Status::FailedPrecondition | Status::OutOfRange => 400,
        Status::Unauthenticated => 401,
        Status::PermissionDenied => 403,
        Status::NotFound => 404,
        Status::AlreadyExists | Status::Aborted => 409,
        Status::ResourceExhausted => 429,
        Status::Cancelled => 499,
        Status::Unimplemented => 501,
        Status::Unavailable => 503,
        Status::DeadlineExceeded => 504,
        Status::Unknown | Status::Internal | Status::DataLoss => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policy_speaks_to_both_kinds_of_client() {
        for (fault, status, grpc) in [
            (Fault::Policy(503, "".into()), 503, Status::Unavailable),
            (Fault::Policy(404, "".into()), 404, Status::Unimplemented),
            (Fault::Policy(418, "".into()), 418, Status::Unknown),
            (Fault::Policy(14, "".into()), 500, Status::Unknown),
            (Fault::PolicyRpc(14, "".into()), 503, Status::Unavailable),
            (Fault::PolicyRpc(8, "".into()), 429, Status::ResourceExhausted),
            (Fault::PolicyRpc(99, "".into()), 500, Status::Unknown),
        ] {
            assert_eq!((fault.status(), fault.grpc()), (status, grpc), "{fault:?}");
        }
    }

    #[test]
    fn only_what_nobody_answered_is_sent_again() {
        for (fault, why) in [
            (Fault::Failfast, Some(Why::Nobody)),
            (Fault::Unready("".into()), Some(Why::Nobody)),
            (Fault::Timeout(LATE), Some(Why::Late)),
            (Fault::Timeout("request timed out"), None),
            (Fault::Reset(Code::RefusedStream), Some(Why::Refused)),
            (Fault::Reset(Code::Cancel), None),
            (Fault::Loadshed, None),
            (Fault::Connect, None),
            (Fault::Io, None),
            (Fault::NoRoute, None),
        ] {
            assert_eq!(fault.again(), why, "{fault:?}");
        }
    }
}
