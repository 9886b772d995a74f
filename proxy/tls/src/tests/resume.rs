//! Sessions that begin with a ticket, and those that must not.

use super::*;

/// One connection under these configurations: whether it was resumed, and who each side says the other is.
fn connect(client: &Arc<rustls::ClientConfig>, name: &str, server: &Arc<rustls::ServerConfig>) -> Option<bool> {
    let mut client = Session::client(client.clone(), name).expect("client");
    let mut server = Session::server(server.clone()).expect("server");
    assert_eq!(shake(&mut client, &mut server, 700).ok()?, b"hello");
    assert_eq!((server.peer().as_deref(), client.resumed()), (Some("a.test"), server.resumed()));
    assert!(client.peer().is_some() && !client.stale() && !server.stale());
    Some(server.resumed())
}

#[test]
fn a_second_connection_brings_no_certificates() {
    let ca = ca();
    let (a, b) = (ca.issue("a.test", "a.test").expect("a"), ca.issue("b.test", "b.test").expect("b"));
    for direct in [false, true] {
        let config = client_for(&a, &peer("b.test", "b.test"), direct);
        let server = if direct { &b.direct } else { &b.server };
        let told: Vec<_> = (0..3).map(|_| connect(&config, "b.test", server)).collect();
        assert_eq!(told, [Some(false), Some(true), Some(true)], "direct: {direct}");
    }
}

#[test]
fn tickets_die_with_certificates_anchors_and_expectations() {
    let ca = ca();
    let (a, b) = (ca.issue("a.test", "a.test").expect("a"), ca.issue("spiffe://t/b", "b.test").expect("b"));
    let expected = peer("spiffe://t/b", "b.test");
    let config = client_for(&a, &expected, false);
    assert_eq!(connect(&config, "b.test", &b.server), Some(false));
    // The server was renewed, or its anchors changed: its old tickets are nothing to it.
    let renewed = ca.issue("spiffe://t/b", "b.test").expect("b");
    assert_eq!(connect(&config, "b.test", &renewed.server), Some(false));
    assert_eq!(connect(&config, "b.test", &renewed.server), Some(true));
    // We were renewed: another configuration, without tickets.
    let again = ca.issue("a.test", "a.test").expect("a");
    assert_eq!(connect(&client_for(&again, &expected, false), "b.test", &renewed.server), Some(false));
    // Somebody else is expected under the same name: what was learned about the first counts for nothing.
    let mut other = rustls::ClientConfig::clone(&client_for(&a, &peer("spiffe://t/c", "b.test"), false));
    other.resumption = config.resumption.clone();
    assert_eq!(connect(&Arc::new(other), "b.test", &renewed.server), None);
}

#[test]
fn a_certificate_that_has_ended_since_is_no_ticket() {
    let ca = ca();
    let b = ca.issue("b.test", "b.test").expect("b");
    let until = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    let (make, parts) =
        ca.made("a.test", "a.test", &["a.test"], |params| params.not_after = until.into()).expect("made");
    let config = client_for(&parts.credentials(make).expect("a"), &peer("b.test", "b.test"), false);
    assert_eq!(connect(&config, "b.test", &b.server), Some(false));
    while !ended(&parts.leaf.clone().into()) {
        pause();
    }
    let mut client = Session::client(config, "b.test").expect("client");
    let mut server = Session::server(b.server.clone()).expect("server");
    assert!(shake(&mut client, &mut server, 700).is_ok());
    assert!(server.resumed() && server.stale() && !client.stale(), "the engine ends it before a byte is used");
}

#[allow(clippy::disallowed_methods, reason = "a test of the wall clock")]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(50));
}
