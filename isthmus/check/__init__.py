"""Is the mesh well? `facts` looks at a cluster once, `core` and `multicluster` judge what was seen, `table` lists all checks.

Judging is pure: a check is a function of `facts.Facts`, so every verdict can be told as a table in a test.
"""
