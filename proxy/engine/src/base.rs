//! What every connection rests on: a slab, lent buffers, timers, the connection itself and the turn of the loop.
//!
//! In: bytes and readiness from a driver. Out: bytes and wishes (dial, close, read on) for the driver.
//! Never here: HTTP, policy, system calls.

pub(crate) mod buffers;
pub(crate) mod conn;
pub(crate) mod net;
pub(crate) mod output;
pub(crate) mod slab;
pub(crate) mod turn;
pub(crate) mod wheel;
