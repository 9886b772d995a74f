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
        ingress: settings.ingress,
        quiet_headers: settings.quiet_headers,
        hostname_labels: settings.hostname_labels,
        authority_labels: settings.authority_labels,
        ..Config::default()
    };
    side(&mut config.inbound_side, &settings.inbound_side);
    side(&mut config.outbound_side, &settings.outbound_side);
    config.slow_start = settings.slow_start.unwrap_or(config.slow_start);
    let strangers = &settings.strangers;
    config.max_per_source = strangers.max_per_source.unwrap_or(config.max_per_source);
    config.progress_timeout = strangers.progress_timeout.unwrap_or(config.progress_timeout);
    config.stranger_idle = strangers.stranger_idle.unwrap_or(config.stranger_idle);
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn filled(changes: &[(&str, &str)]) -> Config {
        let plain = [
            ("LINKERD2_PROXY_DESTINATION_SVC_ADDR", "localhost.:8090"),
            ("LINKERD2_PROXY_POLICY_SVC_ADDR", "localhost.:8090"),
            ("LINKERD2_PROXY_IDENTITY_SVC_ADDR", "localhost.:8090"),
            ("LINKERD2_PROXY_POLICY_WORKLOAD", "{}"),
            ("LINKERD2_PROXY_IDENTITY_TOKEN_FILE", "/token"),
            ("LINKERD2_PROXY_IDENTITY_LOCAL_NAME", "a.b.serviceaccount.identity.linkerd.cluster.local"),
            ("ISTHMUS_PROXY_TRUST_ANCHORS_FILE", "/anchors"),
        ];
        let find = |name: &str| changes.iter().chain(&plain).find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        engine(&control::env::settings(&find, 1).expect("settings"))
    }

    #[test]
    fn what_is_unset_stays_as_the_engine_has_it() {
        let (config, own) = (filled(&[]), Config::default());
        for (side, own) in [(&config.inbound_side, &own.inbound_side), (&config.outbound_side, &own.outbound_side)] {
            assert_eq!(
                (side.backoff, side.tcp_queue, side.tcp_failfast),
                (own.backoff, own.tcp_queue, own.tcp_failfast)
            );
        }
        assert_eq!(config.slow_start, own.slow_start);
    }

    #[test]
    fn http2_has_settings_for_each_side_and_for_links() {
        let config = filled(&[
            ("LINKERD2_PROXY_INBOUND_SERVER_HTTP2_MAX_CONCURRENT_STREAMS", "7"),
            ("LINKERD2_PROXY_INBOUND_SERVER_HTTP2_MAX_PENDING_ACCEPT_RESET_STREAMS", "20"),
            ("LINKERD2_PROXY_INBOUND_SERVER_HTTP2_INITIAL_STREAM_WINDOW_SIZE", "65535"),
            ("LINKERD2_PROXY_INBOUND_SERVER_HTTP2_INITIAL_CONNECTION_WINDOW_SIZE", "1048576"),
            ("LINKERD2_PROXY_OUTBOUND_SERVER_HTTP2_MAX_FRAME_SIZE", "32768"),
            ("LINKERD2_PROXY_OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_INTERVAL", "5s"),
            ("LINKERD2_PROXY_OUTBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT", "1s"),
            ("LINKERD2_PROXY_HTTP2_INITIAL_CONNECTION_WINDOW_SIZE", "2097152"),
        ]);
        let (own, seconds) = (Config::default(), Duration::from_secs);
        let (inbound, outbound, links) = (&config.inbound_side.h2, &config.outbound_side.h2, &config.h2);
        let seen = (inbound.max_streams, inbound.resets, inbound.stream_window, inbound.connection_window);
        assert_eq!(seen, (7, Some(20), 65_535, 1 << 20));
        assert_eq!((outbound.max_streams, outbound.resets, outbound.frame), (own.h2.max_streams, None, 32_768));
        assert_eq!(outbound.stream_window, own.h2.stream_window);
        assert_eq!((links.connection_window, links.stream_window), (2 << 20, own.h2.stream_window));
        let usual = Some((seconds(10), seconds(3)));
        assert_eq!((inbound.keepalive, links.keepalive), (usual, usual), "peers are asked by default");
        assert_eq!((outbound.keepalive, own.outbound_side.h2.keepalive), (Some((seconds(5), seconds(1))), None));
    }

    #[test]
    fn waits_and_queues_are_handed_on() {
        let config = filled(&[
            ("LINKERD2_PROXY_INBOUND_CONNECT_EXP_BACKOFF_MAX", "3s"),
            ("LINKERD2_PROXY_OUTBOUND_CONNECT_EXP_BACKOFF_MIN", "1s"),
            ("LINKERD2_PROXY_OUTBOUND_CONNECT_EXP_BACKOFF_JITTER", "0.7"),
            ("LINKERD2_PROXY_OUTBOUND_TCP_QUEUE_CAPACITY", "7"),
            ("LINKERD2_PROXY_OUTBOUND_TCP_FAILFAST_TIMEOUT", "2s"),
            ("ISTHMUS_PROXY_SLOW_START", "0"),
        ]);
        let seconds = Duration::from_secs;
        let (inbound, outbound) = (&config.inbound_side, &config.outbound_side);
        assert_eq!((inbound.backoff.max, outbound.backoff.min, outbound.backoff.jitter), (seconds(3), seconds(1), 0.7));
        assert_eq!((outbound.tcp_queue, outbound.tcp_failfast, config.slow_start), (7, seconds(2), seconds(0)));
    }
}
