use super::{addr, strings, tcp};
use crate::convert::endpoint::endpoint;
use linkerd2_proxy_api::destination as dst;
use table::outbound::{Hint, Peer};

fn dns(name: &str) -> dst::TlsIdentity {
    dst::TlsIdentity {
        strategy: Some(dst::tls_identity::Strategy::DnsLikeIdentity(dst::tls_identity::DnsLikeIdentity {
            name: name.into(),
        })),
        server_name: None,
    }
}

fn meshed() -> dst::WeightedAddr {
    dst::WeightedAddr {
        addr: Some(tcp("10.1.0.9:8080")),
        weight: 10_000,
        metric_labels: strings(&[("pod", "web-1"), ("namespace", "mine")]),
        tls_identity: Some(dns("web.default.id")),
        protocol_hint: Some(dst::ProtocolHint {
            protocol: Some(dst::protocol_hint::Protocol::H2(dst::protocol_hint::H2 {})),
            opaque_transport: Some(dst::protocol_hint::OpaqueTransport { inbound_port: 4143 }),
        }),
        ..Default::default()
    }
}

#[test]
fn a_meshed_endpoint_has_identity_hint_header_and_sorted_labels() {
    let e = endpoint(&meshed(), &strings(&[("namespace", "default"), ("service", "web")])).expect("an endpoint");
    assert_eq!((e.addr, e.hint, e.inbound_port), (addr("10.1.0.9:8080"), Hint::H2, Some(4143)));
    assert_eq!(e.tls, Some(Peer { identity: "web.default.id".into(), server_name: "web.default.id".into() }));
    let labels: Vec<_> = e.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(labels, ["namespace=mine", "pod=web-1", "service=web"]);
}

#[test]
fn a_gateway_endpoint_names_its_target() {
    let over = dst::AuthorityOverride { authority_override: "Web.default.svc.cluster.local:80".into() };
    let e = endpoint(&dst::WeightedAddr { authority_override: Some(over), ..meshed() }, &strings(&[]))
        .expect("an endpoint");
    assert_eq!(e.authority.as_deref(), Some("web.default.svc.cluster.local:80"));
}

#[test]
fn an_endpoint_whose_identity_cannot_be_checked_is_not_used() {
    let uri =
        dst::tls_identity::Strategy::UriLikeIdentity(dst::tls_identity::UriLikeIdentity { uri: "spiffe://a/b".into() });
    for (case, identity) in [
        ("no strategy", dst::TlsIdentity { strategy: None, server_name: None }),
        ("empty name", dns("")),
        ("URI without server name", dst::TlsIdentity { strategy: Some(uri), server_name: None }),
    ] {
        assert!(
            endpoint(&dst::WeightedAddr { tls_identity: Some(identity), ..meshed() }, &strings(&[])).is_err(),
            "{case}"
        );
    }
    assert!(endpoint(&dst::WeightedAddr { addr: None, ..meshed() }, &strings(&[])).is_err());
}
