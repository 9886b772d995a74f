//! A request of our application, or of another cluster through us: rule, filters, backend, endpoint, header rules.
//!
//! In: a head and its target. Out: the head with its edits, given to `send`.
//! Never here: inbound policy.

use crate::base::slab::Key;
use crate::engine::Engine;
use crate::route::choose;
use crate::route::endpoint::Endpoint;
use crate::route::pick::{Picked, When};
use crate::route::redirect::redirect;
use crate::route::target::Target;
use crate::route::wishes;
use crate::tally::refused::Reason;
use crate::traffic::exchange::{Deadlines, Exchange, Facts};
use crate::traffic::fault::Fault;
use crate::traffic::kept::Plan;
use crate::traffic::send::Outcome;
use http::{Edit, Field, Form, Name, Request, Set, Version, names, orig_proto};
use table::outbound::{self as spec, Arm, Filter, HeaderEdits, RequestMatch, Rule, Split, Timeouts};

/// Header edits collected from filters, as the codec takes them.
#[derive(Default)]
pub(crate) struct Edits<'a> {
    add: Vec<Field<'a>>,
    drop: Set,
    drop_other: Vec<&'a [u8]>,
}

impl<'a> Edits<'a> {
    pub(crate) fn apply(&mut self, edits: &'a HeaderEdits) {
        for (name, value) in &edits.add {
            self.add.push(Field::named(name.as_bytes(), value.as_bytes()));
        }
        for (name, value) in &edits.set {
            self.remove(name);
            self.add.push(Field::named(name.as_bytes(), value.as_bytes()));
        }
        for name in &edits.remove {
            self.remove(name);
        }
    }

    fn remove(&mut self, name: &'a str) {
        self.add.retain(|field| !field.name.eq_ignore_ascii_case(name.as_bytes()));
        match Name::of(name.as_bytes()) {
            id if id.known() => self.drop = self.drop.with(id),
            _ => self.drop_other.push(name.as_bytes()),
        }
    }

    pub(crate) fn push(&mut self, field: Field<'a>) {
        self.add.push(field);
    }

    pub(crate) fn drop(&mut self, names: Set) {
        self.drop = self.drop.or(names);
    }

    pub(crate) fn edit(&self) -> Edit<'_> {
        Edit { drop: self.drop, drop_other: &self.drop_other, add: &self.add }
    }
}

impl Engine {
    /// Routes a request by a target. `extra`: fields that a gateway adds.
    pub(crate) fn route_outbound(
        &mut self,
        ex: Key<Exchange>,
        key: Key<Target>,
        head: &Request<'_>,
        upgrade: Option<&[u8]>,
        extra: &[Field<'_>],
    ) -> Outcome {
        let Some(target) = self.routes.targets.get_mut(key) else { return Outcome::Fail(Fault::Failfast) };
        // Moved, not counted: nobody else looks while the request is routed.
        let Some(table) = target.table.take() else {
            target.parked.push(ex);
            return Outcome::Wait;
        };
        let by_path = target.by_path;
        let mut room = Vec::new();
        let outcome = match crate::route::inbound::normal(head, by_path, &mut room) {
            Ok(head) => self.by_rule(ex, key, &table, &head, upgrade, extra),
            Err(fault) => {
                self.tally.refused(true, Reason::Path);
                Outcome::Fail(fault)
            }
        };
        if let Some(target) = self.routes.targets.get_mut(key) {
            target.table = Some(table);
        }
        outcome
    }

    fn by_rule(
        &mut self,
        ex: Key<Exchange>,
        key: Key<Target>,
        table: &spec::Target,
        head: &Request<'_>,
        upgrade: Option<&[u8]>,
        extra: &[Field<'_>],
    ) -> Outcome {
        let (routes, before) = table.routes(head.version == Version::H2);
        let found = choose::outbound(routes, head);
        let Some((index, rule)) = found.and_then(|index| Some((before + index, routes.rules.get(index)?))) else {
            return Outcome::Fail(Fault::NoRoute);
        };
        let Some(x) = self.exchanges.get_mut(ex) else { return Outcome::Sent };
        let first = !x.facts.has(Facts::ADMITTED);
        if first {
            x.facts.set(Facts::ADMITTED);
            if let Some(watched) = &mut x.watch {
                watched.route(&rule.route, &rule.profile_labels);
            }
            let wishes = rule.wishes && x.facts.has(Facts::OUTBOUND);
            self.route_series(ex, key, table, rule, index as u16, head.authority);
            let timeouts = if wishes { wishes::timeouts(rule, head) } else { rule.timeouts };
            self.set_deadlines(ex, &timeouts);
            if (wishes || rule.retry.is_some()) && upgrade.is_none() {
                let retry = if wishes { wishes::retry(rule, head) } else { rule.retry.clone() };
                if let Some(retry) = retry {
                    let plan = Plan { left: retry.max, retry, tried: 0, target: key, rule: index as u16 };
                    self.begin_plan(ex, plan, table.budget);
                }
            }
            if routes.of_profile() {
                self.profile_series(ex, key, table, rule, index as u16);
            }
            if let Err(fault) = self.answering_filters(ex, &rule.filters, head, &rule.matches) {
                return Outcome::Fail(fault);
            }
        }
        let at = match self.endpoint_for(ex, key, table, rule, index as u16, head) {
            Ok(at) => at,
            Err(outcome) => return outcome,
        };
        self.send_outbound(ex, at, table, rule, head, upgrade, extra)
    }

    /// The endpoint the exchange has already, or a new pick.
    fn endpoint_for(
        &mut self,
        ex: Key<Exchange>,
        key: Key<Target>,
        table: &spec::Target,
        rule: &Rule,
        index: u16,
        head: &Request<'_>,
    ) -> Result<Key<Endpoint>, Outcome> {
        let Some(x) = self.exchanges.get(ex) else { return Err(Outcome::Sent) };
        if self.routes.endpoints.has(x.endpoint) {
            return Ok(x.endpoint);
        }
        let avoid = x.kept.as_ref().map_or(Key::NONE, |kept| kept.avoid);
        let when = When { avoid, ..self.when(true) };
        let (at, arm) = match self.routes.pick(key, table, &rule.split, &mut self.dice, when) {
            Picked::Endpoint(at, arm) => (at, arm),
            Picked::Fail(fault) => return Err(Outcome::Fail(fault)),
            Picked::Wait(path, failfast) => {
                self.path_wait(path, ex).map_err(Outcome::Fail)?;
                self.fail_fast_after(ex, failfast);
                return Err(Outcome::Wait);
            }
        };
        self.picked(ex, at);
        self.backend_series(ex, key, table, rule, index, arm);
        self.by_arm(ex, rule, arm, head).map_err(Outcome::Fail)?;
        Ok(at)
    }

    /// The filters of a backend reference, once for each that the request meets.
    fn by_arm(&mut self, ex: Key<Exchange>, rule: &Rule, arm: u16, head: &Request<'_>) -> Result<(), Fault> {
        let Some(x) = self.exchanges.get_mut(ex) else { return Ok(()) };
        if std::mem::replace(&mut x.arm, arm) == arm {
            return Ok(());
        }
        // What another arm wanted of the answer holds no more.
        let own = |filter: &&Filter| matches!(filter, Filter::Response(_));
        x.edits.truncate(rule.filters.iter().filter(own).count());
        match arm_of(rule, arm) {
            Some(arm) if !arm.filters.is_empty() => self.answering_filters(ex, &arm.filters, head, &rule.matches),
            _ => Ok(()),
        }
    }

    fn set_deadlines(&mut self, ex: Key<Exchange>, timeouts: &Timeouts) {
        if *timeouts == Timeouts::default() {
            return;
        }
        let now = self.millis();
        let millis = |d: std::time::Duration| d.as_millis() as u64;
        let Some(x) = self.exchanges.get_mut(ex) else { return };
        let stream = millis(timeouts.stream);
        x.deadlines = Deadlines {
            stream: if stream > 0 { now + stream } else { 0 },
            response_after: millis(timeouts.response),
            response: if x.facts.has(Facts::ASKED) && !timeouts.response.is_zero() {
                now + millis(timeouts.response)
            } else {
                0
            },
            idle_after: millis(timeouts.idle),
            last: now,
            failfast: x.deadlines.failfast,
            ..Deadlines::default()
        };
        self.arm(ex);
    }

    /// Filters that answer themselves, and response edits for later.
    pub(crate) fn answering_filters(
        &mut self,
        ex: Key<Exchange>,
        filters: &[Filter],
        head: &Request<'_>,
        matches: &[RequestMatch],
    ) -> Result<(), Fault> {
        for filter in filters {
            match filter {
                Filter::Fail { status, grpc, message, ratio } => {
                    if self.dice.below(1_000_000) < u64::from(*ratio) {
                        let of = if *grpc { Fault::PolicyRpc } else { Fault::Policy };
                        return Err(of(*status, message.clone()));
                    }
                }
                Filter::Redirect { .. } => return Err(redirect(filter, head, matches)),
                Filter::Response(edits) => {
                    if let Some(x) = self.exchanges.get_mut(ex) {
                        x.edits.push(edits.clone());
                    }
                }
                Filter::Request(_) => {}
                Filter::Refuse(_) | Filter::Unknown => return Err(Fault::Invalid),
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "one request, all its parts borrowed")]
    fn send_outbound(
        &mut self,
        ex: Key<Exchange>,
        at: Key<Endpoint>,
        table: &spec::Target,
        rule: &Rule,
        head: &Request<'_>,
        upgrade: Option<&[u8]>,
        extra: &[Field<'_>],
    ) -> Outcome {
        let Some(endpoint) = self.routes.endpoints.get(at) else { return Outcome::Fail(Fault::Connect) };
        if let Some(wanted) = head.fields.get(Name::L5dRequireId)
            && endpoint.peer().is_none_or(|peer| peer.identity.as_bytes() != wanted)
        {
            return Outcome::Fail(Fault::Identity);
        }
        let http2 = head.version == Version::H2 || endpoint.upgrades() && upgrade.is_none();
        let (meshed, spec) = (endpoint.peer().is_some(), endpoint.spec.authority.clone());
        let orig = if http2 { orig_proto::field(head.version, head.form) } else { None };
        let head = match &spec {
            Some(authority) => Request { authority: authority.as_bytes(), ..*head },
            None => *head,
        };
        let head = if http2 && head.form == Form::Absolute { Request { form: Form::Origin, ..head } } else { head };
        let canonical = table.logical.as_deref().filter(|_| meshed && spec.is_none());
        let mut add = [Field::known(Name::L5dOrigProto, b""); 4];
        let mut n = 0;
        let fields = orig.into_iter().chain(canonical.map(|name| Field::known(Name::L5dDstCanonical, name.as_bytes())));
        for field in fields.chain(extra.iter().copied()) {
            add[n.min(3)] = field;
            n = (n + 1).min(4);
        }
        let arm = self.exchanges.get(ex).and_then(|x| arm_of(rule, x.arm));
        let more = arm.map_or(&[][..], |arm| &arm.filters);
        if rule.filters.is_empty() && more.is_empty() {
            let edit = Edit { drop: names::L5D, drop_other: &[], add: &add[..n] };
            return self.send(ex, &head, &edit, upgrade, http2);
        }
        let mut edits = Edits::default();
        for filter in rule.filters.iter().chain(more) {
            if let Filter::Request(wanted) = filter {
                edits.apply(wanted);
            }
        }
        edits.drop(names::L5D);
        add[..n].iter().for_each(|&field| edits.push(field));
        self.send(ex, &head, &edits.edit(), upgrade, http2)
    }
}

/// An arm of the rule's split.
fn arm_of(rule: &Rule, arm: u16) -> Option<&Arm> {
    match &rule.split {
        Split::First(arms) | Split::Random(arms) => arms.get(usize::from(arm)),
        Split::Empty | Split::Refused(_) => None,
    }
}
