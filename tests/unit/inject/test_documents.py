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


NAMESPACE = {"kind": "Namespace", "metadata": {"name": "shop", "annotations": {names.INJECT: "true"}}}


@pytest.mark.parametrize(
    ("doc", "said"),
    [
        pytest.param(workload(notes=b.on(inbound_port="x")), "inbound-port .*deployment/web.* is 'x'", id="a-setting"),
        pytest.param(
            workload(notes={names.INJECT: "yes"}), "linkerd.io/inject on deployment/web is 'yes'", id="a-template"
        ),
        pytest.param(workload("Pod", {names.INJECT: ""}), "linkerd.io/inject on pod/web-1 is ''", id="a-pod"),
        pytest.param(NAMESPACE, "linkerd.io/inject on namespace/shop is 'true'", id="a-namespace"),
        pytest.param({"kind": "List", "items": [NAMESPACE]}, "on namespace/shop is 'true'", id="in-a-list"),
    ],
)
def test_a_bad_annotation_in_the_file_is_refused(doc, said):
    with pytest.raises(BadValue, match=said) as refused:
        documents.inject(doc, documents.Request())
    assert "for example" in refused.value.hint


@pytest.mark.parametrize(
    ("notes", "said"),
    [
        pytest.param(b.on(opaque_ports="1"), (), id="a-setting"),
        pytest.param(b.on(admission_webhooks="disabled"), (), id="read-elsewhere"),
        pytest.param({"config.alpha.linkerd.io/proxy-wait-before-exit-seconds": "5"}, (), id="an-older-name"),
        pytest.param({"example.com/proxy-loglevel": "5", "linkerd.io/created-by": "x"}, (), id="of-others"),
        pytest.param(b.on(proxy_loglevel="debug"), ("nearest is config.linkerd.io/proxy-log-level",), id="misspelt"),
        pytest.param(b.on(zzz="1"), ("config.linkerd.io/zzz on deployment/web has no effect",), id="unknown"),
        pytest.param(b.on(**{f"z{n}": "" for n in range(9)}), ("z0 ", "z1 ", "z2 ", "z3 ", "z4 ", "4 more"), id="many"),
    ],
)
def test_settings_that_are_none_are_told(notes, said):
    made, (report,) = documents.inject(workload(notes=notes), documents.Request())
    assert len(report.warnings) == len(said)
    assert all(part in text for part, text in zip(said, report.warnings, strict=True))
    settings = {key: text for key, text in notes.items() if key.startswith("config.")}
    assert settings.items() <= template(made)["metadata"]["annotations"].items()


def test_a_namespaces_annotations_are_looked_at_too():
    doc = {"kind": "Namespace", "metadata": {"name": "shop", "annotations": b.on(proxy_cpu="1")}}
    assert "config.linkerd.io/proxy-cpu on namespace/shop" in documents.inject(doc, documents.Request())[1][0].text()
