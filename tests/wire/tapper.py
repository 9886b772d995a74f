"""A tap client: one session, its events as JSON. Run as a child process in a pod's network namespace; never imported by tests.

In: `tapper.py ADDRESS REQUEST [SECONDS]` (an ObserveRequest as JSON). Out: a line per event, then `{"end": code, "sentence": text}`. With
SECONDS the request is made anew each second for so long, as the tap service does; then only `{"events": n}` is said.
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


async def again(address: str, said: str, seconds: float) -> None:
    request = google.protobuf.json_format.ParseDict(json.loads(said), tap_pb2.ObserveRequest())
    loop, events = asyncio.get_running_loop(), 0
    end = loop.time() + seconds
    async with grpc.aio.insecure_channel(address) as channel:
        while loop.time() < end:
            began = loop.time()
            async for _ in tap_grpc.Tap(channel).Observe(request, timeout=LIMIT):
                events += 1
            await asyncio.sleep(max(0.0, began + 1 - loop.time()))
    print(json.dumps({"events": events}), flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        asyncio.run(again(sys.argv[1], sys.argv[2], float(sys.argv[3])))
    else:
        asyncio.run(main(sys.argv[1], sys.argv[2]))
