use super::resource;
use crate::convert::inbound::server;
use linkerd2_proxy_api::inbound::http_local_rate_limit::r#override::ClientIdentities;
use linkerd2_proxy_api::inbound::http_local_rate_limit::{Limit, Override};
use linkerd2_proxy_api::inbound::{self as api, proxy_protocol as kinds};
use table::inbound::RateLimit;

fn limit() -> Option<api::HttpLocalRateLimit> {
    let per = |requests_per_second| Some(Limit { requests_per_second });
    let clients = |names: &[&str]| {
        let identities = names.iter().map(|name| api::Identity { name: (*name).into() }).collect();
        Some(ClientIdentities { identities })
    };
    Some(api::HttpLocalRateLimit {
        metadata: Some(resource("HTTPLocalRateLimitPolicy", "calm")),
        total: per(100),
        identity: per(10),
        overrides: vec![
            Override { limit: per(50), clients: clients(&["a.b", "c.d"]) },
            Override { limit: None, clients: clients(&["e.f"]) },
            Override { limit: per(5), clients: clients(&[]) },
        ],
    })
}

fn of(kind: kinds::Kind) -> Option<Box<RateLimit>> {
    server(&api::Server { protocol: Some(api::ProxyProtocol { kind: Some(kind) }), ..Default::default() }).limit
}

#[test]
fn every_kind_that_can_be_limited_is() {
    let http = |local_rate_limit| kinds::Kind::Http1(kinds::Http1 { local_rate_limit, ..Default::default() });
    for kind in [
        kinds::Kind::Detect(kinds::Detect { http_local_rate_limit: limit(), ..Default::default() }),
        http(limit()),
        kinds::Kind::Http2(kinds::Http2 { local_rate_limit: limit(), ..Default::default() }),
    ] {
        let limit = of(kind).expect("a limit");
        assert_eq!((&*limit.meta.kind, &*limit.meta.name), ("HTTPLocalRateLimitPolicy", "calm"));
        assert_eq!((limit.total, limit.identity), (Some(100), Some(10)));
        let [(names, 50)] = &*limit.overrides else { panic!("{:?}", limit.overrides) };
        assert_eq!(names.iter().map(|n| &**n).collect::<Vec<_>>(), ["a.b", "c.d"]);
    }
    assert_eq!(of(http(None)), None);
    assert_eq!(of(http(Some(api::HttpLocalRateLimit::default()))), None, "a limit that limits nothing");
    assert_eq!(of(kinds::Kind::Opaque(kinds::Opaque {})), None);
}
