"""Two real control planes without nodes, for everything whose behaviour is the API server's.

In: the machine, as root. Out: `pair`, brought up once for all tests of this tier in a folder of its own, and taken down at the end;
`cluster`, a third control plane that tests may break, with `client` and `space`, a namespace of the test's own.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from isthmus.kube import client as kube
from tests.api import pairs, plane


@pytest.fixture(scope="session", autouse=True)
def root_on_linux() -> None:
    if os.geteuid() != 0:
        pytest.exit("the api tier needs root: sudo make test", returncode=2)


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pairs.Pair]:
    """Clusters `east` and `west` with our definitions and what a control plane's installation leaves behind."""
    made = pairs.Pair(tmp_path_factory.mktemp("api") / "state")
    made.run("lab", "up", "--no-nodes")
    try:
        asyncio.run(pairs.furnish(made))
        yield made
    finally:
        made.run("lab", "down")


@pytest.fixture
async def east(pair: pairs.Pair) -> AsyncIterator[kube.Client]:
    async with pair.client("east") as client:
        yield client


@pytest.fixture
async def west(pair: pairs.Pair) -> AsyncIterator[kube.Client]:
    async with pair.client("west") as client:
        yield client


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[plane.Cluster]:
    """A control plane with nothing in it, whose parts a test may stop as long as it starts them again."""
    made = plane.Cluster(tmp_path_factory.mktemp("plane") / "lab")
    made.lab("up", "--no-nodes", "--clusters", plane.NAME, limit=1800)
    try:
        yield made
    finally:
        made.lab("down")


@pytest.fixture
async def client(cluster: plane.Cluster) -> AsyncIterator[kube.Client]:
    async with cluster.client() as opened:
        yield opened


@pytest.fixture
async def space(client: kube.Client) -> AsyncIterator[str]:
    """A namespace of the test's own; its removal is not waited for."""
    name = f"t-{secrets.token_hex(4)}"
    doc = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await client.apply_dict(doc)
    yield name
    await client.delete_dict(doc)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/api" in str(item.path):
            item.add_marker("api")
