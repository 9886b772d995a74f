"""The lab: real Kubernetes clusters on one Linux machine, joined only by a link that stands for the internet.

In: names of clusters. Out: running clusters, a kubeconfig, ways to break them on purpose. Everything lives in namespaces of its own.
Never here: anything the mesh relies on. Against any other cluster Isthmus uses kubeconfig contexts and never looks in here.
"""
