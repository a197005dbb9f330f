"""Databases of schema 11, with its names for tables, columns and metadata, are migrated with all that they have."""

import json
import os
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from helpers.support import TIMEOUT_SECONDS, OpenCommand, run_foreign_sql
from teamsup.config.components import installed_tables
from teamsup.hub import MessageHub, StoreError, StoreFull, Team
from teamsup.hub.engines.sqlite.migrations import SCHEMA_VERSION

OLD_DATABASE = Path(__file__).parents[2] / "schema_11.sql"
RENAMED_TABLES = {
    "discord_places": "discord_channels",
    "discord_pieces": "discord_chunks",
    "discord_facts": "discord_state",
    "discord_codes": "discord_pairing_codes",
    "decision_places": "decision_messages",
    "incident_conversations": "incident_groups",
    "signs_of_life": "source_heartbeats",
    "refused_payloads": "rejected_payloads",
}
OLD_NAMES = (
    *RENAMED_TABLES,
    *("ladder", "told_at", "begun_at", "begun", "shown", "told", "fallback", "everywhere", "denies", "thing", "key"),
    *(
        "muted_by",
        "seen_there",
        "begins",
        "first",
        "news",
        "news_due",
        "people_told",
        "acted_by",
        "acted_at",
        "is_flood",
    ),
)
OLD_PROGRAM = """
import sys, time
from pathlib import Path
from teamsup.hub.engines.sqlite import migrations
migrations._SCHEMA_SCRIPTS = migrations._SCHEMA_SCRIPTS[:11]
migrations.SCHEMA_VERSION = 11
from teamsup.hub import MessageHub, SchemaTooNew, Team
hub = MessageHub(Team("crew", Path(sys.argv[1])))
print("has it open", flush=True)
try:
    while True:
        hub.execute("UPDATE agent_status SET status = status")
        time.sleep(0.001)
except SchemaTooNew as error:
    print(error)
"""
Rows = dict[str, list[tuple[Any, ...]]]


@pytest.fixture
def old_team(team: Team) -> Team:
    """A team whose database is of schema 11."""
    team.create()
    with closing(sqlite3.connect(team.database)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript(OLD_DATABASE.read_text("utf-8"))
    return team


def read_tables(path: Path) -> Rows:
    with closing(sqlite3.connect(path)) as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {name: sorted(db.execute(f"SELECT * FROM {name}"), key=str) for name in names}


def read_schema(path: Path) -> dict[tuple[str, str], object]:
    """Return what a database consists of, however its tables came to have these columns."""
    with closing(sqlite3.connect(path)) as db:
        found: dict[tuple[str, str], object] = {}
        for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master"):
            plain = re.sub(r"--[^\n]*", "", (sql or "").replace("IF NOT EXISTS ", "")).replace('"', "")
            if kind == "table":
                columns = db.execute(f"PRAGMA table_info({name})").fetchall()
                found[kind, name] = columns, re.findall(r"CHECK.*|UNIQUE.*|AUTOINCREMENT|WITHOUT ROWID", plain)
            else:
                found[kind, name] = " ".join(plain.split())
        return found


def read_columns(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as db:
        tables = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {row[1] for (table,) in tables for row in db.execute(f"PRAGMA table_info({table})")}


def copies_of(team: Team) -> list[Path]:
    return sorted(team.folder.joinpath("backups").glob("*"))


def test_every_row_is_there_afterwards(old_team: Team) -> None:
    before = read_tables(old_team.database)
    assert all(before.values())  # the file has rows in every table

    MessageHub(old_team).close()

    after = read_tables(old_team.database)
    assert dict(after.pop("schema_versions")) == {"gateway": 0, "monitor-bridge": 0, "user_comm": 0}
    expected = {RENAMED_TABLES.get(name, name): rows for name, rows in before.items()}
    assert after.keys() == expected.keys()
    for name in ("messages", "incident_groups"):
        assert {row[0] for row in after.pop(name)} == {row[0] for row in expected.pop(name)}
    assert after == expected


def test_its_schema_is_that_of_a_new_database(old_team: Team) -> None:
    new = Team("new", old_team.folder / "new")
    for team in (old_team, new):
        with MessageHub(team) as hub:
            for tables in installed_tables():
                hub.maintenance.migrate_component(tables)

    assert read_schema(old_team.database) == read_schema(new.database)
    assert not read_columns(new.database) & set(OLD_NAMES)
    assert not {name for _, name in read_schema(new.database)} & set(OLD_NAMES)


def test_a_new_database_has_no_tables_but_those_of_the_hub(team: Team) -> None:
    MessageHub(team).close()

    assert read_tables(team.database).keys() == {
        *("messages", "deliveries", "agent_status", "replaced_messages", "clock_mark", "send_rates", "exchanges"),
        *("schema_versions", "sqlite_sequence"),
    }


def test_a_process_of_the_older_version_ends_with_the_reason(old_team: Team) -> None:
    line = [sys.executable, "-c", OLD_PROGRAM, str(old_team.folder)]
    with OpenCommand(line, stdout=subprocess.PIPE, text=True) as old:
        assert old.stdout is not None
        assert old.stdout.readline() == "has it open\n"

        MessageHub(old_team).close()

        said, _ = old.communicate(timeout=TIMEOUT_SECONDS)
    assert f"has schema {SCHEMA_VERSION}, written by a newer teamsup; this one knows 11." in said
    assert old.returncode == 0


def test_the_metadata_of_the_teams_own_messages_has_the_new_keys(old_team: Team) -> None:
    before = {row[1]: json.loads(row[7]) for row in read_tables(old_team.database)["messages"] if row[7] != "{oops"}
    with MessageHub(old_team) as hub:
        after = {key: hub.queries.message(key).metadata for key in before}

    asked = after["discord:1001"]
    assert asked == {"user": 7, "author_name": "Ann", "body_length": 9, "replied_message": "shown:1"}
    (relay,) = (each for each in after.values() if "question" in each and "body_length" in each)
    assert (relay["author_name"], relay["body_length"], relay["question"]) == ("Ann", 9, "discord:1001")
    (outcome,) = (each for each in after.values() if each.get("state") == "decided")
    assert (outcome["author_name"], outcome["question_ref"]) == ("ann", "discord:1001")
    (closing,) = (
        each["close_buttons"] for key, each in after.items() if key.startswith("prom:") and "close_buttons" in each
    )
    assert closing.keys() == {"messages", "text", "is_over"}


def test_the_metadata_of_others_stays_as_they_wrote_it(old_team: Team) -> None:
    def read_foreign() -> list[tuple[Any, ...]]:
        sql = "SELECT message_id, metadata FROM messages WHERE message_id LIKE 'odd-%' OR sender IN ('lead', 'scout')"
        return run_foreign_sql(old_team, sql)

    before = read_foreign()
    assert any('"from": "the lead"' in metadata for _, metadata in before)
    MessageHub(old_team).close()
    assert read_foreign() == before


def test_the_team_goes_on_with_it(old_team: Team) -> None:
    with MessageHub(old_team, agent="lead") as lead:
        (again,) = (each for each in lead.claim(100) if each.message.content == "again")
        lead.reply(again, "heard")
        assert lead.maintenance.check_integrity() == []
    names = run_foreign_sql(old_team, "SELECT name FROM incident_groups WHERE is_storm")
    assert names == [('storm ["lead"]',)]


def test_a_copy_from_before_is_kept_that_only_its_owner_may_read(old_team: Team) -> None:
    before = read_tables(old_team.database)
    MessageHub(old_team).close()
    MessageHub(old_team).close()

    (copy,) = copies_of(old_team)
    assert copy.name.startswith("schema-11-")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert read_tables(copy) == before
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (11,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_last_three_copies_are_kept(old_team: Team) -> None:
    folder = old_team.folder / "backups"
    folder.mkdir(mode=0o700)
    for number in range(1, 5):
        older = folder / f"schema-{number}-20200101-00000{number}.db"
        older.write_bytes(b"")
        os.utime(older, (number, number))
    folder.joinpath("mine.db").write_bytes(b"")

    MessageHub(old_team).close()

    names = [path.name for path in copies_of(old_team)]
    assert names[:1] == ["mine.db"]
    assert [name for name in names if name.startswith("schema-")][1:] == [
        "schema-3-20200101-000003.db",
        "schema-4-20200101-000004.db",
    ]


def test_nothing_is_changed_without_room_for_a_copy(old_team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    full = os.statvfs_result((4096, 4096, 1000, 10, 10, 0, 0, 0, 0, 255))
    monkeypatch.setattr("teamsup.hub.engines.sqlite.migration_backup.os.statvfs", lambda _: full)

    with pytest.raises(StoreFull, match=r"MiB of free space; the disk has 0 MiB\. Nothing was changed"):
        MessageHub(old_team)

    assert run_foreign_sql(old_team, "PRAGMA user_version") == [(11,)]
    assert copies_of(old_team) == []


def test_nothing_is_changed_where_no_copy_can_be_written(old_team: Team) -> None:
    old_team.folder.joinpath("backups").write_text("a file")

    with pytest.raises(StoreError, match=r"was not changed, because no copy could be written to .*backups"):
        MessageHub(old_team)

    assert run_foreign_sql(old_team, "PRAGMA user_version") == [(11,)]


def test_a_migration_that_fails_changes_nothing_and_takes_no_older_copys_place(old_team: Team) -> None:
    run_foreign_sql(old_team, "CREATE VIEW mine AS SELECT no_such_column FROM discord_places")
    before = read_tables(old_team.database)

    for _ in range(4):
        with pytest.raises(StoreError, match="mine"):
            MessageHub(old_team)

    assert read_tables(old_team.database) == before
    assert run_foreign_sql(old_team, "PRAGMA user_version") == [(11,)]
    assert copies_of(old_team) == []


def test_a_new_database_needs_no_copy(team: Team) -> None:
    MessageHub(team).close()

    assert not team.folder.joinpath("backups").exists()
