"""How far back a question looks. In: text as Prometheus writes durations. Out: seconds, or a refusal.

A rate needs two samples, so a window is not shorter than SHORTEST. Never here: clocks.
Limits: LONGEST; POINTS points of a series.
"""

from dataclasses import dataclass

from isthmus import units
from isthmus.errors import BadValue
from isthmus.serve.refusal import Refused

SHORTEST, LONGEST = 15.0, 7 * 86400.0
DEFAULT = "1m"
POINTS = 240


@dataclass(frozen=True, slots=True)
class Window:
    """Seconds, and the text that said so."""

    seconds: float
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time that ends now, and the distance of its points; seconds."""

    seconds: float
    step: float


def read(text: str, *, key: str = "time_window") -> Window:
    """The window that `text` says; an empty one is DEFAULT.

    Raises:
        Refused: it is no duration, or too short or too long.
    """
    seconds = _seconds(text or DEFAULT, key)
    if not SHORTEST <= seconds <= LONGEST:
        raise Refused("invalid", f"{key} {text!r} is not from 15s to 7d; an example: {DEFAULT}")
    return Window(seconds, text or DEFAULT)


def span(length: str, step: str) -> Span:
    """A stretch of time; empty texts are 10m and 15s. A step that makes more than POINTS points is made longer.

    Raises:
        Refused: one is no duration, or out of bounds.
    """
    whole = read(length or "10m", key="range")
    apart = _seconds(step or "15s", "step")
    if not 1 <= apart <= whole.seconds:
        raise Refused("invalid", f"step {step!r} is not from 1s to the range; an example: 15s")
    return Span(whole.seconds, max(apart, whole.seconds / POINTS))


def _seconds(text: str, key: str) -> float:
    try:
        return 86400.0 * int(text[:-1]) if text.endswith("d") and text[:-1].isdigit() else units.duration(text, key=key)
    except BadValue as bad:
        raise Refused("invalid", f"{bad.sentence}; an example: {DEFAULT}") from None
