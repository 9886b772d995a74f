//! `io.linkerd.proxy.tap.Tap/Observe`: who may look at requests, and what they get.
//!
//! In: calls of one named client. Out: `Tell::Watch` to all workers, events as messages. Limits: 8 sessions, 10 minutes each,
//! 400 events that wait for a client (`tap_events_dropped_total` counts what there was no room for), rules of 256 parts.
//! Never here: sockets and TLS (see the program), matching (see `table::observe`).

mod convert;
mod sessions;

pub use sessions::{Session, Taps};

use linkerd2_proxy_api::tap as api;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// The service, for one connection.
pub struct Observed {
    taps: Arc<Taps>,
    allowed: bool,
}

impl Observed {
    /// `client`: who the connection's certificate says it is.
    pub fn service(taps: Arc<Taps>, client: Option<&str>, permitted: &str) -> api::tap_server::TapServer<Self> {
        // DNS names know no letter case, SPIFFE paths do.
        let same =
            |client: &str| client == permitted || !permitted.contains('/') && client.eq_ignore_ascii_case(permitted);
        let allowed = client.is_some_and(same);
        api::tap_server::TapServer::new(Self { taps, allowed }).max_decoding_message_size(64 << 10)
    }
}

#[tonic::async_trait]
impl api::tap_server::Tap for Observed {
    type ObserveStream = Session;

    async fn observe(&self, request: Request<api::ObserveRequest>) -> Result<Response<Session>, Status> {
        if !self.allowed {
            return Err(Status::unauthenticated("tap is for the mesh's own tap service only"));
        }
        let request = request.into_inner();
        if request.limit == 0 {
            return Err(Status::invalid_argument("limit must be over 0"));
        }
        let headers = convert::wants_headers(request.extract.as_ref());
        let rule = convert::rule(request.r#match).map_err(Status::invalid_argument)?;
        let session = self.taps.open(rule, u64::from(request.limit), headers);
        session.map(Response::new).ok_or_else(|| Status::resource_exhausted("too many tap sessions are open"))
    }
}
