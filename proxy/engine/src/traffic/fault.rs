//! Why a request is answered by us: one match decides status, gRPC status, metric label and whether the connection ends.

use http::grpc::Status;
use http::h2::Code;

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
    /// No connection could be made.
    Connect,
    /// None could be made in time.
    ConnectLate,
    /// The connection broke, or the stream was reset, before the answer was whole.
    Io,
    /// The stream was reset by the endpoint, before the answer was whole.
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
    /// Policy says so: status (or gRPC code) and sentence.
    Policy(u16, Box<str>),
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
            Fault::Loadshed => 503,
            Fault::Failfast | Fault::ConnectLate | Fault::Timeout(_) => 504,
            Fault::Connect | Fault::Io | Fault::Reset(_) | Fault::BadResponse | Fault::Identity => 502,
            Fault::Cancelled => 499,
            Fault::Loop => 508,
            Fault::Invalid => 500,
            Fault::BadRequest(status, _) | Fault::Redirect(status, _) => *status,
            // A gRPC code cannot be an HTTP status.
            Fault::Policy(status, _) => {
                if *status < 100 {
                    500
                } else {
                    *status
                }
            }
        }
    }

    /// gRPC status.
    pub(crate) fn grpc(&self) -> Status {
        match self {
            Fault::NoRoute | Fault::GatewayName => Status::NotFound,
            Fault::Unauthorized => Status::PermissionDenied,
            Fault::RateLimited(_) => Status::ResourceExhausted,
            Fault::Loadshed | Fault::Connect | Fault::Io | Fault::BadResponse | Fault::Identity => Status::Unavailable,
            Fault::Reset(_) => Status::Unavailable,
            Fault::Cancelled => Status::Cancelled,
            Fault::Failfast | Fault::ConnectLate | Fault::Timeout(_) => Status::DeadlineExceeded,
            Fault::Loop => Status::Aborted,
            Fault::Invalid => Status::Internal,
            Fault::BadRequest(..) | Fault::Redirect(..) => Status::InvalidArgument,
            Fault::Policy(code, _) => code_of(*code),
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
            Fault::Io | Fault::Reset(_) => "connection to endpoint broke",
            Fault::Cancelled => "client went away",
            Fault::BadResponse => "endpoint answered with malformed HTTP",
            Fault::Timeout(what) | Fault::BadRequest(_, what) | Fault::RateLimited(what) => what,
            Fault::Loop => "request loop detected",
            Fault::GatewayName => "gateway does not serve this name",
            Fault::Identity => "required identity is not the endpoint's",
            Fault::Policy(_, message) => message,
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
            Fault::Failfast => "failfast",
            Fault::Connect | Fault::ConnectLate | Fault::Io | Fault::Reset(_) | Fault::BadResponse => "i/o",
            Fault::Cancelled => "cancelled",
            Fault::Timeout(_) => "response timeout",
            Fault::Loop => "gateway loop",
            Fault::GatewayName => "gateway domain invalid",
            Fault::Identity => "identity required",
            Fault::BadRequest(..) | Fault::Policy(..) | Fault::Redirect(..) | Fault::Invalid => "unexpected",
        }
    }

    /// Whether the client's connection shall end after the answer.
    pub(crate) fn closes(&self) -> bool {
        matches!(
            self,
            Fault::Loadshed
                | Fault::Failfast
                | Fault::Connect
                | Fault::ConnectLate
                | Fault::Io
                | Fault::Reset(_)
                | Fault::BadResponse
                | Fault::BadRequest(..)
                | Fault::Invalid
        )
    }

    /// Whether the endpoint is to blame, for its breaker.
    pub(crate) fn endpoints(&self) -> bool {
        matches!(
            self,
            Fault::Connect | Fault::ConnectLate | Fault::Io | Fault::Reset(_) | Fault::BadResponse | Fault::Timeout(_)
        )
    }
}

/// A gRPC status by its number.
pub(crate) fn code_of(code: u16) -> Status {
    use Status as S;
    const CODES: [Status; 17] = [
        S::Ok,
        S::Cancelled,
        S::Unknown,
        S::InvalidArgument,
        S::DeadlineExceeded,
        S::NotFound,
        S::AlreadyExists,
        S::PermissionDenied,
        S::ResourceExhausted,
        S::FailedPrecondition,
        S::Aborted,
        S::OutOfRange,
        S::Unimplemented,
        S::Internal,
        S::Unavailable,
        S::DataLoss,
        S::Unauthenticated,
    ];
    CODES.get(code as usize).copied().unwrap_or(S::Unknown)
}
