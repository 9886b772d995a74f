//! Hosts, requests, filters: the vocabulary that inbound and outbound routes share.

use linkerd2_proxy_api::{grpc_route, http_route, http_types, tls_route};
use regex_lite::Regex;
use std::sync::Arc;
use table::outbound::{Filter, HeaderEdits, HostMatch, PathMatch, Pattern, RequestMatch, TextMatch};

/// All of a route's parts, or why the route cannot be used.
pub(super) type Parsed<T> = Result<T, String>;

/// Parts per million that mean: always.
pub(super) const ALWAYS: u32 = 1_000_000;

/// An anchored pattern.
pub(super) fn pattern(text: &str) -> Parsed<Pattern> {
    let regex = Regex::new(&format!("^(?:{text})$")).map_err(|error| format!("pattern {text:?}: {error}"))?;
    Ok(Pattern(Arc::new(move |value| regex.is_match(value))))
}

pub(super) fn hosts(from: &[http_route::HostMatch]) -> Parsed<Box<[HostMatch]>> {
    from.iter().map(host).collect()
}

fn host(from: &http_route::HostMatch) -> Parsed<HostMatch> {
    use http_route::host_match::Match;
    match from.r#match.as_ref().ok_or("a host match of a kind we do not know")? {
        Match::Exact(name) => Ok(HostMatch::Exact(name.to_ascii_lowercase().into())),
        Match::Suffix(suffix) => Ok(below(&suffix.reverse_labels)),
    }
}

/// Names of a ClientHello.
pub(super) fn server_names(from: &[tls_route::SniMatch]) -> Parsed<Box<[HostMatch]>> {
    use tls_route::sni_match::Match;
    let name =
        |from: &tls_route::SniMatch| match from.r#match.as_ref().ok_or("a name match of a kind we do not know")? {
            Match::Exact(name) => Ok(HostMatch::Exact(name.to_ascii_lowercase().into())),
            Match::Suffix(suffix) => Ok(below(&suffix.reverse_labels)),
        };
    from.iter().map(name).collect()
}

fn below(reverse_labels: &[String]) -> HostMatch {
    let labels: Vec<_> = reverse_labels.iter().rev().map(|l| l.to_ascii_lowercase()).collect();
    HostMatch::Suffix(format!(".{}", labels.join(".")).into())
}

pub(super) fn requests(from: &[http_route::HttpRouteMatch]) -> Parsed<Box<[RequestMatch]>> {
    from.iter().map(request).collect()
}

fn request(from: &http_route::HttpRouteMatch) -> Parsed<RequestMatch> {
    use http_route::path_match::Kind;
    let path = match &from.path {
        None => None,
        Some(path) => Some(match path.kind.as_ref().ok_or("a path match of a kind we do not know")? {
            Kind::Exact(path) => PathMatch::Exact(path.as_str().into()),
            Kind::Prefix(path) => PathMatch::Prefix(path.as_str().into()),
            Kind::Regex(text) => PathMatch::Regex(pattern(text)?),
        }),
    };
    // The root as a prefix is every path: nothing to compare.
    let path = path.filter(|p| !matches!(p, PathMatch::Prefix(p) if &**p == "/"));
    let query = from.query_params.iter().map(|q| {
        use http_route::query_param_match::Value;
        let value = match q.value.as_ref().ok_or("a query match of a kind we do not know")? {
            Value::Exact(text) => TextMatch::Exact(text.as_str().into()),
            Value::Regex(text) => TextMatch::Regex(pattern(text)?),
        };
        Ok((q.name.as_str().into(), value))
    });
    Ok(RequestMatch {
        path,
        method: from.method.as_ref().map(method).transpose()?,
        headers: from.headers.iter().map(header).collect::<Parsed<_>>()?,
        query: query.collect::<Parsed<_>>()?,
    })
}

pub(super) fn method(from: &http_types::HttpMethod) -> Parsed<Box<str>> {
    use http_types::http_method::{Registered, Type};
    match from.r#type.as_ref().ok_or("a method of a kind we do not know")? {
        Type::Unregistered(name) => Ok(name.as_str().into()),
        Type::Registered(number) => Registered::try_from(*number)
            .map(|m| m.as_str_name().into())
            .map_err(|_| format!("method number {number} is unknown")),
    }
}

fn header(from: &http_route::HeaderMatch) -> Parsed<(Box<str>, TextMatch)> {
    use http_route::header_match::Value;
    let value = match from.value.as_ref().ok_or("a header match of a kind we do not know")? {
        Value::Exact(bytes) => TextMatch::Exact(text(bytes)?),
        Value::Regex(text) => TextMatch::Regex(pattern(text)?),
    };
    Ok((from.name.to_ascii_lowercase().into(), value))
}

fn text(bytes: &[u8]) -> Parsed<Box<str>> {
    std::str::from_utf8(bytes).map(Into::into).map_err(|_| "a header value that is not text".to_owned())
}

/// gRPC methods are paths: `/service/method`, or everything below `/service`.
pub(super) fn rpcs(from: &[grpc_route::GrpcRouteMatch]) -> Parsed<Box<[RequestMatch]>> {
    from.iter().map(rpc).collect()
}

fn rpc(from: &grpc_route::GrpcRouteMatch) -> Parsed<RequestMatch> {
    let (service, method) = from.rpc.as_ref().map_or(("", ""), |r| (r.service.as_str(), r.method.as_str()));
    let path = match (service, method) {
        ("", "") => None,
        (service, "") => Some(PathMatch::Prefix(format!("/{service}").into())),
        ("", method) => {
            let end = format!("/{method}");
            Some(PathMatch::Regex(Pattern(Arc::new(move |path| path.ends_with(&end)))))
        }
        (service, method) => Some(PathMatch::Exact(format!("/{service}/{method}").into())),
    };
    let headers = from.headers.iter().map(header).collect::<Parsed<_>>()?;
    Ok(RequestMatch { path, headers, ..RequestMatch::default() })
}

/// Does this one match everything?
pub(super) fn everything(m: &RequestMatch) -> bool {
    m.path.is_none() && m.method.is_none() && m.headers.is_empty() && m.query.is_empty()
}

pub(super) fn fail(status: u32, message: &str, ratio: Option<&http_route::Ratio>) -> Filter {
    let status = u16::try_from(status).unwrap_or(500);
    Filter::Fail { status, grpc: false, message: message.into(), ratio: millionths(ratio) }
}

pub(super) fn fail_rpc(code: u32, message: &str, ratio: Option<&http_route::Ratio>) -> Filter {
    let status = u16::try_from(code).unwrap_or(2);
    Filter::Fail { status, grpc: true, message: message.into(), ratio: millionths(ratio) }
}

fn millionths(ratio: Option<&http_route::Ratio>) -> u32 {
    match ratio {
        Some(r) if r.denominator > 0 => {
            let millionths = u64::from(r.numerator) * u64::from(ALWAYS) / u64::from(r.denominator);
            u32::try_from(millionths).unwrap_or(ALWAYS).min(ALWAYS)
        }
        _ => ALWAYS,
    }
}
pub(super) fn edits(
    add: Option<&http_types::Headers>,
    set: Option<&http_types::Headers>,
    remove: &[String],
) -> Parsed<HeaderEdits> {
    let pairs = |from: Option<&http_types::Headers>| -> Parsed<Box<[(Box<str>, Box<str>)]>> {
        let headers = from.map_or(&[][..], |h| &h.headers);
        headers.iter().map(|h| Ok((h.name.to_ascii_lowercase().into(), text(&h.value)?))).collect()
    };
    let remove = remove.iter().map(|name| name.to_ascii_lowercase().into()).collect();
    Ok(HeaderEdits { add: pairs(add)?, set: pairs(set)?, remove })
}

pub(super) fn request_edits(m: &http_route::RequestHeaderModifier) -> Parsed<Filter> {
    edits(m.add.as_ref(), m.set.as_ref(), &m.remove).map(Filter::Request)
}

pub(super) fn redirect(from: &http_route::RequestRedirect) -> Parsed<Filter> {
    use http_route::path_modifier::Replace;
    use http_types::scheme::{Registered, Type};
    let scheme = match from.scheme.as_ref().and_then(|s| s.r#type.as_ref()) {
        None => None,
        Some(Type::Unregistered(name)) => Some(name.as_str().into()),
        Some(Type::Registered(n)) => {
            let known = Registered::try_from(*n).map_err(|_| format!("scheme number {n} is unknown"))?;
            Some(known.as_str_name().to_ascii_lowercase().into())
        }
    };
    let path = match from.path.as_ref().map(|p| p.replace.as_ref()) {
        None => None,
        Some(Some(Replace::Full(path))) => Some((path.as_str().into(), false)),
        Some(Some(Replace::Prefix(path))) => Some((path.as_str().into(), true)),
        Some(None) => return Err("a path change of a kind we do not know".into()),
    };
    Ok(Filter::Redirect {
        scheme,
        host: Some(from.host.as_str()).filter(|h| !h.is_empty()).map(Into::into),
        port: u16::try_from(from.port).map_err(|_| format!("{} is no port", from.port))?,
        path,
        status: u16::try_from(from.status).ok().filter(|s| (300..400).contains(s)).unwrap_or(301),
    })
}
