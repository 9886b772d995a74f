"""Certificates for proxies: a service account's token and a signing request go in, a short-lived certificate comes out.

`request` and `issuer` think, `review` speaks of tokens, `api` answers, `keeper` follows the mounted issuer, `run` wires.
Never here: making trust anchors and issuers (see `isthmus.install`).
"""
