//! Does a port's policy let this client at this path? For the admin server, which is no worker's connection.

use std::net::IpAddr;
use table::Meta;
use table::inbound::{Authentication, Authorization, Network, Route, Server};
use table::outbound::PathMatch;

/// What a policy says of a request.
#[derive(Clone, Copy, Debug)]
pub struct Verdict<'a> {
    /// The route that its path falls under.
    pub route: Option<&'a Meta>,
    /// What let it in; absent: nothing did, or it came from this very machine.
    pub authorization: Option<&'a Meta>,
    /// It may enter.
    pub allowed: bool,
}

/// Let in when an authorization of a route that matches the path, or of the server, fits the client.
pub fn judge<'a>(server: &'a Server, path: &str, from: IpAddr, tls: bool, identity: Option<&str>) -> Verdict<'a> {
    let route = server.routes.iter().find(|r| covers(r, path));
    let of_routes = server.routes.iter().filter(|r| covers(r, path)).flat_map(|r| &r.authorizations);
    let found = of_routes.chain(&server.authorizations).find(|a| fits(a, from, tls, identity));
    Verdict {
        route: route.map(|route| &route.meta),
        authorization: found.map(|authorization| &authorization.meta),
        allowed: found.is_some() || server.allow_loopback && from.is_loopback(),
    }
}

fn covers(route: &Route, path: &str) -> bool {
    let matched = |m: &Option<PathMatch>| match m {
        None => true,
        Some(PathMatch::Exact(exact)) => &**exact == path,
        Some(PathMatch::Prefix(prefix)) => {
            let rest = path.strip_prefix(prefix.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        Some(PathMatch::Regex(pattern)) => (pattern.0)(path),
    };
    route.rules.iter().any(|(matches, _)| matches.is_empty() || matches.iter().any(|m| matched(&m.path)))
}

fn fits(authorization: &Authorization, from: IpAddr, tls: bool, identity: Option<&str>) -> bool {
    authorization.networks.iter().any(|n| inside(n, from))
        && match &authorization.authentication {
            Authentication::Unauthenticated => true,
            Authentication::Encrypted => tls,
            Authentication::Identities { exact, suffixes } => identity.is_some_and(|id| {
                let dns = !id.contains("://");
                exact.iter().any(|e| **e == *id) || (dns && suffixes.iter().any(|s| s.is_empty() || id.ends_with(&**s)))
            }),
        }
}

fn inside(network: &Network, ip: IpAddr) -> bool {
    use crate::discover::within;
    within(ip, network.net.0, network.net.1) && !network.except.iter().any(|&(net, len)| within(ip, net, len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::convert::inbound::default_server;
    use crate::env::{DefaultPolicy, Permit, Scope};
    use std::time::Duration;

    #[test]
    fn policies_and_clients() {
        use {Permit::*, Scope::*};
        let cluster = [([10, 0, 0, 0].into(), 8)];
        for (policy, from, identity, expected) in [
            (DefaultPolicy::Deny, "10.1.1.1", Some("a.b"), false),
            (DefaultPolicy::Deny, "127.0.0.1", None, true),
            (DefaultPolicy::Allow(All, Unauthenticated), "8.8.8.8", None, true),
            (DefaultPolicy::Allow(Cluster, Unauthenticated), "8.8.8.8", Some("a.b"), false),
            (DefaultPolicy::Allow(All, Authenticated), "10.1.1.1", None, false),
            (DefaultPolicy::Allow(All, Authenticated), "10.1.1.1", Some("a.b"), true),
        ] {
            let server = default_server(policy, &cluster, false, Duration::from_secs(10));
            let from = from.parse().expect("an address");
            assert_eq!(
                judge(&server, "/metrics", from, identity.is_some(), identity).allowed,
                expected,
                "{policy:?} {from} {identity:?}"
            );
        }
    }
}
