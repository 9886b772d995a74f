"""What we put into a cluster. `values` are the choices, checked once; `core` and `multicluster` render them into documents; `trust`
makes or keeps certificates; `manifest` writes YAML; `state` reads what a cluster has; `rollout` applies, waits and removes.
"""
