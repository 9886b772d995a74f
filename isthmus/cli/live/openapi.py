"""Routes of a service profile, read from an OpenAPI document or a proto file. In: text. Out: routes as a ServiceProfile holds them. Pure.

Never here: files, the cluster. Limits: TEXT characters, ROUTES routes; what is no path, method or rpc is passed over.
"""

import re
from collections.abc import Iterable
from typing import Any, cast
from urllib.parse import urlsplit

import yaml

from isthmus.errors import BadValue
from isthmus.inject import shape

TEXT = 16 * 1024 * 1024
ROUTES = 10_000
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
RETRYABLE, TIMEOUT = "x-linkerd-retryable", "x-linkerd-timeout"
_PARAMETER = re.compile(r"(\{[^/{}]*\})")
_COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\])*"', re.DOTALL)
_PACKAGE = re.compile(r"\bpackage\s+([\w.]+)\s*;")
_SERVICE = re.compile(r"\bservice\s+(\w+)\s*\{")
_RPC = re.compile(r"\brpc\s+(\w+)\s*\(")

Doc = dict[str, Any]


def from_openapi(text: str, *, source: str) -> list[Doc]:
    """A route for each path and method of a document (version 2 or 3), in the order of their paths.

    Raises:
        BadValue: the text is no such document.
    """
    doc = _document(text, source)
    base = _base(doc).rstrip("/")
    routes = [
        _operation(base + path, method, shape.part(operations, method))
        for path, operations in sorted(_operations(doc))
        for method in METHODS
        if isinstance(operations.get(method), dict)
    ]
    return _some(routes, source, "paths: {/books: {get: {}}}")


def from_proto(text: str, *, source: str) -> list[Doc]:
    """A route for each rpc of each service, in the order of the file.

    Raises:
        BadValue: there is none.
    """
    if len(text) > TEXT:
        raise BadValue(source, f"{len(text)} characters", "a proto file", why=f"more than {TEXT}")
    bare = _COMMENT.sub(lambda found: '""' if found[0].startswith('"') else " ", text)
    package = _PACKAGE.search(bare)
    before = f"{package[1]}." if package else ""
    routes = [
        {"name": rpc, "condition": {"method": "POST", "pathRegex": re.escape(f"/{before}{service}/{rpc}")}}
        for service, body in _services(bare)
        for rpc in _RPC.findall(body)
    ]
    return _some(routes, source, "service Books { rpc Get(Id) returns (Book); }")


def _document(text: str, source: str) -> Doc:
    if len(text) > TEXT:
        raise BadValue(source, f"{len(text)} characters", "an OpenAPI document", why=f"more than {TEXT}")
    try:
        found: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadValue(source, text[:40], "paths: {/books: {get: {}}}", why="neither YAML nor JSON") from error
    if not isinstance(found, dict):
        raise BadValue(source, text[:40], "paths: {/books: {get: {}}}", why="no OpenAPI document")
    return cast("Doc", found)


def _operations(doc: Doc) -> Iterable[tuple[str, Doc]]:
    for path in shape.part(doc, "paths"):
        yield str(path), shape.part(doc, "paths", path)


def _base(doc: Doc) -> str:
    """What stands before every path: version 2 says it, version 3 has it in the first server's address."""
    servers = shape.rows(doc, "servers")
    return shape.text(doc, "basePath") or (urlsplit(shape.text(servers[0], "url")).path if servers else "")


def _operation(path: str, method: str, said: Doc) -> Doc:
    parts = (re.escape(part) if n % 2 == 0 else "[^/]*" for n, part in enumerate(_PARAMETER.split(path)))
    made: Doc = {
        "name": f"{method.upper()} {path}",
        "condition": {"method": method.upper(), "pathRegex": "".join(parts)},
    }
    failures = [int(code) for code in shape.part(said, "responses") if str(code).isdigit() and 500 <= int(code) < 600]
    if failures:
        made["responseClasses"] = [
            {"condition": {"status": {"min": code, "max": code}}, "isFailure": True} for code in sorted(failures)
        ]
    if said.get(RETRYABLE) is True:
        made["isRetryable"] = True
    if said.get(TIMEOUT):
        made["timeout"] = str(said[TIMEOUT])
    return made


def _services(text: str) -> Iterable[tuple[str, str]]:
    """Each service with what stands between its braces."""
    for found in _SERVICE.finditer(text):
        depth, at = 1, found.end()
        while at < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        yield found[1], text[found.end() : at]


def _some(routes: list[Doc], source: str, example: str) -> list[Doc]:
    if not routes or len(routes) > ROUTES:
        raise BadValue(source, f"{len(routes)} routes", example, why=f"there must be 1 to {ROUTES} routes")
    return routes
