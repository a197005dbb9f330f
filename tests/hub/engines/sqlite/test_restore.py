"""A team is taken back to a backup, while its programs have it open, and Discord hears nothing a second time."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from conftest import run_team
from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, refusal_of, run_foreign_sql
from teamsup.hub import CallerError, MessageHub, SchemaTooNew, StaleLease, StoreReplaced, Team
from teamsup.hub.engines.engine import RestoreReport
from teamsup.hub.engines.sqlite.migrations import SCHEMA_VERSION
from teamsup.hub.engines.sqlite.restore import plan_restore, restore_backup
from teamsup.hub.maintenance import restore_and_wake

Join = Callable[..., MessageHub]


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    return tmp_path / "backup.db"


def contents(hub: MessageHub) -> list[str]:
    return [message.content for message in hub.queries.history()]


def test_a_restore_takes_back_what_is_newer_and_says_what(join: Join, team: Team, backup: Path) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "old", message_id="old")
    lead.send("scout", "kept", message_id="kept")
    lead.maintenance.backup(backup)
    scout.acknowledge(scout.claim()[0])
    lead.send("scout", "new")

    expected = RestoreReport(newer_messages=1, reopened_deliveries=1, removed_messages=0)
    assert plan_restore(team, backup) == expected
    assert contents(lead) == ["old", "kept", "new"]
    assert restore_backup(team, backup) == expected

    assert contents(lead) == ["old", "kept"]
    assert [delivery.message.content for delivery in scout.claim(10)] == ["old", "kept"]
    assert lead.maintenance.check_integrity() == []


def test_a_plan_makes_no_team(join: Join, tmp_path: Path, backup: Path) -> None:
    join("lead").maintenance.backup(backup)
    nowhere = Team("nowhere", tmp_path / "nowhere")

    assert plan_restore(nowhere, backup) == RestoreReport(0, 0, 0)
    assert not nowhere.folder.exists()


def test_programs_that_have_it_open_go_on_and_no_id_is_given_twice(join: Join, team: Team, backup: Path) -> None:
    lead, scout = join("lead"), join("scout")
    lead.maintenance.backup(backup)
    last = [lead.send("scout", "new") for _ in range(3)][-1]
    (held,) = scout.claim()
    before = lead.data_version()

    restore_backup(team, backup)

    assert lead.data_version() != before
    with pytest.raises(StaleLease):
        scout.acknowledge(held)
    assert lead.send("scout", "after").id > last.id
    assert [delivery.message.content for delivery in scout.claim(10)] == ["after"]


def test_a_restore_rings_those_who_listen(join: Join, team: Team, backup: Path) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "again")
    lead.maintenance.backup(backup)
    scout.acknowledge(scout.claim()[0])
    woken: list[bool] = []
    listener = threading.Thread(target=lambda: woken.append(scout.wait(TIMEOUT_SECONDS)))
    listener.start()
    eventually(lambda: list(team.run.glob("scout@*")), "the listener waits")

    restore_and_wake(team, backup)

    listener.join()
    assert woken == [True]


def test_a_restore_does_not_change_presence(join: Join, team: Team, backup: Path) -> None:
    lead = join("lead")
    lead.maintenance.backup(backup)
    scout = join("scout")
    lead.heartbeat("busy")
    heartbeat = {agent.name: agent.last_heartbeat for agent in lead.agents()}

    restore_backup(team, backup)

    assert {agent.name: (agent.status, agent.last_heartbeat) for agent in scout.agents()} == {
        "lead": ("busy", heartbeat["lead"]),
        "scout": ("online", heartbeat["scout"]),
    }


def test_a_backup_of_another_page_size_and_an_older_schema_is_brought_up_to_date(join: Join, team: Team) -> None:
    lead = join("lead")
    backup = team.folder / "old.db"
    with closing(sqlite3.connect(backup)) as db:
        db.execute("PRAGMA page_size=4096")
        db.executescript((Path(__file__).parents[2] / "schema_5.sql").read_text("utf-8"))

    restore_backup(team, backup)

    assert [delivery.message.content for delivery in lead.claim()] == ["hi"]
    assert run_foreign_sql(team, "PRAGMA user_version") == [(SCHEMA_VERSION,)]


def test_a_file_that_is_not_a_backup_of_a_team_is_refused(join: Join, team: Team, tmp_path: Path) -> None:
    lead = join("lead")
    letter, other, newer = tmp_path / "letter", tmp_path / "other.db", tmp_path / "newer.db"
    letter.write_bytes(b"this is a letter to my aunt" * 100)
    with closing(sqlite3.connect(other)) as db:
        db.execute("CREATE TABLE notes (text)")
    lead.maintenance.backup(newer)
    with closing(sqlite3.connect(newer)) as db:
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION + 1}")

    for file, why in (
        (letter, "is not a SQLite database"),
        (other, "is not the database of a team"),
        (tmp_path / "nowhere", "is not a file"),
        (team.database, "is the team's database itself"),
    ):
        with pytest.raises(CallerError, match=why):
            restore_backup(team, file)
    with pytest.raises(SchemaTooNew, match=r"newer\.db has schema"):
        restore_backup(team, newer)
    assert [agent.name for agent in lead.agents()] == ["lead"]
    assert not list(team.folder.glob(".restore*"))


def test_a_damaged_database_is_set_aside_and_the_backup_takes_its_place(team: Team, backup: Path) -> None:
    with MessageHub(team, agent="lead") as lead:
        lead.register()
        lead.send("lead", "hi")
        lead.maintenance.backup(backup)
    team.database.write_bytes(b"damaged" * 1000)

    taken_back = restore_backup(team, backup)

    assert taken_back.newer_messages is None
    assert [path.read_bytes()[:7] for path in taken_back.set_aside] == [b"damaged"]
    with MessageHub(team, agent="lead") as lead:
        assert contents(lead) == ["hi"]


def test_a_backup_that_was_moved_over_an_open_database_stops_its_programs_until_it_is_restored(
    join: Join, team: Team, backup: Path, tmp_path: Path
) -> None:
    lead, scout = join("lead"), join("scout")
    lead.send("scout", "old")
    lead.maintenance.backup(backup)
    lead.send("scout", "new")
    backup.rename(team.database)

    for action in (lead.heartbeat, scout.agents, scout.claim, lambda: MessageHub(team)):
        with pytest.raises(StoreReplaced, match=r"was replaced by another file.*teamsup hub restore FILE"):
            action()

    moved = team.database.rename(tmp_path / "moved.db")
    with pytest.raises(StoreReplaced, match="is gone, but its log"):
        lead.heartbeat()
    restore_backup(team, moved)

    assert [delivery.message.content for delivery in scout.claim(10)] == ["old"]
    lead.send("scout", "after")
    assert [delivery.message.content for delivery in scout.claim()] == ["after"]
    assert lead.maintenance.check_integrity() == []


def test_a_database_that_was_moved_in_while_nobody_had_it_open_is_taken(team: Team, backup: Path) -> None:
    with MessageHub(team, agent="lead") as lead:
        lead.register()
        lead.send("lead", "hi")
        lead.maintenance.backup(backup)
        lead.send("lead", "new")
    shutil.copy(backup, team.folder / "copy.db")
    team.database.unlink()
    (team.folder / "copy.db").rename(team.database)

    with MessageHub(team, agent="lead") as lead:
        assert contents(lead) == ["hi"]


def test_the_command_asks_says_what_it_takes_back_and_refuses_while_the_team_runs(
    teamsup: TeamsupCommand, tmp_path: Path
) -> None:
    backup = str(tmp_path / "b.db")
    with MessageHub(teamsup.team, agent="lead") as lead:
        lead.register()
        lead.maintenance.backup(Path(backup))
        lead.send("lead", "new")

    assert "newer messages removed: 1," in refusal_of(teamsup.run("hub", "restore", backup))
    dry = json.loads(teamsup.run("hub", "restore", backup, "--dry-run", "--json").stdout)
    assert dry == {
        "team": teamsup.team.name,
        "dry_run": True,
        "newer_messages": 1,
        "reopened_deliveries": 0,
        "removed_messages": 0,
        "set_aside": [],
    }
    teamsup.configure("")
    with run_team(teamsup):
        eventually(lambda: "ready in" in teamsup.log("supervisor"), "the team")
        assert "--online" in refusal_of(teamsup.run("hub", "restore", backup, "--yes"))
        assert "Restored" in teamsup.run("hub", "restore", backup, "--yes", "--online").stdout
        assert teamsup.ps()["supervisor"]["state"] == "RUNNING"
    with MessageHub(teamsup.team) as hub:
        assert "new" not in contents(hub)
