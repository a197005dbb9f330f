"""A look at the team without its hub says the same as the hub, or leaves it to the hub."""

from collections.abc import Callable

import pytest

from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, StoreCorrupt, Team
from teamsup.hub.engines.choice import read_once
from teamsup.hub.tables.snapshot import read_snapshot

ONE = [("SELECT 1", ())]


@pytest.mark.only_sqlite("a server is read through the hub")
def test_it_says_what_the_hub_says(team: Team, join: Callable[..., MessageHub]) -> None:
    lead = join("lead")
    lead.send("lead", "hi")
    row = "('1', 'cron', 'x', 'y')"
    run_foreign_sql(team, f"INSERT INTO messages (message_id, sender, recipient, content) VALUES {row}")
    run_foreign_sql(team, "INSERT INTO agent_status (agent_name, metadata) VALUES (CAST(x'ff' AS TEXT), 'no json')")

    found = read_snapshot(team)

    assert read_once(team, ONE) is not None
    assert (found.agents, found.undeliverable) == (lead.agents(), lead.queries.undeliverable())
    assert found.undeliverable == {"x": 1}


@pytest.mark.only_sqlite("a server is read through the hub")
def test_an_unusual_store_is_left_to_the_hub(team: Team) -> None:
    MessageHub(team).close()
    assert read_once(team, ONE) is not None
    run_foreign_sql(team, "PRAGMA user_version = 3")
    assert read_once(team, ONE) is None
    team.database.unlink()
    team.database.write_text("a letter to my aunt" * 100)
    assert read_once(team, ONE) is None
    with pytest.raises(StoreCorrupt):
        read_snapshot(team)
