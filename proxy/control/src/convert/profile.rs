//! Service profiles: routes by condition, classes of responses, overrides by weight.

use super::backends::Backends;
use super::matches::{self, Parsed};
use super::outbound::routes;
use super::{duration, labels, meta, retry};
use linkerd2_proxy_api::destination as api;
use std::sync::Arc;
use table::outbound::{Arm, PathMatch, Pattern, RequestMatch, Routes, Rule, Split, Timeouts};
use table::{Labels, Meta};

/// Alternatives one condition may unfold into.
const MOST_TERMS: usize = 64;
const METHODS: [&str; 9] = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "HEAD", "TRACE"];

/// Does it say anything about HTTP?
pub(super) fn speaks(profile: &api::DestinationProfile) -> bool {
    !profile.routes.is_empty() || !profile.dst_overrides.is_empty()
}

/// Where a profile sends: its overrides by weight, or the service itself (`logical`).
pub(super) fn split(from: &api::DestinationProfile, logical: &str, backends: &mut Backends<'_>) -> Split {
    if from.dst_overrides.is_empty() {
        let backend = backends.plain_balance(logical, meta(from.parent_ref.as_ref()));
        return Split::First(Box::new([Arm { weight: 1, backend, filters: Box::default() }]));
    }
    let arm = |dst: &api::WeightedDst| {
        let about =
            if dst.backend_ref.is_some() { meta(dst.backend_ref.as_ref()) } else { service_meta(&dst.authority) };
        Arm { weight: dst.weight, backend: backends.plain_balance(&dst.authority, about), filters: Box::default() }
    };
    Split::Random(from.dst_overrides.iter().map(arm).collect())
}

/// The Service behind `name.ns.svc.domain:port`.
fn service_meta(authority: &str) -> Meta {
    let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
    let mut parts = host.split('.');
    let (name, namespace) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    Meta {
        group: "core".into(),
        kind: "Service".into(),
        name: name.into(),
        namespace: namespace.into(),
        port: port.parse().unwrap_or(0),
        section: "".into(),
    }
}

/// Rules in the profile's order, then one that takes the rest.
pub(super) fn http(from: &api::DestinationProfile, split: &Split) -> Routes {
    let about = meta(from.profile_ref.as_ref().or(from.parent_ref.as_ref()));
    let mut rules: Vec<Rule> = from.routes.iter().map(|route| rule(route, split, &about)).collect();
    rules.push(bare(split, about, Arc::from([])));
    Routes { in_order: true, ..routes(rules) }
}

/// Routes by which inbound requests are told apart; where they go is not asked.
pub fn told_apart(from: &api::DestinationProfile) -> Routes {
    if from.routes.is_empty() { Routes::default() } else { http(from, &Split::Empty) }
}

pub(super) fn bare(split: &Split, route: Meta, profile_labels: Labels) -> Rule {
    Rule {
        hosts: Box::default(),
        matches: Box::default(),
        filters: Box::default(),
        timeouts: Timeouts::default(),
        retry: None,
        wishes: false,
        split: split.clone(),
        route,
        profile_labels,
        failures: Box::default(),
    }
}

fn rule(from: &api::Route, split: &Split, about: &Meta) -> Rule {
    let mut rule = bare(split, about.clone(), labels([&from.metrics_labels]));
    match condition(from.condition.as_ref()) {
        // An empty list would be every request: a condition that nothing fulfils needs a match that never holds.
        Ok(terms) if terms.is_empty() => rule.matches = Box::new([never()]),
        Ok(terms) => rule.matches = terms.into_iter().map(Term::finish).collect(),
        Err(error) => {
            log::warn!("profile route {:?} is not used: {error}", from.metrics_labels);
            rule.matches = Box::new([never()]);
        }
    }
    rule.timeouts.stream = duration(from.timeout.as_ref());
    rule.failures = failures(&from.response_classes);
    rule.retry = from.is_retryable.then(|| retry::profile(&rule.failures));
    rule
}

fn never() -> RequestMatch {
    RequestMatch { path: Some(PathMatch::Regex(Pattern(Arc::new(|_| false)))), ..RequestMatch::default() }
}

/// All of its paths (each wanted or unwanted), and one of its methods.
#[derive(Clone, Default)]
struct Term {
    paths: Vec<(Pattern, bool)>,
    methods: Option<Vec<Box<str>>>,
}

impl Term {
    fn and(mut self, other: &Term) -> Term {
        self.paths.extend(other.paths.iter().cloned());
        self.methods = match (self.methods.take(), &other.methods) {
            (Some(mine), Some(theirs)) => Some(mine.into_iter().filter(|m| theirs.contains(m)).collect()),
            (mine, theirs) => mine.or_else(|| theirs.clone()),
        };
        self
    }

    /// One alternative has one method here (`split_methods` saw to it).
    fn finish(self) -> RequestMatch {
        let method = self.methods.and_then(|m| m.into_iter().next());
        let paths = self.paths;
        let path = (!paths.is_empty()).then(|| {
            PathMatch::Regex(Pattern(Arc::new(move |path: &str| {
                paths.iter().all(|(p, wanted)| (p.0)(path) == *wanted)
            })))
        });
        RequestMatch { path, method, ..RequestMatch::default() }
    }
}

/// The condition as alternatives, each with at most one method.
fn condition(from: Option<&api::RequestMatch>) -> Parsed<Vec<Term>> {
    let terms = unfold(from.ok_or("it has no condition")?, true)?;
    let mut out = Vec::new();
    for term in terms {
        match term.methods.clone() {
            None => out.push(term),
            Some(methods) => out.extend(methods.into_iter().map(|m| Term { methods: Some(vec![m]), ..term.clone() })),
        }
    }
    if out.len() > MOST_TERMS * METHODS.len() { Err("its condition has too many alternatives".into()) } else { Ok(out) }
}

/// Disjunctive form; `wanted` is false below an odd number of `not`s.
fn unfold(from: &api::RequestMatch, wanted: bool) -> Parsed<Vec<Term>> {
    use api::request_match::Match;
    match (from.r#match.as_ref().ok_or("a condition of a kind we do not know")?, wanted) {
        (Match::Not(inner), wanted) => unfold(inner, !wanted),
        (Match::All(seq), true) | (Match::Any(seq), false) => {
            let mut all = vec![Term::default()];
            for inner in &seq.matches {
                let next = unfold(inner, wanted)?;
                all = all.iter().flat_map(|a| next.iter().map(|b| a.clone().and(b))).collect();
                limit(all.len())?;
            }
            Ok(all)
        }
        (Match::Any(seq), true) | (Match::All(seq), false) => {
            let mut any = Vec::new();
            for inner in &seq.matches {
                any.extend(unfold(inner, wanted)?);
                limit(any.len())?;
            }
            Ok(any)
        }
        (Match::Path(path), wanted) => {
            Ok(vec![Term { paths: vec![(matches::pattern(&path.regex)?, wanted)], methods: None }])
        }
        (Match::Method(method), true) => {
            Ok(vec![Term { paths: Vec::new(), methods: Some(vec![matches::method(method)?]) }])
        }
        (Match::Method(method), false) => {
            let not = matches::method(method)?;
            let others = METHODS.iter().filter(|m| **m != &*not).map(|m| (*m).into()).collect();
            Ok(vec![Term { paths: Vec::new(), methods: Some(others) }])
        }
    }
}

fn limit(terms: usize) -> Parsed<()> {
    if terms > MOST_TERMS { Err("its condition has too many alternatives".into()) } else { Ok(()) }
}

/// Which statuses fail: the first class that fits decides, 5xx where none fits. Empty when that is just 5xx.
fn failures(classes: &[api::ResponseClass]) -> Box<[(u16, u16)]> {
    if classes.is_empty() {
        return Box::default();
    }
    let fails = |status: u16| {
        let class = classes.iter().find(|c| c.condition.as_ref().is_some_and(|m| fits(m, status)));
        class.map_or(status >= 500, |c| c.is_failure)
    };
    let mut ranges: Vec<(u16, u16)> = Vec::new();
    for status in (100..=599).filter(|&s| fails(s)) {
        match ranges.last_mut() {
            Some(last) if last.1 + 1 == status => last.1 = status,
            _ => ranges.push((status, status)),
        }
    }
    // A profile that says nothing fails must not read as "the usual".
    if ranges.is_empty() { Box::new([(0, 0)]) } else { ranges.into() }
}

fn fits(from: &api::ResponseMatch, status: u16) -> bool {
    use api::response_match::Match;
    match from.r#match.as_ref() {
        Some(Match::All(seq)) => seq.matches.iter().all(|m| fits(m, status)),
        Some(Match::Any(seq)) => seq.matches.iter().any(|m| fits(m, status)),
        Some(Match::Not(inner)) => !fits(inner, status),
        Some(Match::Status(range)) => {
            let (min, max) = match (range.min, range.max) {
                (0, max) => (max, max),
                (min, 0) => (min, min),
                both => both,
            };
            (min..=max).contains(&u32::from(status))
        }
        None => false,
    }
}
