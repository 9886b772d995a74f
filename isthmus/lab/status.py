"""What a lab does right now, and commands to its nodes. In: a `Lab`. Out: states of components, memory, what the WAN looks like.

Never here: starting or ending a lab (`lifecycle.py`).
"""

import dataclasses
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

from isthmus import errors
from isthmus.lab import layout, lifecycle, net
from isthmus.lab.image import oci
from isthmus.lab.node import mounts, spec

SECONDS = 5.0


@dataclasses.dataclass(frozen=True, slots=True)
class Component:
    """A component of a node: its state in one word, how often it was started, its share of memory in MiB."""

    name: str
    state: str
    starts: int
    mib: float


def command(cluster: layout.Cluster, verb: str, name: str = "") -> dict[str, dict[str, object]]:
    """Ask process 1 of a node. Raises IsthmusError with its answer when it refuses, Unreachable when it is gone."""
    try:
        folder = os.open(cluster.dir, os.O_PATH)
    except OSError:
        raise errors.Unreachable(f"{cluster.name} is not up", hint="isthmus lab up") from None
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(SECONDS)
            link.connect(f"/proc/self/fd/{folder}/control")
            link.sendall(json.dumps({"verb": verb, "name": name}).encode())
            with link.makefile("rb") as answer:
                said = json.loads(answer.readline())
    except (OSError, ValueError) as error:
        raise errors.Unreachable(
            f"{cluster.name} does not answer: {error}", hint="isthmus lab down, then up again"
        ) from error
    finally:
        os.close(folder)
    if "error" in said:
        raise errors.IsthmusError(str(said["error"]), hint=str(said.get("hint", "")), code=2)
    return said["ok"]


def components(lab: layout.Lab, cluster: layout.Cluster) -> list[Component]:
    """Every component of a node, with its memory (PSS)."""
    inner = _processes(lab, cluster)
    said = command(cluster, "status")
    return [
        Component(name, str(c["state"]), int(str(c["starts"])), _mib(inner.get(int(str(c["pid"])), 0)))
        for name, c in said.items()
    ]


def init(cluster: layout.Cluster) -> int:
    """The number, outside, of a node's process 1. Raises Unreachable."""
    pid = lifecycle.outer(cluster)
    try:
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    except (OSError, IndexError):
        raise errors.Unreachable(f"{cluster.name} is not up", hint="isthmus lab up") from None


def entered(lab: layout.Lab, where: str, argv: list[str]) -> list[str]:
    """The command line that runs `argv` in a node's namespaces, or in the ops network."""
    if where == layout.OPS:
        if not lab.clusters:
            raise errors.Unreachable("no lab is up", hint="isthmus lab up")
        return ["nsenter", f"--net={net.RUN_NETNS / lab.ops_netns}", "--", *argv]
    cluster = lab.cluster(where)
    spaces = ["--net", "--mount", "--pid", "--uts", "--ipc", "--cgroup", f"--wdns={pathlib.Path.cwd()}"]
    path = f"PATH={spec.load(cluster.dir / 'node.json').path}"
    return ["nsenter", "--target", str(init(cluster)), *spaces, "--", "env", path, *argv]


def load(lab: layout.Lab, archive: pathlib.Path) -> dict[str, str]:
    """Load an OCI archive into every node, all at once; gives what each said. Raises IsthmusError with the first failure."""
    try:
        oci.names(archive)
    except (OSError, ValueError) as error:
        hint = "an OCI archive is meant, as written by: isthmus lab images"
        raise errors.IsthmusError(f"{archive} can't be loaded: {str(error).splitlines()[0]}", hint=hint) from error
    loader = [sys.executable, "-m", "isthmus.lab.node.load"]
    running: dict[str, subprocess.Popen[str]] = {}
    for cluster in lab.clusters:
        file = str(_visible(cluster, archive.absolute()))
        env = lifecycle.child_env() | {"PATH": spec.load(cluster.dir / "node.json").path}
        command = ["nsenter", "--target", str(init(cluster)), "--mount", "--", *loader, file]
        pipe = subprocess.PIPE
        running[cluster.name] = subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=env)
    answers = {name: (process.communicate()[0].strip(), process.returncode) for name, process in running.items()}
    for name, (said, code) in answers.items():
        if code:
            raise errors.IsthmusError(f"{name}: {said}", hint="isthmus lab status")
    return {name: said for name, (said, _) in answers.items()}


def _visible(cluster: layout.Cluster, file: pathlib.Path) -> pathlib.Path:
    """The file where the node sees it: copied beside its state when the node's own folders cover the place."""
    if not mounts.covered(file):
        return file
    return pathlib.Path(shutil.copy(file, cluster.dir / "load.tar"))


def _processes(lab: layout.Lab, cluster: layout.Cluster) -> dict[int, int]:
    """{number inside the node: number outside} of a node's processes, found through its control group."""
    named = [group for group in lifecycle.recorded_groups(lab) if group.name == f"{lab.tag}-{cluster.name}"]
    found: dict[int, int] = {}
    for procs in named[-1].rglob("cgroup.procs") if named else ():
        for pid in procs.read_text().split():
            try:
                lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
            except OSError:
                continue
            inner = next((line.split()[1:] for line in lines if line.startswith("NSpid:")), list[str]())
            if len(inner) == 2:  # one below the machine's: a pod's processes are of the node's PID namespace or deeper
                found[int(inner[1])] = int(pid)
    return found


def _mib(pid: int) -> float:
    try:
        lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
    except (OSError, StopIteration):
        return 0.0
