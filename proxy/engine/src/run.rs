//! The threads: each owns an engine, an epoll and its listeners; the control thread reaches it through a mailbox.
//!
//! In: configuration and the way to the control thread. Out: a `table::Worker` per thread.
//! Never here: what the bytes mean.

mod bulk;
mod driver;
mod load;
mod mailbox;

use crate::base::conn::Role;
use crate::config::Config;
use crate::engine::Engine;
use driver::{Bound, Driver};
use mailbox::Mailbox;
use sock::Listener;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use table::WorkerId;

/// Why the engine could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A listen address is taken or not ours.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// The kernel refused an epoll, an eventfd or a thread.
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
    /// The bound addresses, inbound first, for configurations with port 0.
    pub bound: Vec<SocketAddr>,
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
    let config = Arc::new(config);
    let count = config.workers.max(1);
    let mut drivers = Vec::with_capacity(count as usize);
    let mut boxes = Vec::with_capacity(count as usize);
    for _ in 0..count {
        boxes.push(Arc::new(Mailbox::new()?));
    }
    let loads = load::Loads::all(&boxes);
    let mut running = Running { workers: Vec::new(), threads: Vec::new(), bound: Vec::new() };
    for index in 0..count {
        let listeners = bind(&config, count > 1)?;
        if index == 0 {
            running.bound = listeners.iter().map(|bound| bound.addr).collect();
        }
        let mailbox = boxes[index as usize].clone();
        let seed =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
        let seed = seed ^ u64::from(index) << 48 | 1;
        let engine = Engine::new(WorkerId(index), config.clone(), control.clone(), registry.clone(), seed);
        let loads = loads.of(index);
        drivers.push(Driver::new(engine, config.clone(), mailbox.clone(), listeners, loads)?);
        running.workers.push(mailbox);
    }
    for (index, driver) in drivers.into_iter().enumerate() {
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || driver.run())?;
        running.threads.push(thread);
    }
    Ok(running)
}

fn bind(config: &Config, shared: bool) -> Result<Vec<Bound>, StartError> {
    let inbound = config.inbound.iter().map(|addr| (*addr, Role::PeerIn, config.inbound_side.backlog));
    let outbound = config.outbound.iter().map(|addr| (*addr, Role::AppIn, config.outbound_side.backlog));
    let mut bound = Vec::new();
    for (addr, role, backlog) in inbound.chain(outbound) {
        let listener = match Listener::bind(addr, backlog, shared) {
            Ok(listener) => listener,
            // A node without IPv6: the other loopback address is enough.
            Err(e)
                if addr == SocketAddr::new(Ipv6Addr::LOCALHOST.into(), addr.port())
                    && sock::absent(&e)
                    && second(&bound, role) =>
            {
                continue;
            }
            Err(e) => return Err(StartError::Listen(addr, e)),
        };
        let addr = listener.local_addr()?;
        bound.push(Bound { listener, role, addr });
    }
    Ok(bound)
}

/// Whether the direction has a listener already.
fn second(bound: &[Bound], role: Role) -> bool {
    bound.iter().any(|bound| bound.role == role)
}

#[cfg(test)]
mod tests;
