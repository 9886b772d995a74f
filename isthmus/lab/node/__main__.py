"""Process 1 of a node: `python -m isthmus.lab.node SPEC`. In: the spec's path. Out: a running node, and its steps in `progress`.

The order: mounts; store, API server and container runtime at once; then, as soon as the API server answers, everything that speaks to it;
then it waits for the node and cluster DNS, says `ready`, and supervises until it is killed, which ends every process of the node.
Never here: a second try. A start that fails says why in `progress` and ends.
"""

import json
import os
import pathlib
import signal
import socket
import sys
import time

from isthmus import errors
from isthmus.lab.node import api, configs, mounts, parts, spec, supervise

Steps = dict[str, supervise.Test]
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"
DNS = "/apis/apps/v1/namespaces/kube-system/deployments/coredns"


class Node:
    """One node on its way up."""

    def __init__(self, s: spec.Spec) -> None:
        self.s, self.name = s, s.cluster.name
        self._since = time.monotonic()
        self._progress = (s.cluster.dir / "progress").open("a", buffering=1)

    def say(self, what: str, **more: object) -> None:
        """One line for whoever follows the start."""
        self._progress.write(json.dumps({"what": what, "at": round(time.monotonic() - self._since, 1), **more}) + "\n")

    def prepare(self) -> None:
        """Mounts, host name and configuration files, before the first component."""
        mounts.make(self.s)
        socket.sethostname(self.name)
        os.environ["PATH"] = self.s.path
        for name, text in configs.files(self.s).items():
            file = self.s.cluster.dir / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)

    def run(self) -> None:
        """Bring the node up, then keep it up."""
        self.prepare()
        self.sup = supervise.Supervisor(self.s.cluster.dir)
        self.api = api.Api(self.s.cluster)
        self.control_plane()
        if self.s.nodes:
            self.worker()
        self.sup.strict = False
        self.say("ready", ready=True)
        while True:
            self.sup.turn(1.0)

    def control_plane(self) -> None:
        """Store, API server, controllers; the container runtime starts beside them."""
        self.sup.start(parts.etcd(self.s))
        self.sup.start(parts.apiserver(self.s))
        steps: Steps = {"etcd": lambda: listens(2379)}
        if self.s.nodes:
            self.sup.start(parts.containerd(self.s))
            steps["containerd"] = lambda: pathlib.Path("/run/containerd/containerd.sock").exists()
        self.wait(steps)
        if self.s.nodes:
            self.sup.task("images", [sys.executable, "-m", "isthmus.lab.node.load", *map(str, self.s.images)])
        self.wait({"kube-apiserver": lambda: self.api.has("/readyz")})
        self.sup.start(parts.controllers(self.s))
        self.sup.start(parts.balancer(self.s))
        if not self.s.nodes:
            self.wait(CONTROLLERS | {"first account": lambda: self.api.has(ACCOUNT)})

    def worker(self) -> None:
        """kubelet, kube-proxy, scheduler, cluster DNS."""
        for part in (parts.kubelet, parts.proxy, parts.scheduler):
            self.sup.start(part(self.s))
        for path, thing in configs.coredns(self.s):
            status, said = self.api.call("POST", path, thing)
            if status not in (200, 201, 409):
                raise errors.IsthmusError(f"cluster DNS can't be created in {path}: {said.get('message', status)}")
        workers: Steps = {
            "images": lambda: self.sup.done("images"),
            "node": lambda: self.api.node_ready(self.name),
            "cluster DNS": lambda: self.api.available(DNS),
            "first account": lambda: self.api.has(ACCOUNT),
        }
        self.wait(CONTROLLERS | WORKERS | workers)

    def wait(self, steps: Steps) -> None:
        """Wait for all of these at once, and report each when it is there."""
        left = dict(steps)

        def look() -> bool:
            for what in [what for what, test in left.items() if test()]:
                self.say(what)
                del left[what]
            return not left

        if not self.sup.until(look, self.s.limit):
            missing = ", ".join(left)
            raise errors.IsthmusError(
                f"not there within {self.s.limit:.0f} s: {missing}", hint=f"see the logs in {self.s.cluster.dir}"
            )


def listens(port: int) -> bool:
    """Whether a component has opened its port on the node's loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


CONTROLLERS: Steps = {"kube-controller-manager": lambda: listens(10257)}
WORKERS: Steps = {
    "kube-scheduler": lambda: listens(10259),
    "kubelet": lambda: listens(10248),
    "kube-proxy": lambda: listens(10256),
}


def main() -> int:
    """Run the node named on the command line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    node = Node(spec.load(pathlib.Path(sys.argv[1])))
    try:
        node.run()
    except errors.IsthmusError as error:
        node.say("failed", failed=error.sentence, hint=error.hint)
    except Exception as error:  # process 1 is the last one who can say it
        node.say("failed", failed=f"{type(error).__name__}: {error}", hint=f"see {node.s.cluster.dir}/node.log")
        raise
    return 1


if __name__ == "__main__":
    sys.exit(main())
