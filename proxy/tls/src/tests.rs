//! Handshakes between configurations made here, byte for byte in memory.

mod resume;
mod strangers;

use crate::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use std::sync::Arc;
use table::Credentials;
use table::outbound::Peer;

struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn ca() -> Ca {
    let key = KeyPair::generate().expect("key");
    let mut params = CertificateParams::new(Vec::new()).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("signed").pem();
    Ca { pem, issuer: Issuer::new(params, key) }
}

impl Ca {
    fn issue(&self, identity: &str, server_name: &str) -> Result<Credentials, TlsError> {
        self.made(identity, server_name, &[identity], |_| {}).and_then(|(make, parts)| parts.credentials(make))
    }

    /// A certificate with these names, changed by `change`, and how to make credentials of it.
    fn made<'a>(
        &self,
        identity: &'a str,
        server_name: &'a str,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Result<(Make, Parts<'a>), TlsError> {
        let key = KeyPair::generate().expect("key");
        let mut params = CertificateParams::new(Vec::new()).expect("params");
        let name = |name: &&str| match name.contains(':') {
            true => SanType::URI((*name).try_into().expect("ascii")),
            false => SanType::DnsName((*name).try_into().expect("ascii")),
        };
        params.subject_alt_names = names.iter().map(name).collect();
        change(&mut params);
        let leaf = params.signed_by(&key, &self.issuer).expect("signed").der().to_vec();
        let roots = anchors(&self.pem)?;
        Ok((credentials, Parts { identity, server_name, leaf, key: key.serialize_der(), roots }))
    }
}

type Make = fn(&str, &str, &[u8], &[Vec<u8>], &[u8], &Arc<rustls::RootCertStore>) -> Result<Credentials, TlsError>;

/// What credentials are made of.
struct Parts<'a> {
    identity: &'a str,
    server_name: &'a str,
    leaf: Vec<u8>,
    key: Vec<u8>,
    roots: Arc<rustls::RootCertStore>,
}

impl Parts<'_> {
    fn credentials(&self, make: Make) -> Result<Credentials, TlsError> {
        make(self.identity, self.server_name, &self.leaf, &[], &self.key, &self.roots)
    }
}

/// Runs the handshake in pieces of `step` bytes, then sends `hello` from the client. Returns what the server read.
fn shake(client: &mut Session, server: &mut Session, step: usize) -> Result<Vec<u8>, rustls::Error> {
    let (mut to_server, mut to_client, mut got, mut none) = (vec![], vec![], vec![], vec![]);
    let mut up = client.feed(&mut [], &mut none, &mut to_server).ready;
    let (mut kept_server, mut kept_client) = (vec![], vec![]);
    for _ in 0..20 {
        for part in std::mem::take(&mut to_server).chunks(step) {
            kept_server.extend_from_slice(part);
            let fed = server.feed(&mut kept_server, &mut got, &mut to_client);
            kept_server.drain(..fed.used);
            fed.error.map_or(Ok(()), Err)?;
        }
        for part in std::mem::take(&mut to_client).chunks(step) {
            kept_client.extend_from_slice(part);
            let fed = client.feed(&mut kept_client, &mut none, &mut to_server);
            kept_client.drain(..fed.used);
            fed.error.map_or(Ok(()), Err)?;
            if fed.ready && !std::mem::replace(&mut up, true) {
                assert!(client.encrypt(b"hello", &mut to_server));
            }
        }
    }
    Ok(got)
}

fn peer(identity: &str, server_name: &str) -> Peer {
    Peer { identity: identity.into(), server_name: server_name.into() }
}

fn sessions(a: &Credentials, b: &Credentials, expected: &Peer, direct: bool) -> (Session, Session) {
    let client = Session::client(client_for(a, expected, direct), &expected.server_name).expect("client");
    let config = if direct { b.direct.clone() } else { b.server.clone() };
    (client, Session::server(config).expect("server"))
}

#[test]
fn both_sides_learn_who_the_other_is() {
    let ca = ca();
    let (a, b) = (ca.issue("a.test", "a.test").expect("a"), ca.issue("b.test", "b.test").expect("b"));
    for step in [1, 7, 100_000] {
        let (mut client, mut server) = sessions(&a, &b, &peer("b.test", "b.test"), true);
        assert_eq!(shake(&mut client, &mut server, step).expect("handshake"), b"hello");
        assert_eq!(server.peer().as_deref(), Some("a.test"));
        assert_eq!(client.peer().as_deref(), Some("b.test"));
        assert_eq!(client.alpn(), Some(ALPN_DIRECT));
    }
}

#[test]
fn an_identity_may_differ_from_the_server_name() {
    let ca = ca();
    let id = "spiffe://test/ns/b";
    let (a, b) = (ca.issue("a.test", "a.test").expect("a"), ca.issue(id, "b.test").expect("b"));
    let (mut client, mut server) = sessions(&a, &b, &peer(id, "b.test"), false);
    assert!(shake(&mut client, &mut server, 1000).is_ok());
    let (mut client, mut server) = sessions(&a, &b, &peer("spiffe://test/ns/c", "b.test"), false);
    assert!(shake(&mut client, &mut server, 1000).is_err());
}

#[test]
fn strangers_are_refused_on_both_sides() {
    let (ours, theirs) = (ca(), ca());
    let (a, b) = (ours.issue("a.test", "a.test").expect("a"), theirs.issue("b.test", "b.test").expect("b"));
    let (mut client, mut server) = sessions(&a, &b, &peer("b.test", "b.test"), false);
    assert!(shake(&mut client, &mut server, 1000).is_err());
    let other = ours.issue("c.test", "c.test").expect("c");
    let (mut client, mut server) = sessions(&a, &other, &peer("b.test", "b.test"), false);
    assert!(shake(&mut client, &mut server, 1000).is_err());
}

#[test]
fn a_client_without_a_certificate_gets_in_nameless() {
    let ca = ca();
    let b = ca.issue("b.test", "b.test").expect("b");
    let config = anonymous_client(&anchors(&ca.pem).expect("anchors")).expect("config");
    let mut client = Session::client(config, "b.test").expect("client");
    let mut server = Session::server(Arc::clone(&b.direct)).expect("server");
    assert_eq!(shake(&mut client, &mut server, 1000).expect("handshake"), b"hello");
    assert_eq!(server.peer(), None);
}

#[test]
fn broken_parts_are_refused_with_a_reason() {
    let (ca, other) = (ca(), ca());
    assert!(matches!(anchors("nothing"), Err(TlsError::Anchors(_))));
    let key = KeyPair::generate().expect("key");
    let leaf = CertificateParams::new(vec!["a.test".into()]).expect("params").signed_by(&key, &ca.issuer).expect("ok");
    let (ours, theirs) = (anchors(&ca.pem).expect("ok"), anchors(&other.pem).expect("ok"));
    let make = |id, roots| credentials(id, id, leaf.der(), &[], &key.serialize_der(), roots).err();
    assert!(make("a.test", &ours).is_none());
    assert!(matches!(make("b.test", &ours), Some(TlsError::Identity(_))));
    assert!(matches!(make("a.test", &theirs), Some(TlsError::Certificate(_))));
}

#[test]
fn rubbish_after_a_hello_is_one_error_and_one_alert() {
    let ca = ca();
    let (a, b) = (ca.issue("a.test", "a.test").expect("a"), ca.issue("b.test", "b.test").expect("b"));
    let mut client = Session::client(a.client.clone(), "b.test").expect("session");
    let (mut none, mut sent, mut told) = (vec![], vec![], vec![]);
    client.feed(&mut [], &mut none, &mut sent);
    let mut server = Session::server(b.server.clone()).expect("session");
    server.feed(&mut sent, &mut none, &mut told);
    told.clear();
    let mut rubbish = [0x17, 3, 3, 0, 1, 0].repeat(40);
    let fed = server.feed(&mut rubbish, &mut none, &mut told);
    assert!(fed.error.is_some() && none.is_empty());
    // One record of an encrypted alert.
    let length = usize::from(told[3]) << 8 | usize::from(told[4]);
    assert_eq!(told.len(), 5 + length);
}
