"""What the hub's maintenance removes of agent-runner's tables."""

from collections.abc import Callable

from teamsup.hub import MessageHub
from teamsup.workers.agent_runner.component import component

TABLES = [component.tables] if component.tables is not None else []


def test_forget_removes_who_paused_an_agent_but_not_that_somebody_did(join: Callable[..., MessageHub]) -> None:
    lead = join("lead")
    for tables in TABLES:
        lead.maintenance.migrate_component(tables)
    reasons = ("ann paused it: too dear", "console-ann paused it", "anna paused it", "ann-marie paused it")
    with lead.transaction():
        for number, reason in enumerate(reasons):
            values = (f"agent-{number}", reason)
            lead.execute("INSERT INTO agent_pauses (kind, name, reason, since) VALUES ('agent', ?, ?, 0)", values)

    lead.maintenance.forget("console-ann", TABLES)

    kept = lead.query("SELECT reason FROM agent_pauses ORDER BY name")
    assert [row[0] for row in kept] == ["somebody paused it: too dear", "somebody paused it", *reasons[2:]]
