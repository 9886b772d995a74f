"""Routes from live requests: what counts, what becomes an id, and that the destination plane takes what comes out."""

import dataclasses
import re

import click
import pytest
import yaml

from isthmus import names
from isthmus.cli import main
from isthmus.cli.live import profile
from isthmus.cli.see import seen
from isthmus.destination import profiles
from isthmus.install import manifest
from isthmus.tap.tell import events

CAME = events.Event(
    events.REQUEST,
    inbound=True,
    method="GET",
    authority="books.shop:80",
    path="/books",
    destination=events.Peer("10.0.0.2:80"),
)


def looked(*changes: dict, limit: int = 20, whole: bool = False) -> seen.Seen:
    found = seen.Seen(limit, whole)
    for change in changes:
        found.take(dataclasses.replace(CAME, **change))
    return found


@pytest.mark.parametrize(
    "path, name, expression",
    [
        ("/", "GET /", "/"),
        ("/books?id=1", "GET /books", "/books"),
        ("/books.json", "GET /books.json", r"/books\.json"),
        ("/books/17", "GET /books/{id}", "/books/[^/]*"),
        ("/books/17/", "GET /books/{id}/", "/books/[^/]*/"),
        ("/b/0b5c3ad2-6b7e-4d41-9d5a-aa00bb11cc22/x", "GET /b/{id}/x", "/b/[^/]*/x"),
        ("/b/507f1f77bcf86cd799439011", "GET /b/{id}", "/b/[^/]*"),
        ("/b/DEADBEEF0001", "GET /b/{id}", "/b/[^/]*"),
        ("/b/defaceddecade", "GET /b/defaceddecade", "/b/defaceddecade"),
        ("/v2/b", "GET /v2/b", "/v2/b"),
        ("/b/12ab", "GET /b/12ab", "/b/12ab"),
        ("/shop.Books/Get", "GET /shop.Books/Get", r"/shop\.Books/Get"),
    ],
)
def test_a_path_becomes_a_route(path, name, expression):
    (route,) = looked({"path": path}).routes
    assert route == {"name": name, "condition": {"method": "GET", "pathRegex": expression}}
    assert re.fullmatch(expression, path.partition("?")[0])


def test_ids_stay_where_that_is_wanted():
    assert [one["name"] for one in looked({"path": "/b/1"}, {"path": "/b/2"}, whole=True).routes] == [
        "GET /b/1",
        "GET /b/2",
    ]


def test_a_word_stands_before_the_id_that_could_be_it():
    paths = ["/b/1", "/b/~me", "/b/new", "/a", "/b/2"]
    made = looked(*({"path": path} for path in paths), {"path": "/a", "method": "DELETE"})
    assert [one["name"] for one in made.routes] == ["DELETE /a", "GET /a", "GET /b/new", "GET /b/~me", "GET /b/{id}"]
    assert made.requests == 6 and made.merged == {"GET /b/{id}"}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": events.RESPONSE},
        {"inbound": False},
        {"authority": "10.0.0.2:80"},
        {"authority": "[fd00::1]:80", "destination": events.Peer("[fd00::1]:80")},
        {"path": "*", "method": "OPTIONS"},
        {"path": "/" + "x" * seen.PATH},
        {"method": ""},
    ],
)
def test_what_is_no_route_of_a_service(change):
    assert not looked(change).routes


def test_it_is_full_at_its_limit():
    made = looked({"path": "/a"}, {"path": "/b"}, {"path": "/c"}, limit=2)
    assert made.full and len(made.routes) == 2
    assert "--tap-route-limit 10" in profile.told(made)[1]


def test_what_comes_out_is_taken_by_the_destination_plane():
    made = looked({"path": "/b/1"}, {"path": "/é ~#&/x-y", "method": "BREW"})
    doc = profile.document("books", "shop", "cluster.local", {"routes": made.routes})
    (read,) = yaml.safe_load_all(manifest.write([doc]))
    routes = profiles.parse(names.Key("shop", "books"), read["spec"]).routes
    assert [one.metrics_labels["route"] for one in routes] == ["GET /b/{id}", "BREW /é ~#&/x-y"]


@pytest.mark.parametrize(
    "changes, says",
    [
        ([], "within 5s"),
        ([{"inbound": False}], "it sent 1 itself"),
        ([{"authority": "10.0.0.2:80"}, {"inbound": False}], "1 went to a pod's own address"),
    ],
)
def test_nothing_seen_is_a_sentence(changes, says):
    refusal = profile.nothing(looked(*changes), "deploy/books", "5s")
    assert "no request to a Service came in at deploy/books" in refusal.sentence and says in refusal.sentence
    assert "--tap-duration" in refusal.hint


@pytest.mark.parametrize(
    "words, says",
    [
        (["--tap-duration", "soon"], "--tap-duration is 'soon'"),
        (["--tap-duration", "0s"], "not above 0"),
        (["--tap-duration", "1h"], "up to 10m"),
        (["--tap-route-limit", "0"], "--tap-route-limit"),
        (["--template"], "say one of"),
    ],
)
def test_refusals(words, says, capsys):
    assert main.main(["profile", "--tap", "deploy/books", *words, "books"]) == 2
    assert says in capsys.readouterr().err


def test_the_flags_are_linkerds():
    known = {word: one for one in profile.profile.params for word in one.opts}
    assert [known[word].default for word in ("--tap-duration", "--tap-route-limit")] == ["5s", 20]
    assert isinstance(known["--tap"], click.Option)
