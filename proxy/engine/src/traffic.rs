//! Requests: parsed from one connection, decided on, written to another, and their answers back.
//!
//! In: HTTP connections from `entry`. Out: heads and bodies on connections from `route::pool`, answers of our own for what fails.
//! An exchange joins one request's two sides by key; bodies pass straight through while the other side takes them.
//! Limits: an exchange holds at most a stream window (HTTP/2) or one read (HTTP/1) of body that cannot be passed on yet.
//! Never here: how a connection is made, who may ask what (see `route`).

pub(crate) mod begin;
pub(crate) mod body;
pub(crate) mod exchange;
pub(crate) mod fault;
pub(crate) mod finish;
pub(crate) mod h1;
pub(crate) mod h2;
pub(crate) mod kept;
pub(crate) mod pace;
pub(crate) mod queue;
pub(crate) mod respond;
pub(crate) mod retry;
pub(crate) mod send;
