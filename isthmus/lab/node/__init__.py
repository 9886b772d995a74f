"""A node: what runs inside one cluster's namespaces. `python -m isthmus.lab.node SPEC` is its process number 1.

In: a `Spec` that `lab up` wrote, and commands on a socket. Out: Kubernetes' components, kept running, and a line for every step.
Never here: anything outside the namespaces it was started in.
"""
