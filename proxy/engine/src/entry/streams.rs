//! Routes of whole connections: by the server name of a TLS hello, or for every opaque connection alike.
//!
//! In: a connection that shall be forwarded as bytes, the routes of its target. Out: an endpoint, a path to wait for, or its end with
//! the reason counted. Limits: a hello is at most 16 KiB and comes before the detect timeout; `Side::tcp_queue` connections wait for a path.
//! Never here: TLS of our own.

use crate::base::conn::Conn;
use crate::base::slab::Key;
use crate::engine::Engine;
use crate::entry::sniff::Stage;
use crate::route::endpoint::Endpoint;
use crate::route::pick::Picked;
use crate::tally::streams::Ended;
use crate::traffic::fault::Fault;
use table::outbound::{self as spec, Filter, HostMatch, Protocol, Refusal, Split, Stream};
use wire::hello::{self, Hello};

/// The route of a connection: of those whose names match it best, the first.
pub(crate) fn best(streams: &[Stream], name: Option<&str>) -> Option<usize> {
    let mut found: Option<((u8, usize), usize)> = None;
    for (index, stream) in streams.iter().enumerate() {
        let rank = if stream.names.is_empty() {
            Some((0, 0))
        } else {
            stream.names.iter().filter_map(|n| fits(n, name?)).max()
        };
        if let Some(rank) = rank
            && found.is_none_or(|(held, _)| rank > held)
        {
            found = Some((rank, index));
        }
    }
    found.map(|(_, index)| index)
}

fn fits(wanted: &HostMatch, name: &str) -> Option<(u8, usize)> {
    match wanted {
        HostMatch::Exact(exact) => name.eq_ignore_ascii_case(exact).then_some((2, exact.len())),
        HostMatch::Suffix(suffix) => {
            let tail = name.len().checked_sub(suffix.len()).filter(|&n| n > 0)?;
            let same = name.as_bytes()[tail..].eq_ignore_ascii_case(suffix.as_bytes());
            same.then_some((1, suffix.len()))
        }
    }
}

/// What a chosen arm of a split says against the connection.
fn refused(split: &Split, arm: u16) -> Option<Ended> {
    let arms = match split {
        Split::First(arms) | Split::Random(arms) => &arms[..],
        Split::Empty | Split::Refused(_) => &[],
    };
    arms.get(usize::from(arm))?.filters.iter().find_map(|filter| match filter {
        Filter::Refuse(Refusal::Forbidden) => Some(Ended::Forbidden),
        Filter::Refuse(Refusal::Invalid(_)) | Filter::Unknown => Some(Ended::InvalidPolicy),
        _ => None,
    })
}

/// Why a pick came to nothing.
fn why(split: &Split, fault: &Fault) -> Ended {
    match (split, fault) {
        (Split::Refused(Refusal::Forbidden), _) => Ended::Forbidden,
        (Split::Refused(Refusal::Invalid(_)), _) => Ended::InvalidPolicy,
        (_, Fault::Policy(..)) => Ended::InvalidBackend,
        _ => Ended::Unexpected,
    }
}

impl Engine {
    /// Before it is known where a TLS connection goes its hello must come. False: that is settled.
    pub(crate) fn wants_name(&mut self, key: Key<Conn>) -> bool {
        let Some(info) = self.info(key) else { return false };
        let target = info.target;
        let table = self.routes.targets.get(target).and_then(|target| target.table.as_ref());
        let tls = table.is_some_and(|table| table.protocol == Protocol::Tls);
        if !tls || self.sniff(key).is_none_or(|sniff| sniff.name.is_some()) {
            return false;
        }
        self.stage(key, Stage::Name);
        let limit = self.config.outbound_side.detect_timeout.as_millis() as u64;
        self.alarm(key, limit.max(1));
        self.wake(key);
        true
    }

    /// The first bytes of a connection that must be TLS.
    pub(crate) fn server_name(&mut self, key: Key<Conn>, data: &[u8]) -> usize {
        match hello::sniff(data) {
            Hello::Partial => {}
            Hello::Tls { sni } => {
                if let Some(sniff) = self.sniff(key) {
                    sniff.name = Some(sni.as_deref().unwrap_or("").into());
                }
                self.opaque_join(key);
                self.wake(key);
            }
            Hello::NotTls => {
                self.blame(key, "unexpected");
                self.kill(key, true);
                return data.len();
            }
        }
        0
    }

    /// An endpoint for a connection; none: it waits, or is gone.
    pub(crate) fn stream_endpoint(&mut self, key: Key<Conn>) -> Option<Key<Endpoint>> {
        let target = self.info(key)?.target;
        let name = self.sniff(key)?.name.take();
        let Some(table) = self.routes.targets.get_mut(target).and_then(|target| target.table.take()) else {
            self.kill(key, true);
            return None;
        };
        let named = name.as_deref().filter(|name| !name.is_empty());
        let index = best(&table.streams, named);
        let picked = index.map(|index| self.stream_pick(key, &table, index));
        if let Some(target) = self.routes.targets.get_mut(target) {
            target.table = Some(table);
        }
        if let Some(sniff) = self.sniff(key) {
            sniff.name = name;
        }
        match picked {
            Some(Ok(Picked::Endpoint(endpoint, _))) => return Some(endpoint),
            Some(Ok(Picked::Wait(path, _))) => self.stream_wait(key, path),
            Some(Ok(Picked::Fail(_)) | Err(())) | None => {
                self.blame(key, "unexpected");
                self.kill(key, true);
            }
        }
        None
    }

    fn stream_pick(&mut self, key: Key<Conn>, table: &spec::Target, index: usize) -> Result<Picked, ()> {
        let when = self.when(true);
        let (Some(target), Some(stream)) = (self.info(key).map(|info| info.target), table.streams.get(index)) else {
            return Err(());
        };
        self.stream_opened(key, target, table, index);
        let picked = self.routes.pick(target, table, &stream.split, &mut self.dice, when);
        let ended = match &picked {
            Picked::Endpoint(_, arm) => refused(&stream.split, *arm),
            Picked::Wait(..) => None,
            Picked::Fail(fault) => {
                if matches!(fault, Fault::Failfast) {
                    self.blame(key, "failfast");
                }
                Some(why(&stream.split, fault))
            }
        };
        match ended {
            None => Ok(picked),
            Some(ended) => {
                self.stream_ended(key, ended);
                Err(())
            }
        }
    }

    fn stream_wait(&mut self, key: Key<Conn>, at: Key<crate::route::path::Path>) {
        let most = self.config.outbound_side.tcp_queue;
        match self.routes.paths.get_mut(at) {
            Some(path) if path.joining.len() < most => path.joining.push(key),
            _ => {
                self.blame(key, "loadshed");
                self.kill(key, true);
            }
        }
        self.queue_counted(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_name_wins_and_the_first_among_equals() {
        let exact = |name: &str| HostMatch::Exact(name.into());
        let below = |name: &str| HostMatch::Suffix(format!(".{name}").into());
        let routes = [
            vec![],
            vec![below("com")],
            vec![below("example.com"), exact("a.test")],
            vec![exact("www.example.com")],
            vec![exact("a.test")],
        ];
        let streams: Vec<_> = routes
            .into_iter()
            .map(|names| Stream { names: names.into(), split: Split::Empty, route: Default::default() })
            .collect();
        for (name, route) in [
            (Some("www.example.com"), 3),
            (Some("WWW.Example.COM"), 3),
            (Some("b.example.com"), 2),
            (Some("example.com"), 1),
            (Some("a.test"), 2),
            (Some("com"), 0),
            (Some("org"), 0),
            (None, 0),
        ] {
            assert_eq!(best(&streams, name), Some(route), "{name:?}");
        }
        assert_eq!((best(&streams[1..], None), best(&streams[3..], Some("x")), best(&[], None)), (None, None, None));
    }
}
