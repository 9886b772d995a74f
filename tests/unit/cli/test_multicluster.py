"""The extension for a cluster that has a control plane already, and the words of `multicluster`."""

import pytest
import yaml

from isthmus import names
from isthmus.cli import main, multicluster, scope
from isthmus.errors import BadValue, IsthmusError
from isthmus.install import core, state
from tests.unit.install import builders as b

HERE = state.State(values=b.plan().values, trust=b.certificates(), webhook=b.webhook())


def of(sets: dict[str, str]) -> list[multicluster.Doc]:
    return multicluster.extension_of(HERE, scope.Scope(), sets, b.NOW)


def test_it_is_the_extension_and_the_config_map_that_records_it() -> None:
    docs = of({})
    outside = [d for d in docs if d["metadata"].get("namespace") == names.CONTROL_NS]
    assert {("ConfigMap", core.CONFIG)} <= {(d["kind"], d["metadata"]["name"]) for d in outside}
    assert {d["kind"] for d in outside} <= {"ConfigMap", "Role", "RoleBinding"}
    values = next(d for d in outside if d["kind"] == "ConfigMap")["data"]["values"]
    assert yaml.safe_load(values)["multicluster"] in (True, "true")
    assert {d["metadata"]["name"] for d in docs if d["kind"] == "Deployment"} == {
        "linkerd-gateway",
        "linkerd-service-mirror",
    }


def test_a_setting_reaches_its_object() -> None:
    found = next(d for d in of({"gatewayReplicas": "2"}) if d["metadata"]["name"] == "linkerd-gateway" and "spec" in d)
    gateways = [d for d in of({"gatewayReplicas": "2"}) if d["kind"] == "Deployment"]
    assert found is not None and 2 in [d["spec"]["replicas"] for d in gateways]


@pytest.mark.parametrize(
    ("found", "sets", "error", "said"),
    [
        pytest.param(state.State(), {}, IsthmusError, "no control plane for a gateway", id="bare"),
        pytest.param(HERE, {"gatewayReplcas": "2"}, BadValue, "gatewayReplicas", id="misspelt"),
        pytest.param(HERE, {"gatewayReplicas": "-1"}, BadValue, "gatewayReplicas", id="bad-value"),
    ],
)
def test_refusals(found: state.State, sets: dict[str, str], error: type[IsthmusError], said: str) -> None:
    with pytest.raises(error) as refused:
        multicluster.extension_of(found, scope.Scope(), sets, b.NOW)
    assert said in str(refused.value) and refused.value.hint


@pytest.mark.parametrize("word", ["install", "link-gen", "allow"])
def test_every_word_that_changes_something_prints_applies_or_tells(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["multicluster", word, "--help"]) == 0
    said = capsys.readouterr().out
    assert "--apply" in said and "--dry-run" in said
