"""Whatever a file says can be stored."""

import json

from hypothesis import given
from hypothesis import strategies as st

from db.text import storable, storable_json

# Lone surrogates and NUL included.
STRINGS = st.text(st.characters(codec=None), max_size=20)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | STRINGS,
    lambda inner: st.lists(inner) | st.dictionaries(STRINGS, inner),
    max_leaves=10,
)


@given(STRINGS)
def test_no_string_keeps_what_a_text_column_refuses(value: str) -> None:
    stored = storable(value)
    assert "\0" not in stored
    stored.encode()  # raises for a lone surrogate
    assert len(stored) == len(value)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_an_ordinary_string_is_stored_as_it_is(value: str) -> None:
    assert storable(value) == value


@given(VALUES)
def test_every_value_becomes_json_that_jsonb_takes(value: object) -> None:
    written = json.dumps(storable_json(value), allow_nan=False, ensure_ascii=False)
    written.encode()
    assert "\\u0000" not in written
