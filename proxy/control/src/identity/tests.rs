use super::certify::{refresh_after, take};
use super::spire::{self, Svid, SvidResponse};
use super::{Anchors, Key};
use crate::env::{Authority, Identity};
use linkerd2_proxy_api::identity::CertifyResponse;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair,
};
use rustls::pki_types::pem::PemObject;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const NAME: &str = "web.default.serviceaccount.identity.linkerd.cluster.local";

struct Signer {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn signer() -> Signer {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["root.test".into()]).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).expect("a root").pem();
    Signer { pem, issuer: Issuer::new(params, key) }
}

fn identity(name: &str) -> Identity {
    Identity {
        spire: None,
        service: Authority { host: "localhost.".into(), port: 1, name: None },
        dir: None,
        token_file: "/none".into(),
        trust_anchors: String::new(),
        trust_anchors_file: None,
        trust_anchors_force: false,
        id: name.into(),
        server_name: name.into(),
        min_refresh: Duration::from_secs(10),
        max_refresh: Duration::from_secs(86_400),
    }
}

fn signed(signer: &Signer, key: &Key, life: i64) -> CertifyResponse {
    let mut csr = CertificateSigningRequestParams::from_der(&key.csr.clone().into()).expect("a request");
    csr.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    let leaf = csr.signed_by(&signer.issuer).expect("a leaf");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs().cast_signed();
    CertifyResponse {
        leaf_certificate: leaf.der().to_vec(),
        intermediate_certificates: Vec::new(),
        valid_until: Some(prost_types::Timestamp { seconds: now + life, nanos: 0 }),
    }
}

#[test]
fn a_request_made_here_is_signed_and_taken() {
    let signer = signer();
    let key = Key::load(None, NAME).expect("a key");
    let mut anchors = Anchors::new(&signer.pem, None, false).expect("anchors");
    let renewed = take(&identity(NAME), &key, &mut anchors, &signed(&signer, &key, 600), false).expect("credentials");
    assert_eq!(&*renewed.credentials.identity, NAME);
}

#[test]
fn answers_that_do_not_fit_are_refused() {
    let (ours, other) = (signer(), signer());
    let key = Key::load(None, NAME).expect("a key");
    let second = Key::load(None, NAME).expect("a key");
    let mut anchors = Anchors::new(&ours.pem, None, false).expect("anchors");
    let good = signed(&ours, &key, 600);
    for (case, who, answer) in [
        ("ended", NAME, signed(&ours, &key, -1)),
        ("other anchors", NAME, signed(&other, &key, 600)),
        ("someone else's name", "api.default.serviceaccount.identity.linkerd.cluster.local", good.clone()),
        ("another key", NAME, signed(&ours, &second, 600)),
        ("no leaf", NAME, CertifyResponse { leaf_certificate: Vec::new(), ..good.clone() }),
        ("no end", NAME, CertifyResponse { valid_until: None, ..good }),
    ] {
        assert!(take(&identity(who), &key, &mut anchors, &answer, false).is_err(), "{case}");
    }
}

#[test]
fn renewal_comes_at_seventy_percent_within_its_bounds() {
    let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
    let after = |left: u64| {
        refresh_after(now + Duration::from_secs(left), now, Duration::from_secs(10), Duration::from_secs(3600))
            .as_secs()
    };
    assert_eq!([after(1000), after(5), after(86_400)], [700, 10, 3600]);
    assert_eq!(
        refresh_after(now - Duration::from_secs(9), now, Duration::from_secs(10), Duration::from_secs(60)).as_secs(),
        10
    );
}

#[test]
fn files_of_the_identity_folder_are_used_and_half_a_pair_is_refused() {
    let dir = std::env::temp_dir().join(format!("isthmus-key-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder");
    let made = Key::load(Some(&dir), NAME).expect("a key");
    std::fs::write(dir.join("key.p8"), &made.pkcs8).expect("written");
    assert!(Key::load(Some(&dir), NAME).is_err_and(|e| e.contains("both or neither")));
    std::fs::write(dir.join("csr.der"), &made.csr).expect("written");
    assert!(Key::load(Some(&dir), NAME).is_ok_and(|k| k.csr == made.csr && k.pkcs8 == made.pkcs8));
    std::fs::remove_dir_all(&dir).expect("removed");
}

/// A file of anchors that goes with the test.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str, signers: &[&Signer]) -> File {
        let file = File(std::env::temp_dir().join(format!("isthmus-{name}-{}.pem", std::process::id())));
        file.write(signers);
        file
    }

    fn write(&self, signers: &[&Signer]) {
        std::fs::write(&self.0, signers.iter().map(|s| &*s.pem).collect::<String>()).expect("written");
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn anchors_follow_their_file_and_ignore_a_broken_one() {
    let (first, second) = (signer(), signer());
    let file = File::new("anchors", &[&first]);
    let mut anchors = Anchors::new("", Some(file.0.clone()), false).expect("anchors");
    assert!(!anchors.refresh());
    std::fs::write(&file.0, "broken").expect("written");
    assert!(!anchors.refresh());
    file.write(&[&first, &second]);
    assert!(anchors.refresh() && anchors.roots.len() == 2);
}

#[test]
fn a_file_that_holds_no_anchor_is_named() {
    let file = File::new("no-anchors", &[]);
    let error = Anchors::new("", Some(file.0.clone()), false).err().expect("no anchors");
    assert!(error.starts_with(&file.0.display().to_string()) && error.contains("no certificate"), "{error}");
}

#[test]
fn an_anchor_in_use_stays_until_a_renewal_can_do_without_it() {
    let (old, new) = (signer(), signer());
    let key = Key::load(None, NAME).expect("a key");
    let (of_old, of_new) = (signed(&old, &key, 600), signed(&new, &key, 600));
    for forced in [false, true] {
        let file = File::new(&format!("swap-{forced}"), &[&old]);
        let mut anchors = Anchors::new("", Some(file.0.clone()), forced).expect("anchors");
        let roots = |anchors: &mut Anchors, answer, held| {
            take(&identity(NAME), &key, anchors, answer, held).map(|renewed| renewed.credentials.roots.len())
        };
        assert_eq!(roots(&mut anchors, &of_old, false), Ok(1));
        file.write(&[&old, &new]);
        assert!(anchors.refresh());
        assert_eq!(roots(&mut anchors, &of_old, true), Ok(2), "an added one counts with the certificate that is there");
        file.write(&[&new]);
        assert!(anchors.refresh());
        assert_eq!(roots(&mut anchors, &of_old, true), Ok(if forced { 1 } else { 2 }), "forced: {forced}");
        assert_eq!(anchors.lingering(), !forced);
        assert_eq!(roots(&mut anchors, &of_new, false), Ok(1));
        assert!(!anchors.lingering());
        assert!(roots(&mut anchors, &of_old, false).is_err(), "gone is gone");
    }
}

#[test]
fn an_svid_of_our_name_is_taken_with_its_bundle() {
    const ID: &str = "spiffe://mesh/ns/default/sa/web";
    let (ours, other) = (signer(), signer());
    let der = |signer: &Signer| rustls::pki_types::CertificateDer::from_pem_slice(signer.pem.as_bytes()).expect("DER");
    let key = Key::load(None, ID).expect("a key");
    let svid = |id: &str, by: &Signer, bundle: &[&Signer]| Svid {
        spiffe_id: id.into(),
        chain: signed(by, &key, 600).leaf_certificate,
        key: key.pkcs8.clone(),
        bundle: bundle.iter().flat_map(|signer| der(signer).to_vec()).collect(),
    };
    let settings = Identity { server_name: NAME.into(), ..identity(ID) };
    let take = |svids: Vec<Svid>| spire::take(&settings, &SvidResponse { svids });
    let good = svid(ID, &ours, &[&ours, &other]);
    let (credentials, until) = take(vec![svid("spiffe://mesh/other", &ours, &[&ours]), good.clone()]).expect("taken");
    assert_eq!((&*credentials.identity, &*credentials.server_name, credentials.roots.len()), (ID, NAME, 2));
    assert!(until > SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs());
    for (case, bad) in [
        ("no SVID", vec![]),
        ("another name", vec![svid("spiffe://mesh/other", &ours, &[&ours])]),
        ("another bundle", vec![svid(ID, &ours, &[&other])]),
        ("no bundle", vec![svid(ID, &ours, &[])]),
        ("half a chain", vec![Svid { chain: good.chain[..100].to_vec(), ..good.clone() }]),
        ("no chain", vec![Svid { chain: Vec::new(), ..good.clone() }]),
        ("no key", vec![Svid { key: Vec::new(), ..good.clone() }]),
    ] {
        assert!(take(bad).is_err(), "{case}");
    }
}
