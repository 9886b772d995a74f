//! A connection to one service of the control plane: clear text inside the pod, else TLS to the expected identity.
//!
//! In: authority, trust. Out: a channel that reconnects by itself and is made anew after its lifetime, so that clients spread
//! over instances that came later. Limits: 1 s per address, 3 s per connect, PING each 10 s.

use super::backoff::Wait;
use super::dns::Dns;
use crate::env::{Authority, Backoff};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsConnector;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

const PER_ADDRESS: Duration = Duration::from_secs(1);
const PER_CONNECT: Duration = Duration::from_secs(3);
/// Between failed connects, whatever number of streams asks for one: an outage must not become a storm of look-ups.
const REST: Backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(2), jitter: 0.5 };
const PING: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3));

/// Where a link's TLS configuration comes from; the newest is used for each new connection.
#[derive(Clone)]
pub enum Trust {
    /// Our own certificate; there is no link before it.
    Own(watch::Receiver<Option<Arc<table::Credentials>>>),
    /// No certificate of ours, only anchors: for the service that makes certificates.
    Anchors(watch::Receiver<Arc<ClientConfig>>),
}

impl Trust {
    /// Waits for a first configuration.
    async fn config(&self) -> Result<Arc<ClientConfig>, String> {
        match self {
            Self::Anchors(configs) => Ok(configs.borrow().clone()),
            Self::Own(credentials) => {
                let mut credentials = credentials.clone();
                let found = credentials.wait_for(Option::is_some).await;
                let found = found.map_err(|_| "identity has ended")?;
                found.as_ref().map(|c| c.client.clone()).ok_or_else(|| "no certificate".to_owned())
            }
        }
    }
}

/// A service of the control plane.
pub struct Link {
    authority: Authority,
    dns: Arc<Dns>,
    trust: Trust,
    lifetime: Duration,
    channel: Mutex<Option<(Channel, Instant)>>,
    gate: Arc<Mutex<Gate>>,
}

/// Shut for a moment after each failed connect.
#[derive(Debug)]
struct Gate {
    wait: Wait,
    shut: Option<(Instant, String)>,
}

impl Gate {
    fn new() -> Self {
        Self { wait: Wait::new(REST), shut: None }
    }

    /// Why not now.
    fn closed(&self, now: Instant) -> Option<String> {
        self.shut.as_ref().filter(|(until, _)| now < *until).map(|(_, why)| why.clone())
    }

    fn failed(&mut self, now: Instant, random: f64, why: String) {
        self.shut = Some((now + self.wait.after_failure(random), why));
    }

    fn opened(&mut self) {
        self.wait.reset();
        self.shut = None;
    }
}

impl Link {
    /// Connects at first use.
    pub fn new(authority: Authority, dns: Arc<Dns>, trust: Trust, lifetime: Duration) -> Arc<Self> {
        Arc::new(Self {
            authority,
            dns,
            trust,
            lifetime,
            channel: Mutex::new(None),
            gate: Arc::new(Mutex::new(Gate::new())),
        })
    }

    /// `host:port`, for logs and labels.
    pub fn address(&self) -> String {
        format!("{}:{}", self.authority.host, self.authority.port)
    }

    /// What to expect there; absent: clear text.
    pub fn server_id(&self) -> Option<&str> {
        self.authority.name.as_deref()
    }

    /// Stream limits do not hold inside the pod.
    pub fn local(&self) -> bool {
        self.authority.local()
    }

    /// The channel; waits until there is a certificate to use on it.
    pub async fn channel(&self) -> Result<Channel, String> {
        if self.authority.name.is_some() {
            self.trust.config().await?;
        }
        let mut held = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((channel, since)) = &*held
            && since.elapsed() < self.lifetime
        {
            return Ok(channel.clone());
        }
        let channel = self.connect()?;
        *held = Some((channel.clone(), Instant::now()));
        Ok(channel)
    }

    fn connect(&self) -> Result<Channel, String> {
        let host = self.authority.host.trim_end_matches('.');
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let uri = format!("http://{host}:{}", self.authority.port);
        let endpoint = Endpoint::from_shared(uri).map_err(|error| format!("{}: {error}", self.address()))?;
        let endpoint =
            endpoint.http2_keep_alive_interval(PING.0).keep_alive_timeout(PING.1).keep_alive_while_idle(true);
        let dial = Dial {
            authority: self.authority.clone(),
            dns: self.dns.clone(),
            trust: self.trust.clone(),
            gate: self.gate.clone(),
        };
        Ok(endpoint.connect_with_connector_lazy(dial))
    }
}

/// Makes one connection each time it is called.
#[derive(Clone)]
struct Dial {
    authority: Authority,
    dns: Arc<Dns>,
    trust: Trust,
    gate: Arc<Mutex<Gate>>,
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl tower_service::Service<Uri> for Dial {
    type Response = TokioIo<Box<dyn Io>>;
    type Error = String;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, String>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), String>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let dial = self.clone();
        Box::pin(async move { dial.guarded().await.map(TokioIo::new) })
    }
}

impl Dial {
    /// Opens a connection unless the last try has just failed.
    async fn guarded(&self) -> Result<Box<dyn Io>, String> {
        let gate = || self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = gate().closed(Instant::now()) {
            return Err(why);
        }
        let opened = tokio::time::timeout(PER_CONNECT, self.open()).await;
        let opened =
            opened.unwrap_or_else(|_| Err(format!("{}: no connection within {PER_CONNECT:?}", self.authority.host)));
        match &opened {
            Ok(_) => gate().opened(),
            Err(why) => gate().failed(Instant::now(), fastrand::f64(), why.clone()),
        }
        opened
    }

    async fn open(&self) -> Result<Box<dyn Io>, String> {
        let mut addresses = self.dns.resolve(&self.authority).await?;
        // Chance spreads the proxies over the instances.
        fastrand::shuffle(&mut addresses);
        let mut last = format!("{} has no address", self.authority.host);
        for address in addresses {
            match tokio::time::timeout(PER_ADDRESS, self.one(address)).await {
                Ok(Ok(io)) => return Ok(io),
                Ok(Err(error)) => last = format!("{address}: {error}"),
                Err(_) => last = format!("{address}: no connection within {PER_ADDRESS:?}"),
            }
        }
        Err(last)
    }

    async fn one(&self, address: std::net::SocketAddr) -> Result<Box<dyn Io>, String> {
        let tcp = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        tcp.set_nodelay(true).map_err(|error| error.to_string())?;
        let Some(name) = &self.authority.name else { return Ok(Box::new(tcp)) };
        let server = ServerName::try_from(name.to_string()).map_err(|error| format!("{name}: {error}"))?;
        let tls = TlsConnector::from(self.trust.config().await?).connect(server, tcp);
        Ok(Box::new(tls.await.map_err(|error| format!("TLS with {name}: {error}"))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gate_shuts_after_a_failure_for_longer_each_time() {
        let (mut gate, now) = (Gate::new(), Instant::now());
        assert_eq!(gate.closed(now), None);
        gate.failed(now, 0.0, "refused".into());
        assert_eq!(gate.closed(now + Duration::from_millis(99)).as_deref(), Some("refused"));
        assert_eq!(gate.closed(now + Duration::from_millis(100)), None);
        gate.failed(now, 0.0, "again".into());
        assert!(gate.closed(now + Duration::from_millis(199)).is_some());
        gate.opened();
        assert_eq!(gate.closed(now), None);
    }
}
