//! What a mutual handshake costs, whole and with a ticket, by key exchange. In: how many. Out: CPU microseconds of each side.
//!
//! `cargo run --release -p isthmus-tls --example handshake -- 2000`

use isthmus_tls as tls;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, ServerConfig};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::Session;

struct Made {
    leaf: Vec<u8>,
    key: Vec<u8>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u32 = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(500);
    let root_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&root_key)?.pem();
    let issuer = Issuer::new(params, root_key);
    let make = |name: &str| -> Result<Made, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![name.into()])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        Ok(Made { leaf: params.signed_by(&key, &issuer)?.der().to_vec(), key: key.serialize_der() })
    };
    let roots = tls::anchors(&pem)?;
    let (a, b) = (make("a.test")?, make("b.test")?);
    let server =
        Arc::new(ServerConfig::clone(&*tls::credentials("b.test", "b.test", &b.leaf, &[], &b.key, &roots)?.server));
    let hybrid: &dyn SupportedKxGroup = kx_group::X25519MLKEM768;
    for (name, group) in [("X25519", kx_group::X25519), ("X25519MLKEM768", hybrid)] {
        let provider = CryptoProvider {
            kx_groups: vec![group],
            cipher_suites: vec![cipher_suite::TLS13_AES_128_GCM_SHA256],
            ..default_provider()
        };
        for resumed in [false, true] {
            let mut config = ClientConfig::builder_with_provider(Arc::new(provider.clone()))
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .with_root_certificates(roots.clone())
                .with_client_auth_cert(
                    vec![a.leaf.clone().into()],
                    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(a.key.clone())),
                )?;
            config.resumption = if resumed { Resumption::in_memory_sessions(8) } else { Resumption::disabled() };
            let config = Arc::new(config);
            connect(&config, &server)?;
            let (began, mut client, mut accepted) = (cpu(), Duration::ZERO, Duration::ZERO);
            for _ in 0..count {
                let (one, other, with) = connect(&config, &server)?;
                assert_eq!(with, resumed);
                client += one;
                accepted += other;
            }
            // The clock says how the two share the CPU time, which alone does not count what others ran meanwhile.
            let spent = (cpu() - began) as f64 / 1000.0 / f64::from(count);
            let share = client.as_secs_f64() / (client + accepted).as_secs_f64();
            let kind = if resumed { "ticket" } else { "whole" };
            println!("{name:15} {kind:7} client {:6.0} us, server {:6.0} us", spent * share, spent * (1.0 - share));
        }
    }
    Ok(())
}

/// One handshake and one byte each way: time on each side, and whether it was resumed.
fn connect(
    config: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
) -> Result<(Duration, Duration, bool), Box<dyn std::error::Error>> {
    let began = Instant::now();
    let mut client = Session::client(config.clone(), "b.test")?;
    let (mut to_server, mut to_client, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    client.feed(&mut [], &mut plain, &mut to_server);
    let mut spent = (began.elapsed(), Duration::ZERO);
    let began = Instant::now();
    let mut accepted = Session::server(server.clone())?;
    spent.1 += began.elapsed();
    let mut greeted = (false, false);
    while !to_server.is_empty() || !to_client.is_empty() {
        let began = Instant::now();
        let fed = accepted.feed(&mut to_server, &mut plain, &mut to_client);
        to_server.clear();
        if fed.ready && !std::mem::replace(&mut greeted.1, true) {
            accepted.encrypt(b"x", &mut to_client);
        }
        spent.1 += began.elapsed();
        let began = Instant::now();
        let fed = client.feed(&mut to_client, &mut plain, &mut to_server);
        to_client.clear();
        if fed.ready && !std::mem::replace(&mut greeted.0, true) {
            client.encrypt(b"x", &mut to_server);
        }
        spent.0 += began.elapsed();
    }
    Ok((spent.0, spent.1, accepted.resumed()))
}

/// Nanoseconds on a CPU, of this thread.
fn cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}
