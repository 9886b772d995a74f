"""Which weights when. Pure: seconds in, phases out.

In: how long a phase lasts. Out: the migration east > west and back to an even split, as `Phase`s.
Never here: names of Services (see `app`), applying a weight (see `run`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A split that stands for a while: weights of the source's and of the target's Service, and seconds."""

    title: str
    east: int
    west: int
    seconds: float


def migration(seconds: float) -> list[Phase]:
    """100/0, 50/50, 0/100, and back to 50/50."""
    return [
        Phase("everything stays in east", 100, 0, seconds),
        Phase("half of it moves to west", 50, 50, seconds),
        Phase("all of it moves to west", 0, 100, seconds),
        Phase("back to an even split", 50, 50, seconds),
    ]
