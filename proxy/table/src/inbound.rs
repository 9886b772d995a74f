//! Inbound policy of one port: what it speaks, who may enter. Compiled from InboundServerPolicies.WatchPort messages.
//!
//! In: built by `control`. Out: read by `engine`, per connection for opaque bytes, per request for HTTP.
//! Never here: rate-limit state or counters (each worker keeps its own).

use crate::Meta;
use crate::outbound::{Filter, HostMatch, RequestMatch};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The policy of a port.
#[derive(Debug)]
pub struct Server {
    /// How to read the first bytes.
    pub protocol: Protocol,
    /// For opaque connections and, with a route's own, for requests.
    pub authorizations: Box<[Authorization]>,
    /// HTTP routes; a request that matches none is 404.
    pub routes: Box<[Route]>,
    /// `srv_*` labels.
    pub meta: Meta,
    /// Connections from loopback are let in without an authorization.
    pub allow_loopback: bool,
    /// Requests a second; none: as many as come.
    pub limit: Option<Box<RateLimit>>,
}

/// How many requests a second a port takes. A rate of 0 lets nothing through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimit {
    /// `ratelimit_*` labels.
    pub meta: Meta,
    /// All clients together; none: no such limit.
    pub total: Option<u32>,
    /// Each client by its identity, those without one together; none: no such limit.
    pub identity: Option<u32>,
    /// Clients that share a rate of their own instead.
    pub overrides: Box<[(Box<[Arc<str>]>, u32)]>,
}

/// How a connection's protocol is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Look at the first bytes, for at most this long; then opaque.
    Detect(Duration),
    /// The policy says so.
    Http1,
    /// The policy says so.
    Http2,
    /// HTTP/2 with gRPC error mapping.
    Grpc,
    /// No TLS sniff, no HTTP sniff.
    Opaque,
    /// TLS of the application, passed through.
    Tls,
}

/// A route of a port.
#[derive(Debug)]
pub struct Route {
    /// Empty: every host.
    pub hosts: Box<[HostMatch]>,
    /// Each with its filters, in order.
    pub rules: Box<[(Box<[RequestMatch]>, Box<[Filter]>)]>,
    /// Beside the server's.
    pub authorizations: Box<[Authorization]>,
    /// `route_*` labels.
    pub meta: Meta,
}

/// Who may enter: one of the networks and the authentication.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// Empty matches nobody.
    pub networks: Box<[Network]>,
    /// What the client must prove.
    pub authentication: Authentication,
    /// `authz_*` labels.
    pub meta: Meta,
}

/// An address block less its exceptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// Base address and prefix length.
    pub net: (IpAddr, u8),
    /// Blocks inside it that do not count.
    pub except: Box<[(IpAddr, u8)]>,
}

/// What a client must prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Nothing.
    Unauthenticated,
    /// TLS of the mesh, with or without a client certificate.
    Encrypted,
    /// A client certificate with one of these names.
    Identities {
        /// DNS names or SPIFFE URIs, exact.
        exact: Box<[Arc<str>]>,
        /// `.a.b`: DNS names that end so; an empty one is any DNS name.
        suffixes: Box<[Box<str>]>,
    },
}
