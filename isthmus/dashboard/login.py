"""Who looks, where a login is wanted. In: a Kubernetes token, later a cookie. Out: the clusters as whoever holds that token.

The token is kept in this process's memory and nowhere else; the cookie is random, cannot be read by scripts, is sent by our own page
alone, and is known here by its hash. Never here: rights (the API server's). Limits: SESSIONS sessions, IDLE seconds without a request,
LIFE seconds in all, TRIES logins at once, TOKEN bytes.
"""

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import cookies

from isthmus.dashboard import clusters, guard
from isthmus.errors import IsthmusError
from isthmus.kube import client as kube

COOKIE = "isthmus_session"
SESSIONS = 500
IDLE, LIFE = 3600.0, 12 * 3600.0
TRIES = 8
TOKEN = 16 * 1024
HINT = "kubectl create token ACCOUNT -n NAMESPACE gives one"

Enter = Callable[[str], clusters.Room]
"""Makes a room of a token."""


@dataclass(slots=True)
class Session:
    """A viewer. `who` tells sessions apart where work is shared; it tells nothing about the token."""

    who: str
    user: str
    room: clusters.Room
    began: float
    seen: float


class Logins:
    """Every session of one dashboard."""

    def __init__(
        self, enter: Enter, clock: Callable[[], float], *, busy: Callable[[str], bool], ended: Callable[[str], None]
    ) -> None:
        """`busy` tells whether a session has a stream open; `ended` hears of each that is over, before its connections are closed."""
        self._enter = enter
        self._clock = clock
        self._busy = busy
        self._ended = ended
        self._sessions: dict[str, Session] = {}
        self._trying = 0

    async def login(self, token: str) -> tuple[str, Session]:
        """The cookie's value and the session of a token that the API server knows.

        Raises:
            guard.Refused: it does not, or there are too many.
        """
        token = token.strip()
        if not token or len(token) > TOKEN or not token.isascii() or any(c.isspace() for c in token):
            raise guard.Refused(400, "that is no Kubernetes token", HINT)
        if self._trying >= TRIES:
            raise guard.Refused(429, "too many log in at once", "try again in a moment")
        await self.sweep()
        if len(self._sessions) >= SESSIONS:
            raise guard.Refused(429, f"{SESSIONS} viewers are logged in already", "come back later")
        self._trying += 1
        room = self._enter(token)
        try:
            user = await _user(room.clusters[0].client)
        except BaseException:
            await room.close()
            raise
        finally:
            self._trying -= 1
        value = secrets.token_urlsafe(32)
        now = self._clock()
        found = Session(_hash(value), user, room, now, now)
        self._sessions[found.who] = found
        return value, found

    def known(self, header: str) -> Session | None:
        """The session that a request's cookies name, unless it is over."""
        found = self._sessions.get(_hash(value)) if (value := _cookie(header)) else None
        if found is None or self._over(found):
            return None
        found.seen = self._clock()
        return found

    async def logout(self, found: Session) -> None:
        """End a session."""
        if self._sessions.pop(found.who, None) is not None:
            self._ended(found.who)
            await found.room.close()

    async def sweep(self) -> None:
        """End what is over."""
        for found in [s for s in self._sessions.values() if self._over(s)]:
            await self.logout(found)

    async def close(self) -> None:
        """End all."""
        for found in list(self._sessions.values()):
            await self.logout(found)

    def _over(self, found: Session) -> bool:
        now = self._clock()
        return (now - found.seen > IDLE and not self._busy(found.who)) or now - found.began > LIFE


async def _user(client: kube.Client) -> str:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        said = await client.raw("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    except kube.ApiError as refused:
        if refused.status == 401:
            raise guard.Refused(401, "the cluster does not know this token, or it has ended", HINT) from refused
        raise guard.Refused(502, f"the cluster does not say whose token it is: {refused.sentence}") from refused
    except IsthmusError as failed:
        raise guard.Refused(502, failed.sentence, failed.hint) from failed
    info: Mapping[str, str] = said.get("status", {}).get("userInfo", {})
    return str(info.get("username") or "")


def set_cookie(value: str) -> str:
    """The header that gives a browser its cookie; "" takes it away. The dashboard speaks HTTP behind a port-forward or an ingress, so
    the cookie is not bound to HTTPS.
    """
    age = int(LIFE) if value else 0
    return f"{COOKIE}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict"


def _cookie(header: str) -> str:
    try:
        found = cookies.SimpleCookie(header).get(COOKIE)
    except cookies.CookieError:
        return ""
    return found.value if found else ""


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()[:32]
