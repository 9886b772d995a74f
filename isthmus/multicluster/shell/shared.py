"""What the Links of one process have in common, and two small waits. Never here: anything of one Link."""

import asyncio
import random
import time
from dataclasses import dataclass

from lightkube.resources.core_v1 import Secret

from isthmus import logs
from isthmus.kube import client as kube
from isthmus.kube import store
from isthmus.multicluster import plan, world
from isthmus.multicluster.shell import meters


@dataclass(slots=True)
class Shared:
    """The source cluster (its client, what is known of it), the numbers, the log, the dice. `own` are addresses of its API server,
    `home` is the uid of its kube-system namespace, "" while unknown.
    """

    client: kube.Client
    source: world.Source
    secrets: store.Store[Secret]
    meters: meters.Meters
    log: logs.Logger
    dice: random.Random
    own: frozenset[str] = frozenset()
    home: str = ""
    create_namespaces: bool = False
    mirrors: int = plan.MIRRORS


def timestamp() -> str:
    """Now, as Kubernetes writes times."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


async def either(event: asyncio.Event, seconds: float | None) -> None:
    """Returns when `event` is set, or after `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
