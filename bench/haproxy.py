"""HAProxy as the peer: HTTP/1 in, HTTP/2 over mTLS between the two, HTTP/1 out, verified on both sides as ours is.

In: a folder with `ca.pem` and `leaf.pem`. Out: two configuration files. One worker thread each, as ours. Never here: starting it.
"""

import pathlib

COMMON = """
global
  maxconn 4000
  nbthread 1
  log stderr local0 err
defaults
  mode {mode}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  http-reuse always
"""
CLIENT = """
frontend app
  bind 0.0.0.0:4141
  default_backend mesh
backend mesh
  server s {server}:4144 ssl crt {pki}/leaf.pem ca-file {pki}/ca.pem verify required verifyhost {name} sni str({name}) {alpn}
"""
SERVER = """
frontend mesh
  bind 0.0.0.0:4144 ssl crt {pki}/leaf.pem ca-file {pki}/ca.pem verify required ssl-min-ver TLSv1.3 {alpn}
  default_backend app
backend app
  server s 127.0.0.1:{origin} pool-max-conn 1000
"""


def write(
    folder: pathlib.Path, pki: pathlib.Path, name: str, where: tuple[str, int], *, http: bool
) -> tuple[pathlib.Path, pathlib.Path]:
    """Configuration of the client's and the server's side; `where` is the server's address and the origin's port."""
    values = {
        "mode": "http" if http else "tcp",
        "server": where[0],
        "pki": pki,
        "name": name,
        "origin": where[1],
        "alpn": "alpn h2" if http else "",
    }
    client, server = folder / "client.cfg", folder / "server.cfg"
    client.write_text((COMMON + CLIENT).format(**values))
    server.write_text((COMMON + SERVER).format(**values))
    return client, server


ORIGIN = """
frontend origin
  bind 0.0.0.0:{origin}
  http-request return status 200 content-type text/plain string "{body}"
"""


def origin(folder: pathlib.Path, port: int, size: int = 100) -> pathlib.Path:
    """A server that answers every request with a body of `size` bytes, from the same program so that nothing else is needed."""
    path = folder / "origin.cfg"
    path.write_text(COMMON.format(mode="http") + ORIGIN.format(origin=port, body="x" * size))
    return path
