"""Several clusters: who is asked, what happens to those that are away."""

import pathlib

import pytest
import yaml

from isthmus.cli import scope
from isthmus.cli.viz import several
from isthmus.errors import IsthmusError, Unreachable
from isthmus.kube import client as kube
from tests.unit.cli.viz import doubles


@pytest.fixture
def kubeconfig(tmp_path: pathlib.Path) -> str:
    names = ("west", "east", "arn:aws:eks:eu:1:cluster/north")
    doc = {
        "current-context": "east",
        "contexts": [{"name": n, "context": {"cluster": "c", "namespace": "shop"}} for n in names],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(doc))
    return str(path)


@pytest.mark.parametrize(
    ("context", "every", "found"),
    [
        (None, False, ["east"]),
        ("west", False, ["west"]),
        ("west,east", False, ["west", "east"]),
        ("west, west", False, ["west"]),
        (None, True, ["east", "arn:aws:eks:eu:1:cluster/north", "west"]),
    ],
)
def test_contexts(kubeconfig, context, every, found):
    asked = several.asked(scope.Scope(context=context, kubeconfig=kubeconfig), every=every)
    assert [one.context for one in asked] == found


def test_an_unknown_context_is_refused(kubeconfig):
    with pytest.raises(IsthmusError, match="nowhere"):
        several.asked(scope.Scope(context="east,nowhere", kubeconfig=kubeconfig), every=False)


@pytest.mark.parametrize(
    ("contexts", "names"),
    [
        (["east", "arn:aws:eks:eu:1:cluster/north"], ["east", "north"]),
        (["a@one", "b@one"], ["a@one", "b@one"]),
    ],
)
def test_clusters_are_called_by_what_their_contexts_tell(contexts, names):
    assert several.called(contexts) == names


def refused(status: int) -> IsthmusError:
    error = IsthmusError("has no metrics API")
    error.__cause__ = kube.ApiError(status, "NotFound" if status == 404 else "", "no")
    return error


async def ask(cluster: several.Cluster) -> str:
    return await cluster.metrics.ask("", "Word", None, None)  # type: ignore[arg-type]


async def answers(**said: object) -> list[several.Answer[str]]:
    clusters = [doubles.cluster(name, 1.0 if word == "late" else 0, Word=word) for name, word in said.items()]
    return await several.gather(clusters, ask, seconds=0.05)


@pytest.mark.parametrize(
    ("said", "every", "well", "sentences"),
    [
        ({"east": "yes", "west": "yes"}, False, ["east", "west"], []),
        ({"east": "yes", "west": Unreachable("away")}, False, ["east"], ["west: away"]),
        ({"east": "yes", "west": "late"}, False, ["east"], ["west: cluster 'west' did not answer within 0.05 s"]),
        ({"east": "yes", "west": refused(404)}, False, ["east"], ["west: has no metrics API"]),
        ({"east": "yes", "west": refused(404)}, True, ["east"], []),
        ({"east": "yes", "west": refused(503)}, True, ["east"], ["west: has no metrics API"]),
    ],
)
async def test_one_that_is_away_is_a_sentence(said, every, well, sentences):
    found, told = several.settle(await answers(**said), every=every)
    assert [one.cluster.name for one in found] == well
    assert [line.partition("\n")[0] for line in told] == sentences


@pytest.mark.parametrize(
    ("said", "every", "code", "says"),
    [
        ({"east": Unreachable("east is away")}, False, 3, "east is away"),
        ({"east": Unreachable("e"), "west": IsthmusError("w")}, False, 1, "no cluster of east, west answered: e; w"),
        ({"east": refused(404)}, True, 1, "no context has the viz extension"),
    ],
)
async def test_nothing_from_anyone_is_a_refusal(said, every, code, says):
    with pytest.raises(IsthmusError) as error:
        several.settle(await answers(**said), every=every)
    assert (error.value.code, says in str(error.value)) == (code, True)
