"""Who waits for what. In: topics that changed. Out: the callbacks of those who joined them, called at once, each at most once.

A plane's index says which topics a change touches; streams join the few that concern them, so a change costs what it concerns.
Never here: what a topic means. Limit: LIMIT members; one more is refused, and its client told to come back.
"""

from collections import defaultdict
from collections.abc import Callable, Generator, Hashable, Iterable
from contextlib import contextmanager
from typing import Protocol, TypeVar

from isthmus import names

LIMIT = 50_000
EVERY = object()
"""The topic that all members have joined."""

Topic = Hashable
Ring = Callable[[], None]
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Full(Exception):
    """The board has no room."""


class Board:
    """Members by topic."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._members: defaultdict[Topic, dict[int, Ring]] = defaultdict(dict)
        self._limit = limit
        self._next = 0
        self.size = 0

    @contextmanager
    def joined(self, topics: Iterable[Topic], ring: Ring) -> Generator[None]:
        """While the block runs, `ring` is called when one of `topics` changes.

        Raises:
            Full: too many members.
        """
        leave = self.join(topics, ring)
        try:
            yield
        finally:
            leave()

    def join(self, topics: Iterable[Topic], ring: Ring) -> Ring:
        """As `joined`, until what is returned is called."""
        if self.size >= self._limit:
            raise Full
        number, chosen = self._next, (*topics, EVERY)
        self._next += 1
        self.size += 1
        for topic in chosen:
            self._members[topic][number] = ring

        def leave() -> None:
            if number not in self._members.get(EVERY, {}):
                return
            self.size -= 1
            for topic in chosen:
                self._members[topic].pop(number, None)
                if not self._members[topic]:
                    del self._members[topic]

        return leave

    def ring(self, topics: Iterable[Topic]) -> None:
        """Wake whom these topics concern."""
        rung: dict[int, Ring] = {}
        for topic in topics:
            rung |= self._members.get(topic, {})
        for call in rung.values():
            call()


class Answer:
    """One answer, worked out when it is asked for and something it rests on has rung. What the work raises is not kept."""

    def __init__(self, ask: Callable[[], bytes]) -> None:
        self._ask = ask
        self._known: bytes | None = None
        self.users = 0
        self.leave: Ring = lambda: None

    def soil(self) -> None:
        self._known = None

    def __call__(self) -> bytes:
        if self._known is None:
            self._known = self._ask()
        return self._known


class Memo:
    """Answers shared by those who ask the same at the same time. An answer goes with its last user."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._answers: dict[Hashable, Answer] = {}

    def __len__(self) -> int:
        return len(self._answers)

    @contextmanager
    def shared(self, question: Hashable, topics: Iterable[Topic], ask: Callable[[], bytes]) -> Generator[Answer]:
        """While the block runs, the answer to `question`, which rests on `topics`.

        Raises:
            Full: too many members on the board.
        """
        found = self._answers.get(question)
        if found is None:
            found = Answer(ask)
            found.leave = self._board.join(topics, found.soil)
            self._answers[question] = found
        found.users += 1
        try:
            yield found
        finally:
            found.users -= 1
            if not found.users:
                found.leave()
                del self._answers[question]


class Source(Protocol[R_co]):
    """A store, as much of it as `follow` needs."""

    def get(self, key: names.Key) -> R_co | None: ...

    def subscribe(self, fn: Callable[[frozenset[names.Key]], None]) -> Callable[[], None]: ...


def follow(
    store: Source[R], board: Board, put: Callable[[R], Iterable[Topic]], drop: Callable[[names.Key], Iterable[Topic]]
) -> None:
    """Hand a store's changes to an index, for the life of the process, and ring what the index says they touch."""

    def changed(keys: frozenset[names.Key]) -> None:
        touched: set[Topic] = set()
        for key in keys:
            found = store.get(key)
            touched |= set(drop(key) if found is None else put(found))
        board.ring(touched)

    store.subscribe(changed)
