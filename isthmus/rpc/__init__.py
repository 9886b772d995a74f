"""The wire's messages: Python modules generated from Linkerd's proxy API. In: bytes. Out: typed messages, and the bytes again.

`tools/gen_rpc.py` makes `<file>_pb2` and `<file>_grpc` (clients) beside this file; git does not keep them. Import them one by one:
`from isthmus.rpc import destination_pb2, net_pb2`. Never here: decisions, defaults, or messages Linkerd does not know.
"""
