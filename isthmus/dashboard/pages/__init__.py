"""What each page shows, found from what clusters answered. In: protobuf answers and Kubernetes objects. Out: shapes.

Pure: no socket, clock or logger. Never here: who is asked (see `dashboard.looks`), how things look (see `web/`).
"""
