//! Everybody who watches requests, wired: tap port, access log, trace exporter.
//!
//! In: settings and workers. Out: `Tell::Watch` before the first connection; at the end, what was still waiting to be written.

use crate::serve::ServeError;
use crate::tap;
use control::env::Settings;
use control::link::{Dns, Link, Trust};
use control::tap::Taps;
use control::{access, trace};
use metrics::Registry;
use std::sync::Arc;
use std::time::Duration;
use table::{Credentials, Worker};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// For the last lines and spans, when all workers have ended.
const LAST: Duration = Duration::from_secs(2);

/// What runs.
pub struct Watching {
    taps: Arc<Taps>,
    server: Option<JoinHandle<()>>,
    exporter: Option<JoinHandle<()>>,
    log: Option<std::thread::JoinHandle<()>>,
}

/// Starts what the settings ask for.
///
/// # Errors
/// When the tap port cannot be bound or the access log's thread cannot be made.
pub async fn start(
    settings: &Settings,
    workers: &[Arc<dyn Worker>],
    credentials: &watch::Receiver<Option<Arc<Credentials>>>,
    dns: &Arc<Dns>,
    registry: &Arc<Registry>,
) -> Result<Watching, ServeError> {
    let (lines, log) = match settings.access_log.map(access::start).transpose()? {
        Some((lines, thread)) => (Some(lines), Some(thread)),
        None => (None, None),
    };
    let (spans, exporter) = match &settings.trace {
        Some(to) => {
            let (trust, lifetime) = (Trust::Own(credentials.clone()), settings.control.streams.lifetime);
            let link = Link::new(to.service.clone(), dns.clone(), trust, lifetime);
            let (spans, task) = trace::start(to, link, registry.clone());
            (Some(spans), Some(task))
        }
        None => (None, None),
    };
    let taps = Taps::new(workers.to_vec(), lines, spans, registry.clone());
    let server = match &settings.tap_client {
        Some(client) => {
            let listener = TcpListener::bind(settings.tap).await;
            let listener = listener.map_err(|error| ServeError::Listen(settings.tap, error))?;
            Some(tokio::spawn(tap::serve(listener, client.clone(), taps.clone(), credentials.clone())))
        }
        None => None,
    };
    Ok(Watching { taps, server, exporter, log })
}

impl Watching {
    /// The workers have ended: waits a moment for what they still had to say.
    pub async fn finish(self) {
        if let Some(server) = self.server {
            server.abort();
            let _ = server.await;
        }
        drop(self.taps);
        if let Some(exporter) = self.exporter {
            let _ = tokio::time::timeout(LAST, exporter).await;
        }
        if let Some(log) = self.log {
            let end = tokio::time::Instant::now() + LAST;
            while !log.is_finished() && tokio::time::Instant::now() < end {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    }
}
