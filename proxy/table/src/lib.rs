//! The treaty between the control thread and the workers: policy compiled into immutable tables.
//!
//! In: nothing; these are plain types. `control` builds them from the control plane's messages, `engine` reads them.
//! Out: a worker asks (`Ask`), the control thread tells (`Tell`), each answer a new `Arc` that replaces the last one whole.
//! Never here: sockets, protobuf, clocks, locks, or anything a worker would have to mutate per request.

pub mod inbound;
pub mod observe;
pub mod outbound;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Which worker thread asks; workers count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerId(pub u16);

/// What an outbound connection or a gateway request is looked up by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lookup {
    /// Where the application meant to go (SO_ORIGINAL_DST).
    Addr(SocketAddr),
    /// `name:port`, lower case, as a gateway request names its target.
    Name(Arc<str>),
}

/// An index of one discovery path (`svc.ns.svc.cluster.local:port`); given by the control thread, stable while any target uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathId(pub u32);

/// What a worker wants from the control thread. Asking twice is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Send the target of this lookup and every later version, until `Forget`. An answer comes within 2 s whatever the
    /// control plane does: the last known one, a plain forward, or a refusal.
    Target(Lookup),
    /// Nobody here has used this target for the discovery idle time.
    Forget(Lookup),
    /// Send the policy of an inbound port and every later version.
    Port(u16),
    /// Nobody here has used this port's policy for the idle time.
    ForgetPort(u16),
    /// Send the routes of the service profile of this name (`name:port`) and every later version: peers' requests are counted by
    /// them. Nothing waits for the answer.
    Profile(Arc<str>),
    /// No peer has said this name for the idle time.
    ForgetProfile(Arc<str>),
    /// Write this into the log; a worker says ten lines a second at most.
    Say(Box<str>),
}

/// What the control thread tells a worker.
#[derive(Clone, Debug)]
pub enum Tell {
    /// A first or newer version of a target.
    Target(Lookup, Arc<outbound::Target>),
    /// A first or newer version of a path's endpoints.
    Endpoints(PathId, Arc<outbound::Endpoints>),
    /// No target uses this path any more.
    Gone(PathId),
    /// A first or newer version of an inbound port's policy.
    Port(u16, Arc<inbound::Server>),
    /// A first or newer version of a profile's routes; none of them: requests are not told apart.
    Profile(Arc<str>, Arc<outbound::Routes>),
    /// The first or a renewed certificate. Workers serve 4140 and 4143 from the first one on.
    Credentials(Arc<Credentials>),
    /// Who watches from now on: taps, access log, traces.
    Watch(Arc<observe::Watch>),
    /// Stop accepting, finish what runs, end what is left after this long.
    Drain(Duration),
}

/// The way from a worker to the control thread.
pub trait Control: Send + Sync {
    /// Never blocks.
    fn ask(&self, from: WorkerId, ask: Ask);
}

/// The way from the control thread to a worker.
pub trait Worker: Send + Sync {
    /// Never blocks; wakes the worker.
    fn tell(&self, tell: Tell);
}

/// Names on a metric, a tap event or an error: group, kind, name of the resource a decision came from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Meta {
    /// API group; `core` for Services, empty for defaults.
    pub group: Arc<str>,
    /// Resource kind, or `default`.
    pub kind: Arc<str>,
    /// Namespace; empty for defaults.
    pub namespace: Arc<str>,
    /// Resource name.
    pub name: Arc<str>,
    /// Port of a Service parent or backend; 0 for none.
    pub port: u16,
    /// Section of a Gateway-API parent; empty for none.
    pub section: Arc<str>,
}

/// Metric labels in the order the control plane's message sorted them.
pub type Labels = Arc<[(Arc<str>, Arc<str>)]>;

/// This proxy's certificate as rustls takes it, made once per renewal.
#[derive(Debug)]
pub struct Credentials {
    /// Own identity (a DNS name or a SPIFFE URI).
    pub identity: Arc<str>,
    /// SNI under which peers reach us.
    pub server_name: Arc<str>,
    /// Server side, no ALPN: transparent TLS to an application port.
    pub server: Arc<rustls::ServerConfig>,
    /// Server side, ALPN `transport.l5d.io/v1`: connections to our own inbound port. Also takes clients without ALPN.
    pub direct: Arc<rustls::ServerConfig>,
    /// Client side, no ALPN. Its verifier checks chain and expected identity (`tls` crate).
    pub client: Arc<rustls::ClientConfig>,
    /// Client side, ALPN `transport.l5d.io/v1`.
    pub client_direct: Arc<rustls::ClientConfig>,
    /// Trust anchors, for verifiers that expect an identity other than the SNI.
    pub roots: Arc<rustls::RootCertStore>,
}
