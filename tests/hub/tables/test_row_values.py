"""Columns that foreign programs may have filled with any value."""

from collections.abc import Callable

import pytest

from teamsup.hub import MessageHub
from teamsup.hub.engines.stored_json import metadata_text


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ('{"a": "b"}', "b"),
        ('{"a": 30}', "30"),
        ('{"a": true}', "true"),
        ('{"a": ["é", 1]}', '["é", 1]'),
        ('{"a": null}', None),
        ('{"b": 1}', None),
        ("{}", None),
        ("[1]", None),
        ("no JSON", None),
        (b"\xff", None),
        (7, None),
        (None, None),
        ('{"a": "half \\ud83d"}', "half \N{REPLACEMENT CHARACTER}"),
    ],
)
def test_metadata_are_read_as_text_from_any_stored_value(stored: object, text: str | None) -> None:
    assert metadata_text(stored, "a") == text


def test_every_statement_may_read_metadata(join: Callable[..., MessageHub]) -> None:
    lead = join("lead")
    lead.send("lead", "x", metadata={"user": 30})
    select = "SELECT metadata_text(metadata, 'user') FROM messages"
    assert [row[0] for row in lead.query(select)] == ["30"]
    with lead.transaction():
        assert [row[0] for row in lead.query(select)] == ["30"]
