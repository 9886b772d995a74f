"""The destination plane: which addresses answer for a name, and how each is spoken to (`io.linkerd.proxy.destination.Destination`).

ask > world > endpoints, profile > views, wire > api; `run` wires. Pods, Services, slices and profiles come in by watches; streams of
updates go out to proxies. Never here: routes and authorization (policy), or anything remembered that Kubernetes does not hold.
"""
