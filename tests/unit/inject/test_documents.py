"""YAML documents meshed and unmeshed."""

import pytest

from isthmus import names
from isthmus.errors import BadValue
from isthmus.inject import decide, documents
from tests.unit.inject import builders as b


def workload(kind="Deployment", notes=None, name="web", **spec):
    pod = b.pod(notes, **spec)
    if kind == "Pod":
        return {"kind": kind, **pod}
    inner = {"template": pod}
    return {
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"jobTemplate": {"spec": inner}} if kind == "CronJob" else inner,
    }


def template(doc):
    return documents._template(doc)


@pytest.mark.parametrize("kind", sorted(documents.TEMPLATES))
def test_every_kind_with_pods_is_annotated_or_filled(kind):
    got, reports = documents.inject(workload(kind), documents.Request())
    assert template(got)["metadata"]["annotations"][names.INJECT] == "enabled"
    assert reports[0].done == "annotated"
    got, reports = documents.inject(workload(kind), documents.Request(mesh=b.MESH))
    assert [c["name"] for c in template(got)["spec"]["initContainers"]] == ["linkerd-init", "linkerd-proxy"]
    assert reports[0].done == "injected"


@pytest.mark.parametrize(
    ("doc", "skip"),
    [
        pytest.param({"kind": "ConfigMap", "metadata": {"name": "c"}}, "unsupported_resource", id="no pods"),
        pytest.param(workload(hostNetwork=True), "host_network_enabled", id="host network"),
        pytest.param(
            workload(notes={names.INJECT: "disabled"}), "injection_disable_annotation_present", id="does not want"
        ),
        pytest.param(
            {"kind": "Deployment", "metadata": {"name": "c"}, "spec": {"template": {"spec": {"hostNetwork": True}}}},
            "host_network_enabled",
            id="sparse",
        ),
    ],
)
def test_skipped_documents_come_out_as_they_went_in(doc, skip):
    got, reports = documents.inject(doc, documents.Request(mesh=b.MESH))
    assert got == doc
    assert reports[0].skip == skip
    assert decide.SKIPS[skip] in reports[0].text()


def test_injecting_twice_is_injecting_once():
    once, _ = documents.inject(workload(), documents.Request(mesh=b.MESH))
    assert documents.inject(once, documents.Request(mesh=b.MESH))[0] == once


def test_uninject_gives_the_document_back():
    doc = {
        "kind": "Deployment",
        "metadata": {"name": "w"},
        "spec": {"template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c"}]}}},
    }
    assert documents.uninject(documents.inject(doc, documents.Request(mesh=b.MESH))[0])[0] == doc


def test_lists_are_walked_with_a_report_each():
    got, reports = documents.inject(
        {"kind": "List", "items": [workload(), {"kind": "Secret", "metadata": {"name": "s"}}]}, documents.Request()
    )
    assert [r.name for r in reports] == ["deployment/web", "secret/s"]
    assert len(got["items"]) == 2


def test_a_namespace_is_annotated_for_all_its_pods():
    got, _ = documents.inject(
        {"kind": "Namespace", "metadata": {"name": "shop"}},
        documents.Request(notes={f"{names.CONFIG}opaque-ports": "7"}),
    )
    assert got["metadata"]["annotations"] == {names.INJECT: "enabled", f"{names.CONFIG}opaque-ports": "7"}


def test_udp_is_told():
    doc = workload()
    template(doc)["spec"]["containers"][0]["ports"].append({"containerPort": 53, "protocol": "UDP"})
    assert documents.inject(doc, documents.Request())[1][0].warnings == ("UDP port 53 is not meshed",)


def test_a_bad_annotation_in_the_file_is_refused():
    with pytest.raises(BadValue, match="deployment/web"):
        documents.inject(workload(notes=b.on(inbound_port="x")), documents.Request())
