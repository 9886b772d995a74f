"""One way to log: an event and fields, as JSON lines or plain text on stderr. In: level and format. Out: a structlog logger.

Never here: what is worth a line; that is a change of mind, logged by the room whose mind changed.
"""

import logging
import sys

import structlog

from isthmus.errors import BadValue

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

Logger = structlog.typing.FilteringBoundLogger


def setup(level: str, form: str, role: str) -> Logger:
    """Configure the process's logging once; `form` is `plain` or `json`."""
    if level not in LEVELS:
        raise BadValue("--log-level", level, '"info"', why="one of " + ", ".join(LEVELS))
    if form not in ("plain", "json"):
        raise BadValue("ISTHMUS_LOG_FORMAT", form, '"json"', why="neither plain nor json")
    last: structlog.typing.Processor
    last = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logger: Logger = structlog.get_logger().bind(role=role)
    return logger
