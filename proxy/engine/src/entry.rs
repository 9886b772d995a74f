//! How connections come in: accepted, looked at, authorized, and given to whoever speaks their protocol.
//!
//! In: accepted sockets with their original destination, first bytes. Out: HTTP connections for `traffic`, opaque pairs.
//! Limits: every state before the first request has a deadline; at most one read of bytes is kept.
//! Never here: requests.

pub(crate) mod accept;
pub(crate) mod authorize;
pub(crate) mod foreign;
pub(crate) mod opaque;
pub(crate) mod ports;
pub(crate) mod shake;
pub(crate) mod sniff;
pub(crate) mod sources;
pub(crate) mod streams;
