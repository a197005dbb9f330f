"""Changed JSON text: what is not changed stays to the letter, and what comes is read as it was meant."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from teamsup.supervisor.json_text import Document, InvalidJson

Json = Any
Style = int | str | tuple[str, str] | None
scalars = (
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False, width=16)
    | some.text(max_size=4)
)
values = some.recursive(
    scalars,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)
objects = some.dictionaries(some.text(max_size=2), values, min_size=1, max_size=4)
styles = some.sampled_from([None, 2, 4, "\t", (",", ":")])
line_ends = some.sampled_from(["\n", "\r\n"])


def written(value: Json, style: Style, line_end: str) -> str:
    if isinstance(style, tuple):
        return json.dumps(value, separators=style, ensure_ascii=False) + line_end
    return (json.dumps(value, indent=style, ensure_ascii=False) + "\n").replace("\n", line_end)


@given(values, values, styles, line_ends, some.sampled_from(["", "\ufeff"]))
def test_any_value_can_be_changed_to_any_other(old: Json, new: Json, style: Style, line_end: str, mark: str) -> None:
    document = Document("file", mark + written(old, style, line_end))

    assert document.value == old
    assert Document("file", document.changed_to(new)).value == new
    assert document.changed_to(old) == document.text


@given(objects, values, styles, line_ends)
def test_what_is_added_and_taken_out_again_leaves_no_trace(old: Json, added: Json, style: Style, line_end: str) -> None:
    document = Document("file", written(old, style, line_end))

    changed = document.changed_to({**old, "added": added})

    assert Document("file", changed).changed_to(old) == document.text
    if style not in (None, (",", ":")):
        assert changed == written({**old, "added": added}, style, line_end)


@given(some.text('{}[]",:01en \n\\utrlasfT/*', max_size=14))
def test_what_is_json_is_what_python_takes_for_it(text: str) -> None:
    def without_doubles(pairs: list[tuple[str, Json]]) -> Json:
        if len({key for key, _ in pairs}) < len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=without_doubles)
    except ValueError:
        with pytest.raises(InvalidJson):
            Document("file", text)
    else:
        assert Document("file", text).value == value


def test_a_list_keeps_its_place_and_its_spelling_around_a_change() -> None:
    text = '{ "list": [ 1.50, {"a" : "\\u00e9",  "b": 2}, [3] ] }'

    changed = Document("file", text).changed_to({"list": [1.5, {"a": "é", "b": 5}, [3], 4]})

    assert changed == '{ "list": [ 1.50, {"a" : "\\u00e9",  "b": 5}, [3], 4 ] }'


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "line 1, column 1: Expecting value"),
        ('{"a": 1,}', "line 1, column 9: a key in double quotes is expected"),
        ('{\n  // why\n  "a": 1\n}', "line 2, column 3: JSON knows no comments"),
        ('{"a": 1}\n}', "line 2, column 1: there is something behind the end"),
        ('{"a": NaN}', "line 1, column 7: NaN is no JSON"),
        ('{"a": 1, "a": 2}', "line 1, column 10: the key 'a' stands here a second time"),
        ('{"a" 1}', "line 1, column 6: ':' is expected"),
        ("[1 2]", "line 1, column 4: ',' or ']' is expected"),
        ("[" * 100_000, "line 1, column 1: is nested too deeply"),
        ('"a\nb"', "line 1, column 3: Invalid control character at"),
    ],
)
def test_what_is_no_json_is_refused_with_its_place(text: str, where: str) -> None:
    with pytest.raises(InvalidJson) as refused:
        Document("file", text)

    assert str(refused.value) == f"file, {where}."
