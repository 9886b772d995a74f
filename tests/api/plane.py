"""One control plane of the lab as tests see it. In: its folder. Out: lab commands on it, the way to speak to it, our definitions."""

import dataclasses
import os
import pathlib
import subprocess
import sys
from typing import Any

import yaml

from isthmus.kube import access
from isthmus.kube import client as kube

CRDS = pathlib.Path(__file__).parents[2] / "isthmus" / "install" / "crds"
NAME = "api"


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The control plane: `lab` runs a lab command on it, `reach` says how it is spoken to."""

    folder: pathlib.Path

    def lab(self, *words: str, limit: float = 300) -> str:
        env = os.environ | {"ISTHMUS_LAB_DIR": str(self.folder)}
        command = [sys.executable, "-m", "isthmus.cli.lab", *words]
        done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=limit, check=False)
        if done.returncode:
            raise AssertionError(
                f"isthmus lab {' '.join(words)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done.stdout

    @property
    def kubeconfig(self) -> str:
        return str(self.folder / "kubeconfig")

    @property
    def reach(self) -> access.Access:
        return access.load(NAME, self.kubeconfig)

    def client(self) -> kube.Client:
        return kube.Client(self.reach)


def crd(kind: str) -> dict[str, Any]:
    """Our own definition of a kind."""
    docs = [d for file in sorted(CRDS.glob("*.yaml")) for d in yaml.safe_load(file.read_text())]
    return next(d for d in docs if d["spec"]["names"]["kind"] == kind and "linkerd" in d["spec"]["group"])
