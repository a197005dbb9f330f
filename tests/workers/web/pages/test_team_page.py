"""The headline of a team that needs nobody."""

from dataclasses import replace

from teamsup.config.entries import EntryState
from teamsup.workers.web.pages.rendering import Missing
from teamsup.workers.web.pages.team_page import describe_answers
from teamsup.workers.web.pages.views.participants import TeamMember

NONE = Missing.NOT_APPLICABLE
WELL = TeamMember(
    name="gateway",
    is_worker=True,
    state=EntryState("well", "running"),
    evidence=(),
    limit_seconds=30,
    is_well=True,
    unread="0",
    oldest=None,
    is_old=False,
    woken_by=NONE,
    cpu=NONE,
    memory=NONE,
    restarts=NONE,
    runs_today=NONE,
    cost_today=NONE,
)
DEGRADED = replace(WELL, state=EntryState("degraded", "degraded"), is_well=False)
SILENT = replace(WELL, state=EntryState("silent", "not heard"), is_well=False)
STOPPED = replace(WELL, state=EntryState("paused", "stopped"))


def test_all_is_well_if_everybody_answers_and_is_well() -> None:
    assert describe_answers([WELL, WELL, STOPPED]) == "All well: 2 of 2 answer"


def test_a_worker_that_is_not_heard_does_not_answer() -> None:
    assert describe_answers([WELL, DEGRADED, SILENT]) == "Nothing is known to need you, and 2 of 3 answer"


def test_a_worker_that_answers_but_is_degraded_is_not_well() -> None:
    assert describe_answers([WELL, DEGRADED]) == "Nothing needs you yet, and 1 of 2 is not well"
    assert describe_answers([DEGRADED, DEGRADED]) == "Nothing needs you yet, and 2 of 2 are not well"


def test_a_team_without_anybody_is_not_called_well() -> None:
    assert describe_answers([]) == "Nobody takes part yet"
