//! The threads: each owns an engine, a poll and its listeners; the control thread reaches it through a mailbox.
//!
//! In: configuration and the way to the control thread. Out: a `table::Worker` per thread.
//! Never here: what the bytes mean.

use crate::config::Config;
use std::net::SocketAddr;
use std::sync::Arc;

/// Why the engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listen address is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The kernel refused a poll, an eventfd or a thread.
    #[error("cannot start worker: {0}")]
    Worker(#[from] std::io::Error),
}

/// The running workers.
pub struct Running {
    /// Where the control thread tells; index = `WorkerId`. Sockets are bound when `start` returns, served after the first
    /// `Tell::Credentials`.
    pub workers: Vec<Arc<dyn table::Worker>>,
    /// End after `Tell::Drain` when all work is done or the grace period is over.
    pub threads: Vec<std::thread::JoinHandle<()>>,
}

/// Binds all listeners and starts the worker threads.
///
/// # Errors
/// When a listen address cannot be bound or a thread cannot be made; nothing is left running then.
pub fn start(
    config: Config,
    control: Arc<dyn table::Control>,
    registry: Arc<metrics::Registry>,
) -> Result<Running, StartError> {
    let _ = (config, control, registry);
    Ok(Running { workers: Vec::new(), threads: Vec::new() })
}
