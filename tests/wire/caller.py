"""The lab's caller with one more word: `one` request, its answer and how long it took. Run inside a pod; never imported by tests."""

import json
import sys
import time
from typing import Any

from tests.lab import caller


def one(host: str, port: int, name: str, path: str = "/", headers: dict[str, str] | None = None) -> dict[str, Any]:
    start = time.monotonic()
    status, answered, body = caller.get(host, port, path, name, headers)
    return {"status": status, "headers": answered, "body": body.decode(), "seconds": time.monotonic() - start}


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    do = {**caller.DO, "one": one}
    print(json.dumps(do[order.pop("do")](**order)))
