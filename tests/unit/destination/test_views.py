"""Updates: what a client that applies them knows, and what streams share."""

from hypothesis import given
from hypothesis import strategies as st

from isthmus import names
from isthmus.destination import ask, endpoints, views, wire
from isthmus.rpc import destination_pb2 as pb
from isthmus.serve import topics
from tests.unit.destination.cluster import endpoint, known, node, put, service, slice_

WEB = ask.Named(names.Key("shop", "web"), 80)

hosts = st.integers(1, 6).map(lambda n: f"10.0.0.{n}")
made = st.builds(endpoints.Endpoint, hosts, st.just(80), identity=st.sampled_from(["", "a", "b"]))


def snapshot(found, label, *, exists=True):
    return endpoints.Snapshot(exists, (("service", label),), {e.addr: e for e in found} if exists else {})


snapshots = st.builds(snapshot, st.lists(made, max_size=6), st.sampled_from(["x", "y"]), exists=st.booleans())


class Client:
    """What a proxy makes of updates."""

    def __init__(self):
        self.exists: bool | None = None
        self.addrs: dict[bytes, bytes] = {}
        self.fewest = 0

    def take(self, update: pb.Update):
        match update.WhichOneof("update"):
            case "add":
                labels = dict(update.add.metric_labels)
                for one in update.add.addrs:
                    self.addrs[one.addr.SerializeToString()] = (
                        one.SerializeToString(deterministic=True) + str(labels).encode()
                    )
                self.exists = True
            case "remove":
                for addr in update.remove.addrs:
                    self.addrs.pop(addr.SerializeToString(), None)
            case _:
                self.addrs, self.exists = {}, update.no_endpoints.exists
        self.fewest = min(self.fewest, len(self.addrs))


def expected(of):
    said = {
        wire.address(e.addr).SerializeToString(): wire.weighted(e).SerializeToString(deterministic=True)
        for e in of.endpoints.values()
    }
    return {k: v + str(dict(of.labels)).encode() for k, v in said.items()}


@given(st.lists(snapshots, min_size=1, max_size=6))
def test_differences_applied_to_nothing_yield_the_last_snapshot(steps):
    client, before = Client(), None
    for after in steps:
        updates = wire.updates(before, after)
        client.fewest = len(client.addrs)
        floor = min(len(client.addrs), len(after.endpoints))
        for update in updates:
            client.take(update)
        assert client.addrs == expected(after) and client.exists == (after.exists or bool(after.endpoints))
        assert client.fewest >= floor
        assert not wire.updates(after, after)
        before = after


def test_many_addresses_go_in_several_messages():
    many = [endpoints.Endpoint(f"10.0.{n // 250}.{n % 250 + 1}", 80) for n in range(2 * wire.CHUNK + 1)]
    updates = wire.updates(None, snapshot(many, "x"))
    assert [len(u.add.addrs) for u in updates] == [wire.CHUNK, wire.CHUNK, 1]


def test_an_address_of_the_newer_family():
    assert wire.ip("2001:db8::1").ipv6.first == 0x20010DB800000000 and wire.ip("2001:db8::1").ipv6.last == 1


class Shared:
    """Views over a world that counts how often it is asked."""

    def __init__(self, *objects):
        self.world, self.board = known(*objects), topics.Board()
        self.views = views.Views(self.world, self.board)

    def seat(self, node="n1"):
        return views.Seat(self.world, self.views, WEB, ask.Client("shop", node, "p"))

    def put(self, one):
        self.board.ring(put(self.world, one))


def test_streams_get_the_very_same_bytes():
    shared = Shared(service(), slice_(endpoint("10.0.0.1")))
    one, two = shared.seat("n1"), shared.seat("n2")
    assert one.look(0)[0] is two.look(0)[0] and len(shared.views) == 1
    shared.put(slice_(endpoint("10.0.0.2")))
    assert one.look(0)[0] is two.look(0)[0] and one.look(0) == ()


def test_a_stream_that_missed_states_gets_one_difference():
    shared = Shared(service(), slice_(endpoint("10.0.0.1")))
    seat = shared.seat()
    seat.look(0)
    for n in range(2, 9):
        shared.put(slice_(endpoint(f"10.0.0.{n}")))
    added, removed = (pb.Update.FromString(u) for u in seat.look(0))
    assert [a.addr.ip.ipv4 & 0xFF for a in added.add.addrs] == [8] and len(removed.remove.addrs) == 1


def test_another_services_change_derives_nothing():
    shared = Shared(service(), slice_(endpoint("10.0.0.1")))
    seat = shared.seat()
    seat.look(0)
    shared.put(slice_(endpoint("10.0.0.9"), name="other-1", service="other"))
    assert seat.look(0) == () and not next(iter(shared.views._views.values())).stale


def test_a_service_that_keeps_to_its_nodes_moves_its_streams():
    shared = Shared(service(), slice_(endpoint("10.0.0.1", nodeName="n1"), endpoint("10.0.0.2", nodeName="n2")))
    seat = shared.seat()
    seat.look(0)
    shared.put(service(internalTrafficPolicy="Local"))
    assert pb.Update.FromString(seat.look(0)[0]).remove.addrs[0].ip.ipv4 & 0xFF == 2


def test_a_node_that_moves_to_another_zone_takes_its_streams_along_and_no_others():
    shared = Shared(service(), slice_(endpoint("10.0.0.1", zone="z1")), node("n1", "z1"), node("n2", "z1"))
    one, two = shared.seat("n1"), shared.seat("n2")
    one.look(0)
    two.look(0)
    shared.put(node("n1", "z2"))
    (update,) = one.look(0)
    assert pb.Update.FromString(update).add.addrs[0].metric_labels["zone_locality"] == "remote" and two.look(0) == ()


def test_idle_views_are_forgotten_and_used_ones_kept():
    shared = Shared(service())
    seat = shared.seat()
    seat.look(0.0)
    assert shared.views.sweep(1000.0) == 0
    seat.leave(1000.0)
    assert shared.views.sweep(1000.0 + views.IDLE - 1) == 0
    assert shared.views.sweep(1000.0 + views.IDLE) == 1 and shared.board.size == 0
