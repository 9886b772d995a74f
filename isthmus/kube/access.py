"""Where a cluster is and how to prove who we are. In: kubeconfig files, a kubeconfig as text, or a pod's own account. Out: `Access`.

Files named in KUBECONFIG are merged as kubectl merges them: the first file that defines a name wins. Relative paths count from the file
that holds them. Without any kubeconfig a pod's account is used. Never here: connections or running credential plugins (see
`credentials`). Proxies from the environment are not used; a cluster's own `proxy-url` is.
"""

import base64
import binascii
import dataclasses
import difflib
import os
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import yaml
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster, Context, User

from isthmus.errors import BadValue, IsthmusError

ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
DEFAULT_NAMESPACE = "default"
IN_CLUSTER = "in-cluster"
"""What the context of a pod's own account is called."""
SIZE_LIMIT = 4 * 1024 * 1024
"""Bytes of one kubeconfig; more is refused."""
EXAMPLE = "contexts: [{name: east, context: {cluster: east, user: admin}}]"

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Access:
    """One cluster as one user. `server` is a URL; `config` holds certificates and credentials, paths made absolute."""

    context: str
    server: str
    namespace: str
    config: SingleConfig
    tls_server_name: str | None = None
    proxy_url: str | None = None
    provide_cluster_info: bool = field(default=False, repr=False)

    @property
    def user(self) -> User:
        return self.config.user or User()

    def as_user(self, token: str) -> "Access":
        """The same cluster as whoever holds `token`; nothing of this access's own user is kept."""
        return dataclasses.replace(self, config=self.config._replace(user=User(token=token)))

    def ca(self) -> bytes:
        """The cluster's trust as PEM; empty where public roots are meant."""
        return material(self.config.cluster.certificate_auth_data, self.config.cluster.certificate_auth)


def material(data: str | None, path: str | None) -> bytes:
    """Bytes given as base64 in the config, else in a file; empty for neither."""
    if data:
        try:
            return base64.b64decode(data)
        except binascii.Error:
            raise BadValue("kubeconfig *-data", data[:16] + "...", "base64 of a PEM file", why="not base64") from None
    if not path:
        return b""
    try:
        return pathlib.Path(path).read_bytes()
    except OSError as error:
        raise IsthmusError(f"kubeconfig names {path}: {error.strerror}") from error


def load(context: str | None = None, kubeconfig: str | None = None, *, env: Mapping[str, str] = os.environ) -> Access:
    """The cluster of `context`, or the current one, in `kubeconfig`, else in $KUBECONFIG, else in ~/.kube/config, else around this pod.

    Raises:
        IsthmusError: no such context (its hint lists those there are), or nothing to read.
    """
    docs, source = _documents(kubeconfig, env)
    if docs:
        return pick(merge(docs), context, source=source)
    if context is None and (ACCOUNT / "token").is_file() and env.get("KUBERNETES_SERVICE_HOST"):
        return in_cluster(ACCOUNT, env)
    raise IsthmusError(
        f"no kubeconfig at {source}, and this is no pod", hint="set KUBECONFIG, or give --kubeconfig and --context"
    )


def contexts(kubeconfig: str | None = None, *, env: Mapping[str, str] = os.environ) -> list[str]:
    """The names of all contexts there are, the current one first.

    Raises:
        IsthmusError: there is no kubeconfig.
    """
    docs, source = _documents(kubeconfig, env)
    if not docs:
        raise IsthmusError(f"no kubeconfig at {source}", hint="set KUBECONFIG, or give --kubeconfig")
    merged = merge(docs)
    known = _named(merged, "contexts", "context", source)
    return sorted(known, key=lambda name: (name != merged.get("current-context"), name))


def _documents(kubeconfig: str | None, env: Mapping[str, str]) -> tuple[list[Doc], str]:
    """The kubeconfigs that are there, and where they were looked for."""
    home = pathlib.Path(env.get("HOME") or "/")
    listed = [p for p in env.get("KUBECONFIG", "").split(os.pathsep) if p]
    paths = [pathlib.Path(p).expanduser() for p in ([kubeconfig] if kubeconfig else listed)]
    if kubeconfig and not paths[0].is_file():
        raise IsthmusError(f"kubeconfig {kubeconfig!r} is not a file", hint="give --kubeconfig ~/.kube/config")
    found = [p for p in paths or [home / ".kube" / "config"] if p.is_file()]
    looked = ", ".join(map(str, found)) or os.pathsep.join(map(str, paths)) or str(home / ".kube" / "config")
    return [_read(p) for p in found], looked


def parse(text: str, *, source: str) -> Access:
    """The current context of a kubeconfig given as text; `source` names it in refusals. It must not name files or plugins.

    Such text comes from a Secret, so what it may make this process read or run is nothing.
    """
    doc = _document(text, source)
    for user in _named(doc, "users", "user", source).values():
        outside = {"exec", "auth-provider", "tokenFile", "client-certificate", "client-key"} & user.keys()
        if outside:
            raise BadValue(f"users of {source}", min(outside), "token: ...", why="only data held in the text is taken")
    for cluster in _named(doc, "clusters", "cluster", source).values():
        if "certificate-authority" in cluster:
            raise BadValue(
                f"clusters of {source}", "certificate-authority", "certificate-authority-data: ...", why="names a file"
            )
    return pick(doc, None, source=source)


def in_cluster(account: pathlib.Path, env: Mapping[str, str]) -> Access:
    """The API server around this pod; its token is read again as the kubelet renews it."""
    host = env["KUBERNETES_SERVICE_HOST"]
    server = f"https://{f'[{host}]' if ':' in host else host}:{env.get('KUBERNETES_SERVICE_PORT', '443')}"
    namespace_file = account / "namespace"
    namespace = namespace_file.read_text().strip() if namespace_file.is_file() else DEFAULT_NAMESPACE
    cluster = Cluster(server=server, certificate_auth=str(account / "ca.crt"))
    user = User(token_file=str(account / "token"))
    context = Context(cluster=IN_CLUSTER, user=IN_CLUSTER, namespace=namespace)
    return Access(IN_CLUSTER, server, namespace, SingleConfig(IN_CLUSTER, context, cluster, user))


def merge(docs: list[Doc]) -> Doc:
    """Several kubeconfigs as one: the first to define a name, or the current context, wins."""
    merged: Doc = {"contexts": [], "clusters": [], "users": []}
    for doc in docs:
        if doc.get("current-context"):
            merged.setdefault("current-context", doc["current-context"])
        for part in ("contexts", "clusters", "users"):
            known = {entry["name"] for entry in merged[part]}
            merged[part] += [e for e in _entries(doc, part) if e.get("name") not in known]
    return merged


def pick(doc: Doc, context: str | None, *, source: str) -> Access:
    """One context of a kubeconfig."""
    contexts = _named(doc, "contexts", "context", source)
    wanted = context or doc.get("current-context")
    if not wanted:
        raise IsthmusError(f"{source} has no current context", hint=f"give --context, one of: {_list(contexts)}")
    if wanted not in contexts:
        near = difflib.get_close_matches(str(wanted), contexts, n=1)
        raise IsthmusError(
            f"no context {wanted!r} in {source}", hint=f"contexts there: {_list(contexts, first=near)}", code=2
        )
    chosen = contexts[wanted]
    clusters, users = _named(doc, "clusters", "cluster", source), _named(doc, "users", "user", source)
    if chosen.get("cluster") not in clusters:
        raise BadValue(f"cluster of context {wanted!r}", chosen.get("cluster"), _list(clusters), why=f"not in {source}")
    if chosen.get("user") and chosen["user"] not in users:
        raise BadValue(f"user of context {wanted!r}", chosen["user"], _list(users), why=f"not in {source}")
    cluster_doc = clusters[chosen["cluster"]]
    user_doc = users.get(chosen.get("user", ""), {})
    try:
        cluster, user = msgspec.convert(cluster_doc, Cluster), msgspec.convert(user_doc, User)
        where = msgspec.convert(chosen, Context)
    except msgspec.ValidationError as error:
        raise BadValue(f"context {wanted!r} in {source}", str(error), EXAMPLE, why="of the wrong shape") from error
    if not cluster.server.startswith(("http://", "https://")):
        raise BadValue(f"server of cluster {chosen['cluster']!r}", cluster.server, "https://10.0.0.1:6443")
    config = SingleConfig(str(wanted), where, cluster, user)
    return Access(
        context=str(wanted),
        server=cluster.server.rstrip("/"),
        namespace=where.namespace or DEFAULT_NAMESPACE,
        config=config,
        tls_server_name=cluster_doc.get("tls-server-name"),
        proxy_url=cluster_doc.get("proxy-url"),
        provide_cluster_info=bool(_inner(user_doc, "exec").get("provideClusterInfo")),
    )


_FILE_KEYS = {"clusters": ("certificate-authority",), "users": ("client-certificate", "client-key", "tokenFile")}


def _read(path: pathlib.Path) -> Doc:
    """One file, its paths made absolute."""
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise BadValue("KUBECONFIG", str(path), "~/.kube/config", why=f"larger than {SIZE_LIMIT} bytes")
        doc = _document(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise IsthmusError(f"{path} cannot be read: {error}") from error
    for part, keys in _FILE_KEYS.items():
        for entry in _entries(doc, part):
            value = _inner(entry, part[:-1])
            value.update({k: str(path.parent / pathlib.Path(value[k]).expanduser()) for k in keys if value.get(k)})
    for entry in _entries(doc, "users"):
        plugin = _inner(_inner(entry, "user"), "exec")
        if "/" in plugin.get("command", ""):
            plugin["command"] = str(path.parent / plugin["command"])
    return doc


def _document(text: str, source: str) -> Doc:
    if len(text) > SIZE_LIMIT:
        raise BadValue(source, f"{len(text)} characters", EXAMPLE, why=f"more than {SIZE_LIMIT}")
    try:
        doc: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadValue(source, text[:40], EXAMPLE, why="not YAML") from error
    if not isinstance(doc, dict):
        raise BadValue(source, text[:40], EXAMPLE, why="not a kubeconfig")
    return cast("Doc", doc)


def _inner(doc: Doc, key: str) -> Doc:
    """A map inside a map; an empty one, of its own, where there is none."""
    found: Any = doc.get(key)
    return cast("Doc", found) if isinstance(found, dict) else {}


def _entries(doc: Doc, part: str) -> list[Doc]:
    found: Any = doc.get(part) or []
    listed = cast("list[Any]", found) if isinstance(found, list) else [None]
    if not all(isinstance(e, dict) for e in listed):
        raise BadValue(f"{part} of a kubeconfig", listed, EXAMPLE, why="not a list of named entries")
    return cast("list[Doc]", listed)


def _named(doc: Doc, part: str, key: str, source: str) -> dict[str, Doc]:
    found: dict[str, Doc] = {}
    for entry in _entries(doc, part):
        if not isinstance(entry.get("name"), str) or not isinstance(entry.get(key) or {}, dict):
            raise BadValue(f"{part} of {source}", entry, EXAMPLE, why=f"an entry needs name and {key}")
        found.setdefault(entry["name"], entry.get(key) or {})
    return found


def _list(known: Mapping[str, object], first: list[str] | None = None) -> str:
    ordered = [*(first or []), *(k for k in known if k not in (first or []))]
    shown = ", ".join(ordered[:12])
    return f"{shown}, and {len(ordered) - 12} more" if len(ordered) > 12 else shown or "none"
