//! What workers ask for, kept fresh: targets, endpoints of discovery paths, policies of inbound ports.
//!
//! In: `table::Ask`, messages of the control plane. Out: `table::Tell`. `hub` decides (pure), `watch` listens (a task per thing),
//! `run` carries out. Views never shrink because a stream failed: the last word stands until a newer one.
//! Limits: 10 000 targets, 1 000 kept after their last use, 10 000 endpoints per path, 1 000 ports, 1 000 profiles of peers' requests; answers within 2 s.

mod fold;
mod hub;
mod paths;
mod profiles;
mod run;
mod watch;

pub(crate) use watch::within;

pub use hub::{Effect, Hub, Limits, Rules, Watch};
pub use run::{Asks, Inputs, mailbox, run};

#[cfg(test)]
mod tests;
