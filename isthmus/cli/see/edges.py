"""`isthmus edges`: who is connected to whom, and is it secured. In: words for resources. Out: a row for each pair.

Never here: asking (see `isthmus.viz.client`).
"""

from collections.abc import Iterable, Sequence

import click

from isthmus.cli.viz import ask, flags, resources, several, show, table, why
from isthmus.rpc import viz_pb2 as pb
from isthmus.viz import client as viz

_IDENTITY = ".serviceaccount.identity."


@click.command()
@click.argument("words", nargs=-1, metavar="RESOURCE", type=resources.Word())
@flags.seeing(window=False)
@flags.selector
def edges(*, words: tuple[str, ...], view: flags.View, selector: str) -> int:
    """Who is connected to whom, with which identities, and whether it is mTLS.

    \b
      isthmus edges deploy -n shop
      isthmus edges po -A -o wide
    """
    wanted = resources.parse(words)
    ask.named_once(wanted, view)

    async def work(cluster: several.Cluster) -> show.Found:
        space = view.space(cluster.namespace)

        async def one(this: resources.Resource) -> list[table.Row]:
            chosen = pb.ResourceSelection(resource=ask.resource(this, space), label_selector=selector)
            answer = await cluster.metrics.ask(viz.API, "Edges", pb.EdgesRequest(selector=chosen), pb.EdgesResponse)
            ask.well(answer)
            return rows(answer.ok.edges)

        found = await ask.each(wanted, one)
        return show.Found(found, () if found else [await why.explain(cluster, wanted[0], view)])

    return show.run(view, work, lambda found: layout(found, wide=view.wide))


def rows(answer: Iterable[pb.Edge]) -> list[table.Row]:
    """Pure: rows by both ends."""
    made = [
        {
            "src": one.src.name,
            "src_namespace": one.src.namespace,
            "dst": one.dst.name,
            "dst_kind": one.dst.type,
            "dst_namespace": one.dst.namespace,
            "client_id": short(one.client_id),
            "server_id": short(one.server_id),
            "no_tls_reason": one.no_identity_msg,
        }
        for one in answer
    ]
    return sorted(made, key=lambda row: (row["src_namespace"], row["dst_namespace"], row["src"], row["dst"]))


def short(identity: str) -> str:
    """`account.namespace` of an identity; one of another shape stays."""
    return identity.partition(_IDENTITY)[0]


def layout(found: Sequence[table.Row], *, wide: bool) -> list[table.Table]:
    """SRC, DST, their namespaces, identities when wide, and √ or the reason why it is not secured."""
    columns = [table.text("SRC", "src"), table.Column("DST", _dst)]
    columns += [table.text("SRC_NS", "src_namespace"), table.text("DST_NS", "dst_namespace")]
    if wide:
        columns += [table.text("CLIENT_ID", "client_id"), table.text("SERVER_ID", "server_id")]
    columns.append(
        table.Column(
            "SECURED",
            lambda row: row["no_tls_reason"] or "√",
            tint=lambda row: "yellow" if row["no_tls_reason"] else "green",
        )
    )
    return [table.Table(columns, found)]


def _dst(row: table.Row) -> str:
    """An end outside the cluster is the Service it was called by, which its kind tells."""
    return f"svc/{row['dst']}" if row["dst_kind"] == "service" else row["dst"]
