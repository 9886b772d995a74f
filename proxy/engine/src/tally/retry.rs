//! Retries as metrics: by parent and route, and what became of each try.

use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::target::Target;
use crate::tally::outbound::{profile, resource};
use crate::tally::route::outbound_route;
use crate::tally::series::Answer;
use crate::tally::tcp::label;
use crate::tally::{Labels, borrowed, ends};
use crate::traffic::exchange::{Exchange, Facts};
use crate::traffic::fault::{Fault, LATE};
use crate::traffic::retry::Why;
use http::h2::Code;
use metrics::{Family, families};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A request is sent again.
    Request,
    /// One that was sent again was answered well.
    Success,
    /// It is not sent again: the budget is spent.
    Overflow,
    /// It is not sent again: it has had its tries.
    Limit,
}

impl Event {
    fn family(self, grpc: bool) -> &'static Family {
        match (self, grpc) {
            (Event::Request, false) => &families::OUTBOUND_HTTP_RETRY_REQUESTS_TOTAL,
            (Event::Success, false) => &families::OUTBOUND_HTTP_RETRY_SUCCESSES_TOTAL,
            (Event::Overflow, false) => &families::OUTBOUND_HTTP_RETRY_OVERFLOW_TOTAL,
            (Event::Limit, false) => &families::OUTBOUND_HTTP_RETRY_LIMIT_TOTAL,
            (Event::Request, true) => &families::OUTBOUND_GRPC_RETRY_REQUESTS_TOTAL,
            (Event::Success, true) => &families::OUTBOUND_GRPC_RETRY_SUCCESSES_TOTAL,
            (Event::Overflow, true) => &families::OUTBOUND_GRPC_RETRY_OVERFLOW_TOTAL,
            (Event::Limit, true) => &families::OUTBOUND_GRPC_RETRY_LIMIT_TOTAL,
        }
    }
}

impl Engine {
    /// Counts under the rule as it is now; a rule that has gone counts nowhere.
    pub(crate) fn count_retry(&mut self, ex: Key<Exchange>, target: Key<Target>, rule: u16, event: Event) {
        let grpc = self.exchanges.get(ex).is_some_and(|x| x.facts.has(Facts::GRPC));
        let Some(table) = self.routes.targets.get(target).and_then(|target| target.table.as_deref()) else { return };
        let Some(rule) = table.rules().nth(usize::from(rule)) else { return };
        let mut labels = Labels::new();
        resource(&mut labels, "parent", &table.parent);
        outbound_route(&mut labels, &rule.route);
        let counter = self.tally.registry.counter(event.family(grpc), &borrowed(&labels));
        self.tally.shard.add(counter, 1);
        if event == Event::Overflow && !rule.profile_labels.is_empty() {
            let mut labels = profile("outbound", table.logical.as_deref().unwrap_or(""), rule);
            label(&mut labels, "skipped", "no_budget");
            let counter = self.tally.registry.counter(&families::ROUTE_RETRYABLE_TOTAL, &borrowed(&labels));
            self.tally.shard.add(counter, 1);
        }
    }

    /// A try that is given up: an answer of its endpoint, backend and profile route.
    pub(crate) fn count_try(&mut self, ex: Key<Exchange>, why: Why) {
        let now = self.now;
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        if x.endpoint.is_none() {
            return;
        }
        let fault = match why {
            Why::Answer => None,
            Why::Late => Some(Fault::Timeout(LATE)),
            Why::Nobody => Some(Fault::Failfast),
            Why::Refused => Some(Fault::Reset(Code::RefusedStream)),
        };
        x.status = fault.as_ref().map_or(x.status, Fault::status);
        let response = if x.asked > 0 { (now - x.asked) / 1_000 } else { 0 };
        let end = fault.as_ref().map_or(ends::GOOD, ends::of);
        let answer = Answer { micros: (now - x.began) / 1_000, response, end };
        for series in [x.series, x.backend_series, x.actual_series] {
            self.tally.answered(series, x, answer);
        }
    }
}
