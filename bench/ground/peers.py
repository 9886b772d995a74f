"""HAProxy and Envoy as peers: on both sides of the same mesh hop, mTLS 1.3 verified both ways by
AES-128-GCM as with us, HTTP/2 between them, one worker.

In: a folder with `ca.pem` and `leaf.pem` (see `pki`), the server's address. Out: configuration files, a listener for each service.
Never here: starting anything.
"""

import json
import pathlib
from typing import Any

from bench.ground import pki, work

HEAD = """
global
  maxconn 9900
  tune.h2.max-concurrent-streams 1000
  nbthread 1
  log stderr local0 err
  ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256
  ssl-default-server-ciphersuites TLS_AES_128_GCM_SHA256
defaults
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  timeout http-keep-alive 120s
  http-reuse always
"""
ORIGIN = """
frontend origin{port}
  mode http
  bind 0.0.0.0:{port}
  http-request return status 200 content-type text/plain string "{body}"
"""


def origin(folder: pathlib.Path) -> pathlib.Path:
    """A server that answers every request from memory, over HTTP/1.1 or HTTP/2 as it is asked."""
    sizes = {work.H1.port: 100, work.H2.port: 100, work.SHORT.port: 100, work.H1_LARGE.port: 16 << 10}
    path = folder / "origin.cfg"
    tune = HEAD.replace("nbthread 1", "nbthread 1\n  tune.bufsize 65536")
    path.write_text(tune + "".join(ORIGIN.format(port=port, body="x" * size) for port, size in sizes.items()))
    return path


def haproxy(folder: pathlib.Path, server: str) -> tuple[pathlib.Path, pathlib.Path]:
    """Client's and server's side."""
    client, far = HEAD, HEAD
    leaf, ca, name = folder / "leaf.pem", folder / "ca.pem", pki.IDENTITY
    for service in work.SERVICES:
        mode = "tcp" if service.kind == "tcp" else "http"
        alpn = "" if mode == "tcp" else " alpn h2"
        proto = " proto h2" if service.kind == "http2" else ""
        port = service.port + work.OFFSET["haproxy"]
        sides = [
            (
                f"0.0.0.0:{port}",
                f"{server}:{port} ssl crt {leaf} ca-file {ca} verify required verifyhost {name} sni str({name}){alpn}",
            ),
            (
                f"0.0.0.0:{port} ssl crt {leaf} ca-file {ca} verify required ssl-min-ver TLSv1.3{alpn}",
                f"127.0.0.1:{service.port} pool-max-conn 1000{proto}",
            ),
        ]
        said = [
            f"frontend f{port}\n  mode {mode}\n  bind {bind}\n  default_backend b{port}\n"
            f"backend b{port}\n  mode {mode}\n  server s {to}\n"
            for bind, to in sides
        ]
        client, far = client + said[0], far + said[1]
    files = folder / "haproxy-client.cfg", folder / "haproxy-server.cfg"
    for file, text in zip(files, (client, far), strict=True):
        file.write_text(text)
    return files


def envoy(folder: pathlib.Path, server: str) -> tuple[pathlib.Path, pathlib.Path]:
    """Client's and server's side."""
    files = folder / "envoy-client.json", folder / "envoy-server.json"
    for file, far in zip(files, (False, True), strict=True):
        listeners: list[dict[str, Any]] = []
        clusters: list[dict[str, Any]] = []
        for service in work.SERVICES:
            port = service.port + work.OFFSET["envoy"]
            listeners.append(_listener(service, port, folder if far else None))
            to = ("127.0.0.1", service.port) if far else (server, port)
            clusters.append(_cluster(service, port, to, None if far else folder))
        file.write_text(json.dumps({"static_resources": {"listeners": listeners, "clusters": clusters}}))
    return files


def _address(host: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _tls(folder: pathlib.Path, what: str, *, http: bool) -> dict[str, Any]:
    leaf = {"filename": str(folder / "leaf.pem")}
    san = {"san_type": "DNS", "matcher": {"exact": pki.IDENTITY}}
    common: dict[str, Any] = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": [{"certificate_chain": leaf, "private_key": leaf}],
        "validation_context": {
            "trusted_ca": {"filename": str(folder / "ca.pem")},
            "match_typed_subject_alt_names": [san],
        },
        "alpn_protocols": ["h2"] if http else [],
    }
    context: dict[str, Any] = {
        "@type": f"type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{what}TlsContext",
        "common_tls_context": common,
    }
    context |= {"sni": pki.IDENTITY} if what == "Upstream" else {"require_client_certificate": True}
    return {"name": "tls", "typed_config": context}


def _listener(service: work.Service, port: int, tls: pathlib.Path | None) -> dict[str, Any]:
    prefix = "type.googleapis.com/envoy.extensions.filters"
    if service.kind == "tcp":
        proxy = {"@type": f"{prefix}.network.tcp_proxy.v3.TcpProxy", "stat_prefix": "s", "cluster": f"c{port}"}
        filters = [{"name": "tcp", "typed_config": proxy}]
    else:
        route = {"match": {"prefix": "/"}, "route": {"cluster": f"c{port}", "timeout": "0s"}}
        manager = {
            "@type": f"{prefix}.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "s",
            "codec_type": "AUTO",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
            "http_filters": [{"name": "router", "typed_config": {"@type": f"{prefix}.http.router.v3.Router"}}],
        }
        filters = [{"name": "http", "typed_config": manager}]
    chain: dict[str, Any] = {"filters": filters}
    if tls:
        chain["transport_socket"] = _tls(tls, "Downstream", http=service.kind != "tcp")
    return {"name": f"l{port}", "address": _address("0.0.0.0", port), "filter_chains": [chain]}


def _cluster(service: work.Service, port: int, to: tuple[str, int], tls: pathlib.Path | None) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": _address(*to)}}
    made: dict[str, Any] = {
        "name": f"c{port}",
        "type": "STATIC",
        "load_assignment": {"cluster_name": f"c{port}", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "circuit_breakers": {
            "thresholds": [{"max_connections": 16000, "max_requests": 16000, "max_pending_requests": 16000}]
        },
    }
    if tls:
        made["transport_socket"] = _tls(tls, "Upstream", http=service.kind != "tcp")
    if service.kind == "http2" or (tls and service.kind == "http1"):
        options = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        wire: dict[str, Any] = {"explicit_http_config": {"http2_protocol_options": {}}}
        made["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"@type": options, **wire}
        }
    return made
