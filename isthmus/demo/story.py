"""Which weights when. Pure: seconds in, phases out.

In: how long a phase lasts, the clusters' names. Out: the migration source > target and back to an even split, as `Phase`s.
Never here: names of Services (see `app`), applying a weight (see `run`).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Phase:
    """A split that stands for a while: weights of the source's and of the target's Service, and seconds."""

    title: str
    here: int
    there: int
    seconds: float


def migration(seconds: float, source: str = "east", target: str = "west") -> list[Phase]:
    """100/0, 50/50, 0/100, and back to 50/50."""

    def phase(words: str, here: int, there: int) -> Phase:
        return Phase(f"{words}: {source} {here} / {target} {there}", here, there, seconds)

    return [
        phase(f"everything stays in {source}", 100, 0),
        phase(f"half of it moves to {target}", 50, 50),
        phase(f"all of it moves to {target}", 0, 100),
        phase("back to an even split", 50, 50),
    ]
