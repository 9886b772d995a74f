"""Is a pod injected, and whose annotation counts."""

import pytest

from isthmus import names
from isthmus.errors import BadValue
from isthmus.inject import decide
from tests.unit.inject import builders as b

ASK = names.INJECT


@pytest.mark.parametrize(
    ("pod", "space", "mode", "skip"),
    [
        pytest.param(b.pod(), {}, "", "injection_enable_annotation_absent", id="nobody asked"),
        pytest.param(b.pod(), {ASK: "enabled"}, "enabled", "", id="the namespace asks"),
        pytest.param(b.pod({ASK: "enabled"}), {}, "enabled", "", id="the pod asks"),
        pytest.param(b.pod({ASK: "ingress"}), {}, "ingress", "", id="ingress"),
        pytest.param(
            b.pod({ASK: "disabled"}),
            {ASK: "enabled"},
            "",
            "injection_disable_annotation_present",
            id="the pod wins: off",
        ),
        pytest.param(b.pod({ASK: "enabled"}), {ASK: "disabled"}, "enabled", "", id="the pod wins: on"),
        pytest.param(
            b.pod({ASK: "yes"}), {ASK: "enabled"}, "", "invalid_inject_annotation_at_workload", id="nonsense on the pod"
        ),
        pytest.param(b.pod(), {ASK: "yes"}, "", "invalid_inject_annotation_at_ns", id="nonsense on the namespace"),
        pytest.param(b.pod({ASK: "enabled"}, hostNetwork=True), {}, "", "host_network_enabled", id="host network"),
        pytest.param(
            b.pod({ASK: "enabled"}, initContainers=[{"name": "linkerd-proxy"}]),
            {},
            "",
            "sidecar_already_exists",
            id="meshed",
        ),
        pytest.param(
            b.pod({ASK: "enabled"}, initContainers=[{"name": "istio-proxy"}]),
            {},
            "",
            "sidecar_already_exists",
            id="of another mesh",
        ),
        pytest.param({"metadata": None, "spec": None}, {ASK: "enabled"}, "enabled", "", id="nulls are nothing"),
    ],
)
def test_verdict(pod, space, mode, skip):
    found = decide.verdict(pod, space)
    assert (found.mode, found.skip) == (mode, skip)
    assert skip == "" or decide.SKIPS[skip]


@pytest.mark.parametrize(
    ("notes", "space", "field", "value"),
    [
        pytest.param({}, {}, "proxy_log_level", "base", id="base"),
        pytest.param({}, {"proxy_log_level": "ns"}, "proxy_log_level", "ns", id="namespace over base"),
        pytest.param(
            {"proxy_log_level": "pod"}, {"proxy_log_level": "ns"}, "proxy_log_level", "pod", id="pod over namespace"
        ),
        pytest.param({}, {"enable_gateway": "true"}, "enable_gateway", False, id="a gateway is not inherited"),
        pytest.param({"opaque_ports": "http,25"}, {}, "opaque_ports", "8080,25", id="a port's name"),
        pytest.param({"shutdown_grace_period": "5s"}, {}, "shutdown_grace_period", 5.0, id="a duration"),
    ],
)
def test_settings(notes, space, field, value):
    pod = b.pod(b.on(**notes))
    pod["spec"]["containers"][0]["ports"][0]["name"] = "http"
    found = decide.settings(
        pod, b.on(**space), b.settings(proxy_log_level="base"), pod_name="Pod shop/web", namespace_name="shop"
    )
    assert getattr(found, field) == value


def test_an_alias_of_a_setting_is_read_and_the_usual_name_wins():
    pod = b.pod({"config.beta.linkerd.io/proxy-enable-native-sidecar": "false"})
    assert not decide.settings(pod, {}, b.settings(), pod_name="p", namespace_name="n").proxy_enable_native_sidecar
    pod = b.pod(
        {"config.beta.linkerd.io/proxy-enable-native-sidecar": "false", **b.on(proxy_enable_native_sidecar="true")}
    )
    assert decide.settings(pod, {}, b.settings(), pod_name="p", namespace_name="n").proxy_enable_native_sidecar


@pytest.mark.parametrize(
    ("notes", "space", "named"),
    [
        pytest.param({"inbound_port": "99999"}, {}, "inbound-port (annotation on Pod shop/web)", id="pod"),
        pytest.param({}, {"proxy_await": "maybe"}, "proxy-await (annotation on Namespace shop)", id="namespace"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_by_name(notes, space, named):
    with pytest.raises(BadValue) as refused:
        decide.settings(
            b.pod(b.on(**notes)), b.on(**space), b.settings(), pod_name="Pod shop/web", namespace_name="shop"
        )
    assert named in refused.value.sentence
    assert refused.value.hint


@pytest.mark.parametrize(
    ("own", "space", "declared", "made"),
    [
        pytest.param({names.OPAQUE_PORTS_ANNOTATION: "1"}, {}, {3306}, None, id="it says itself"),
        pytest.param({}, {names.OPAQUE_PORTS_ANNOTATION: "7"}, {3306}, "7", id="its namespace says"),
        pytest.param({}, {}, {80, 3306, 25}, "25,3306", id="defaults it declares"),
        pytest.param({}, {}, {80}, None, id="nothing opaque"),
    ],
)
def test_opaque_ports(own, space, declared, made):
    assert decide.opaque_ports(own, space, declared, names.OPAQUE_PORTS) == made


def test_what_a_pod_inherits_can_be_read_on_it():
    space = {**b.on(opaque_ports="7", enable_gateway="true"), "example.org/x": "1"}
    assert decide.inherited(b.pod(b.on()), space) == {names.OPAQUE_PORTS_ANNOTATION: "7"}
