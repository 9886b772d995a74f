//! The plain peer of opaque bytes: tokio's `copy_bidirectional` with 256 KiB a direction, one side of it over rustls, on one thread.
//!
//! `copy client|server LISTEN TARGET FOLDER`: `client` takes plain bytes and brings them to TARGET over mutual TLS 1.3, `server` the other
//! way round. FOLDER holds `ca.pem` and `leaf.pem` (see `bench/pki.py`). For `bench/copy.py`; never part of the proxy.

use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{cipher_suite, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const ROOM: usize = 256 << 10;
/// The one name in the bench's leaf.
const NAME: &str = "default.bench.serviceaccount.identity.linkerd.cluster.local";

type Failed = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone)]
enum Side {
    Client(TlsConnector),
    Server(TlsAcceptor),
}

fn side(which: &str, folder: &Path) -> Result<Side, Failed> {
    let cipher_suites = vec![cipher_suite::TLS13_AES_128_GCM_SHA256];
    let provider = Arc::new(CryptoProvider { cipher_suites, ..default_provider() });
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("ca.pem"))?)?;
    let roots = Arc::new(roots);
    let leaf = vec![CertificateDer::from_pem_file(folder.join("leaf.pem"))?];
    let key = PrivateKeyDer::from_pem_file(folder.join("leaf.pem"))?;
    let versions = &[&rustls::version::TLS13];
    if which == "client" {
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
        let config = config.with_root_certificates(roots).with_client_auth_cert(leaf, key)?;
        return Ok(Side::Client(Arc::new(config).into()));
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider.clone()).build()?;
    let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions)?;
    let config = config.with_client_cert_verifier(verifier).with_single_cert(leaf, key)?;
    Ok(Side::Server(Arc::new(config).into()))
}

async fn carry(side: Side, mut near: TcpStream, target: String) -> Result<(), Failed> {
    near.set_nodelay(true)?;
    let mut far = TcpStream::connect(target).await?;
    far.set_nodelay(true)?;
    match side {
        Side::Client(connector) => {
            let mut far = connector.connect(ServerName::try_from(NAME)?, far).await?;
            tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, ROOM, ROOM).await?;
        }
        Side::Server(acceptor) => {
            let mut near = acceptor.accept(near).await?;
            tokio::io::copy_bidirectional_with_sizes(&mut near, &mut far, ROOM, ROOM).await?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Failed> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [which, listen, target, folder] = &words[..] else {
        return Err("copy client|server LISTEN TARGET FOLDER".into());
    };
    let side = side(which, Path::new(folder))?;
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        loop {
            let (near, _) = listener.accept().await?;
            let (side, target) = (side.clone(), target.clone());
            tokio::spawn(async move {
                if let Err(error) = carry(side, near, target).await {
                    eprintln!("copy: {error}");
                }
            });
        }
    })
}
