//! Families of requests by route: durations, frame sizes and statuses, inbound and outbound, HTTP and gRPC; and bytes by zone.

use super::{BACKEND_SECONDS, FRAMES, ROUTE_SECONDS};
use crate::family::{Family, Unit};

families! {
    counter INBOUND_HTTP_REQUESTS_TOTAL = "inbound_http_requests_total", "Inbound HTTP requests, by parent_*,R";
    histogram INBOUND_HTTP_REQUEST_SECONDS = "inbound_http_request_duration_seconds", "From the head of an inbound HTTP request to the end of its response, by parent_*,R", Unit::MicrosAsSeconds, BACKEND_SECONDS;
    histogram INBOUND_HTTP_RESPONSE_SECONDS = "inbound_http_response_duration_seconds", "From the end of an inbound HTTP request to the end of its response, by parent_*,R", Unit::MicrosAsSeconds, ROUTE_SECONDS;
    histogram INBOUND_HTTP_REQUEST_FRAMES = "inbound_http_request_frame_size_bytes", "Pieces of inbound HTTP request bodies, by parent_*,R", Unit::One, FRAMES;
    histogram INBOUND_HTTP_RESPONSE_FRAMES = "inbound_http_response_frame_size_bytes", "Pieces of inbound HTTP response bodies, by parent_*,R", Unit::One, FRAMES;
    counter INBOUND_HTTP_STATUSES_TOTAL = "inbound_http_statuses_total", "Ends of inbound HTTP requests, by parent_*,R,http_status,error";
    histogram OUTBOUND_HTTP_ROUTE_FRAMES = "outbound_http_route_request_frame_size_bytes", "Pieces of outbound HTTP request bodies, by P,RT,hostname", Unit::One, FRAMES;
    histogram OUTBOUND_HTTP_BACKEND_FRAMES = "outbound_http_route_backend_response_frame_size_bytes", "Pieces of outbound HTTP response bodies, by P,RT,B", Unit::One, FRAMES;

    counter INBOUND_GRPC_REQUESTS_TOTAL = "inbound_grpc_requests_total", "Inbound gRPC requests, by parent_*,R";
    histogram INBOUND_GRPC_REQUEST_SECONDS = "inbound_grpc_request_duration_seconds", "From the head of an inbound gRPC request to the end of its response, by parent_*,R", Unit::MicrosAsSeconds, BACKEND_SECONDS;
    histogram INBOUND_GRPC_RESPONSE_SECONDS = "inbound_grpc_response_duration_seconds", "From the end of an inbound gRPC request to the end of its response, by parent_*,R", Unit::MicrosAsSeconds, ROUTE_SECONDS;
    histogram INBOUND_GRPC_REQUEST_FRAMES = "inbound_grpc_request_frame_size_bytes", "Pieces of inbound gRPC request bodies, by parent_*,R", Unit::One, FRAMES;
    histogram INBOUND_GRPC_RESPONSE_FRAMES = "inbound_grpc_response_frame_size_bytes", "Pieces of inbound gRPC response bodies, by parent_*,R", Unit::One, FRAMES;
    counter INBOUND_GRPC_STATUSES_TOTAL = "inbound_grpc_statuses_total", "Ends of inbound gRPC requests, by parent_*,R,grpc_status,error";
    histogram OUTBOUND_GRPC_ROUTE_FRAMES = "outbound_grpc_route_request_frame_size_bytes", "Pieces of outbound gRPC request bodies, by P,RT,hostname", Unit::One, FRAMES;
    histogram OUTBOUND_GRPC_BACKEND_FRAMES = "outbound_grpc_route_backend_response_frame_size_bytes", "Pieces of outbound gRPC response bodies, by P,RT,B", Unit::One, FRAMES;

    counter OUTBOUND_TRANSFER_COST_TOTAL = "outbound_tcp_transfer_cost_bytes_total", "Bytes to and from endpoints, by op (Send, Recv) and zone_locality (Unknown, Local, Remote)";
}
