//! What the control plane and the environment say.

use control::convert::{self, Answer, Defaults, Slot};
use linkerd2_proxy_api::{destination, inbound, outbound};
use prost::Message;
use std::collections::HashMap;
use std::time::Duration;
use table::outbound::Source;
use table::{Lookup, PathId};

/// The first byte says which message follows; each is converted whole, or a part of it is left out.
pub fn policy(data: &[u8]) {
    let Some((&kind, data)) = data.split_first() else { return };
    match kind % 4 {
        0 => {
            if let Ok(message) = inbound::Server::decode(data) {
                let _ = convert::inbound::server(&message);
            }
        }
        1 => {
            if let Ok(message) = destination::WeightedAddr::decode(data) {
                let _ = convert::endpoint::endpoint(&message, &HashMap::new());
            }
        }
        2 => {
            if let Ok(message) = outbound::OutboundPolicy::decode(data) {
                target(Answer { policy: Slot::Is(message), profile: Slot::Absent });
            }
        }
        _ => {
            if let Ok(message) = destination::DestinationProfile::decode(data) {
                target(Answer { policy: Slot::Absent, profile: Slot::Is(message) });
            }
        }
    }
}

fn target(answer: Answer) {
    let defaults = Defaults { detect: None, queue: 10, failfast: Duration::from_secs(1) };
    let lookup = Lookup::Name("web.ns.svc.cluster.local:80".into());
    let mut paths = 0;
    let made = convert::target(&lookup, &answer, defaults, Source::Fresh, &mut |_| {
        paths += 1;
        PathId(paths)
    });
    assert!(made.backends.len() <= usize::from(u16::MAX));
}

/// Lines `NAME=value`; names without their prefix.
pub fn environment(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let pairs: HashMap<String, &str> =
        text.lines().filter_map(|line| line.split_once('=')).map(|(k, v)| (full(k), v)).collect();
    if let Err(errors) = control::env::settings(&|name| pairs.get(name).map(|v| (*v).to_owned()), 4) {
        assert!(!errors.is_empty());
    }
}

fn full(name: &str) -> String {
    if name.starts_with("ISTHMUS_") { name.to_owned() } else { format!("{}{name}", control::env::PREFIX) }
}
