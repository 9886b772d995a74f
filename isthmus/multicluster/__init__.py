"""Services of other clusters: what the target of a Link exports appears in the source as ordinary Services.

A mirror's journey: target API > watch > `world` (parsed) > `plan` (decides) > `write` (carries out) > `status` on the Link.
`spec` reads a Link, `gateway` resolves and judges the gateway's addresses, `mirror` runs one Link, `run` is the process,
`join` and `objects` make what a link needs in both clusters. Never here: an API of our own; this plane only writes to Kubernetes.
"""
