"""The node's own view of the file system, made inside its mount namespace before anything else starts.

In: a `Spec`, a mount namespace cut off from the machine's. Out: /sys, /run, /var/lib and /var/log of its own, so that containerd, runc,
CNI and kubelet keep their default paths and two nodes don't see each other.
Never here: a mount the machine can see. A `guard` refuses to run where the namespace is the machine's.
"""

import os
import pathlib
import subprocess

from isthmus.lab import cgroups
from isthmus.lab.node import spec

HIDDEN = (pathlib.Path("/run"), pathlib.Path("/var/lib"), pathlib.Path("/var/log"))
# The kubelet sets these for the whole machine unless it finds its values there: show it a file that has them.
SYSCTLS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}


def make(s: spec.Spec) -> None:
    """All mounts of the node. Raises CalledProcessError."""
    guard()
    # What lies below a folder that is about to be covered (a checkout in /var/lib, say) is held open and put back on top.
    held = [(path, os.open(path, os.O_PATH)) for path in s.keep if covered(path)]
    own = {hidden: s.cluster.dir / f"var-{hidden.name}" for hidden in HIDDEN[1:]}
    for folder in own.values():
        folder.mkdir(exist_ok=True)
    fds = {hidden: os.open(folder, os.O_PATH) for hidden, folder in own.items()}
    _sys(s.cgroup)
    _mount("-t", "tmpfs", "-o", "mode=755", "run", "/run")
    for name, value in SYSCTLS.items():
        shown = pathlib.Path("/run/sysctl") / name
        shown.parent.mkdir(parents=True, exist_ok=True)
        shown.write_text(f"{value}\n")
        if pathlib.Path("/proc/sys", name).exists():
            _mount("--bind", str(shown), f"/proc/sys/{name}")
    for hidden, fd in fds.items():
        _mount_fd(fd, hidden)
    if filesystem(pathlib.Path("/var/lib")) == "overlayfs":  # inside a container, say: images can't be stacked on it
        pathlib.Path("/var/lib/containerd").mkdir(exist_ok=True)
        _mount("-t", "tmpfs", "containerd", "/var/lib/containerd")
    for path, fd in held:
        path.mkdir(parents=True, exist_ok=True)
        _mount_fd(fd, path)
    for fd in [*fds.values(), *(fd for _, fd in held)]:
        os.close(fd)
    _mount("--make-rshared", "/")  # the kubelet's volumes need it


def guard() -> None:
    """End here unless this is process 1 of a PID namespace of its own."""
    if os.getpid() != 1:
        raise SystemExit("isthmus.lab.node has to be process 1 of its own namespaces; it is started by: isthmus lab up")


def filesystem(path: pathlib.Path) -> str:
    """The type of the file system a path is on, as `stat` calls it."""
    return subprocess.run(
        ["stat", "-f", "-c", "%T", str(path)], check=True, capture_output=True, text=True
    ).stdout.strip()


def covered(path: pathlib.Path) -> bool:
    """Whether the node's own folders would hide this path."""
    return any(path.is_relative_to(hidden) for hidden in HIDDEN)


def _sys(version: int) -> None:
    subprocess.run(
        ["umount", "--recursive", "--lazy", "/sys"], check=True
    )  # of this namespace only: its peers were cut off
    _mount("-t", "sysfs", "sysfs", "/sys")
    if version == 2:
        _mount("-t", "cgroup2", "cgroup2", str(cgroups.ROOT))
        cgroups.enable(cgroups.ROOT)  # the node's group, seen as the root; this process sits in its leaf
        return
    _mount("-t", "tmpfs", "-o", "mode=755", "cgroup", str(cgroups.ROOT))
    for ctl, _ in cgroups.current().v1:
        folder = cgroups.ROOT / ctl.removeprefix("name=")
        folder.mkdir()
        _mount("-t", "cgroup", "-o", f"none,{ctl}" if ctl.startswith("name=") else ctl, "cgroup", str(folder))


def _mount_fd(fd: int, target: pathlib.Path) -> None:
    subprocess.run(
        ["mount", "--no-canonicalize", "--bind", f"/proc/self/fd/{fd}", str(target)], check=True, pass_fds=(fd,)
    )


def _mount(*args: str) -> None:
    subprocess.run(["mount", *args], check=True)
