"""Headers, token files, plugins, certificates; and what a 401 does."""

import json
import pathlib
import ssl
import sys
from typing import Any

import httpx2
import pytest
import trustme
from lightkube.config.kubeconfig import SingleConfig
from lightkube.config.models import Cluster, Context, NameValue, User, UserExec

from isthmus.errors import IsthmusError
from isthmus.kube import access, client, credentials

V1 = "client.authentication.k8s.io/v1"


def reach(user: User, cluster: Cluster | None = None) -> access.Access:
    config = SingleConfig(
        "east", Context(cluster="east", user="east"), cluster or Cluster(server="https://api.test"), user
    )
    return access.Access("east", config.cluster.server, "ns", config, provide_cluster_info=True)


def credential(user: User, *, clock: list[float] | None = None) -> credentials.Credential:
    now = clock or [0.0]
    return credentials.credential(reach(user), ssl.create_default_context(), clock=lambda: now[0], now=lambda: now[0])


def plugin(tmp_path: pathlib.Path, program: str, api: str = V1) -> User:
    """A plugin that runs `program` as Python, counting its runs in a file."""
    counting = f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\nimport json, os, sys\n"
    script = tmp_path / "plugin.py"
    script.write_text(counting + program)
    return User(
        exec=UserExec(apiVersion=api, command=sys.executable, args=[str(script)], env=[NameValue("SECRET", "s")])
    )


def printing(**status: str) -> str:
    return f"print(json.dumps({{'status': {status!r}}}))"


def runs(tmp_path: pathlib.Path) -> int:
    return len((tmp_path / "runs").read_text())


@pytest.mark.parametrize(
    "user, header",
    [
        (User(token="t"), "Bearer t"),
        (User(username="u", password="p"), "Basic dTpw"),
        (User(), None),
    ],
    ids=["token", "password", "certificate-alone"],
)
async def test_fixed(user: User, header: str | None) -> None:
    held = credential(user)
    assert (await held.header(), held.refused()) == (header, False)


async def test_token_file_is_read_again(tmp_path: pathlib.Path) -> None:
    file, clock = tmp_path / "token", [0.0]
    file.write_text("one\n")
    held = credential(User(token_file=str(file)), clock=clock)
    assert await held.header() == "Bearer one"
    file.write_text("two")
    assert await held.header() == "Bearer one"
    clock[0] = credentials.REREAD
    assert await held.header() == "Bearer two"
    file.unlink()
    assert held.refused()
    assert await held.header() == "Bearer two"


async def test_a_token_file_that_never_was(tmp_path: pathlib.Path) -> None:
    with pytest.raises(IsthmusError, match="cannot be read"):
        await credential(User(token_file=str(tmp_path / "none"))).header()


@pytest.mark.parametrize("api", [V1, "client.authentication.k8s.io/v1beta1"])
async def test_plugin_runs_once_until_its_end(tmp_path: pathlib.Path, api: str) -> None:
    clock = [0.0]
    held = credential(
        plugin(tmp_path, printing(token="t", expirationTimestamp="1970-01-01T00:01:00Z"), api), clock=clock
    )
    assert [await held.header() for _ in range(3)] == ["Bearer t"] * 3
    assert runs(tmp_path) == 1
    clock[0] = 51.0
    await held.header()
    assert runs(tmp_path) == 2


async def test_plugin_is_told_of_the_cluster(tmp_path: pathlib.Path) -> None:
    held = credential(
        plugin(
            tmp_path,
            "i = json.loads(os.environ['KUBERNETES_EXEC_INFO'])\n"
            "t = i['apiVersion'].rpartition('/')[2] + i['spec']['cluster']['server'] + os.environ['SECRET']\n"
            "print(json.dumps({'status': {'token': t}}))",
        )
    )
    assert await held.header() == "Bearer v1https://api.tests"


async def test_plugin_may_bring_a_certificate(tmp_path: pathlib.Path) -> None:
    pair = trustme.CA().issue_cert("me@test")
    chain, key = pair.cert_chain_pems[0].bytes().decode(), pair.private_key_pem.bytes().decode()
    held = credential(plugin(tmp_path, printing(clientCertificateData=chain, clientKeyData=key)))
    assert await held.header() is None


@pytest.mark.parametrize(
    "program, said",
    [
        pytest.param("sys.exit('go away')", "go away", id="fails"),
        pytest.param("print('hello')", "not an ExecCredential", id="no-json"),
        pytest.param("print('{}')", "not an ExecCredential", id="no-status"),
        pytest.param(
            "print(json.dumps({'status': {'token': 't', 'expirationTimestamp': 'soon'}}))", "soon", id="no-time"
        ),
    ],
)
async def test_plugins_that_do_not_work(tmp_path: pathlib.Path, program: str, said: str) -> None:
    with pytest.raises(IsthmusError, match=said):
        await credential(plugin(tmp_path, program)).header()


@pytest.mark.parametrize(
    "user, said",
    [
        (User(exec=UserExec(apiVersion="client.authentication.k8s.io/v1alpha1", command="x")), "apiVersion"),
        (User(exec=UserExec(apiVersion=V1, command="no-such-program", installHint="get it")), "no-such-program"),
    ],
    ids=["older-api", "not-installed"],
)
async def test_plugins_that_cannot_run(user: User, said: str) -> None:
    with pytest.raises(IsthmusError, match=said):
        await credential(user).header()


def test_auth_providers_are_gone() -> None:
    with pytest.raises(IsthmusError, match="auth-provider"):
        credential(User(auth_provider={"name": "gcp"}))


async def test_a_401_renews_once(tmp_path: pathlib.Path) -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(f"{request.headers['authorization']} {request.content.decode()}")
        return httpx2.Response(401 if len(seen) == 1 else 200, json={"ok": True})

    file = tmp_path / "token"
    file.write_text("old")
    held = credential(User(token_file=str(file)))
    await held.header()
    file.write_text("new")
    road = credentials.Signed(httpx2.MockTransport(answer), held, "api.internal")
    async with client.Client(reach(User()), transport=road) as speaker:
        assert await speaker.raw("POST", "/x", {"a": 1}) == {"ok": True}
    assert seen == ['Bearer old {"a": 1}', 'Bearer new {"a": 1}']


@pytest.mark.parametrize(
    "cluster, said",
    [
        (Cluster(server="https://a", certificate_auth_data="bm8="), "certificate-authority"),
        (Cluster(server="https://a", certificate_auth="/nowhere/ca"), "/nowhere/ca"),
    ],
    ids=["no-pem", "no-file"],
)
def test_trust_that_cannot_be_read(cluster: Cluster, said: str) -> None:
    with pytest.raises(IsthmusError, match=said):
        credentials.tls(reach(User(), cluster))


def test_a_certificate_and_a_key_that_do_not_fit() -> None:
    ca = trustme.CA()
    one, two = ca.issue_cert("a.test"), ca.issue_cert("b.test")
    with pytest.raises(IsthmusError, match="client certificate"):
        credentials.load_chain(
            ssl.create_default_context(), one.cert_chain_pems[0].bytes(), two.private_key_pem.bytes()
        )


def test_exec_info_without_cluster() -> None:
    told: dict[str, Any] = json.loads(credentials.exec_info(access.Access("c", "s", "n", reach(User()).config), V1))
    assert told["spec"] == {"interactive": False}
