"""Measurements that can be repeated: ours beside peers, in namespaces of our own, interleaved in one run.

`proxies` compares the proxy pair with HAProxy; `clusters` times the lab's stories. Run as `python -m bench.proxies` (root). What they
stand on is in `ground`; `tuned` builds the proxy by a profile of these loads.
Never here: tests (a figure does not fail a build) or claims (those go into docs/performance.md, with command and date).
"""
