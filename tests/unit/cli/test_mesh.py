"""`install` and `inject` as a person says them, without a cluster: what is printed, what is refused, and that nothing is left behind."""

import pytest
import yaml

from isthmus import names
from isthmus.cli import main

WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {flag: "yes"}}
spec: {template: {metadata: {labels: {app: web}}, spec: {containers: [{name: app, image: x}]}}}
"""


@pytest.fixture
def web(tmp_path):
    (tmp_path / "web.yaml").write_text(WEB)
    return tmp_path / "web.yaml"


def said(capsys, *words) -> tuple[int, list[dict], str]:
    code = main.main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, list(yaml.safe_load_all(captured.out)), captured.err


def test_install_prints_manifests_and_tells_where_the_anchor_is(capsys, tmp_path):
    code, docs, err = said(capsys, "install", "--ignore-cluster", "--trust-dir", tmp_path / "t")
    assert code == 0
    assert {"Deployment", "CustomResourceDefinition", "MutatingWebhookConfiguration"} <= {d["kind"] for d in docs}
    assert str(tmp_path / "t") in err


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        pytest.param(["--crds"], {"CustomResourceDefinition"}, id="definitions alone"),
        pytest.param(["--set", "multicluster=false"], None, id="without the extension"),
    ],
)
def test_install_prints_a_part(capsys, tmp_path, words, kinds):
    _, docs, _ = said(capsys, "install", "--ignore-cluster", "--trust-dir", tmp_path / "t", *words)
    assert kinds is None or {d["kind"] for d in docs} == kinds
    assert not [d for d in docs if d["metadata"].get("namespace") == names.MULTICLUSTER_NS]


def test_ha_sets_three_of_everything_and_what_is_said_wins(capsys, tmp_path):
    _, docs, _ = said(
        capsys, "install", "--ignore-cluster", "--trust-dir", tmp_path / "t", "--ha", "--set", "gatewayReplicas=2"
    )
    found = {d["metadata"]["name"]: d["spec"]["replicas"] for d in docs if d["kind"] == "Deployment"}
    assert (found["linkerd-identity"], found["linkerd-gateway"]) == (3, 2)


@pytest.mark.parametrize(
    ("words", "code", "words_back"),
    [
        pytest.param(["install", "--ignore-cluster", "--set", "controlReplcas=3"], 2, "controlReplicas", id="misspelt"),
        pytest.param(["install", "--ignore-cluster", "--apply"], 2, "--ignore-cluster prints", id="both"),
        pytest.param(
            ["install", "--ignore-cluster", "--identity-issuer-key-file", "k"], 2, "all three", id="one file of three"
        ),
        pytest.param(["install", "--ignore-cluster", "-L", "A_B"], 2, "--linkerd-namespace", id="no namespace"),
        pytest.param(["install", "--timeout", "soon"], 2, "--timeout", id="no time"),
        pytest.param(["inject", "--set", "proxy-loglevel=debug", "-"], 2, "proxy-log-level", id="misspelt setting"),
        pytest.param(["inject", "/no/such.yaml"], 2, "/no/such.yaml", id="no file"),
        pytest.param(["inject", "--manual", "--ignore-cluster"], 2, "--identity-trust-anchors-file", id="no anchors"),
    ],
)
def test_refusals_leave_stdout_and_the_trust_folder_alone(capsys, tmp_path, monkeypatch, words, code, words_back):
    monkeypatch.setenv("ISTHMUS_TRUST_DIR", str(tmp_path / "t"))
    got = main.main(words)
    captured = capsys.readouterr()
    assert (got, captured.out) == (code, "")
    assert words_back in captured.err
    assert not (tmp_path / "t").exists()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        pytest.param(["install", "--apply"], 3, id="install-apply"),
        pytest.param(["install", "--dry-run"], 3, id="install-dry-run"),
        pytest.param(["install"], 3, id="install-print"),
        pytest.param(["upgrade", "--apply"], 3, id="upgrade-apply"),
        pytest.param(["uninstall", "--apply"], 3, id="uninstall-apply"),
        pytest.param(["uninstall"], 3, id="uninstall-print"),
        pytest.param(["multicluster", "install", "--apply"], 3, id="multicluster-install"),
        pytest.param(["check", "--wait", "0"], 1, id="check"),
        pytest.param(["check", "--pre", "--wait", "0"], 1, id="check-before"),
    ],
)
def test_a_cluster_that_does_not_answer_is_named_and_nothing_is_made(capsys, tmp_path, monkeypatch, words, code):
    config = tmp_path / "config"
    config.write_text(
        "contexts: [{name: east, context: {cluster: east, user: u}}]\n"
        "clusters: [{name: east, cluster: {server: 'https://127.0.0.1:1'}}]\nusers: [{name: u, user: {token: t}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(config))
    monkeypatch.setenv("ISTHMUS_TRUST_DIR", str(tmp_path / "t"))
    assert main.main([*words, "--context", "east"]) == code
    captured = capsys.readouterr()
    told = captured.err if code == 3 else captured.out
    assert "cluster 'east' does not answer" in told
    assert "hint:" in told
    assert code == 1 or captured.out == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config"]


def test_a_wrong_context_is_told_with_those_there_are(capsys, tmp_path, monkeypatch):
    config = tmp_path / "config"
    config.write_text(
        "contexts: [{name: east, context: {cluster: east, user: u}}]\nclusters: [{name: east, cluster: {server: 'https://x'}}]\n"
    )
    monkeypatch.setenv("KUBECONFIG", str(config))
    assert main.main(["install", "--apply", "--context", "eest", "--trust-dir", str(tmp_path / "t")]) == 2
    assert "east" in capsys.readouterr().err
    assert not (tmp_path / "t").exists()


def test_inject_annotates_and_reports_on_stderr(capsys, web):
    code, docs, err = said(capsys, "inject", "--set", "proxy-log-level=debug", web)
    assert code == 0
    assert docs[0]["spec"]["template"]["metadata"]["annotations"] == {
        names.INJECT: "enabled",
        f"{names.CONFIG}proxy-log-level": "debug",
    }
    assert docs[0]["metadata"]["labels"]["flag"] == "yes"
    assert "deployment/web annotated" in err


def test_inject_manual_and_uninject_are_each_others_opposite(capsys, tmp_path, web):
    main.main(["install", "--ignore-cluster", "--trust-dir", str(tmp_path / "t")])
    capsys.readouterr()
    _, docs, _ = said(
        capsys,
        "inject",
        "--manual",
        "--ignore-cluster",
        "--identity-trust-anchors-file",
        tmp_path / "t" / "ca.crt",
        web,
    )
    assert [c["name"] for c in docs[0]["spec"]["template"]["spec"]["initContainers"]] == [
        "linkerd-init",
        "linkerd-proxy",
    ]
    (tmp_path / "meshed.yaml").write_text(yaml.safe_dump(docs[0]))
    _, docs, _ = said(capsys, "uninject", tmp_path / "meshed.yaml")
    assert docs == [yaml.safe_load(WEB)]


BAD = WEB.replace("labels: {app: web}}", "annotations: {linkerd.io/inject: 'yes'}}")
ODD = WEB.replace("labels: {app: web}}", "annotations: {config.linkerd.io/proxy-loglevel: debug}}")


def test_an_unknown_inject_value_is_refused_with_nothing_printed(capsys, tmp_path, web):
    (tmp_path / "bad.yaml").write_text(BAD)
    assert main.main(["inject", str(web), str(tmp_path / "bad.yaml")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    for part in ("linkerd.io/inject on deployment/web", "'yes'", 'for example linkerd.io/inject: "enabled"'):
        assert part in captured.err


def test_an_unknown_setting_is_warned_of(capsys, tmp_path):
    (tmp_path / "odd.yaml").write_text(ODD)
    code, docs, err = said(capsys, "inject", tmp_path / "odd.yaml")
    assert (code, docs[0]["kind"]) == (0, "Deployment")
    assert "warning: annotation config.linkerd.io/proxy-loglevel on deployment/web has no effect" in err


def test_one_bad_file_of_two_prints_nothing(capsys, tmp_path, web):
    (tmp_path / "bad.yaml").write_text("kind: [")
    assert main.main(["inject", str(web), str(tmp_path / "bad.yaml")]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "bad.yaml, line" in captured.err
