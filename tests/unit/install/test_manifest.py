"""YAML that no reader takes for something else."""

import re

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isthmus.errors import IsthmusError
from isthmus.install import manifest
from tests.unit.install import builders as b

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20) | st.sampled_from(
    ["a\nb\n", "-----BEGIN\nx==\n-----END\n"]
)
LEAF = TEXT | st.booleans() | st.integers() | st.none()
TREE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


@calm
@given(st.dictionaries(TEXT, TREE, max_size=4))
def test_what_is_written_is_read_back(doc):
    assert list(yaml.safe_load_all(manifest.write([doc]))) == [doc]


WORDS = """
yes no on off y n Y N true null ~ = << .5 1e3 0o7 1_000 12:30:45 2001-01-01 0x1f +1 .inf .nan inf NaN - ? : a: -x * & ! %a @b `c
"""


@pytest.mark.parametrize("word", WORDS.split())
def test_words_some_reader_takes_for_a_value_are_quoted(word):
    assert manifest.write([{"k": word}]) == f'---\nk: "{word}"\n'


@calm
@given(TEXT)
def test_bare_text_begins_like_a_word(text):
    if manifest.bare(text):
        assert re.match(r"[A-Za-z/]", text)
        assert yaml.safe_load(f"k: {text}") == {"k": text}


def test_a_rendered_installation_is_read_back():
    docs = b.rendered()
    assert list(yaml.safe_load_all(manifest.write(docs))) == docs


def test_nothing_is_written_as_an_alias():
    shared = {"a": "b"}
    assert "&" not in manifest.write([{"x": shared, "y": shared}])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: b\n  c: ]", "f.yaml, line 2 is not YAML"),
        ("- a\n- b", "document 1 of f.yaml is no Kubernetes object"),
        ("a: b\n---\nword", "document 2"),
        ("!!python/object:os.system {}", "not YAML"),
    ],
)
def test_bad_input_is_told_with_its_place(text, said):
    with pytest.raises(IsthmusError, match=said):
        manifest.read(text, source="f.yaml")


def test_empty_documents_are_dropped():
    assert manifest.read("---\n---\na: b\n---\n", source="f") == [{"a": "b"}]
