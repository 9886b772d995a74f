"""The tables. In: rows of Prometheus, a cluster's world. Out: messages of the APIs. Pure. Never here: asking."""
