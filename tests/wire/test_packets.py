"""A short opaque connection is few packets: handshakes' acknowledgements and ends have none of their own."""

import pytest

from tests.wire import conftest, pods, world

pytestmark = pytest.mark.wire
TIMES = 20


def sent(pod: pods.Pod) -> int:
    """TCP segments that left from the pod, loopback included (`/proc/net/snmp`, OutSegs)."""
    said = pods.run(*pod.inside("cat", "/proc/net/snmp"))
    names, values = [line.split() for line in said.splitlines() if line.startswith("Tcp:")]
    return int(values[names.index("OutSegs")])


def test_a_short_connection_is_few_packets(stage: conftest.Stage, state: world.State) -> None:
    each: list[tuple[int, int]] = []
    for _ in range(TIMES):
        before = sent(stage.client), sent(stage.server)
        stage.client.call("tcp", host=world.ECHO, port=9000, size=100)
        each.append((sent(stage.client) - before[0], sent(stage.server) - before[1]))
    least = min(client for client, _ in each), min(server for _, server in each)
    print(f"segments from the client's and the server's pod: at least {least}, of {each}")
    # While ends and handshakes had packets of their own: 18 and 19. A busy machine acknowledges more often, so the least counts.
    assert least[0] < 17 and least[1] < 15
