//! `io.linkerd.proxy.tap.Tap/Observe`: who may look at requests, and what they get.
//!
//! In: calls of one named client. Out: `Tell::Watch` to all workers, events as bytes. Limits: 8 sessions, 10 minutes each,
//! 400 events that wait for a client (`tap_events_dropped_total` counts what there was no room for), rules of 256 parts.
//! Never here: sockets and TLS (see the program), matching (see `table::observe`).

mod convert;
mod encode;
mod queue;
mod sessions;

pub use sessions::{Session, Taps};

use linkerd2_proxy_api::tap::ObserveRequest;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use table::observe::Event;
use tonic::body::Body;
use tonic::codegen::{StdError, http};
use tonic::server::{Grpc, ServerStreamingService};
use tonic::{Request, Response, Status};

const PATH: &str = "/io.linkerd.proxy.tap.Tap/Observe";
const REQUEST: usize = 64 << 10;

/// The service, for one connection.
#[derive(Clone)]
pub struct Observed {
    taps: Arc<Taps>,
    allowed: bool,
}

impl Observed {
    /// `client`: who the connection's certificate says it is.
    pub fn new(taps: Arc<Taps>, client: Option<&str>, permitted: &str) -> Self {
        // DNS names know no letter case, SPIFFE paths do.
        let same =
            |client: &str| client == permitted || !permitted.contains('/') && client.eq_ignore_ascii_case(permitted);
        Self { taps, allowed: client.is_some_and(same) }
    }

    /// The answer to one call.
    ///
    /// # Errors
    /// Never.
    pub async fn answer<B>(self, request: http::Request<B>) -> Result<http::Response<Body>, Infallible>
    where
        B: tonic::codegen::Body + Send + 'static,
        B::Error: Into<StdError> + Send,
    {
        if request.uri().path() != PATH {
            return Ok(Status::unimplemented("the tap port knows Observe alone").into_http());
        }
        let mut grpc = Grpc::new(encode::Messages::default()).apply_max_message_size_config(Some(REQUEST), None);
        Ok(grpc.server_streaming(self, request).await)
    }

    fn observe(&self, request: ObserveRequest) -> Result<Session, Status> {
        if !self.allowed {
            return Err(Status::unauthenticated("tap is for the mesh's own tap service only"));
        }
        if request.limit == 0 {
            return Err(Status::invalid_argument("limit must be over 0"));
        }
        let headers = convert::wants_headers(request.extract.as_ref());
        let rule = convert::rule(request.r#match).map_err(Status::invalid_argument)?;
        let session = self.taps.open(rule, u64::from(request.limit), headers);
        session.ok_or_else(|| Status::resource_exhausted("too many tap sessions are open"))
    }
}

impl ServerStreamingService<ObserveRequest> for Observed {
    type Response = Event;
    type ResponseStream = Session;
    type Future = Ready<Result<Response<Session>, Status>>;

    fn call(&mut self, request: Request<ObserveRequest>) -> Self::Future {
        ready(self.observe(request.into_inner()).map(Response::new))
    }
}
