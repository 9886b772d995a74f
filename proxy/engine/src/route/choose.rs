//! Which rule a request falls under: hosts first, then path, headers, query, method; between equals the first. Rules of a service
//! profile are taken in order instead: the first that matches.
//!
//! In: a request head and rules. Out: an index. Pure.
//! Never here: percent-decoding of paths (they come normalised), filters.

use http::Request;
use table::inbound::Route;
use table::outbound::{HostMatch, PathMatch, RequestMatch, Routes, TextMatch};

/// How well something matched; larger is better.
type Rank = ((u8, usize), (u8, usize), usize, usize, u8);

/// The rule of an outbound target.
pub(crate) fn outbound(routes: &Routes, request: &Request<'_>) -> Option<usize> {
    if routes.trivial {
        return Some(0);
    }
    if routes.in_order {
        return routes.rules.iter().position(|rule| rank(&rule.hosts, &rule.matches, request).is_some());
    }
    let mut best: Option<(Rank, usize)> = None;
    for (index, rule) in routes.rules.iter().enumerate() {
        if let Some(rank) = rank(&rule.hosts, &rule.matches, request)
            && best.is_none_or(|(held, _)| rank > held)
        {
            best = Some((rank, index));
        }
    }
    best.map(|(_, index)| index)
}

/// Route and rule of an inbound port.
pub(crate) fn inbound(routes: &[Route], request: &Request<'_>) -> Option<(usize, usize)> {
    let mut best: Option<(Rank, (usize, usize))> = None;
    for (r, route) in routes.iter().enumerate() {
        for (i, (matches, _)) in route.rules.iter().enumerate() {
            if let Some(rank) = rank(&route.hosts, matches, request)
                && best.is_none_or(|(held, _)| rank > held)
            {
                best = Some((rank, (r, i)));
            }
        }
    }
    best.map(|(_, found)| found)
}

/// The prefix by which the best of a rule's matches took a request; none: it was not by a prefix.
pub(crate) fn prefix<'a>(matches: &'a [RequestMatch], request: &Request<'_>) -> Option<&'a str> {
    if matches.is_empty() {
        return Some("/");
    }
    let ranked = matches.iter().filter_map(|m| Some((match_rank(m, request)?, m)));
    let best = ranked.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    match &best.1.path {
        None => Some("/"),
        Some(PathMatch::Prefix(prefix)) => Some(prefix),
        Some(PathMatch::Exact(_) | PathMatch::Regex(_)) => None,
    }
}

/// Whether what a path says can change the answer: then it must be in normal form first.
pub(crate) fn by_path<'a>(mut matches: impl Iterator<Item = &'a RequestMatch>) -> bool {
    matches.any(|m| {
        !matches!(&m.path, None | Some(PathMatch::Prefix(_)))
            || matches!(&m.path, Some(PathMatch::Prefix(p)) if &**p != "/")
    })
}

fn rank(hosts: &[HostMatch], matches: &[RequestMatch], request: &Request<'_>) -> Option<Rank> {
    let host =
        if hosts.is_empty() { (0, 0) } else { hosts.iter().filter_map(|h| host_rank(h, request.authority)).max()? };
    if matches.is_empty() {
        return Some((host, (0, 0), 0, 0, 0));
    }
    let best = matches.iter().filter_map(|m| match_rank(m, request)).max()?;
    Some((host, best.0, best.1, best.2, best.3))
}

fn host_rank(pattern: &HostMatch, authority: &[u8]) -> Option<(u8, usize)> {
    let host = without_port(authority);
    match pattern {
        HostMatch::Exact(name) => host.eq_ignore_ascii_case(name.as_bytes()).then_some((2, name.len())),
        HostMatch::Suffix(suffix) => {
            let tail = host.len().checked_sub(suffix.len()).filter(|&n| n > 0)?;
            host[tail..].eq_ignore_ascii_case(suffix.as_bytes()).then_some((1, suffix.len()))
        }
    }
}

/// The host of an authority.
pub(crate) fn without_port(authority: &[u8]) -> &[u8] {
    match authority.iter().rposition(|&b| b == b':') {
        Some(colon) if authority[colon + 1..].iter().all(u8::is_ascii_digit) => &authority[..colon],
        _ => authority,
    }
}

fn match_rank(wanted: &RequestMatch, request: &Request<'_>) -> Option<((u8, usize), usize, usize, u8)> {
    let (path, query) = match request.path.iter().position(|&b| b == b'?') {
        Some(mark) => (&request.path[..mark], &request.path[mark + 1..]),
        None => (request.path, &[][..]),
    };
    let path = match &wanted.path {
        None => (0, 0),
        Some(PathMatch::Exact(exact)) => (path == exact.as_bytes()).then_some((3, exact.len()))?,
        Some(PathMatch::Regex(pattern)) => std::str::from_utf8(path).is_ok_and(|p| (pattern.0)(p)).then_some((2, 0))?,
        Some(PathMatch::Prefix(prefix)) => prefixed(path, prefix.as_bytes()).then_some((1, prefix.len()))?,
    };
    let method = match &wanted.method {
        None => 0,
        Some(method) => (request.method == method.as_bytes()).then_some(1)?,
    };
    let headers = wanted.headers.iter().all(|(name, value)| {
        let mut found = request.fields.iter().filter(|f| f.name.eq_ignore_ascii_case(name.as_bytes()));
        found.any(|f| text(value, f.value)) || (name.as_ref() == "host" && text(value, request.authority))
    });
    let query = headers && wanted.query.iter().all(|(name, value)| in_query(query, name, value));
    query.then_some((path, wanted.headers.len(), wanted.query.len(), method))
}

/// Whole segments: `/a` is a prefix of `/a` and `/a/b`, not of `/ab`.
fn prefixed(path: &[u8], prefix: &[u8]) -> bool {
    let prefix = prefix.strip_suffix(b"/").unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

fn text(wanted: &TextMatch, value: &[u8]) -> bool {
    match wanted {
        TextMatch::Exact(exact) => value == exact.as_bytes(),
        TextMatch::Regex(pattern) => std::str::from_utf8(value).is_ok_and(|v| (pattern.0)(v)),
    }
}

fn in_query(query: &[u8], name: &str, wanted: &TextMatch) -> bool {
    query.split(|&b| b == b'&').any(|pair| {
        let (key, value) = match pair.iter().position(|&b| b == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        };
        decode(key) == name.as_bytes() && text(wanted, &decode(value))
    })
}

/// Form decoding; what is no valid escape stands for itself.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        let escape = if *byte == b'%' { tail.first_chunk::<2>().and_then(|hex| hex_byte(*hex)) } else { None };
        match (byte, escape) {
            (_, Some(decoded)) => {
                out.push(decoded);
                rest = &tail[2..];
            }
            (b'+', None) => {
                out.push(b' ');
                rest = tail;
            }
            (other, None) => {
                out.push(*other);
                rest = tail;
            }
        }
    }
    out
}

fn hex_byte(hex: [u8; 2]) -> Option<u8> {
    let digit = |b: u8| (b as char).to_digit(16);
    Some((digit(hex[0])? * 16 + digit(hex[1])?) as u8)
}

#[cfg(test)]
mod tests;
