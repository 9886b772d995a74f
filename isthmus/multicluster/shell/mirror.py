"""Run one Link: target watches > plan > writes in the source > status on the Link.

Every task here belongs to one Link; a target that hangs holds up nobody else. A spec edit is taken as a difference: only another
selector or other credentials open a new session, and the old one serves until the new one is whole.
In: a Link, the shared view of the source (see `run`). Out: writes. Never here: what to write (see `plan`), leases (see `run`).
Limits: WRITERS writes at a time, one status patch a second, EVENTS Events a minute.
"""

import asyncio
import base64
import time
from collections import deque

from lightkube.models.core_v1 import ObjectReference
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Event, Secret

from isthmus import names
from isthmus.errors import IsthmusError
from isthmus.kube import client as kube
from isthmus.kube import crds
from isthmus.multicluster import gateway, plan, spec, status, world
from isthmus.multicluster.shell import probing, shared, target, work

WRITERS = 12
"""Writes of one Link under way at a time: enough to fill an API server of two cores, few enough to share it (chosen by measurement)."""
WHOLE = 120.0
"""Seconds for both lists of a target to come in."""
CHECK = 5.0
"""Seconds between two questions whether the target still answers."""
REPAIR = 120.0
"""Seconds between full passes, which find what no event told. A pass that finds nothing writes nothing."""
STATUS = 1.0
EVENTS = 20
PROBES = names.Key("", "probes")
"""In the queue: look at the probe Services. No Service has this key."""


class Mirror:
    """One Link at work. `run` it while its Lease is held; `update` it when its spec changes."""

    def __init__(self, link: spec.Link, common: shared.Shared, dead_before: frozenset[str] = frozenset()) -> None:
        self.link = link
        self.shared = common
        self.queue = work.Queue(common.dice)
        self.board = gateway.Board(link.probe.threshold, common.own, dead_before)
        self.conditions: dict[names.Key, plan.Condition] = {}
        self.settled = False
        self._valid = status.Fact(True, "Accepted")
        self._reach = status.Fact(None, "Connecting", "not connected yet")
        self._session: target.Session | None = None
        self._nothing = world.Target(link.cluster)
        self._reconnect = asyncio.Event()
        self._changed = asyncio.Event()
        self._told: deque[float] = deque(maxlen=EVENTS)
        self.log = common.log.bind(link=link.name, cluster=link.cluster)
        self.probing = probing.Probing(link, self.board, common, self._everything)

    @property
    def now(self) -> plan.World:
        """What a decision may look at, as of now."""
        seen = self._session.target if self._session else self._nothing
        common = self.shared
        return plan.World(
            self.link, seen, common.source, self.board.addresses(), common.mirrors, common.create_namespaces
        )

    def update(self, link: spec.Link) -> None:
        """Takes in an edited Link of the same cluster."""
        old, self.link = self.link, link
        self._valid = status.Fact(True, "Accepted")
        if (old.selector, old.credentials) != (link.selector, link.credentials):
            self._reconnect.set()
        self.probing.update(link)
        self._everything()

    def invalid(self, sentence: str) -> None:
        """An edit could not be read: the last good spec stays in force, and the status says so until the next good one."""
        self._valid = status.Fact(False, "Refused", sentence)
        self._changed.set()

    def _mended(self) -> None:
        """Credentials that led home are others now."""
        if self._valid.message.startswith(target.SameCluster(self.link.key).sentence):
            self._valid = status.Fact(True, "Accepted")

    def on_services(self, changed: dict[names.Key, tuple[world.Local | None, world.Local | None]]) -> None:
        """Services of the source changed: (before, after) for each."""
        for key, pair in changed.items():
            for local in filter(None, pair):
                if local.cluster == self.link.cluster and local.origin:
                    self.queue.add(local.origin)
                if local.gateway_of == self.link.cluster:
                    self.queue.add(PROBES)
            if self._session:
                self.queue.add(*self._session.target.claims(key))

    def on_slices(self, changed: dict[names.Key, tuple[world.Slice | None, world.Slice | None]]) -> None:
        """Our slices in the source changed."""
        for pair in changed.values():
            for piece in filter(None, pair):
                if piece.cluster == self.link.cluster:
                    self.queue.add(piece.origin or PROBES)

    def on_namespaces(self, changed: frozenset[str]) -> None:
        if self._session:
            self.queue.add(*(key for key in self._session.target.exports if key.namespace in changed))

    def on_secret(self) -> None:
        """The credentials changed."""
        self._reconnect.set()

    async def run(self) -> None:
        """Mirrors until cancelled."""
        self.shared.meters.enabled(self.link.cluster, on=bool(self.link.hosts))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._keep_session(group))
                group.create_task(self.probing.run())
                group.create_task(self._keep_token())
                group.create_task(self._keep_status())
                group.create_task(self._keep_repairing())
                for _ in range(WRITERS):
                    group.create_task(self._write())
        finally:
            self.queue.close()
            if self._session:
                await self._session.close()

    # --- target ---

    async def _keep_session(self, group: asyncio.TaskGroup) -> None:
        """Opens a session, and a better one whenever credentials or selector change; failures keep what stands."""
        task: asyncio.Task[None] | None = None
        wait = 0.5
        while True:
            self._reconnect.clear()
            try:
                task = await self._open(group, task)
            except (IsthmusError, TimeoutError) as error:
                words = error.sentence if isinstance(error, IsthmusError) else "its lists did not come in whole in time"
                if isinstance(error, target.SameCluster):
                    self._valid = status.Fact(False, "Refused", f"{error.sentence}; {error.hint}")
                self._say_reach(status.Fact(False, "Unreachable", words))
                self._say_age()
                wait = min(30.0, wait * 2)
                await shared.either(self._reconnect, wait * self.shared.dice.uniform(0.75, 1.25))
                continue
            wait = 0.5
            self._say_reach(status.Fact(True, "Connected"))
            await self._watch_over(task)

    async def _open(self, group: asyncio.TaskGroup, old: asyncio.Task[None] | None) -> asyncio.Task[None]:
        """A session that has proved itself, in place of the old one."""
        key = names.Key(self.link.namespace, self.link.credentials)
        held = target.credentials(self.shared.secrets.get(key), key)
        before = self._session
        if before and old and not old.done() and before.held == held and before.selector == self.link.selector:
            return old
        session = target.Session(self.link, held)
        try:
            await session.prove(self.shared.home)
        except BaseException:
            await session.close()
            raise
        task = group.create_task(session.run())
        try:
            async with asyncio.timeout(WHOLE):
                await session.wait_ready()
        except BaseException:
            task.cancel()
            await session.close()
            raise
        self._session = session
        session.listen(lambda keys: self.queue.add(*keys))
        self._mended()
        if old:
            old.cancel()
        if before:
            await before.close()
        self.log.info("target connected", exports=len(session.target.exports))
        self._everything()
        return task

    async def _watch_over(self, task: asyncio.Task[None]) -> None:
        """Returns when another session is due; asks now and then whether the target is still there, and tells."""
        while self._session and not self._reconnect.is_set() and not task.done():
            await shared.either(self._reconnect, CHECK * self.shared.dice.uniform(0.8, 1.2))
            self._say_age()
            try:
                await self._session.check()
                self._say_reach(status.Fact(True, "Connected"))
            except IsthmusError as error:
                self._say_reach(status.Fact(False, "Unreachable", f"{error.sentence}; what stands is kept"))

    def _say_age(self) -> None:
        """While a better session cannot be opened too: the old one's age must not seem to stand still."""
        if self._session:
            self.shared.meters.age(self.link.cluster, self._session.age())

    def _say_reach(self, fact: status.Fact) -> None:
        if fact != self._reach:
            self._reach = fact
            self.log.info("target", reachable=fact.status, reason=fact.reason, why=fact.message)
            self._changed.set()

    async def _keep_token(self) -> None:
        """Renews the token of our credentials well before its end; the new Secret then opens a new session."""
        while True:
            session = self._session
            life = target.lifetime(session.held.config) if session and session.held.account else None
            if session and session.held.account and life and time.time() >= life.due():
                try:
                    await self._renew(session, session.held.account, int(life.expires - life.issued))
                except (IsthmusError, TimeoutError) as error:
                    left = int(life.expires - time.time())
                    self.log.warning("token not renewed", seconds_left=left, why=str(error))
            await asyncio.sleep(60.0 * self.shared.dice.uniform(0.8, 1.2))

    async def _renew(self, session: target.Session, account: str, seconds: int) -> None:
        token = await target.new_token(session.client, account, max(600, seconds))
        config = base64.b64encode(target.with_token(session.held.config, token).encode()).decode()
        await self.shared.client.patch(
            Secret, self.link.credentials, {"data": {"kubeconfig": config}}, self.link.namespace
        )
        self.log.info("token renewed", seconds=seconds)

    # --- source ---

    def _everything(self) -> None:
        """Makes every key due: the desired state is looked at whole."""
        self.queue.add(PROBES, *plan.keys(self.now))
        self._changed.set()

    async def _keep_repairing(self) -> None:
        while True:
            await asyncio.sleep(REPAIR * self.shared.dice.uniform(0.9, 1.1))
            self._everything()

    async def _write(self) -> None:
        """One of the writers: takes a key, decides on today's state, carries it out."""
        while True:
            key = await self.queue.take()
            failed = True
            try:
                failed = not await self._reconcile(key)
            finally:
                self.queue.done(key, failed=failed)

    async def _reconcile(self, key: names.Key) -> bool:
        """Brings one mirror up to date. False when it must be tried again."""
        now = self.now
        decision = plan.Decision(plan.probes(now)) if key == PROBES else plan.decide(now, key)
        condition, well = decision.condition, True
        try:
            for action in decision.actions:
                await work.carry_out(self.shared.client, action, self.shared.source)
                self.shared.meters.wrote(self.link.cluster, action)
        except kube.ApiError as error:
            well = False
            if error.status != 409:
                self.log.warning("write refused", service=str(key), status=error.status, why=error.reason)
                condition = plan.Condition(False, "Error", f"{error.reason}"[:300])
            else:
                condition = self.conditions.get(key)
        except (IsthmusError, TimeoutError) as error:
            self.log.warning("source does not answer", service=str(key), why=str(error))
            return False
        if decision.again:
            self.queue.add(key)
        if key != PROBES and now.target.synced:
            await self._note(key, condition)
        return well

    async def _note(self, key: names.Key, condition: plan.Condition | None) -> None:
        before = self.conditions.get(key)
        if before == condition:
            return
        if condition is None:
            self.conditions.pop(key, None)
        else:
            self.conditions[key] = condition
        self._changed.set()
        if condition and not condition.mirrored and (before is None or before.reason != condition.reason):
            self.log.info("not mirrored", service=str(key), reason=condition.reason, why=condition.message)
            await self._event(condition.reason, f"{key} of {self.link.cluster}: {condition.message}")

    async def _event(self, reason: str, message: str) -> None:
        """An Event on the Link, here in the source where its owner looks; at most EVENTS a minute."""
        at = time.monotonic()
        if len(self._told) == EVENTS and at - self._told[0] < 60:
            return
        self._told.append(at)
        about = ObjectReference(
            apiVersion="multicluster.linkerd.io/v1alpha3",
            kind="Link",
            name=self.link.name,
            namespace=self.link.namespace,
            uid=self.link.uid,
        )
        event = Event(
            involvedObject=about,
            metadata=ObjectMeta(name=f"{self.link.name}.{time.time_ns():x}", namespace=self.link.namespace),
            type="Warning",
            reason=f"ServiceMirroringSkipped{reason}" if reason == "NameTaken" else "ServiceMirroringSkipped",
            message=message[:1000],
            reportingComponent=names.MIRROR_CONTROLLER,
        )
        try:
            await self.shared.client.create(event)
        except (IsthmusError, TimeoutError) as error:
            self.log.debug("event not recorded", why=str(error))

    # --- status ---

    async def _keep_status(self) -> None:
        """One batched writer: what changed within a second goes out in one patch, and nothing when nothing changed."""
        last: status.Doc | None = None
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._session and not self.settled:
                # The first full pass comes first: a status with half of the Services would be a lie.
                await self.queue.wait_idle()
                self.settled = True
            blocked = "the probe Service does not exist yet" if not self.link.identity else ""
            facts = {
                "Valid": self._valid,
                "TargetReachable": self._reach,
                "GatewayAlive": status.gateway_fact(self.board, self.link.hosts, blocked),
            }
            try:
                last = await write_status(
                    self.shared.client,
                    self.link.key,
                    last,
                    facts,
                    self.conditions if self.settled else None,
                    self.board,
                )
            except (IsthmusError, TimeoutError) as error:
                self.log.warning("status not written", why=str(error))
                self._changed.set()
                await asyncio.sleep(5 * STATUS)
            self.shared.meters.mirrors(self.link.cluster, self.conditions)
            await asyncio.sleep(STATUS)


async def write_status(
    client: kube.Client,
    key: names.Key,
    before: status.Doc | None,
    facts: dict[str, status.Fact],
    services: dict[names.Key, plan.Condition] | None,
    board: gateway.Board | None,
) -> status.Doc:
    """Patches a Link's status if it would change; what stands afterwards. `before` None: it is read first."""
    if before is None:
        found = await client.get(crds.Link, key.name, key.namespace)
        before = dict(found.status or {}) if found is not None else {}
    after = status.build(before, facts, services, board, shared.timestamp())
    if after != before:
        await client.patch_status(crds.Link, key.name, {"status": after}, key.namespace)
    return after


async def clear(link: spec.Link, common: shared.Shared) -> None:
    """Removes everything the Link has made in the source; tries until nothing is left. Needs nothing of the target."""
    empty = world.Target(link.cluster)
    limit = asyncio.Semaphore(WRITERS)

    async def remove(action: plan.Action) -> None:
        async with limit:
            await work.carry_out(common.client, action, common.source)

    tries = 0
    while actions := plan.teardown(plan.World(link, empty, common.source, ())):
        services = [a for a in actions if a.kind == "Service"]
        for batch in (services, [a for a in actions if a.kind != "Service"]):
            done = await asyncio.gather(*(remove(a) for a in batch), return_exceptions=True)
            failed = [e for e in done if isinstance(e, BaseException)]
            if failed:
                common.log.warning("clearing a link", link=link.name, left=len(failed), why=str(failed[0]))
                tries += 1
                await asyncio.sleep(min(10.0, 0.2 * 2 ** min(tries, 8)))
