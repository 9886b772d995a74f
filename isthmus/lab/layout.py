"""Who is who and where: the addresses of a lab's clusters, the folders it uses, the names it gives namespaces. Pure but for `save`/`load`.

In: cluster names, the environment. Out: `Lab` and `Cluster`, which every other module here takes as arguments.
Never here: processes, network, Kubernetes. Limit: `MOST` clusters, 254 LoadBalancer addresses in each.
"""

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping

from isthmus import errors, units

MOST = 8
WAN_PREFIX = 16
OPS = "ops"
OPS_ADDRESS = "10.99.0.254"
API_PORT = 6443
NAME_LIMIT = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster: `index` counts from 1 and makes its addresses; `block` is 0 where all clusters use the same ranges."""

    name: str
    index: int
    block: int
    netns: str
    dir: pathlib.Path

    @property
    def wan(self) -> str:
        """The node's address on the WAN, where its API server listens."""
        return f"10.99.0.{self.index}"

    @property
    def pods(self) -> str:
        """The pods' range, never routed on the WAN."""
        return f"10.{20 + self.block}.0.0/16"

    @property
    def services(self) -> str:
        """The ClusterIPs' range, never routed on the WAN."""
        return f"10.{30 + self.block}.0.0/16"

    @property
    def api_vip(self) -> str:
        """ClusterIP of `default/kubernetes`."""
        return f"10.{30 + self.block}.0.1"

    @property
    def dns_vip(self) -> str:
        """ClusterIP of cluster DNS."""
        return f"10.{30 + self.block}.0.10"

    @property
    def server(self) -> str:
        """The API server as other clusters reach it."""
        return f"https://{self.wan}:{API_PORT}"

    @property
    def wan_port(self) -> str:
        """The interface of the ops namespace in which this cluster's cable ends; the other end is the node's `wan0`."""
        return f"wan-{self.index}"

    @property
    def admin(self) -> pathlib.Path:
        """Kubeconfig with the WAN address, for programs inside the lab's namespaces."""
        return self.dir / "admin.kubeconfig"

    def balancer(self, number: int) -> str:
        """LoadBalancer address `number` (1 to 254) of this cluster."""
        return f"10.99.{self.index}.{number}"


@dataclasses.dataclass(frozen=True, slots=True)
class Lab:
    """A lab: its folder, the tag its namespaces and groups begin with, its clusters."""

    dir: pathlib.Path
    tag: str
    clusters: tuple[Cluster, ...] = ()
    nodes: bool = True
    distinct: bool = False

    @property
    def ops_netns(self) -> str:
        """The namespace that holds the WAN's switch, and where tests run."""
        return f"{self.tag}-{OPS}"

    @property
    def kubeconfig(self) -> pathlib.Path:
        """Contexts named as the clusters, usable from the root namespace."""
        return self.dir / "kubeconfig"

    def cluster(self, name: str) -> Cluster:
        """The cluster called `name`; a sentence with the known names otherwise."""
        for cluster in self.clusters:
            if cluster.name == name:
                return cluster
        known = ", ".join(c.name for c in self.clusters) or "none"
        raise errors.IsthmusError(f"the lab has no cluster {name!r}", hint=f"it has: {known}", code=2)

    def save(self) -> None:
        """Write `lab.json`; whoever comes later reads it back with `load`."""
        self.dir.mkdir(parents=True, exist_ok=True, mode=0o755)
        said = {"clusters": [c.name for c in self.clusters], "nodes": self.nodes, "distinct": self.distinct}
        (self.dir / "lab.json").write_text(json.dumps(said))


def state_dir(env: Mapping[str, str]) -> pathlib.Path:
    """Where a lab keeps its files: ISTHMUS_LAB_DIR, else XDG_STATE_HOME, else ~/.local/state."""
    if env.get("ISTHMUS_LAB_DIR"):
        return pathlib.Path(env["ISTHMUS_LAB_DIR"]).absolute()
    return _default(env).absolute()


def cache_dir(env: Mapping[str, str]) -> pathlib.Path:
    """Where built binaries, unpacked packages and images stay: ISTHMUS_CACHE, else XDG_CACHE_HOME/isthmus, else ~/.cache/isthmus."""
    if env.get("ISTHMUS_CACHE"):
        return pathlib.Path(env["ISTHMUS_CACHE"]).absolute()
    home = pathlib.Path(env.get("HOME") or "/root")
    return (pathlib.Path(env.get("XDG_CACHE_HOME") or home / ".cache") / "isthmus").absolute()


def patience(env: Mapping[str, str]) -> float:
    """Seconds a start may take: ISTHMUS_LAB_LIMIT, else 240; an emulated or very busy machine needs more."""
    return units.duration(env.get("ISTHMUS_LAB_LIMIT") or "240s", key="ISTHMUS_LAB_LIMIT", example='"600s"')


def tag(folder: pathlib.Path, env: Mapping[str, str]) -> str:
    """`isthmus`, or with a hash where the folder is not the default one, so that labs of different folders live side by side."""
    if folder == _default(env).absolute():
        return "isthmus"
    return "isthmus." + hashlib.sha256(str(folder).encode()).hexdigest()[:6]


def plan(folder: pathlib.Path, tag: str, names: list[str], *, nodes: bool = True, distinct: bool = False) -> Lab:
    """The lab to be: every name checked, addresses given in order."""
    if not 1 <= len(names) <= MOST:
        raise errors.BadValue("--clusters", ",".join(names), "east,west", why=f"1 to {MOST} clusters")
    if len(set(names)) != len(names):
        raise errors.BadValue("--clusters", ",".join(names), "east,west", why="a name twice")
    for name in names:
        units.dns_label(name, key="--clusters")
        if name == OPS or len(name) > NAME_LIMIT:
            raise errors.BadValue("--clusters", name, "east,west", why=f"not {OPS!r}, at most {NAME_LIMIT} characters")
    clusters = tuple(
        Cluster(name, i, i if distinct else 0, f"{tag}-{name}", folder / "clusters" / name)
        for i, name in enumerate(names, 1)
    )
    return Lab(folder, tag, clusters, nodes, distinct)


def here(env: Mapping[str, str]) -> Lab:
    """The lab of this environment: as `up` saved it, or without clusters where there is none."""
    folder = state_dir(env)
    return load(folder, tag(folder, env))


def load(folder: pathlib.Path, tag: str) -> Lab:
    """The lab whose folder this is; without clusters where nothing readable is saved."""
    try:
        said = json.loads((folder / "lab.json").read_text())
        return plan(folder, tag, list(said["clusters"]), nodes=bool(said["nodes"]), distinct=bool(said["distinct"]))
    except (OSError, ValueError, KeyError, TypeError, errors.IsthmusError):
        return Lab(folder, tag)


def _default(env: Mapping[str, str]) -> pathlib.Path:
    home = pathlib.Path(env.get("HOME") or "/root")
    return pathlib.Path(env.get("XDG_STATE_HOME") or home / ".local/state") / "isthmus/lab"
