"""The pods and Services of a cluster as taps need them. In: objects as they come and go. Out: pods by address, by resource. No I/O.

Never here: the watch (see `run`), requests. Limit: as large as the cluster's pods; what of them is not needed is dropped on the way in.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from lightkube.models import core_v1

from isthmus import names, workload
from isthmus.serve import topics
from isthmus.tap.ask import plan


@dataclass(slots=True)
class World:
    """What is known; each change says that something changed."""

    pods: dict[names.Key, plan.Pod] = field(default_factory=dict[names.Key, plan.Pod])
    services: dict[names.Key, plan.Service] = field(default_factory=dict[names.Key, plan.Service])
    _at: dict[str, names.Key] = field(default_factory=dict[str, names.Key])

    def put_pod(self, obj: core_v1.Pod) -> Iterable[topics.Topic]:
        made = plan.pod(obj)
        before = self.pods.get(made.key)
        if before == made:
            return ()
        self._forget(before)
        self.pods[made.key] = made
        if made.running:
            self._at.update(dict.fromkeys(made.ips, made.key))
        return (made.key.namespace,)

    def drop_pod(self, key: names.Key) -> Iterable[topics.Topic]:
        self._forget(self.pods.pop(key, None))
        return (key.namespace,)

    def put_service(self, obj: core_v1.Service) -> Iterable[topics.Topic]:
        key = workload.key_of(obj.metadata)
        selector = cast("dict[str, str]", (obj.spec.selector if obj.spec else None) or {})
        self.services[key] = plan.Service(key, selector)
        return (key.namespace,)

    def drop_service(self, key: names.Key) -> Iterable[topics.Topic]:
        self.services.pop(key, None)
        return (key.namespace,)

    def at(self, ip: str) -> plan.Pod | None:
        """The running pod that has an address."""
        key = self._at.get(ip)
        return self.pods.get(key) if key else None

    def _forget(self, before: plan.Pod | None) -> None:
        for ip in before.ips if before else ():
            if before and self._at.get(ip) == before.key:
                del self._at[ip]
