"""Which weights when. Pure: names in, phases out.

In: how long a phase lasts. Out: the migration east > west and back to an even split, as `Phase`s.
Never here: applying a weight (see `run`).
"""

from dataclasses import dataclass

from isthmus import names
from isthmus.demo import app


@dataclass(frozen=True, slots=True)
class Phase:
    """A split that stands for a while, and the share of west we expect to measure."""

    title: str
    east: int
    west: int
    seconds: float

    @property
    def weights(self) -> dict[str, int]:
        """Service name to weight, as the route takes it."""
        return {app.SERVICE: self.east, names.mirror(app.SERVICE, "west"): self.west}

    @property
    def expected_west(self) -> float:
        """Share of requests that west should answer."""
        return self.west / (self.east + self.west)


def migration(seconds: float) -> list[Phase]:
    """100/0, 50/50, 0/100, and back to 50/50."""
    return [
        Phase("everything stays in east", 100, 0, seconds),
        Phase("half of it moves to west", 50, 50, seconds),
        Phase("all of it moves to west", 0, 100, seconds),
        Phase("back to an even split", 50, 50, seconds),
    ]


def tolerance(requests: float) -> float:
    """Five standard deviations of a share of a half over this many requests: what chance alone does not exceed."""
    return 5 * 0.5 / max(1.0, requests) ** 0.5
