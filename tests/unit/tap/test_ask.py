"""What may be asked: resources, URLs, matches, selectors; and what is refused with a sentence."""

import pytest
from google.protobuf.json_format import MessageToDict

from isthmus import selector
from isthmus.errors import BadValue, IsthmusError
from isthmus.rpc import viz_tap_pb2 as api
from isthmus.tap.ask import match, resource
from isthmus.tap.tell import frames
from tests.unit.tap import builders as b

ROOT = "/apis/tap.linkerd.io/v1alpha1/watch/namespaces"
Match = api.TapByResourceRequest.Match


@pytest.mark.parametrize(
    "words, kind, name, path",
    [
        ("deploy/web", "deployment", "web", "/shop/deployments/web/tap"),
        ("po", "pod", "", "/shop/pods/tap"),
        ("statefulsets/db", "statefulset", "db", "/shop/statefulsets/db/tap"),
        ("ns/other", "namespace", "", "/other/tap"),
        ("namespace", "namespace", "", "/shop/tap"),
        ("svc/api", "service", "api", "/shop/services/api/tap"),
    ],
)
def test_words_urls_and_messages_say_the_same(words, kind, name, path):
    read = resource.read(words, "shop")
    assert (read.kind, read.name, read.path) == (kind, name, ROOT + path)
    assert resource.of_path(read.path) == read == resource.of_message(read.message(), key="x")


@pytest.mark.parametrize("words", ["secret/x", "deploy/UPPER", "web", "deploy/a/b"])
def test_words_that_mean_nothing(words):
    with pytest.raises(BadValue, match="RESOURCE"):
        resource.read(words, "shop")


@pytest.mark.parametrize("path", ["/shop", "/shop/secrets/x/tap", "/shop/pods/x/log", "//tap", "/a/b/c/d/tap"])
def test_urls_that_mean_nothing(path):
    assert resource.of_path(ROOT + path) is None


@pytest.mark.parametrize(
    "said, asked",
    [
        (b.http(path="/api"), {"http": {"path": {"prefix": "/api"}}}),
        (b.http(authority="web:80"), {"http": {"authority": {"exact": "web:80"}}}),
        (b.http(method="get"), {"http": {"method": {"registered": "GET"}}}),
        (b.http(method="BREW"), {"http": {"method": {"unregistered": "BREW"}}}),
        (b.http(scheme="https"), {"http": {"scheme": {"registered": "HTTPS"}}}),
        (Match(any=Match.Seq(matches=[b.http(path="/")])), {"any": {"matches": [{"http": {"path": {"prefix": "/"}}}]}}),
        (Match(), {"all": {}}),
    ],
)
def test_a_match_becomes_the_proxy_s(said, asked):
    read = match.read(b.request(match=said))
    assert MessageToDict(read.observe(5)) == {"limit": 5, "match": asked}


def test_not_and_destinations_go_by_the_endpoint_s_labels():
    said = Match()
    getattr(said, "not").destinations.resource.CopyFrom(resource.read("deploy/db", "data").message())
    inner = MessageToDict(match.read(b.request(match=said)).match)["not"]["all"]["matches"]
    labels = [one["destinationLabel"] for one in inner]
    assert labels == [{"key": "namespace", "value": "data"}, {"key": "deployment", "value": "db"}]


def test_headers_are_asked_for_only_when_they_are_wanted():
    said = b.request()
    assert not match.read(said).observe(1).HasField("extract")
    said.extract.http.headers.SetInParent()
    assert match.read(said).observe(1).extract.http.HasField("headers")


@pytest.mark.parametrize(
    "said, sentence",
    [
        (api.TapByResourceRequest(), "target.resource"),
        (b.request("secret"), "target.resource.type"),
        (b.request(namespace=""), "target.resource.namespace"),
        (b.request(maxRps=-1), "maxRps"),
        (b.request(maxRps=float("nan")), "maxRps"),
        (b.request(maxRps=1e9), "maxRps"),
        (b.request(match=b.http(path="")), "match.http.path"),
        (b.request(match=Match(all=Match.Seq(matches=[Match()]))), "a part of it is empty"),
        (b.request(match=Match(all=Match.Seq(matches=[b.http(path="/")] * 129))), "more than 128 parts"),
    ],
)
def test_what_makes_no_sense_is_refused(said, sentence):
    with pytest.raises(BadValue, match=sentence):
        match.read(said)


@pytest.mark.parametrize(
    "text, fits",
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier!=db", True),
        ("app in (api, web)", True),
        ("app notin (web)", False),
        ("!old,app", True),
        ("tier", False),
        ("app=db", False),
    ],
)
def test_selectors(text, fits):
    assert selector.read(text)({"app": "web"}) is fits


@pytest.mark.parametrize("text", ["app=web=x", "in (a)", "a b", ",".join("a" * 33)])
def test_no_selectors(text):
    with pytest.raises(BadValue, match="selector"):
        selector.read(text)


@pytest.mark.parametrize("cut", [1, 3, 5, 100])
def test_frames_come_back_however_they_are_cut(cut):
    body = b"".join(frames.frame(one) for one in (b"", b"abc", b"x" * 40))
    reader = frames.Reader()
    found = [one for at in range(0, len(body), cut) for one in reader.feed(body[at : at + cut])]
    assert found == [b"", b"abc", b"x" * 40]


def test_a_frame_that_is_no_event_s_size_is_refused():
    with pytest.raises(IsthmusError, match="the limit is"):
        list(frames.Reader().feed(b"\xff\xff\xff\xff"))
