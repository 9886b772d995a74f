"""A source and a target cluster in memory: builds Services and slices, and carries out a plan's actions as an API server would.

It refuses what an API server refuses (a taken name, a stale version), so that a plan which relies on luck fails here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lightkube.models.core_v1 import ServicePort, ServiceSpec
from lightkube.models.discovery_v1 import Endpoint, EndpointConditions
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Service
from lightkube.resources.discovery_v1 import EndpointSlice

from isthmus import names
from isthmus.multicluster import plan, spec, world

WEST = spec.parse(
    "west",
    "linkerd-multicluster",
    "uid-link",
    {"targetClusterName": "west", "gatewayAddress": "192.0.2.7", "gatewayIdentity": "gw.west", "gatewayPort": "4143"},
)
WEB = names.Key("shop", "web")
MIRROR = names.Key("shop", "web-west")


def service(
    name="web", namespace="shop", ports=(("http", 80, None),), labels=None, notes=None, version="1", **fields
) -> Service:
    """A Service as an API server lists it; a port is (name, number, appProtocol[, protocol])."""
    made = [
        ServicePort(p[1], name=p[0] or None, appProtocol=p[2], protocol=p[3] if len(p) > 3 else "TCP") for p in ports
    ]
    meta = ObjectMeta(
        name=name, namespace=namespace, labels=labels, annotations=notes, resourceVersion=version, uid=f"uid-{name}"
    )
    return Service(metadata=meta, spec=ServiceSpec(ports=made, **fields))


def remote_slice(service="web", namespace="shop", ready=(True,), name=None) -> EndpointSlice:
    """A slice of the target with one endpoint for each entry of `ready`."""
    meta = ObjectMeta(name=name or f"{service}-x1", namespace=namespace, labels={world.SERVICE_NAME: service})
    ends = [Endpoint([f"10.0.0.{i + 1}"], conditions=EndpointConditions(ready=r)) for i, r in enumerate(ready)]
    return EndpointSlice(metadata=meta, addressType="IPv4", endpoints=ends)


@dataclass
class Sim:
    """Both clusters as the plan sees them. `log` is every action carried out."""

    link: spec.Link = WEST
    gateway: tuple[world.Address, ...] = (world.Address("192.0.2.7"),)
    target: world.Target = field(default_factory=lambda: world.Target("west", synced=True))
    source: world.Source = field(default_factory=world.Source)
    mirrors: int = plan.MIRRORS
    create_namespaces: bool = False
    version: int = 100
    log: list[plan.Action] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source.namespaces |= {"shop": True, "linkerd-multicluster": True}

    @property
    def now(self) -> plan.World:
        return plan.World(self.link, self.target, self.source, self.gateway, self.mirrors, self.create_namespaces)

    def export(self, *services: Service) -> "Sim":
        for one in services or (service(),):
            self.target.put_service(one)
        return self

    def user_has(self, *services: Service) -> "Sim":
        for one in services:
            self.source.put_service(world.local(one))
        return self

    def settle(self) -> dict[names.Key, plan.Condition]:
        """Carries out everything the plan wants now; the conditions it gives."""
        said: dict[names.Key, plan.Condition] = {}
        for key in sorted(plan.keys(self.now), key=str):
            decision = plan.decide(self.now, key)
            self.apply(decision.actions)
            if decision.again:
                decision = plan.decide(self.now, key)
                assert not decision.again, "a decision asks to be looked at again once, not for ever"
                self.apply(decision.actions)
            if decision.condition:
                said[key] = decision.condition
        self.apply(plan.probes(self.now))
        return said

    def apply(self, actions: Iterable[plan.Action]) -> None:
        for action in actions:
            self.step(action)

    def step(self, action: plan.Action) -> None:
        self.log.append(action)
        self.version += 1
        if action.kind == "Namespace":
            self.source.namespaces[action.key.name] = True
            return
        held = (self.source.services if action.kind == "Service" else self.source.slices).get(action.key)
        if action.verb == "create":
            assert held is None, f"409: {action.key} exists"
        else:
            assert held is not None, f"404: {action.key}"
            assert action.have is not None and (held.uid, held.version) == (action.have.uid, action.have.version), (
                f"409: {action.key} has changed"
            )
        if action.verb == "delete":
            (self.source.drop_service if action.kind == "Service" else self.source.drop_slice)(action.key)
        elif isinstance(action.want, world.Slice):
            self.source.put_slice(
                replace(action.want, uid=held.uid if held else f"u{self.version}", version=str(self.version))
            )
        else:
            assert isinstance(action.want, world.Local)
            self._put_service(action, held if isinstance(held, world.Local) else None)

    def _put_service(self, action: plan.Action, held: world.Local | None) -> None:
        want = action.want
        assert isinstance(want, world.Local)
        labels, notes = dict(want.labels), dict(want.annotations)
        if held:
            gone = plan.stale(held, want)
            labels = {k: v for k, v in held.labels.items() if k not in gone[0]} | labels
            notes = {k: v for k, v in held.annotations.items() if k not in gone[1]} | notes
        uid = held.uid if held else f"u{self.version}"
        self.source.put_service(replace(want, uid=uid, version=str(self.version), labels=labels, annotations=notes))

    def verbs(self) -> list[str]:
        """What was done, one short line an action."""
        return [f"{a.verb} {a.kind} {a.key}" for a in self.log]
