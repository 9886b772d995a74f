//! HTTP as bytes: heads, HTTP/1 framing, HTTP/2 frames, HPACK. What enters are slices a driver has read, what leaves are
//! bytes appended to a lent buffer and events that borrow the input. Never in here: sockets, clocks (time is a number
//! of nanoseconds), routing, policy, metrics, reference counts, dynamic dispatch.
//!
//! Rooms: [`names`] and [`head`] (what both versions share), [`h1`], [`h2`], [`path`] (one normal form),
//! [`orig_proto`] (HTTP/1 carried over HTTP/2), [`refuse`] (our own answers), [`grpc`].

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod grpc;
pub mod h1;
pub mod h2;
pub mod head;
pub mod names;
pub mod orig_proto;
pub mod path;
pub mod refuse;
pub mod stored;

pub use head::{Edit, Field, Fields, Form, Request, Response, Scratch, Version};
pub use names::{Name, Set};
