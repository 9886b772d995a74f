//! Policy and profile merged into the one table a worker uses.
//!
//! Precedence: a profile with routes or overrides beats policy for HTTP; only its overrides count for opaque bytes;
//! `opaque_protocol` forces opaque; policy absent: the profile's endpoint, its service, or a plain forward.

use super::backends::Backends;
use super::outbound::{Policy, policy, routes, stream};
use super::{Number, default_meta, endpoint, meta, profile, retry};
use linkerd2_proxy_api::destination::DestinationProfile;
use linkerd2_proxy_api::outbound::OutboundPolicy;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use table::outbound::{
    Arm, Backend, BackendKind, Endpoint, Hint, Protocol, Routes, Rule, Source, Split, Target, Timeouts,
};
use table::{Lookup, Meta};

/// What one of the two services said last.
#[derive(Clone, Debug, Default)]
pub enum Slot<M> {
    /// Nothing yet.
    #[default]
    Waiting,
    /// It has nothing on this target (or was not asked).
    Absent,
    /// It refuses this target.
    Refused,
    /// Its message.
    Is(M),
}

/// What is known about a target.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// `OutboundPolicies.Watch`.
    pub policy: Slot<OutboundPolicy>,
    /// `Destination.GetProfile`.
    pub profile: Slot<DestinationProfile>,
}

impl Answer {
    /// Both have spoken.
    pub fn complete(&self) -> bool {
        !matches!(self.policy, Slot::Waiting) && !matches!(self.profile, Slot::Waiting)
    }

    /// Neither has said anything of use.
    pub fn empty(&self) -> bool {
        matches!(self.policy, Slot::Waiting) && matches!(self.profile, Slot::Waiting | Slot::Absent)
    }
}

/// What the environment says where messages are silent.
#[derive(Clone, Copy, Debug)]
pub struct Defaults {
    /// Sniffing; absent: as policy says, else 10 s.
    pub detect: Option<Duration>,
    /// Requests that may wait for an endpoint.
    pub queue: usize,
    /// How long they may.
    pub failfast: Duration,
}

/// Merges what is known. `source` is kept in the target; an empty answer is a fallback whatever it says.
pub fn target(lookup: &Lookup, answer: &Answer, defaults: Defaults, source: Source, number: Number<'_>) -> Target {
    let mut backends = Backends::new(number, defaults);
    let profile = if let Slot::Is(p) = &answer.profile { Some(p) } else { None };
    let logical = logical(lookup, profile);
    let spoken = profile.filter(|p| profile::speaks(p) && p.endpoint.is_none()).zip(logical.as_deref());
    let replaced = spoken.is_some_and(|(p, _)| !p.dst_overrides.is_empty());
    let mut base = match &answer.policy {
        Slot::Is(message) => policy(message, defaults, &mut backends),
        Slot::Refused => refused("the control plane refuses this destination"),
        Slot::Absent | Slot::Waiting if replaced => Policy {
            protocol: sniff(defaults),
            http: Routes::default(),
            http2: None,
            streams: Vec::new(),
            parent: meta_or_default(profile),
        },
        Slot::Absent | Slot::Waiting => made_up(lookup, profile, logical.as_deref(), defaults, &mut backends),
    };
    if let Some((profile, logical)) = spoken {
        let split = profile::split(profile, logical, &mut backends);
        base.http = profile::http(profile, &split);
        base.http2 = None;
        if replaced {
            base.streams = vec![stream(&[], split, default_meta("default"))];
        }
        if base.parent.kind.as_ref() == "default" && profile.parent_ref.is_some() {
            base.parent = meta(profile.parent_ref.as_ref());
        }
    }
    if profile.is_some_and(|p| p.opaque_protocol) && !matches!(base.protocol, Protocol::Refuse(_)) {
        base.protocol = Protocol::Opaque;
    }
    if base.http.rules.is_empty() && matches!(base.protocol, Protocol::Opaque | Protocol::Tls) {
        // An ingress looks into connections that policy calls opaque.
        let split = base.streams.first().map(|stream| stream.split.clone()).unwrap_or_default();
        base.http = routes(vec![profile::bare(&split, default_meta("default"), Arc::from([]))]);
    }
    let own = own_path(&base.parent, &backends);
    let list = used(backends.list, &mut base);
    let logical = logical.or(own);
    Target {
        protocol: base.protocol,
        http: base.http,
        http2: base.http2,
        streams: base.streams.into(),
        logical,
        backends: list,
        parent: base.parent,
        budget: retry::budget(profile.and_then(|p| p.retry_budget.as_ref())),
        source: if answer.empty() { Source::Fallback } else { source },
    }
}

/// Only the backends that some split names: the others would be watched for nothing.
fn used(list: Vec<Backend>, base: &mut Policy) -> Box<[Backend]> {
    let rules = base.http.rules.iter_mut().chain(base.http2.iter_mut().flat_map(|r| r.rules.iter_mut()));
    let streams = base.streams.iter_mut().map(|s| &mut s.split);
    let mut splits: Vec<&mut Split> = rules.map(|r| &mut r.split).chain(streams).collect();
    let mut renumbered: Vec<Option<u16>> = vec![None; list.len()];
    let mut next = 0;
    for arm in splits.iter_mut().flat_map(|s| arms(s)) {
        if let Some(slot) = renumbered.get_mut(usize::from(arm.backend)) {
            arm.backend = *slot.get_or_insert_with(|| {
                next += 1;
                next - 1
            });
        }
    }
    let mut kept: Vec<_> = list.into_iter().zip(renumbered).filter_map(|(b, n)| Some((n?, b))).collect();
    kept.sort_by_key(|(n, _)| *n);
    kept.into_iter().map(|(_, backend)| backend).collect()
}

fn arms(split: &mut Split) -> &mut [Arm] {
    match split {
        Split::First(arms) | Split::Random(arms) => arms,
        Split::Empty | Split::Refused(_) => &mut [],
    }
}

fn sniff(defaults: Defaults) -> Protocol {
    Protocol::Detect(defaults.detect.unwrap_or(Duration::from_secs(10)))
}

fn logical(lookup: &Lookup, profile: Option<&DestinationProfile>) -> Option<Arc<str>> {
    match lookup {
        Lookup::Name(name) => Some(name.clone()),
        Lookup::Addr(addr) => {
            let name = profile.map(|p| p.fully_qualified_name.as_str()).filter(|n| !n.is_empty())?;
            Some(format!("{}:{}", name.trim_end_matches('.'), addr.port()).into())
        }
    }
}

/// Without a profile, a Service's name stands in the path of its own backend.
fn own_path(parent: &Meta, backends: &Backends<'_>) -> Option<Arc<str>> {
    let start = format!("{}.{}.", parent.name, parent.namespace);
    backends.list.iter().find_map(|b| match &b.kind {
        BackendKind::Balance { authority, .. } if authority.starts_with(&start) => Some(authority.clone()),
        _ => None,
    })
}

fn refused(why: &'static str) -> Policy {
    Policy {
        protocol: Protocol::Refuse(why),
        http: Routes::default(),
        http2: None,
        streams: Vec::new(),
        parent: default_meta("refused"),
    }
}

/// No policy: the profile's endpoint, the service it names, or on to where the application meant to go.
fn made_up(
    lookup: &Lookup,
    profile: Option<&DestinationProfile>,
    logical: Option<&str>,
    defaults: Defaults,
    backends: &mut Backends<'_>,
) -> Policy {
    let known = profile.and_then(|p| p.endpoint.as_ref()).map(|e| endpoint::endpoint(e, &HashMap::new()));
    let parent = meta_or_default(profile);
    let backend = match (known, lookup) {
        (Some(Ok(endpoint)), _) => {
            backends.push(BackendKind::Forward(endpoint), parent.clone(), defaults.failfast, defaults.queue)
        }
        (Some(Err(error)), _) => {
            let kind = BackendKind::Broken(502, error.into());
            backends.push(kind, parent.clone(), defaults.failfast, defaults.queue)
        }
        (None, _) if profile.is_some() && logical.is_some() => {
            backends.plain_balance(logical.unwrap_or_default(), parent.clone())
        }
        (None, Lookup::Addr(addr)) => {
            let kind = BackendKind::Forward(forward(*addr));
            backends.push(kind, default_meta("forward"), defaults.failfast, defaults.queue)
        }
        (None, Lookup::Name(_)) => return refused("the control plane does not know this name"),
    };
    let split = Split::First(Box::new([Arm { weight: 1, backend, filters: Box::default() }]));
    let rule = Rule {
        hosts: Box::default(),
        matches: Box::default(),
        filters: Box::default(),
        timeouts: Timeouts::default(),
        retry: None,
        wishes: false,
        split: split.clone(),
        route: default_meta("default"),
        profile_labels: Arc::from([]),
        failures: Box::default(),
    };
    let http = Routes { rules: Box::new([rule]), trivial: true, in_order: false };
    let streams = vec![stream(&[], split, default_meta("default"))];
    Policy { protocol: sniff(defaults), http, http2: None, streams, parent }
}

fn meta_or_default(profile: Option<&DestinationProfile>) -> Meta {
    match profile.and_then(|p| p.parent_ref.as_ref()) {
        Some(parent) => meta(Some(parent)),
        None => default_meta("fallback"),
    }
}

/// The original destination, as it is.
fn forward(addr: SocketAddr) -> Endpoint {
    Endpoint {
        addr,
        weight: 10_000,
        tls: None,
        hint: Hint::None,
        inbound_port: None,
        authority: None,
        labels: Arc::from([]),
        near: false,
        http2: None,
    }
}
