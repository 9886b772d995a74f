"""What each of our processes has: one task group, an admin port, graceful stop, and a way to speak gRPC or HTTPS.

runtime starts and stops; admin answers probes and Prometheus; grpc, web and https are the only rooms that know those
libraries; latest is the slot through which a change reaches a stream. Never here: what a plane decides.
"""
