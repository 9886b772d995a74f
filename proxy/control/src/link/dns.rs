//! Names to addresses: SRV first, because a headless Service's records name port and instance, else A and AAAA.

use crate::env::{Authority, Lookups};
use hickory_resolver::config::ResolverOpts;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::{Resolver, TokioResolver};
use metrics::{Registry, families};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Addresses taken from one answer.
const MOST: usize = 64;
/// Answers kept.
const KEPT: u64 = 256;
/// For one query, three tries included.
const QUERY: Duration = Duration::from_millis(800);

/// The resolver of the pod, read from `/etc/resolv.conf` at first use.
pub struct Dns {
    resolver: OnceCell<TokioResolver>,
    lookups: Option<Lookups>,
    registry: Arc<Registry>,
}

impl Dns {
    /// Reads nothing yet. Answers are kept only within the bounds of `lookups`.
    pub fn new(registry: Arc<Registry>, lookups: Option<Lookups>) -> Self {
        Self { resolver: OnceCell::new(), lookups, registry }
    }

    #[cfg(test)]
    fn with(resolver: TokioResolver, registry: Arc<Registry>) -> Self {
        Self { resolver: OnceCell::new_with(Some(resolver)), lookups: None, registry }
    }

    /// All addresses of a service, in no order; at most 64.
    ///
    /// # Errors
    /// A sentence with the name and what the resolver said.
    pub async fn resolve(&self, authority: &Authority) -> Result<Vec<SocketAddr>, String> {
        if let Ok(ip) = authority.host.parse::<IpAddr>() {
            return Ok(vec![(ip, authority.port).into()]);
        }
        if authority.local() {
            return Ok(vec![(Ipv4Addr::LOCALHOST, authority.port).into()]);
        }
        let resolver = self.resolver.get_or_try_init(|| async { resolver(self.lookups) }).await?;
        let by_srv = srv(resolver, &authority.host, authority.port).await;
        self.count(&authority.host, "srv", by_srv.is_ok());
        if let Ok(addresses) = by_srv
            && !addresses.is_empty()
        {
            return Ok(addresses);
        }
        let found = resolver.lookup_ip(&*authority.host).await;
        self.count(&authority.host, "a/aaaa", found.is_ok());
        let found = found.map_err(|error| format!("cannot resolve {}: {error}", authority.host))?;
        Ok(found.iter().take(MOST).map(|ip| (ip, authority.port).into()).collect())
    }

    fn count(&self, client: &str, record: &str, ok: bool) {
        let labels = [("client", client), ("record_type", record), ("result", if ok { "ok" } else { "error" })];
        self.registry.control_shard().add(self.registry.counter(&families::CONTROL_DNS_TOTAL, &labels), 1);
    }
}

fn resolver(lookups: Option<Lookups>) -> Result<TokioResolver, String> {
    let mut builder = Resolver::builder_tokio().map_err(|error| format!("/etc/resolv.conf cannot be used: {error}"))?;
    settle(builder.options_mut(), lookups);
    builder.build().map_err(|error| format!("resolver: {error}"))
}

fn settle(options: &mut ResolverOpts, lookups: Option<Lookups>) {
    options.timeout = QUERY;
    // Reconnects must see the newest instances, and the cluster's resolver caches for all: unless somebody wants it otherwise.
    options.cache_size = if lookups.is_some() { KEPT } else { 0 };
    if let Some(Lookups { min, max }) = lookups {
        options.positive_min_ttl = Some(min);
        options.positive_max_ttl = max;
        options.negative_max_ttl = Some(Duration::ZERO);
    }
    options.attempts = 2;
}

/// Records of our port; a record of another port belongs to another port of the same Service.
async fn srv(resolver: &TokioResolver, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let answer = resolver.srv_lookup(host).await.map_err(|error| error.to_string())?;
    let records: Vec<_> =
        answer.answers().iter().filter_map(|r| if let RData::SRV(srv) = &r.data { Some(srv) } else { None }).collect();
    let ours = records.iter().any(|srv| srv.port == port);
    let mut addresses = Vec::new();
    for srv in records.iter().filter(|srv| !ours || srv.port == port).take(MOST) {
        let name = srv.target.to_utf8();
        let known = answer.additionals().iter().chain(answer.answers()).filter(|r| r.name == srv.target);
        let mut ips: Vec<IpAddr> = known.filter_map(|r| r.data.ip_addr()).collect();
        ips.extend(ips.is_empty().then(|| dashed(&name)).flatten());
        if ips.is_empty()
            && let Ok(found) = resolver.lookup_ip(name.as_str()).await
        {
            ips.extend(found.iter());
        }
        addresses.extend(ips.into_iter().map(|ip| SocketAddr::from((ip, srv.port))));
    }
    addresses.truncate(MOST);
    Ok(addresses)
}

/// `10-42-0-7.svc.ns.svc.cluster.local.`: CoreDNS names endpoints by their address.
fn dashed(name: &str) -> Option<IpAddr> {
    name.split('.').next()?.replace('-', ".").parse::<Ipv4Addr>().ok().map(IpAddr::from)
}

#[cfg(test)]
mod tests;
