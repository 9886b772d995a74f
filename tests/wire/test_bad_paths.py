"""The bad-input list, cases 21 to 26: where policy goes by path there is one form of it, for routing, policy and forwarding alike."""

from typing import Any

import pytest

from tests.wire import bad, conftest, pods, raw, world

pytestmark = pytest.mark.wire

ANYBODY: dict[str, Any] = {
    "networks": [{"net": {"ip": {"ipv4": 0}, "prefixLen": 0}}],
    "authentication": {"unauthenticated": {}},
}
NOT_FOUND, REFUSED = 404, 400


def only_user() -> dict[str, Any]:
    """Everybody may go to `/user`; nothing else is there."""
    route = {
        "metadata": {"default": "user"},
        "authorizations": [ANYBODY],
        "rules": [{"matches": [{"path": {"prefix": "/user"}}]}],
    }
    return {"protocol": {"detect": {"timeout": "10s", "httpRoutes": [route]}}, "labels": {"name": "paths"}}


def ask(bench: bad.Bench, path: str) -> int:
    head = f"GET {path} HTTP/1.1\r\nhost: evil\r\nconnection: close\r\n\r\n"
    return raw.ask(bench.connect("inbound"), head.encode(), 5).status


@pytest.fixture
def bench(stage: conftest.Stage, state: world.State) -> bad.Bench:
    made = bad.open_bench(stage)
    state.edit("ports", "8070", {"proto": only_user()})
    pods.wait_for(lambda: ask(made, "/admin") == NOT_FOUND, 5, "the policy")
    return made


CASES = [
    ("21 dots", "/user/../admin", NOT_FOUND),
    ("21 escaped dots", "/user/%2e%2e/admin", NOT_FOUND),
    ("21 half escaped", "/user/.%2E/admin", NOT_FOUND),
    ("21 above the root", "/%2e%2e/user", REFUSED),
    ("22 escaped slash", "/user/..%2Fadmin", REFUSED),
    ("22 escaped backslash", "/user/..%5Cadmin", REFUSED),
    ("23 two slashes", "//admin", NOT_FOUND),
    ("23 a dot", "/./admin", NOT_FOUND),
    ("23 backslash", "/user\\..\\admin", REFUSED),
    ("25 parameters", "/user/..;a=b/admin", REFUSED),
    ("25 empty parameter", "/user/..;/admin", REFUSED),
    ("26 overlong", "/user/%c0%ae%c0%ae/admin", REFUSED),
    ("26 NUL", "/user/%00", REFUSED),
    ("26 half an escape", "/user/%2", REFUSED),
]


def test_no_way_round_a_rule(bench: bad.Bench) -> None:
    before = len(bench.reached("admin"))
    refused = sum(status == REFUSED for *_, status in CASES)
    with bad.counted(bench.stage.server, "inbound_refused_total", "path", least=refused):
        for case, path, status in CASES:
            assert ask(bench, path) == status, case
    assert len(bench.reached("admin")) == before


@pytest.mark.parametrize(
    "path, forwarded",
    [
        ("/user/a/../b-21", "/user/b-21"),
        ("/user//b-23", "/user/b-23"),
        ("/user/%2f-22", "/user/%2F-22"),
        ("/user/%5c-22", "/user/%5C-22"),
        ("/user/%252e%252e/b-26", "/user/%252e%252e/b-26"),
        ("/user/%62-26?x=/../y", "/user/b-26?x=/../y"),
    ],
)
def test_what_is_let_in_is_forwarded_as_it_was_judged(bench: bad.Bench, path: str, forwarded: str) -> None:
    """Decoded once and never twice; an escaped slash is no slash, here or there."""
    assert ask(bench, path) == 200
    assert bench.reached(f"GET {forwarded} HTTP/1.1")
