"""An OTLP collector: prints each span it is sent, with its resource. Run as a child process in a pod; never imported by tests.

In: `collector.py PORT`. Out: a JSON line per span, after a line `serving`.
"""

import asyncio
import json
import sys
from typing import Any

import grpc.aio
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service

METHOD = "opentelemetry.proto.collector.trace.v1.TraceService"


def plain(attributes: Any) -> dict[str, object]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in attributes}


async def export(request: service.ExportTraceServiceRequest, context: object) -> service.ExportTraceServiceResponse:
    for group in request.resource_spans:
        for span in (span for scope in group.scope_spans for span in scope.spans):
            said = {
                "trace": span.trace_id.hex(),
                "span": span.span_id.hex(),
                "parent": span.parent_span_id.hex(),
                "kind": span.kind,
                "name": span.name,
                "took": span.end_time_unix_nano - span.start_time_unix_nano,
                "start": span.start_time_unix_nano,
                "error": span.status.code == span.status.STATUS_CODE_ERROR,
                "attributes": plain(span.attributes),
                "resource": plain(group.resource.attributes),
            }
            print(json.dumps(said), flush=True)
    return service.ExportTraceServiceResponse()


async def main(port: int) -> None:
    served = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(
        export,
        request_deserializer=service.ExportTraceServiceRequest.FromString,
        response_serializer=service.ExportTraceServiceResponse.SerializeToString,
    )
    served.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(METHOD, {"Export": handler})])
    served.add_insecure_port(f"0.0.0.0:{port}")
    await served.start()
    print("serving", flush=True)
    await served.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
