"""Which pods are listed, and what is said of tap."""

import pytest
from lightkube.models import core_v1, meta_v1
from lightkube.resources.core_v1 import Pod

from isthmus import names
from isthmus.cli.see import pods

MESHED = {names.CONTROL_PLANE_NS_LABEL: "linkerd"}


def pod(name, proxy="linkerd-proxy", phase="Running", **notes) -> Pod:
    said = {f"viz.linkerd.io/{key.replace('_', '-')}": value for key, value in notes.items()}
    meta = meta_v1.ObjectMeta(name=name, namespace="shop", labels=MESHED, annotations=said)
    spec = core_v1.PodSpec(containers=[core_v1.Container(name="app"), core_v1.Container(name=proxy)])
    return Pod(metadata=meta, spec=spec, status=core_v1.PodStatus(phase=phase))


@pytest.mark.parametrize(
    ("one", "tap"),
    [
        (pod("a", tap_enabled="true"), pods.ENABLED),
        (pod("a", tap_enabled="true", disable_tap="true"), pods.DISABLED),
        (pod("a"), pods.MISSING),
    ],
)
def test_tap(one, tap):
    assert pods.rows([one]) == [{"namespace": "shop", "pod": "a", "tap": tap}]


def test_only_meshed_pods_that_live():
    found = pods.rows([pod("b"), pod("a"), pod("c", proxy="other"), pod("d", phase="Succeeded")])
    assert [row["pod"] for row in found] == ["a", "b"]


@pytest.mark.parametrize(
    ("count", "says"), [(0, "there is no pod in namespace shop"), (3, "none of the 3 pods in namespace shop is meshed")]
)
def test_an_empty_list_says_why(count, says):
    assert says in pods.nothing("namespace shop", count)
