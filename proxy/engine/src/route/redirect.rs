//! Where a redirect filter sends the client.
//!
//! In: the filter, the request, the matches of its rule. Out: status and location. Pure.

use crate::route::choose;
use crate::traffic::fault::Fault;
use http::Request;
use table::outbound::{Filter, RequestMatch};

/// The redirect, as the answer that it is.
pub(crate) fn redirect(filter: &Filter, head: &Request<'_>, matches: &[RequestMatch]) -> Fault {
    let Filter::Redirect { scheme, host, port, path, status } = filter else { return Fault::Invalid };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let scheme = scheme
        .as_deref()
        .map_or_else(|| if head.scheme.is_empty() { "http".into() } else { text(head.scheme) }, Into::into);
    let old = text(choose::without_port(head.authority));
    let host = host.as_deref().unwrap_or(&old);
    let port = match port {
        0 if host == old => text(&head.authority[old.len()..]),
        0 => String::new(),
        port => format!(":{port}"),
    };
    let path = match path {
        None => text(head.path),
        Some((whole, false)) => whole.to_string(),
        Some((prefix, true)) => match choose::prefix(matches, head) {
            Some(matched) => replaced(&text(head.path), matched, prefix),
            // The API forbids it, and nothing sensible can be said.
            None => return Fault::Invalid,
        },
    };
    Fault::Redirect(*status, format!("{scheme}://{host}{port}{path}").into())
}

/// The path with another prefix in the place of the matched one, which it has; whole segments.
fn replaced(path: &str, matched: &str, prefix: &str) -> String {
    let rest = path.get(matched.trim_end_matches('/').len()..).unwrap_or("");
    let prefix = prefix.trim_end_matches('/');
    let slash = if prefix.is_empty() && !rest.starts_with('/') { "/" } else { "" };
    format!("{prefix}{slash}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Fields, Form, Version};
    use table::outbound::PathMatch;

    #[test]
    fn the_matched_prefix_is_replaced() {
        // The table of the Gateway API, and what has a query.
        for (path, matched, prefix, wanted) in [
            ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz", "/xyz/bar"),
            ("/foo/bar", "/foo/", "/xyz/", "/xyz/bar"),
            ("/foo", "/foo", "/xyz", "/xyz"),
            ("/foo/", "/foo", "/xyz", "/xyz/"),
            ("/foo/bar", "/foo", "", "/bar"),
            ("/foo/", "/foo", "", "/"),
            ("/foo", "/foo", "", "/"),
            ("/foo", "/foo", "/", "/"),
            ("/foo?a=b", "/foo", "", "/?a=b"),
            ("/foo?a=b", "/foo", "/xyz", "/xyz?a=b"),
            ("/bar", "/", "/xyz", "/xyz/bar"),
        ] {
            assert_eq!(replaced(path, matched, prefix), wanted, "{path} {matched} {prefix}");
        }
    }

    #[test]
    fn locations() {
        let head = Request {
            method: b"GET",
            scheme: b"",
            authority: b"web:80",
            path: b"/a/b?c",
            version: Version::Http11,
            form: Form::Origin,
            fields: Fields::EMPTY,
        };
        let on = |path: Option<PathMatch>| [RequestMatch { path, ..RequestMatch::default() }];
        let prefix = || Some(PathMatch::Prefix("/a".into()));
        let to = |host: &str, port, path: Option<(&str, bool)>| Filter::Redirect {
            scheme: None,
            host: (!host.is_empty()).then(|| host.into()),
            port,
            path: path.map(|(path, prefix)| (path.into(), prefix)),
            status: 302,
        };
        for (case, filter, matches, wanted) in [
            ("as it came", to("", 0, None), on(None), Some("http://web:80/a/b?c")),
            ("another host", to("other", 0, None), on(None), Some("http://other/a/b?c")),
            ("another port", to("", 8080, None), on(None), Some("http://web:8080/a/b?c")),
            ("another path", to("", 0, Some(("/new", false))), on(None), Some("http://web:80/new")),
            ("another prefix", to("", 0, Some(("/new", true))), on(prefix()), Some("http://web:80/new/b?c")),
            ("of every path", to("", 0, Some(("/new", true))), on(None), Some("http://web:80/new/a/b?c")),
            ("no prefix", to("", 0, Some(("/n", true))), on(Some(PathMatch::Exact("/a/b".into()))), None),
        ] {
            let wanted = wanted.map_or(Fault::Invalid, |location| Fault::Redirect(302, location.into()));
            assert_eq!(redirect(&filter, &head, &matches), wanted, "{case}");
        }
        let nothing: &[RequestMatch] = &[];
        let got = redirect(&to("", 0, Some(("/new", true))), &head, nothing);
        assert_eq!(got, Fault::Redirect(302, "http://web:80/new/a/b?c".into()));
    }
}
