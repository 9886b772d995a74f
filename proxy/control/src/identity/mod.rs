//! Our certificate: key and request made once, signed by the identity plane, renewed long before it ends.
//!
//! In: `env::Identity`, the token file (read each time), trust anchors. Out: the newest `table::Credentials` in a watch slot.
//! A failed renewal keeps the certificate that is there and is tried again. Never here: private keys on disk.

mod anchors;
mod certify;
mod key;
pub mod spire;

pub use anchors::Anchors;
pub use certify::{Renewed, run};
pub use key::Key;

#[cfg(test)]
mod tests;
