"""Prove who we are, again and again. In: an `Access`. Out: a transport that signs each request.

A token file is read anew each minute and after a 401; a credential plugin (client.authentication.k8s.io v1 and v1beta1) runs when its
credential has run out, once for all requests that wait. Never here: where a kubeconfig lies (see `access`).
Limits: a plugin has PLUGIN_LIMIT seconds and is ended then; a request is signed twice at most.
"""

import asyncio
import base64
import json
import os
import pathlib
import socket
import ssl
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx2

from isthmus.errors import BadValue, IsthmusError, Unreachable
from isthmus.kube import access

REREAD = 60.0
PLUGIN_LIMIT = 30.0
PLUGIN_SKEW = 10.0
"""Seconds before its end at which a plugin's credential is renewed."""
CONNECTIONS = 200
"""Connections to one API server: each watch holds one, calls share the rest."""
KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),
)
"""A peer that vanished without a word is noticed in 30 s, also by a watch that has nothing to read."""
_PLUGIN_APIS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")

Clock = Callable[[], float]


class Credential(Protocol):
    """Something that can sign."""

    async def header(self) -> str | None:
        """The Authorization header, or None for none."""
        ...

    def refused(self) -> bool:
        """The server answered 401: forget what may be old. True when another try may do better."""
        ...


class Fixed:
    """A header that never changes: a token or a password of the kubeconfig, or none."""

    def __init__(self, value: str | None) -> None:
        self._value = value

    async def header(self) -> str | None:
        return self._value

    def refused(self) -> bool:
        return False


class TokenFile:
    """A token the kubelet renews in its file. A file that cannot be read leaves the last token in force."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = pathlib.Path(path)
        self._clock = clock
        self._token = ""
        self._due = 0.0

    async def header(self) -> str | None:
        if not self._token or self._clock() >= self._due:
            try:
                self._token = self._path.read_text().strip() or self._token
            except OSError as error:
                if not self._token:
                    raise IsthmusError(f"token file {self._path} cannot be read: {error.strerror}") from error
            self._due = self._clock() + REREAD
        return f"Bearer {self._token}"

    def refused(self) -> bool:
        self._due = 0.0
        return True


class Plugin:
    """A program that prints an ExecCredential."""

    def __init__(self, to: access.Access, context: ssl.SSLContext | None, now: Clock) -> None:
        self._to = to
        self._context = context
        self._now = now
        self._lock = asyncio.Lock()
        self._token: str | None = None
        self._end = 0.0

    async def header(self) -> str | None:
        async with self._lock:
            if self._now() >= self._end - PLUGIN_SKEW:
                await self._renew()
        return f"Bearer {self._token}" if self._token else None

    def refused(self) -> bool:
        self._end = 0.0
        return True

    async def _renew(self) -> None:
        status = read_credential(await self._run(), self._command())
        self._token = status.get("token")
        certificate, key = status.get("clientCertificateData"), status.get("clientKeyData")
        if certificate and key and self._context:
            load_chain(self._context, certificate.encode(), key.encode())
        expires = status.get("expirationTimestamp")
        self._end = expiry(expires) if expires else float("inf")

    def _command(self) -> str:
        plugin = self._to.user.exec
        return plugin.command if plugin else ""

    async def _run(self) -> bytes:
        plugin = self._to.user.exec
        if plugin is None or plugin.apiVersion not in _PLUGIN_APIS:
            raise BadValue(
                f"users.exec.apiVersion of context {self._to.context!r}",
                plugin.apiVersion if plugin else None,
                '"client.authentication.k8s.io/v1"',
            )
        env = {**os.environ, **{e.name: e.value for e in plugin.env or ()}}
        env["KUBERNETES_EXEC_INFO"] = exec_info(self._to, plugin.apiVersion)
        pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
        try:
            child = await asyncio.create_subprocess_exec(
                plugin.command, *(plugin.args or ()), env=env, stdin=nothing, stdout=pipe, stderr=pipe
            )
        except OSError as error:
            hint = plugin.installHint or f"is {plugin.command!r} installed and on PATH?"
            raise IsthmusError(f"credential plugin {plugin.command!r}: {error.strerror}", hint=hint) from error
        try:
            async with asyncio.timeout(PLUGIN_LIMIT):
                out, err = await child.communicate()
        except TimeoutError:
            raise Unreachable(f"credential plugin {plugin.command!r} said nothing in {PLUGIN_LIMIT:.0f} s") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode:
            said = err.decode(errors="replace").strip()[-300:]
            raise IsthmusError(f"credential plugin {plugin.command!r} ended with {child.returncode}: {said}")
        return out


def read_credential(text: bytes, command: str) -> dict[str, str]:
    """The status of an ExecCredential: a token, or a certificate and its key, perhaps with an end."""
    try:
        status: Any = json.loads(text)["status"]
        found = {str(k): str(v) for k, v in status.items() if v is not None}
    except (ValueError, KeyError, TypeError, AttributeError):
        found = {}
    if "token" not in found and not {"clientCertificateData", "clientKeyData"} <= found.keys():
        raise BadValue(f"output of {command!r}", text[:60], '{"status": {"token": "..."}}', why="not an ExecCredential")
    return found


def expiry(text: str) -> float:
    """Unix seconds of an RFC 3339 time."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadValue("expirationTimestamp", text, '"2026-01-01T00:00:00Z"') from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def exec_info(to: access.Access, api: str) -> str:
    """What a plugin is told in KUBERNETES_EXEC_INFO."""
    spec: dict[str, Any] = {"interactive": False}
    if to.provide_cluster_info:
        cluster: dict[str, Any] = {"server": to.server}
        if pem := to.ca():
            cluster["certificate-authority-data"] = base64.b64encode(pem).decode()
        spec["cluster"] = cluster
    return json.dumps({"apiVersion": api, "kind": "ExecCredential", "spec": spec})


def load_chain(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Give a TLS context a certificate; Python takes it from a file only, which lives as briefly as the call."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(certificate.rstrip() + b"\n" + key)
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except ssl.SSLError as error:
            raise BadValue(
                "client certificate", "a pair that does not fit", "PEM of a certificate and its key"
            ) from error


def tls(to: access.Access) -> ssl.SSLContext:
    """Trust the cluster's CA (public roots without one), show the user's certificate."""
    pem = to.ca()
    try:
        context = ssl.create_default_context(cadata=pem.decode() if pem else None)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise BadValue(f"certificate-authority of {to.context!r}", pem[:30], "a PEM certificate") from error
    if to.config.cluster.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    certificate = access.material(to.user.client_cert_data, to.user.client_cert)
    if certificate:
        load_chain(context, certificate, access.material(to.user.client_key_data, to.user.client_key))
    return context


def credential(to: access.Access, context: ssl.SSLContext | None, *, clock: Clock, now: Clock) -> Credential:
    """Which of its ways the user of a kubeconfig proves itself; a certificate does so without a header."""
    user = to.user
    if user.token:
        return Fixed(f"Bearer {user.token}")
    if user.token_file:
        return TokenFile(user.token_file, clock)
    if user.exec:
        return Plugin(to, context, now)
    if user.username and user.password:
        return Fixed("Basic " + base64.b64encode(f"{user.username}:{user.password}".encode()).decode())
    if user.auth_provider:  # pyright: ignore[reportUnknownMemberType]  # an untyped dict, looked at only for being there
        raise BadValue(
            f"user of context {to.context!r}", "auth-provider", "exec: {command: ...}", why="removed from Kubernetes"
        )
    return Fixed(None)


class Signed(httpx2.AsyncBaseTransport):
    """A transport that signs what passes through, and once more after a 401."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, by: Credential, server_name: str | None = None) -> None:
        self._inner = inner
        self._by = by
        self._server_name = server_name

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._send(request)
        if response.status_code == 401 and self._by.refused():
            await response.aclose()
            response = await self._send(request)
        return response

    async def _send(self, request: httpx2.Request) -> httpx2.Response:
        if value := await self._by.header():
            request.headers["Authorization"] = value
        if self._server_name:
            request.extensions["sni_hostname"] = self._server_name
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def transport(to: access.Access, *, clock: Clock = time.monotonic, now: Clock = time.time) -> httpx2.AsyncBaseTransport:
    """A signed road to the API server of `to`."""
    context = tls(to) if to.server.startswith("https://") else None
    limits = httpx2.Limits(max_connections=CONNECTIONS, max_keepalive_connections=20, keepalive_expiry=30)
    inner = httpx2.AsyncHTTPTransport(
        verify=context or False, limits=limits, proxy=to.proxy_url, trust_env=False, socket_options=KEEPALIVE
    )
    return Signed(inner, credential(to, context, clock=clock, now=now), to.tls_server_name)
