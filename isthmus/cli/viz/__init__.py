"""The words of the viz extension. In: words of the command line. Out: manifests, a changed cluster, tables.

Never here: what is answered (see `isthmus.viz`), what is installed (see `isthmus.install.viz`).
"""
