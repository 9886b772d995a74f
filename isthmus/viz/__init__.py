"""The metrics plane: what happened in a cluster, answered from Prometheus and the cluster's objects.

In: questions of the gRPC APIs `linkerd2.viz.Api` and `isthmus.viz.Insight`. Out: tables. Rooms: `answer` makes them of what `ask` and
`cluster` bring.
Never here: proxies being asked (Prometheus scrapes them), how a table looks (see `isthmus.cli`, `isthmus.dashboard`).
"""
