"""Speak `io.linkerd.proxy.destination.Destination`. In: GetDestination. Out: streams of updates and of profiles.

A stream keeps what it last sent; when a topic of its rings it looks again and sends the difference, so a slow client skips states and
never gets an old one. A name without a Service is NotFound at the start; one whose Service goes later is told so and kept.
Never here: choices. Limits: those of `serve.topics.Board`; a full board answers RESOURCE_EXHAUSTED.
"""

from collections.abc import AsyncIterator, Callable

from isthmus.destination import answers, ask, views, world
from isthmus.rpc import destination_pb2 as pb
from isthmus.serve import grpc, latest, refusal, topics


class Api:
    """The plane's two streams over one world."""

    def __init__(self, known: world.World, board: topics.Board, clock: Callable[[], float]) -> None:
        self._known = known
        self._board = board
        self._clock = clock
        self.views = views.Views(known, board)

    def service(self) -> grpc.Service:
        """Ready to be served."""
        found = grpc.Service("io.linkerd.proxy.destination.Destination")
        found.stream("Get", pb.GetDestination.FromString, self.get)
        found.stream("GetProfile", pb.GetDestination.FromString, self.get_profile)
        return found

    async def get(self, request: pb.GetDestination) -> AsyncIterator[bytes]:
        """Endpoints of a Service's port: all that are known first, then each difference."""
        client = ask.client(request.context_token)
        try:
            asked = ask.name(request.path, self._known.mesh.cluster_domain)
            self._must_exist(asked)
        except refusal.Refused as why:
            raise grpc.refused(why) from None
        wake, seat = latest.Wake(), views.Seat(self._known, self.views, asked, client)
        try:
            with self._board.joined((asked.service,), wake.ring):
                while True:
                    for update in seat.look(self._clock()):
                        yield update
                    await wake.wait()
        except topics.Full:
            raise grpc.full() from None
        finally:
            seat.leave(self._clock())

    async def get_profile(self, request: pb.GetDestination) -> AsyncIterator[bytes]:
        """The profile of a name or an address, again whenever it differs."""
        client = ask.client(request.context_token)
        wake = latest.Wake()
        before = b"\xff"  # equal to no message, not even the empty one
        try:
            asked = ask.path(request.path, self._known.mesh.cluster_domain)
            if isinstance(asked, ask.Named):
                self._must_exist(asked)
            topic = asked.service if isinstance(asked, ask.Named) else asked.ip
            with self._board.joined((topic,), wake.ring):
                while True:
                    found = answers.profile(self._known, asked, client).SerializeToString(deterministic=True)
                    if found != before:
                        before = found
                        yield found
                    await wake.wait()
        except refusal.Refused as why:
            raise grpc.refused(why) from None
        except topics.Full:
            raise grpc.full() from None

    def _must_exist(self, asked: ask.Named) -> None:
        found = self._known.services.get(asked.service)
        if found is None:
            raise refusal.Refused("missing", f"there is no Service {asked.service}")
        if found.external:
            raise refusal.Refused(
                "invalid", f"Service {asked.service} is an ExternalName; ask for the name it stands for"
            )
