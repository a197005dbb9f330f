"""Tables of monitor-bridge that an earlier version made are migrated, and their escalations go on."""

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, Team
from teamsup.hub.timestamps import format_time
from teamsup.workers.monitor_bridge.component import component

OLD_STEPS = {1: "new", 2: "told", 3: "rung", 4: "people", 5: "command"}
assert component.tables is not None
TABLES = component.tables


@pytest.fixture
def old_team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A team with tables of version 2, and a group in each step."""
    team = Team("old", tmp_path_factory.mktemp("old"))
    now = format_time(time.time())
    with MessageHub(team) as hub:
        hub.maintenance.migrate_component(replace(TABLES, scripts=TABLES.scripts[:2], forgets_person=()))
        for number, step in OLD_STEPS.items():
            hub.execute(
                "INSERT INTO incident_groups (group_id, source, name, agents, ack_timeout_seconds, agent, step, since,"
                " notified, responded_by, responded_by_id) VALUES (?, 'prom', ?, '[\"lead\"]', 180, 'lead', ?, ?,"
                " '[\"lead\"]', 'Ann', 'discord:30')",
                (number, f"group {number}", step, now),
            )
        yield team


def read_groups(team: Team, columns: str) -> list[tuple[object, ...]]:
    return run_foreign_sql(team, f"SELECT {columns} FROM incident_groups ORDER BY group_id")


def test_each_stored_step_gets_its_new_name_and_all_else_stays(old_team: Team) -> None:
    other_columns = "group_id, source, name, agents, ack_timeout_seconds, agent, since, notified, responded_by_id"
    before = read_groups(old_team, other_columns)

    with MessageHub(old_team) as hub:
        hub.maintenance.migrate_component(TABLES)

    steps = [step for (step,) in read_groups(old_team, "step")]
    assert steps == ["new", "notified", "reminded", "paged", "command"]
    assert read_groups(old_team, other_columns) == before


def test_an_old_name_cannot_be_stored_any_more(old_team: Team) -> None:
    with MessageHub(old_team) as hub:
        hub.maintenance.migrate_component(TABLES)
        for step in ("told", "rung", "people"):
            with pytest.raises(Exception, match="CHECK constraint failed"):
                hub.execute("UPDATE incident_groups SET step = ? WHERE group_id = 1", (step,))
