"""The kubeconfig people use. In: a lab and the ports its relay listens on. Out: one file with a context for each cluster.

It can be merged into the user's own kubeconfig and taken out again. Link credentials must not use its loopback addresses: the API server
advertises its WAN address (`https://10.99.0.N:6443`) in the EndpointSlice `default/kubernetes`.
Never here: contexts of other clusters, which `merge` and `unmerge` leave as they are.
"""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any, cast

import yaml

from isthmus import errors
from isthmus.lab import layout
from isthmus.lab.node import keys

LISTS = ("clusters", "users", "contexts")
MARK = "merged.json"


def write(lab: layout.Lab, ports: dict[str, int]) -> None:
    """Write the lab's kubeconfig: context, cluster and user all carry the cluster's name."""
    merged: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": lab.clusters[0].name}
    for cluster in lab.clusters:
        one = keys.kubeconfig(cluster, f"https://127.0.0.1:{ports[cluster.name]}", keys.admin(cluster))
        for part in LISTS:
            merged.setdefault(part, []).extend(cast("list[Any]", one[part]))
    _store(lab.kubeconfig, merged)


def default_file(env: Mapping[str, str]) -> pathlib.Path:
    """Where kubectl would write: the first file of KUBECONFIG, else ~/.kube/config."""
    first = next(filter(None, env.get("KUBECONFIG", "").split(os.pathsep)), "")
    return pathlib.Path(first) if first else pathlib.Path(env.get("HOME") or "/root") / ".kube/config"


def merge(lab: layout.Lab, file: pathlib.Path) -> None:
    """Add the lab's contexts to `file`. Raises IsthmusError where a name is taken by something else."""
    ours, theirs = _read(lab.kubeconfig), _read(file)
    for part in LISTS:
        taken = _names(theirs, part) & _names(ours, part)
        if taken:
            names = ", ".join(sorted(taken))
            raise errors.IsthmusError(
                f"{file} already has {part} called {names}", hint=f"export KUBECONFIG={lab.kubeconfig}"
            )
        theirs[part] = _entries(theirs, part) + _entries(ours, part)
    theirs.setdefault("apiVersion", "v1")
    theirs.setdefault("kind", "Config")
    theirs.setdefault("current-context", ours["current-context"])
    (lab.dir / MARK).write_text(json.dumps(str(file.absolute())))
    _store(file, theirs)


def unmerge(lab: layout.Lab) -> None:
    """Take out what `merge` added, if it did."""
    mark = lab.dir / MARK
    if not mark.exists() or not lab.kubeconfig.exists():
        return
    file = pathlib.Path(json.loads(mark.read_text()))
    ours, theirs = _read(lab.kubeconfig), _read(file)
    for part in LISTS:
        theirs[part] = [entry for entry in _entries(theirs, part) if entry not in ours[part]]
    if theirs.get("current-context") not in _names(theirs, "contexts"):
        theirs["current-context"] = theirs["contexts"][0]["name"] if theirs["contexts"] else ""
    _store(file, theirs)
    mark.unlink()


def _entries(kubeconfig: dict[str, Any], part: str) -> list[dict[str, Any]]:
    return list(kubeconfig.get(part) or [])


def _names(kubeconfig: dict[str, Any], part: str) -> set[str]:
    return {entry["name"] for entry in _entries(kubeconfig, part)}


def _read(file: pathlib.Path) -> dict[str, Any]:
    try:
        read = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError) as error:
        raise errors.IsthmusError(
            f"{file} can't be read as a kubeconfig: {error}", hint="isthmus lab kubeconfig --path"
        ) from error
    if read is not None and not isinstance(read, dict):
        raise errors.IsthmusError(f"{file} is not a kubeconfig", hint="isthmus lab kubeconfig --path")
    return cast("dict[str, Any]", read or {})


def _store(file: pathlib.Path, content: dict[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".isthmus")
    partial.touch(mode=0o600)
    partial.write_text(yaml.safe_dump(content, sort_keys=False))
    partial.rename(file)
