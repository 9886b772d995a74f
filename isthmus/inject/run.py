"""The process `isthmus control injector`: the webhook on 8443, admin on 9995. In: options. Out: an exit code.

Watched: Namespaces (their annotations) and the control plane's ConfigMaps (values, trust anchors), so that what `isthmus upgrade` or an
edit changes holds for the next pod. Values that cannot be read leave the last good ones in force, and the log says why.
Never here: decisions (see `api.answer`).
"""

import argparse
import asyncio
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lightkube.resources.core_v1 import ConfigMap, Namespace

from isthmus import names, workload
from isthmus.errors import IsthmusError
from isthmus.inject import api
from isthmus.inject import mesh as meshes
from isthmus.kube import access, store, watch
from isthmus.kube import client as kube
from isthmus.serve import https, runtime

ADMIN_PORT = 9995
LINGER = 3.0
"""Seconds the webhook goes on answering once it is told to stop: until then the API server may still send it reviews."""
TLS_DIR = "/var/run/linkerd/tls"
CONFIG, ROOTS = "linkerd-config", "linkerd-identity-trust-roots"


@dataclass(frozen=True, slots=True)
class Options:
    """What the process is told."""

    control_ns: str = names.CONTROL_NS
    tls_dir: str = TLS_DIR
    log_level: str = "info"

    @classmethod
    def from_args(cls, arguments: Sequence[str]) -> "Options":
        parser = argparse.ArgumentParser(prog="isthmus control injector")
        parser.add_argument("--control-namespace", dest="control_ns", default=names.CONTROL_NS)
        parser.add_argument("--tls-dir", default=TLS_DIR, help="folder with tls.crt and tls.key")
        parser.add_argument("--log-level", default="info")
        return cls(**vars(parser.parse_args(list(arguments))))


def main(options: Options) -> int:
    """Runs until it is told to stop."""

    async def start(process: runtime.Runtime) -> None:
        await _start(process, options, kube.Client(access.load()))

    return runtime.main("injector", start, admin_port=ADMIN_PORT, log_level=options.log_level)


async def _start(process: runtime.Runtime, options: Options, client: kube.Client) -> None:
    spaces: store.Store[Namespace] = store.Store("Namespace")
    configs: store.Store[ConfigMap] = store.Store("ConfigMap")
    known = Known(configs, options.control_ns, process.log)
    configs.subscribe(lambda _: known.refresh())
    process.spawn(watch.Reflector(client, Namespace, spaces).run(), name="watch namespaces")
    process.spawn(
        watch.Reflector(client, ConfigMap, configs, namespace=options.control_ns).run(), name="watch configuration"
    )
    process.ready_when("namespaces", lambda: spaces.synced)
    process.ready_when("values", lambda: known.mesh is not None)

    async def annotations(name: str) -> Mapping[str, str]:
        found = spaces.get(names.Key("", name))
        # A namespace and its first pod may come in one breath, before the watch has brought the namespace.
        found = found or await client.get(Namespace, name)
        return workload.annotations_of(found.metadata if found is not None else None)

    app = api.application(lambda: known.mesh, annotations, api.Meters(process.registry), process.log)
    process.closing(lambda: asyncio.sleep(LINGER))
    folder = pathlib.Path(options.tls_dir)
    process.spawn(https.serve(app, names.WEBHOOK_PORT, folder, process.log, registry=process.registry), name="webhook")


class Known:
    """The last good `Mesh` of the control plane's ConfigMaps."""

    def __init__(self, configs: store.Store[ConfigMap], control_ns: str, log: Any) -> None:
        self.mesh: meshes.Mesh | None = None
        self._configs = configs
        self._control_ns = control_ns
        self._log = log

    def refresh(self) -> None:
        """Read both ConfigMaps again."""
        stored, anchors = self._text(CONFIG, "values"), self._text(ROOTS, "ca-bundle.crt")
        if not stored or not anchors:
            return
        try:
            self.mesh = meshes.from_values(meshes.stored(stored), anchors, control_ns=self._control_ns)
        except IsthmusError as refused:
            self._log.error("values not taken", error=refused.sentence, hint=refused.hint)

    def _text(self, name: str, key: str) -> str:
        found = self._configs.get(names.Key(self._control_ns, name))
        data = cast("Mapping[str, str]", (found.data if found is not None else None) or {})
        return data.get(key, "")
