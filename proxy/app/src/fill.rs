//! From what the environment said to what the engine takes: every unset value keeps the engine's default.

use control::env::{H2Server, Settings, Side};
use engine::Config;

/// The engine's configuration.
pub fn engine(settings: &Settings) -> Config {
    let mut config = Config {
        workers: settings.workers,
        inbound: settings.inbound.clone(),
        outbound: settings.outbound.clone(),
        inbound_ips: settings.inbound_ips.clone(),
        gateway_suffixes: settings.gateway_suffixes.clone(),
        quiet_headers: settings.quiet_headers,
        hostname_labels: settings.hostname_labels,
        authority_labels: settings.authority_labels,
        ..Config::default()
    };
    side(&mut config.inbound_side, &settings.inbound_side);
    side(&mut config.outbound_side, &settings.outbound_side);
    config.slow_start = settings.slow_start.unwrap_or(config.slow_start);
    h2(&mut config.inbound_side.h2, &settings.inbound_side.h2);
    h2(&mut config.outbound_side.h2, &settings.outbound_side.h2);
    h2(&mut config.h2, &settings.links);
    config
}

fn side(to: &mut engine::Side, from: &Side) {
    macro_rules! set {
        ($($field:ident)*) => { $(if let Some(value) = from.$field { to.$field = value; })* };
    }
    macro_rules! or {
        ($($field:ident)*) => { $(to.$field = from.$field.or(to.$field);)* };
    }
    set!(detect_timeout connect_timeout backlog pool_idle pool_max max_in_flight discovery_idle queue failfast);
    set!(tcp_queue tcp_failfast);
    to.backoff = engine::Backoff { min: from.backoff.min, max: from.backoff.max, jitter: from.backoff.jitter };
    or!(accept_keepalive accept_user_timeout connect_keepalive connect_user_timeout);
}

fn h2(to: &mut engine::H2, from: &H2Server) {
    to.stream_window = from.stream_window.unwrap_or(to.stream_window);
    to.connection_window = from.connection_window.unwrap_or(to.connection_window);
    to.frame = from.frame.unwrap_or(to.frame);
    to.resets = from.resets.or(to.resets);
    to.keepalive = from.keepalive.or(to.keepalive);
    to.max_streams = from.max_streams.unwrap_or(to.max_streams);
    to.max_head = from.max_head.map_or(to.max_head, |bytes| bytes as usize);
}
