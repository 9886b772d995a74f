//! The data plane: connections in, connections out, one sans-IO engine per worker thread.
//!
//! In: bytes from sockets, tables from the control thread (`table::Tell`). Out: bytes, metrics, questions (`table::Ask`).
//! Never here: futures, locks, reference counts or dynamic dispatch on the way of a request.

mod base;
mod config;
mod engine;
mod entry;
mod observe;
mod route;
mod run;
#[cfg(test)]
mod sim;
mod tally;
mod traffic;

pub use config::{Backoff, Config, H2, Side};
pub use run::{Running, StartError, start};
