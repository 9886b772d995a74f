//! Retries: what a rule allows one request, what a target bears of all of them.

use std::time::Duration;

/// When and how often a failed try is repeated.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Beside the first try.
    pub max: u32,
    /// Bodies beyond it are not retried.
    pub max_body: usize,
    /// Inclusive ranges of HTTP status.
    pub status: Box<[(u16, u16)]>,
    /// gRPC codes.
    pub grpc: Box<[u8]>,
    /// Per try; zero: none.
    pub timeout: Duration,
    /// First and largest wait between tries; zero: at once.
    pub backoff: (Duration, Duration),
    /// Share of a wait that chance may add to it.
    pub jitter: f32,
}

/// How many retries a service bears, beside what each rule allows a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// How long a request counts.
    pub ttl: Duration,
    /// Retries per second that are always allowed.
    pub min_per_second: u32,
    /// Retries per request beside those.
    pub ratio: f32,
}

impl Default for Budget {
    fn default() -> Self {
        Budget { ttl: Duration::from_secs(10), min_per_second: 10, ratio: 0.2 }
    }
}
