"""Brings a lab up and takes it down. In: cluster names, this environment. Out: running nodes, a kubeconfig; after `down` nothing at all.

What is about to be made is written down before it is made, so that `down` finds it also after a killed `up`: namespaces by the lab's
tag, processes by the control groups they are in. Nodes start at the same time, each as process 1 of its own namespaces.
Never here: what a node does inside (`node/`), or anything in the root namespace but the relay's sockets on 127.0.0.1.
"""

import contextlib
import dataclasses
import datetime as dt
import fcntl
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping

import isthmus
from isthmus import errors
from isthmus.lab import access, cgroups, layout, needs, net, provision
from isthmus.lab.node import keys, spec

Say = Callable[[str], None]

FIRST_PORT = 16443
# Enters the groups named before `--`, then becomes the rest of its arguments.
ENTER = 'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs" || exit 9; shift; done; shift; exec "$@"'
OWN_SPACES = [
    "unshare",
    "--mount",
    "--propagation",
    "private",
    "--uts",
    "--ipc",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
]


@dataclasses.dataclass(slots=True)
class Start:
    """A node that was started: its outer process, and how much of its progress was told."""

    cluster: layout.Cluster
    process: subprocess.Popen[bytes]
    told: int = 0
    ready: bool = False


def up(lab: layout.Lab, env: Mapping[str, str], say: Say) -> None:
    """Bring the lab up; on failure take it down again and keep its logs. Raises IsthmusError."""
    needs.root(os.geteuid())
    with lock(lab):
        running = layout.load(lab.dir, lab.tag)
        if running.clusters and alive(running):
            names = ", ".join(c.name for c in running.clusters)
            raise errors.IsthmusError(
                f"a lab is up already: {names}", hint="use it, or take it down first: isthmus lab down"
            )
        began = time.monotonic()
        each = needs.WATCHES if lab.nodes else needs.WATCHES_WITHOUT_NODES
        needs.watches(len(lab.clusters), each, needs.watches_limit(), needs.watches_used())
        kit = provision.kit(env, say)
        _sweep(lab)
        say(f"programs and images are there ({time.monotonic() - began:.1f} s)")
        try:
            _start(lab, kit, say)
        except BaseException:
            say(f"the start failed; logs are in {_keep_logs(lab)}")
            _sweep(lab)
            raise
    say(f"up in {time.monotonic() - began:.1f} s")


def down(lab: layout.Lab) -> list[str]:
    """Take everything away that an `up` of this folder made; gives what would not go. Running twice does no harm."""
    needs.root(os.geteuid())
    with lock(lab):
        access.unmerge(lab)
        return _sweep(lab)


def alive(lab: layout.Lab) -> bool:
    """Whether a process of any node lives."""
    return any(outer(cluster) for cluster in lab.clusters)


def outer(cluster: layout.Cluster) -> int:
    """The process in the root namespace whose death ends the node, or 0."""
    try:
        pid, born = json.loads((cluster.dir / "pid").read_text())
    except (OSError, ValueError):
        return 0
    return pid if born and birth(pid) == born else 0


def birth(pid: int) -> str:
    """When a process began, in the kernel's ticks; with the number it names a process for ever. Empty when there is none."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def recorded_groups(lab: layout.Lab) -> list[pathlib.Path]:
    """The control groups that `up` wrote down before it made them: below the groups of its caller, not of whoever asks now."""
    try:
        return [pathlib.Path(g) for g in json.loads((lab.dir / "groups.json").read_text())]
    except (OSError, ValueError):
        return []


@contextlib.contextmanager
def lock(lab: layout.Lab) -> Generator[None]:
    """One `up` or `down` at a time in a folder. Raises IsthmusError when another is at it."""
    lab.dir.mkdir(parents=True, exist_ok=True)
    with (lab.dir / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise errors.IsthmusError(
                "another `isthmus lab up` or `down` is at work", hint="wait for it, then look: isthmus lab status"
            ) from None
        yield


def _start(lab: layout.Lab, kit: provision.Kit, say: Say) -> None:
    lab.save()
    net.up(lab)
    where = cgroups.current()
    names = (layout.OPS, *(c.name for c in lab.clusters))
    planned = [str(group) for name in names for group in where.groups(f"{lab.tag}-{name}")]
    (lab.dir / "groups.json").write_text(json.dumps(planned))
    starts: list[Start] = []
    for cluster in lab.clusters:
        cluster.dir.mkdir(parents=True)
        keys.make(cluster, dt.datetime.now(dt.UTC))
        told = _told(lab, cluster, kit, where.version)
        told.save(cluster.dir / "node.json")
        starts.append(Start(cluster, _node(cluster, cgroups.make(where, f"{lab.tag}-{cluster.name}"), where.version)))
    access.write(lab, _relay(lab, cgroups.make(where, f"{lab.tag}-{layout.OPS}")))
    say("network and keys are there")
    _follow(starts, kit.limit, say)


def _node(cluster: layout.Cluster, groups: list[pathlib.Path], version: int) -> subprocess.Popen[bytes]:
    """Start process 1 of a node: into its groups, its network, and then everything else of its own."""
    leaf = [groups[0] / cgroups.LEAF] if version == 2 else []
    network = ["nsenter", f"--net={net.RUN_NETNS / cluster.netns}", "unshare", "--cgroup"]
    node = [sys.executable, "-m", "isthmus.lab.node", str(cluster.dir / "node.json")]
    command = [*_entering(groups), *network, *_entering(leaf), *OWN_SPACES, *node]
    with (cluster.dir / "node.log").open("ab") as log:
        node = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=child_env(), cwd="/"
        )
    (cluster.dir / "pid").write_text(json.dumps([node.pid, birth(node.pid)]))
    return node


def _told(lab: layout.Lab, cluster: layout.Cluster, kit: provision.Kit, version: int) -> spec.Spec:
    """What a node is told."""
    tools = kit.tools
    folders = [*_code_folders(), lab.dir, kit.bin, *(i.parent for i in kit.images[:1]), *_unpacked(tools)]
    return spec.Spec(
        cluster=cluster, nodes=lab.nodes, bin=kit.bin, path=tools.path, cni=tools.cni, containerd=tools.containerd,
        cgroup=version, images=kit.images, keep=tuple(dict.fromkeys(folders)), limit=kit.limit,
    )  # fmt: skip


def _entering(groups: list[pathlib.Path]) -> list[str]:
    return ["sh", "-c", ENTER, "sh", *map(str, groups), "--"]


def _relay(lab: layout.Lab, groups: list[pathlib.Path]) -> dict[str, int]:
    """Start the relay on sockets that are bound here, so that its ports are known; gives {cluster: port}."""
    listeners = {c.name: _listen(FIRST_PORT + c.index) for c in lab.clusters}
    targets = [f"{listeners[c.name].fileno()}={c.wan}:{layout.API_PORT}" for c in lab.clusters]
    command = [*_entering(groups), sys.executable, "-m", "isthmus.lab.relay", lab.ops_netns, *targets]
    fds = [s.fileno() for s in listeners.values()]
    with (lab.dir / "relay.log").open("wb") as log:
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=fds,
            env=child_env(),
            cwd="/",
        )
    ports = {name: int(s.getsockname()[1]) for name, s in listeners.items()}
    for listener in listeners.values():
        listener.close()
    return ports


def _listen(port: int) -> socket.socket:
    """A listening socket on the loopback: on `port` if it is free, else on any."""
    for wanted in (port, 0):
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", wanted))
        except OSError:
            listener.close()
            continue
        listener.listen(128)
        return listener
    raise errors.IsthmusError("no port is free on 127.0.0.1", hint="close programs that listen there")


def _follow(starts: list[Start], limit: float, say: Say) -> None:
    """Tell every node's steps until all are ready. Raises IsthmusError with the reason of the first that fails."""
    end = time.monotonic() + limit
    while not all(start.ready for start in starts):
        for start in starts:
            for line in _steps(start):
                if "failed" in line:
                    raise errors.IsthmusError(
                        f"{start.cluster.name}: {line['failed']}",
                        hint=str(line.get("hint", "")).replace("/clusters/", "/last-failure/"),
                    )
                start.ready = start.ready or bool(line.get("ready"))
                say(f"{start.cluster.name}: {line['what']} ({line['at']} s)")
            if start.process.poll() is not None and not start.ready:
                raise errors.IsthmusError(
                    f"{start.cluster.name} ended: {_last(start.cluster.dir / 'node.log')}", hint="its logs are kept"
                )
        if time.monotonic() > end:
            raise errors.IsthmusError(
                f"the lab was not up within {limit:.0f} s", hint="its logs are kept; is the machine busy?"
            )
        time.sleep(0.05)


def _steps(start: Start) -> list[dict[str, object]]:
    try:
        lines = (start.cluster.dir / "progress").read_text().splitlines(keepends=True)
    except OSError:
        return []
    fresh = [line for line in lines[start.told :] if line.endswith("\n")]
    start.told += len(fresh)
    return [json.loads(line) for line in fresh]


def _sweep(lab: layout.Lab) -> list[str]:
    """End and remove all that carries the lab's tag or is written down in its folder, a half-made lab included."""
    where = cgroups.current()
    named = [g for base in where.groups("x") for g in base.parent.glob(f"{lab.tag}-*")] + recorded_groups(lab)
    left = [f"control group {g}" for g in cgroups.clear(list(dict.fromkeys(named)))]
    cgroups.release(where)
    net.down(lab.tag)
    left += [f"network namespace {n}" for n in net.existing(lab.tag)]
    shutil.rmtree(lab.dir / "clusters", ignore_errors=True)
    for name in ("lab.json", "groups.json", "kubeconfig", "relay.log"):
        (lab.dir / name).unlink(missing_ok=True)
    return left


def _keep_logs(lab: layout.Lab) -> pathlib.Path:
    """Copy the logs of a failed start to `last-failure`, over those of the one before; gives that folder."""
    kept = lab.dir / "last-failure"
    shutil.rmtree(kept, ignore_errors=True)
    for file in lab.dir.glob("clusters/*/*.log"):
        (kept / file.parent.name).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, kept / file.parent.name / file.name)
    return kept


def child_env() -> dict[str, str]:
    """The environment of our own child processes: they find this package wherever they are started."""
    root = str(pathlib.Path(isthmus.__file__).parent.parent)
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))}


def _code_folders() -> list[pathlib.Path]:
    """Where this Python and this package live: a node that covers /var/lib must still see them."""
    return [pathlib.Path(isthmus.__file__).parent.parent, pathlib.Path(sys.prefix), pathlib.Path(sys.base_prefix)]


def _unpacked(tools: needs.Tools) -> list[pathlib.Path]:
    return [pathlib.Path(p) for p in tools.path.split(":") if p and mountable(pathlib.Path(p))] + [tools.cni]


def mountable(path: pathlib.Path) -> bool:
    """Whether a folder is there to be put back on top of a covered one."""
    return path.is_dir() and not path.is_symlink()


def _last(log: pathlib.Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else "without a word"
