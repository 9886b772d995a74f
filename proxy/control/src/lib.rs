//! The control side of the proxy: reads the environment, keeps certificate, policy and endpoints fresh, tells the workers.
//!
//! In: `LINKERD2_PROXY_*`, messages of the control plane, `table::Ask` from workers. Out: `table::Tell`, logs, metrics.
//! Never here: a connection of the application, or anything a request waits for.

pub mod access;
pub mod admit;
pub mod convert;
pub mod discover;
pub mod env;
pub mod identity;
pub mod link;
pub mod logger;
pub mod tap;
pub mod trace;
