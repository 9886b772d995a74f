"""Which cluster a command speaks to. In: `--context` and kin, before or after the command's word. Out: one `Scope`; a cluster's name.

Never here: connecting (see `isthmus.kube.access`). A flag after the command's word wins over the same flag before it.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import click

from isthmus import names, units
from isthmus.cli import output
from isthmus.errors import BadValue


@dataclass(frozen=True, slots=True)
class Scope:
    """The cluster asked for: None means the kubeconfig's own choice."""

    context: str | None = None
    kubeconfig: str | None = None
    control_ns: str = names.CONTROL_NS
    verbose: bool = False


_FLAGS = (
    click.option("--context", default=None, metavar="NAME", help="The kubeconfig context of the cluster."),
    click.option(
        "--kubeconfig",
        default=None,
        metavar="PATH",
        help="The kubeconfig file. Default: $KUBECONFIG, else ~/.kube/config.",
    ),
    click.option(
        "-L",
        "--linkerd-namespace",
        "control_ns",
        default=None,
        envvar="LINKERD_NAMESPACE",
        help="Where the control plane lives. Default: linkerd.",
    ),
    click.option("--verbose", is_flag=True, help="Say more on stderr."),
)


def merge(
    parent: Scope, context: str | None, kubeconfig: str | None, control_ns: str | None, *, verbose: bool
) -> Scope:
    """`parent` with what was said again, later."""
    return replace(
        parent,
        context=context or parent.context,
        kubeconfig=kubeconfig or parent.kubeconfig,
        control_ns=control_ns or parent.control_ns,
        verbose=verbose or parent.verbose,
    )


def options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The cluster's flags, as they are."""
    return functools.reduce(lambda wrapped, flag: flag(wrapped), reversed(_FLAGS), command)


def flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the cluster's flags to a command; its function receives `scope: Scope` as a keyword."""

    @functools.wraps(command)
    def call(
        *args: Any, context: str | None, kubeconfig: str | None, control_ns: str | None, verbose: bool, **rest: Any
    ) -> Any:
        here = click.get_current_context()
        parent = here.find_object(Scope) or Scope()
        here.obj = merge(parent, context, kubeconfig, control_ns, verbose=verbose)
        return command(*args, scope=here.obj, **rest)

    return options(call)


def called(context: str, said: str | None, flag: str) -> str:
    """The name of a cluster: `said` by `flag`, else what its context tells; where that is not the context itself, people are told.

    Raises:
        BadValue: neither is a DNS label.
    """
    if said is not None:
        return units.dns_label(said, key=flag)
    made = names.cluster(context)
    if not made:
        raise BadValue("the context", context, f"{flag} west", why="it holds no name for a cluster")
    if made != context:
        output.say(f"note: cluster {context!r} is called {made!r} from here on; {flag} gives it another name")
    return made
