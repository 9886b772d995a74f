"""The one room that talks to API servers. In: a kubeconfig or a pod's own account. Out: typed objects, kept in step.

access > credentials > client > watch > store; `crds` are the kinds Kubernetes does not know by itself, `lease` elects one of many.
Never here: what objects mean (see the planes). Kinds of Kubernetes itself are lightkube's (`lightkube.resources`), as they are.
"""
