"""Pods without Kubernetes: a network namespace each, a bridge between them, real rules, real proxies, real small servers.

In: the built programs. Out: `Pod`s to run things in. Everything made here is ended by `Pods.close`, also after a failure: processes by
their ids, namespaces by their names, both of this process alone. Never here: a rule in the root namespace.
"""

import contextlib
import ctypes
import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator
from typing import IO, Any

from tests.wire import world

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
CALLER = HERE / "caller.py"
UID = "2102"
SLOW = 3.0
"""Limits are for a quiet machine; builds beside the tests may take this many times as long."""


def program(name: str) -> pathlib.Path:
    """The newest build, or the one that ISTHMUS_PREBUILT names."""
    if folder := os.environ.get("ISTHMUS_PREBUILT"):
        return pathlib.Path(folder) / name
    builds = [ROOT / "proxy/target" / profile / name for profile in ("release", "quick", "debug")]
    found = [build for build in builds if build.exists()]
    if not found:
        raise AssertionError(f"{name} is not built: make proxy")
    return max(found, key=lambda build: build.stat().st_mtime)


def run(*words: str, limit: float = 30) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=limit, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


@dataclasses.dataclass
class Child:
    """A process of ours and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: pathlib.Path

    def end(self, how: signal.Signals = signal.SIGKILL, limit: float = 5) -> int:
        """Ends it; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(limit)


@dataclasses.dataclass
class Pod:
    """A pod: its namespace, its address, its processes by role (`plane`, `app`, `proxy`)."""

    name: str
    space: str
    folder: pathlib.Path
    children: dict[str, Child] = dataclasses.field(default_factory=dict)

    @property
    def ip(self) -> str:
        return world.IPS[self.name]

    def inside(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.space, "setpriv", "--pdeathsig=KILL", *words]

    def start(self, role: str, *words: str, env: dict[str, str] | None = None) -> Child:
        log = self.folder / f"{self.name}-{role}.log"
        out: IO[bytes] = log.open("ab")
        with out:
            process = subprocess.Popen(
                self.inside(*words), stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env or dict(os.environ)
            )
        child = self.children[role] = Child(role, process, log)
        return child

    def start_plane(self, state: pathlib.Path, ca: pathlib.Path) -> None:
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        child = self.start("plane", sys.executable, str(HERE / "control.py"), "8090", str(state), str(ca), env=env)
        wait_for(lambda: b"serving" in child.log.read_bytes(), 10, f"{self.name}: the control plane", child)

    def start_app(self) -> None:
        child = self.start("app", sys.executable, str(HERE / "app.py"), self.name)
        wait_for(lambda: b"serving" in child.log.read_bytes(), 10, f"{self.name}: the application", child)

    def redirect(self, mode: str = "auto", *more: str) -> None:
        words = ["--inbound-ports-to-ignore", "4190,4191", "--proxy-uid", UID, "--firewall-mode", mode]
        run(*self.inside(str(program("isthmus-init")), *words, *more))

    def memory(self) -> int:
        """Resident bytes of the proxy."""
        pages = pathlib.Path(f"/proc/{self.children['proxy'].process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def environment(self, anchors: str, **changes: str) -> dict[str, str]:
        """The smallest environment of a proxy whose control plane is on loopback."""
        plain = {
            "LOG": "warn,linkerd=info",
            "DESTINATION_SVC_ADDR": "localhost.:8090",
            "POLICY_SVC_ADDR": "localhost.:8090",
            "IDENTITY_SVC_ADDR": "localhost.:8090",
            "DESTINATION_SVC_NAME": "dst.test",
            "POLICY_SVC_NAME": "policy.test",
            "IDENTITY_SVC_NAME": "identity.test",
            "DESTINATION_PROFILE_NETWORKS": "10.0.0.0/8",
            "DESTINATION_PROFILE_SUFFIXES": "svc.cluster.local.",
            "DESTINATION_CONTEXT": json.dumps({"ns": "default", "nodeName": "n", "pod": self.name}),
            "POLICY_CLUSTER_NETWORKS": "10.0.0.0/8",
            "POLICY_WORKLOAD": json.dumps({"ns": "default", "pod": self.name}),
            "INBOUND_DEFAULT_POLICY": "all-unauthenticated",
            "INBOUND_LISTEN_ADDR": "0.0.0.0:4143",
            "OUTBOUND_LISTEN_ADDRS": "127.0.0.1:4140",
            "CONTROL_LISTEN_ADDR": "0.0.0.0:4190",
            "ADMIN_LISTEN_ADDR": "0.0.0.0:4191",
            "INBOUND_IPS": self.ip,
            "INBOUND_PORTS": "8080,9000,50051",
            "IDENTITY_DIR": str(self.folder / f"identity-{self.name}"),
            "IDENTITY_TOKEN_FILE": str(self.folder / "token"),
            "IDENTITY_TRUST_ANCHORS": anchors,
            "IDENTITY_LOCAL_NAME": world.identity(self.name),
            "SHUTDOWN_GRACE_PERIOD": "10s",
            "CORES": "1",
        }
        if self.name == "remote":
            plain |= self._far_plane()
        if self.name == "gateway":
            plain["INBOUND_GATEWAY_SUFFIXES"] = "svc.cluster.local."
        bare = ("ISTHMUS_", "LD_", "HOSTNAME")
        known = {name: value for name, value in (plain | changes).items() if value}
        return {name if name.startswith(bare) else f"LINKERD2_PROXY_{name}": value for name, value in known.items()}

    def _far_plane(self) -> dict[str, str]:
        """A control plane in another pod, behind that pod's proxy: the everyday case."""
        services = ("DESTINATION", "POLICY", "IDENTITY")
        return {f"{service}_SVC_ADDR": f"{world.IPS['second']}:8090" for service in services} | {
            f"{service}_SVC_NAME": world.identity("second") for service in services
        }

    def start_proxy(self, anchors: str, **changes: str) -> Child:
        # Dropping the user forgets the signal, so it is asked for again.
        drop = ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--pdeathsig=KILL"]
        env = {"PATH": os.environ["PATH"], "RUST_BACKTRACE": "1", **self.environment(anchors, **changes)}
        return self.start("proxy", *drop, str(program("isthmus-proxy")), env=env)

    def wait_ready(self, limit: float = 10) -> None:
        wait_for(lambda: self.admin("/ready")[0] == 200, limit, f"{self.name}: the proxy", self.children["proxy"])

    def admin(self, page: str, *, method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
        """A page of the admin port, asked from the bridge, as a kubelet would; status 0 when nobody answers."""
        request = urllib.request.Request(f"http://{self.ip}:4191{page}", data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=3) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def call(self, do: str, *, limit: float = 60, **order: object) -> Any:
        """What `caller.py` says, run in this pod."""
        return json.loads(run(*self._caller(do, order), limit=limit))

    def calling(self, do: str, **order: object) -> subprocess.Popen[str]:
        """The same, in the background; `communicate` it."""
        return subprocess.Popen(self._caller(do, order), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def _caller(self, do: str, order: dict[str, object]) -> list[str]:
        words = ["env", f"PYTHONPATH={ROOT}", sys.executable, str(CALLER), json.dumps({"do": do, **order})]
        return self.inside(*words)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the series of that name with these labels."""
        total = 0.0
        for line in self.admin("/metrics")[1].splitlines():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(f'{k}="{v}"' in series for k, v in labels.items()):
                total += float(value)
        return total

    def restart_proxy(self, anchors: str, **changes: str) -> None:
        self.children["proxy"].end()
        self.start_proxy(anchors, **changes)
        self.wait_ready()

    def end(self) -> None:
        for child in self.children.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.end()


def wait_for(test: Callable[[], bool], limit: float, what: str, child: Child | None = None) -> None:
    end = time.monotonic() + limit * SLOW
    while not test():
        gone = child is not None and child.process.poll() is not None
        if gone or time.monotonic() > end:
            said = child.log.read_text()[-3000:] if child else ""
            raise AssertionError(f"{what} {'has ended' if gone else f'took longer than {limit} s'}:\n{said}")
        time.sleep(0.02)


@contextlib.contextmanager
def apart() -> Generator[None]:
    """This process in a network namespace of its own: the pods of two runs on one machine have the same addresses."""
    libc, namespace = ctypes.CDLL(None, use_errno=True), 0x4000_0000
    with pathlib.Path("/proc/thread-self/ns/net").open() as home:
        if libc.unshare(namespace):
            raise OSError(ctypes.get_errno(), "no network namespace for the tests")
        run("ip", "link", "set", "lo", "up")
        try:
            yield
        finally:
            libc.setns(home.fileno(), namespace)


class Pods:
    """All pods and the bridge between them, in namespaces named after this process."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.prefix = f"iw{os.getpid()}"
        self.ops = f"{self.prefix}-ops"
        self.spaces: list[str] = []
        self.pods: dict[str, Pod] = {}

    def open(self, names: list[str]) -> None:
        self._sweep()
        self._space(self.ops)
        run("ip", "-n", self.ops, "link", "add", "br0", "type", "bridge")
        run("ip", "-n", self.ops, "addr", "add", f"{world.BRIDGE}/24", "dev", "br0")
        run("ip", "-n", self.ops, "link", "set", "br0", "up")
        self._plain_bridge()
        # The tests' own process is the kubelet: it reaches the pods through a pair into the bridge, without rules.
        run("ip", "link", "add", self._wire("host"), "type", "veth", "peer", "name", "host", "netns", self.ops)
        run("ip", "-n", self.ops, "link", "set", "host", "master", "br0", "up")
        run("ip", "addr", "add", "10.9.0.254/24", "dev", self._wire("host"))
        run("ip", "link", "set", self._wire("host"), "up")
        for name in names:
            self.pods[name] = self._pod(name)

    def _plain_bridge(self) -> None:
        """No firewall on the way between two pods, whether or not a lab has loaded one for the bridges of this kernel."""
        knob = "net.bridge.bridge-nf-call-iptables"
        if pathlib.Path("/proc/sys", *knob.split(".")).exists():
            run("ip", "netns", "exec", self.ops, "sysctl", "-qw", f"{knob}=0")

    def _sweep(self) -> None:
        """Namespaces of an earlier run that was killed."""
        for name in run("ip", "netns").split():
            owner = re.fullmatch(r"iw(\d+)-[a-z]+", name)
            if owner and not pathlib.Path("/proc", owner[1]).exists():
                run("ip", "netns", "del", name)

    def _space(self, name: str) -> None:
        run("ip", "netns", "add", name)
        self.spaces.append(name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def _wire(self, name: str) -> str:
        return f"{self.prefix}-{name}"[:15]

    def _pod(self, name: str) -> Pod:
        space = f"{self.prefix}-{name}"
        self._space(space)
        run("ip", "-n", self.ops, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", space)
        run("ip", "-n", self.ops, "link", "set", name, "master", "br0", "up")
        run("ip", "-n", space, "addr", "add", f"{world.IPS[name]}/24", "dev", "eth0")
        run("ip", "-n", space, "link", "set", "eth0", "up")
        # Service addresses exist nowhere: they need a way out of the application, where the rules take them.
        run("ip", "-n", space, "route", "add", "default", "via", world.BRIDGE)
        return Pod(name, space, self.folder)

    def close(self) -> None:
        for pod in self.pods.values():
            pod.end()
        for space in reversed(self.spaces):
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False, timeout=30)
        subprocess.run(["ip", "link", "del", self._wire("host")], capture_output=True, check=False, timeout=30)
