"""What is served and what is measured: services, products, rows and their goals. Values only.

In: nothing. Out: tables that every other room of the bench reads. Never here: a process, a clock, a file.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["http1", "http2", "tcp"]
CAPACITY = 20_000
"""Added to a service's port: where HAProxy listens; twice: where Envoy does."""


@dataclass(frozen=True, slots=True)
class Service:
    """A port of the server and what travels to it."""

    name: str
    port: int
    kind: Kind


H1 = Service("h1", 8080, "http1")
H1_LARGE = Service("h1-large", 8086, "http1")
H2 = Service("h2", 8082, "http2")
GRPC = Service("grpc", 8079, "http2")
ECHO = Service("echo", 9000, "tcp")
BULK = Service("bulk", 9001, "tcp")
SHORT = Service("short", 8085, "tcp")
SERVICES = (H1, H1_LARGE, H2, GRPC, ECHO, BULK, SHORT)
PRODUCTS = {"isthmus": "10.96.0.1", "haproxy": "10.96.1.1", "envoy": "10.96.2.1", "direct": "10.96.3.1"}
"""The address under which the client reaches the server through each; `direct`: no proxy at all."""
OFFSET = {"haproxy": CAPACITY, "envoy": 2 * CAPACITY}


@dataclass(frozen=True, slots=True)
class Row:
    """One load: what is sent where, by which program, and what we want of our figure (a ratio to a product's)."""

    title: str
    service: Service
    tool: Literal["wrk", "h2load", "grpc", "echo", "bulk", "short", "rate"]
    connections: int
    unit: str
    goal: float | None
    against: str = "haproxy"


ROWS = (
    Row("HTTP/1.1 keep-alive, 64 connections, 100 B", H1, "wrk", 64, "µs CPU a request", 0.75),
    Row("HTTP/1.1 keep-alive, 16 connections, 100 B", H1, "wrk", 16, "µs CPU a request", None),
    Row("HTTP/1.1 keep-alive, 1 connection, 100 B", H1, "wrk", 1, "µs CPU a request", None),
    Row("HTTP/1.1 keep-alive, 64 connections, 16 KiB", H1_LARGE, "wrk", 64, "µs CPU a request", None),
    Row("HTTP/2, 4 connections × 32 streams", H2, "h2load", 4, "µs CPU a request", 1.0),
    Row("gRPC unary, 16 connections", GRPC, "grpc", 16, "µs CPU a request", 1.0),
    Row("opaque TCP echo, 64 connections, 100 B", ECHO, "echo", 64, "µs CPU a message", 0.75),
    Row("opaque TCP echo, 16 connections, 100 B", ECHO, "echo", 16, "µs CPU a message", 0.75),
    Row("opaque TCP, one stream of bytes", BULK, "bulk", 1, "ms CPU a GB", None),
    Row("opaque TCP, a connection a request", SHORT, "short", 8, "µs CPU a connection", None),
    Row("HTTP/1.1 at 2000 requests a second, 16 connections", H1, "rate", 16, "µs CPU a request", 0.6),
)
