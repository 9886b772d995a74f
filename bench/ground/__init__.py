"""What every measurement of the proxies stands on: namespaces with our pair and the rivals' pairs, loads, the kernel's counts.

In: release builds, programs of Debian and the registries. Out: a `Stage`, a `Done`, CPU seconds. Never here: what is measured and why.
"""
