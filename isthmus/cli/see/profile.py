"""`isthmus profile`: a ServiceProfile to start from. In: a Service, an OpenAPI or proto file. Out: YAML for kubectl on stdout.

Never here: how files are read (see `openapi`), changes of a cluster.
"""

import pathlib
import sys
from typing import Any

import click

from isthmus import names, units
from isthmus.cli import scope as scopes
from isthmus.cli.see import openapi
from isthmus.errors import BadValue, IsthmusError
from isthmus.install import manifest

TEMPLATE: list[dict[str, Any]] = [
    {
        "name": "GET /books/{id}",
        "condition": {"method": "GET", "pathRegex": "/books/[^/]*"},
        "responseClasses": [{"condition": {"status": {"min": 500, "max": 599}}, "isFailure": True}],
        "isRetryable": True,
        "timeout": "300ms",
    }
]
BUDGET = {"retryRatio": 0.2, "minRetriesPerSecond": 10, "ttl": "10s"}


@click.command()
@click.argument("service")
@click.option("--template", is_flag=True, help="An example that has every field.")
@click.option("--open-api", metavar="FILE", help="A route for each path and method of an OpenAPI document; - is stdin.")
@click.option("--proto", metavar="FILE", help="A route for each rpc of a proto file; - is stdin.")
@click.option("-n", "--namespace", default="default", show_default=True, metavar="NS", help="The Service's namespace.")
@click.option("--cluster-domain", default=names.CLUSTER_DOMAIN, show_default=True, metavar="NAME")
@scopes.flags
def profile(
    *,
    service: str,
    template: bool,
    open_api: str | None,
    proto: str | None,
    namespace: str,
    cluster_domain: str,
    scope: scopes.Scope,  # noqa: ARG001 (taken as every command takes it; no cluster is asked)
) -> None:
    """Print a ServiceProfile for SERVICE, to look over and pipe to kubectl.

    \b
      isthmus profile --open-api books.yaml -n shop books | kubectl apply -f -
    """
    if [template, open_api is not None, proto is not None].count(True) != 1:
        raise BadValue(
            "profile",
            service,
            f"isthmus profile --template {service}",
            why="say one of --template, --open-api, --proto",
        )
    if open_api is not None:
        spec: dict[str, Any] = {"routes": openapi.from_openapi(_read(open_api), source=f"--open-api {open_api}")}
    elif proto is not None:
        spec = {"routes": openapi.from_proto(_read(proto), source=f"--proto {proto}")}
    else:
        spec = {"routes": TEMPLATE, "retryBudget": BUDGET}
    click.echo(manifest.write([document(service, namespace, cluster_domain, spec)]), nl=False)


def document(service: str, namespace: str, domain: str, spec: dict[str, Any]) -> dict[str, Any]:
    """The ServiceProfile of a Service.

    Raises:
        BadValue: a name is none.
    """
    units.dns_label(service, key="SERVICE")
    units.dns_label(namespace, key="--namespace")
    return {
        "apiVersion": "linkerd.io/v1alpha2",
        "kind": "ServiceProfile",
        "metadata": {"name": names.fq_service(service, namespace, domain), "namespace": namespace},
        "spec": spec,
    }


def _read(path: str) -> str:
    try:
        return sys.stdin.read(openapi.TEXT + 1) if path == "-" else pathlib.Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise IsthmusError(f"{path} cannot be read: {error}", hint="give a file, or - for stdin") from error
