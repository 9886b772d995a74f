"""Everything a lab is started with, made or found: tools of the machine, our binaries, images. In: this environment. Out: a `Kit`.

The cache is shared by all labs of a user and by `isthmus lab build` and `images`, so one process at a time works on it; others wait and
say so. Never here: anything of a running lab.
"""

import contextlib
import dataclasses
import fcntl
import pathlib
from collections.abc import Callable, Generator, Mapping

from isthmus import errors
from isthmus.lab import build, layout, needs
from isthmus.lab.image import catalog

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True, slots=True)
class Kit:
    """What a lab is started with: tools of the machine, our binaries, archives of images, seconds a step may take."""

    tools: needs.Tools
    bin: pathlib.Path
    images: tuple[pathlib.Path, ...]
    limit: float


def kit(env: Mapping[str, str], say: Say) -> Kit:
    """All of it. Raises IsthmusError with what is missing."""
    cache = layout.cache_dir(env)
    limit = layout.patience(env)
    with lock(cache, say):
        tools = needs.find(cache, say)
        needs.optional(cache, say)
        folder = build.ensure(cache, say)
        images = catalog.build(catalog.places(cache, folder), say)
    return Kit(tools, folder, tuple(image.archive for image in images), limit)


def binaries(env: Mapping[str, str], say: Say) -> pathlib.Path:
    """The folder of our binaries, compiled when needed."""
    cache = layout.cache_dir(env)
    with lock(cache, say):
        return build.ensure(cache, say)


def images(env: Mapping[str, str], say: Say) -> list[catalog.Image]:
    """All our images, from what is built at this moment. Raises IsthmusError when one had to be left out."""
    cache = layout.cache_dir(env)
    with lock(cache, say):
        needs.programs(needs.IMAGED, needs.search(), say)
        needs.optional(cache, say)
        made = catalog.build(catalog.places(cache, build.ensure(cache, say)), say)
    if lost := catalog.lost(made):
        raise errors.IsthmusError(
            f"images could not be made: {', '.join(lost)}", hint="the lines above say what each of them lacks"
        )
    return made


@contextlib.contextmanager
def lock(cache: pathlib.Path, say: Say) -> Generator[None]:
    """The cache for this process alone; waits for another one, which says on its own terminal what it does."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lab.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another isthmus lab that works in {cache}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
