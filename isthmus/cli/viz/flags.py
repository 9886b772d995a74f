"""The flags of every word that shows traffic. In: a command line. Out: one `View`.

Never here: words for resources (see `resources`), asking.
Limits: a window of WINDOW_LEAST seconds at least, since Prometheus needs two readings in it.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import click

from isthmus import units
from isthmus.cli import scope as scopes
from isthmus.errors import BadValue

WINDOW_LEAST = 15.0
FORMS = ("table", "wide", "json")


@dataclass(frozen=True, slots=True)
class View:
    """What is asked of all clusters alike. `namespace` None: each context's own; `every_namespace` wins over it."""

    scope: scopes.Scope = field(default_factory=scopes.Scope)
    every_cluster: bool = False
    namespace: str | None = None
    every_namespace: bool = False
    window: str = "1m"
    form: str = "table"
    headers: bool = True
    watch: bool = False

    @property
    def wide(self) -> bool:
        return self.form == "wide"

    def space(self, own: str) -> str:
        """The namespace to ask about where a context's own is `own`; "" for all."""
        return "" if self.every_namespace else self.namespace or own


_WHERE = (
    click.option("--all-clusters", "every_cluster", is_flag=True, help="Every context that has the viz extension."),
    click.option("-n", "--namespace", metavar="NS", help="Default: the context's own."),
    click.option("-A", "--all-namespaces", "every_namespace", is_flag=True, help="Every namespace."),
)
_WINDOW = click.option(
    "-t", "--time-window", "window", default="1m", show_default=True, metavar="TIME", help="How far back; 15s or more."
)
_FORM = (
    click.option("-o", "--output", "form", type=click.Choice(FORMS), default="table", show_default=True),
    click.option("--no-headers", is_flag=True, help="Rows only."),
    click.option("-w", "--watch", is_flag=True, help="Again every 2 seconds, until Ctrl-C."),
)
selector = click.option("-l", "--selector", default="", metavar="LABELS", help="Resources with these labels only.")
"""For words whose resources are chosen by labels."""


def seeing(*, window: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the flags; the command's function receives `view: View`. Without `window` there is no -t."""
    options = (*_WHERE, *((_WINDOW,) if window else ()), *_FORM)

    def around(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def call(
            *args: Any,
            scope: scopes.Scope,
            every_cluster: bool,
            namespace: str | None,
            every_namespace: bool,
            form: str,
            no_headers: bool,
            watch: bool,
            **rest: Any,
        ) -> Any:
            view = View(
                scope=scope,
                every_cluster=every_cluster,
                namespace=namespace,
                every_namespace=every_namespace,
                window=checked(rest.pop("window")) if window else "1m",
                form=form,
                headers=not no_headers,
                watch=watch,
            )
            return command(*args, view=view, **rest)

        return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), scopes.flags(call))

    return around


def checked(window: str) -> str:
    """The window, if it can be asked for.

    Raises:
        BadValue: it is no duration, or too short.
    """
    if units.duration(window, key="--time-window", example='"1m"') < WINDOW_LEAST:
        raise BadValue("--time-window", window, '"1m"', why="at least 15s, since rates need two readings of each proxy")
    return window.strip()
