"""Somebody's JSON: changed it keeps its style, and what would not survive that is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from teamsup.cli.claude.json_file import JsonFile, UnusableFile, parse_json, read_json, replace_file

Json = Any
Style = int | str | tuple[str, str]
numbers = some.integers() | some.floats(allow_nan=False, allow_infinity=False, width=16)
values = some.recursive(
    some.none() | some.booleans() | numbers | some.text(max_size=4),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)
objects = some.dictionaries(some.text(max_size=2), values, min_size=1, max_size=4)
styles: some.SearchStrategy[Style] = some.sampled_from([2, 4, "\t", (", ", ": "), (",", ":")])


def file(text: str) -> JsonFile:
    return parse_json(Path("file"), text.encode(), to_edit=True)


def written(value: Json, style: Style) -> str:
    if isinstance(style, tuple):
        return json.dumps(value, separators=style, ensure_ascii=False)
    return json.dumps(value, indent=style, ensure_ascii=False)


@given(objects, values, styles, *map(some.sampled_from, (["\n", "\r\n"], ["", "\ufeff"], ["\n", ""])))
def test_what_is_added_and_taken_out_again_leaves_no_trace(
    old: Json, added: Json, style: Style, line_end: str, mark: str, end: str
) -> None:
    def text(value: Json) -> str:
        return mark + (written(value, style) + end).replace("\n", line_end)

    before = file(text(old))
    changed = before.render({**old, "added": added})

    assert before.value == old
    assert changed == text({**old, "added": added})
    assert file(changed).render(old) == before.text


@pytest.mark.parametrize("text", ["{}\n", "{\n}\n", "{ }\n", '{"old":\n1}\n'])
def test_a_text_without_a_style_gets_that_of_claude_code(text: str) -> None:
    assert file(text).render({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}\n'


def test_a_text_by_hand_is_written_again_with_its_indentation() -> None:
    text = '{\n   "list" : [ 1.5, {"a": "\\u00e9"} ] }'

    assert file(text).render({"list": [1.5, "é"]}) == written({"list": [1.5, "é"]}, "   ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "file, line 1, column 1: Expecting value."),
        ('{"a": 1,}', "file, line 1, column "),
        ('{"a" 1}', "file, line 1, column 6: Expecting ':' delimiter."),
        ('\ufeff{"a": 1}\r\n}', "file, line 2, column 1: Extra data."),
        ('{\n  // why\n  "a": 1\n}', "file, line 2, column 3: JSON has no comments."),
        ('{"a": 1 /* why */}', "file, line 1, column 9: JSON has no comments."),
        ('{"a": NaN}', "file: NaN is not a finite number."),
        ('{"a": -1e999}', "file: -1e999 is not a finite number."),
        ('{"b": {"a": 1, "a": 1}}', "file: the key 'a' is there twice in one object."),
        ('{"a": "\\ud83d"}', "file: \\ud83d is half of a surrogate pair, which no file can hold."),
        ("[" * 100_000, "file: "),
    ],
)
def test_what_is_not_json_or_could_not_be_written_again_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(UnusableFile) as refused:
        file(text)

    assert str(refused.value).startswith(why)


@pytest.mark.parametrize("data", [b'{"a": 1, "a": 2}', b'{"a": 1e999}', b'"\\ud83d"', b'"\xff"', b"9" * 5000])
def test_who_only_looks_reads_what_javascript_reads(data: bytes) -> None:
    parse_json(Path("file"), data)

    for not_json in (b"NaN", b"{,}", b"", b'"\n"'):
        with pytest.raises(UnusableFile):
            parse_json(Path("file"), not_json)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.json"
    assert read_json(path) == JsonFile(path, "", {})

    replace_file(path, "{}")
    with pytest.raises(UnusableFile, match="not valid UTF-8"):
        replace_file(path, '"\ud83d"')

    assert read_json(path).text == "{}"
    assert list(path.parent.iterdir()) == [path]
