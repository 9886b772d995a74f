//! Engines without sockets or clocks: a network in memory that cuts reads at random places, for playbooks.
//!
//! In: engines, test peers, a seed. Out: what arrived where. Deterministic for a seed.

pub(crate) mod world;

#[cfg(test)]
mod http1;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod opaque;
#[cfg(test)]
mod policy;
