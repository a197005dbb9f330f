"""The forms of ages, times and values: what nobody knows never looks like a number."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from teamsup.config.entries import Age
from teamsup.workers.web.pages.rendering import (
    Form,
    Missing,
    create_environment,
    format_age,
    format_bytes,
    format_clock,
    format_span,
)

NOW = datetime(2026, 3, 4, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "units", "text"),
    [
        (0, 1, "0 s"),
        (0.018, 1, "18 ms"),
        (0.42, 1, "0.4 s"),
        (59, 1, "59 s"),
        (218, 1, "3 min"),
        (218, 2, "3 min 38 s"),
        (3600, 2, "1 h"),
        (3605, 2, "1 h"),
        (5880, 2, "1 h 38 min"),
        (200_000, 2, "2 d 7 h"),
        (-5, 1, "0 s"),
    ],
)
def test_a_span_has_its_largest_units(seconds: float, units: int, text: str) -> None:
    assert format_span(seconds, units) == text


@pytest.mark.parametrize(
    ("seconds", "form", "text"),
    [
        (0.2, "ago", "now"),
        (4, "ago", "4 s ago"),
        (180, "for", "for 3 min"),
        (180, "span", "3 min"),
        (-330, "in", "in 5 min"),
        (90, "in", "1 min late"),
        (-300, "ago", "5 min ahead of the clock"),
        (-3, "ago", "now"),
    ],
)
def test_an_age_names_the_other_side_of_now(seconds: float, form: Form, text: str) -> None:
    assert format_age(NOW - timedelta(seconds=seconds), NOW, form) == text


def test_a_time_has_its_day_unless_it_is_today() -> None:
    now = NOW.astimezone()
    assert format_clock(now, now) == f"{now:%H:%M:%S}"
    assert format_clock(now - timedelta(days=2), now).startswith(f"{now - timedelta(days=2):%a}")
    assert format_clock(now - timedelta(days=30), now).startswith("2026-0")


def test_bytes_are_shown_in_the_unit_that_fits() -> None:
    assert [format_bytes(count) for count in (5, 412 * 2**20, 5.1 * 2**30)] == ["5 B", "412 MiB", "5.1 GiB"]


def rendered(template: str, **values: object) -> str:
    return create_environment().from_string(template).render(values, now=NOW)


def test_an_unknown_value_differs_from_zero_and_from_one_that_does_not_apply() -> None:
    shown = [rendered("{{ value | value }}", value=value) for value in (Missing.UNKNOWN, Missing.NOT_APPLICABLE, "0")]
    assert [re.sub("<[^>]*>", "", each) for each in shown] == ["? unknown", "– does not apply", "0"]


def test_a_sentence_is_escaped_and_its_ages_stay_current() -> None:
    sentence = ("<b>heard</b> ", Age(NOW - timedelta(seconds=4)))
    shown = rendered("{{ sentence | rich }}", sentence=sentence)
    assert shown.startswith("&lt;b&gt;heard&lt;/b&gt; <time datetime=")
    assert 'data-age="ago"' in shown
    assert shown.endswith(">4 s ago</time>")


def test_a_name_that_no_template_value_has_is_an_error() -> None:
    with pytest.raises(Exception, match="is undefined"):
        rendered("{{ nothing }}")
