use super::*;
use http::{Fields, Form, Version};
use proptest::prelude::*;
use table::outbound::Rule;

fn request<'a>(method: &'a str, authority: &'a str, path: &'a str) -> Request<'a> {
    Request {
        method: method.as_bytes(),
        scheme: b"http",
        authority: authority.as_bytes(),
        path: path.as_bytes(),
        version: Version::H2,
        form: Form::Origin,
        fields: Fields::EMPTY,
    }
}

fn rule(hosts: &[HostMatch], path: Option<PathMatch>, method: Option<&str>, query: &[(&str, &str)]) -> Rule {
    let query = query.iter().map(|(k, v)| ((*k).into(), TextMatch::Exact((*v).into()))).collect();
    Rule {
        hosts: hosts.into(),
        matches: Box::new([RequestMatch { path, method: method.map(Into::into), headers: Box::default(), query }]),
        filters: Box::default(),
        timeouts: Default::default(),
        retry: None,
        wishes: false,
        split: Default::default(),
        route: Default::default(),
        profile_labels: std::sync::Arc::from([]),
        failures: Box::default(),
    }
}

#[test]
fn the_most_exact_rule_wins() {
    let exact = |p: &str| Some(PathMatch::Exact(p.into()));
    let prefix = |p: &str| Some(PathMatch::Prefix(p.into()));
    let routes = Routes {
        trivial: false,
        in_order: false,
        rules: Box::new([
            rule(&[], prefix("/"), None, &[]),
            rule(&[], prefix("/a"), None, &[]),
            rule(&[], exact("/a/b"), None, &[]),
            rule(&[], prefix("/a"), Some("POST"), &[]),
            rule(&[], prefix("/q"), None, &[("k", "a b")]),
            rule(&[HostMatch::Suffix(".test".into())], None, None, &[]),
            rule(&[HostMatch::Exact("web.test".into())], None, None, &[]),
        ]),
    };
    for (method, authority, path, wanted) in [
        ("GET", "x", "/", 0),
        ("GET", "x", "/ab", 0),
        ("GET", "x", "/a", 1),
        ("GET", "x", "/a/c?x", 1),
        ("POST", "x", "/a/c", 3),
        ("POST", "x", "/a/b", 2),
        ("GET", "x", "/q?k=a+b", 4),
        ("GET", "x", "/q?k=a%20b&l", 4),
        ("GET", "x", "/q?k=c", 0),
        ("GET", "API.test:80", "/a/b", 5),
        ("GET", "web.test", "/a/b", 6),
        ("GET", ".test", "/zz", 0),
    ] {
        assert_eq!(outbound(&routes, &request(method, authority, path)), Some(wanted), "{method} {authority}{path}");
    }
}

#[test]
fn rules_of_a_profile_are_taken_in_order() {
    let prefix = |p: &str| Some(PathMatch::Prefix(p.into()));
    let routes = Routes {
        trivial: false,
        in_order: true,
        rules: Box::new([
            rule(&[], prefix("/a"), None, &[]),
            rule(&[], prefix("/a"), Some("POST"), &[]),
            rule(&[], Some(PathMatch::Exact("/a/b".into())), None, &[]),
            rule(&[], None, None, &[]),
        ]),
    };
    for (method, path, wanted) in [("GET", "/a", 0), ("POST", "/a", 0), ("GET", "/a/b", 0), ("GET", "/b", 3)] {
        assert_eq!(outbound(&routes, &request(method, "x", path)), Some(wanted), "{method} {path}");
    }
}

#[test]
fn the_prefix_that_matched() {
    let on = |path: Option<PathMatch>| RequestMatch { path, ..RequestMatch::default() };
    let prefix = |p: &str| on(Some(PathMatch::Prefix(p.into())));
    for (case, matches, wanted) in [
        ("none at all", vec![], Some("/")),
        ("every path", vec![on(None)], Some("/")),
        ("the longest", vec![prefix("/a"), prefix("/a/b"), prefix("/c")], Some("/a/b")),
        ("an exact one is better", vec![prefix("/a"), on(Some(PathMatch::Exact("/a/b/c".into())))], None),
        ("another one", vec![prefix("/x")], None),
    ] {
        assert_eq!(prefix_of(&matches), wanted, "{case}");
    }
}

fn prefix_of(matches: &[RequestMatch]) -> Option<&str> {
    super::prefix(matches, &request("GET", "x", "/a/b/c?d"))
}

/// One rule as plain words, small enough that all of it collides.
#[derive(Clone, Debug)]
struct Wish {
    host: Option<(bool, &'static str)>,
    path: Option<(u8, &'static str)>,
    method: Option<&'static str>,
    query: Vec<(&'static str, &'static str)>,
}

impl Wish {
    fn rule(&self) -> Rule {
        let host = self.host.map(|(exact, name)| match exact {
            true => HostMatch::Exact(name.into()),
            false => HostMatch::Suffix(format!(".{name}").into()),
        });
        let hosts: Vec<_> = host.into_iter().collect();
        let path = self.path.map(|(kind, text)| match kind {
            0 => PathMatch::Prefix(text.into()),
            1 => PathMatch::Exact(text.into()),
            _ => PathMatch::Regex(table::outbound::Pattern(std::sync::Arc::new(move |path| path.contains(text)))),
        });
        rule(&hosts, path, self.method, &self.query)
    }

    /// The standard's words, one by one and without a shortcut: how well it matches, worst first.
    fn merit(&self, method: &str, host: &str, path: &str, query: &[(&str, &str)]) -> Option<Vec<usize>> {
        let host_merit = match self.host {
            None => vec![0, 0],
            Some((true, name)) if host == name => vec![2, name.len()],
            Some((false, name))
                if host.strip_suffix(name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')) =>
            {
                vec![1, name.len() + 1]
            }
            Some(_) => return None,
        };
        let under = |prefix: &str| {
            let wanted: Vec<_> = prefix.split('/').filter(|part| !part.is_empty()).collect();
            let have: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
            have.starts_with(&wanted)
        };
        let path_merit = match self.path {
            None => vec![0, 0],
            Some((0, prefix)) if under(prefix) => vec![1, prefix.len()],
            Some((1, exact)) if path == exact => vec![3, exact.len()],
            Some((2, text)) if path.contains(text) => vec![2, 0],
            Some(_) => return None,
        };
        let asked = self.method.is_none_or(|wanted| wanted == method);
        let queried = self.query.iter().all(|pair| query.contains(pair));
        let rest = vec![0, self.query.len(), usize::from(self.method.is_some())];
        (asked && queried).then(|| [host_merit, path_merit, rest].concat())
    }
}

fn wish() -> impl Strategy<Value = Wish> {
    let names = prop::sample::select(vec!["a.test", "b.a.test", "test"]);
    let paths = prop::sample::select(vec!["/", "/a", "/a/b", "/a/b/c", "/ab"]);
    let queries = prop::sample::select(vec![("k", "1"), ("k", "2"), ("l", "1")]);
    (
        prop::option::of((any::<bool>(), names)),
        prop::option::of((0u8..3, paths)),
        prop::option::of(prop::sample::select(vec!["GET", "POST"])),
        prop::collection::vec(queries, 0..2),
    )
        .prop_map(|(host, path, method, query)| Wish { host, path, method, query })
}

proptest! {
    #[test]
    fn agrees_with_a_naive_reading_of_the_standard(
        wishes in prop::collection::vec(wish(), 0..8),
        method in prop::sample::select(vec!["GET", "POST", "PUT"]),
        host in prop::sample::select(vec!["a.test", "b.a.test", "test", "x.b.a.test", "other"]),
        path in prop::sample::select(vec!["/", "/a", "/a/b", "/a/b/c", "/ab", "/a/bc"]),
        query in prop::collection::vec(prop::sample::select(vec![("k", "1"), ("k", "2"), ("l", "1")]), 0..3),
        in_order in any::<bool>(),
    ) {
        let merits: Vec<_> = wishes.iter().map(|wish| wish.merit(method, host, path, &query)).collect();
        let mut wanted: Option<usize> = None;
        for (index, merit) in merits.iter().enumerate() {
            let better = match (merit, wanted) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(merit), Some(held)) => !in_order && Some(merit) > merits[held].as_ref(),
            };
            if better {
                wanted = Some(index);
            }
        }
        let rules: Vec<_> = wishes.iter().map(Wish::rule).collect();
        let routes = Routes { rules: rules.into(), trivial: false, in_order };
        let pairs: Vec<_> = query.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let target = format!("{path}?{}", pairs.join("&"));
        prop_assert_eq!(outbound(&routes, &request(method, host, &target)), wanted);
    }
}
