//! What the engine must be told before it starts: addresses, times and bounds, already parsed.
//!
//! In: filled by `control` from the environment. Out: read by every worker, never changed.
//! Never here: strings to parse, defaults that depend on the machine.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Everything a worker needs at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// Worker threads; at least 1.
    pub workers: u16,
    /// Where redirected connections from other pods arrive (`:4143`).
    pub inbound: Vec<SocketAddr>,
    /// Where redirected connections of the application arrive (`127.0.0.1:4140`).
    pub outbound: Vec<SocketAddr>,
    /// This pod's addresses: accepted original destinations inbound, "is local" outbound. Empty: any.
    pub inbound_ips: Vec<IpAddr>,
    /// Names this proxy forwards for other clusters, lower case, with or without leading or trailing dot. Empty: no gateway.
    pub gateway_suffixes: Vec<Box<str>>,
    /// Limits of connections to and from other pods' proxies and our application.
    pub inbound_side: Side,
    /// Limits of connections from our application and to other pods.
    pub outbound_side: Side,
    /// HTTP/2 on links we open, to peers and applications.
    pub h2: H2,
    /// TLS handshake, from accept or connect (default 10 s).
    pub handshake_timeout: Duration,
    /// Until the first request head starts (default 10 s) on a connection known to be HTTP/1. Zero: no limit.
    pub first_head_timeout: Duration,
    /// From the first to the last byte of a request head (default 30 s).
    pub head_timeout: Duration,
    /// Connections one worker holds at a time; beyond it new ones are closed at once.
    pub max_connections: usize,
    /// Connections from one address (IPv6: one /64) that one worker holds at a time.
    pub max_per_source: usize,
    /// How long a stranger's request body may take, or its answer wait to be taken, without getting on (`pace::RATE`); a
    /// verified peer must take something in that time.
    pub progress_timeout: Duration,
    /// How long a stranger's connection may be unused between requests.
    pub stranger_idle: Duration,
    /// Serve targets on loopback: only where no redirect is involved, as in benches on one machine.
    pub loopback_targets: bool,
    /// `hostname` labels say the host that was asked for (`OUTBOUND_METRICS_HOSTNAME_LABELS`).
    pub hostname_labels: bool,
    /// Inbound request series have an `authority` label (`INBOUND_METRICS_AUTHORITY_LABELS=unsafe`).
    pub authority_labels: bool,
    /// How long an endpoint that joins others takes to get its whole weight; zero: none.
    pub slow_start: Duration,
    /// Requests of our application say themselves where they go (`l5d-dst-override`).
    pub ingress: bool,
    /// Drop `l5d-proxy-*` towards the application (`OUTBOUND_DISABLE_INFORMATIONAL_HEADERS`).
    pub quiet_headers: bool,
}

/// Limits of one direction.
#[derive(Clone, Debug)]
pub struct Side {
    /// TLS and HTTP sniffing (used when policy gives none).
    pub detect_timeout: Duration,
    /// Connect with TLS handshake and transport header.
    pub connect_timeout: Duration,
    /// Keepalive time of accepted connections; none: off.
    pub accept_keepalive: Option<Duration>,
    /// TCP_USER_TIMEOUT of accepted connections.
    pub accept_user_timeout: Option<Duration>,
    /// Keepalive time of connections we open.
    pub connect_keepalive: Option<Duration>,
    /// TCP_USER_TIMEOUT of connections we open.
    pub connect_user_timeout: Option<Duration>,
    /// Listen backlog.
    pub backlog: u32,
    /// Unused HTTP/1 connections are closed after this (default 3 s).
    pub pool_idle: Duration,
    /// Unused HTTP/1 connections kept for one endpoint.
    pub pool_max: usize,
    /// Requests at a time, all workers together divided evenly; beyond it 503.
    pub max_in_flight: usize,
    /// A target or port policy unused this long is forgotten (5 s outbound, 90 s inbound).
    pub discovery_idle: Duration,
    /// Requests that may wait for one target to get an endpoint.
    pub queue: usize,
    /// How long a request waits for an endpoint before 504 (3 s outbound, 1 s inbound).
    pub failfast: Duration,
    /// Opaque connections that may wait for one path, or for what is known of one destination.
    pub tcp_queue: usize,
    /// How long an opaque connection waits for an endpoint before it is closed.
    pub tcp_failfast: Duration,
    /// How long an endpoint that could not be reached is left alone.
    pub backoff: Backoff,
    /// HTTP/2 on accepted connections.
    pub h2: H2,
}

/// Waits between tries to reach an endpoint: doubled each time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Backoff {
    /// After the first failure.
    pub min: Duration,
    /// At most (10 s inbound, 60 s outbound); 2 s while no other endpoint of the path is ready.
    pub max: Duration,
    /// Share added at random.
    pub jitter: f64,
}

/// HTTP/2 settings.
#[derive(Clone, Debug)]
pub struct H2 {
    /// Receive window of a stream.
    pub stream_window: u32,
    /// Receive window of a connection.
    pub connection_window: u32,
    /// Streams a peer may open at a time.
    pub max_streams: u32,
    /// Bytes of a request or response head.
    pub max_head: usize,
    /// Largest frame a peer may send.
    pub frame: u32,
    /// Resets a peer may make in a burst; none: the codec's own bound.
    pub resets: Option<u32>,
    /// After how long a silence to PING, and how long until the next byte; none: off. Of links we open only those to peers are asked:
    /// servers of others may take a PING amiss.
    pub keepalive: Option<(Duration, Duration)>,
    /// Streams on one link to a peer before another link is opened.
    pub streams_per_link: u32,
    /// Unsent bytes on one link to a peer before another link is opened.
    pub bytes_per_link: usize,
    /// Links to one endpoint from one worker.
    pub max_links: usize,
}

impl Default for Side {
    fn default() -> Self {
        Side {
            detect_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(1),
            accept_keepalive: None,
            accept_user_timeout: None,
            connect_keepalive: None,
            connect_user_timeout: None,
            backlog: 4096,
            pool_idle: Duration::from_secs(3),
            pool_max: 10_000,
            max_in_flight: 100_000,
            discovery_idle: Duration::from_secs(5),
            queue: 10_000,
            failfast: Duration::from_secs(3),
            tcp_queue: 10_000,
            tcp_failfast: Duration::from_secs(3),
            backoff: Backoff { min: Duration::from_millis(100), max: Duration::from_secs(60), jitter: 0.1 },
            h2: H2 { keepalive: None, ..H2::default() },
        }
    }
}

impl Default for H2 {
    fn default() -> Self {
        H2 {
            stream_window: 256 << 10,
            connection_window: 4 << 20,
            max_streams: 200,
            max_head: 64 << 10,
            frame: 16_384,
            resets: None,
            keepalive: Some((Duration::from_secs(10), Duration::from_secs(3))),
            streams_per_link: 100,
            bytes_per_link: 256 << 10,
            max_links: 8,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Config {
            workers: 1,
            inbound: Vec::new(),
            outbound: Vec::new(),
            inbound_ips: Vec::new(),
            gateway_suffixes: Vec::new(),
            inbound_side: Side {
                connect_timeout: Duration::from_millis(300),
                discovery_idle: Duration::from_secs(90),
                failfast: Duration::from_secs(1),
                tcp_failfast: Duration::from_secs(1),
                backoff: Backoff { max: Duration::from_secs(10), ..Side::default().backoff },
                h2: H2::default(),
                ..Side::default()
            },
            outbound_side: Side::default(),
            h2: H2::default(),
            handshake_timeout: Duration::from_secs(10),
            first_head_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(30),
            max_connections: 65_536,
            max_per_source: 16_384,
            progress_timeout: Duration::from_secs(60),
            stranger_idle: Duration::from_secs(900),
            loopback_targets: false,
            hostname_labels: false,
            authority_labels: false,
            slow_start: Duration::from_secs(10),
            ingress: false,
            quiet_headers: false,
        }
    }
}
