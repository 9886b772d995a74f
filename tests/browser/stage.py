"""A backend of the page with a made-up mesh behind it, for the page's own tests and for its development (`python -m tests.browser.stage`).

In: a scene. Out: the same paths, shapes and headers as the real backend's (docs/dashboard.md). A test changes `Stage`'s fields
while it runs. Never here: what the real backend does; the tests of the running lab use that.
"""

import asyncio
import contextlib
import json
import pathlib
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Generator

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from isthmus.dashboard import shapes, shapes_more
from tests.browser import scenes

PAGE = pathlib.Path(__file__).parents[2] / "web" / "dist"
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html; charset=utf-8"}


class Stage:
    """What is played. `broken` cuts every stream and answers 503; `login` asks for the token "open", `raced` refuses to write."""

    def __init__(self) -> None:
        self.scene = "few"
        self.broken = False
        self.login = False
        self.weights = [50, 50]
        self.written = 0.0
        self.raced = False

    def view(self, name: str, query: dict[str, str]) -> shapes.Shape:
        now = time.time()
        overview = scenes.SCENES[self.scene](now)
        makers: dict[str, Callable[[], shapes.Shape]] = {
            "overview": lambda: overview,
            "namespaces": lambda: scenes.namespaces(now, overview),
            "workloads": lambda: scenes.workloads(
                now, overview, query.get("namespace", ""), query.get("kind", "deployment")
            ),
            "workload": lambda: scenes.workload(
                now, overview, shapes.Subject(*(query[k] for k in ("cluster", "namespace", "kind", "name")))
            ),
            "links": lambda: scenes.links(now),
            "splits": lambda: scenes.splits(now, self.weights, now - self.written),
            "policy": lambda: scenes.policy(now),
            "health": lambda: scenes.health(now),
        }
        return makers[name]()

    def session(self) -> shapes.Session:
        clusters = [shapes.ClusterRef(c, c, f"https://{c}:6443") for c in ("east", "west")]
        state = "needed" if self.login else "off"
        return shapes.Session("0.1.0", state, "", [] if self.login else clusters, ["1m", "5m", "15m"], "machine")


def sent(shape: shapes.Shape, status: int = 200) -> Response:
    return Response(msgspec.json.encode(shape), status, media_type="application/json")


def app(stage: Stage) -> Starlette:
    """The same paths as the real one's."""
    gone = shapes.Refusal("the stage is broken", "wait until it is mended")

    def events(make: Callable[[], tuple[str, shapes.Shape]], pause: float) -> Response:
        if stage.broken:
            return sent(gone, 503)

        async def lines() -> AsyncIterator[bytes]:
            while not stage.broken:
                event, data = make()
                yield b"event: %s\ndata: %s\n\n" % (event.encode(), msgspec.json.encode(data))
                await asyncio.sleep(pause)

        return StreamingResponse(lines(), media_type="text/event-stream")

    async def session(_: Request) -> Response:
        return sent(stage.session())

    async def login(request: Request) -> Response:
        if (await request.json())["token"] != "open":
            return sent(
                shapes.Refusal("the cluster does not know this token", "is it of this cluster, and not expired?"), 401
            )
        stage.login = False
        return sent(stage.session())

    async def view(request: Request) -> Response:
        return (
            sent(gone, 503)
            if stage.broken
            else sent(stage.view(request.path_params["view"], dict(request.query_params)))
        )

    async def live(request: Request) -> Response:
        name, query = request.path_params["view"], dict(request.query_params)
        return events(lambda: ("snapshot", stage.view(name, query)), 1.0)

    async def tap(request: Request) -> Response:
        joined = request.query_params.get("join") == "true"
        count = iter(range(1, 1_000_000))

        def batch() -> tuple[str, shapes.Shape]:
            n = next(count)
            rows = [scenes.tap_row(time.time(), 3 * n + i, joined=joined) for i in range(3)]
            return "tap", shapes_more.TapBatch(rows, 3 * n, 0)

        return events(batch, 0.25)

    async def top(_: Request) -> Response:
        began = time.time()
        return events(lambda: ("top", scenes.top(time.time(), int((time.time() - began) * 40))), 1.0)

    async def preview(request: Request) -> Response:
        change = msgspec.json.decode(await request.body(), type=shapes_more.SplitChange)
        lines = [shapes_more.DiffLine(" ", "  rules:"), shapes_more.DiffLine(" ", "  - backendRefs:")]
        for old, new in zip(stage.weights, change.weights, strict=True):
            lines += [shapes_more.DiffLine(" ", f"    - name: {new.name}")]
            lines += [
                shapes_more.DiffLine("-", f"      weight: {old}"),
                shapes_more.DiffLine("+", f"      weight: {new.weight}"),
            ]
        return sent(
            shapes_more.SplitPreview(
                change.version, True, lines, "kubectl --context east apply --server-side -f split.yaml"
            )
        )

    async def write(request: Request) -> Response:
        change = msgspec.json.decode(await request.body(), type=shapes_more.SplitChange)
        if stage.raced:
            return sent(
                shapes.Refusal("somebody changed this split since you looked", "look at the new weights and try again"),
                409,
            )
        stage.weights, stage.written = [one.weight for one in change.weights], time.time()
        return sent(shapes_more.SplitDone("v2", "HTTPRoute isthmus-demo/backend-split is written"))

    async def file(request: Request) -> Response:
        path = PAGE / request.path_params["path"]
        found = path if path.is_file() else PAGE / "index.html"
        headers = {"content-security-policy": POLICY}
        return Response(found.read_bytes(), media_type=TYPES.get(found.suffix), headers=headers)

    return Starlette(
        routes=[
            Route("/api/session", session),
            Route("/api/login", login, methods=["POST"]),
            Route("/api/view/{view}", view),
            Route("/api/live/{view}", live),
            Route("/api/tap", tap),
            Route("/api/top", top),
            Route("/api/split/preview", preview, methods=["POST"]),
            Route("/api/split", write, methods=["POST"]),
            Route("/{path:path}", file),
        ]
    )


@contextlib.contextmanager
def playing(port: int = 0) -> Generator[tuple[Stage, str]]:
    """The stage on a thread of its own, and its address."""
    stage = Stage()
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", port))
        config = uvicorn.Config(app(stage), log_level="error", lifespan="off", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield stage, f"http://127.0.0.1:{listening.getsockname()[1]}"
        stage.broken = True
        server.should_exit = True
        thread.join(5)


if __name__ == "__main__":
    with playing(8484) as (played, address):
        played.scene = sys.argv[1] if len(sys.argv) > 1 else "few"
        print(json.dumps({"address": address, "scene": played.scene}), flush=True)
        threading.Event().wait()
