"""Somebody's JSON: a change keeps its indentation and its values; a file that is not JSON is refused with the place."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from teamsup.cli.claude.json_file import JsonFile, UnusableFile, parse_json, read_json, replace_file

Json = Any
numbers = some.integers() | some.floats(allow_nan=False, allow_infinity=False, width=16)
values = some.recursive(
    some.none() | some.booleans() | numbers | some.text(max_size=4),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=2), inner, max_size=4),
    max_leaves=12,
)
objects = some.dictionaries(some.text(max_size=2), values, min_size=1, max_size=4)


def file(text: str) -> JsonFile:
    return parse_json(Path("file"), text.encode())


@pytest.mark.slow
@given(objects, values, some.sampled_from([2, 4, "\t"]), some.sampled_from(["\n", "\r\n"]))
def test_settings_that_are_added_and_removed_leave_no_trace(
    old: Json, added: Json, indent: int | str, line_end: str
) -> None:
    def text(value: Json) -> str:
        return (json.dumps(value, indent=indent, ensure_ascii=False) + "\n").replace("\n", line_end)

    before = file(text(old))
    changed = before.render({**old, "added": added})

    assert before.value == old
    assert changed == text({**old, "added": added})
    assert file(changed).render(old) == before.text


@pytest.mark.parametrize("text", ["{}\n", "{\n}\n", "{ }\n", '{"old":\n1}\n', '\ufeff{"old": 1}', '{"a": 1, "a": 2}'])
def test_a_text_without_indentation_gets_that_of_claude_code(text: str) -> None:
    assert file(text).render({"a": [1]}) == '{\n  "a": [\n    1\n  ]\n}\n'


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "file, line 1, column 1: Expecting value."),
        ('{"a": 1,}', "file, line 1, column "),
        ('{"a" 1}', "file, line 1, column 6: Expecting ':' delimiter."),
        ('{"a": 1}\r\n}', "file, line 2, column 1: Extra data."),
        ('{\n  // why\n  "a": 1\n}', "file, line 2, column 3: JSON does not allow comments."),
        ('{"a": 1 /* why */}', "file, line 1, column 9: JSON does not allow comments."),
        ("[" * 100_000, "file: "),
    ],
)
def test_a_file_that_is_not_json_is_refused_with_its_place(text: str, why: str) -> None:
    with pytest.raises(UnusableFile) as refused:
        file(text)

    assert str(refused.value).startswith(why)


def test_a_number_that_could_not_be_written_again_is_refused() -> None:
    with pytest.raises(UnusableFile, match="not JSON compliant"):
        file('{"a": 1e999}').render({"a": 1e999})


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "settings.json"
    assert read_json(path) == JsonFile(path, "", {})

    replace_file(path, "{}")
    with pytest.raises(UnusableFile, match="not valid UTF-8"):
        replace_file(path, '"\ud83d"')

    assert read_json(path).text == "{}"
    assert list(path.parent.iterdir()) == [path]
