"""What a cluster holds, as far as its numbers need it. In: pods, Services, owners. Out: `world.World`, what there is to scrape.

Never here: Prometheus.
"""
