"""What Prometheus is given besides targets: recording rules (`recording`, made from a table) and alerts (`alerts.yml`, data).

`files.rules` is all of it, by file name. Never here: what is scraped, how a Prometheus is installed (see `isthmus.install.viz`).
"""
