//! Who may watch this proxy and where traces go: the variables of tap and of tracing.

use super::parse::service;
use super::reader::Reader;
use super::settings::Trace;
use super::value;

/// `TAP_SVC_NAME`: who may tap; absent: nobody, and no port is opened.
pub(super) fn tap_client(r: &mut Reader<'_>) -> Option<Box<str>> {
    r.opt("TAP_SVC_NAME", value::identity, "tap.linkerd-viz.serviceaccount.identity.linkerd.cluster.local")
}

/// `TRACE_*` and OpenTelemetry's own; absent: no traces.
pub(super) fn trace(r: &mut Reader<'_>) -> Option<Trace> {
    r.raw("TRACE_COLLECTOR_SVC_ADDR")?;
    let service = service(r, "TRACE_COLLECTOR", "collector.linkerd-jaeger.svc.cluster.local:4317")?;
    Some(Trace {
        service,
        service_name: r.raw("TRACE_SERVICE_NAME"),
        hostname: r.exact("HOSTNAME"),
        attributes_path: r.raw("TRACE_ATTRIBUTES_PATH").map(Into::into),
        extra: r.raw("TRACE_EXTRA_ATTRIBUTES").unwrap_or_default(),
        otel: r.exact("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default(),
    })
}
