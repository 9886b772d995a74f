//! The environment at the door: `LINKERD2_PROXY_*` text in, typed settings out, or every wrong variable in one list.
//!
//! In: a look-up of variables. Out: `Settings`, warnings, or sentences that name variable, value and a valid example.
//! Never here: files, sockets, defaults hidden elsewhere. Unknown variables are ignored, empty ones count as unset.

mod lookups;
mod parse;
mod reader;
mod settings;
mod spire;
mod strangers;
mod value;
mod watching;

pub use lookups::Lookups;
pub use parse::settings;
pub use reader::PREFIX;
pub use settings::{
    AccessLog, Authority, Backoff, ControlPlane, DefaultPolicy, H2Server, Identity, Permit, Scope, Settings, Side,
    Spire, StreamLimits, Trace,
};
pub use strangers::Strangers;
pub use value::{Network, Ports, duration};

#[cfg(test)]
mod tests;
