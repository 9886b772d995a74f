"""Keep one Link's board of gateway addresses true. In: DNS, probes through our own sidecar. Out: a board, a call when it changed.

Every address is probed in a task of its own, at once when it appears, so that a silent one delays no other.
Never here: what a probe proves (see `gateway`), endpoints (see `plan`).
"""

import asyncio
import time
from collections.abc import Callable

from isthmus import names
from isthmus.multicluster import gateway, plan, spec
from isthmus.multicluster.shell import shared

RESOLVE = 10.0
"""Seconds between look-ups of the gateway's names. The system resolver does not tell the TTL; this is below what balancers use."""


class Probing:
    """Resolves and probes until cancelled; `changed` is called when an address comes, goes or changes its health."""

    def __init__(
        self, link: spec.Link, board: gateway.Board, common: shared.Shared, changed: Callable[[], None]
    ) -> None:
        self.link, self.board, self.shared, self._changed = link, board, common, changed
        self._resolve = asyncio.Event()
        self._addresses = asyncio.Event()
        self._log = common.log.bind(link=link.name, cluster=link.cluster)

    def update(self, link: spec.Link) -> None:
        """Takes in an edited Link."""
        old, self.link = self.link, link
        self.board.threshold = link.probe.threshold
        if old.hosts != link.hosts:
            self._resolve.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_addresses())
            group.create_task(self._keep_probing(group))

    async def _keep_addresses(self) -> None:
        while True:
            self._resolve.clear()
            self.board.own = self.shared.own
            hosts = self.link.hosts
            found = await asyncio.gather(*(gateway.lookup(host) for host in hosts))
            if self.board.resolve(dict(zip(hosts, found, strict=True))):
                self._log.info("gateway addresses", addresses=list(self.board.verdicts), refused=self.board.refused)
                self._addresses.set()
                self._changed()
            named = any(not gateway.is_ip(host) for host in hosts)
            await shared.either(self._resolve, RESOLVE * self.shared.dice.uniform(0.9, 1.1) if named else None)

    async def _keep_probing(self, group: asyncio.TaskGroup) -> None:
        tasks: dict[str, asyncio.Task[None]] = {}
        while True:
            self._addresses.clear()
            for ip in set(tasks) - set(self.board.verdicts):
                tasks.pop(ip).cancel()
            for ip in set(self.board.verdicts) - set(tasks):
                tasks[ip] = group.create_task(self._probe(ip))
            await self._addresses.wait()

    async def _probe(self, ip: str) -> None:
        while True:
            probe = self.link.probe
            several = len(self.board.verdicts) > 1
            key = names.Key(self.link.namespace, plan.probe_name(self.link.cluster, ip if several else None))
            through = self.shared.source.services.get(key)
            if through is None or not through.cluster_ip or through.gateway_of != self.link.cluster:
                await asyncio.sleep(0.2)
                continue
            host = names.fq_service(key.name, key.namespace)
            reply = await gateway.ask(through.cluster_ip, probe.port, host, probe.path, probe.timeout)
            self.shared.meters.probe(self.link.cluster, reply)
            if self.board.record(ip, reply.outcome, time.time()):
                self._log.info("gateway", address=ip, health=self.board.verdicts[ip].health.value, why=reply.why)
                self._changed()
            self.shared.meters.alive(self.link.cluster, self.board.health())
            await asyncio.sleep(max(0.0, probe.period * self.shared.dice.uniform(0.9, 1.0) - reply.seconds))
