"""The choices of an installation: refused once, kept for ever."""

import pytest

import isthmus
from isthmus.errors import BadValue
from isthmus.install import values


@pytest.mark.parametrize(
    ("word", "said"),
    [
        pytest.param("controlReplcas=3", "controlReplicas", id="a misspelt key names the nearest"),
        pytest.param("proxy.proxy-log-levl=debug", "proxy.proxy-log-level", id="of a proxy's settings too"),
        pytest.param("controlReplicas=0", "not a number", id="a number out of range"),
        pytest.param("multicluster=maybe", "neither true nor false", id="a flag"),
        pytest.param("gatewayPort=99999", "not a port", id="a port"),
        pytest.param("clusterDomain=a_b", "not a DNS name", id="a domain"),
        pytest.param("clusterNetworks=here", "not a list of networks", id="networks"),
        pytest.param("proxy.inbound-port=x", "inbound-port", id="a proxy's setting"),
        pytest.param("identityIssuanceLifetime=1", "not a duration", id="a duration"),
        pytest.param("controlImage=A B", "not an image name", id="an image"),
        pytest.param("novalue", "not key=value", id="no ="),
    ],
)
def test_refusals(word, said):
    with pytest.raises(BadValue) as refused:
        values.overlay(values.Values(), values.parse_sets([word]))
    assert said in str(refused.value)


def test_every_key_keeps_its_default_when_it_is_said():
    texts = {key: values._print(row.default) for key, row in values.FIELDS.items()}
    assert values.overlay(values.Values(), texts) == values.Values()


def test_what_is_stored_is_loaded():
    chosen = values.overlay(
        values.Values(), {"controlReplicas": "3", "proxy.proxy-log-level": "debug", "multicluster": "false"}
    )
    assert values.load(values.store(chosen, "PEM\n")) == chosen


def test_a_default_image_moves_on_with_the_version_and_a_chosen_one_stays():
    old = values.store(values.Values(), "PEM").replace(isthmus.__version__, "0.0.1")
    assert values.load(old).control_image.endswith(isthmus.__version__)
    chosen = values.overlay(values.Values(), {"controlImage": "here/mine:7"})
    assert values.load(values.store(chosen, "PEM").replace(isthmus.__version__, "0.0.1")).control_image == "here/mine:7"


def test_keys_of_another_version_are_dropped():
    text = values.store(values.Values(), "PEM") + "goneKey: 1\n"
    assert values.load(text) == values.Values()


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (values.store(values.Values(), "PEM"), isthmus.__version__),
        ("linkerdVersion: edge-1", "not ours (edge-1)"),
        ("", "not ours (unknown)"),
    ],
    ids=["ours", "linkerd", "empty"],
)
def test_version_of(text, version):
    assert values.version_of(text) == version
