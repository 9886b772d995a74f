//! Numbers of the proxy: registered by name and labels once (cold), counted by index without a lock (hot), summed at a scrape.
//!
//! In: `Registry::counter(..)` from whoever compiles a table, `Shard::add(..)` from the one thread that owns the shard.
//! Out: Prometheus text. Series live as long as the process, so counters never go back (idle ones are only left out of the text, see
//! `Registry::retain_idle`); a family holds at most `Family::limit`
//! series, later ones are folded into one whose labels all say `other`, and `metrics_series_folded_total` counts them.
//! Never here: clocks, sockets, label sets made per request.

pub mod families;
mod family;
pub mod process;
mod registry;
mod shard;
mod text;

pub use family::{Family, Kind, Unit};
pub use registry::Registry;
pub use shard::{Counter, Gauge, Histogram, Shard};

#[cfg(all(test, feature = "loom"))]
mod model;
#[cfg(all(test, not(feature = "loom")))]
mod tests;
