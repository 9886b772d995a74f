//! Traces: spans of sampled requests to an OTLP collector over gRPC.
//!
//! In: `Span` from the workers. Out: batches of up to 1 000, each 10 s at the latest, to `TRACE_COLLECTOR_SVC_ADDR` over mesh TLS.
//! Limits: 1 000 spans wait beside the batch under way; a batch the collector does not take within a minute is given up. Both losses
//! are counted (`opentelemetry_spans_dropped_total`). Never here: which requests are traced (see the engine).

mod export;
mod otlp;
mod resource;

pub use export::start;
