//! The admin port: probes, metrics, a few knobs. Clear text from the pod and the node, mesh TLS from peers.
//!
//! In: HTTP/1 and HTTP/2 on 4191. Out: `/live`, `/ready`, `/metrics`; from loopback also `/env.json`, `/logs.json`,
//! `/proxy-log-level`, `/shutdown`. Limits: 128 connections, 10 s to the first byte and 10 s to say who one is, 10 s per request head, 64 KiB of body.
//! Never here: application traffic.

mod count;
mod exposition;
mod gate;
mod lines;
mod routes;

pub use gate::enter;
pub use routes::Shown;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

const CONNECTIONS: usize = 128;
const SNIFF: Duration = Duration::from_secs(10);
const HEAD: Duration = Duration::from_secs(10);

/// Serves until the process ends.
pub async fn serve(listener: TcpListener, shown: Arc<Shown>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(64 << 10);
    http.http2().timer(TokioTimer::new()).keep_alive_interval(HEAD);
    loop {
        // Never closed; waits while 128 are open.
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let (tcp, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                log::warn!("admin port: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (shown, http) = (shown.clone(), http.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let Some((io, peer)) = gate::enter(tcp, from, &shown.credentials, SNIFF).await else { return };
            let service = service_fn(move |request| {
                let (shown, peer) = (shown.clone(), peer.clone());
                async move { Ok::<_, std::convert::Infallible>(routes::answer(&shown, &peer, request).await) }
            });
            let _ = http.serve_connection(TokioIo::new(io), service).await;
        });
    }
}
