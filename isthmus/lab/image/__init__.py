"""Images without a container engine: the project's own programs as OCI archives, for the lab's nodes and for `isthmus lab images`.

In: binaries, the running Python, files of this package. Out: one archive for each image, in the cache.
Never here: a registry, a base image, a build inside a container.
"""
