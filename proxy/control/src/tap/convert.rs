//! A request's rule. In: as the client says it. Out: compiled, or a sentence. Never here: events.

use linkerd2_proxy_api::http_types;
use linkerd2_proxy_api::tap::observe_request as api;
use std::net::IpAddr;
use table::observe::{Rule, Tcp, Text};

/// Parts of a rule.
const PARTS: usize = 256;

/// Are heads wanted?
pub(super) fn wants_headers(extract: Option<&api::Extract>) -> bool {
    use api::extract::Extract::Http;
    extract.and_then(|extract| extract.extract).is_some_and(|Http(http)| http.extract.is_some())
}

/// The rule of a request; without one, every request.
pub(super) fn rule(rule: Option<api::Match>) -> Result<Rule, String> {
    match rule.and_then(|rule| rule.r#match) {
        None => Ok(Rule::All(Box::default())),
        Some(rule) => {
            let mut left = PARTS;
            one(rule, &mut left)
        }
    }
}

fn one(rule: api::r#match::Match, left: &mut usize) -> Result<Rule, String> {
    use api::r#match::Match as M;
    *left = left.checked_sub(1).ok_or_else(|| format!("a match may have {PARTS} parts"))?;
    Ok(match rule {
        M::All(seq) => Rule::All(several(seq, left)?),
        M::Any(seq) => Rule::Any(several(seq, left)?),
        M::Not(rule) => Rule::Not(Box::new(one(rule.r#match.ok_or("a match under `not` is empty")?, left)?)),
        M::Source(rule) => Rule::Source(tcp(rule)?),
        M::Destination(rule) => Rule::Destination(tcp(rule)?),
        M::DestinationLabel(label) => Rule::DestinationLabel(label.key.into(), label.value.into()),
        M::RouteLabel(label) => Rule::RouteLabel(label.key.into(), label.value.into()),
        M::Http(rule) => http(rule)?,
    })
}

fn several(seq: api::r#match::Seq, left: &mut usize) -> Result<Box<[Rule]>, String> {
    let parts = seq.matches.into_iter();
    parts.map(|part| one(part.r#match.ok_or("a match in a sequence is empty")?, left)).collect()
}

fn tcp(rule: api::r#match::Tcp) -> Result<Tcp, String> {
    use api::r#match::tcp::Match as M;
    match rule.r#match.ok_or("a TCP match is empty")? {
        M::Netmask(net) => {
            let ip = net.ip.ok_or("a netmask has no address")?;
            let ip = IpAddr::try_from(ip).map_err(|error| format!("a netmask's address: {error}"))?;
            let most = if ip.is_ipv4() { 32 } else { 128 };
            let len = u8::try_from(net.mask).ok().filter(|&len| len <= most);
            Ok(Tcp::Net(ip, len.ok_or_else(|| format!("a netmask has {} bits; {ip} has {most}", net.mask))?))
        }
        M::Ports(range) => {
            // One end alone is that port.
            let (first, last) = match (range.min, range.max) {
                (0, 0) => return Err("a port range is empty".into()),
                (0, one) | (one, 0) => (one, one),
                both => both,
            };
            let port = |port: u32| u16::try_from(port).map_err(|_| format!("{port} is no port"));
            let (first, last) = (port(first)?, port(last)?);
            (first <= last)
                .then_some(Tcp::Ports(first, last))
                .ok_or_else(|| format!("{first} to {last} is no port range"))
        }
    }
}

fn http(rule: api::r#match::Http) -> Result<Rule, String> {
    use api::r#match::http::Match as M;
    Ok(match rule.r#match.ok_or("an HTTP match is empty")? {
        M::Scheme(scheme) => Rule::Scheme(scheme_name(scheme)?.into()),
        M::Method(method) => Rule::Method(method_name(method)?.into()),
        M::Authority(rule) => Rule::Authority(text(rule)?),
        M::Path(rule) => Rule::Path(text(rule)?),
    })
}

fn text(rule: api::r#match::http::StringMatch) -> Result<Text, String> {
    use api::r#match::http::string_match::Match as M;
    Ok(match rule.r#match.ok_or("a string match is empty")? {
        M::Exact(whole) => Text::Exact(whole.into()),
        M::Prefix(start) => Text::Prefix(start.into()),
    })
}

fn scheme_name(scheme: http_types::Scheme) -> Result<String, String> {
    use http_types::scheme::{Registered, Type};
    Ok(match scheme.r#type.ok_or("a scheme is empty")? {
        Type::Registered(number) => {
            let known = Registered::try_from(number).map_err(|_| format!("{number} is no scheme"))?;
            known.as_str_name().to_ascii_lowercase()
        }
        Type::Unregistered(name) => name,
    })
}

fn method_name(method: http_types::HttpMethod) -> Result<String, String> {
    use http_types::http_method::{Registered, Type};
    Ok(match method.r#type.ok_or("a method is empty")? {
        Type::Registered(number) => {
            Registered::try_from(number).map_err(|_| format!("{number} is no method"))?.as_str_name().to_owned()
        }
        Type::Unregistered(name) => name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::r#match::{Http as HttpRule, Label, Match as M, Seq, Tcp as TcpRule, http as h, tcp as t};

    fn whole(rule: M) -> Option<api::Match> {
        Some(api::Match { r#match: Some(rule) })
    }

    fn seq(rules: &[M]) -> Seq {
        Seq { matches: rules.iter().cloned().filter_map(whole).collect() }
    }

    fn ports(min: u32, max: u32) -> M {
        M::Source(TcpRule { r#match: Some(t::Match::Ports(t::PortRange { min, max })) })
    }

    fn net(ip: &str, mask: u32) -> M {
        let ip = Some(ip.parse::<IpAddr>().expect("an address").into());
        M::Destination(TcpRule { r#match: Some(t::Match::Netmask(t::Netmask { ip, mask })) })
    }

    fn http_rule(rule: h::Match) -> M {
        M::Http(HttpRule { r#match: Some(rule) })
    }

    #[test]
    fn rules_are_compiled_or_refused_with_a_sentence() {
        let label = Label { key: "a".into(), value: "b".into() };
        let prefix = h::StringMatch { r#match: Some(h::string_match::Match::Prefix("/x".into())) };
        let post = http_types::http_method::Type::Registered(1);
        let post = http_types::HttpMethod { r#type: Some(post) };
        for (said, expected) in [
            (None, Ok(Rule::All(Box::default()))),
            (whole(M::All(seq(&[]))), Ok(Rule::All(Box::default()))),
            (
                whole(M::Any(seq(&[ports(80, 0), ports(0, 81), ports(1, 9)]))),
                Ok(Rule::Any([(80, 80), (81, 81), (1, 9)].map(|(a, b)| Rule::Source(Tcp::Ports(a, b))).into())),
            ),
            (whole(net("10.0.0.0", 8)), Ok(Rule::Destination(Tcp::Net([10, 0, 0, 0].into(), 8)))),
            (whole(M::DestinationLabel(label.clone())), Ok(Rule::DestinationLabel("a".into(), "b".into()))),
            (
                whole(M::Not(Box::new(api::Match { r#match: Some(M::RouteLabel(label)) }))),
                Ok(Rule::Not(Box::new(Rule::RouteLabel("a".into(), "b".into())))),
            ),
            (whole(http_rule(h::Match::Path(prefix))), Ok(Rule::Path(Text::Prefix("/x".into())))),
            (whole(http_rule(h::Match::Method(post))), Ok(Rule::Method("POST".into()))),
            (whole(http_rule(h::Match::Scheme("https".into()))), Ok(Rule::Scheme("https".into()))),
            (whole(net("10.0.0.0", 33)), Err("a netmask has 33 bits")),
            (whole(ports(0, 0)), Err("a port range is empty")),
            (whole(ports(9, 1)), Err("9 to 1 is no port range")),
            (whole(ports(1, 70_000)), Err("70000 is no port")),
            (whole(M::All(Seq { matches: vec![api::Match { r#match: None }] })), Err("a match in a sequence is empty")),
            (whole(M::All(seq(&vec![ports(1, 1); PARTS]))), Err("a match may have 256 parts")),
            (whole(http_rule(h::Match::Method(Default::default()))), Err("a method is empty")),
        ] {
            match (rule(said), expected) {
                (Ok(got), Ok(expected)) => assert_eq!(got, expected),
                (Err(got), Err(start)) => assert!(got.starts_with(start), "{got}"),
                (got, expected) => panic!("{got:?} instead of {expected:?}"),
            }
        }
    }
}
