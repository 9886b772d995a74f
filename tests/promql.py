"""What an expression asks for: families, the labels it selects by, the labels it keeps. In: PromQL of ours. Out: names.

Enough for what our rules and dashboards say, no parser: that an expression is one is `promtool`'s to tell.
"""

import re
from dataclasses import dataclass

WORDS = frozenset(
    {"by", "without", "on", "ignoring", "and", "or", "unless", "offset", "bool", "group_left", "group_right"}
)


@dataclass(frozen=True, slots=True)
class Asked:
    """`selected`: (family, label); `kept`: labels in `by`, `without` and `on`."""

    families: frozenset[str]
    selected: frozenset[tuple[str, str]]
    kept: frozenset[str]


def asked(expr: str) -> Asked:
    bare = re.sub(r'"[^"]*"', '""', expr)
    selected = {
        (name, label)
        for name, inner in re.findall(r"([a-zA-Z_:][\w:]*)\{([^}]*)\}", bare)
        for label in re.findall(r"(\w+)\s*[!=][=~]?", inner)
    }
    groups = re.findall(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)", bare)
    kept = {label.strip() for group in groups for label in group.split(",")}
    rest = re.sub(r"\b(?:by|without|on|ignoring)\s*\([^)]*\)|\{[^}]*\}|\[[^\]]*\]", " ", bare)
    names = re.findall(r"(?<![\w:$.])([a-zA-Z_:][\w:]*)\b(?!\s*\()", rest)
    families = {name for name in names if name not in WORDS and not re.fullmatch(r"\d*[smhd]", name)}
    return Asked(frozenset(families), frozenset(selected), frozenset(kept))
