"""The shell of the demonstration: make a lab when asked, install, link, deploy, move the weights, show what the proxies counted.

In: `Options`. Out: a live table on stdout, progress on stderr; an exit code that is 0 only when no request failed.
Never here: what is deployed (`app`), when weights move (`story`), arithmetic (`measure`).
Every wait has a limit: a rollout 120 s, the first answer of each cluster 60 s.
"""

import asyncio
import dataclasses
import json
import sys
import time
from collections.abc import Awaitable, Callable

from lightkube.resources.core_v1 import Pod

import isthmus
from isthmus import errors, names
from isthmus.demo import app, measure, story, table
from isthmus.kube import access, client

ROLLOUT_LIMIT = 120.0
ANSWER_LIMIT = 60.0
POLL = 0.25
LOG_LINES = 3600


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """What a person may choose. Seconds and requests per second. `source` and `target` are contexts; the names are what the link
    calls the clusters.
    """

    source: str
    target: str
    image: str
    source_name: str
    target_name: str
    rps: int = 200
    connections: int = 16
    phase_seconds: float = 8.0
    kubeconfig: str | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What the client itself counted over the whole demonstration."""

    requests: int
    failed: int
    first_answer: float


async def show(options: Options, clock: Callable[[], float] = time.monotonic) -> Outcome:
    """Deploy, wait for both clusters to answer, tell the story of the weights. Both clusters must be installed and linked."""
    began = clock()
    source = client.Client(access.load(options.source, options.kubeconfig))
    target = client.Client(access.load(options.target, options.kubeconfig))
    try:
        await _deploy(source, target, options)
        pod = await _client_pod(source, clock)
        await source.apply_dict(app.split(options.target_name, here=50, there=50))
        await _both_answer(source, pod, options, clock)
        first = clock() - began
        table.say(f"both clusters answer, {first:.1f} s after the first object was applied")
        baseline = await _client_counts(source, pod)
        for phase in story.migration(options.phase_seconds, options.source_name, options.target_name):
            await _play(source, pod, phase, options, clock)
        total = await _client_counts(source, pod)
        return Outcome(total[0] - baseline[0], total[1] - baseline[1], first)
    finally:
        await source.close()
        await target.close()


async def _deploy(source: client.Client, target: client.Client, options: Options) -> None:
    table.say(f"deploying {app.SERVICE} in {options.source} and {options.target}, a client in {options.source}")
    for cluster, name, exported in ((target, options.target_name, True), (source, options.source_name, False)):
        await cluster.apply_dict(app.namespace())
        for doc in app.backend(name, options.image, exported=exported):
            await cluster.apply_dict(doc)
    mirror = names.mirror(app.SERVICE, options.target_name)
    for doc in app.client(options.image, rps=options.rps, connections=options.connections):
        await source.apply_dict(doc)
    await _rollout(target, app.SERVICE)
    await _rollout(source, app.SERVICE)
    await _rollout(source, app.CLIENT)
    await _until(
        lambda: _has_service(source, mirror), f"the mirror {mirror} in {options.source}", ROLLOUT_LIMIT, time.monotonic
    )


async def _has_service(cluster: client.Client, name: str) -> bool:
    path = f"/api/v1/namespaces/{app.NAMESPACE}/services?fieldSelector=metadata.name%3D{name}"
    return bool((await cluster.raw("GET", path))["items"])


async def _rollout(cluster: client.Client, name: str) -> None:
    async def ready() -> bool:
        path = f"/apis/apps/v1/namespaces/{app.NAMESPACE}/deployments/{name}"
        doc = await cluster.raw("GET", path)
        status = doc.get("status", {})
        seen = status.get("observedGeneration", 0) >= doc["metadata"]["generation"]
        return seen and status.get("updatedReplicas", 0) >= 1 and status.get("availableReplicas", 0) >= 1

    await _until(ready, f"Deployment {app.NAMESPACE}/{name}", ROLLOUT_LIMIT, time.monotonic)


async def _client_pod(cluster: client.Client, clock: Callable[[], float]) -> str:
    """The client's one pod; while a Deployment rolls, the old one is still there and on its way out."""
    found: list[str] = []

    async def alone() -> bool:
        pods = await cluster.list(Pod, app.NAMESPACE, {"app": app.CLIENT})
        found[:] = [p.metadata.name for p in pods if p.metadata and p.metadata.name]
        return len(found) == 1

    await _until(alone, "the client's pod", ROLLOUT_LIMIT, clock)
    return found[0]


async def _both_answer(cluster: client.Client, pod: str, options: Options, clock: Callable[[], float]) -> None:
    async def answered() -> bool:
        seen = {peer.cluster for peer, totals in (await _scrape(cluster, pod, options)).items() if totals.ok > 0}
        return {options.source_name, options.target_name} <= seen

    await _until(answered, f"answers from {options.source} and {options.target}", ANSWER_LIMIT, clock)


async def _play(
    cluster: client.Client, pod: str, phase: story.Phase, options: Options, clock: Callable[[], float]
) -> None:
    await cluster.apply_dict(app.split(options.target_name, here=phase.here, there=phase.there))
    await asyncio.sleep(1.0)  # one period of the client: what is shown below was sent under these weights
    before, then = await _scrape(cluster, pod, options), clock()
    end = then + phase.seconds
    with table.live(phase) as draw:
        while clock() < end:
            await asyncio.sleep(min(1.0, max(0.05, end - clock())))
            page, now = await _scrape(cluster, pod, options), clock()
            draw(measure.rows(before, page, now - then), (await _client_counts(cluster, pod))[1])


async def _scrape(cluster: client.Client, pod: str, options: Options) -> measure.Snapshot:
    path = f"/api/v1/namespaces/{app.NAMESPACE}/pods/{pod}:{names.ADMIN_PORT}/proxy/metrics"
    return measure.read(await cluster.text(path), local=options.source_name, authority=app.SERVICE)


async def _client_counts(cluster: client.Client, pod: str) -> tuple[int, int]:
    """Requests and failures that the client has logged, one line a second; the last LOG_LINES of them."""
    path = f"/api/v1/namespaces/{app.NAMESPACE}/pods/{pod}/log?container=client&tailLines={LOG_LINES}"
    return measure.counts(await cluster.text(path))


async def _until(test: Callable[[], Awaitable[bool]], what: str, limit: float, clock: Callable[[], float]) -> None:
    end = clock() + limit
    last: Exception | None = None
    while clock() < end:
        try:
            if await test():
                return
        except errors.IsthmusError as error:
            last = error
        await asyncio.sleep(POLL)
    cause = f" ({last})" if last else ""
    raise errors.IsthmusError(f"{what}: not within {limit:.0f} s{cause}", hint="`isthmus check` names what is broken")


def manifests(options: Options, part: str, weights: str) -> str:
    """What is applied by `show`, as JSON documents that kubectl takes: of the source, of the target, or the split."""
    if part == "split":
        east, _, west = weights.partition("/")
        if not (east.isdigit() and west.isdigit()) or int(east) + int(west) == 0:
            raise errors.BadValue("--weights", weights, "50/50")
        docs = [app.split(options.target_name, here=int(east), there=int(west))]
    elif part == "target":
        docs = [app.namespace(), *app.backend(options.target_name, options.image, exported=True)]
    else:
        client_docs = app.client(options.image, rps=options.rps, connections=options.connections)
        docs = [app.namespace(), *app.backend(options.source_name, options.image, exported=False), *client_docs]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": docs}, indent=2)


def default_image() -> str:
    """The image that the lab's nodes hold."""
    return f"localhost/isthmus-demo:{isthmus.__version__}"


async def command(*words: str) -> None:
    """Run one of our own commands as a user would; its output goes to stderr. Raises when it fails."""
    table.say("$ isthmus " + " ".join(words))
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "isthmus", *words, stdout=sys.stderr)
    code = await child.wait()
    if code:
        raise errors.IsthmusError(
            f"isthmus {' '.join(words)} ended with {code}", hint="its own words are above", code=code
        )


async def asked(*words: str) -> tuple[int, str]:
    """Exit code and output of one of our commands that only looks."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "isthmus", *words, stdout=pipe, stderr=null)
    said, _ = await child.communicate()
    return child.returncode or 0, said.decode().strip()


async def whole(options: Options) -> Outcome:
    """From nothing: a lab (or the one that is up), the mesh in both clusters, a link, then `show`."""
    code, _ = await asked("lab", "status")
    if code:
        await command("lab", "up")
    _, kubeconfig = await asked("lab", "kubeconfig", "--path")
    where = ("--kubeconfig", kubeconfig)
    installs = (command("install", "--apply", "--context", name, *where) for name in (options.source, options.target))
    await asyncio.gather(*installs)
    called = ("--source-name", options.source_name, "--cluster-name", options.target_name)
    await command("link", options.source, options.target, "--apply", *called, *where)
    outcome = await show(dataclasses.replace(options, kubeconfig=kubeconfig))
    await _measured(options, where)
    return outcome


async def _measured(options: Options, where: tuple[str, str]) -> None:
    """The viz extension in both clusters; the main job is done without it, so that it fails is told and no more."""
    words = ("viz", "install", "--apply", "--set", "scrapeInterval=1s", *where)
    try:
        await asyncio.gather(*(command(*words, "--context", name) for name in (options.source, options.target)))
    except errors.IsthmusError as error:
        table.say(f"goes on without the viz extension: {error}")
