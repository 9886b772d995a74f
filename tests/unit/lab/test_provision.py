"""What a lab is started with: found in the cache, and made by one process at a time."""

import multiprocessing
import pathlib
import threading
import time

import pytest

from isthmus import errors
from isthmus.lab import build, provision


def said() -> tuple[list[str], provision.Say]:
    lines: list[str] = []
    return lines, lines.append


def test_what_was_built_is_found_and_not_built_again(tmp_path: pathlib.Path) -> None:
    kept = tmp_path / "lab-bin" / build.key()
    kept.mkdir(parents=True)
    (kept / "complete").touch()
    lines, say = said()
    assert provision.binaries({"ISTHMUS_CACHE": str(tmp_path)}, say) == kept
    assert lines == []


@pytest.mark.parametrize("limit", ["soon", "5", "-3s"])
def test_a_limit_that_is_no_time_is_refused_before_anything_is_made(tmp_path: pathlib.Path, limit: str) -> None:
    cache = tmp_path / "cache"
    _, say = said()
    with pytest.raises(errors.BadValue, match="ISTHMUS_LAB_LIMIT") as refused:
        provision.kit({"ISTHMUS_CACHE": str(cache), "ISTHMUS_LAB_LIMIT": limit}, say)
    assert '"600s"' in refused.value.hint
    assert not cache.exists()


def hold(cache: str, ready: str, seconds: float) -> None:
    with provision.lock(pathlib.Path(cache), lambda _: None):
        pathlib.Path(ready).touch()
        time.sleep(seconds)


def test_another_process_is_waited_for_and_that_is_said(tmp_path: pathlib.Path) -> None:
    ready = tmp_path / "ready"
    other = multiprocessing.get_context("fork").Process(target=hold, args=(str(tmp_path / "c"), str(ready), 0.3))
    other.start()
    while not ready.exists():
        time.sleep(0.005)
    lines, say = said()
    with provision.lock(tmp_path / "c", say):
        assert not other.is_alive() or other.join(1) is None
    assert lines == [f"waiting for another isthmus lab that works in {tmp_path / 'c'}"]


def test_the_lock_is_free_again_after_a_failure(tmp_path: pathlib.Path) -> None:
    lines, say = said()
    with pytest.raises(ZeroDivisionError), provision.lock(tmp_path, say):
        raise ZeroDivisionError
    done = threading.Event()
    with provision.lock(tmp_path, say):
        done.set()
    assert done.is_set() and lines == []
