"""The lab's network: one namespace for each node, one for the WAN's switch, and sockets made inside them.

In: a `Lab`. Out: namespaces joined by a bridge in the ops namespace, and nothing in the root namespace. Nodes reach each other's WAN
addresses; pod and service ranges are not routed. `cut` pulls a node's cable, `heal` puts it back.
Never here: firewall rules, netlink in this process (a netlink socket opened early stays in the namespace it was opened in): only
child processes that were entered with the namespace change anything.
"""

import ctypes
import os
import pathlib
import socket
import subprocess
import threading

from isthmus import errors
from isthmus.lab import layout

RUN_NETNS = pathlib.Path("/run/netns")
MADE_BY_US = pathlib.Path("/run/isthmus-made-netns")
CLONE_NEWNET = 0x40000000


def up(lab: layout.Lab) -> None:
    """Make the namespaces and cables, in two batches of `ip` that each run as one child."""
    ops = lab.ops_netns
    if not _mounted():  # the first `ip netns add` of a machine mounts the folder on itself: remember to undo it
        MADE_BY_US.write_text("folder" if not RUN_NETNS.exists() else "mount")
    add = [f"netns add {ops}", *(f"netns add {c.netns}" for c in lab.clusters)]
    _ip(None, add)
    inside = [
        "link set lo up",
        "link add wan type bridge",
        f"addr add {layout.OPS_ADDRESS}/{layout.WAN_PREFIX} dev wan",
        "link set wan up",
    ]
    for c in lab.clusters:
        inside.append(f"link add {c.wan_port} type veth peer name wan0 netns {c.netns}")
        inside.append(f"link set {c.wan_port} master wan up")
    _ip(ops, inside)
    for c in lab.clusters:
        # A ClusterIP is rewritten in the OUTPUT hook, after a route was found for it: there must be a default route.
        _ip(
            c.netns,
            [
                "link set lo up",
                f"addr add {c.wan}/{layout.WAN_PREFIX} dev wan0",
                "link set wan0 up",
                f"route add default via {layout.OPS_ADDRESS}",
            ],
        )
    _no_routing(ops)


def down(tag: str) -> None:
    """Delete every namespace of the lab with this tag, also those of a half-made one."""
    for name in existing(tag):
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
    if MADE_BY_US.exists() and not any(RUN_NETNS.iterdir()):
        subprocess.run(["umount", str(RUN_NETNS)], check=False, capture_output=True)
        if MADE_BY_US.read_text() == "folder":
            RUN_NETNS.rmdir()
        MADE_BY_US.unlink()


def existing(tag: str) -> list[str]:
    """Network namespaces whose name begins with the tag."""
    return sorted(p.name for p in RUN_NETNS.glob(f"{tag}-*")) if RUN_NETNS.is_dir() else []


def cut(lab: layout.Lab, cluster: layout.Cluster) -> None:
    """Pull the WAN cable of a cluster: packets both ways are lost, addresses stay."""
    _ip(lab.ops_netns, [f"link set {cluster.wan_port} down"])


def heal(lab: layout.Lab, cluster: layout.Cluster) -> None:
    """Put the WAN cable back."""
    _ip(lab.ops_netns, [f"link set {cluster.wan_port} up"])


def is_cut(lab: layout.Lab, cluster: layout.Cluster) -> bool:
    """Whether the cable is pulled."""
    done = subprocess.run(
        ["ip", "-n", lab.ops_netns, "-o", "link", "show", cluster.wan_port], capture_output=True, text=True, check=False
    )
    return "UP" not in done.stdout.partition("<")[2].partition(">")[0].split(",")


def open_socket(netns: str, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> socket.socket:
    """A socket that belongs to a namespace: made by a thread that entered it and then ends."""
    made: list[socket.socket | OSError] = []

    def work() -> None:
        try:
            enter(netns)
            made.append(socket.socket(family, kind))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise errors.Unreachable(f"network namespace {netns} can't be entered: {made[0]}", hint="isthmus lab status")
    return made[0]


def dial(netns: str, host: str, port: int, timeout: float = 5.0) -> socket.socket:
    """Connect from inside a namespace: to a pod or ClusterIP from its node's, to a WAN address from the ops one. Raises OSError."""
    sock = open_socket(netns)
    sock.settimeout(timeout)
    try:
        sock.connect((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def enter(netns: str) -> None:
    """Move the calling thread into a namespace. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(RUN_NETNS / netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(fd, CLONE_NEWNET):
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(fd)


def _mounted() -> bool:
    return any(line.split()[1] == str(RUN_NETNS) for line in pathlib.Path("/proc/self/mounts").read_text().splitlines())


def _no_routing(netns: str) -> None:
    """The switch never forwards packets it is asked to route, whatever the machine's default for new namespaces is."""
    subprocess.run(
        ["nsenter", f"--net={RUN_NETNS / netns}", "sh", "-c", "echo 0 > /proc/sys/net/ipv4/ip_forward"], check=True
    )


def _ip(netns: str | None, lines: list[str]) -> None:
    where = ["-n", netns] if netns else []
    done = subprocess.run(
        ["ip", *where, "-batch", "-"], input="\n".join(lines), text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise errors.IsthmusError(
            f"the lab's network can't be set up: {done.stderr.strip().splitlines()[0]}",
            hint="isthmus lab down, then up again",
        )
