//! Tickets of one peer for this client: a later connection begins with one and skips certificates on both sides.
//!
//! In: tickets as servers send them. Out: each at most once, newest first. A store belongs to one endpoint, one expected identity and
//! one certificate of ours: it goes with the configuration that holds it, and rustls refuses a ticket under another verifier.
//! Limits: `MOST` tickets a store. Never here: TLS 1.2.

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// A connection uses one and brings one: as many as connections to one endpoint usually begin at the same time.
const MOST: usize = 16;

/// One peer's tickets.
#[derive(Debug, Default)]
pub(crate) struct Tickets(Mutex<VecDeque<Tls13ClientSessionValue>>);

impl ClientSessionStore for Tickets {
    /// All our peers take our first group.
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= MOST {
            held.pop_front();
        }
        held.push_back(ticket);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_back()
    }
}
