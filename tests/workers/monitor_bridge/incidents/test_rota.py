"""A rota says who is on call at each moment, or that nobody is."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from teamsup.workers.monitor_bridge.incidents.rota import Rota, Shift, parse_beginning

BERLIN = ZoneInfo("Europe/Berlin")
TEAM = Rota(("ann", "ben", "eva"), parse_beginning("2026-10-12 09:00"), 7, BERLIN)


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("at", "person", "ends_at", "next_person"),
    [
        ("2026-10-12 06:59:59", None, "2026-10-12 07:00:00", "ann"),
        ("2026-10-12 07:00:00", "ann", "2026-10-19 07:00:00", "ben"),
        ("2026-10-19 06:59:59", "ann", "2026-10-19 07:00:00", "ben"),
        # Clocks go back in this week: the handover stays at nine, an hour later by UTC.
        ("2026-10-19 07:00:00", "ben", "2026-10-26 08:00:00", "eva"),
        ("2026-10-26 07:30:00", "ben", "2026-10-26 08:00:00", "eva"),
        ("2026-10-26 08:00:00", "eva", "2026-11-02 08:00:00", "ann"),
        ("2026-11-02 08:00:00", "ann", "2026-11-09 08:00:00", "ben"),
    ],
)
def test_people_take_turns_at_the_same_time_of_the_local_clock(
    at: str, person: str | None, ends_at: str, next_person: str
) -> None:
    assert TEAM.shift_at(seconds(at)) == Shift(person, seconds(ends_at), next_person)


@pytest.mark.parametrize(
    ("begins", "at", "person", "ends_at"),
    [
        # Half past two comes twice on 25 October 2026: the first one counts.
        ("2026-10-18 02:30", "2026-10-25 00:29:59", "ann", "2026-10-25 00:30:00"),
        ("2026-10-18 02:30", "2026-10-25 00:30:00", "ben", "2026-11-01 01:30:00"),
        ("2026-10-18 02:30", "2026-10-25 01:15:00", "ben", "2026-11-01 01:30:00"),
        # It does not come at all on 29 March 2026: half an hour after two is half past three.
        ("2026-03-22 02:30", "2026-03-29 01:29:59", "ann", "2026-03-29 01:30:00"),
        ("2026-03-22 02:30", "2026-03-29 01:30:00", "ben", "2026-04-05 00:30:00"),
    ],
)
def test_a_handover_in_the_hour_of_a_change_happens_once(begins: str, at: str, person: str, ends_at: str) -> None:
    shift = Rota(("ann", "ben"), parse_beginning(begins), 7, BERLIN).shift_at(seconds(at))
    assert (shift.person, shift.ends_at) == (person, seconds(ends_at))


def test_every_moment_belongs_to_one_shift() -> None:
    moment = seconds("2026-10-12 07:00:00")
    for number in range(60):
        shift = TEAM.shift_at(moment)
        assert shift.person == TEAM.people[number % 3]
        assert shift.ends_at is not None
        assert TEAM.shift_at(shift.ends_at - 1) == shift
        moment = shift.ends_at


def test_in_an_empty_rota_nobody_is_on_call() -> None:
    assert Rota((), parse_beginning("2026-10-12 09:00")).shift_at(0) == Shift(None, None)


def test_one_person_is_always_on_call() -> None:
    assert (
        Rota(("ann",), parse_beginning("2026-10-12 09:00"), 1).shift_at(seconds("2027-01-01 12:00:00")).person == "ann"
    )


@pytest.mark.parametrize("text", ["", "monday", "2026-10-12T09:00+02:00", "0001-01-01 00:00"])
def test_other_beginnings_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="begins must be a day and a time"):
        parse_beginning(text)
