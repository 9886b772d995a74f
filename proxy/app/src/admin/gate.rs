//! Who comes in: clear text as it is, TLS for our own name terminated with the mesh certificate, any other TLS shut out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use table::Credentials;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

/// For a TLS handshake that has begun.
const SHAKE: Duration = Duration::from_secs(10);
/// First byte of a TLS record with a handshake.
const HANDSHAKE: u8 = 0x16;

/// What is known about the other side.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub from: SocketAddr,
    /// The address it reached.
    pub at: SocketAddr,
    /// It came over mesh TLS.
    pub tls: bool,
    /// With this identity.
    pub identity: Option<Arc<str>>,
}

/// A connection of either kind.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// The connection, ready for HTTP; `None`: not for us, no byte within `sniff`, or no handshake within 10 s after it.
pub async fn enter(
    tcp: TcpStream,
    from: SocketAddr,
    credentials: &watch::Receiver<Option<Arc<Credentials>>>,
    sniff: Duration,
) -> Option<(Box<dyn Io>, Peer)> {
    let _ = tcp.set_nodelay(true);
    let plain = |addr: SocketAddr| SocketAddr::new(addr.ip().to_canonical(), addr.port());
    let (from, at) = (plain(from), plain(tcp.local_addr().ok()?));
    let mut first = [0];
    timeout(sniff, tcp.peek(&mut first)).await.ok()?.ok().filter(|&n| n > 0)?;
    if first[0] != HANDSHAKE {
        return Some((Box::new(tcp), Peer { from, at, tls: false, identity: None }));
    }
    timeout(SHAKE, identify(tcp, (from, at), credentials)).await.ok().flatten()
}

async fn identify(
    tcp: TcpStream,
    (from, at): (SocketAddr, SocketAddr),
    credentials: &watch::Receiver<Option<Arc<Credentials>>>,
) -> Option<(Box<dyn Io>, Peer)> {
    let ours = credentials.borrow().clone()?;
    let hello = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp).await.ok()?;
    let named = hello.client_hello().server_name().is_some_and(|name| name.eq_ignore_ascii_case(&ours.server_name));
    if !named {
        return None;
    }
    let tls = hello.into_stream(ours.server.clone()).await.ok()?;
    let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    // A session that began with a ticket has not looked at it again.
    let certificate = certificate.filter(|certificate| !tls::ended(certificate));
    let identity = certificate.and_then(tls::first_identity);
    Some((Box::new(tls), Peer { from, at, tls: true, identity }))
}
