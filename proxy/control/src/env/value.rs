//! Text to value, one function per shape. `None` means: not this shape; the caller knows name and example.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

/// An address block: base address and prefix length.
pub type Network = (IpAddr, u8);

/// Ports and ranges of ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ports(pub Vec<RangeInclusive<u16>>);

impl Ports {
    /// Is the port in the set?
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|r| r.contains(&port))
    }

    /// Every port, at most `limit`.
    pub fn iter(&self, limit: usize) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().cloned().flatten().take(limit)
    }
}

/// `10s`, `300ms`, `1m`, `1h`, `7d`, or a bare `0`.
pub fn duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

pub(super) fn boolean(text: &str) -> Option<bool> {
    text.parse().ok()
}

pub(super) fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.parse().ok()
}

pub(super) fn address(text: &str) -> Option<SocketAddr> {
    text.parse().ok()
}

/// One or two, separated by a comma.
pub(super) fn addresses(text: &str) -> Option<Vec<SocketAddr>> {
    let all: Vec<_> = list(text).map(address).collect::<Option<_>>()?;
    (1..=2).contains(&all.len()).then_some(all)
}

pub(super) fn ips(text: &str) -> Option<Vec<IpAddr>> {
    list(text).map(|ip| ip.parse().ok()).collect()
}

/// `80,8080-8090`.
pub(super) fn ports(text: &str) -> Option<Ports> {
    let range = |text: &str| {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let (low, high): (u16, u16) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
        (low > 0 && low <= high).then_some(low..=high)
    };
    list(text).map(range).collect::<Option<_>>().map(Ports)
}

/// `10.0.0.0/8,fd00::/8`; a bare address is a block of one.
pub(super) fn networks(text: &str) -> Option<Vec<Network>> {
    let network = |text: &str| -> Option<Network> {
        let (ip, len) = match text.split_once('/') {
            Some((ip, len)) => (ip.parse::<IpAddr>().ok()?, len.parse::<u8>().ok()?),
            None => {
                let ip: IpAddr = text.parse().ok()?;
                (ip, if ip.is_ipv4() { 32 } else { 128 })
            }
        };
        (len <= if ip.is_ipv4() { 32 } else { 128 }).then_some((ip, len))
    };
    list(text).map(network).collect()
}

/// Lower case, without dots at the ends: `svc.cluster.local`. `.` alone is every name, kept as an empty suffix.
pub(super) fn suffixes(text: &str) -> Option<Vec<Box<str>>> {
    let suffix = |text: &str| {
        let bare = text.trim_matches('.').to_ascii_lowercase();
        (bare.is_empty() || name(&bare).is_some()).then(|| bare.into())
    };
    list(text).map(suffix).collect()
}

/// A DNS name, lower case, without its final dot.
pub(super) fn name(text: &str) -> Option<Box<str>> {
    let bare = text.strip_suffix('.').unwrap_or(text);
    let label =
        |l: &str| (1..=63).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let good = bare.len() <= 253 && bare.split('.').all(label);
    good.then(|| bare.to_ascii_lowercase().into())
}

/// A DNS name or a SPIFFE URI.
pub(super) fn identity(text: &str) -> Option<Box<str>> {
    if text.starts_with("spiffe://") && text.len() > "spiffe://".len() { Some(text.into()) } else { name(text) }
}

/// `host:port`; the host keeps its final dot, which says that it is not relative.
pub(super) fn host_port(text: &str) -> Option<(Box<str>, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|&p| p > 0)?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    (bare.parse::<IpAddr>().is_ok() || name(bare).is_some()).then(|| (bare.into(), port))
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}
