//! Each variable: its name, its shape, an example, its default. The whole contract in one place.

use super::lookups;
use super::reader::{PREFIX, Reader};
use super::settings::{
    AccessLog, Authority, Backoff, ControlPlane, DefaultPolicy, H2Server, Identity, Permit, Scope, Settings, Side,
    StreamLimits, is_local,
};
use super::spire::spire;
use super::strangers::strangers;
use super::value::{self, Network, Ports};
use super::watching;
use crate::logger::Filter;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Reads the environment. `cpus`: how many this process may use (affinity and cgroup quota).
///
/// # Errors
/// One sentence per variable that is missing or malformed, all of them at once.
pub fn settings(get: &dyn Fn(&str) -> Option<String>, cpus: usize) -> Result<Settings, Vec<String>> {
    let r = &mut Reader::new(get);
    let mut warnings = Vec::new();
    let ingress = r.or("INGRESS_MODE", value::boolean, "true", false);
    let identity = identity(r);
    let control = control(r);
    let default_policy = default_policy(r, &mut warnings);
    let settings = Settings {
        workers: workers(r, cpus),
        log: r.or("LOG", |t| Filter::parse(t).ok(), "warn,linkerd=info or off", calm_log()),
        log_json: r.or("LOG_FORMAT", |t| choice(t, &[("plain", false), ("json", true)]), "plain or json", false),
        access_log: access_log(r),
        inbound: listen(r, "INBOUND", &[(Ipv4Addr::UNSPECIFIED, 4143).into()]),
        outbound: listen(
            r,
            "OUTBOUND",
            &[(Ipv4Addr::LOCALHOST, 4140).into(), (std::net::Ipv6Addr::LOCALHOST, 4140).into()],
        ),
        admin: r.or("ADMIN_LISTEN_ADDR", value::address, "0.0.0.0:4191", loopback(4191)),
        tap: r.or("CONTROL_LISTEN_ADDR", value::address, "0.0.0.0:4190", SocketAddr::from(([0, 0, 0, 0], 4190))),
        tap_client: watching::tap_client(r),
        trace: watching::trace(r),
        shutdown_endpoint: r.or("SHUTDOWN_ENDPOINT_ENABLED", value::boolean, "true", false),
        grace: r.or("SHUTDOWN_GRACE_PERIOD", value::duration, "2m", 120 * SECOND),
        slow_start: slow_start(r),
        inbound_side: side(r, "INBOUND", &mut warnings),
        outbound_side: side(r, "OUTBOUND", &mut warnings),
        links: links(r),
        strangers: strangers(r),
        inbound_ips: r.or("INBOUND_IPS", value::ips, "10.42.0.7", Vec::new()),
        gateway_suffixes: r.or("INBOUND_GATEWAY_SUFFIXES", value::suffixes, "svc.cluster.local.", Vec::new()),
        quiet_headers: r.or("OUTBOUND_DISABLE_INFORMATIONAL_HEADERS", value::boolean, "true", ingress),
        ingress,
        retain_idle: r.or("METRICS_RETAIN_IDLE", value::duration, "10m", 600 * SECOND),
        hostname_labels: r.or("OUTBOUND_METRICS_HOSTNAME_LABELS", value::boolean, "true", false),
        authority_labels: r.or("INBOUND_METRICS_AUTHORITY_LABELS", |t| choice(t, &[("unsafe", true)]), "unsafe", false),
        ports: r.or("INBOUND_PORTS", value::ports, "8080,9090", Ports::default()),
        opaque_ports: r.or(
            "INBOUND_PORTS_DISABLE_PROTOCOL_DETECTION",
            value::ports,
            "25,587,3306,5432-5439",
            Ports::default(),
        ),
        default_policy,
        cluster_networks: networks(r, "POLICY_CLUSTER_NETWORKS"),
        identity: identity.unwrap_or_else(unread_identity),
        control: control.unwrap_or_else(unread_control),
        warnings,
    };
    checked(r, "DESTINATION_PROFILE_INITIAL_TIMEOUT", value::duration, "500ms");
    if r.errors.is_empty() { Ok(settings) } else { Err(std::mem::take(&mut r.errors)) }
}

/// Accepted for compatibility; a malformed value is an error all the same.
fn checked<T>(r: &mut Reader<'_>, name: &str, parse: impl Fn(&str) -> Option<T>, example: &str) {
    let _ = r.opt(name, parse, example);
}

fn calm_log() -> Filter {
    Filter::parse("warn,linkerd=info").unwrap_or_default()
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn choice<T: Copy>(text: &str, options: &[(&str, T)]) -> Option<T> {
    options.iter().find(|(name, _)| *name == text).map(|(_, value)| *value)
}

fn networks(r: &mut Reader<'_>, name: &str) -> Vec<Network> {
    r.or(name, value::networks, "10.0.0.0/8,fd00::/8", Vec::new())
}

/// Without any of the four, as many threads as the cgroup quota gives CPUs; with one of them, the rule users know.
fn workers(r: &mut Reader<'_>, cpus: usize) -> u16 {
    let positive = |t: &str| value::number::<usize>(t).filter(|&n| n > 0);
    let ratio = |t: &str| value::number::<f64>(t).filter(|r| *r > 0.0 && *r <= 1.0);
    let cores = r.opt("CORES", positive, "2");
    let min = r.opt("CORES_MIN", positive, "1");
    let max = r.opt("CORES_MAX", positive, "4");
    let ratio = r.opt("CORES_MAX_RATIO", ratio, "0.5");
    if cores.is_none() && min.is_none() && max.is_none() && ratio.is_none() {
        return cpus.clamp(1, 64) as u16;
    }
    let share = ratio.map(|ratio| (cpus as f64 * ratio).round() as usize);
    let wanted = max.or(share).unwrap_or(1).max(min.or(cores).unwrap_or(1));
    wanted.min(cpus).clamp(1, 64) as u16
}

fn access_log(r: &mut Reader<'_>) -> Option<AccessLog> {
    let options = [("apache", AccessLog::Apache), ("json", AccessLog::Json)];
    r.opt("ACCESS_LOG", |t| choice(t, &options), "apache or json")
}

fn listen(r: &mut Reader<'_>, direction: &str, default: &[SocketAddr]) -> Vec<SocketAddr> {
    let example = default.first().map_or_else(String::new, SocketAddr::to_string);
    let one = r.opt(&format!("{direction}_LISTEN_ADDR"), value::address, &example);
    let many = r.opt(&format!("{direction}_LISTEN_ADDRS"), value::addresses, &example);
    many.or(one.map(|one| vec![one])).unwrap_or_else(|| default.to_vec())
}

fn side(r: &mut Reader<'_>, d: &str, warnings: &mut Vec<String>) -> Side {
    let mut time = |name: &str, example: &str| r.opt(&format!("{d}_{name}"), value::duration, example);
    let mut side = Side {
        detect_timeout: time("DETECT_TIMEOUT", "10s"),
        connect_timeout: time("CONNECT_TIMEOUT", "1s"),
        accept_keepalive: time("ACCEPT_KEEPALIVE", "10s"),
        accept_user_timeout: time("ACCEPT_USER_TIMEOUT", "30s"),
        connect_keepalive: time("CONNECT_KEEPALIVE", "10s"),
        connect_user_timeout: time("CONNECT_USER_TIMEOUT", "30s"),
        pool_idle: time("HTTP1_CONNECTION_POOL_IDLE_TIMEOUT", "3s"),
        discovery_idle: time("DISCOVERY_IDLE_TIMEOUT", "5s"),
        failfast: time("HTTP_FAILFAST_TIMEOUT", "3s"),
        ..Side::default()
    };
    let mut count = |name: &str, example: &str| r.opt(name, value::number::<usize>, example);
    let pool = if d == "INBOUND" { "MAX_IDLE_CONNS_PER_ENDPOINT" } else { "OUTBOUND_MAX_IDLE_CONNS_PER_ENDPOINT" };
    side.pool_max = count(pool, "10000");
    side.max_in_flight = count(&format!("{d}_MAX_IN_FLIGHT"), "100000");
    side.queue = count(&format!("{d}_HTTP_QUEUE_CAPACITY"), "10000");
    side.backlog = r.opt(&format!("{d}_TCP_LISTEN_BACKLOG"), value::number, "4096");
    if d == "OUTBOUND" {
        side.tcp_queue = r.opt("OUTBOUND_TCP_QUEUE_CAPACITY", value::number, "10000");
        side.tcp_failfast = r.opt("OUTBOUND_TCP_FAILFAST_TIMEOUT", value::duration, "3s");
    }
    side.backoff = backoff(r, d);
    side.h2 = h2(r, d, warnings);
    side
}

/// Ours: no variable of Linkerd's says it.
fn slow_start(r: &mut Reader<'_>) -> Option<Duration> {
    let raw = r.exact("ISTHMUS_PROXY_SLOW_START")?;
    let parsed = value::duration(raw.trim());
    if parsed.is_none() {
        r.complain(format!("ISTHMUS_PROXY_SLOW_START is {raw:?}, which cannot be read; a valid value is 10s"));
    }
    parsed
}

fn backoff(r: &mut Reader<'_>, d: &str) -> Backoff {
    let max = if d == "INBOUND" { 10 * SECOND } else { 60 * SECOND };
    waits(r, &format!("{d}_CONNECT"), Backoff { max, jitter: 0.1, ..Backoff::default() })
}

/// `{of}_EXP_BACKOFF_{MIN,MAX,JITTER}`.
pub(super) fn waits(r: &mut Reader<'_>, of: &str, default: Backoff) -> Backoff {
    let min = r.or(&format!("{of}_EXP_BACKOFF_MIN"), value::duration, "100ms", default.min);
    let max = r.or(&format!("{of}_EXP_BACKOFF_MAX"), value::duration, "10s", default.max.max(min));
    let share = |t: &str| value::number::<f64>(t).filter(|j| (0.0..=100.0).contains(j));
    let jitter = r.or(&format!("{of}_EXP_BACKOFF_JITTER"), share, "0.1", default.jitter);
    if min > max || min.is_zero() {
        r.complain(format!(
            "{PREFIX}{of}_EXP_BACKOFF_MIN is {min:?} and …_MAX is {max:?}; the first must be over 0 and at most the \
             second, for example 100ms and 10s"
        ));
    }
    Backoff { min, max, jitter }
}

fn window(text: &str) -> Option<u32> {
    value::number::<u32>(text).filter(|&w| (1..=0x7fff_ffff).contains(&w))
}

fn links(r: &mut Reader<'_>) -> H2Server {
    H2Server {
        stream_window: r.opt("HTTP2_INITIAL_STREAM_WINDOW_SIZE", window, "65535"),
        connection_window: r.opt("HTTP2_INITIAL_CONNECTION_WINDOW_SIZE", window, "1048576"),
        ..H2Server::default()
    }
}

fn h2(r: &mut Reader<'_>, d: &str, warnings: &mut Vec<String>) -> H2Server {
    let name = |n: &str| format!("{d}_SERVER_HTTP2_{n}");
    let stream = r.opt(&name("INITIAL_STREAM_WINDOW_SIZE"), window, "65535");
    let connection = r.opt(&name("INITIAL_CONNECTION_WINDOW_SIZE"), window, "1048576");
    let interval = r.opt(&name("KEEP_ALIVE_INTERVAL"), value::duration, "10s");
    let timeout = r.opt(&name("KEEP_ALIVE_TIMEOUT"), value::duration, "3s");
    if r.or(&name("ADAPTIVE_FLOW_CONTROL"), value::boolean, "true", false) {
        warnings.push(format!(
            "{PREFIX}{}: windows do not adapt here; …INITIAL_STREAM_WINDOW_SIZE and …INITIAL_CONNECTION_WINDOW_SIZE widen them",
            name("ADAPTIVE_FLOW_CONTROL")
        ));
    }
    if r.opt(&name("MAX_SEND_BUF_SIZE"), value::number::<u32>, "1048576").is_some() {
        warnings.push(format!(
            "{PREFIX}{}: 256 KiB wait in a connection at most, whatever it says",
            name("MAX_SEND_BUF_SIZE")
        ));
    }
    for (a, b, names) in [
        (stream.is_some(), connection.is_some(), "INITIAL_STREAM_WINDOW_SIZE and …_INITIAL_CONNECTION_WINDOW_SIZE"),
        (interval.is_some(), timeout.is_some(), "KEEP_ALIVE_INTERVAL and …_KEEP_ALIVE_TIMEOUT"),
    ] {
        if a != b {
            r.complain(format!("{PREFIX}{d}_SERVER_HTTP2_{names} belong together: set both or neither"));
        }
    }
    let frame = |t: &str| value::number::<u32>(t).filter(|f| (16_384..=0xff_ffff).contains(f));
    H2Server {
        stream_window: stream,
        connection_window: connection,
        frame: r.opt(&name("MAX_FRAME_SIZE"), frame, "16384"),
        resets: r.opt(&name("MAX_PENDING_ACCEPT_RESET_STREAMS"), value::number, "20"),
        keepalive: interval.zip(timeout),
        max_streams: r.opt(&name("MAX_CONCURRENT_STREAMS"), value::number, "200"),
        max_head: r.opt(&name("MAX_HEADER_LIST_SIZE"), value::number, "65536"),
    }
}

/// The address of a service and, outside this pod, its name.
pub(super) fn service(r: &mut Reader<'_>, which: &str, example: &str) -> Option<Authority> {
    let addr = r.must(&format!("{which}_SVC_ADDR"), value::host_port, example);
    let name = r.opt(
        &format!("{which}_SVC_NAME"),
        value::name,
        "linkerd-policy.linkerd.serviceaccount.identity.linkerd.cluster.local",
    );
    let (host, port) = addr?;
    if is_local(&host) {
        return Some(Authority { host, port, name: None });
    }
    if name.is_none() {
        r.complain(format!(
            "{PREFIX}{which}_SVC_NAME is not set, but {PREFIX}{which}_SVC_ADDR is {:?}, outside this pod: the name is \
             the TLS identity to expect there, for example linkerd-identity.linkerd.serviceaccount.identity.linkerd.cluster.local",
            format!("{host}:{port}")
        ));
    }
    name.map(|name| Authority { host, port, name: Some(name) })
}

fn control(r: &mut Reader<'_>) -> Option<ControlPlane> {
    let destination = service(r, "DESTINATION", "linkerd-dst-headless.linkerd.svc.cluster.local.:8086");
    let policy = service(r, "POLICY", "linkerd-policy.linkerd.svc.cluster.local.:8090");
    let local = vec!["svc.cluster.local".into()];
    let suffixes = r.or("DESTINATION_PROFILE_SUFFIXES", value::suffixes, "svc.cluster.local.", local);
    let profile_networks = networks(r, "DESTINATION_PROFILE_NETWORKS");
    let workload = r.must("POLICY_WORKLOAD", |t| Some(t.to_owned()), r#"{"ns":"default","pod":"web-1"}"#);
    let streams = streams(r);
    Some(ControlPlane {
        destination: destination?,
        policy: policy?,
        context: r.raw("DESTINATION_CONTEXT").unwrap_or_default(),
        workload: workload?,
        profile_suffixes: suffixes,
        profile_networks,
        streams,
        backoff: Backoff::default(),
        lookups: lookups::lookups(r),
    })
}

fn streams(r: &mut Reader<'_>) -> StreamLimits {
    let mut time = |name: &str, default: Duration| {
        r.or(&format!("CONTROL_STREAM_{name}"), value::duration, &format!("{}s", default.as_secs()), default)
    };
    let initial = time("INITIAL_TIMEOUT", 3 * SECOND);
    let idle = time("IDLE_TIMEOUT", 300 * SECOND);
    let lifetime = time("LIFETIME", 3600 * SECOND);
    if initial.is_zero() || initial >= idle || idle >= lifetime {
        r.complain(format!(
            "{PREFIX}CONTROL_STREAM_INITIAL_TIMEOUT, …_IDLE_TIMEOUT and …_LIFETIME are {initial:?}, {idle:?} and \
             {lifetime:?}; each must be longer than the one before, for example 3s, 5m and 1h"
        ));
    }
    StreamLimits { initial, idle, lifetime }
}

fn identity(r: &mut Reader<'_>) -> Option<Identity> {
    if r.raw("IDENTITY_DISABLED").is_some() {
        r.complain(format!("{PREFIX}IDENTITY_DISABLED is set, but a proxy without identity is not possible: unset it"));
    }
    let spire = spire(r);
    let service = match &spire {
        Some(_) => Some(unread()),
        None => service(r, "IDENTITY", "linkerd-identity-headless.linkerd.svc.cluster.local.:8080"),
    };
    let file = r.exact("ISTHMUS_PROXY_TRUST_ANCHORS_FILE").map(PathBuf::from);
    let force = force(r);
    let anchors = match (&file, r.raw("IDENTITY_TRUST_ANCHORS")) {
        (_, Some(pem)) => Some(pem),
        (Some(_), None) => Some(String::new()),
        (None, None) if spire.is_some() => Some(String::new()),
        (None, None) => r.must("IDENTITY_TRUST_ANCHORS", |t| Some(t.to_owned()), "the PEM text of a CA certificate"),
    };
    if let Some(pem) = anchors.as_deref().filter(|pem| !pem.is_empty())
        && let Err(error) = tls::anchors(pem)
    {
        r.complain(format!("{PREFIX}IDENTITY_TRUST_ANCHORS cannot be used: {error}; a valid value is the PEM text of one or more CA certificates"));
    }
    let token_file = match &spire {
        Some(_) => Some(PathBuf::new()),
        None => {
            r.must("IDENTITY_TOKEN_FILE", |t| Some(PathBuf::from(t)), "/var/run/secrets/tokens/linkerd-identity-token")
        }
    };
    let example = "web.default.serviceaccount.identity.linkerd.cluster.local";
    let local = r.opt("IDENTITY_LOCAL_NAME", value::name, example);
    let id = r.opt("IDENTITY_SERVER_ID", value::identity, example);
    let server_name = r.opt("IDENTITY_SERVER_NAME", value::name, example);
    let Some(id) = id.or_else(|| local.clone()) else {
        r.complain(format!("{PREFIX}IDENTITY_LOCAL_NAME is not set; a valid value is {example}"));
        return None;
    };
    let server_name = server_name.or(local).or_else(|| (!id.contains("://")).then(|| id.clone()));
    if server_name.is_none() {
        r.complain(format!("{PREFIX}IDENTITY_SERVER_NAME is not set, but {PREFIX}IDENTITY_SERVER_ID is {id:?}, which cannot be a server name; a valid value is {example}"));
    }
    let min = r.or("IDENTITY_MIN_REFRESH", value::duration, "10s", 10 * SECOND);
    let max = r.or("IDENTITY_MAX_REFRESH", value::duration, "24h", 86_400 * SECOND);
    if min > max {
        r.complain(format!("{PREFIX}IDENTITY_MIN_REFRESH is {min:?}, longer than …_MAX_REFRESH, which is {max:?}; valid are 10s and 24h"));
    }
    Some(Identity {
        spire,
        service: service?,
        dir: r.raw("IDENTITY_DIR").map(PathBuf::from),
        token_file: token_file?,
        trust_anchors: anchors?,
        trust_anchors_file: file,
        trust_anchors_force: force,
        id,
        server_name: server_name?,
        min_refresh: min,
        max_refresh: max,
    })
}

fn force(r: &mut Reader<'_>) -> bool {
    const NAME: &str = "ISTHMUS_PROXY_TRUST_ANCHORS_FORCE";
    let Some(text) = r.exact(NAME) else { return false };
    value::boolean(&text).unwrap_or_else(|| {
        r.complain(format!("{NAME} is {text:?}; a valid value is true"));
        false
    })
}

fn default_policy(r: &mut Reader<'_>, warnings: &mut Vec<String>) -> DefaultPolicy {
    use {Permit::*, Scope::*};
    let options = [
        ("deny", DefaultPolicy::Deny),
        ("audit", DefaultPolicy::Audit),
        ("all-authenticated", DefaultPolicy::Allow(All, Authenticated)),
        ("all-unauthenticated", DefaultPolicy::Allow(All, Unauthenticated)),
        ("cluster-authenticated", DefaultPolicy::Allow(Cluster, Authenticated)),
        ("cluster-unauthenticated", DefaultPolicy::Allow(Cluster, Unauthenticated)),
    ];
    if r.raw("INBOUND_DEFAULT_POLICY").is_none() {
        warnings.push(format!(
            "{PREFIX}INBOUND_DEFAULT_POLICY is not set: all-unauthenticated until the control plane answers"
        ));
    }
    let example =
        "deny, audit, all-authenticated, all-unauthenticated, cluster-authenticated or cluster-unauthenticated";
    r.or("INBOUND_DEFAULT_POLICY", |t| choice(t, &options), example, DefaultPolicy::Allow(All, Unauthenticated))
}

/// Stands where a complaint was recorded, so that the rest can still be read; never leaves this module.
fn unread_identity() -> Identity {
    Identity {
        spire: None,
        service: unread(),
        dir: None,
        token_file: PathBuf::new(),
        trust_anchors: String::new(),
        trust_anchors_file: None,
        trust_anchors_force: false,
        id: "".into(),
        server_name: "".into(),
        min_refresh: SECOND,
        max_refresh: SECOND,
    }
}

fn unread_control() -> ControlPlane {
    ControlPlane {
        destination: unread(),
        policy: unread(),
        context: String::new(),
        workload: String::new(),
        profile_suffixes: Vec::new(),
        profile_networks: Vec::new(),
        streams: StreamLimits { initial: SECOND, idle: SECOND, lifetime: SECOND },
        backoff: Backoff::default(),
        lookups: None,
    }
}

fn unread() -> Authority {
    Authority { host: IpAddr::from(Ipv4Addr::LOCALHOST).to_string().into(), port: 1, name: None }
}
