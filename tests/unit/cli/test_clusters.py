"""What people say to `link` and `unlink`, and the sentence they get back; no cluster is reached here."""

import pathlib

import pytest

from isthmus.cli import main

ARN = "arn:aws:eks:eu-west-1:111122223333:cluster/prod-eu"
CONFIG = """
apiVersion: v1
kind: Config
current-context: east
contexts:
- {name: east, context: {cluster: east, user: me}}
- {name: west, context: {cluster: west, user: me}}
- {name: admin@west, context: {cluster: west, user: me}}
- {name: "arn:aws:eks:eu-west-1:111122223333:cluster/prod-eu", context: {cluster: west, user: me}}
clusters:
- {name: east, cluster: {server: "https://127.0.0.1:1"}}
- {name: west, cluster: {server: "https://127.0.0.1:2"}}
users:
- {name: me, user: {token: t}}
"""


@pytest.fixture
def config(tmp_path: pathlib.Path) -> str:
    path = tmp_path / "config"
    path.write_text(CONFIG)
    return str(path)


@pytest.mark.parametrize(
    "words, code, said",
    [
        pytest.param(["link", "east", "north"], 2, "no context 'north'", id="wrong-target"),
        pytest.param(["link", "north", "west"], 2, "no context 'north'", id="wrong-source"),
        pytest.param(
            ["link", "east", "west"], 3, "cluster 'east' does not answer at https://127.0.0.1:1", id="unreachable"
        ),
        pytest.param(["link", "east", "west", "--apply"], 3, "does not answer", id="unreachable-apply"),
        pytest.param(["link", "east", "admin@west"], 3, "'admin@west' is called 'west'", id="context-is-no-name"),
        pytest.param(["link", "east", ARN], 3, "is called 'prod-eu' from here on; --cluster-name gives", id="eks"),
        pytest.param(
            ["link", ARN, "west"], 3, "is called 'prod-eu' from here on; --source-name gives", id="eks-source"
        ),
        pytest.param(["link", "east", "@"], 2, "for example --cluster-name west", id="no-name-in-context"),
        pytest.param(["link", "east", "west", "--cluster-name", "W_1"], 2, "--cluster-name is 'W_1'", id="bad-name"),
        pytest.param(["link", "east", "west", "--source-name", "E_1"], 2, "--source-name is 'E_1'", id="bad-source"),
        pytest.param(["link", "e" * 30, "west"], 2, "for example --source-name east", id="long-source"),
        pytest.param(["unlink", ARN, "west", "--source-name", "W_1"], 2, "--source-name is 'W_1'", id="unlink-source"),
        pytest.param(["link", "east", "west", "--gateway-port", "x"], 2, "--gateway-port is 'x'", id="bad-port"),
        pytest.param(
            ["link", "east", "west", "--selector", "exported"], 2, "--selector is 'exported'", id="bad-selector"
        ),
        pytest.param(["link", "east", "west", "--wait", "soon"], 2, "--wait is 'soon'", id="bad-wait"),
        pytest.param(["unlink", "east", "west", "--apply"], 3, "does not answer", id="unlink-unreachable"),
        pytest.param(["unlink", "east", "west", "--cluster-name", "W"], 2, "not a DNS label", id="unlink-bad-name"),
        pytest.param(
            ["multicluster", "link-gen", "--cluster-name", "west", "--context", "west"],
            3,
            "does not answer",
            id="link-gen",
        ),
        pytest.param(
            ["multicluster", "link-gen", "--cluster-name", "west", "--apply"], 2, "--source east", id="link-gen-where"
        ),
        pytest.param(
            ["multicluster", "link-gen", "--cluster-name", "west", "--source", "north", "--dry-run"],
            2,
            "no context 'north'",
            id="link-gen-wrong-source",
        ),
        pytest.param(
            ["multicluster", "allow", "--service-account-name", "a", "--context", "west", "--apply"],
            3,
            "does not answer",
            id="allow-apply",
        ),
        pytest.param(["multicluster", "gateways", "--context", "east"], 3, "does not answer", id="gateways"),
        pytest.param(
            ["multicluster", "allow", "--service-account-name", "A B"], 2, "--service-account-name", id="allow-bad-name"
        ),
    ],
)
def test_refusals(words, code, said, config, capsys):
    assert main.main([*words, "--kubeconfig", config]) == code
    assert said in capsys.readouterr().err


def test_allow_prints_an_account_its_rights_and_a_token(capsys):
    assert main.main(["multicluster", "allow", "--service-account-name", "access-east"]) == 0
    out = capsys.readouterr().out
    assert all(f"kind: {kind}" in out for kind in ("ServiceAccount", "ClusterRole", "RoleBinding", "Secret"))
