"""`isthmus check`: green when all is well, red with a hint when the gateway is gone; and sentences for bad input."""

import pytest

from tests.lab import mesh

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("cluster", ["east", "west"])
def test_check_is_green(client: mesh.Inside, cluster: str) -> None:
    done = mesh.isthmus("check", "--context", cluster)
    assert "×" not in done.stdout + done.stderr


def test_check_is_red_when_the_gateway_is_deleted(client: mesh.Inside) -> None:
    where = ("-n", "linkerd-multicluster")
    mesh.kubectl("west", *where, "scale", "deploy", "linkerd-gateway", "--replicas=0")
    try:
        done = None

        def red() -> bool:
            nonlocal done
            done = mesh.isthmus("check", "--context", "east", ok=False)
            return done.returncode != 0

        mesh.until(red, "a red check in the source", limit=60, pause=1.0)
        assert done is not None
        assert "×" in done.stdout + done.stderr
        assert "gateway" in (done.stdout + done.stderr).lower()
    finally:
        mesh.kubectl("west", *where, "scale", "deploy", "linkerd-gateway", "--replicas=1")
        mesh.kubectl("west", *where, "rollout", "status", "deploy/linkerd-gateway", "--timeout=90s")
        mesh.until(
            lambda: mesh.isthmus("check", "--context", "east", ok=False).returncode == 0, "a green check again", 60, 1.0
        )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(("check", "--context", "nowhere"), "nowhere", id="unknown-context"),
        pytest.param(("link", "east", "east"), "itself", id="link-to-itself"),
        pytest.param(("link", "east", "nowhere"), "nowhere", id="link-unknown-target"),
        pytest.param(("lab", "up"), "already", id="second-up"),
    ],
)
def test_bad_input_is_one_sentence(client: mesh.Inside, words: tuple[str, ...], says: str) -> None:
    done = mesh.isthmus(*words, ok=False)
    assert done.returncode != 0
    assert says in done.stderr
    assert "Traceback" not in done.stderr
