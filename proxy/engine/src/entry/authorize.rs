//! Who may enter: pure comparisons of a client with a port's authorizations.
//!
//! In: remote address, what TLS proved, authorizations in order. Out: the first that lets in.

use crate::base::conn::Tls;
use std::net::IpAddr;
use table::inbound::{Authentication, Authorization, Network};

/// The first authorization that lets this client in.
pub(crate) fn allowed<'a>(
    mut authorizations: impl Iterator<Item = &'a Authorization>,
    remote: IpAddr,
    tls: &Tls,
) -> Option<(usize, &'a Authorization)> {
    let mut index = 0;
    authorizations.find_map(|authorization| {
        let held = authorization.networks.iter().any(|network| within(network, remote))
            && proven(&authorization.authentication, tls);
        index += 1;
        held.then_some((index - 1, authorization))
    })
}

fn within(network: &Network, ip: IpAddr) -> bool {
    covers(network.net, ip) && !network.except.iter().any(|&block| covers(block, ip))
}

/// Whether an address lies in a block.
pub(crate) fn covers((base, bits): (IpAddr, u8), ip: IpAddr) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let shift = width.saturating_sub(u32::from(bits));
        // A shift by the whole width is the block of everything.
        shift >= width || a >> shift == b >> shift
    };
    match (base, ip) {
        (IpAddr::V4(base), IpAddr::V4(ip)) => same(u128::from(u32::from(base)), u128::from(u32::from(ip)), 32),
        (IpAddr::V6(base), IpAddr::V6(ip)) => same(u128::from(base), u128::from(ip), 128),
        _ => false,
    }
}

fn proven(wanted: &Authentication, tls: &Tls) -> bool {
    match (wanted, tls) {
        (Authentication::Unauthenticated, _) | (Authentication::Encrypted, Tls::Mesh(_)) => true,
        (Authentication::Identities { exact, suffixes }, Tls::Mesh(Some(client))) => {
            exact.iter().any(|name| name == client)
                || !client.contains("://") && suffixes.iter().any(|suffix| client.ends_with(&**suffix))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(net: &str, bits: u8, except: &[(&str, u8)], authentication: Authentication) -> Authorization {
        let ip = |text: &str| text.parse().expect("address");
        let except = except.iter().map(|(block, bits)| (ip(block), *bits)).collect();
        let networks = Box::new([Network { net: (ip(net), bits), except }]);
        Authorization { networks, authentication, meta: Default::default() }
    }

    fn named(exact: &[&str], suffixes: &[&str]) -> Authentication {
        Authentication::Identities {
            exact: exact.iter().map(|s| (*s).into()).collect(),
            suffixes: suffixes.iter().map(|s| (*s).into()).collect(),
        }
    }

    #[test]
    fn networks_and_names_decide_together() {
        let mesh = |name: &str| Tls::Mesh(Some(name.into()));
        let open = || Authentication::Unauthenticated;
        for (case, authorization, remote, tls, wanted) in [
            ("anybody", authorization("0.0.0.0", 0, &[], open()), "10.1.2.3", Tls::None, true),
            ("wrong family", authorization("0.0.0.0", 0, &[], open()), "fd00::1", Tls::None, false),
            ("v6", authorization("fd00::", 8, &[], open()), "fd12::1", Tls::None, true),
            ("in block", authorization("10.0.0.0", 8, &[], open()), "10.9.9.9", Tls::None, true),
            ("out of block", authorization("10.0.0.0", 8, &[], open()), "11.0.0.1", Tls::None, false),
            ("excepted", authorization("10.0.0.0", 8, &[("10.1.0.0", 16)], open()), "10.1.0.1", Tls::None, false),
            ("single", authorization("10.0.0.1", 32, &[], open()), "10.0.0.2", Tls::None, false),
            ("no tls", authorization("0.0.0.0", 0, &[], Authentication::Encrypted), "1.1.1.1", Tls::None, false),
            (
                "nameless tls",
                authorization("0.0.0.0", 0, &[], Authentication::Encrypted),
                "1.1.1.1",
                Tls::Mesh(None),
                true,
            ),
            (
                "passed tls",
                authorization("0.0.0.0", 0, &[], Authentication::Encrypted),
                "1.1.1.1",
                Tls::Opaque("x".into()),
                false,
            ),
            ("name", authorization("0.0.0.0", 0, &[], named(&["a.b"], &[])), "1.1.1.1", mesh("a.b"), true),
            ("other name", authorization("0.0.0.0", 0, &[], named(&["a.b"], &[])), "1.1.1.1", mesh("c.b"), false),
            ("suffix", authorization("0.0.0.0", 0, &[], named(&[], &[".b"])), "1.1.1.1", mesh("c.b"), true),
            ("any name", authorization("0.0.0.0", 0, &[], named(&[], &[""])), "1.1.1.1", mesh("c.b"), true),
            (
                "any name, uri",
                authorization("0.0.0.0", 0, &[], named(&[], &[""])),
                "1.1.1.1",
                mesh("spiffe://x"),
                false,
            ),
            ("uri", authorization("0.0.0.0", 0, &[], named(&["spiffe://x"], &[])), "1.1.1.1", mesh("spiffe://x"), true),
        ] {
            let got = allowed([&authorization].into_iter(), remote.parse().expect("address"), &tls);
            assert_eq!(got.is_some(), wanted, "{case}");
        }
    }
}
