//! The exporter's task: spans to batches, batches to the collector.

use super::otlp::{self, ExportRequest, ExportResponse};
use super::resource;
use crate::env::{Backoff, Trace};
use crate::link::{Link, Wait};
use metrics::{Family, Registry, families};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use table::observe::{Sink, Span};
use tokio::sync::mpsc::{self, Receiver, Sender, error::TrySendError};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};

const QUEUE: usize = 1000;
const BATCH: usize = 1000;
const AGE: Duration = Duration::from_secs(10);
/// For one call.
const CALL: Duration = Duration::from_secs(10);
/// For one batch, repeats included.
const PATIENCE: Duration = Duration::from_secs(60);
const REST: Backoff = Backoff { min: Duration::from_millis(500), max: Duration::from_secs(10), jitter: 0.5 };
const PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

struct Queue(Sender<(SystemTime, Span)>);

impl Sink<Span> for Queue {
    fn put(&self, span: Span) -> bool {
        !matches!(self.0.try_send((SystemTime::now(), span)), Err(TrySendError::Full(_)))
    }
}

/// Starts the exporter; it ends, with all spans sent that can be, when nobody holds the sink any more.
pub fn start(settings: &Trace, link: Arc<Link>, registry: Arc<Registry>) -> (Arc<dyn Sink<Span>>, JoinHandle<()>) {
    let (sink, spans) = mpsc::channel(QUEUE);
    let exporter = Exporter { link, registry, resource: resource::attributes(settings) };
    (Arc::new(Queue(sink)), tokio::spawn(exporter.run(spans)))
}

struct Exporter {
    link: Arc<Link>,
    registry: Arc<Registry>,
    resource: Vec<otlp::KeyValue>,
}

impl Exporter {
    async fn run(self, mut spans: Receiver<(SystemTime, Span)>) {
        loop {
            let batch = batch(&mut spans, AGE).await;
            if batch.is_empty() {
                return;
            }
            let count = batch.len();
            let request = otlp::request(&self.resource, batch);
            let taken = match timeout(PATIENCE, self.export(&request, count)).await {
                Ok(taken) => taken,
                Err(_) => {
                    log::warn!("{}: no answer for {PATIENCE:?}, {count} spans are lost", self.link.address());
                    0
                }
            };
            self.count(&families::SPAN_EXPORTS, taken);
            self.count(&families::SPANS_DROPPED_TOTAL, count - taken);
        }
    }

    /// How many spans of the batch were taken.
    async fn export(&self, request: &ExportRequest, count: usize) -> usize {
        let mut wait = Wait::new(REST);
        loop {
            let status = match self.call(request.clone()).await {
                Ok(answer) => {
                    let Some(partial) = answer.partial_success else { return count };
                    let refused = usize::try_from(partial.rejected_spans).unwrap_or(0).min(count);
                    if refused > 0 {
                        log::warn!("{}: {refused} spans refused: {}", self.link.address(), partial.error_message);
                    }
                    return count - refused;
                }
                Err(status) => status,
            };
            if !passing(status.code()) {
                log::warn!("{}: {count} spans refused: {}", self.link.address(), status.message());
                return 0;
            }
            log::debug!("{}: {} {}", self.link.address(), status.code(), status.message());
            tokio::time::sleep(wait.after_failure(fastrand::f64())).await;
        }
    }

    async fn call(&self, request: ExportRequest) -> Result<ExportResponse, Status> {
        self.count(&families::SPAN_EXPORT_STREAMS, 1);
        let channel = self.link.channel().await.map_err(Status::unavailable)?;
        let mut client = tonic::client::Grpc::new(channel);
        let call = async {
            client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            self.count(&families::SPAN_EXPORT_REQUESTS, 1);
            let codec = tonic_prost::ProstCodec::default();
            client.unary(Request::new(request), PathAndQuery::from_static(PATH), codec).await
        };
        let answer = timeout(CALL, call).await;
        answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer"))).map(tonic::Response::into_inner)
    }

    fn count(&self, family: &'static Family, by: usize) {
        if by > 0 {
            self.registry.control_shard().add(self.registry.counter(family, &[]), by as u64);
        }
    }
}

/// Codes after which OTLP lets an exporter try again.
fn passing(code: Code) -> bool {
    use Code::{Aborted, Cancelled, DataLoss, DeadlineExceeded, OutOfRange, ResourceExhausted, Unavailable};
    matches!(code, Cancelled | DeadlineExceeded | Aborted | OutOfRange | Unavailable | DataLoss | ResourceExhausted)
}

/// Up to 1 000 spans, the first waiting no longer than `age`; none: there will be no more.
async fn batch(spans: &mut Receiver<(SystemTime, Span)>, age: Duration) -> Vec<otlp::Span> {
    let mut batch = Vec::new();
    let Some((end, span)) = spans.recv().await else { return batch };
    batch.push(otlp::span(&span, end));
    let until = Instant::now() + age;
    while batch.len() < BATCH
        && let Ok(Some((end, span))) = timeout_at(until, spans.recv()).await
    {
        batch.push(otlp::span(&span, end));
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(status: u16) -> Span {
        Span {
            trace: [1; 16],
            parent: [2; 8],
            id: [3; 8],
            flags: 1,
            inbound: true,
            method: "GET".into(),
            scheme: "http".into(),
            authority: "web".into(),
            path: "/".into(),
            user_agent: "".into(),
            client: ("10.0.0.1:5".parse().expect("an address"), None),
            destination: None,
            labels: Arc::from([]),
            status,
            grpc: u8::MAX,
            error: "",
            total_ns: 1_000,
        }
    }

    #[tokio::test]
    async fn batches_are_bounded_by_size_and_age_and_the_queue_refuses_more() {
        let (sink, mut spans) = mpsc::channel(QUEUE);
        let queue = Queue(sink);
        let put = (0..QUEUE + 5).filter(|_| queue.put(span(200))).count();
        assert_eq!(put, QUEUE);
        assert_eq!(batch(&mut spans, AGE).await.len(), BATCH);
        assert!(queue.put(span(500)));
        let late = batch(&mut spans, Duration::from_millis(5)).await;
        assert_eq!(late.len(), 1);
        assert_eq!(late[0].status.as_ref().map(|s| s.code), Some(2), "a server's error is the span's");
        assert_eq!(late[0].end_time_unix_nano - late[0].start_time_unix_nano, 1_000);
        drop(queue);
        assert!(batch(&mut spans, AGE).await.is_empty());
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (code, again) in [
            (Code::Unavailable, true),
            (Code::DeadlineExceeded, true),
            (Code::InvalidArgument, false),
            (Code::Unimplemented, false),
            (Code::PermissionDenied, false),
        ] {
            assert_eq!(passing(code), again, "{code:?}");
        }
    }
}
