use super::{Effect, Hub, Limits, Rules, Watch};
use crate::convert::{Answer, Defaults, Slot, inbound};
use crate::env::{DefaultPolicy, Permit, Ports, Scope};
use linkerd2_proxy_api::destination::{DestinationProfile, WeightedDst};
use std::sync::Arc;
use std::time::{Duration, Instant};
use table::outbound::{Endpoints, Protocol, Source};
use table::{Ask, Lookup, PathId, Tell, WorkerId};

const W0: WorkerId = WorkerId(0);
const W1: WorkerId = WorkerId(1);
const A: &str = "a.default.svc.cluster.local:80";
const B: &str = "b.default.svc.cluster.local:80";

fn hub(limits: Limits) -> Hub {
    let defaults = Defaults { detect: None, queue: 10, failfast: Duration::from_secs(3) };
    let policy = DefaultPolicy::Allow(Scope::All, Permit::Unauthenticated);
    Hub::new(
        Rules { defaults, policy, cluster: Vec::new(), opaque: Ports::default(), detect: Duration::from_secs(10) },
        limits,
    )
}

fn lookup(n: u8) -> Lookup {
    Lookup::Addr(([10, 0, 0, n], 80).into())
}

/// A profile that splits over these paths.
fn answer(paths: &[&str]) -> Answer {
    let dst = |path: &&str| WeightedDst { authority: (*path).to_owned(), weight: 1, backend_ref: None };
    let profile = DestinationProfile {
        fully_qualified_name: "svc.default.svc.cluster.local".into(),
        dst_overrides: paths.iter().map(dst).collect(),
        ..Default::default()
    };
    Answer { policy: Slot::Absent, profile: Slot::Is(profile) }
}

fn set(known: bool) -> Arc<Endpoints> {
    Arc::new(Endpoints { known, ..Endpoints::default() })
}

/// Effects as short words: `0<target`, `1<path0?`, `+path0`.
fn words(hub: &mut Hub) -> Vec<String> {
    let watch = |w: Watch| match w {
        Watch::Target(_) => "target".to_owned(),
        Watch::Path(id, _) => format!("path{}", id.0),
        Watch::Port(port) => format!("port{port}"),
        Watch::Profile(name) => format!("profile of {name}"),
    };
    let word = |effect| match effect {
        Effect::Start(w) => format!("+{}", watch(w)),
        Effect::Stop(w) => format!("-{}", watch(w)),
        Effect::Tell(w, Tell::Target(_, t)) if t.source == Source::Fallback => format!("{}<fallback", w.0),
        Effect::Tell(w, Tell::Target(..)) => format!("{}<target", w.0),
        Effect::Tell(w, Tell::Endpoints(id, e)) => format!("{}<path{}{}", w.0, id.0, if e.known { "" } else { "?" }),
        Effect::Tell(w, Tell::Gone(id)) => format!("{}<gone{}", w.0, id.0),
        Effect::Tell(w, Tell::Port(port, _)) => format!("{}<port{port}", w.0),
        Effect::Tell(w, Tell::Profile(name, r)) => format!("{}<profile of {name}, {} rules", w.0, r.rules.len()),
        Effect::Tell(w, other) => format!("{}<{other:?}", w.0),
    };
    hub.effects().into_iter().map(word).collect()
}

#[test]
fn a_target_comes_after_its_endpoints_and_only_to_those_who_asked() {
    let (mut hub, now) = (hub(Limits::default()), Instant::now());
    hub.ask(W0, Ask::Target(lookup(1)), now);
    assert_eq!(words(&mut hub), ["+target"]);
    hub.answer(&lookup(1), &answer(&[A, B]), false);
    assert_eq!(words(&mut hub), ["+path0", "+path1", "0<path0?", "0<path1?", "0<target"]);
    hub.endpoints(PathId(0), set(true));
    assert_eq!(words(&mut hub), ["0<path0"]);
    hub.ask(W1, Ask::Target(lookup(1)), now);
    assert_eq!(words(&mut hub), ["1<path0", "1<path1?", "1<target"]);
    hub.ask(W0, Ask::Target(lookup(1)), now);
    assert_eq!(words(&mut hub), ["0<path0", "0<path1?", "0<target"], "asking twice is harmless");
}

#[test]
fn a_path_lives_while_any_target_uses_it() {
    let (mut hub, now) = (hub(Limits::default()), Instant::now());
    for n in [1, 2] {
        hub.ask(W0, Ask::Target(lookup(n)), now);
        hub.answer(&lookup(n), &answer(&[A]), false);
    }
    assert_eq!(words(&mut hub).iter().filter(|w| *w == "+path0").count(), 1);
    hub.answer(&lookup(1), &answer(&[B]), false);
    assert_eq!(words(&mut hub), ["+path1", "0<path1?", "0<target"]);
    hub.answer(&lookup(2), &answer(&[B]), false);
    assert_eq!(words(&mut hub), ["0<path1?", "0<target", "-path0", "0<gone0"]);
    hub.answer(&lookup(2), &answer(&[A]), false);
    assert_eq!(words(&mut hub)[0], "+path2", "numbers are not used twice");
}

#[test]
fn a_forgotten_target_lingers_then_rests_and_its_last_word_is_kept() {
    let (mut hub, now) = (hub(Limits::default()), Instant::now());
    hub.ask(W0, Ask::Target(lookup(1)), now);
    hub.answer(&lookup(1), &answer(&[A]), false);
    hub.endpoints(PathId(0), set(true));
    hub.ask(W0, Ask::Forget(lookup(1)), now);
    assert_eq!(words(&mut hub).last().map(String::as_str), Some("0<gone0"));
    hub.sweep(now + Duration::from_secs(59));
    assert_eq!(words(&mut hub), [""; 0]);
    hub.sweep(now + Duration::from_secs(60));
    assert_eq!(words(&mut hub), ["-target", "-path0"]);
    hub.ask(W1, Ask::Target(lookup(1)), now);
    assert_eq!(words(&mut hub), ["+path0", "+target"]);
    hub.answer(&lookup(1), &Answer::default(), true);
    assert_eq!(words(&mut hub), ["1<path0?", "1<target"], "the last word, when the control plane is silent");
    hub.path_late(PathId(0));
    assert_eq!(words(&mut hub), ["1<path0"]);
}

#[test]
fn silence_ends_in_a_forward_and_a_later_answer_upgrades_it() {
    let (mut hub, now) = (hub(Limits::default()), Instant::now());
    hub.ask(W0, Ask::Target(lookup(1)), now);
    hub.answer(&lookup(1), &Answer::default(), true);
    assert_eq!(words(&mut hub), ["+target", "0<fallback"]);
    hub.answer(&lookup(1), &answer(&[A]), false);
    assert_eq!(words(&mut hub), ["+path0", "0<path0?", "0<target"]);
    hub.ask(W0, Ask::Target(Lookup::Name(A.into())), now);
    hub.answer(&Lookup::Name(A.into()), &Answer::default(), true);
    let effects = hub.effects();
    assert!(matches!(&effects[1], Effect::Tell(_, Tell::Target(_, t)) if matches!(t.protocol, Protocol::Refuse(_))));
}

#[test]
fn bounds_hold_and_the_oldest_kept_target_goes_first() {
    let (mut hub, now) = (hub(Limits { targets: 2, kept: 1, ..Limits::default() }), Instant::now());
    for n in [1, 2] {
        hub.ask(W0, Ask::Target(lookup(n)), now);
        hub.answer(&lookup(n), &answer(&[A]), false);
    }
    words(&mut hub);
    hub.ask(W0, Ask::Target(lookup(3)), now);
    assert_eq!(words(&mut hub), ["0<fallback"], "no room: forwarded, not watched");
    hub.ask(W0, Ask::Forget(lookup(1)), now);
    hub.ask(W0, Ask::Forget(lookup(2)), now + Duration::from_secs(1));
    hub.sweep(now + Duration::from_secs(90));
    words(&mut hub);
    hub.ask(W0, Ask::Target(lookup(2)), now);
    assert_eq!(words(&mut hub), ["+path0", "+target"], "the newer one was kept");
    hub.ask(W0, Ask::Target(lookup(3)), now);
    assert_eq!(words(&mut hub), ["+target"]);
}

#[test]
fn a_port_waits_for_its_policy_a_little_then_the_default_holds() {
    let (mut hub, now) = (hub(Limits { ports: 1, ..Limits::default() }), Instant::now());
    hub.ask(W0, Ask::Port(8080), now);
    assert_eq!(words(&mut hub), ["+port8080"]);
    hub.port_late(8080, false);
    assert_eq!(words(&mut hub), ["0<port8080"]);
    let policy = inbound::default_server(DefaultPolicy::Deny, &[], false, Duration::ZERO);
    hub.port(8080, Arc::new(policy));
    assert_eq!(words(&mut hub), ["0<port8080"]);
    hub.ask(W1, Ask::Port(8080), now);
    assert_eq!(words(&mut hub), ["1<port8080"]);
    hub.ask(W0, Ask::Port(1), now);
    assert_eq!(words(&mut hub), ["0<port1"], "beyond the bound the default policy holds");
    for w in [W0, W1] {
        hub.ask(w, Ask::ForgetPort(8080), now);
    }
    hub.sweep(now + Duration::from_secs(61));
    assert_eq!(words(&mut hub), ["-port8080"]);
    hub.ask(W0, Ask::Port(8080), now);
    assert_eq!(words(&mut hub), ["+port8080", "0<port8080"], "the last policy stands while the stream comes back");
}

#[test]
fn an_eager_port_is_watched_for_ever() {
    let (mut hub, now) = (hub(Limits::default()), Instant::now());
    hub.watch_port(4191, true);
    hub.sweep(now + Duration::from_secs(3600));
    assert_eq!(words(&mut hub), ["+port4191"]);
    assert!(hub.policy_of(4191).is_some_and(|p| p.authorizations.len() == 1));
}

#[test]
fn a_profile_is_listened_to_while_a_worker_counts_by_it() {
    let (mut hub, now, name) = (hub(Limits::default()), Instant::now(), Arc::from("a"));
    hub.ask(W0, Ask::Profile(Arc::clone(&name)), now);
    hub.profile(&name, &Arc::default());
    assert_eq!(words(&mut hub), ["+profile of a", "0<profile of a, 0 rules"]);
    hub.ask(W1, Ask::Profile(Arc::clone(&name)), now);
    hub.ask(W0, Ask::ForgetProfile(Arc::clone(&name)), now);
    assert_eq!(words(&mut hub), ["1<profile of a, 0 rules"]);
    hub.ask(W1, Ask::ForgetProfile(Arc::clone(&name)), now);
    hub.profile(&name, &Arc::default());
    assert_eq!(words(&mut hub), ["-profile of a"]);
}
