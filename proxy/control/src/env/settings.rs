//! What the environment said, typed. Defaults stand in `parse`, where each is read.

use super::lookups::Lookups;
use super::strangers::Strangers;
use super::value::{Network, Ports};
use crate::logger::Filter;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything the proxy is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Worker threads.
    pub workers: u16,
    /// `LOG`.
    pub log: Filter,
    /// `LOG_FORMAT=json`.
    pub log_json: bool,
    /// `ACCESS_LOG`.
    pub access_log: Option<AccessLog>,
    /// `INBOUND_LISTEN_ADDR(S)`.
    pub inbound: Vec<SocketAddr>,
    /// `OUTBOUND_LISTEN_ADDR(S)`.
    pub outbound: Vec<SocketAddr>,
    /// `ADMIN_LISTEN_ADDR`.
    pub admin: SocketAddr,
    /// `CONTROL_LISTEN_ADDR`: the tap port.
    pub tap: SocketAddr,
    /// `TAP_SVC_NAME`: who may tap.
    pub tap_client: Option<Box<str>>,
    /// `TRACE_COLLECTOR_SVC_ADDR` and what belongs to it.
    pub trace: Option<Trace>,
    /// `SHUTDOWN_ENDPOINT_ENABLED`.
    pub shutdown_endpoint: bool,
    /// `SHUTDOWN_GRACE_PERIOD`.
    pub grace: Duration,
    /// `ISTHMUS_PROXY_SLOW_START`: how long a new endpoint takes to get its whole weight.
    pub slow_start: Option<Duration>,
    /// Inbound limits.
    pub inbound_side: Side,
    /// Outbound limits.
    pub outbound_side: Side,
    /// `HTTP2_INITIAL_*`: HTTP/2 on connections we open.
    pub links: H2Server,
    /// Limits of strangers.
    pub strangers: Strangers,
    /// Accepted original destinations.
    pub inbound_ips: Vec<IpAddr>,
    /// Names the gateway forwards; empty: no gateway.
    pub gateway_suffixes: Vec<Box<str>>,
    /// `OUTBOUND_DISABLE_INFORMATIONAL_HEADERS`, by default `INGRESS_MODE`.
    pub quiet_headers: bool,
    /// `INGRESS_MODE`.
    pub ingress: bool,
    /// `METRICS_RETAIN_IDLE`: series that did not move for so long are left out of a scrape.
    pub retain_idle: Duration,
    /// `OUTBOUND_METRICS_HOSTNAME_LABELS`.
    pub hostname_labels: bool,
    /// `INBOUND_METRICS_AUTHORITY_LABELS=unsafe`.
    pub authority_labels: bool,
    /// Where certificates come from.
    pub identity: Identity,
    /// Where discovery and policy come from.
    pub control: ControlPlane,
    /// Ports watched from the start.
    pub ports: Ports,
    /// Ports that are opaque while the default policy stands.
    pub opaque_ports: Ports,
    /// What holds until the control plane answers.
    pub default_policy: DefaultPolicy,
    /// Clients that `cluster-*` and `audit` mean.
    pub cluster_networks: Vec<Network>,
    /// Oddities worth a line in the log.
    pub warnings: Vec<String>,
}

/// `ACCESS_LOG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessLog {
    /// A line in the common format.
    Apache,
    /// A JSON object per line.
    Json,
}

/// Where traces go and who they are from.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The collector.
    pub service: Authority,
    /// `service.name`.
    pub service_name: Option<String>,
    /// `HOSTNAME`, the pod's name.
    pub hostname: Option<String>,
    /// A file of `key="value"` lines.
    pub attributes_path: Option<PathBuf>,
    /// More such lines.
    pub extra: String,
    /// `OTEL_RESOURCE_ATTRIBUTES`, unread.
    pub otel: String,
}

/// Limits of one direction; what is unset stays with the engine's default.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// TLS and HTTP sniffing.
    pub detect_timeout: Option<Duration>,
    /// Whole connect.
    pub connect_timeout: Option<Duration>,
    /// Keepalive time of accepted connections.
    pub accept_keepalive: Option<Duration>,
    /// TCP_USER_TIMEOUT of accepted connections.
    pub accept_user_timeout: Option<Duration>,
    /// Keepalive time of connections we open.
    pub connect_keepalive: Option<Duration>,
    /// TCP_USER_TIMEOUT of connections we open.
    pub connect_user_timeout: Option<Duration>,
    /// Listen backlog.
    pub backlog: Option<u32>,
    /// Unused HTTP/1 connections are closed after this.
    pub pool_idle: Option<Duration>,
    /// Unused HTTP/1 connections kept per endpoint.
    pub pool_max: Option<usize>,
    /// Requests at a time.
    pub max_in_flight: Option<usize>,
    /// Unused policy is forgotten after this.
    pub discovery_idle: Option<Duration>,
    /// Requests that may wait for an endpoint.
    pub queue: Option<usize>,
    /// How long they may.
    pub failfast: Option<Duration>,
    /// Opaque connections that may wait for an endpoint.
    pub tcp_queue: Option<usize>,
    /// How long they may.
    pub tcp_failfast: Option<Duration>,
    /// Reconnects.
    pub backoff: Backoff,
    /// HTTP/2 server settings.
    pub h2: H2Server,
}

/// `{IN,OUT}BOUND_SERVER_HTTP2_*`; unset stays with the engine's default.
#[derive(Clone, Debug, Default)]
pub struct H2Server {
    /// Receive window of a stream; accepted connections have both or neither.
    pub stream_window: Option<u32>,
    /// Receive window of a connection.
    pub connection_window: Option<u32>,
    /// Largest frame.
    pub frame: Option<u32>,
    /// Resets in a burst.
    pub resets: Option<u32>,
    /// PING interval and timeout, both or neither.
    pub keepalive: Option<(Duration, Duration)>,
    /// Streams at a time.
    pub max_streams: Option<u32>,
    /// Largest head.
    pub max_head: Option<u32>,
}

/// Waits between tries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// After the first failure.
    pub min: Duration,
    /// At most.
    pub max: Duration,
    /// Share added at random.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { min: Duration::from_millis(100), max: Duration::from_secs(10), jitter: 0.5 }
    }
}

/// A service of the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// A name (with its final dot, if it was given one) or an address.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
    /// TLS identity and SNI; absent: clear text to loopback.
    pub name: Option<Box<str>>,
}

impl Authority {
    /// Is it in this pod?
    pub fn local(&self) -> bool {
        is_local(&self.host)
    }
}

/// Loopback addresses and `localhost`.
pub(super) fn is_local(host: &str) -> bool {
    let bare = host.strip_suffix('.').unwrap_or(host);
    bare == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A SPIRE agent.
#[derive(Clone, Debug, PartialEq)]
pub struct Spire {
    /// Its socket.
    pub socket: PathBuf,
    /// `IDENTITY_SPIRE_EXP_BACKOFF_*`: between tries to reach it.
    pub backoff: Backoff,
}

/// Where certificates come from and whose they are.
#[derive(Clone, Debug)]
pub struct Identity {
    /// `IDENTITY_SPIRE_WORKLOAD_API_ADDRESS`: a SPIRE agent's socket; then nothing else of the rest is needed but the names.
    pub spire: Option<Spire>,
    /// Who signs.
    pub service: Authority,
    /// Holds `csr.der` and `key.p8` when someone made them before us.
    pub dir: Option<PathBuf>,
    /// Re-read for each request.
    pub token_file: PathBuf,
    /// PEM text.
    pub trust_anchors: String,
    /// Ours: a file that replaces `trust_anchors` whenever it changes.
    pub trust_anchors_file: Option<PathBuf>,
    /// Ours: an anchor that is gone from the file counts no more, even where our own certificate hangs on it.
    pub trust_anchors_force: bool,
    /// DNS name or SPIFFE URI.
    pub id: Box<str>,
    /// SNI under which peers reach us.
    pub server_name: Box<str>,
    /// Renewals are at least this far apart.
    pub min_refresh: Duration,
    /// And at most this.
    pub max_refresh: Duration,
}

/// Where discovery and policy come from.
#[derive(Clone, Debug)]
pub struct ControlPlane {
    /// Destination service.
    pub destination: Authority,
    /// Policy service.
    pub policy: Authority,
    /// `context_token` of Get and GetProfile; opaque.
    pub context: String,
    /// `workload` of WatchPort, `source_workload` of Watch; opaque.
    pub workload: String,
    /// Names whose profile is looked up.
    pub profile_suffixes: Vec<Box<str>>,
    /// Addresses whose profile is looked up.
    pub profile_networks: Vec<Network>,
    /// Limits of streams, not applied to a control plane in this pod.
    pub streams: StreamLimits,
    /// Between tries.
    pub backoff: Backoff,
    /// `DNS_{MIN,MAX}_TTL`: how long look-ups hold; absent: each connect looks up anew.
    pub lookups: Option<Lookups>,
}

/// How long a discovery stream may be silent and live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Until its first message.
    pub initial: Duration,
    /// Between messages.
    pub idle: Duration,
    /// At most.
    pub lifetime: Duration,
}

/// `INBOUND_DEFAULT_POLICY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultPolicy {
    /// Nobody.
    Deny,
    /// These clients.
    Allow(Scope, Permit),
    /// Everybody, and those outside the cluster networks are counted apart.
    Audit,
}

/// From where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Any address.
    All,
    /// `POLICY_CLUSTER_NETWORKS`.
    Cluster,
}

/// With what proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// A mesh certificate.
    Authenticated,
    /// None.
    Unauthenticated,
}
