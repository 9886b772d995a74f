"""The init container's rules, whichever program sets them: traffic of a meshed pair goes through both proxies."""

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire


@pytest.mark.parametrize("mode", ["nft", "iptables-nft", "iptables-legacy"])
def test_traffic_is_redirected(stage: conftest.Stage, state: world.State, mode: str) -> None:
    client = stage.client
    pods.run(*client.inside("nft", "flush", "ruleset"))
    try:
        before = client.metric("request_total", server_id=world.identity("server"))
        client.redirect(mode, "--ipv6")
        answer = client.call("one", host=world.WEB, port=80, name="web", path="/headers")
        assert answer["status"] == 200 and world.identity("client") in answer["body"]
        assert client.metric("request_total", server_id=world.identity("server")) == before + 1
        # Again: the rules replace themselves.
        client.redirect(mode, "--ipv6")
        assert client.call("one", host=world.WEB, port=80, name="web")["status"] == 200
    finally:
        for family in ("iptables", "ip6tables"):
            pods.run(*client.inside(f"{family}-legacy", "-t", "nat", "-F"))
        pods.run(*client.inside("nft", "flush", "ruleset"))
        client.redirect()
