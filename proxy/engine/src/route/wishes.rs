//! What a request itself says of its time and retries: `l5d-timeout`, `l5d-response-timeout`, `l5d-retry-*`, where its rule lets it.
//!
//! In: a head of our own application and its rule. Out: the timeouts and retries that hold for it. A value that cannot be read is as
//! if it were not there.
//! Never here: `grpc-timeout`, which is between client and server.

use http::{Name, Request, Set};
use std::sync::Arc;
use std::time::Duration;
use table::outbound::{Retry, Rule, Timeouts};

const TIMES: Set = Set::of(&[Name::L5dTimeout, Name::L5dRequestTimeout, Name::L5dResponseTimeout]);
const RETRIES: Set = Set::of(&[Name::L5dRetryHttp, Name::L5dRetryGrpc, Name::L5dRetryLimit, Name::L5dRetryTimeout]);
/// Of retries that a request asks for.
const LIMIT: u32 = 1;
const BODY: usize = 64 << 10;
const BACKOFF: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));
/// More than so many tries nobody may wish for.
const MOST: u32 = 255;

/// The timeouts of a request.
pub(crate) fn timeouts(rule: &Rule, head: &Request<'_>) -> Timeouts {
    let mut times = rule.timeouts;
    if !head.fields.names().meets(TIMES) {
        return times;
    }
    let time = |name: Name| head.fields.get(name).and_then(duration);
    if let Some(time) = time(Name::L5dTimeout).or_else(|| time(Name::L5dRequestTimeout)) {
        times.stream = time;
    }
    if let Some(time) = time(Name::L5dResponseTimeout) {
        times.response = time;
    }
    times
}

/// Its retries.
pub(crate) fn retry(rule: &Rule, head: &Request<'_>) -> Option<Arc<Retry>> {
    if !head.fields.names().meets(RETRIES) {
        return rule.retry.clone();
    }
    let get = |name: Name| head.fields.get(name);
    let http = get(Name::L5dRetryHttp).and_then(statuses);
    let grpc = get(Name::L5dRetryGrpc).and_then(codes);
    let mut retry = match &rule.retry {
        Some(retry) => Retry::clone(retry),
        None if http.is_none() && grpc.is_none() => return None,
        None => Retry {
            max: LIMIT,
            max_body: BODY,
            status: Box::default(),
            grpc: Box::default(),
            timeout: Duration::ZERO,
            backoff: BACKOFF,
            jitter: 1.0,
        },
    };
    retry.status = http.unwrap_or(retry.status);
    retry.grpc = grpc.unwrap_or(retry.grpc);
    if let Some(limit) = get(Name::L5dRetryLimit).and_then(number) {
        retry.max = limit.min(MOST);
    }
    if let Some(time) = get(Name::L5dRetryTimeout).and_then(duration) {
        retry.timeout = time;
    }
    Some(Arc::new(retry))
}

fn text(value: &[u8]) -> Option<&str> {
    std::str::from_utf8(value).ok().map(str::trim)
}

fn number(value: &[u8]) -> Option<u32> {
    text(value)?.parse().ok()
}

/// `10s`, `500ms`; a bare 0 too.
fn duration(value: &[u8]) -> Option<Duration> {
    let text = text(value)?;
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let n: u64 = digits.parse().ok()?;
    let scale = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if n == 0 => 1,
        _ => return None,
    };
    Some(Duration::from_millis(n.checked_mul(scale)?))
}

/// `5xx`, `gateway-error`, `503`, `500-504`, by commas.
fn statuses(value: &[u8]) -> Option<Box<[(u16, u16)]>> {
    let status = |text: &str| text.parse::<u16>().ok().filter(|status| (100..600).contains(status));
    let part = |part: &str| match part.trim() {
        "5xx" => Some((500, 599)),
        "gateway-error" => Some((502, 504)),
        range if range.contains('-') => {
            let (low, high) = range.split_once('-')?;
            Some((status(low.trim())?, status(high.trim())?)).filter(|(low, high)| low <= high)
        }
        one => status(one).map(|status| (status, status)),
    };
    text(value)?.split(',').map(part).collect()
}

/// `unavailable`, `resource-exhausted`, by commas; numbers too.
fn codes(value: &[u8]) -> Option<Box<[u8]>> {
    const NAMES: [&str; 17] = [
        "ok",
        "cancelled",
        "unknown",
        "invalid-argument",
        "deadline-exceeded",
        "not-found",
        "already-exists",
        "permission-denied",
        "resource-exhausted",
        "failed-precondition",
        "aborted",
        "out-of-range",
        "unimplemented",
        "internal",
        "unavailable",
        "data-loss",
        "unauthenticated",
    ];
    let code = |part: &str| {
        let part = part.trim().to_ascii_lowercase().replace('_', "-");
        let named = NAMES.iter().position(|name| *name == part);
        let code = named.or_else(|| part.parse().ok().filter(|code| *code < NAMES.len()))?;
        // Success is never repeated.
        u8::try_from(code).ok().filter(|code| *code > 0)
    };
    text(value)?.split(',').map(code).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Scratch;
    use http::h1::{self, Limits};

    fn with<R>(fields: &str, look: impl FnOnce(&Request<'_>) -> R) -> R {
        let input = format!("GET / HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
        let mut scratch = Scratch::new();
        look(&h1::request(input.as_bytes(), &mut scratch, &Limits::default()).expect("a head").expect("whole").request)
    }

    fn rule(retry: Option<Retry>) -> Rule {
        Rule {
            hosts: Box::default(),
            matches: Box::default(),
            filters: Box::default(),
            timeouts: Timeouts { stream: Duration::from_secs(9), ..Timeouts::default() },
            retry: retry.map(Arc::new),
            wishes: true,
            split: Default::default(),
            route: Default::default(),
            profile_labels: Arc::from([]),
            failures: Box::default(),
        }
    }

    #[test]
    fn times_are_read_or_left_alone() {
        for (fields, stream, response) in [
            ("", 9_000, 0),
            ("l5d-timeout: 500ms\r\n", 500, 0),
            ("l5d-request-timeout: 2s\r\n", 2_000, 0),
            ("l5d-timeout: 1s\r\nl5d-request-timeout: 2s\r\nl5d-response-timeout: 1m\r\n", 1_000, 60_000),
            ("l5d-timeout: soon\r\nl5d-response-timeout: 5\r\n", 9_000, 0),
            ("l5d-timeout: 0\r\n", 0, 0),
            ("l5d-timeout: 99999999999999999999s\r\n", 9_000, 0),
            ("l5d-timeout: 18446744073709551615d\r\n", 9_000, 0),
            ("grpc-timeout: 1S\r\n", 9_000, 0),
        ] {
            let times = with(fields, |head| timeouts(&rule(None), head));
            let millis = |d: Duration| d.as_millis() as u64;
            assert_eq!((millis(times.stream), millis(times.response)), (stream, response), "{fields}");
        }
    }

    #[test]
    fn retries_are_read_or_left_alone() {
        let brief =
            |retry: Arc<Retry>| (retry.max, retry.status.to_vec(), retry.grpc.to_vec(), retry.timeout.as_millis());
        for (fields, wanted) in [
            ("", None),
            ("l5d-retry-limit: 3\r\n", None),
            ("l5d-retry-http: 5xx\r\n", Some((1, vec![(500, 599)], vec![], 0))),
            (
                "l5d-retry-http: gateway-error, 404 ,500-501\r\nl5d-retry-limit: 3\r\nl5d-retry-timeout: 1s\r\n",
                Some((3, vec![(502, 504), (404, 404), (500, 501)], vec![], 1000)),
            ),
            ("l5d-retry-grpc: unavailable,Resource-Exhausted, 13\r\n", Some((1, vec![], vec![14, 8, 13], 0))),
            ("l5d-retry-http: 5xx,what\r\n", None),
            ("l5d-retry-http: 504-502\r\n", None),
            ("l5d-retry-http: 99\r\n", None),
            ("l5d-retry-grpc: ok\r\n", None),
            ("l5d-retry-grpc: 17\r\n", None),
            ("l5d-retry-http: 5xx\r\nl5d-retry-limit: 100000\r\n", Some((255, vec![(500, 599)], vec![], 0))),
        ] {
            assert_eq!(with(fields, |head| retry(&rule(None), head)).map(brief), wanted, "{fields}");
        }
        let base = Retry {
            max: 2,
            max_body: 10,
            status: Box::new([(503, 503)]),
            grpc: Box::default(),
            timeout: Duration::ZERO,
            backoff: BACKOFF,
            jitter: 0.0,
        };
        for (fields, wanted) in [
            ("", (2, vec![(503, 503)], vec![], 0)),
            ("l5d-retry-limit: 0\r\n", (0, vec![(503, 503)], vec![], 0)),
            ("l5d-retry-grpc: aborted\r\nl5d-retry-timeout: 20ms\r\n", (2, vec![(503, 503)], vec![10], 20)),
        ] {
            let made = with(fields, |head| retry(&rule(Some(base.clone())), head)).expect("a retry");
            assert_eq!((made.max_body, brief(made)), (10, wanted), "{fields}");
        }
    }
}
