"""The shell around the plan: sessions with targets, a queue of keys, writes, numbers, and the tasks of one Link.

Here is the I/O of this plane; what it decides is one floor up the page, in `plan`, `gateway` and `status`.
"""
