//! Messages of the control plane to tables: pure, whole, never silent about a part that cannot be used.
//!
//! In: protobuf of `linkerd2-proxy-api`. Out: `table` values. A part we cannot read becomes one that fails with a sentence
//! (`Broken`, `Filter::Unknown`, a 500 rule), or for an endpoint or authorization is left out with a line in the log: the safe side.
//! Never here: streams, clocks, state; discovery paths are numbered by a function that is passed in.

mod backends;
pub mod endpoint;
pub mod inbound;
mod limit;
mod matches;
mod outbound;
pub mod profile;
mod retry;
mod split;
mod target;

pub use target::{Answer, Defaults, Slot, target};

use linkerd2_proxy_api::meta;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use table::{Labels, Meta, PathId};

/// Numbers a discovery path (`svc.ns.svc.cluster.local:port`).
pub type Number<'a> = &'a mut dyn FnMut(&str) -> PathId;

pub(crate) fn default_meta(name: &str) -> Meta {
    Meta { kind: "default".into(), name: name.into(), ..Meta::default() }
}

pub(crate) fn meta(from: Option<&meta::Metadata>) -> Meta {
    match from.and_then(|m| m.kind.as_ref()) {
        Some(meta::metadata::Kind::Default(name)) => default_meta(name),
        Some(meta::metadata::Kind::Resource(r)) => Meta {
            group: r.group.as_str().into(),
            kind: r.kind.as_str().into(),
            namespace: r.namespace.as_str().into(),
            name: r.name.as_str().into(),
            port: u16::try_from(r.port).unwrap_or(0),
            section: r.section.as_str().into(),
        },
        None => default_meta("unknown"),
    }
}

/// Sorted by name, so that equal sets are equal values.
pub(crate) fn labels<'a>(maps: impl IntoIterator<Item = &'a HashMap<String, String>>) -> Labels {
    let mut all: HashMap<&str, &str> = HashMap::new();
    for map in maps {
        all.extend(map.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    }
    let mut all: Vec<(Arc<str>, Arc<str>)> = all.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
    all.sort();
    all.into()
}

/// Absent and negative ones are zero.
pub(crate) fn duration(from: Option<&prost_types::Duration>) -> Duration {
    let Some(d) = from else { return Duration::ZERO };
    match (u64::try_from(d.seconds), u32::try_from(d.nanos)) {
        (Ok(seconds), Ok(nanos)) if nanos < 1_000_000_000 => Duration::new(seconds, nanos),
        _ => Duration::ZERO,
    }
}

pub(crate) fn or(value: Duration, default: Duration) -> Duration {
    if value.is_zero() { default } else { value }
}

#[cfg(test)]
mod tests;
