"""A tap client: one session, its events as JSON. Run as a child process in a pod's network namespace; never imported by tests.

In: `tapper.py ADDRESS REQUEST` (an ObserveRequest as JSON). Out: a line per event, then `{"end": code, "sentence": text}`.
"""

import asyncio
import json
import sys

import google.protobuf.json_format
import grpc.aio

from isthmus.rpc import tap_grpc, tap_pb2

LIMIT = 20


async def main(address: str, said: str) -> None:
    request = google.protobuf.json_format.ParseDict(json.loads(said), tap_pb2.ObserveRequest())
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            async for event in tap_grpc.Tap(channel).Observe(request, timeout=LIMIT):
                print(json.dumps(google.protobuf.json_format.MessageToDict(event)), flush=True)
            print(json.dumps({"end": "OK", "sentence": ""}))
        except grpc.aio.AioRpcError as error:
            print(json.dumps({"end": error.code().name, "sentence": error.details()}))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
