//! What is to be redirected and what is not: typed, ready to be rendered by `nft` or `iptables`.

use std::net::IpAddr;

/// A port or a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports(pub u16, pub u16);

/// An address block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block(pub IpAddr, pub u8);

impl std::fmt::Display for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.0, self.1)
    }
}

/// The redirection of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Where connections from other pods go.
    pub inbound: u16,
    /// Where connections of the application go.
    pub outbound: u16,
    /// The proxy's own user: its connections are left alone.
    pub uid: u32,
    /// And its group, if it is to count too.
    pub gid: Option<u32>,
    /// Inbound destination ports left alone.
    pub skip_inbound: Vec<Ports>,
    /// Outbound destination ports left alone.
    pub skip_outbound: Vec<Ports>,
    /// Sources left alone inbound, destinations left alone outbound.
    pub skip_subnets: Vec<Block>,
    /// Redirect this list only; empty: every port.
    pub only_inbound: Vec<Ports>,
    /// IPv6 too.
    pub ipv6: bool,
}
