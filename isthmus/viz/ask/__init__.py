"""Asking a Prometheus. In: what to select, a window. Out: PromQL, then rows and lines. Never here: what they mean, a cluster's objects."""
