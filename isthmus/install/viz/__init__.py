"""The viz extension as documents: a Prometheus, and what answers from it.

`values` are its choices, `plan` what all parts share, `parts` the list of them; each part is a file with one function `render`.
Never here: what is answered (see `isthmus.viz`), rules and alerts (see `isthmus/install/prometheus`).
"""
