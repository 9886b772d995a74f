//! Where requests and connections go: policy applied to a head, targets, paths with their endpoints, and the connections kept to each.
//!
//! In: `Tell::Target`, `Tell::Endpoints`; heads from `traffic`, lookups by who accepted something. Out: an endpoint, a connection to it, and the header edits.
//! Limits: a target or path lives while something uses it or until its idle time is over; the control thread bounds endpoints.
//! Never here: bodies, framing.

pub(crate) mod balancer;
pub(crate) mod choose;
pub(crate) mod endpoint;
pub(crate) mod gateway;
pub(crate) mod inbound;
pub(crate) mod ingress;
pub(crate) mod judge;
pub(crate) mod limit;
pub(crate) mod outbound;
pub(crate) mod path;
pub(crate) mod pick;
pub(crate) mod pool;
pub(crate) mod profiles;
pub(crate) mod recover;
pub(crate) mod redirect;
pub(crate) mod target;
pub(crate) mod unready;
pub(crate) mod wishes;

use crate::base::slab::{Key, Slab};
use balancer::Known;
use endpoint::Endpoint;
use path::Path;
use std::collections::HashMap;
use std::net::SocketAddr;
use table::{Lookup, PathId};
use target::Target;

/// All that is known about destinations.
#[derive(Default)]
pub(crate) struct Routes {
    pub(crate) targets: Slab<Target>,
    pub(crate) by_lookup: HashMap<Lookup, Key<Target>>,
    pub(crate) paths: Slab<Path>,
    pub(crate) by_path: HashMap<PathId, Known>,
    pub(crate) endpoints: Slab<Endpoint>,
    /// Our application's own addresses.
    pub(crate) apps: HashMap<SocketAddr, Key<Endpoint>>,
}
