//! Whom to send the next request to. What enters: endpoints with weights, readiness, observed latencies, `now` in
//! monotonic nanoseconds and dice; what leaves: an endpoint's number. Never in here: addresses, connections, timers,
//! locks. One balancer per (service, worker).
//!
//! Rooms: [`dice`], [`ewma`] (how slow is it), [`penalty`] (it said that it is overloaded), [`pool`] (endpoints and the
//! pick), [`window`] and [`breaker`] (leave a failing one alone), [`backoff`] (when to try again), [`budget`] (how many
//! retries), [`gcra`] (requests a second).

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod backoff;
pub mod breaker;
pub mod budget;
pub mod dice;
pub mod ewma;
pub mod gcra;
pub mod penalty;
pub mod pool;
pub mod window;
