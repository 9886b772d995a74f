"""YAML that every reader takes the same way. In: plain documents. Out: text; and the other way round for people's files.

Readers differ: to one `yes`, `1e3`, `0o7`, `1_000`, `12:30:45`, `=` or a date is text, to another not. So text is written bare only
when it begins like a word or a path and is none of the words that some reader takes for a value; else it is quoted.
Never here: what documents mean. Limit: `read` refuses more than `DOCUMENT_LIMIT` documents or `TEXT_LIMIT` characters.
"""

import re
from collections.abc import Iterable
from typing import Any, cast

import yaml

from isthmus.errors import IsthmusError

Doc = dict[str, Any]

DOCUMENT_LIMIT = 10_000
TEXT_LIMIT = 64 * 1024 * 1024
_BARE = re.compile(r"^[A-Za-z/][A-Za-z0-9_./@$()=:-]*( [A-Za-z0-9_./@$()=-]+)*$")
_VALUE_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf", "infinity"})

# PyYAML built without libyaml has only the slower pair, which writes the same text.
Dumper: type[yaml.SafeDumper] = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def bare(text: str) -> bool:
    """Whether no reader takes `text`, unquoted, for anything but text."""
    return bool(_BARE.match(text)) and text.lower() not in _VALUE_WORDS and not text.endswith(":")


class _Writer(Dumper):  # type: ignore[misc, valid-type]  # chosen above
    """The dumper, without aliases and with our quoting."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent(writer: Any, text: str) -> yaml.ScalarNode:
    if "\n" in text and not re.search(r"[ \t]\n|^\s|[^\n\x20-\x7e]", text):
        return writer.represent_scalar("tag:yaml.org,2002:str", text, style="|")
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=None if bare(text) else '"')


_Writer.add_representer(str, _represent)


def write(docs: Iterable[Doc]) -> str:
    """The documents as one YAML stream, each with its `---`."""
    return "".join(
        f"---\n{yaml.dump(doc, Dumper=_Writer, sort_keys=False, default_flow_style=False, width=4096)}" for doc in docs
    )


def read(text: str, *, source: str) -> list[Doc]:
    """The documents of a YAML or JSON stream; empty ones are dropped.

    Raises:
        IsthmusError: the text is no YAML, or a document is no map; it names `source` and the line.
    """
    if len(text) > TEXT_LIMIT:
        raise IsthmusError(f"{source} has {len(text)} characters, the limit is {TEXT_LIMIT}", hint="split the file")
    try:
        found = [doc for doc in yaml.load_all(text, Loader=Loader) if doc is not None]
    except yaml.YAMLError as wrong:
        mark = getattr(wrong, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(wrong, "problem", None) or str(wrong)
        raise IsthmusError(
            f"{source}{place} is not YAML: {problem}",
            hint="check the file with: kubectl apply --dry-run=client -f FILE",
            code=2,
        ) from None
    if len(found) > DOCUMENT_LIMIT:
        raise IsthmusError(f"{source} has {len(found)} documents, the limit is {DOCUMENT_LIMIT}", hint="split the file")
    for number, doc in enumerate(found, 1):
        if not isinstance(doc, dict):
            raise IsthmusError(
                f"document {number} of {source} is no Kubernetes object",
                hint="it should begin with apiVersion: and kind:",
                code=2,
            )
    return cast("list[Doc]", found)
