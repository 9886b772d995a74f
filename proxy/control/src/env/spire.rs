//! A SPIRE agent as the source of certificates: its socket, under its newer or its older name, and the waits between tries.

use super::parse::waits;
use super::reader::{PREFIX, Reader};
use super::settings::{Backoff, Spire};
use std::path::PathBuf;
use std::time::Duration;

const TRIES: Backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1), jitter: 0.1 };

pub(super) fn spire(r: &mut Reader<'_>) -> Option<Spire> {
    let path = |text: &str| {
        let path = text.strip_prefix("unix:").map_or(text, |path| path.strip_prefix("//").unwrap_or(path));
        path.starts_with('/').then(|| PathBuf::from(path))
    };
    let example = "unix:///run/spire/sockets/agent.sock";
    let old = r.opt("IDENTITY_SPIRE_SOCKET", path, example);
    let socket = r.opt("IDENTITY_SPIRE_WORKLOAD_API_ADDRESS", path, example).or(old);
    // Linkerd's proxy reads these with its prefix twice: what a chart sets for it has that form.
    let twice = waits(r, &format!("{PREFIX}IDENTITY_SPIRE"), TRIES);
    let backoff = waits(r, "IDENTITY_SPIRE", twice);
    Some(Spire { socket: socket?, backoff })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_have_two_names_and_the_plain_one_wins() {
        let known = |name: &str| match name {
            "LINKERD2_PROXY_IDENTITY_SPIRE_SOCKET" => Some("unix:///old.sock".to_owned()),
            "LINKERD2_PROXY_IDENTITY_SPIRE_WORKLOAD_API_ADDRESS" => Some("/new.sock".to_owned()),
            "LINKERD2_PROXY_LINKERD2_PROXY_IDENTITY_SPIRE_EXP_BACKOFF_MIN" => Some("300ms".to_owned()),
            "LINKERD2_PROXY_LINKERD2_PROXY_IDENTITY_SPIRE_EXP_BACKOFF_MAX" => Some("5s".to_owned()),
            "LINKERD2_PROXY_IDENTITY_SPIRE_EXP_BACKOFF_MAX" => Some("7s".to_owned()),
            _ => None,
        };
        let mut r = Reader::new(&known);
        let backoff = Backoff { min: Duration::from_millis(300), max: Duration::from_secs(7), jitter: 0.1 };
        assert_eq!(spire(&mut r), Some(Spire { socket: "/new.sock".into(), backoff }));
        assert_eq!(spire(&mut Reader::new(&|_| None)), None);
        assert!(r.errors.is_empty());
    }
}
