"""The demonstration's shell as far as it goes without clusters: what it prints for kubectl, how it calls our own commands."""

import asyncio
import json
from typing import Any

import pytest

from isthmus import errors
from isthmus.cli import main
from isthmus.demo import measure, run, story, table

OPTIONS = run.Options("me@east", "arn:west", "demo:1", "east", "prod")


def items(part: str, weights: str = "50/50") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(run.manifests(OPTIONS, part, weights))["items"]
    return found


def cluster_of(docs: list[dict[str, Any]]) -> str:
    deployment = next(d for d in docs if d["kind"] == "Deployment" and d["metadata"]["name"] == "backend-svc")
    env = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    return str(next(e["value"] for e in env if e["name"] == "CLUSTER"))


@pytest.mark.parametrize(
    ("part", "cluster", "kinds"),
    [
        pytest.param("target", "prod", {"Namespace", "Service", "ServiceAccount", "Deployment"}, id="target"),
        pytest.param("source", "east", {"Namespace", "Service", "ServiceAccount", "Deployment"}, id="source"),
    ],
)
def test_each_backend_answers_with_the_name_the_link_knows(part: str, cluster: str, kinds: set[str]) -> None:
    docs = items(part)
    assert cluster_of(docs) == cluster
    assert {d["kind"] for d in docs} == kinds


def test_the_split_names_the_mirror_after_the_links_name() -> None:
    (split,) = items("split", "80/20")
    assert [(b["name"], b["weight"]) for b in split["spec"]["rules"][0]["backendRefs"]] == [
        ("backend-svc", 80),
        ("backend-svc-prod", 20),
    ]


@pytest.mark.parametrize("weights", ["", "50", "50/", "/50", "a/b", "0/0", "-1/2", "50:50"])
def test_weights_that_are_none(weights: str) -> None:
    with pytest.raises(errors.BadValue, match="--weights") as refused:
        run.manifests(OPTIONS, "split", weights)
    assert "50/50" in refused.value.hint


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        pytest.param(["--source", "east"], 2, "give both or none", id="one-of-two"),
        pytest.param(["--print", "split", "--weights", "x"], 2, "--weights is 'x'", id="weights"),
        pytest.param(["--source", "east", "--target", "@", "--print", "split"], 2, "--cluster-name west", id="no-name"),
        pytest.param(["--print", "split", "--cluster-name", "P_1"], 2, "--cluster-name is 'P_1'", id="bad-name"),
    ],
)
def test_refusals(words: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["demo", *words]) == code
    captured = capsys.readouterr()
    assert said in captured.err and captured.out == ""


@pytest.mark.parametrize(
    ("words", "mirror"),
    [
        pytest.param([], "backend-svc-west", id="the-lab"),
        pytest.param(["--source", "a", "--target", "gke_p_z_shop"], "backend-svc-shop", id="contexts"),
        pytest.param(["--source", "a", "--target", "b@c", "--cluster-name", "prod"], "backend-svc-prod", id="given"),
    ],
)
def test_the_commands_split_follows_the_clusters_names(
    words: list[str], mirror: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["demo", "--print", "split", *words]) == 0
    assert mirror in capsys.readouterr().out


def test_our_own_commands_are_run_and_their_failure_is_ours() -> None:
    assert asyncio.run(run.asked("version", "--client", "--short"))[0] == 0
    with pytest.raises(errors.IsthmusError) as failed:
        asyncio.run(run.command("inject", "/no/such.yaml"))
    assert failed.value.code == 2


def test_a_table_shows_each_peer_and_the_failures() -> None:
    phase = story.migration(1, "east", "prod")[1]
    row = measure.Row(measure.Peer("prod", "gw", "true"), 100.0, 1.0, 0.5, 1.25, 9.0)
    clear = measure.Row(measure.Peer("east", "", "no_identity"), 100.0, 0.5, 0.5, 1.0, 2.0)
    made = table.build(phase, [row, clear], 3)
    cells = [list(column.cells) for column in made.columns]
    assert made.title == "half of it moves to prod: east 50 / prod 50"
    assert made.caption == "failed so far: 3"
    assert cells[0] == ["prod", "east"] and cells[2] == ["100.00%", "50.00%"]
    assert cells[6] == ["√ mTLS", "× clear"]
