//! Whom to send the next request to. What enters: endpoints with weights, readiness, observed latencies, `now` in
//! monotonic nanoseconds and dice; what leaves: an endpoint's number. Never in here: addresses, connections, timers,
//! locks. One balancer per (service, worker).
//!
//! Rooms: [`dice`], [`ewma`] (how slow is it), [`pool`] (endpoints and the pick), [`breaker`] (leave a failing one
//! alone), [`failfast`] (stop queueing when nobody is there), [`split`] (weights between backends).

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod breaker;
pub mod dice;
pub mod ewma;
pub mod failfast;
pub mod pool;
pub mod split;
