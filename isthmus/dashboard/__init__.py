"""The dashboard's backend. In: a browser's questions, the clusters it may show. Out: JSON, streams of events, the page's files.

Never here: queries (see `isthmus.viz`), how things look (see `web/`).
"""
