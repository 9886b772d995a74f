//! Our certificate from a SPIRE agent: a stream of SVIDs over a socket of this node (SPIFFE Workload API).
//!
//! In: the socket, the name we must have. Out: the newest `table::Credentials` in a watch slot, anchors included, as the agent sends
//! them: it renews by itself. A message that cannot be used changes nothing. Messages are written out here by field number.
//! Limits: one stream; 100 ms to 1 s between tries unless settings say otherwise; 4 MiB a message. Never here: private keys on disk.

use super::certify::{count, seconds_of};
use crate::env::{Identity, Spire};
use crate::link::Wait;
use hyper_util::rt::TokioIo;
use metrics::Registry;
use prost::Message;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use table::Credentials;
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time;
use tonic::client::Grpc;
use tonic::codegen::http::Uri;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Streaming};

const METHOD: &str = "/SpiffeWorkloadAPI/FetchX509SVID";
/// Until the agent takes the connection.
const CONNECT: Duration = Duration::from_secs(5);

#[derive(Clone, PartialEq, Message)]
struct SvidRequest {}

/// `X509SVIDResponse`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SvidResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) svids: Vec<Svid>,
}

/// `X509SVID`: DER throughout, certificates one after the other.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Svid {
    #[prost(string, tag = "1")]
    pub(super) spiffe_id: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) chain: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) bundle: Vec<u8>,
}

/// Keeps `slot` filled for ever.
pub async fn run(
    settings: Identity,
    spire: Spire,
    slot: watch::Sender<Option<Arc<Credentials>>>,
    registry: Arc<Registry>,
) {
    let Spire { socket, backoff } = spire;
    let mut wait = Wait::new(backoff);
    loop {
        let why = match open(&socket).await {
            Ok(stream) => {
                wait.reset();
                follow(&settings, stream, &slot, &registry).await
            }
            Err(why) => why,
        };
        let pause = wait.after_failure(fastrand::f64());
        log::warn!("SPIRE agent at {}: {why}; again in {pause:?}", socket.display());
        time::sleep(pause).await;
    }
}

/// Takes each message until the stream ends; says why it did.
async fn follow(
    settings: &Identity,
    mut stream: Streaming<SvidResponse>,
    slot: &watch::Sender<Option<Arc<Credentials>>>,
    registry: &Registry,
) -> String {
    loop {
        match stream.message().await {
            Ok(Some(message)) => match take(settings, &message) {
                Ok((credentials, until)) => {
                    log::info!("certified as {} by SPIRE", settings.id);
                    count(registry, credentials.roots.len(), Some(seconds_of(until)));
                    slot.send_replace(Some(Arc::new(credentials)));
                }
                Err(why) => {
                    count(registry, slot.borrow().as_ref().map_or(0, |held| held.roots.len()), None);
                    log::warn!("not certified by SPIRE: {why}; what we have stays");
                }
            },
            Ok(None) => return "the stream has ended".into(),
            Err(status) => return format!("{:?}: {}", status.code(), status.message()),
        }
    }
}

/// The SVID of our name as credentials, and when it ends.
pub(super) fn take(settings: &Identity, message: &SvidResponse) -> Result<(Credentials, u64), String> {
    let Some(svid) = message.svids.iter().find(|svid| svid.spiffe_id == *settings.id) else {
        let names: Vec<_> = message.svids.iter().map(|svid| &*svid.spiffe_id).collect();
        return Err(format!("it knows us as {names:?}, not as {}", settings.id));
    };
    let mut chain = tls::split(&svid.chain).ok_or("its chain cannot be read")?;
    if chain.is_empty() {
        return Err("its chain is empty".into());
    }
    let leaf = chain.remove(0);
    let until = tls::until(&leaf).ok_or("its certificate has no end")?;
    let anchors = tls::split(&svid.bundle).ok_or("its bundle cannot be read")?;
    let roots = tls::roots(anchors).map_err(|error| error.to_string())?;
    let credentials = tls::credentials(&settings.id, &settings.server_name, &leaf, &chain, &svid.key, &roots);
    Ok((credentials.map_err(|error| error.to_string())?, until))
}

async fn open(socket: &Path) -> Result<Streaming<SvidResponse>, String> {
    let endpoint = Endpoint::from_static("http://spire.local").connect_timeout(CONNECT);
    let channel: Channel = endpoint.connect_with_connector_lazy(Unix(socket.to_owned()));
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|error| error.to_string())?;
    let mut request = Request::new(SvidRequest {});
    // Agents refuse callers that do not say that they know whom they call.
    request.metadata_mut().insert("workload.spiffe.io", tonic::metadata::MetadataValue::from_static("true"));
    let codec = tonic_prost::ProstCodec::default();
    let opened = client.server_streaming(request, PathAndQuery::from_static(METHOD), codec).await;
    opened.map(tonic::Response::into_inner).map_err(|status| format!("{:?}: {}", status.code(), status.message()))
}

/// Connects to a socket of this node, whatever the address says.
#[derive(Clone)]
struct Unix(PathBuf);

impl tower_service::Service<Uri> for Unix {
    type Response = TokioIo<UnixStream>;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let path = self.0.clone();
        Box::pin(async move { UnixStream::connect(path).await.map(TokioIo::new) })
    }
}
