"""Control groups of a node, on v1 and on v2.

In: the caller's own groups. Out: a `Plan` that says which folders to make, and its making and unmaking.
Each node gets a group below the caller's, so that its accounting and limits stay whole; `unshare --cgroup` then makes it the node's root.
v2 forbids processes in a group whose controllers are handed on: so the node's own processes sit in a leaf (`LEAF`), and where the
caller's group has processes of its own they are moved to a leaf as well (`HOST_LEAF`) until `release`.
Controllers handed on at the hierarchy's root stay handed on after `down`: somebody else may have come to use them meanwhile.
Never here: a process that is not in a group of ours. `clear` ends what it finds in a node's groups, and nothing else.
"""

import dataclasses
import os
import pathlib
import signal
import time

ROOT = pathlib.Path("/sys/fs/cgroup")
LEAF = "node"
HOST_LEAF = "host-beside-isthmus"  # never named as a lab's own groups are: those are emptied by force
WANTED = ("cpuset", "cpu", "io", "memory", "pids", "hugetlb")
GONE_WITHIN = 10.0


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Where groups are made: v1 as {controller: the caller's folder}, or v2 as one folder."""

    version: int
    v1: tuple[tuple[str, pathlib.Path], ...] = ()
    v2: pathlib.Path | None = None

    def groups(self, name: str) -> list[pathlib.Path]:
        """The folders of the group called `name`, one for each hierarchy."""
        bases = [base for _, base in self.v1] if self.version == 1 else [self.v2 or ROOT]
        return [base / name for base in bases]


def plan(proc_cgroup: str, root: pathlib.Path = ROOT, *, real_root: bool | None = None) -> Plan:
    """From the text of /proc/self/cgroup. v2 only counts where no v1 hierarchy holds the memory controller.

    On v2 groups go below the hierarchy's root, as a container engine without systemd does: the caller's own group
    is most often a session scope full of processes that are not ours to move.
    """
    lines = [line.split(":", 2) for line in proc_cgroup.splitlines() if line.count(":") >= 2]
    v1 = tuple((ctl, root / ctl.removeprefix("name=") / path.lstrip("/")) for _, ctl, path in lines if ctl)
    if any("memory" in ctl.split(",") for ctl, _ in v1):
        return Plan(1, v1=v1)
    top = not (root / "cgroup.type").exists() if real_root is None else real_root
    own = next((path for number, ctl, path in lines if number == "0" and not ctl), "/")
    inside = root / own.lstrip("/")
    return Plan(2, v2=root if top or not inside.is_dir() else inside)


def current() -> Plan:
    """The plan for this process."""
    return plan(pathlib.Path("/proc/self/cgroup").read_text())


def make(where: Plan, name: str) -> list[pathlib.Path]:
    """Make the group `name`; gives the folders a process has to enter.

    On v2 it then moves on into `LEAF`, and only after that the controllers can be handed on (`enable`, by the node itself).
    """
    groups = where.groups(name)
    if where.version == 2 and where.v2 is not None:
        _hand_on(where.v2)
    for group in groups:
        group.mkdir(exist_ok=True)
    if where.version == 1:
        for (ctl, base), group in zip(where.v1, groups, strict=True):
            if "cpuset" in ctl.split(","):
                for file in ("cpuset.cpus", "cpuset.mems"):
                    (group / file).write_text((base / file).read_text())
    else:
        (groups[0] / LEAF).mkdir(exist_ok=True)
    return groups


def enable(group: pathlib.Path) -> None:
    """Hand on to a group's children what a kubelet wants, as far as the group has it. Raises OSError (EBUSY: it has processes)."""
    have = (group / "cgroup.controllers").read_text().split()
    on = (group / "cgroup.subtree_control").read_text().split()
    for ctl in WANTED:
        if ctl in have and ctl not in on:
            (group / "cgroup.subtree_control").write_text(f"+{ctl}")


def _hand_on(base: pathlib.Path) -> None:
    """Enable the controllers of the base; where it has processes of its own (a container's root), move them to a leaf first."""
    try:
        enable(base)
    except OSError:
        leaf = base / HOST_LEAF
        leaf.mkdir(exist_ok=True)
        for pid in _members(base):
            _move(pid, leaf)
        enable(base)


def release(where: Plan) -> None:
    """Undo what `_hand_on` moved: the caller's processes back to where they were, the leaf away."""
    if where.version != 2 or where.v2 is None or not (where.v2 / HOST_LEAF).is_dir():
        return
    base, leaf = where.v2, where.v2 / HOST_LEAF
    for ctl in (base / "cgroup.subtree_control").read_text().split():
        try:
            (base / "cgroup.subtree_control").write_text(f"-{ctl}")
        except OSError:
            return  # another child still uses it: the leaf has to stay
    for pid in _members(leaf):
        _move(pid, base)
    remove(leaf)


def clear(groups: list[pathlib.Path], within: float = GONE_WITHIN) -> list[pathlib.Path]:
    """End every process in these groups and remove them; gives what is still there after `within` seconds."""
    end = time.monotonic() + within
    left = [g for g in groups if g.is_dir()]
    while left:
        for group in left:
            for pid in {pid for procs in group.rglob("cgroup.procs") for pid in _members(procs.parent)}:
                _kill(pid)
        left = [g for g in left if not remove(g)]
        if time.monotonic() > end:
            break
        if left:
            time.sleep(0.02)
    return left


def remove(group: pathlib.Path) -> bool:
    """Remove an empty group and those below it; False while a process is in one."""
    for folder, below, _ in os.walk(group, topdown=False):
        for name in below:
            _rmdir(pathlib.Path(folder) / name)
    return _rmdir(group)


def _rmdir(group: pathlib.Path) -> bool:
    try:
        group.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _members(group: pathlib.Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split() if pid != "0"]
    except OSError:
        return []


def _move(pid: int, group: pathlib.Path) -> None:
    try:
        (group / "cgroup.procs").write_text(str(pid))
    except OSError:
        pass  # it has ended, or is a kernel thread


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
