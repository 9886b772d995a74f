"""The policy plane: who may call a port, and how traffic to a Service is routed and split (`inbound` and `outbound` of the proxy API).

world > authz, rules, settings > inbound, outbound > api; `status` tells routes' owners what became of them; `run` wires.
Never here: addresses of endpoints (destination), or anything remembered that Kubernetes does not hold.
"""
