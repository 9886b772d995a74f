"""Every setting of a proxy: read once, refused with a sentence, one declaration each."""

import pytest

from isthmus import knobs
from isthmus.errors import BadValue


@pytest.mark.parametrize("key", sorted(knobs.FIELDS))
def test_a_default_reads_as_itself_and_says_what_it_is(key):
    row = knobs.FIELDS[key]
    assert getattr(knobs.overlay(knobs.Settings(), {key: row.metadata["default"]}, "x"), row.name) == row.default
    assert row.metadata["says"]
    assert knobs.annotations(key)[0] == f"config.linkerd.io/{key}"


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("inbound-port", "5143", 5143),
        ("skip-inbound-ports", " 25, 4000-4010 ", "25,4000-4010"),
        ("skip-subnets", "10.0.0.0/8, fd00::/8", "10.0.0.0/8,fd00::/8"),
        ("proxy-await", "disabled", False),
        ("proxy-await", "true", True),
        ("shutdown-grace-period", "2m", 120.0),
        ("proxy-wait-before-exit-seconds", "7", 7.0),
        ("proxy-cpu-ratio-limit", "0.25", 0.25),
        ("proxy-memory-limit", "64Mi", "64Mi"),
        ("proxy-image", "host:5000/a/b", "host:5000/a/b"),
        ("proxy-gid", "-1", -1),
        ("proxy-additional-env", '[{"name": "A"}]', ({"name": "A"},)),
    ],
)
def test_texts_become_values(key, text, value):
    assert getattr(knobs.overlay(knobs.Settings(), {key: text}, "x"), knobs.FIELDS[key].name) == value


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("inbound-port", "0"),
        ("inbound-port", "٣"),
        ("skip-inbound-ports", "25,x"),
        ("skip-inbound-ports", "9-5"),
        ("skip-subnets", "everywhere"),
        ("proxy-await", "maybe"),
        ("shutdown-grace-period", "soon"),
        ("proxy-wait-before-exit-seconds", "-1"),
        ("proxy-cpu-ratio-limit", "2"),
        ("proxy-memory-limit", "lots"),
        ("proxy-image", "No Image"),
        ("proxy-uid", "0"),
        ("proxy-log-format", "xml"),
        ("access-log", "csv"),
        ("default-inbound-policy", "open"),
        ("image-pull-policy", "Sometimes"),
        ("proxy-additional-env", "{}"),
        ("proxy-additional-env", "[1]"),
        ("proxy-additional-env", "["),
        ("proxy-additional-env", "[" + ",".join(['{"name": "A"}'] * 65) + "]"),
    ],
)
def test_a_refusal_names_key_value_and_an_example(key, text):
    with pytest.raises(BadValue) as refused:
        knobs.overlay(knobs.Settings(), {key: text}, "on Pod a/b")
    assert f"{key} on Pod a/b is" in refused.value.sentence
    assert refused.value.hint.startswith("write for example ")


@pytest.mark.parametrize(("key", "near"), [("proxy-log-levl", "proxy-log-level"), ("zzzz", "inbound-port")])
def test_an_unknown_key_names_the_nearest(key, near):
    with pytest.raises(BadValue, match="no such setting") as refused:
        knobs.overlay(knobs.Settings(), {key: "x"}, "--set")
    assert near in refused.value.hint
