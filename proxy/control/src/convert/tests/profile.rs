use super::{FQN, detect, merged, resource, strings};
use crate::convert::Slot;
use linkerd2_proxy_api::{destination as api, http_types};
use table::outbound::{PathMatch, Protocol, RequestMatch, Split};

const HERE: &str = "web.default.svc.cluster.local:80";
const V2: &str = "web-v2.default.svc.cluster.local:80";

fn m(kind: api::request_match::Match) -> api::RequestMatch {
    api::RequestMatch { r#match: Some(kind) }
}

fn path(regex: &str) -> api::RequestMatch {
    m(api::request_match::Match::Path(api::PathMatch { regex: regex.into() }))
}

fn method(name: &str) -> api::RequestMatch {
    let method = http_types::HttpMethod { r#type: Some(http_types::http_method::Type::Unregistered(name.into())) };
    m(api::request_match::Match::Method(method))
}

fn seq(matches: Vec<api::RequestMatch>) -> api::request_match::Seq {
    api::request_match::Seq { matches }
}

fn not(inner: api::RequestMatch) -> api::RequestMatch {
    m(api::request_match::Match::Not(Box::new(inner)))
}

fn profile(condition: api::RequestMatch) -> api::DestinationProfile {
    let route =
        api::Route { condition: Some(condition), metrics_labels: strings(&[("route", "r")]), ..Default::default() };
    api::DestinationProfile {
        fully_qualified_name: FQN.into(),
        routes: vec![route],
        parent_ref: Some(resource("Service", "web")),
        ..Default::default()
    }
}

fn holds(matches: &[RequestMatch], method: &str, path: &str) -> bool {
    let fits = |p: &Option<PathMatch>| match p {
        None => true,
        Some(PathMatch::Regex(p)) => (p.0)(path),
        Some(other) => panic!("{other:?}"),
    };
    matches.is_empty() || matches.iter().any(|m| fits(&m.path) && m.method.as_deref().is_none_or(|want| want == method))
}

#[test]
fn conditions_of_every_shape_decide_as_written() {
    use api::request_match::Match::{All, Any};
    let both = || m(All(seq(vec![path("/a.*"), method("GET")])));
    for (case, condition, table) in [
        ("path is anchored", path("/a"), [("GET", "/a", true), ("GET", "/ab", false), ("PUT", "/a", true)]),
        ("all", both(), [("GET", "/ab", true), ("PUT", "/ab", false), ("GET", "/b", false)]),
        (
            "any",
            m(Any(seq(vec![path("/a"), method("PUT")]))),
            [("GET", "/a", true), ("PUT", "/x", true), ("GET", "/x", false)],
        ),
        ("not all", not(both()), [("GET", "/ab", false), ("PUT", "/ab", true), ("GET", "/b", true)]),
        ("not path", not(path("/a")), [("GET", "/a", false), ("GET", "/b", true), ("PUT", "/b", true)]),
        (
            "two methods never",
            m(All(seq(vec![method("GET"), method("PUT")]))),
            [("GET", "/", false), ("PUT", "/", false), ("POST", "/", false)],
        ),
    ] {
        let (t, _) = merged(Slot::Absent, Slot::Is(profile(condition)));
        for (method, path, expected) in table {
            assert_eq!(holds(&t.http.rules[0].matches, method, path), expected, "{case}: {method} {path}");
        }
    }
}

#[test]
fn a_condition_that_cannot_be_read_matches_nothing_and_the_rest_still_flows() {
    let (t, _) = merged(Slot::Absent, Slot::Is(profile(path("("))));
    assert!(!holds(&t.http.rules[0].matches, "GET", "/"));
    assert!(t.http.rules.len() == 2 && t.http.rules[1].matches.is_empty());
    assert_eq!(t.http.rules[0].profile_labels.len(), 1);
}

#[test]
fn overrides_beat_policy_for_http_and_for_opaque() {
    let dst = |authority: &str, weight| api::WeightedDst { authority: authority.into(), weight, backend_ref: None };
    let split = api::DestinationProfile {
        fully_qualified_name: FQN.into(),
        dst_overrides: vec![dst(HERE, 9), dst(V2, 1)],
        ..Default::default()
    };
    let (t, paths) = merged(Slot::Is(detect(&[("other.default.svc.cluster.local:80", 1)])), Slot::Is(split));
    assert_eq!(paths[1..], [HERE, V2]);
    for split in [&t.http.rules[0].split, &t.streams[0].split] {
        let Split::Random(arms) = split else { panic!("{split:?}") };
        assert_eq!(
            arms.iter().map(|a| (a.weight, &*t.backends[a.backend as usize].meta.name)).collect::<Vec<_>>(),
            [(9, "web"), (1, "web-v2")]
        );
    }
}

#[test]
fn routes_without_overrides_leave_opaque_to_policy() {
    let (t, _) = merged(Slot::Is(detect(&[(V2, 1)])), Slot::Is(profile(path("/"))));
    assert!(
        matches!(&t.streams[0].split, Split::First(arms) if &*t.backends[arms[0].backend as usize].meta.name == V2)
    );
    assert_eq!((t.http.rules.len(), t.logical.as_deref()), (2, Some(HERE)));
}

#[test]
fn an_empty_profile_changes_nothing_and_opaque_protocol_forces_opaque() {
    let (t, _) = merged(Slot::Is(detect(&[(HERE, 1)])), Slot::Is(api::DestinationProfile::default()));
    assert!(matches!(t.protocol, Protocol::Detect(_)) && t.backends.len() == 1);
    let opaque = api::DestinationProfile { opaque_protocol: true, ..Default::default() };
    assert_eq!(merged(Slot::Is(detect(&[(HERE, 1)])), Slot::Is(opaque)).0.protocol, Protocol::Opaque);
}

#[test]
fn response_classes_become_ranges() {
    let range = |min, max| api::ResponseMatch {
        r#match: Some(api::response_match::Match::Status(api::HttpStatusRange { min, max })),
    };
    let class = |condition, is_failure| api::ResponseClass { condition: Some(condition), is_failure };
    for (classes, expected) in [
        (vec![], vec![]),
        (vec![class(range(404, 0), true)], vec![(404, 404), (500, 599)]),
        (vec![class(range(501, 599), false)], vec![(500, 500)]),
        (vec![class(range(500, 599), false)], vec![(0, 0)]),
        (vec![class(range(100, 599), true)], vec![(100, 599)]),
    ] {
        let mut p = profile(path("/"));
        p.routes[0].response_classes = classes;
        p.routes[0].is_retryable = true;
        let (t, _) = merged(Slot::Absent, Slot::Is(p));
        assert_eq!(t.http.rules[0].failures.to_vec(), expected);
        assert!(t.http.rules[0].retry.as_ref().is_some_and(|r| !r.status.is_empty()));
    }
}
