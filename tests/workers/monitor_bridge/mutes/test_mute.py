"""What a person may write to mute, which incidents a mute covers, and when. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from teamsup.hub import CallerError
from teamsup.workers.monitor_bridge.incidents.incident import Incident
from teamsup.workers.monitor_bridge.mutes.matcher import parse_duration, parse_matcher
from teamsup.workers.monitor_bridge.mutes.mute import (
    DEFAULT_SECONDS,
    Mute,
    MuteRequest,
    decide_changes,
    parse_request,
)

NOW = 1_800_000_000.0
MUTE = Mute("3", "ann", NOW - 60, NOW + 600, (parse_matcher("job=backup"),))


def incident(labels: Mapping[str, str] = {"job": "backup"}, **more: object) -> Incident:
    values = dict.fromkeys(Incident.__dataclass_fields__)
    values |= {"id": 7, "source": "prom", "severity": "warning", "title": "Disk full", "labels": dict(labels)}
    return Incident(**{**values, "state": "firing", "is_test": False, "group_id": 7, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "request_"),
    [
        ("job=backup 2h", MuteRequest((parse_matcher("job=backup"),), (), 7200.0)),
        ("2h job=backup", MuteRequest((parse_matcher("job=backup"),), (), 7200.0)),
        (
            "job=backup severity!=critical",
            MuteRequest((parse_matcher("job=backup"), parse_matcher("severity!=critical"))),
        ),
        ("12 #13 30m", MuteRequest((), (12, 13), 1800.0)),
        ("12", MuteRequest((), (12,), DEFAULT_SECONDS)),
    ],
)
def test_a_person_names_labels_or_numbers_and_a_time(words: str, request_: MuteRequest) -> None:
    assert parse_request(words.split()) == request_


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("", "Name what to mute"),
        ("2h", "Name what to mute"),
        ("12 job=backup", "Name what to mute"),
        ("job=backup 2h 3h", "Name what to mute"),
        ("backup", "is not a label with a value"),
        ("=backup", "is not a label with a value"),
        ("job=~back.*", r"\* stands for any text"),
        ("job=backup 31d", "not a duration from 1s to 30d"),
        ("job=backup 0h", "not a duration from 1s to 30d"),
    ],
)
def test_other_words_are_refused_with_what_is_possible(words: str, why: str) -> None:
    with pytest.raises(CallerError, match=why):
        parse_request(words.split())


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("1d", 86400), ("30d", 2592000)]
)
def test_a_duration_has_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("matcher", "covered"),
    [
        ("job=backup", True),
        ("job=back", False),
        ("job=back*", True),
        ("job=*up", True),
        ("job=b*k*p", True),
        ("job=*x*", False),
        ("job=backup*backup", False),
        ("job=*", True),
        ("job!=backup", False),
        ("job!=shop", True),
        ("team=", True),
        ("team!=", False),
        ("team=*", True),
        ("source=prom", True),
        ("severity=warning", True),
        ("severity!=critical", True),
        ("title=Disk*", True),
        ("title=disk*", False),
    ],
)
def test_a_matcher_compares_a_label_or_a_fact_of_the_incident(matcher: str, covered: bool) -> None:
    assert replace(MUTE, matchers=(parse_matcher(matcher),)).covers(incident()) is covered
    assert str(parse_matcher(matcher)) == matcher


def test_a_label_with_the_name_of_a_fact_counts_too() -> None:
    facts, labels = {"severity": "warning"}, {"severity": "page"}
    assert parse_matcher("severity=page").matches(facts, labels)
    assert parse_matcher("severity=warning").matches(facts, labels)
    assert not parse_matcher("severity!=page").matches(facts, labels)


def test_a_slow_looking_pattern_is_compared_at_once() -> None:
    assert not parse_matcher("job=" + "*a" * 400 + "b").matches({}, {"job": "a" * 100_000})


@pytest.mark.parametrize(
    ("mute", "covered"),
    [
        (MUTE, True),
        (replace(MUTE, matchers=(parse_matcher("job=backup"), parse_matcher("team=shop"))), False),
        (replace(MUTE, matchers=(), incidents=(7, 8)), True),
        (replace(MUTE, matchers=(), incidents=(8,)), False),
        (replace(MUTE, severity="info"), False),
        (replace(MUTE, matchers=()), False),
    ],
)
def test_a_mute_covers_what_all_matchers_match_and_is_not_worse(mute: Mute, covered: bool) -> None:
    assert mute.covers(incident()) is covered
    assert not mute.covers(incident(is_test=True))


@pytest.mark.parametrize(
    ("at", "is_active"), [(-3600.0, False), (-60.5, True), (0.0, True), (599.0, True), (600.0, False)]
)
def test_a_mute_has_a_beginning_too_because_a_clock_may_be_set_back(at: float, is_active: bool) -> None:
    assert MUTE.is_active(NOW + at) is is_active


def test_the_mute_that_ends_last_counts() -> None:
    longer = replace(MUTE, key="4", ends_at=NOW + 900)
    (change,) = decide_changes([incident()], [longer, MUTE])
    assert change.mute == longer
    has_it = incident(mute="4", mute_ends_at=datetime.fromtimestamp(NOW + 900, UTC))
    assert decide_changes([has_it], [MUTE, longer]) == []
    assert [change.mute for change in decide_changes([has_it], [])] == [None]


@pytest.mark.parametrize("state", ["acknowledged", "resolved"])
def test_only_a_firing_incident_is_muted(state: str) -> None:
    assert decide_changes([incident(state=state)], [MUTE]) == []
