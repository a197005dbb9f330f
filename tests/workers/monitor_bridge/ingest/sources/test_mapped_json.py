"""Any JSON, with a mapping."""

from typing import Any

import pytest

from teamsup.workers.json_path import check_mapping, find_value, parse_path
from teamsup.workers.monitor_bridge.incidents.alert import Alert
from teamsup.workers.monitor_bridge.ingest.sources import InvalidPayload, UnreadablePart, WebhookRequest, parse
from teamsup.workers.monitor_bridge.source_section import SourceSection

MAPPING = {
    "title": "$.alert.name",
    "key": "$.alert.id",
    "status": "$.state",
    "severity": "$.alert['how bad']",
    "text": "$.notes[0]",
    "labels": "$.tags",
    "link": "$.url",
    "at": "$.time",
    "group": "all",
}
PAYLOAD = {
    "alert": {"name": "the disk is full", "id": 7, "how bad": "P1"},
    "state": "open",
    "notes": ["2 % left", "x"],
    "tags": {"host": "db1", "n": 3},
    "url": "https://example.com/7",
    "time": 1768471200,
}


def parsed(body: object, **mapping: str) -> tuple[Any, ...]:
    return parse("json", WebhookRequest("here", body, mapping=mapping))


def test_each_part_is_read_where_the_mapping_says() -> None:
    (found,) = parsed(PAYLOAD, **MAPPING)

    assert isinstance(found, Alert)
    assert (found.title, found.fingerprint, found.is_firing, found.severity) == (
        "the disk is full",
        "7",
        True,
        "critical",
    )
    assert (found.text, found.labels, found.link, found.group) == (
        "2 % left",
        {"host": "db1", "n": "3"},
        "https://example.com/7",
        "all",
    )
    assert found.occurred_at is not None


@pytest.mark.parametrize(
    ("state", "words", "is_firing"),
    [
        ("closed", {}, False),
        ("OK", {}, False),
        (False, {}, False),
        ("done", {}, True),
        ("done", {"resolved": "done, fine"}, False),
    ],
)
def test_a_word_of_the_status_ends_a_problem(state: object, words: dict[str, str], is_firing: bool) -> None:
    (found,) = parsed(PAYLOAD | {"state": state}, **MAPPING, **words)

    assert found.is_firing is is_firing


def test_a_list_is_an_alert_for_each_entry() -> None:
    found = parsed({"data": {"all": [{"n": "one"}, {"n": "two"}, {}, 3]}}, each="$.data.all", title="$.n")

    assert [each.title for each in found[:2]] == ["one", "two"]
    assert [each.reason for each in found[2:] if isinstance(each, UnreadablePart)] == [
        "There is not a text at $.n, the path of the title.",
        "alert 3 must be a table, not a number.",
    ]


@pytest.mark.parametrize(
    ("body", "mapping", "reason"),
    [
        ({}, {"title": "$.n"}, "There is not a text at"),
        ("text", {"title": "$.n"}, "must be JSON"),
        ({"a": 3}, {"each": "$.a", "title": "$.n"}, "There is not a list at"),
    ],
)
def test_a_payload_that_does_not_fit_is_refused(body: object, mapping: dict[str, str], reason: str) -> None:
    with pytest.raises(InvalidPayload, match=reason):
        parsed(body, **mapping)


@pytest.mark.parametrize(
    ("path", "steps"),
    [("$", ()), ("$.a.b-c", ("a", "b-c")), ("$.a[0]['b c'].d", ("a", 0, "b c", "d")), ("$[3]", (3,))],
)
def test_a_path_has_names_and_numbers(path: str, steps: tuple[str | int, ...]) -> None:
    assert parse_path(path) == steps


@pytest.mark.parametrize("path", ["", "a", "$a", "$.", "$..a", "$.a[", "$.a[-1]", "$.a.*", "$" + ".a" * 21])
def test_another_path_is_a_mistake(path: str) -> None:
    with pytest.raises(ValueError, match="is not a path such as"):
        parse_path(path)


@pytest.mark.parametrize("value", [None, 3, "a", [], {}, {"a": None}])
def test_a_path_that_leads_nowhere_finds_nothing(value: object) -> None:
    assert find_value(("a", 0, "b"), value) is None


@pytest.mark.parametrize(
    ("mapping", "mistake"),
    [
        ({"key": "$.a"}, "mapping needs a title"),
        ({"title": "$.a", "titel": "$.b"}, "there is no 'titel'; known are each, title"),
        ({"title": "$.a[x]"}, "is not a path"),
        ({"title": "$.a", "each": "list"}, "is not a path"),
    ],
)
def test_a_mapping_that_cannot_be_is_a_mistake(mapping: dict[str, str], mistake: str) -> None:
    with pytest.raises(ValueError, match=mistake):
        check_mapping(mapping)


def test_a_mapping_belongs_to_its_kind() -> None:
    with pytest.raises(ValueError, match="belong together"):
        SourceSection(kind="json")
    with pytest.raises(ValueError, match="belong together"):
        SourceSection(kind="plain", mapping={"title": "$.a"})
