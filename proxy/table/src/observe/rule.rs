//! A tap's rule, compiled: plain values, no allocation to match.
//!
//! In: what is known of a request that goes to a destination. Out: yes or no.

use crate::Labels;
use std::net::{IpAddr, SocketAddr};

/// Which requests a tap wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Each of them; none: every request.
    All(Box<[Rule]>),
    /// One of them; none: no request.
    Any(Box<[Rule]>),
    /// Those that it does not want.
    Not(Box<Rule>),
    /// Who asks.
    Source(Tcp),
    /// Who answers.
    Destination(Tcp),
    /// A label of the destination, name and value.
    DestinationLabel(Box<str>, Box<str>),
    /// A label of the route, name and value.
    RouteLabel(Box<str>, Box<str>),
    /// `http` or `https`, any letter case.
    Scheme(Box<str>),
    /// Byte for byte.
    Method(Box<str>),
    /// Host and port.
    Authority(Text),
    /// Without query.
    Path(Text),
}

/// An address or a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tcp {
    /// Inside a block.
    Net(IpAddr, u8),
    /// First and last port.
    Ports(u16, u16),
}

/// A text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Text {
    /// The whole.
    Exact(Box<str>),
    /// Its beginning.
    Prefix(Box<str>),
}

/// What a rule looks at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Who asks.
    pub source: SocketAddr,
    /// Who answers.
    pub destination: SocketAddr,
    /// Of the destination.
    pub labels: &'a Labels,
    /// Of the route.
    pub route: &'a Labels,
    /// `http` where the wire did not say.
    pub scheme: &'a [u8],
    /// GET and so on.
    pub method: &'a [u8],
    /// Host and port.
    pub authority: &'a [u8],
    /// Without query.
    pub path: &'a [u8],
}

impl Rule {
    /// Whether the request is wanted.
    pub fn wants(&self, seen: &Seen<'_>) -> bool {
        match self {
            Self::All(rules) => rules.iter().all(|rule| rule.wants(seen)),
            Self::Any(rules) => rules.iter().any(|rule| rule.wants(seen)),
            Self::Not(rule) => !rule.wants(seen),
            Self::Source(tcp) => tcp.fits(seen.source),
            Self::Destination(tcp) => tcp.fits(seen.destination),
            Self::DestinationLabel(name, value) => has(seen.labels, name, value),
            Self::RouteLabel(name, value) => has(seen.route, name, value),
            Self::Scheme(scheme) => seen.scheme.eq_ignore_ascii_case(scheme.as_bytes()),
            Self::Method(method) => seen.method == method.as_bytes(),
            Self::Authority(text) => text.fits(seen.authority),
            Self::Path(text) => text.fits(seen.path),
        }
    }
}

impl Tcp {
    fn fits(&self, addr: SocketAddr) -> bool {
        match self {
            Self::Ports(first, last) => (*first..=*last).contains(&addr.port()),
            Self::Net(net, len) => match (net, addr.ip().to_canonical()) {
                (IpAddr::V4(net), IpAddr::V4(ip)) => {
                    same(u128::from(net.to_bits()) << 96, u128::from(ip.to_bits()) << 96, *len)
                }
                (IpAddr::V6(net), IpAddr::V6(ip)) => same(net.to_bits(), ip.to_bits(), *len),
                _ => false,
            },
        }
    }
}

fn same(net: u128, ip: u128, len: u8) -> bool {
    (net ^ ip).checked_shr(128 - u32::from(len.min(128))).unwrap_or(0) == 0
}

impl Text {
    fn fits(&self, text: &[u8]) -> bool {
        match self {
            Self::Exact(whole) => text == whole.as_bytes(),
            Self::Prefix(start) => text.starts_with(start.as_bytes()),
        }
    }
}

fn has(labels: &Labels, name: &str, value: &str) -> bool {
    labels.iter().any(|(n, v)| **n == *name && **v == *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn a_rule_looks_at_each_part_of_a_request() {
        let (dst, route) = (labels(&[("deployment", "web")]), labels(&[("route", "/books")]));
        let seen = Seen {
            source: "10.1.2.3:5000".parse().expect("an address"),
            destination: "[fd00::1:2]:8080".parse().expect("an address"),
            labels: &dst,
            route: &route,
            scheme: b"http",
            method: b"GET",
            authority: b"web:8080",
            path: b"/books/7",
        };
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (yes, no) = (Rule::All(Box::default()), Rule::Any(Box::default()));
        for (rule, wanted) in [
            (yes.clone(), true),
            (no.clone(), false),
            (Rule::Not(Box::new(yes.clone())), false),
            (Rule::All([yes.clone(), no.clone()].into()), false),
            (Rule::Any([no.clone(), yes].into()), true),
            (Rule::Source(Tcp::Net(ip("10.1.0.0"), 16)), true),
            (Rule::Source(Tcp::Net(ip("10.1.2.4"), 32)), false),
            (Rule::Source(Tcp::Net(ip("0.0.0.0"), 0)), true),
            (Rule::Source(Tcp::Net(ip("fd00::"), 0)), false),
            (Rule::Destination(Tcp::Net(ip("fd00::1:0"), 112)), true),
            (Rule::Destination(Tcp::Net(ip("fd00::1:3"), 128)), false),
            (Rule::Source(Tcp::Ports(5000, 5000)), true),
            (Rule::Destination(Tcp::Ports(8000, 8079)), false),
            (Rule::Destination(Tcp::Ports(8000, 8080)), true),
            (Rule::DestinationLabel("deployment".into(), "web".into()), true),
            (Rule::DestinationLabel("deployment".into(), "we".into()), false),
            (Rule::RouteLabel("route".into(), "/books".into()), true),
            (Rule::RouteLabel("deployment".into(), "web".into()), false),
            (Rule::Scheme("HTTP".into()), true),
            (Rule::Scheme("https".into()), false),
            (Rule::Method("GET".into()), true),
            (Rule::Method("get".into()), false),
            (Rule::Authority(Text::Exact("web:8080".into())), true),
            (Rule::Authority(Text::Exact("web".into())), false),
            (Rule::Authority(Text::Prefix("web".into())), true),
            (Rule::Path(Text::Prefix("/books/".into())), true),
            (Rule::Path(Text::Exact("/books".into())), false),
        ] {
            assert_eq!(rule.wants(&seen), wanted, "{rule:?}");
        }
    }
}
