use super::*;
use hickory_resolver::config::{NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, SRV};
use hickory_resolver::proto::rr::{Name, Record, RecordType};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::net::UdpSocket;

#[test]
fn endpoint_names_tell_their_address() {
    assert_eq!(dashed("10-42-0-7.dst.linkerd.svc.cluster.local."), "10.42.0.7".parse().ok());
    assert_eq!(dashed("web-0.dst.linkerd.svc.cluster.local."), None);
}

#[tokio::test]
async fn addresses_and_localhost_need_no_resolver() {
    let dns = Dns::new(Registry::new(1), None);
    for (host, ip) in [("localhost.", "127.0.0.1:9"), ("10.1.2.3", "10.1.2.3:9"), ("::1", "[::1]:9")] {
        let authority = Authority { host: host.into(), port: 9, name: None };
        assert_eq!(dns.resolve(&authority).await.map(|a| a[0].to_string()), Ok(ip.to_owned()));
    }
}

/// Answers like the cluster's resolver: `headless` has SRV records, `plain` only an address, others do not exist; counts questions.
async fn cluster_dns(asked_for: Arc<AtomicU32>) -> std::net::SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut buffer = [0; 1024];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            asked_for.fetch_add(1, Ordering::SeqCst);
            let asked = Message::from_vec(&buffer[..length]).expect("a query");
            socket.send_to(&answer(&asked).to_vec().expect("bytes"), from).await.expect("sent");
        }
    });
    address
}

fn answer(asked: &Message) -> Message {
    let query = asked.queries[0].clone();
    let name = query.name().clone();
    let mut out = Message::response(asked.metadata.id, asked.metadata.op_code);
    out.add_query(query.clone());
    let srv = |port, target: &str| SRV::new(0, 1, port, Name::from_str(target).expect("a name"));
    match (name.to_utf8().split('.').next().unwrap_or_default(), query.query_type()) {
        ("headless", RecordType::SRV) => {
            for data in [
                srv(8086, "10-42-0-7.headless.svc."),
                srv(8086, "web-0.headless.svc."),
                srv(9999, "10-42-0-9.headless.svc."),
            ] {
                out.add_answer(Record::from_rdata(name.clone(), 5, RData::SRV(data)));
            }
        }
        ("web-0", RecordType::A) => drop(out.add_answer(Record::from_rdata(name, 5, RData::A(A::new(10, 42, 0, 8))))),
        ("plain", RecordType::A) => drop(out.add_answer(Record::from_rdata(name, 5, RData::A(A::new(10, 96, 0, 3))))),
        _ => out.metadata.response_code = ResponseCode::NXDomain,
    }
    out
}

/// With look-ups that hold as told; and how many questions were asked so far.
async fn resolver_of(lookups: Option<Lookups>) -> (Dns, Arc<AtomicU32>) {
    let asked = Arc::new(AtomicU32::new(0));
    let address = cluster_dns(asked.clone()).await;
    let mut server = NameServerConfig::udp(address.ip());
    server.connections[0].port = address.port();
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
    let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
    settle(builder.options_mut(), lookups);
    (Dns::with(builder.build().expect("a resolver"), Registry::new(1)), asked)
}

async fn resolve(dns: &Dns, host: &str) -> Result<Vec<String>, String> {
    let authority = Authority { host: host.into(), port: 8086, name: None };
    dns.resolve(&authority).await.map(|all| all.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn srv_records_of_our_port_come_first_then_addresses_then_a_sentence() {
    let (dns, _) = resolver_of(None).await;
    assert_eq!(
        resolve(&dns, "headless.linkerd.svc.").await,
        Ok(vec!["10.42.0.7:8086".into(), "10.42.0.8:8086".into()])
    );
    assert_eq!(resolve(&dns, "plain.linkerd.svc.").await, Ok(vec!["10.96.0.3:8086".into()]));
    assert!(resolve(&dns, "nobody.linkerd.svc.").await.is_err_and(|e| e.contains("nobody.linkerd.svc.")));
    let mut text = String::new();
    dns.registry.render(&mut text);
    for line in [
        r#"control_dns_resolutions_total{client="headless.linkerd.svc.",record_type="srv",result="ok"} 1"#,
        r#"control_dns_resolutions_total{client="plain.linkerd.svc.",record_type="srv",result="error"} 1"#,
        r#"control_dns_resolutions_total{client="plain.linkerd.svc.",record_type="a/aaaa",result="ok"} 1"#,
        r#"control_dns_resolutions_total{client="nobody.linkerd.svc.",record_type="a/aaaa",result="error"} 1"#,
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
}

#[tokio::test]
async fn answers_are_kept_only_when_their_life_is_bounded() {
    let seconds = Duration::from_secs;
    // The records say five seconds; that a name has no address of the other kind is never kept.
    for (lookups, again) in [
        (None, true),
        (Some(Lookups { min: seconds(0), max: None }), false),
        (Some(Lookups { min: seconds(60), max: None }), false),
        (Some(Lookups { min: seconds(0), max: Some(seconds(0)) }), true),
    ] {
        let (dns, asked) = resolver_of(lookups).await;
        let mut counts = [0; 2];
        for count in &mut counts {
            assert!(resolve(&dns, "headless.linkerd.svc.").await.is_ok());
            *count = asked.load(Ordering::SeqCst);
        }
        assert_eq!(counts[1] == 2 * counts[0], again, "{lookups:?} {counts:?}");
    }
}
