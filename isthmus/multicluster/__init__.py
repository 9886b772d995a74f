"""Services of other clusters: what the target of a Link exports appears in the source as ordinary Services.

A mirror's journey: target API > watch > `world` (parsed) > `plan` (decides) > `shell.work` (carries out) > `status` on the Link.
`spec` reads a Link, `gateway` judges the gateway's addresses, `shell.mirror` runs one Link, `run` is the process,
`link` and `objects` make what a link needs in both clusters. Never here: an API of our own; this plane only writes to Kubernetes.
"""
