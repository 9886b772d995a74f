"""A Kubernetes token is a session for a while, kept here alone."""

import pytest

from isthmus.dashboard import guard, login
from tests.unit.dashboard import doubles

USERS = {"good": "system:serviceaccount:demo:viewer"}


class Door:
    """Logins of a cluster with one user; the clock is the test's."""

    def __init__(self, users=None):
        self.now, self.ended, self.busy, self.rooms = 0.0, list[str](), False, 0
        self.logins = login.Logins(self.enter, lambda: self.now, busy=lambda _: self.busy, ended=self.ended.append)

    def enter(self, token):
        self.rooms += 1
        return doubles.room(doubles.cluster(server=doubles.Kube({}, USERS), token=token))

    async def cookie(self):
        value, _ = await self.logins.login("good")
        return f"other=1; {login.COOKIE}={value}"


async def test_a_known_token_is_a_session():
    door = Door()
    value, found = await door.logins.login(" good\n")
    assert found.user == USERS["good"]
    assert door.logins.known(f"{login.COOKIE}={value}") is found
    assert value not in repr(door.logins.__dict__["_sessions"].keys())


@pytest.mark.parametrize(
    "token, status, says",
    [
        ("bad", 401, "does not know this token"),
        ("", 400, "no Kubernetes token"),
        ("two words", 400, "no Kubernetes token"),
        ("x" * (login.TOKEN + 1), 400, "no Kubernetes token"),
        ("ünknown", 400, "no Kubernetes token"),
    ],
)
async def test_a_token_nobody_knows_is_refused(token, status, says):
    with pytest.raises(guard.Refused, match=says) as refused:
        await Door().logins.login(token)
    assert refused.value.status == status


@pytest.mark.parametrize("header", ["", f"{login.COOKIE}=", f"{login.COOKIE}=guess", "garbage;;;=", '"'])
async def test_a_cookie_nobody_gave_is_nobody(header):
    door = Door()
    await door.cookie()
    assert door.logins.known(header) is None


async def test_a_session_ends_when_nothing_is_asked_or_its_life_is_over():
    door = Door()
    cookie = await door.cookie()
    door.now = login.IDLE - 1
    assert door.logins.known(cookie)
    door.now += login.IDLE + 1
    assert door.logins.known(cookie) is None
    door.busy = True
    assert door.logins.known(cookie)
    door.now = login.LIFE + 1
    assert door.logins.known(cookie) is None
    await door.logins.sweep()
    assert len(door.ended) == 1


async def test_logout_ends_it_at_once():
    door = Door()
    cookie = await door.cookie()
    found = door.logins.known(cookie)
    assert found
    await door.logins.logout(found)
    assert door.logins.known(cookie) is None and door.ended == [found.who]


async def test_sessions_are_bounded():
    door = Door()
    for _ in range(login.SESSIONS):
        await door.logins.login("good")
    with pytest.raises(guard.Refused, match="500 viewers are logged in"):
        await door.logins.login("good")
    await door.logins.close()
    assert await door.cookie()


def test_the_cookie_is_for_our_page_alone():
    assert login.set_cookie("abc") == "isthmus_session=abc; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"
