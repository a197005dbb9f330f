"""Who shows no life: what the health check of a container asks."""

from dataclasses import replace

import pytest

from teamsup.hub import StoreError
from teamsup.status.team_status import ParticipantStatus, TeamStatus

WELL = ParticipantStatus("gateway", "daemon", "RUNNING", 7, 60.0, 0, 1.0, 0.1, 1)
UNREADABLE = "its heartbeats cannot be read"


@pytest.mark.parametrize(
    ("row", "is_silent"),
    [
        (WELL, False),
        (replace(WELL, state="DEGRADED", note="Discord cannot be reached", well=False), False),
        (replace(WELL, state="BACKOFF", note="exit code 1; next try in 2s", well=False), False),
        (replace(WELL, state="FATAL", well=False), False),
        (replace(WELL, state="unknown", note="no heartbeat for 40s", well=False), True),
        (replace(WELL, state="unknown", note="no heartbeat for 40s", well=False, kind="supervisor"), True),
        (replace(WELL, state="unknown", note="its process is gone, and its state was RUNNING", well=False), True),
        (replace(WELL, state="unknown", note=UNREADABLE, well=False), False),
        (replace(WELL, state="unknown", note="no heartbeat for 40s", kind="agent"), False),
    ],
)
def test_only_a_process_of_ours_whose_loop_does_not_beat_is_silent(row: ParticipantStatus, *, is_silent: bool) -> None:
    assert [each.name for each in TeamStatus([row], {}, 1, None).silent] == (["gateway"] if is_silent else [])


def test_a_hub_that_cannot_be_read_makes_nobody_silent() -> None:
    rows = [replace(WELL, state="unknown", note=UNREADABLE, well=False)]
    assert TeamStatus(rows, {}, 1, StoreError("The disk is full.")).silent == []
