"""The inject plane: how the proxy gets into a pod.

`decide` says whether and with which settings, `parts` and `env` make the containers, `patch` puts them in, `documents` does the
same to YAML, `api` answers the API server's admission reviews, `run` wires. All but the last two are functions of their arguments.
"""
