use super::*;
use std::collections::HashMap;
use std::time::Duration;

fn anchors() -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    rcgen::CertificateParams::new(vec!["ca".into()]).expect("params").self_signed(&key).expect("a certificate").pem()
}

fn base() -> HashMap<String, String> {
    [
        ("DESTINATION_SVC_ADDR", "localhost.:8090"),
        ("POLICY_SVC_ADDR", "localhost.:8090"),
        ("IDENTITY_SVC_ADDR", "localhost.:8090"),
        ("POLICY_WORKLOAD", r#"{"ns":"default","pod":"p"}"#),
        ("INBOUND_DEFAULT_POLICY", "all-unauthenticated"),
        ("IDENTITY_TOKEN_FILE", "/token"),
        ("IDENTITY_TRUST_ANCHORS", &anchors()),
        ("IDENTITY_LOCAL_NAME", "default.default.serviceaccount.identity.linkerd.cluster.local"),
    ]
    .map(|(k, v)| (format!("{PREFIX}{k}"), v.to_owned()))
    .into()
}

fn read(changes: &[(&str, &str)], cpus: usize) -> Result<Settings, Vec<String>> {
    let mut env = base();
    for (name, value) in changes {
        env.insert(format!("{PREFIX}{name}"), (*value).to_owned());
    }
    settings(&|name| env.get(name).cloned(), cpus)
}

#[test]
fn the_smallest_environment_is_enough() {
    let s = read(&[], 2).expect("settings");
    assert_eq!((s.workers, s.admin.port(), s.inbound[0].port()), (2, 4191, 4143));
    assert_eq!(s.control.destination, Authority { host: "localhost.".into(), port: 8090, name: None });
    assert_eq!(s.identity.server_name, s.identity.id);
    assert_eq!(s.outbound, ["127.0.0.1:4140".parse().expect("v4"), "[::1]:4140".parse().expect("v6")]);
    assert_eq!((s.retain_idle.as_secs(), s.hostname_labels, s.authority_labels), (600, false, false));
    assert!(s.warnings.is_empty(), "{:?}", s.warnings);
}

#[test]
fn every_mistake_is_told_at_once_with_name_value_and_example() {
    let wrong = [
        ("INBOUND_LISTEN_ADDR", "nowhere"),
        ("INBOUND_CONNECT_TIMEOUT", "5 apples"),
        ("POLICY_CLUSTER_NETWORKS", "10.0.0.0/99"),
        ("INBOUND_DEFAULT_POLICY", "maybe"),
        ("INBOUND_PORTS", "0"),
        ("CORES_MAX_RATIO", "2"),
        ("SHUTDOWN_ENDPOINT_ENABLED", "yes"),
        ("METRICS_RETAIN_IDLE", "ten"),
        ("INBOUND_METRICS_AUTHORITY_LABELS", "safe"),
        ("DESTINATION_SVC_ADDR", "dst.linkerd.svc:x"),
        ("IDENTITY_TRUST_ANCHORS", "no PEM"),
    ];
    let errors = read(&wrong, 2).expect_err("errors");
    for (name, value) in wrong {
        let said =
            errors.iter().any(|e| e.contains(name) && (e.contains(value) || value == "no PEM") && e.contains("valid"));
        assert!(said, "{name} in {errors:#?}");
    }
    assert_eq!(errors.len(), wrong.len(), "{errors:#?}");
}

#[test]
fn missing_and_contradicting_variables_are_told() {
    for (changes, said) in [
        (vec![("POLICY_WORKLOAD", "")], "POLICY_WORKLOAD is not set"),
        (vec![("IDENTITY_LOCAL_NAME", " ")], "IDENTITY_LOCAL_NAME is not set"),
        (vec![("POLICY_SVC_ADDR", "policy.linkerd.svc.:8090")], "POLICY_SVC_NAME is not set"),
        (vec![("IDENTITY_DISABLED", "1")], "IDENTITY_DISABLED"),
        (vec![("CONTROL_STREAM_IDLE_TIMEOUT", "2s")], "longer than the one before"),
        (vec![("INBOUND_SERVER_HTTP2_KEEP_ALIVE_TIMEOUT", "3s")], "set both or neither"),
        (
            vec![("INBOUND_CONNECT_EXP_BACKOFF_MIN", "1m"), ("INBOUND_CONNECT_EXP_BACKOFF_MAX", "1s")],
            "at most the second",
        ),
        (vec![("IDENTITY_SERVER_ID", "spiffe://a/b"), ("IDENTITY_LOCAL_NAME", "")], "IDENTITY_SERVER_NAME"),
        (vec![("IDENTITY_MIN_REFRESH", "48h")], "IDENTITY_MIN_REFRESH"),
    ] {
        let errors = read(&changes, 2).expect_err("errors");
        assert!(errors.len() == 1 && errors[0].contains(said), "{said}: {errors:#?}");
    }
}

#[test]
fn workers_follow_the_quota_or_the_known_rule() {
    for (changes, cpus, workers) in [
        (vec![], 4, 4),
        (vec![("CORES", "1")], 4, 1),
        (vec![("CORES_MAX", "3")], 4, 3),
        (vec![("CORES_MAX", "9")], 4, 4),
        (vec![("CORES_MAX_RATIO", "0.5")], 8, 4),
        (vec![("CORES_MAX_RATIO", "0.1"), ("CORES_MIN", "2")], 8, 2),
        (vec![("CORES_MIN", "2"), ("CORES", "6")], 8, 2),
    ] {
        assert_eq!(read(&changes, cpus).expect("settings").workers, workers, "{changes:?}");
    }
}

#[test]
fn durations() {
    for (text, expected) in [
        ("0", Some(Duration::ZERO)),
        ("250ms", Some(Duration::from_millis(250))),
        ("2m", Some(Duration::from_secs(120))),
        ("365d", Some(Duration::from_secs(365 * 86_400))),
        ("5", None),
        ("1.5s", None),
        ("-1s", None),
        ("s", None),
        ("99999999999999999999s", None),
    ] {
        assert_eq!(value::duration(text), expected, "{text}");
    }
}

#[test]
fn names_lists_and_addresses() {
    assert_eq!(
        value::host_port("linkerd-dst.linkerd.svc.cluster.local.:8086"),
        Some(("linkerd-dst.linkerd.svc.cluster.local.".into(), 8086))
    );
    assert_eq!(value::host_port("[::1]:1"), Some(("::1".into(), 1)));
    assert_eq!(value::host_port("a b:1"), None);
    assert_eq!(value::suffixes("svc.Cluster.local., ."), Some(vec!["svc.cluster.local".into(), "".into()]));
    assert!(
        value::ports("25,8000-8002").is_some_and(|p| p.contains(8001) && !p.contains(26) && p.iter(9).count() == 4)
    );
    assert_eq!(value::ports("9-8"), None);
    assert_eq!(value::addresses("127.0.0.1:4140,[::1]:4140").map(|a| a.len()), Some(2));
    assert_eq!(value::networks("fd00::/8").map(|n| n[0].1), Some(8));
}

#[test]
fn remote_services_need_tls_and_local_ones_have_none() {
    let s = read(
        &[
            ("POLICY_SVC_ADDR", "policy.linkerd.svc.:8090"),
            ("POLICY_SVC_NAME", "policy.identity"),
            ("DESTINATION_SVC_NAME", "ignored.here"),
        ],
        1,
    )
    .expect("settings");
    assert_eq!(s.control.policy.name.as_deref(), Some("policy.identity"));
    assert!(s.control.destination.name.is_none() && s.control.destination.local());
}

#[test]
fn waits_and_queues_have_their_own_defaults_for_each_direction() {
    let s = read(&[], 2).expect("settings");
    let (inbound, outbound) = (s.inbound_side.backoff, s.outbound_side.backoff);
    let seconds = std::time::Duration::from_secs;
    assert_eq!((inbound.max, outbound.max, outbound.jitter, s.slow_start), (seconds(10), seconds(60), 0.1, None));
    let s = read(
        &[
            ("OUTBOUND_CONNECT_EXP_BACKOFF_MIN", "1s"),
            ("OUTBOUND_CONNECT_EXP_BACKOFF_MAX", "5s"),
            ("OUTBOUND_CONNECT_EXP_BACKOFF_JITTER", "0.5"),
            ("OUTBOUND_TCP_QUEUE_CAPACITY", "7"),
            ("OUTBOUND_TCP_FAILFAST_TIMEOUT", "2s"),
        ],
        2,
    )
    .expect("settings");
    let out = &s.outbound_side;
    assert_eq!((out.backoff.min, out.backoff.max, out.backoff.jitter), (seconds(1), seconds(5), 0.5));
    assert_eq!((out.tcp_queue, out.tcp_failfast, s.inbound_side.tcp_queue), (Some(7), Some(seconds(2)), None));
}

#[test]
fn the_slow_start_is_ours() {
    let mut env = base();
    for (text, wanted) in
        [("0", Ok(std::time::Duration::ZERO)), ("3s", Ok(std::time::Duration::from_secs(3))), ("soon", Err(1))]
    {
        env.insert("ISTHMUS_PROXY_SLOW_START".into(), text.into());
        let found = settings(&|name| env.get(name).cloned(), 2).map_err(|errors| errors.len());
        assert_eq!(found.map(|s| s.slow_start), wanted.map(Some), "{text}");
    }
}

#[test]
fn nobody_watches_unless_asked() {
    let s = read(&[("TRACE_SERVICE_NAME", "alone is nothing")], 1).expect("settings");
    assert!(s.tap_client.is_none() && s.trace.is_none() && s.access_log.is_none());
    let asked = [
        ("TAP_SVC_NAME", "Tap.viz.id"),
        ("ACCESS_LOG", "json"),
        ("TRACE_COLLECTOR_SVC_ADDR", "collector.jaeger.svc:4317"),
        ("TRACE_COLLECTOR_SVC_NAME", "collector.id"),
        ("TRACE_SERVICE_NAME", "web"),
        ("TRACE_ATTRIBUTES_PATH", "/labels"),
    ];
    let s = read(&asked, 1).expect("settings");
    assert_eq!((s.tap_client.as_deref(), s.access_log), (Some("tap.viz.id"), Some(AccessLog::Json)));
    let trace = s.trace.expect("traces");
    assert_eq!((trace.service.port, trace.service.name.as_deref()), (4317, Some("collector.id")));
    assert_eq!((trace.service_name.as_deref(), trace.attributes_path), (Some("web"), Some("/labels".into())));
    for (name, value) in [("TAP_SVC_NAME", "a b"), ("ACCESS_LOG", "csv"), ("TRACE_COLLECTOR_SVC_ADDR", "nowhere")] {
        let errors = read(&[(name, value)], 1).expect_err("errors");
        assert!(errors.iter().any(|e| e.contains(name) && e.contains(value)), "{errors:?}");
    }
    let errors = read(&[("TRACE_COLLECTOR_SVC_ADDR", "collector.jaeger.svc:4317")], 1).expect_err("no name");
    assert!(errors[0].contains("TRACE_COLLECTOR_SVC_NAME"), "{errors:?}");
}

#[test]
fn what_is_read_and_does_nothing_is_said() {
    let s = read(
        &[
            ("INBOUND_SERVER_HTTP2_ADAPTIVE_FLOW_CONTROL", "true"),
            ("OUTBOUND_SERVER_HTTP2_ADAPTIVE_FLOW_CONTROL", "false"),
            ("OUTBOUND_SERVER_HTTP2_MAX_SEND_BUF_SIZE", "1048576"),
        ],
        1,
    );
    let said = s.expect("settings").warnings;
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("INBOUND_SERVER_HTTP2_ADAPTIVE_FLOW_CONTROL: windows do not adapt"), "{said:?}");
    assert!(said[1].contains("OUTBOUND_SERVER_HTTP2_MAX_SEND_BUF_SIZE: 256 KiB"), "{said:?}");
}
