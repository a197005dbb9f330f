"""A maintenance window is open at its times, also where clocks change and over midnight."""

from datetime import UTC, datetime

import pytest

from helpers.incident_harness import FIRING, IncidentHarness, Join
from teamsup.hub import CallerError
from teamsup.workers.monitor_bridge.mutes.window import Windows, read_window
from teamsup.workers.monitor_bridge.sections import MuteSection

JOB = ("job=backup",)
NIGHTLY = MuteSection(JOB, "0 23 * * *", "Europe/Berlin", "2h")
EARLY = MuteSection(JOB, "30 2 * * *", "Europe/Berlin", "1h")
SATURDAY = MuteSection(JOB, "0 2 * * sat", "UTC", "90m")


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("section", "at", "is_open", "changes_at"),
    [
        (NIGHTLY, "2026-11-30 21:59:59", False, "2026-11-30 22:00:00"),
        (NIGHTLY, "2026-11-30 22:00:00", True, "2026-12-01 00:00:00"),
        # Over midnight in Berlin.
        (NIGHTLY, "2026-11-30 23:59:59", True, "2026-12-01 00:00:00"),
        (NIGHTLY, "2026-12-01 00:00:00", False, "2026-12-01 22:00:00"),
        # In summer an hour earlier.
        (NIGHTLY, "2026-07-01 21:00:00", True, "2026-07-01 23:00:00"),
        (SATURDAY, "2026-12-05 03:29:59", True, "2026-12-05 03:30:00"),
        (SATURDAY, "2026-12-06 02:10:00", False, "2026-12-12 02:00:00"),
        # On 29 March 2026 there is no half past two in Berlin: it opens at three, which is one o'clock UTC.
        (EARLY, "2026-03-29 00:59:59", False, "2026-03-29 01:00:00"),
        (EARLY, "2026-03-29 01:00:00", True, "2026-03-29 02:00:00"),
        # On 25 October 2026 half past two comes twice: it opens once.
        (EARLY, "2026-10-25 00:30:00", True, "2026-10-25 01:30:00"),
        (EARLY, "2026-10-25 01:30:00", False, "2026-10-26 01:30:00"),
    ],
)
def test_a_window_is_open_from_its_tick_for_its_duration(
    section: MuteSection, at: str, is_open: bool, changes_at: str
) -> None:
    state = read_window("nightly", section, seconds(at))
    assert (state.mute is not None, state.changes_at) == (is_open, seconds(changes_at))


def test_a_clock_that_is_set_back_makes_windows_look_again() -> None:
    windows = Windows({"nightly": NIGHTLY})
    assert windows.states(seconds("2026-11-30 22:10:00"))[0].mute is not None
    assert windows.states(seconds("2026-11-30 21:10:00"))[0].mute is None
    assert windows.states(seconds("2026-11-30 22:10:00"))[0].mute is not None


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"matchers": (), "schedule": "0 2 * * *"}, "matchers must say what is muted"),
        ({"matchers": ("backup",), "schedule": "0 2 * * *"}, "is not a label with a value"),
        ({"matchers": JOB, "schedule": ""}, "schedule must have five fields"),
        ({"matchers": JOB, "schedule": "0 2 * * *", "duration": "long"}, "is not a duration"),
        ({"matchers": JOB, "schedule": "0 2 * * *", "timezone": "Berlin"}, "'Berlin' is not known"),
    ],
)
def test_a_section_with_a_mistake_is_refused(settings: dict[str, object], why: str) -> None:
    with pytest.raises((ValueError, CallerError), match=why):
        MuteSection(**settings)  # type: ignore[arg-type]


def test_in_a_window_nobody_is_notified_and_afterwards_the_steps_start(join: Join) -> None:
    harness = IncidentHarness(join, windows={"nightly": MuteSection(("title=HighCPU*",), "* * * * *", "UTC", "5m")})
    harness.ingest(FIRING)
    (each,) = harness.open
    assert (each.mute, each.mute_by) == ("nightly", "[mute.nightly]")
    assert harness.unread("alert-manager") == []
    with pytest.raises(CallerError, match=r"\[mute.nightly\] is a section of teamsup.toml"):
        harness.unmute("nightly")

    again = IncidentHarness(join)  # the section is gone
    again.now = harness.now
    again.advance(1)
    assert again.open[0].mute is None
    assert len(again.read("alert-manager")) == 1
    assert again.read("user_comm")[-1].content.startswith("Mute nightly by [mute.nightly] is over. It still fires")
