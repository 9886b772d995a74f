//! HTTP/2 (RFC 9113): one state machine for both roles. Bytes in, events out, frames appended to a lent buffer.
//! A stream carries a caller's `u64` token. Flow control holds both ways: what is received must be
//! [`Conn::release`]d, what is sent is cut by the peer's windows and a [`Event::Writable`] says when to go on.
//!
//! Bounds: streams <= `max_streams`; one header block <= `header_list`; the unreleased data <= `connection_window`;
//! remembered resets <= 256; header compression tables <= 4 KiB each way; abuse is counted in two leaky buckets
//! ([`Limits`]). The caller stops calling [`Conn::recv`] while its output buffer is over its cap: answers owed to
//! the peer (pings, settings, resets) then cannot pile up.

mod bucket;
mod conn;
mod frame;
mod heads;
pub mod hpack;
mod recv;
mod send;
mod streams;

pub use conn::{Conn, Event, Faults, Refused, StreamId};
pub use frame::Code;

/// Which end of the connection we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We open streams.
    Client,
    /// The peer opens streams.
    Server,
}

/// What we announce and hold the peer to.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Receive window of a stream, bytes.
    pub stream_window: u32,
    /// Receive window of the connection, bytes.
    pub connection_window: u32,
    /// Largest frame payload we take, 16 384 to 16 777 215.
    pub frame: u32,
    /// Largest header list we take (RFC 9113 section 6.5.2 count); also bounds the compressed block.
    pub header_list: u32,
    /// Streams the peer may have open (server), or that we open at most (client).
    pub max_streams: u32,
    /// Tolerance for traffic that carries nothing.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            stream_window: 1 << 20,
            connection_window: 16 << 20,
            frame: 16_384,
            header_list: 64 << 10,
            max_streams: 1000,
            limits: Limits::default(),
        }
    }
}

/// Two leaky buckets per connection. A breach ends the connection with `ENHANCE_YOUR_CALM`.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Resets (by the peer, or by us because of the peer) in a burst; a finished stream gives one back.
    pub resets: u32,
    /// Resets forgiven per second.
    pub resets_per_second: u32,
    /// Frames without payload (PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA) in a burst; DATA gives back.
    pub control: u32,
    /// Such frames forgiven per second.
    pub control_per_second: u32,
}

impl Limits {
    /// For links from peers with a verified identity, which carry many clients' requests: when a service hangs, all of
    /// them give up at once, and that must not end the link.
    pub fn mesh() -> Limits {
        Limits { resets: 20_000, resets_per_second: 5_000, control: 20_000, control_per_second: 5_000 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { resets: 200, resets_per_second: 50, control: 2000, control_per_second: 500 }
    }
}

/// The connection is over: a GOAWAY with `code` has been appended to the output; write it, then close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why} ({code:?})")]
pub struct Fatal {
    /// What the GOAWAY says.
    pub code: Code,
    /// For log and metric; a fixed set of sentences.
    pub why: &'static str,
}

/// [`Fatal::why`] of too many streams that came to nothing.
pub const TOO_MANY_RESETS: &str = "too many resets";
/// [`Fatal::why`] of a header block over the limit.
pub const BLOCK_TOO_LARGE: &str = "header block too large";

#[cfg(test)]
mod tests;
