"""How long a proxy takes from its exec to `/ready`: `starter.py PROGRAM UID ROUNDS`, run in a pod's namespace with the proxy's environment.

Out: milliseconds of each round, one a line. The clock starts at the fork that becomes the proxy: `ip netns exec` and `setpriv`, which a
container does not have either, are over by then. Standard library alone; each round at most TEN seconds. Never here: a verdict.
"""

import contextlib
import socket
import subprocess
import sys
import time

ADMIN = ("127.0.0.1", 4191)
ASK = b"GET /ready HTTP/1.1\r\nhost: proxy\r\nconnection: close\r\n\r\n"
TEN = 10.0


def ready() -> bool:
    with contextlib.suppress(OSError), socket.create_connection(ADMIN, 1) as conn:
        conn.sendall(ASK)
        return conn.recv(64).startswith(b"HTTP/1.1 200")
    return False


def once(program: str, uid: int) -> float:
    began = time.monotonic()
    proxy = subprocess.Popen([program], user=uid, group=uid, extra_groups=[])
    try:
        while not ready() and time.monotonic() < began + TEN:
            time.sleep(0.0005)
        return time.monotonic() - began
    finally:
        proxy.kill()
        proxy.wait()


if __name__ == "__main__":
    for _ in range(int(sys.argv[3])):
        print(f"{once(sys.argv[1], int(sys.argv[2])) * 1000:.1f}", flush=True)
