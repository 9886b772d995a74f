"""The tap plane: live requests, by resource, from the proxies that carry them.

In: `TapByResource` of the aggregated API tap.linkerd.io. Out: events of the tapped proxies, with the names of both ends.
Never here: what is kept (nothing is), how events look (see `isthmus.cli`, `isthmus.dashboard`).
"""
