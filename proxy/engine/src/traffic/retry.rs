//! Requests sent again: after an answer that a rule calls retryable, a timeout, failfast, or a peer that refused them unread.
//!
//! In: an answer's head and first frame, faults, alarms. Out: the request in the queue once more, after its backoff; or the word that
//! what came goes on to the client.
//! Limits: a plan's tries and body, its target's budget, `RESENDS` without either for what nobody has read; an answer of gRPC is held
//! back `PEEK` at most, and only when the client has said all it has to say.
//! Never here: requests whose answer has begun; load shed.

use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::judge;
use crate::tally::retry::Event;
use crate::traffic::exchange::{Exchange, Facts, Pipe, Waiting};
use crate::traffic::kept::{Held, Plan};
use http::stored::StoredResponse;
use http::{Response, grpc};
use table::outbound::Retry;

/// Times a request is sent again because a peer refused it unread.
const RESENDS: u8 = 2;
/// How long (ms) a gRPC answer waits for its first frame.
const PEEK: u64 = 100;

/// Why a try is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its answer is one that the rule repeats.
    Answer,
    /// No answer began in time.
    Late,
    /// Nobody was there to send it to.
    Nobody,
    /// The peer has not read it.
    Refused,
}

impl Engine {
    /// A final head has come. True: it goes on to the client; false: it does not, or not yet.
    pub(crate) fn weigh(&mut self, ex: Key<Exchange>, head: &Response<'_>, end: bool, length: Option<u64>) -> bool {
        let Some(x) = self.exchanges.get_mut(ex) else { return true };
        let (rpc, asked) = (x.facts.has(Facts::GRPC), x.facts.has(Facts::ASKED));
        let Some(kept) = x.kept.as_deref_mut() else { return true };
        let Some(plan) = &kept.plan else { return self.goes_on(ex, true) };
        let told = if rpc { grpc::status(&head.fields) } else { None };
        let code = told.or_else(|| if rpc { grpc::foreign(head) } else { None }).map(|status| status as u8);
        let by_code = code.is_some_and(|code| plan.retry.grpc.contains(&code));
        let by_status = || plan.retry.status.iter().any(|&(low, high)| (low..=high).contains(&head.status));
        let bad = by_code || told.is_none() && by_status();
        if !bad && rpc && code.is_none() && !end && asked && plan.left > 0 && !plan.retry.grpc.is_empty() && !kept.lost
        {
            kept.held = Some(Box::new(Held { head: StoredResponse::new(head), length }));
            (x.deadlines.again, x.deadlines.response, x.deadlines.attempt) = (self.now / 1_000_000 + PEEK, 0, 0);
            self.arm(ex);
            return false;
        }
        if bad {
            x.facts.set_if(Facts::HEARD, end);
            (x.heard, x.status, x.grpc) = (self.now, head.status, code.unwrap_or(u8::MAX));
            x.hint = judge::hint(&head.fields);
            if self.send_again(ex, Why::Answer) {
                return false;
            }
        }
        self.goes_on(ex, !bad)
    }

    /// The first frame after a head that was held back; `code`: it holds the gRPC status. As `weigh`.
    pub(crate) fn peeked(&mut self, ex: Key<Exchange>, code: Option<u8>) -> bool {
        let Some(x) = self.exchanges.get_mut(ex) else { return true };
        let Some(kept) = x.kept.as_deref_mut() else { return true };
        let Some(held) = kept.held.take() else { return true };
        x.deadlines.again = 0;
        let plan = kept.plan.as_deref();
        let bad = code.is_some_and(|code| plan.is_some_and(|plan| plan.retry.grpc.contains(&code)));
        if bad {
            x.facts.set(Facts::HEARD);
            (x.heard, x.status, x.grpc) = (self.now, held.head.view().status, code.unwrap_or(u8::MAX));
            if self.send_again(ex, Why::Answer) {
                return false;
            }
        }
        self.goes_on(ex, !bad);
        self.answer(ex, &held.head.view(), false, held.length);
        true
    }

    /// The answer goes on to the client, so nothing is kept any more.
    fn goes_on(&mut self, ex: Key<Exchange>, good: bool) -> bool {
        let Some(mut kept) = self.exchanges.get_mut(ex).and_then(|x| x.kept.take()) else { return true };
        if let Some(plan) = kept.plan.take()
            && plan.tried > 0
            && good
        {
            self.count_retry(ex, plan.target, plan.rule, Event::Success);
        }
        self.shelf.give(kept);
        true
    }

    /// Gives this try up and sends the request again, if it may be. False: nothing has changed.
    pub(crate) fn send_again(&mut self, ex: Key<Exchange>, why: Why) -> bool {
        let Some(wait) = self.may_again(ex, why) else { return false };
        self.part(ex, why);
        let now = self.now / 1_000_000;
        let Some(x) = self.exchanges.get_mut(ex) else { return true };
        let Some(kept) = x.kept.as_deref_mut() else { return true };
        if x.waiting.is_none() {
            kept.whole = false;
            x.waiting = Some(Box::new(Waiting { head: std::mem::take(&mut kept.head), upgrade: None }));
        }
        if !kept.body.is_empty() {
            // What went upstream, and what has not yet.
            let mut body = std::mem::take(&mut kept.body);
            body.extend_from_slice(&x.req.kept[x.req.at..]);
            self.buffers.give(&mut x.req.kept);
            (x.req.kept, x.req.at) = (body, 0);
        }
        if let Some(trailers) = kept.trailers.take() {
            x.req.trailers = Some(trailers);
        }
        x.deadlines.last = now;
        if wait > 0 {
            x.deadlines.again = now + wait;
        } else {
            self.io.retry.push(ex);
        }
        self.arm(ex);
        true
    }

    /// Whether the request may be sent again; after how many milliseconds. What that costs is paid.
    fn may_again(&mut self, ex: Key<Exchange>, why: Why) -> Option<u64> {
        let x = self.exchanges.get_mut(ex)?;
        if x.facts.has(Facts::ANSWERED) || x.down.is_none() {
            return None;
        }
        let waits = x.waiting.is_some();
        let kept = x.kept.as_deref_mut()?;
        if kept.lost || !waits && !kept.whole {
            return None;
        }
        if why == Why::Refused && kept.resent < RESENDS {
            kept.resent += 1;
            return Some(0);
        }
        let plan = kept.plan.as_deref_mut()?;
        let (target, rule, now) = (plan.target, plan.rule, self.now);
        if plan.left == 0 {
            self.count_retry(ex, target, rule, Event::Limit);
            return None;
        }
        let budget = self.routes.targets.get_mut(target).and_then(|target| target.budget.as_deref_mut());
        if !budget.is_some_and(|budget| budget.withdraw(now)) {
            self.count_retry(ex, target, rule, Event::Overflow);
            return None;
        }
        plan.left -= 1;
        plan.tried += 1;
        let wait = backoff(&plan.retry, plan.tried, self.dice.unit());
        self.count_retry(ex, target, rule, Event::Request);
        Some(wait)
    }

    /// The request parts from its endpoint and connection, and forgets what came of the try.
    fn part(&mut self, ex: Key<Exchange>, why: Why) {
        let good = match self.exchanges.get(ex) {
            Some(x) if why == Why::Answer => Some(crate::tally::classify(x)),
            _ if why == Why::Late => Some(false),
            _ => None,
        };
        if let Some(x) = self.exchanges.get_mut(ex)
            && let Some(kept) = &mut x.kept
        {
            kept.avoid = x.endpoint;
        }
        self.count_try(ex, why);
        self.watch_again(ex);
        self.unpick_with(ex, good);
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let (up, stream) = (std::mem::replace(&mut x.up, Key::NONE), x.up_stream);
        let whole = x.facts.has(Facts::HEARD) && x.facts.has(Facts::SENT);
        x.up_stream = 0;
        for fact in [Facts::HEARD, Facts::SENT, Facts::UP2, Facts::UPGRADE, Facts::DONE] {
            x.facts.clear(fact);
        }
        (x.status, x.grpc, x.heard, x.hint) = (0, u8::MAX, 0, 0);
        (x.req.chunked, x.req.held) = (false, false);
        (x.deadlines.response, x.deadlines.attempt, x.deadlines.failfast) = (0, 0, 0);
        let mut response = std::mem::take(&mut x.res);
        self.buffers.give(&mut response.kept);
        let _: Pipe = response;
        self.let_go(up, stream, whole);
    }

    /// A try of a plan is on its way: its time runs, if another may follow.
    pub(crate) fn tried(&mut self, ex: Key<Exchange>) {
        let now = self.now / 1_000_000;
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        if x.up.is_none() {
            return;
        }
        let d = &mut x.deadlines;
        if d.response_after > 0 && d.response == 0 && x.facts.has(Facts::SENT) {
            d.response = now + d.response_after;
        }
        if let Some(plan) = x.kept.as_deref().and_then(|kept| kept.plan.as_deref()) {
            let limit = plan.retry.timeout.as_millis() as u64;
            d.attempt = if limit > 0 && plan.left > 0 { now + limit } else { 0 };
        }
        self.arm(ex);
    }

    /// The backoff is over, or an answer has been held back for long enough.
    pub(crate) fn again_due(&mut self, ex: Key<Exchange>) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        x.deadlines.again = 0;
        if x.waiting.is_some() {
            self.io.retry.push(ex);
        } else {
            self.peeked(ex, None);
        }
        self.arm(ex);
    }

    /// A try has had its time. Where no other can follow it goes on without a limit.
    pub(crate) fn attempt_late(&mut self, ex: Key<Exchange>) {
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        x.deadlines.attempt = 0;
        if !self.send_again(ex, Why::Late) {
            self.arm(ex);
        }
    }

    /// A request of a rule that retries begins: what its target's budget earns by it.
    pub(crate) fn begin_plan(&mut self, ex: Key<Exchange>, plan: Plan, budget: table::outbound::Budget) {
        let (now, workers) = (self.now, u32::from(self.config.workers.max(1)));
        if let Some(target) = self.routes.targets.get_mut(plan.target) {
            let made = || {
                Box::new(balance::budget::Budget::new(balance::budget::Params {
                    ttl: u64::try_from(budget.ttl.as_nanos()).unwrap_or(u64::MAX),
                    min_per_second: budget.min_per_second.div_ceil(workers),
                    ratio: budget.ratio,
                }))
            };
            target.budget.get_or_insert_with(made).deposit(now);
        }
        self.plan(ex, plan);
    }
}

/// The wait before the `n`th retry in milliseconds: doubled each time up to its limit, and what `chance` (0 to 1) adds.
fn backoff(retry: &Retry, n: u32, chance: f64) -> u64 {
    let (min, max) = retry.backoff;
    let doubled = min.as_millis() as u64 * (1u64 << n.saturating_sub(1).min(20));
    let wait = doubled.min(max.as_millis() as u64);
    wait + (wait as f64 * f64::from(retry.jitter).clamp(0.0, 1.0) * chance) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn retry(min: u64, max: u64, jitter: f32) -> Retry {
        Retry {
            max: 5,
            max_body: 0,
            status: Box::default(),
            grpc: Box::default(),
            timeout: Duration::ZERO,
            backoff: (Duration::from_millis(min), Duration::from_millis(max)),
            jitter,
        }
    }

    #[test]
    fn waits_double_up_to_their_limit() {
        for (n, chance, wanted) in
            [(1, 0.0, 25), (2, 0.0, 50), (3, 0.5, 150), (4, 1.0, 400), (5, 0.0, 250), (99, 1.0, 500)]
        {
            assert_eq!(backoff(&retry(25, 250, 1.0), n, chance), wanted, "{n} {chance}");
        }
        assert_eq!(backoff(&retry(0, 0, 1.0), 3, 1.0), 0);
    }

    proptest! {
        #[test]
        fn a_wait_stays_in_its_bounds(min in 0u64..5_000, more in 0u64..5_000, jitter in 0.0f32..3.0, n in 0u32..100, chance in 0.0f64..1.0) {
            let wait = backoff(&retry(min, min + more, jitter), n, chance);
            prop_assert!(wait >= min && wait <= (min + more) * 2);
        }
    }
}
