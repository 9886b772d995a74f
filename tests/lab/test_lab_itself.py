"""The lab keeps its promises: it leaves the machine as it was, keeps clusters apart, and breaks only what it is asked to break."""

import contextlib
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

import pytest
import yaml

import isthmus
from isthmus.lab import cgroups, layout, lifecycle, net
from isthmus.lab.image import oci
from isthmus.lab.node import spec
from tests.lab import conftest

pytestmark = pytest.mark.lab

T = TypeVar("T")

SYSCTLS = ("vm", "kernel", "fs", "net/core", "net/ipv4", "net/netfilter")
ALWAYS_MOVING = (
    "random",
    "pty",
    "inode-nr",
    "inode-state",
    "file-nr",
    "dentry-state",
    "ns_last_pid",
    "nf_conntrack_count",
    "aio-nr",
    "quota",
)


def out(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def sysctls() -> dict[str, str]:
    """The machine's settings, without the counters among them and the interfaces of others."""
    found: dict[str, str] = {}
    for group in SYSCTLS:
        for file in pathlib.Path("/proc/sys", group).rglob("*"):
            if file.parent.parent.name in ("conf", "neigh") and file.parent.name not in ("all", "default", "lo"):
                continue
            if file.is_file() and file.stat().st_mode & 0o400 and not any(word in str(file) for word in ALWAYS_MOVING):
                with contextlib.suppress(OSError, UnicodeDecodeError):
                    found[str(file)] = file.read_text()
    return found


def machine(own: conftest.Own) -> dict[str, object]:
    """What a lab could leave behind. Others may run beside, so only what carries this one's tag or addresses counts, where these are."""
    mine = (own.tag, str(own.dir))
    groups = [str(g) for g in pathlib.Path("/sys/fs/cgroup").rglob(f"{own.tag}-*")]
    return {
        "ruleset": out("nft", "list", "ruleset"),
        "legacy": out("iptables-legacy-save") if pathlib.Path("/proc/net/ip_tables_names").exists() else "",
        "addresses": [
            line for line in out("ip", "-brief", "address").splitlines() if "10.99." in line or "wan" in line
        ],
        "routes": [line for line in out("ip", "route", "show", "table", "all").splitlines() if "10.99." in line],
        "namespaces": net.existing(own.tag),
        "mounts": [
            line for line in pathlib.Path("/proc/self/mounts").read_text().splitlines() if any(m in line for m in mine)
        ],
        "groups": groups,
        "processes": [line for line in out("ps", "-eo", "args").splitlines() if str(own.dir) in line],
        **sysctls(),
    }


@contextlib.contextmanager
def unchanged(own: conftest.Own) -> Generator[None]:
    before = machine(own)
    yield
    after = machine(own)
    assert {key: value for key, value in after.items() if value != before[key]} == {}
    assert {f.name for f in own.dir.iterdir()} <= {"lock", "last-failure"}


@contextlib.contextmanager
def lab_of_its_own(own: conftest.Own) -> Generator[None]:
    """For a lab that the test brings up: taken down whatever happens in it, and nothing left."""
    own.dir.mkdir()
    with unchanged(own):
        try:
            yield
        finally:
            own.run("down")


def test_a_whole_lab_leaves_the_machine_as_it_was(tmp_path: pathlib.Path) -> None:
    own = conftest.make_own(tmp_path / "state")
    with unchanged(own):
        ruleset = out("nft", "list", "ruleset")
        own.run("up", limit=1800)
        assert out("nft", "list", "ruleset") == ruleset, "rules of a node in the root namespace"
        assert out("ip", "-n", f"{own.tag}-east", "-brief", "link").count("\n") > 1
        own.run("down")


@pytest.mark.parametrize("line", ["programs and images", "network and keys", "kube-apiserver"])
def test_a_killed_up_is_cleaned_away(tmp_path: pathlib.Path, line: str) -> None:
    own = conftest.make_own(tmp_path / "state")
    own.dir.mkdir()
    with unchanged(own):
        up = subprocess.Popen(
            [sys.executable, "-m", "isthmus.cli.lab", "up"], stderr=subprocess.PIPE, text=True, env=own.env
        )
        assert up.stderr
        for said in up.stderr:
            if line in said:
                break
        up.send_signal(signal.SIGKILL)
        up.wait(10)
        up.stderr.close()
        own.run("down")
        own.run("down")


def test_an_interrupted_up_cleans_after_itself(tmp_path: pathlib.Path) -> None:
    own = conftest.make_own(tmp_path / "state")
    own.dir.mkdir()
    with unchanged(own):
        up = subprocess.Popen(
            [sys.executable, "-m", "isthmus.cli.lab", "up"],
            stderr=subprocess.PIPE,
            text=True,
            env=own.env,
            # A shell starts what it puts in the background deaf to SIGINT; a person's terminal does not.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509
        )
        assert up.stderr
        next(said for said in up.stderr if "network and keys" in said)
        up.send_signal(signal.SIGINT)
        assert up.stderr.read() is not None
        assert up.wait(30) != 0
        up.stderr.close()


def test_a_failed_up_says_why_and_keeps_the_logs(tmp_path: pathlib.Path) -> None:
    own = conftest.make_own(tmp_path / "state")
    own.dir.mkdir()
    with unchanged(own):
        up = subprocess.Popen(
            [sys.executable, "-m", "isthmus.cli.lab", "up", "--no-nodes"],
            stderr=subprocess.PIPE,
            text=True,
            env=own.env,
        )
        assert up.stderr
        next(said for said in up.stderr if "network and keys" in said)
        etcd = until(lambda: pids_of(own, "west", "etcd"), 20)
        os.kill(etcd[0], signal.SIGKILL)
        said = up.stderr.read()
        up.stderr.close()
        assert up.wait(30) == 1
        assert "west: etcd ended with -9" in said
    assert (own.dir / "last-failure/west/etcd.log").exists()


def pids_of(own: conftest.Own, cluster: str, program: str) -> list[int]:
    """Processes of a component, found through the node's control group (the last hierarchy is as good as any)."""
    groups = list(pathlib.Path("/sys/fs/cgroup").rglob(f"{own.tag}-{cluster}"))
    pids = {int(pid) for g in groups for procs in g.rglob("cgroup.procs") for pid in procs.read_text().split()}
    found: list[int] = []
    for pid in pids:
        with contextlib.suppress(OSError):
            if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].endswith(b"/" + program.encode()):
                found.append(pid)
    return found


def until(test: Callable[[], T], limit: float) -> T:
    """The first true answer."""
    end = time.monotonic() + limit
    while not (found := test()):
        assert time.monotonic() < end, f"not within {limit} s"
        time.sleep(0.1)
    return found


def test_a_second_up_is_refused(own_lab: conftest.Own) -> None:
    second = own_lab.run("up", ok=False)
    assert second.returncode == 1
    assert "a lab is up already: east, west" in second.stderr
    assert "isthmus lab down" in second.stderr


def test_without_root_it_is_one_sentence(tmp_path: pathlib.Path) -> None:
    code = "import os, sys; from isthmus.cli import lab; os.setuid(65534); sys.argv[1:] = ['up']; sys.exit(lab.main())"
    env = os.environ | {"ISTHMUS_LAB_DIR": str(tmp_path / "state")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs root" in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [("up", "--clusters", "East"), ("kubectl", "north", "version"), ("stop", "east", "kube-nothing")]
)
def test_bad_words_are_refused_with_the_good_ones(own_lab: conftest.Own, words: tuple[str, ...]) -> None:
    done = own_lab.run(*words, ok=False)
    assert done.returncode == 2
    assert "hint" in done.stderr
    assert "Traceback" not in done.stderr


def test_both_contexts_answer_from_the_root_namespace(own_lab: conftest.Own) -> None:
    for cluster in ("east", "west"):
        said = json.loads(own_lab.kubectl(cluster, "get", "endpointslices", "kubernetes", "-o", "json"))
        assert said["endpoints"][0]["addresses"] == [own_lab.lab.cluster(cluster).wan]
    config = own_lab.run("kubeconfig").stdout
    assert "127.0.0.1" in config
    assert own_lab.run("kubeconfig", "--path").stdout.strip() == str(own_lab.dir / "kubeconfig")


def test_a_balancer_address_comes_and_goes(own_lab: conftest.Own) -> None:
    def address() -> str:
        return own_lab.kubectl("west", "get", "svc", "gate", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")

    own_lab.kubectl("west", "create", "service", "loadbalancer", "gate", "--tcp=80")
    assert until(address, 10) == "10.99.2.1"
    on_node = ["ip", "-n", f"{own_lab.tag}-west", "-4", "-o", "addr", "show", "dev", "wan0"]
    assert "10.99.2.1/32" in out(*on_node)
    own_lab.run("kill", "west", "load-balancer")
    own_lab.kubectl("west", "delete", "svc", "gate")
    until(lambda: "10.99.2.1/32" not in out(*on_node), 15)


def reachable(own: conftest.Own, source: str, target: str) -> bool:
    lab = own.lab
    try:
        net.dial(lab.cluster(source).netns, lab.cluster(target).wan, layout.API_PORT, timeout=1).close()
    except OSError:
        return False
    return True


def test_a_cut_cable_parts_the_clusters_and_nothing_else(own_lab: conftest.Own) -> None:
    assert reachable(own_lab, "east", "west")
    own_lab.run("cut", "west")
    assert not reachable(own_lab, "east", "west")
    assert "WAN cut" in own_lab.run("status").stdout
    assert reachable(own_lab, "west", "west")
    own_lab.run("heal", "west")
    until(lambda: reachable(own_lab, "east", "west"), 10)


def ready(own: conftest.Own, cluster: str) -> bool:
    return own.run("kubectl", cluster, "get", "--raw=/readyz", "--request-timeout=1s", ok=False).stdout == "ok"


def test_a_killed_component_comes_back(own_lab: conftest.Own) -> None:
    own_lab.run("kill", "west", "kube-apiserver")
    assert not ready(own_lab, "west")
    assert ready(own_lab, "east")
    until(lambda: ready(own_lab, "west"), 30)
    assert "started 2 times" in own_lab.run("status").stdout


@pytest.mark.parametrize("verb, state", [("stop", "stopped"), ("pause", "paused")])
def test_a_component_held_down_stays_so_until_started(own_lab: conftest.Own, verb: str, state: str) -> None:
    assert state in own_lab.run(verb, "east", "etcd").stdout or verb == "stop"
    time.sleep(1.5)
    assert state in own_lab.run("status").stdout
    assert not ready(own_lab, "east")
    own_lab.run("start", "east", "etcd")
    until(lambda: ready(own_lab, "east"), 30)


def test_stopped_controllers_are_missed_and_catch_up(own_lab: conftest.Own) -> None:
    def account() -> str:
        return own_lab.run("kubectl", "west", "-n", "held", "get", "sa", "default", "-o", "name", ok=False).stdout

    own_lab.run("stop", "west", "kube-controller-manager")
    until(lambda: states(own_lab)["west"]["kube-controller-manager"] == "stopped", 5)
    assert states(own_lab)["east"]["kube-controller-manager"] == "running"
    own_lab.kubectl("west", "create", "namespace", "held")
    time.sleep(1.5)
    assert account() == ""
    own_lab.run("start", "west", "kube-controller-manager")
    assert until(account, 30) == "serviceaccount/default\n"
    own_lab.kubectl("west", "delete", "namespace", "held", "--wait=false")


def test_a_paused_balancer_gives_no_address_until_it_goes_on(own_lab: conftest.Own) -> None:
    def address() -> str:
        return own_lab.kubectl("east", "get", "svc", "late", "-o", "jsonpath={.status.loadBalancer.ingress[0].ip}")

    assert "paused" in own_lab.run("pause", "east", "load-balancer").stdout
    own_lab.kubectl("east", "create", "service", "loadbalancer", "late", "--tcp=80")
    time.sleep(2)
    assert (address(), states(own_lab)["east"]["load-balancer"]) == ("", "paused")
    assert "running" in own_lab.run("start", "east", "load-balancer").stdout
    until(address, 15)
    own_lab.kubectl("east", "delete", "svc", "late")


def states(own: conftest.Own) -> dict[str, dict[str, str]]:
    """{cluster: {component: its state}}, as `status` prints them."""
    found: dict[str, dict[str, str]] = {}
    for line in own.run("status").stdout.splitlines():
        if line.startswith("  "):
            found[next(reversed(found))][line.split()[0]] = line.split()[1]
        else:
            found[line.partition(":")[0]] = {}
    return found


def test_memory_is_told_to_whoever_asks(own_lab: conftest.Own) -> None:
    """The asker sits in control groups of its own, as another login session does."""
    where = cgroups.current()
    mine = cgroups.make(where, f"asks-{own_lab.tag}")
    line = ["sh", "-c", lifecycle.ENTER, "sh", *map(str, mine), "--", sys.executable, "-m", "isthmus.cli.lab", "status"]
    try:
        said = subprocess.run(line, capture_output=True, text=True, env=own_lab.env, check=True).stdout
    finally:
        for group in mine:
            assert cgroups.remove(group)
    mib = {words[0]: float(words[2]) for line in said.splitlines() if len(words := line.split()) == 4}
    assert mib["kube-apiserver"] > 20, said


def test_what_is_not_an_image_is_not_loaded(own_lab: conftest.Own) -> None:
    done = own_lab.run("load", __file__, ok=False)
    assert done.returncode == 1
    assert "is not an OCI archive" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_image_is_loaded_once_into_every_node(lab: layout.Lab, tmp_path: pathlib.Path) -> None:
    own = conftest.Own(lab.dir, lab.tag)
    name, archive = f"localhost/lab-test:{os.getpid()}", tmp_path / "image.tar"
    (tmp_path / "hello").write_text(name)
    layer = oci.layer({"/hello": tmp_path / "hello"}, tmp_path / "layers")
    oci.write(archive, [name], [layer], oci.Config(("/hello",)), platform.machine())
    for says in (f"loaded as {name}", "the node has it"):
        lines = own.run("load", str(archive)).stdout.splitlines()
        assert [line.partition(":")[0] for line in lines] == ["east", "west"]
        assert all(says in line for line in lines), lines
    for cluster in ("east", "west"):
        images = ["exec", cluster, "--", "ctr", "-n", "k8s.io", "images"]
        assert name in own.run(*images, "list", "-q").stdout.split()
        own.run(*images, "rm", name)


def test_ranges_of_their_own_are_still_not_routed(tmp_path: pathlib.Path) -> None:
    own = conftest.make_own(tmp_path / "state")
    with lab_of_its_own(own):
        own.run("up", "--no-nodes", "--distinct-cidrs", limit=1800)
        said = own.run("status").stdout
        for index, cluster in enumerate(("east", "west"), 1):
            assert f"pods 10.{20 + index}.0.0/16, services 10.{30 + index}.0.0/16" in said
            address = own.kubectl(cluster, "get", "svc", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
            assert address == f"10.{30 + index}.0.1"
            way = ["ip", "-n", own.lab.ops_netns, "route", "get", f"10.{20 + index}.0.9"]
            assert subprocess.run(way, capture_output=True, check=False).returncode != 0, "the WAN knows a way to pods"


def test_contexts_are_merged_until_down(tmp_path: pathlib.Path) -> None:
    own = conftest.make_own(tmp_path / "state")
    mine = tmp_path / "config"
    before = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "prod",
        "clusters": [{"name": "prod", "cluster": {"server": "https://prod.example"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "me"}}],
    }
    mine.write_text(yaml.safe_dump(before))
    with lab_of_its_own(own):
        own.run("up", "--no-nodes", "--clusters", "north", limit=1800)
        command = [sys.executable, "-m", "isthmus.cli.lab", "kubeconfig", "--merge"]
        env = own.env | {"KUBECONFIG": str(mine)}
        for code, says in ((0, f"contexts north are in {mine}"), (1, f"{mine} already has clusters called north")):
            done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
            assert (done.returncode, says in done.stderr) == (code, True), done.stderr
        kubectl = [str(spec.load(own.lab.clusters[0].dir / "node.json").bin / "kubectl"), "--kubeconfig", str(mine)]
        assert "namespace/default" in out(*kubectl, "--context", "north", "get", "ns", "-o", "name")
        assert yaml.safe_load(mine.read_text())["current-context"] == "prod"
    assert yaml.safe_load(mine.read_text()) == before


def test_exec_runs_where_it_is_told(own_lab: conftest.Own) -> None:
    assert own_lab.run("exec", "west", "--", "hostname").stdout == "west\n"
    assert "10.99.0.254/16" in own_lab.run("exec", "ops", "--", "ip", "-br", "addr").stdout
    assert own_lab.run("exec", "east", "--", "sh", "-c", "exit 7", ok=False).returncode == 7


def test_pods_reach_the_other_cluster_by_its_balancer_only(lab: layout.Lab) -> None:
    own = conftest.Own(lab.dir, lab.tag)
    for cluster in ("east", "west"):
        own.run("kubectl", cluster, "delete", "ns", "lab-test", "--ignore-not-found")
        manifest = pathlib.Path(lab.dir / f"test-{cluster}.json")
        manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [*application(cluster)]}))
        own.kubectl(cluster, "apply", "-f", str(manifest))
        manifest.unlink()
    for cluster in ("east", "west"):
        own.kubectl(cluster, "-n", "lab-test", "rollout", "status", "deploy/demo", "--timeout=60s")
    service = json.loads(own.kubectl("west", "-n", "lab-test", "get", "svc", "demo", "-o", "json"))
    address = until(lambda: service["status"]["loadBalancer"]["ingress"][0]["ip"], 5)
    load = [
        "-n",
        "lab-test",
        "exec",
        "deploy/demo",
        "--",
        "/usr/local/bin/demo",
        "load",
        "--duration=2s",
        "--timeout=1s",
    ]

    def shares(url: str) -> dict[str, int]:
        said: dict[str, int] = json.loads(own.kubectl("east", *load, "--url", url).splitlines()[-1])["shares"]
        return said

    assert set(shares("http://demo:8888")) == {"east"}
    assert set(shares(f"http://{address}:8888")) == {"west"}
    pod = own.kubectl(
        "west", "-n", "lab-test", "get", "pod", "-l", "app=demo", "-o", "jsonpath={.items[0].status.podIP}"
    )
    assert "west" not in shares(f"http://{pod}:8888")
    for cluster in ("east", "west"):
        own.kubectl(cluster, "delete", "ns", "lab-test", "--wait=false")


def application(cluster: str) -> Iterator[dict[str, object]]:
    """The demo application behind a balancer, without any mesh."""
    meta: dict[str, object] = {"name": "demo", "namespace": "lab-test"}
    labels = {"app": "demo"}
    container = {
        "name": "demo",
        "image": f"localhost/isthmus-demo:{isthmus.__version__}",
        "env": [{"name": "CLUSTER", "value": cluster}],
    }
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "lab-test"}}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta, "spec": spec}
    ports = [{"port": 8888}]
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta,
        "spec": {"type": "LoadBalancer", "selector": labels, "ports": ports},
    }
