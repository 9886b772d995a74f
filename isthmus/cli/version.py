"""`isthmus version` and `isthmus completion`. In: a Scope. Out: text. Never here: checks (see `checks`)."""

import asyncio

import click
from click import shell_completion

import isthmus
from isthmus import errors
from isthmus.cli import scope as scopes

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.option("--client", is_flag=True, help="This program's version only; asks no cluster.")
@click.option("--short", is_flag=True, help="The bare numbers.")
@scopes.flags
def version(*, client: bool, short: bool, scope: scopes.Scope) -> None:
    """Versions of this program and of the control plane."""
    click.echo(isthmus.__version__ if short else f"Client version: {isthmus.__version__}")
    if client:
        return
    found = asyncio.run(_server(scope))
    click.echo(found if short else f"Server version: {found}")


async def _server(scope: scopes.Scope) -> str:
    """The control plane's version, or `unavailable`: asking after a version must not fail because a cluster is away."""
    from lightkube.resources.core_v1 import ConfigMap

    from isthmus.install import state, values
    from isthmus.kube import access, client

    try:
        speaker = client.Client(access.load(scope.context, scope.kubeconfig), timeout=5.0)
    except errors.IsthmusError as refused:
        if scope.context:
            raise
        return f"unavailable ({refused.sentence})"
    try:
        found = await speaker.get(ConfigMap, "linkerd-config", scope.control_ns)
    except errors.IsthmusError:
        return "unavailable"
    finally:
        await speaker.close()
    return values.version_of(state.data_of(found).get("values", "")) if found is not None else "not installed"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print a script that completes isthmus's words in your shell.

    \b
      bash:  source <(isthmus completion bash)
      zsh:   source <(isthmus completion zsh)
      fish:  isthmus completion fish | source
    """
    from isthmus.cli import main

    maker = shell_completion.get_completion_class(shell)
    if maker is None:
        raise errors.BadValue("shell", shell, "bash")
    click.echo(maker(main.root, {}, "isthmus", "_ISTHMUS_COMPLETE").source())
