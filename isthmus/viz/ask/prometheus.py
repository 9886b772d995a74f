"""Questions to Prometheus. In: PromQL. Out: typed samples, or a refusal in a sentence.

Equal questions that are asked at once, or within FRESH seconds, are asked once: tables of many viewers ask the same.
Limits: SECONDS an answer, with its wait for a turn; AT_ONCE questions; BYTES an answer; KEPT answers kept, and none of those that are
no longer fresh when a question comes; TRIES of a question, PAUSE seconds apart.
Never here: what is asked (see `query`), what it means.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

import httpx2

from isthmus.errors import IsthmusError, Unreachable
from isthmus.viz.ask import samples

SECONDS = 8.0
AT_ONCE = 12
BYTES = 32 * 1024 * 1024
FRESH = 0.5
KEPT = 512
TRIES, PAUSE = 3, 0.2
T = TypeVar("T")


class Prometheus:
    """One Prometheus, by its URL. Close it, or use it in a process that does."""

    def __init__(
        self,
        url: str,
        *,
        seconds: float = SECONDS,
        most: int = BYTES,
        transport: httpx2.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self.lost = 0
        """Samples that were dropped, for as long as the process lives."""
        self.asked = 0
        self._seconds = seconds
        self._most = most
        limits = httpx2.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
        self._http = httpx2.AsyncClient(
            base_url=url,
            transport=transport,
            timeout=seconds,
            limits=limits,
            trust_env=False,
            follow_redirects=False,
            verify=url.startswith("https:"),  # the public authorities are 6 MB, which plain HTTP has no use for
        )
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._vectors = _Shared[samples.Vector](clock)
        self._matrices = _Shared[samples.Matrix](clock)

    @property
    def kept(self) -> int:
        """Answers that are held, or waited for, now."""
        return len(self._vectors) + len(self._matrices)

    async def close(self) -> None:
        """End its connections."""
        await self._http.aclose()

    async def instant(self, query: str) -> samples.Vector:
        """What holds now.

        Raises:
            Unreachable: no answer, or not in time. IsthmusError: Prometheus refuses, or answers with what is no answer.
        """

        async def ask() -> samples.Vector:
            found = samples.vector(await self._ask("query", {"query": query}))
            self.lost += found.lost
            return found

        return await self._vectors.get(query, ask)

    async def over(self, query: str, *, start: float, end: float, step: float) -> samples.Matrix:
        """What held from `start` to `end` (seconds since 1970), each `step` seconds. Raises as `instant`."""
        words = {"query": query, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}

        async def ask() -> samples.Matrix:
            found = samples.matrix(await self._ask("query_range", words))
            self.lost += found.lost
            return found

        return await self._matrices.get(tuple(words.values()), ask)

    async def _ask(self, verb: str, words: Mapping[str, str]) -> bytes:
        self.asked += 1
        try:
            async with asyncio.timeout(self._seconds), self._turn:
                return await self._post(f"/api/v1/{verb}", {**words, "timeout": f"{self._seconds:.0f}s"})
        except (TimeoutError, httpx2.TimeoutException):
            sentence = f"Prometheus at {self.url} did not answer in {self._seconds:.0f} s"
            raise Unreachable(sentence, hint="a shorter --time-window or fewer resources; is it overloaded?") from None
        except (httpx2.HTTPError, httpx2.StreamError, OSError) as error:
            sentence = f"Prometheus at {self.url} does not answer: {error or type(error).__name__}"
            raise Unreachable(sentence, hint="kubectl -n linkerd-viz get pods says whether it runs") from error

    async def _post(self, path: str, words: Mapping[str, str]) -> bytes:
        """One question; where not Prometheus but something on the way to it refuses, up to TRIES times."""
        status = 0
        for left in reversed(range(TRIES)):
            status, body = await self._once(path, words)
            if status < 400 or samples.refusal(body):
                return body
            if status < 500 or not left:
                break
            await asyncio.sleep(PAUSE)
        sentence = f"Prometheus at {self.url} answers with HTTP {status}"
        raise Unreachable(sentence, hint="--set prometheusUrl= names Prometheus itself")

    async def _once(self, path: str, words: Mapping[str, str]) -> tuple[int, bytes]:
        body = bytearray()
        async with self._http.stream("POST", path, data=dict(words)) as answer:
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > self._most:
                    sentence = f"the answer of Prometheus is larger than {self._most >> 20} MiB"
                    raise IsthmusError(sentence, hint="ask for one namespace, or fewer resources")
        return answer.status_code, bytes(body)


class _Shared(Generic[T]):
    """Answers by question: one that is under way is waited for, one of just now is told again. A failure is not kept."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[object, tuple[float, asyncio.Future[T]]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def get(self, key: object, ask: Callable[[], Awaitable[T]]) -> T:
        while True:
            born, known = self._known.get(key, (0.0, None))
            if known is None or (known.done() and self._clock() - born >= FRESH):
                return await self._first(key, ask)
            try:
                return await asyncio.shield(known)
            except asyncio.CancelledError:
                me = asyncio.current_task()
                if not known.cancelled() or (me is not None and me.cancelling()):
                    raise  # it is us who were told to stop; else who asked first was, and the next one asks

    async def _first(self, key: object, ask: Callable[[], Awaitable[T]]) -> T:
        made: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._keep(key, made)
        try:
            found = await ask()
        except BaseException as error:
            self._known.pop(key, None)
            if isinstance(error, IsthmusError):
                made.set_exception(error)
                made.exception()  # whoever waits is told; nobody need be there
            else:
                made.cancel()
            raise
        made.set_result(found)
        self._keep(key, made)
        return found

    def _keep(self, key: object, made: asyncio.Future[T]) -> None:
        now = self._clock()
        self._known.pop(key, None)
        for old in [k for k, (born, one) in self._known.items() if one.done() and now - born >= FRESH]:
            del self._known[old]
        while len(self._known) >= KEPT:
            self._known.pop(next(iter(self._known)))
        self._known[key] = (now, made)
