//! Everything that runs: workers on their threads; identity, discovery, admin and signals on this one.
//!
//! Start order: anchors and key (a mistake ends the process before a socket is bound), admin port, workers, certificate.
//! End: SIGTERM, SIGINT or `POST /shutdown` drain the workers; the process ends when they have, or when the grace is over.

use crate::admin::{self, Shown};
use crate::watching;
use crate::{certify, fill};
use control::discover::{self, Inputs};
use control::env::Settings;
use control::link::Dns;
use metrics::{Registry, families};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};
use table::Tell;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot, watch};

/// After the grace period, for workers to close what is left.
const LAST: Duration = Duration::from_secs(1);
/// Of the commit this was built from; empty in builds that do not say.
const DATE: &str = match option_env!("ISTHMUS_BUILD_DATE") {
    Some(date) => date,
    None => "",
};
const SHA: &str = match option_env!("ISTHMUS_GIT_SHA") {
    Some(sha) => sha,
    None => "",
};

/// Why the process cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Trust anchors or key cannot be used.
    #[error("{0}")]
    Identity(String),
    /// The engine could not start.
    #[error(transparent)]
    Engine(#[from] engine::StartError),
    /// The admin port or the tap port cannot be bound.
    #[error("cannot listen on {0}: {1}")]
    Listen(std::net::SocketAddr, std::io::Error),
    /// The runtime could not be made.
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
}

/// Serves until told to stop.
///
/// # Errors
/// When something needed at start is not to be had.
pub fn run(settings: Settings) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(serve(Arc::new(settings)));
    // Tasks that wait for the control plane must not hold up the end.
    runtime.shutdown_background();
    ended
}

async fn serve(settings: Arc<Settings>) -> Result<(), ServeError> {
    let source = certify::prepare(&settings)?;
    let listener =
        TcpListener::bind(settings.admin).await.map_err(|error| ServeError::Listen(settings.admin, error))?;
    let registry = Registry::new(usize::from(settings.workers));
    registry.retain_idle(settings.retain_idle);
    let (mailbox, asks) = discover::mailbox();
    let engine = engine::start(fill::engine(&settings), mailbox, registry.clone())?;

    let (credentials_in, credentials) = watch::channel(None);
    let (policy_in, admin_policy) = watch::channel(None);
    let dns = Arc::new(Dns::new(registry.clone(), settings.control.lookups));
    certify::start(source, &settings, &dns, credentials_in, &registry);
    let workers = engine.workers.clone();
    let watching = watching::start(&settings, &workers, &credentials, &dns, &registry).await?;
    tokio::spawn(discover::run(Inputs {
        settings: settings.clone(),
        registry: registry.clone(),
        asks,
        workers: workers.clone(),
        credentials: credentials.clone(),
        dns,
        admin_policy: policy_in,
    }));
    describe(&registry);
    tokio::spawn(crate::rest::run());
    let stop = Arc::new(Notify::new());
    tokio::spawn(admin::serve(
        listener,
        Arc::new(Shown {
            registry,
            credentials,
            policy: admin_policy,
            start: SystemTime::now(),
            stop: settings.shutdown_endpoint.then(|| stop.clone()),
        }),
    ));
    log::info!("isthmus-proxy {} with {} workers, admin on {}", crate::VERSION, settings.workers, settings.admin);
    told_to_stop(&stop).await?;
    drain(&workers, engine.threads, settings.grace).await;
    watching.finish().await;
    Ok(())
}

async fn told_to_stop(stop: &Notify) -> std::io::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let by = tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
        () = stop.notified() => "POST /shutdown",
    };
    log::info!("{by}: draining");
    Ok(())
}

async fn drain(workers: &[Arc<dyn table::Worker>], threads: Vec<JoinHandle<()>>, grace: Duration) {
    for worker in workers {
        worker.tell(Tell::Drain(grace));
    }
    let (done_in, done) = oneshot::channel();
    let joining = std::thread::Builder::new().name("join".into()).spawn(move || {
        for thread in threads {
            let _ = thread.join();
        }
        let _ = done_in.send(());
    });
    if joining.is_err() || tokio::time::timeout(grace + LAST, done).await.is_err() {
        log::warn!("not drained within {grace:?}: ending all the same");
    }
}

fn describe(registry: &Registry) {
    let profile = if cfg!(debug_assertions) { "debug" } else { "release" };
    let build =
        [("date", DATE), ("git_sha", SHA), ("profile", profile), ("vendor", "isthmus"), ("version", crate::VERSION)];
    let (suites, groups) = tls::described();
    let tls = [
        ("tls_suites", suites.as_str()),
        ("tls_kx_groups", groups.as_str()),
        ("tls_rand", "AwsLcRs"),
        ("tls_key_provider", "AwsLcRs"),
        ("tls_fips", "false"),
    ];
    let shard = registry.control_shard();
    shard.gauge_set(registry.gauge(&families::PROXY_BUILD_INFO, &build), 1);
    shard.gauge_set(registry.gauge(&families::RUSTLS_INFO, &tls), 1);
}
