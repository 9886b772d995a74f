"""The main job as a demonstration: one Service in two clusters, a client in east, weights that move, numbers from the proxies.

In: two contexts whose clusters are linked, or nothing (then `run` makes a lab). Out: a live table and an exit code.
Rooms: `app` what is deployed, `measure` proxies' metrics to rows (pure), `story` which weights when (pure), `run` the shell.
Never here: anything a user of the mesh could not do too; every step is a public command or a Kubernetes object.
"""
