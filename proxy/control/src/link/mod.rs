//! Links to the control plane: names to addresses, addresses to connections, connections to streams that come back.
//!
//! In: an `env::Authority` and the newest credentials. Out: messages of a stream, for as long as somebody listens.
//! Every reconnect looks the name up again; a wait between tries grows from 100 ms to 10 s. Never here: what messages mean.

mod backoff;
mod calls;
mod dial;
mod dns;
mod stream;

pub use backoff::Wait;
pub use calls::Calls;
pub use dial::{Link, Trust};
pub use dns::Dns;
pub use stream::{Follow, Said};
