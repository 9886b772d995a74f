//! The tap port: gRPC over mesh TLS for one client, on this thread.
//!
//! In: connections on 4190 once there is a certificate. Out: the service of `control::tap`; whoever is not the named client, or
//! came without TLS, hears UNAUTHENTICATED. Limits: 32 connections, 1 s to the first byte, 10 s to say who one is. Only with `TAP_SVC_NAME`.

use crate::admin::enter;
use control::tap::{Observed, Taps};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::sync::Arc;
use std::time::Duration;
use table::Credentials;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

const CONNECTIONS: usize = 32;
const SNIFF: Duration = Duration::from_secs(1);
const PING: Duration = Duration::from_secs(10);

/// Serves until the process ends. `client`: who may tap.
pub async fn serve(
    listener: TcpListener,
    client: Box<str>,
    taps: Arc<Taps>,
    mut credentials: watch::Receiver<Option<Arc<Credentials>>>,
) {
    if credentials.wait_for(Option::is_some).await.is_err() {
        return;
    }
    let (client, room): (Arc<str>, _) = (client.into(), Arc::new(Semaphore::new(CONNECTIONS)));
    let mut http = auto::Builder::new(TokioExecutor::new()).http2_only();
    // A client that is gone without a word gives its session back.
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .max_concurrent_streams(16)
        .max_header_list_size(16 << 10);
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        let (tcp, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                log::warn!("tap port: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (client, taps, http, credentials) = (client.clone(), taps.clone(), http.clone(), credentials.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let Some((io, peer)) = enter(tcp, from, &credentials, SNIFF).await else { return };
            let observed = Observed::new(taps, peer.identity.as_deref(), &client);
            let service = service_fn(move |request| observed.clone().answer(request));
            let _ = http.serve_connection(TokioIo::new(io), service).await;
        });
    }
}
