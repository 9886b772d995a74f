"""What an injected pod holds, that taking it out gives the pod back, and that the JSON patch makes exactly it."""

import copy
import dataclasses

import jsonpatch
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.inject import decide, patch
from tests.unit.inject import builders as b


def made(pod=None, chosen=None, **how):
    how.setdefault("namespace", "shop")
    return patch.injected(pod or b.pod(b.on()), b.MESH, chosen or b.settings(), **how)


def test_the_proxy_is_a_sidecar_right_after_init_and_before_the_pods_own():
    spec = made(b.pod(b.on(), initContainers=[{"name": "own"}]))["spec"]
    assert [c["name"] for c in spec["initContainers"]] == ["linkerd-init", "linkerd-proxy", "own"]
    assert spec["initContainers"][1]["restartPolicy"] == "Always"
    assert [c["name"] for c in spec["containers"]] == ["app"]


def test_without_sidecars_it_is_the_first_container_and_kubectl_still_means_the_application():
    got = made(chosen=b.settings(proxy_enable_native_sidecar="false"))
    assert [c["name"] for c in got["spec"]["containers"]] == ["linkerd-proxy", "app"]
    assert got["metadata"]["annotations"][patch.DEFAULT_CONTAINER] == "app"
    assert "restartPolicy" not in b.container(got, "linkerd-proxy")


@pytest.mark.parametrize(
    ("changes", "local", "held"),
    [
        pytest.param({}, frozenset(), True, id="the application waits"),
        pytest.param({"proxy_await": "disabled"}, frozenset(), False, id="unless it is told not to"),
        pytest.param({}, frozenset({"identity"}), False, id="a plane never waits for its own proxy"),
    ],
)
def test_await(changes, local, held):
    proxy = b.container(made(chosen=b.settings(**changes), local=local), "linkerd-proxy")
    assert ("postStart" in proxy.get("lifecycle", {})) is held
    assert "startupProbe" not in proxy


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {},
            [
                "--inbound-ports-to-ignore",
                "4190,4191,4567,4568",
                "--outbound-ports-to-ignore",
                "4567,4568",
                "--firewall-mode",
                "auto",
            ],
        ),
        (
            {"skip_inbound_ports": "", "skip_outbound_ports": ""},
            ["--inbound-ports-to-ignore", "4190,4191", "--firewall-mode", "auto"],
        ),
        ({"skip_subnets": "10.0.0.0/8"}, ["--subnets-to-ignore", "10.0.0.0/8"]),
        ({"proxy_gid": "2102"}, ["--proxy-gid", "2102"]),
        ({"outbound_port": "5140", "proxy_uid": "1"}, ["--outgoing-proxy-port", "5140", "--proxy-uid", "1"]),
    ],
)
def test_init_is_told(changes, words):
    said = " ".join(b.container(made(chosen=b.settings(**changes)), "linkerd-init")["args"])
    assert " ".join(words) in said


def test_only_init_has_capabilities_and_nobody_escalates():
    got = made()
    assert b.container(got, "linkerd-init")["securityContext"]["capabilities"] == {
        "drop": ["ALL"],
        "add": ["NET_ADMIN", "NET_RAW"],
    }
    proxy = b.container(got, "linkerd-proxy")["securityContext"]
    assert proxy["capabilities"] == {"drop": ["ALL"]}
    assert (
        proxy["runAsUser"],
        proxy["runAsNonRoot"],
        proxy["readOnlyRootFilesystem"],
        proxy["allowPrivilegeEscalation"],
    ) == (2102, True, True, False)


@pytest.mark.parametrize(
    ("labels", "owner", "label"),
    [
        pytest.param(
            {"pod-template-hash": "5d4"},
            ("ReplicaSet", "web-5d4"),
            ("linkerd.io/proxy-deployment", "web"),
            id="a Deployment's",
        ),
        pytest.param(
            {}, ("ReplicaSet", "web-5d4"), ("linkerd.io/proxy-replicaset", "web-5d4"), id="a bare ReplicaSet's"
        ),
        pytest.param({}, ("StatefulSet", "db"), ("linkerd.io/proxy-statefulset", "db"), id="StatefulSet"),
        pytest.param({}, ("Job", "once"), ("linkerd.io/proxy-job", "once"), id="Job"),
        pytest.param(
            {}, ("StatefulSet", "x" * 80), ("linkerd.io/proxy-statefulset", "x" * 54 + "-"), id="too long for a label"
        ),
    ],
)
def test_the_owner_becomes_a_label(labels, owner, label):
    pod = b.pod(b.on(), labels=labels, owner=owner)
    got = made(pod, owner=patch.owner_of(pod))["metadata"]["labels"]
    assert got[label[0]].startswith(label[1])
    assert len(got[label[0]]) <= 63
    assert (got["linkerd.io/control-plane-ns"], got["linkerd.io/workload-ns"]) == ("linkerd", "shop")


def test_marks_say_by_whom_with_what_and_for_which_anchors():
    notes = made(inherited={"config.linkerd.io/opaque-ports": "7"})["metadata"]["annotations"]
    assert notes["linkerd.io/created-by"].startswith("isthmus/proxy-injector ")
    assert notes["linkerd.io/proxy-version"] == "1.2.3"
    assert notes["linkerd.io/trust-root-sha256"] == b.MESH.anchors_digest
    assert notes["config.linkerd.io/opaque-ports"] == "7"


def test_resources_are_left_out_or_taken_over():
    assert "resources" not in b.container(made(), "linkerd-proxy")
    got = b.container(made(chosen=b.settings(proxy_cpu_request="10m", proxy_memory_limit="64Mi")), "linkerd-proxy")
    assert got["resources"] == {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}}


def test_the_given_pod_is_not_touched_and_taking_the_mesh_out_gives_it_back():
    pod = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "app"}]}}
    kept = copy.deepcopy(pod)
    got = made(pod)
    assert pod == kept
    assert patch.stripped(got) == pod


def test_stripping_keeps_the_will_not_to_be_meshed():
    pod = b.pod({"linkerd.io/inject": "disabled", "config.linkerd.io/opaque-ports": "7", "example.org/a": "b"})
    assert patch.stripped(pod)["metadata"]["annotations"] == {"linkerd.io/inject": "disabled", "example.org/a": "b"}


def test_a_gateway_needs_no_container_of_its_own():
    got = made({"metadata": {}, "spec": {"containers": []}}, b.settings(proxy_enable_native_sidecar="false"))
    assert [c["name"] for c in got["spec"]["containers"]] == [decide.PROXY]


LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=4)
DOCS = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a/~", max_size=3), inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(
    st.dictionaries(st.text("a/~", max_size=3), DOCS, max_size=3),
    st.dictionaries(st.text("a/~", max_size=3), DOCS, max_size=3),
)
def test_the_patch_makes_exactly_the_new_document(before, after):
    assert jsonpatch.JsonPatch(patch.operations(before, after)).apply(before) == after


def test_nothing_changed_is_no_patch():
    assert patch.operations(b.pod(), b.pod()) == []


@pytest.mark.parametrize(
    ("mesh", "notes", "space", "tapped"),
    [
        pytest.param(b.MESH, {}, True, True, id="usual"),
        pytest.param(dataclasses.replace(b.MESH, tap=False), {}, True, False, id="off for the mesh"),
        pytest.param(b.MESH, {}, False, False, id="the namespace opts out"),
        pytest.param(b.MESH, {"viz.linkerd.io/disable-tap": "true"}, True, False, id="the pod opts out"),
        pytest.param(b.MESH, {"viz.linkerd.io/disable-tap": "false"}, True, True, id="the pod says that it does not"),
    ],
)
def test_tap(mesh, notes, space, tapped):
    got = patch.injected(b.pod({**b.on(), **notes}), mesh, b.settings(), namespace="shop", tap=space)
    wanted = "tap.linkerd-viz.serviceaccount.identity.linkerd.cluster.local" if tapped else None
    assert b.variables(got).get("TAP_SVC_NAME") == wanted
    assert got["metadata"]["annotations"].get("viz.linkerd.io/tap-enabled") == ("true" if tapped else None)
