"""What `lab up` tells a node, as one JSON file: its cluster, where the programs are, which images to load.

In: a `layout.Cluster` and the tools that were found. Out: `Spec`, written by `save`, read by the node's `load`.
Never here: defaults; both sides see the same values.
"""

import dataclasses
import json
import pathlib

from isthmus.lab import layout


@dataclasses.dataclass(frozen=True, slots=True)
class Spec:
    """Everything process number 1 of a node has to know. `path` is searched for programs; `cgroup` is the version, 1 or 2;
    `containerd` is major and minor.

    `limit` is how many seconds each step of the start may take.
    """

    cluster: layout.Cluster
    nodes: bool
    bin: pathlib.Path
    path: str
    cni: pathlib.Path
    containerd: tuple[int, int]
    cgroup: int
    images: tuple[pathlib.Path, ...]
    keep: tuple[pathlib.Path, ...]
    limit: float

    def save(self, file: pathlib.Path) -> None:
        """Write the spec for the node."""
        file.write_text(json.dumps(dataclasses.asdict(self), default=str, indent=1))


def load(file: pathlib.Path) -> Spec:
    """Read what `save` wrote."""
    said = json.loads(file.read_text())
    own = said.pop("cluster")
    cluster = layout.Cluster(own["name"], own["index"], own["block"], own["netns"], pathlib.Path(own["dir"]))
    folders = {key: tuple(pathlib.Path(p) for p in said.pop(key)) for key in ("images", "keep")}
    programs = {key: pathlib.Path(said.pop(key)) for key in ("bin", "cni")}
    major, minor = said.pop("containerd")
    return Spec(cluster=cluster, **programs, containerd=(major, minor), **folders, **said)
