//! What an answer says of its endpoint: overloaded, and when to come back.
//!
//! In: heads and trailers of answers, an exchange that is over. Out: what the balancer and the breaker are told.
//! Never here: whether the answer is a success (see `tally::classify`).

use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::endpoint::Endpoint;
use crate::traffic::exchange::{Exchange, Facts};
use balance::breaker::Outcome;
use balance::penalty;
use http::{Fields, Name};

/// When an answer says to come back, in milliseconds; 0: it does not. A date in `Retry-After` is not read: the engine knows no date.
pub(crate) fn hint(fields: &Fields<'_>) -> u32 {
    let number = |name: Name| -> Option<u64> { std::str::from_utf8(fields.get(name)?).ok()?.trim().parse().ok() };
    let millis = number(Name::GrpcPushback).or_else(|| number(Name::RetryAfter)?.checked_mul(1_000));
    millis.map_or(0, |millis| u32::try_from(millis).unwrap_or(u32::MAX))
}

/// Whether an answer costs its endpoint a penalty.
pub(crate) fn overloaded(x: &Exchange) -> bool {
    if x.facts.has(Facts::GRPC) && x.grpc != u8::MAX {
        return matches!(x.grpc, 2 | 4 | 8 | 13 | 14 | 15);
    }
    x.status == 429 || (500..600).contains(&x.status)
}

/// What an exchange that is over says of its endpoint.
#[derive(Clone, Copy)]
pub(crate) struct Verdict {
    success: bool,
    overloaded: bool,
    /// Nanoseconds.
    hint: Option<u64>,
}

impl Verdict {
    pub(crate) fn new(x: &Exchange, success: bool) -> Verdict {
        let hint = (x.hint > 0).then(|| u64::from(x.hint) * 1_000_000);
        Verdict { success, overloaded: overloaded(x), hint }
    }
}

impl Engine {
    /// The balancer and the breaker hear of an outcome. Returns whether the breaker let more or less through than before.
    pub(crate) fn judge(&mut self, at: Key<Endpoint>, verdict: Verdict) -> bool {
        let now = self.now;
        let spare = verdict.success || self.spare(at);
        let Some(endpoint) = self.routes.endpoints.get_mut(at) else { return false };
        let (Some(path), Some(id)) = (self.routes.paths.get_mut(endpoint.path), endpoint.id) else { return false };
        if let Some(penalty) = path.penalty.filter(|_| verdict.overloaded) {
            let nanos = crate::route::balancer::nanos;
            path.pool.penalise(id, penalty::amount(verdict.hint, nanos(penalty.usual), nanos(penalty.most)), now);
        }
        let Some(params) = path.breaker else { return false };
        let outcome = Outcome { success: verdict.success, hint: verdict.hint, spare };
        endpoint.breaker.record(outcome, &params, now, &mut self.dice)
    }

    /// Whether enough others of its path are open that this endpoint may be shut.
    fn spare(&self, at: Key<Endpoint>) -> bool {
        let path = self.routes.endpoints.get(at).and_then(|endpoint| self.routes.paths.get(endpoint.path));
        let Some((path, params)) = path.and_then(|path| Some((path, path.breaker?))) else { return true };
        if params.floor == 0 {
            return true;
        }
        let open = |member: &&Key<Endpoint>| self.routes.endpoints.get(**member).is_some_and(|e| e.breaker.open());
        path.members.iter().filter(open).count() > params.floor as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::slab::Key;

    #[test]
    fn answers_that_say_overloaded() {
        for (grpc, status, code, wanted) in [
            (false, 429, 255, true),
            (false, 503, 255, true),
            (false, 500, 255, true),
            (false, 404, 255, false),
            (false, 200, 255, false),
            (true, 200, 0, false),
            (true, 200, 8, true),
            (true, 200, 14, true),
            (true, 200, 2, true),
            (true, 200, 4, true),
            (true, 200, 13, true),
            (true, 200, 15, true),
            (true, 200, 7, false),
            (true, 200, 5, false),
            (true, 503, 255, true),
        ] {
            let mut x = Exchange::new(Key::NONE, 0, 0);
            x.facts.set_if(Facts::GRPC, grpc);
            (x.status, x.grpc) = (status, code);
            assert_eq!(overloaded(&x), wanted, "{grpc} {status} {code}");
        }
    }

    #[test]
    fn when_to_come_back() {
        for (name, value, millis) in [
            ("retry-after", "2", 2_000),
            ("retry-after", " 2 ", 2_000),
            ("retry-after", "0", 0),
            ("retry-after", "-1", 0),
            ("retry-after", "Fri, 31 Dec 1999 23:59:59 GMT", 0),
            ("retry-after", "99999999999999999999", 0),
            ("retry-after", "9999999", u32::MAX),
            ("grpc-retry-pushback-ms", "250", 250),
            ("grpc-retry-pushback-ms", "-1", 0),
            ("x", "1", 0),
        ] {
            let section = format!("{name}: {value}\r\n\r\n");
            let mut scratch = http::Scratch::new();
            let fields = http::h1::trailers(section.as_bytes(), &mut scratch).expect("fields");
            assert_eq!(hint(&fields), millis, "{name}: {value}");
        }
    }
}
