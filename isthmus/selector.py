"""Label selectors as people write them: `app=web,tier!=db,env in (a,b),!old`. In: text. Out: a test of labels. Pure.

Never here: what the labels are of. Limit: TERMS terms.
"""

import re
from collections.abc import Callable, Mapping

from isthmus.errors import BadValue

TERMS = 32
Labels = Mapping[str, str]
_TERM = re.compile(
    r"""\s*(?:
    (?P<key>[\w./-]+)\s*(?P<how>==|!=|=)\s*(?P<value>[\w.-]*)
    |(?P<set>[\w./-]+)\s+(?P<in>in|notin)\s*\((?P<values>[\w.,\s-]*)\)
    |(?P<no>!?)\s*(?P<has>[\w./-]+)
    )\s*(?:,|$)""",
    re.VERBOSE,
)


def read(text: str, *, key: str = "label_selector") -> Callable[[Labels], bool]:
    """The test a selector stands for; an empty one takes everything.

    Raises:
        BadValue: it cannot be read.
    """
    terms: list[Callable[[Labels], bool]] = []
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if not found or found.end() == at or len(terms) >= TERMS:
            raise BadValue(key, text, '"app=web,tier!=db"', why="no label selector")
        terms.append(_term(found))
        at = found.end()
    return lambda labels: all(term(labels) for term in terms)


def _term(found: re.Match[str]) -> Callable[[Labels], bool]:
    if found["key"]:
        key, value, equal = found["key"], found["value"], found["how"] != "!="
        return lambda labels: (labels.get(key) == value) is equal
    if found["set"]:
        name, values, within = found["set"], {v.strip() for v in found["values"].split(",")}, found["in"] == "in"
        return lambda labels: (labels.get(name) in values) is within
    there, wanted = found["has"], not found["no"]
    return lambda labels: (there in labels) is wanted
