"""One way to log: an event and fields are one line on stderr, plain or JSON. In: level and form, once a process. Out: `Logger`.

The standard library does the rest, and what other libraries tell it comes out in the same form, from warnings on. Why it is no library:
`docs/decisions/0018-own-log-lines.md`. Never here: what is worth a line; that is a change of mind, logged by the room whose mind changed.
"""

import contextlib
import datetime as dt
import json
import logging
import sys
from collections.abc import Mapping

from isthmus.errors import BadValue

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_OURS = logging.getLogger("isthmus")


class _Stderr(logging.Handler):
    """Whatever stands for stderr at the moment. A line that cannot be written is lost: there is nobody to tell."""

    def emit(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()


_OUT = _Stderr()


class Logger:
    """Says events, each with the fields bound to it."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields = fields

    def bind(self, **fields: object) -> "Logger":
        """The same with more fields in each line."""
        return Logger({**self._fields, **fields})

    def debug(self, event: str, **fields: object) -> None:
        """For who looks for a fault."""
        self._say(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        """A change of mind."""
        self._say(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """What somebody should mend."""
        self._say(logging.WARNING, event, fields)

    def error(self, event: str, *, exc_info: BaseException | None = None, **fields: object) -> None:
        """What ended something; with an exception's trace where one is given."""
        self._say(logging.ERROR, event, fields, exc_info)

    def exception(self, event: str, **fields: object) -> None:
        """As `error`, with the trace of the exception that is being handled."""
        self._say(logging.ERROR, event, fields, sys.exception())

    def _say(self, level: int, event: str, fields: Mapping[str, object], error: BaseException | None = None) -> None:
        _OURS.log(level, "%s", event, exc_info=error, extra={"fields": {**self._fields, **fields}})


class Lines(logging.Formatter):
    """A record as a line; in plain form a trace follows on lines of its own."""

    def __init__(self, form: str, role: str) -> None:
        super().__init__()
        self._json = form == "json"
        self._role = role

    def format(self, record: logging.LogRecord) -> str:
        event = record.getMessage()
        level = record.levelname.lower()
        when = (
            dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )
        fields: dict[str, object] = {"role": self._role, **getattr(record, "fields", {"logger": record.name})}
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        if self._json:
            last = {"exception": trace} if trace else {}
            return json.dumps({**fields, "event": event, "level": level, "timestamp": when, **last}, default=str)
        said = " ".join(f"{key}={_word(str(value))}" for key, value in fields.items())
        line = f"{when} [{level}] {' '.join(event.splitlines())} {said}"
        return f"{line}\n{trace}" if trace else line


def get() -> Logger:
    """A logger for what belongs to no one process, such as a watch; silent below warnings until `setup`."""
    return Logger({})


def setup(level: str, form: str, role: str) -> Logger:
    """Configure the process's logging once; `form` is `plain` or `json`."""
    if level not in LEVELS:
        raise BadValue("--log-level", level, '"info"', why="one of " + ", ".join(LEVELS))
    if form not in ("plain", "json"):
        raise BadValue("ISTHMUS_LOG_FORMAT", form, '"json"', why="neither plain nor json")
    _OUT.setFormatter(Lines(form, role))
    logging.getLogger().addHandler(_OUT)
    _OURS.setLevel(LEVELS[level])
    return get()


def _word(text: str) -> str:
    """A value as one word: quoted where it would not be read as one."""
    plain = text.isprintable() and not set(text) & set(" ='\"")
    return text if plain and text else repr(text)
