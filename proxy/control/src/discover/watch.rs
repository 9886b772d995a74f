//! Tasks that listen: one per target, path or port. Each ends when it is aborted, never by itself.

use super::fold::Fold;
use crate::convert::{Answer, Slot, inbound, profile};
use crate::link::{Follow, Said};
use linkerd2_proxy_api::destination::destination_client::DestinationClient;
use linkerd2_proxy_api::destination::{DestinationProfile, GetDestination, Update};
use linkerd2_proxy_api::inbound::inbound_server_policies_client::InboundServerPoliciesClient;
use linkerd2_proxy_api::inbound::{PortSpec, Server as PortPolicy};
use linkerd2_proxy_api::outbound::outbound_policies_client::OutboundPoliciesClient;
use linkerd2_proxy_api::outbound::{OutboundPolicy, TrafficSpec, traffic_spec};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use table::inbound::Server;
use table::outbound::{Endpoints, Routes};
use table::{Credentials, Lookup, PathId};
use tokio::sync::mpsc::{Sender, channel};
use tokio::sync::watch as slot;
use tokio::time;
use tonic::Code;

/// An answer to a worker comes after this, whatever the control plane does.
const DEADLINE: Duration = Duration::from_millis(1_500);
/// A port waits shorter: its default policy is a full answer.
const PORT_DEADLINE: Duration = Duration::from_millis(500);
/// A message with 10 000 endpoints has about 5 MB.
const MOST_BYTES: usize = 32 << 20;

/// What a task has heard.
#[derive(Debug)]
pub(super) enum Event {
    Target(Lookup, Box<Answer>, bool),
    Path(PathId, Arc<Endpoints>),
    PathLate(PathId),
    Port(u16, Arc<Server>),
    PortLate(u16),
    Profile(Arc<str>, Arc<Routes>),
}

/// What all tasks share.
pub(super) struct Ears {
    pub(super) destination: Follow,
    pub(super) profiles: Follow,
    pub(super) outbound: Follow,
    pub(super) inbound: Follow,
    pub(super) context: String,
    pub(super) workload: String,
    pub(super) networks: Vec<(IpAddr, u8)>,
    pub(super) suffixes: Vec<Box<str>>,
    pub(super) events: Sender<Event>,
    pub(super) credentials: slot::Receiver<Option<Arc<Credentials>>>,
}

#[allow(clippy::large_enum_variant, reason = "at most eight of them wait in a queue")]
enum Part {
    Policy(Said<OutboundPolicy>),
    Profile(Said<DestinationProfile>),
}

/// Listens to policy and profile of a target; its first answer is out within `DEADLINE`.
pub(super) async fn target(ears: Arc<Ears>, lookup: Lookup) {
    let (parts, mut heard) = channel(8);
    let (profiled, named) = (ears.profiled(&lookup), matches!(lookup, Lookup::Name(_)));
    let (path, spec) = match &lookup {
        Lookup::Addr(addr) => (addr.to_string(), traffic_spec::Target::Addr((*addr).into())),
        Lookup::Name(name) => (name.to_string(), traffic_spec::Target::Authority(name.to_string())),
    };
    let spec = TrafficSpec { source_workload: ears.workload.clone(), target: Some(spec) };
    let policy = ears.outbound.run(
        move |channel| {
            let spec = spec.clone();
            async move { OutboundPoliciesClient::new(channel).max_decoding_message_size(MOST_BYTES).watch(spec).await }
        },
        parts.clone(),
        Part::Policy,
    );
    let profile = ears.profile_of(path, parts, Part::Profile);
    let late = time::sleep(DEADLINE);
    tokio::pin!(policy, profile, late);
    let mut answer = Answer { profile: if profiled { Slot::Waiting } else { Slot::Absent }, ..Answer::default() };
    let mut told = false;
    loop {
        tokio::select! {
            () = &mut policy => {}
            () = &mut profile, if profiled => {}
            Some(part) = heard.recv() => {
                hear(&mut answer, part, named);
                // After the deadline every part that comes is an upgrade.
                if answer.complete() || told {
                    told = true;
                    let _ = ears.events.send(Event::Target(lookup.clone(), Box::new(answer.clone()), false)).await;
                }
            }
            () = &mut late, if !told => {
                told = true;
                log::info!("{lookup:?}: the control plane is silent; going on with what is known");
                let _ = ears.events.send(Event::Target(lookup.clone(), Box::new(answer.clone()), true)).await;
            }
        }
    }
}

/// A failure never takes back what was said before it. A refusal does, of a name: only a gateway asks for names, and what is not
/// exported any more must not be reached any more.
fn hear(answer: &mut Answer, part: Part, named: bool) {
    match part {
        Part::Policy(Said::First(m) | Said::Next(m)) => answer.policy = Slot::Is(m),
        Part::Profile(Said::First(m) | Said::Next(m)) => answer.profile = Slot::Is(m),
        Part::Policy(Said::Failed(code, why)) => match (code, &answer.policy) {
            (Code::NotFound | Code::Unimplemented, Slot::Waiting | Slot::Refused) => answer.policy = Slot::Absent,
            (Code::FailedPrecondition, Slot::Is(_)) if named => {
                log::warn!("a name is not served any more: {why}");
                answer.policy = Slot::Refused;
            }
            (Code::InvalidArgument | Code::FailedPrecondition, Slot::Waiting | Slot::Absent) => {
                log::warn!("a destination is refused: {why}");
                answer.policy = Slot::Refused;
            }
            _ => {}
        },
        Part::Profile(Said::Failed(code, _)) => {
            let settled =
                matches!(code, Code::NotFound | Code::Unimplemented | Code::InvalidArgument | Code::FailedPrecondition);
            if settled && matches!(answer.profile, Slot::Waiting) {
                answer.profile = Slot::Absent;
            }
        }
    }
}

impl Ears {
    /// The stream of a profile, into a channel.
    async fn profile_of<P: Send + 'static>(
        &self,
        path: String,
        into: Sender<P>,
        part: fn(Said<DestinationProfile>) -> P,
    ) {
        let get = GetDestination { scheme: "k8s".into(), path, context_token: self.context.clone() };
        let open = move |channel| {
            let get = get.clone();
            async move { DestinationClient::new(channel).max_decoding_message_size(MOST_BYTES).get_profile(get).await }
        };
        self.profiles.run(open, into, part).await;
    }

    /// Is the profile of this target looked up?
    fn profiled(&self, lookup: &Lookup) -> bool {
        match lookup {
            Lookup::Addr(addr) => self.networks.iter().any(|&(net, len)| within(addr.ip(), net, len)),
            Lookup::Name(name) => {
                let host = name.rsplit_once(':').map_or(&**name, |(host, _)| host).trim_end_matches('.');
                self.suffixes.iter().any(|s| s.is_empty() || host.strip_suffix(&**s).is_some_and(|h| h.ends_with('.')))
            }
        }
    }
}

/// Is the address in the block?
pub(crate) fn within(ip: IpAddr, net: IpAddr, len: u8) -> bool {
    match (ip, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let shift = 32u32.saturating_sub(u32::from(len));
            u64::from(a.to_bits()) >> shift == u64::from(b.to_bits()) >> shift
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let shift = 128u32.saturating_sub(u32::from(len));
            len == 0 || a.to_bits() >> shift == b.to_bits() >> shift
        }
        _ => false,
    }
}

/// Listens to the endpoints of a path.
pub(super) async fn path(ears: Arc<Ears>, id: PathId, name: Arc<str>) {
    let (said, mut heard) = channel::<Said<Update>>(8);
    let get = GetDestination { scheme: "k8s".into(), path: name.to_string(), context_token: ears.context.clone() };
    let stream = ears.destination.run(
        move |channel| {
            let get = get.clone();
            async move { DestinationClient::new(channel).max_decoding_message_size(MOST_BYTES).get(get).await }
        },
        said,
        |said| said,
    );
    let late = time::sleep(DEADLINE);
    tokio::pin!(stream, late);
    let (mut fold, mut spoken) = (Fold::default(), false);
    loop {
        let event = tokio::select! {
            () = &mut stream => continue,
            Some(said) = heard.recv() => match said {
                Said::First(update) => Event::Path(id, Arc::new(fold.apply(&name, &update, true))),
                Said::Next(update) => Event::Path(id, Arc::new(fold.apply(&name, &update, false))),
                Said::Failed(..) => continue,
            },
            () = &mut late, if !spoken => Event::PathLate(id),
        };
        spoken = true;
        let _ = ears.events.send(event).await;
    }
}

/// Listens to the policy of a port.
pub(super) async fn port(ears: Arc<Ears>, port: u16) {
    let (said, mut heard) = channel::<Said<PortPolicy>>(8);
    let spec = PortSpec { workload: ears.workload.clone(), port: u32::from(port) };
    let stream = ears.inbound.run(
        move |channel| {
            let spec = spec.clone();
            async move {
                InboundServerPoliciesClient::new(channel).max_decoding_message_size(MOST_BYTES).watch_port(spec).await
            }
        },
        said,
        |said| said,
    );
    // Nobody is served before the first certificate: until then the control plane is not late.
    let mut credentials = ears.credentials.clone();
    let late = async move {
        let _ = credentials.wait_for(Option::is_some).await;
        time::sleep(PORT_DEADLINE).await;
    };
    tokio::pin!(stream, late);
    let mut spoken = false;
    loop {
        let event = tokio::select! {
            () = &mut stream => continue,
            Some(said) = heard.recv() => match said {
                Said::First(policy) | Said::Next(policy) => Event::Port(port, Arc::new(inbound::server(&policy))),
                Said::Failed(..) => continue,
            },
            () = &mut late, if !spoken => Event::PortLate(port),
        };
        spoken = true;
        let _ = ears.events.send(event).await;
    }
}

/// Listens to a profile by which inbound requests are counted.
pub(super) async fn profile(ears: Arc<Ears>, name: Arc<str>) {
    if !ears.profiled(&Lookup::Name(name.clone())) {
        return std::future::pending().await;
    }
    let (said, mut heard) = channel::<Said<DestinationProfile>>(8);
    let stream = ears.profile_of(name.to_string(), said, |said| said);
    tokio::pin!(stream);
    loop {
        tokio::select! {
            () = &mut stream => {}
            Some(said) = heard.recv() => if let Said::First(message) | Said::Next(message) = said {
                let _ = ears.events.send(Event::Profile(name.clone(), Arc::new(profile::told_apart(&message)))).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks() {
        for (ip, net, len, expected) in [
            ("10.1.2.3", "10.0.0.0", 8, true),
            ("11.1.2.3", "10.0.0.0", 8, false),
            ("1.2.3.4", "0.0.0.0", 0, true),
            ("10.0.0.1", "10.0.0.1", 32, true),
            ("fd00::1", "fd00::", 8, true),
            ("fe80::1", "::", 0, true),
            ("fd00::1", "10.0.0.0", 0, false),
        ] {
            let parse = |text: &str| text.parse::<IpAddr>().expect("an address");
            assert_eq!(within(parse(ip), parse(net), len), expected, "{ip} in {net}/{len}");
        }
    }

    #[test]
    fn a_failure_takes_nothing_back() {
        let mut answer = Answer::default();
        hear(&mut answer, Part::Policy(Said::Failed(Code::Unavailable, String::new())), true);
        assert!(matches!(answer.policy, Slot::Waiting));
        hear(&mut answer, Part::Policy(Said::First(OutboundPolicy::default())), true);
        for code in [Code::Unavailable, Code::NotFound, Code::InvalidArgument] {
            hear(&mut answer, Part::Policy(Said::Failed(code, String::new())), true);
            assert!(matches!(answer.policy, Slot::Is(_)), "{code:?}");
        }
        hear(&mut answer, Part::Policy(Said::Failed(Code::FailedPrecondition, String::new())), false);
        assert!(matches!(answer.policy, Slot::Is(_)), "an address keeps what it has");
        hear(&mut answer, Part::Policy(Said::Failed(Code::FailedPrecondition, String::new())), true);
        assert!(matches!(answer.policy, Slot::Refused), "a name that is not exported any more");
        hear(&mut answer, Part::Policy(Said::First(OutboundPolicy::default())), true);
        assert!(matches!(answer.policy, Slot::Is(_)), "and again");
    }
}
