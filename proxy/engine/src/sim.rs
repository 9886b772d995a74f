//! Engines without sockets or clocks: a network in memory that cuts reads at random places, for playbooks.
//!
//! In: engines, test peers, a seed. Out: what arrived where. Deterministic for a seed.

pub(crate) mod make;
pub(crate) mod world;

mod air;
mod balance;
mod chaos;
mod cost;
mod http1;
mod http2;
mod inbound;
mod limits;
mod metrics;
mod observe;
mod opaque;
mod policy;
mod recover;
mod retry;
mod rules;
mod strangers;
mod streams;
