//! Certificates that must not get in, each with the reason that is counted.

use super::*;
use rcgen::{DnType, ExtendedKeyUsagePurpose, date_time_ymd};

#[test]
fn bad_client_certificates_are_refused_with_their_reason() {
    let (ca, other) = (ca(), super::ca());
    let b = ca.issue("b.test", "b.test").expect("b");
    let cn = |params: &mut CertificateParams| params.distinguished_name.push(DnType::CommonName, "a.test");
    type Change = Box<dyn FnOnce(&mut CertificateParams)>;
    let plain = || Box::new(|_: &mut CertificateParams| {}) as Change;
    for (case, ca, names, change, wanted) in [
        ("another authority", &other, &["a.test"][..], plain(), "certificate of another authority"),
        ("common name only", &ca, &[], Box::new(cn) as Change, "certificate names nobody"),
        ("a wildcard", &ca, &["*.a.test"], plain(), "certificate names nobody"),
        ("two URIs", &ca, &["spiffe://t/a", "spiffe://t/b"], plain(), "certificate with two identities"),
        ("a line in a URI", &ca, &["spiffe://t/a\r\nx: y"], plain(), "certificate with an odd name"),
        ("a blank in a URI", &ca, &["spiffe://t/a b"], plain(), "certificate with an odd name"),
        ("a URI like a DNS name", &ca, &["urn:a.test"], plain(), "certificate with an odd name"),
        ("ended", &ca, &["a.test"], Box::new(|p| p.not_after = date_time_ymd(2020, 1, 1)), "certificate expired"),
        (
            "not begun",
            &ca,
            &["a.test"],
            Box::new(|p| p.not_before = date_time_ymd(2090, 1, 1)),
            "certificate not yet valid",
        ),
        (
            "for servers only",
            &ca,
            &["a.test"],
            Box::new(|p| p.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
            "certificate for another purpose",
        ),
    ] {
        let (_, parts) = ca.made("a.test", "a.test", names, change).expect("made");
        let config = shown(&parts, &b);
        let mut client = Session::client(config, "b.test").expect("client");
        let mut server = Session::server(b.server.clone()).expect("server");
        let error = shake(&mut client, &mut server, 1000).expect_err(case);
        assert_eq!(reason(&error), wanted, "{case}: {error}");
    }
}

/// A client that shows this certificate, whatever it is, and trusts whom `b` trusts.
fn shown(parts: &Parts<'_>, b: &Credentials) -> Arc<rustls::ClientConfig> {
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(parts.key.clone().into());
    let config = rustls::ClientConfig::builder_with_provider(crate::credentials::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(crate::verify::Expect::sni(b.roots.clone())))
        .with_client_auth_cert(vec![parts.leaf.clone().into()], key);
    Arc::new(config.expect("config"))
}

#[test]
fn the_first_name_counts_and_names_stay_in_order() {
    let ca = ca();
    for (names, wanted) in [
        (&["A.Test", "b.test"][..], Ok("a.test")),
        (&["b.test", "spiffe://t/a"], Ok("b.test")),
        (&["spiffe://t/A", "b.test"], Ok("spiffe://t/A")),
        (&["*.test", "b.test"], Ok("b.test")),
        (&[], Err(BadName::Nobody)),
        (&["b.test", "spiffe://t/a", "spiffe://t/a"], Err(BadName::Two)),
    ] {
        let (_, parts) = ca.made("a", "a", names, |_| {}).expect("made");
        assert_eq!(identity(&parts.leaf.into()).as_deref(), wanted.as_deref(), "{names:?}");
    }
}

#[test]
fn what_is_told_is_what_is_used() {
    let (suites, groups) = described();
    assert_eq!(suites, "TLS13_AES_128_GCM_SHA256,TLS13_AES_256_GCM_SHA384,TLS13_CHACHA20_POLY1305_SHA256");
    assert!(groups.starts_with("X25519MLKEM768,X25519,"), "{groups}");
}
