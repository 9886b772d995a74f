"""ServiceProfiles from OpenAPI documents and proto files; what comes out, the destination plane takes."""

import pathlib

import pytest
import yaml

from isthmus import names
from isthmus.cli import main
from isthmus.cli.live import openapi
from isthmus.destination import profiles
from isthmus.errors import BadValue

BOOKS = """
swagger: "2.0"
basePath: /v1
paths:
  /books/{id}:
    get: {responses: {200: {}, 503: {}, default: {}}, x-linkerd-retryable: true, x-linkerd-timeout: 2s}
    parameters: []
  /books.json: {post: {}}
"""
PROTO = """
// service Commented { rpc No(A) returns (B); }
syntax = "proto3"; package shop.v1;  /* rpc No(A) */
option x = "service Text { rpc No(A) }";
service Books {
  rpc Get(Id) returns (Book) { option (http) = { get: "/x" }; }
  rpc Watch(stream Id) returns (stream Book);
}
service Shelves { rpc List (A) returns (B) {} }
"""


def test_openapi():
    assert openapi.from_openapi(BOOKS, source="x") == [
        {"name": "POST /v1/books.json", "condition": {"method": "POST", "pathRegex": r"/v1/books\.json"}},
        {
            "name": "GET /v1/books/{id}",
            "condition": {"method": "GET", "pathRegex": "/v1/books/[^/]*"},
            "responseClasses": [{"condition": {"status": {"min": 503, "max": 503}}, "isFailure": True}],
            "isRetryable": True,
            "timeout": "2s",
        },
    ]


@pytest.mark.parametrize(
    ("servers", "path"),
    [("[]", "/a"), ("[{url: 'https://example.com/api/'}]", "/api/a"), ("[{url: /api}]", "/api/a")],
)
def test_version_three_has_its_base_in_the_first_server(servers, path):
    (route,) = openapi.from_openapi(f"openapi: 3.1.0\nservers: {servers}\npaths: {{/a: {{get: {{}}}}}}", source="x")
    assert route["name"] == f"GET {path}"


def test_proto():
    found = openapi.from_proto(PROTO, source="x")
    assert [(one["name"], one["condition"]["pathRegex"]) for one in found] == [
        ("Get", r"/shop\.v1\.Books/Get"),
        ("Watch", r"/shop\.v1\.Books/Watch"),
        ("List", r"/shop\.v1\.Shelves/List"),
    ]


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (openapi.from_openapi, "just text"),
        (openapi.from_openapi, "a: ["),
        (openapi.from_openapi, "paths: 3"),
        (openapi.from_openapi, "paths: {/a: {get: 1}}"),
        (openapi.from_proto, "message A {}"),
        (openapi.from_proto, "service Books {"),
    ],
)
def test_what_has_no_routes_is_refused(read, text):
    with pytest.raises(BadValue, match="file is"):
        read(text, source="file")


@pytest.mark.parametrize("flag", ["--template", "--open-api", "--proto"])
def test_a_profile_for_kubectl(flag, tmp_path: pathlib.Path, capsys):
    file = tmp_path / "file"
    file.write_text(PROTO if flag == "--proto" else BOOKS)
    words = [flag] if flag == "--template" else [flag, str(file)]
    assert main.main(["profile", *words, "-n", "shop", "books"]) == 0
    (doc,) = yaml.safe_load_all(capsys.readouterr().out)
    assert doc["metadata"] == {"name": "books.shop.svc.cluster.local", "namespace": "shop"}
    assert profiles.parse(names.Key("shop", "books"), doc["spec"]).routes


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["books"], "--template"),
        (["--template", "--proto", "x", "books"], "--template"),
        (["--template", "Books"], "SERVICE"),
        (["--open-api", "/nowhere", "books"], "/nowhere cannot be read"),
    ],
)
def test_refusals(words, says, capsys):
    assert main.main(["profile", *words]) in (1, 2)
    assert says in capsys.readouterr().err
