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
    def talk() -> None:
        stage.client.call("tcp", host=world.ECHO, port=9000, size=100)

    talk()
    before = [sent(pod) for pod in (stage.client, stage.server)]
    for _ in range(TIMES):
        talk()
    each = [(sent(pod) - old) / TIMES for pod, old in zip((stage.client, stage.server), before, strict=True)]
    print(f"segments a connection: {each[0]:.1f} from the client's pod, {each[1]:.1f} from the server's")
    # While ends and handshakes had packets of their own: 21.9 and 19.9.
    assert each[0] < 18 and each[1] < 15
