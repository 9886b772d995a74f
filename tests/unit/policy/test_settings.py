"""Settings in annotations: what is read, and that a mistake costs its own setting alone."""

import pytest

from isthmus.policy import settings

ACCRUAL = "balancer.linkerd.io/failure-accrual"
ALPHA = "balancer.alpha.linkerd.io/"


def read(notes):
    return settings.read(notes, "on Service shop/web")


@pytest.mark.parametrize(
    "notes, expected",
    [
        pytest.param({}, settings.Traffic(), id="nothing"),
        pytest.param({"timeout.linkerd.io/request": "10s"}, settings.Traffic(request=10.0), id="request"),
        pytest.param({"timeout.linkerd.io/idle": "500ms"}, settings.Traffic(idle=0.5), id="idle"),
        pytest.param({"timeout.linkerd.io/response": "0"}, settings.Traffic(), id="zero-is-none"),
        pytest.param({"retry.linkerd.io/limit": "3"}, settings.Traffic(retries=settings.Retries(3)), id="limit"),
        pytest.param({"retry.linkerd.io/limit": "0"}, settings.Traffic(), id="no-retries"),
        pytest.param(
            {"retry.linkerd.io/http": "5xx, 429,501-503"},
            settings.Traffic(retries=settings.Retries(status=((500, 599), (429, 429), (501, 503)))),
            id="statuses",
        ),
        pytest.param(
            {"retry.linkerd.io/grpc": "unavailable"},
            settings.Traffic(retries=settings.Retries(codes=frozenset({"unavailable"}))),
            id="codes",
        ),
        pytest.param({ALPHA + "penalize-failures": "true"}, settings.Traffic(penalty=settings.Penalty()), id="penalty"),
    ],
)
def test_read(notes, expected):
    assert read(notes) == (expected, [])


@pytest.mark.parametrize(
    "key, value",
    [
        pytest.param("timeout.linkerd.io/request", "1.5s", id="fraction"),
        pytest.param("retry.linkerd.io/limit", "many", id="limit"),
        pytest.param("retry.linkerd.io/http", "6xx", id="class"),
        pytest.param("retry.linkerd.io/http", "599-500", id="backwards"),
        pytest.param("retry.linkerd.io/grpc", "tired", id="code"),
        pytest.param(ACCRUAL, "sometimes", id="accrual"),
    ],
)
def test_a_mistake_is_named_and_leaves_the_rest(key, value):
    found, complaints = read({key: value, "timeout.linkerd.io/idle": "3s"})
    assert found.idle == 3.0 and key in complaints[0] and "on Service shop/web" in complaints[0]


def test_consecutive_failures():
    notes = {
        ACCRUAL: "consecutive",
        f"{ACCRUAL}-consecutive-max-failures": "3",
        f"{ACCRUAL}-consecutive-min-penalty": "2s",
    }
    accrual = read(notes)[0].accrual
    assert accrual and accrual.consecutive_failures.max_failures == 3
    backoff = accrual.consecutive_failures.backoff
    assert (backoff.min_backoff.seconds, backoff.max_backoff.seconds, backoff.jitter_ratio) == (2, 60, 0.5)


def test_unified():
    notes = {
        ACCRUAL: "unified",
        f"{ALPHA}failure-accrual-success-rate-threshold": "0.9",
        f"{ALPHA}failure-accrual-honor-retry-after": "true",
    }
    accrual = read(notes)[0].accrual
    assert accrual and accrual.unified.success_rate_threshold == 0.9 and accrual.unified.min_requests == 5
    assert accrual.unified.backoff.respect_retry_after_hint and accrual.unified.decay.seconds == 10


def test_penalties_that_run_backwards_fall_back():
    accrual, complaints = read({ACCRUAL: "consecutive", f"{ACCRUAL}-consecutive-min-penalty": "2m"})
    assert accrual.accrual and accrual.accrual.consecutive_failures.backoff.min_backoff.seconds == 1 and complaints


def test_a_route_speaks_over_its_service():
    route, service = settings.Traffic(request=1.0), settings.Traffic(2.0, 3.0, retries=settings.Retries(4))
    assert route.over(service) == settings.Traffic(1.0, 3.0, retries=settings.Retries(4))
