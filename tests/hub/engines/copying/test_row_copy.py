"""A copy of a team has every row of it, and says what it could not keep."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from helpers.support import run_foreign_sql
from teamsup.hub import CallerError, MessageHub, StoreError, Team
from teamsup.hub.engines.choice import copy_team
from teamsup.hub.engines.copying.row_copy import CopyReport, ReportRows, StoreInUse, normalize_value

BROKEN = "\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize(
    ("value", "kind", "stored", "is_kept"),
    [
        ("a", "text", "a", True),
        ("a\0b", "text", f"a{BROKEN}b", False),
        (b"a\xff", "text", f"a{BROKEN}", False),
        (7, "text", "7", False),
        (7, "integer", 7, True),
        ("many", "integer", 0, False),
        (1.5, "integer", 0, False),
        (1.5, "real", 1.5, True),
        (2, "real", 2.0, True),
        ("x", "real", 0.0, False),
        ("2026-11-30 12:00:00.123", "time", "2026-11-30 12:00:00.123", True),
        ("2026-11-30 12:00:00", "time", "2026-11-30 12:00:00.000", True),
        ("2026-11-30T12:00:00+02:00", "time", "2026-11-30 10:00:00.000", True),
        (0, "time", "1970-01-01 00:00:00.000", True),
        ("infinity", "time", None, False),
        ("0001-01-01T00:00:00+14:00", "time", None, False),
        (1e300, "time", None, False),
        (b"\xff", "time", None, False),
    ],
)
def test_a_value_is_what_the_hub_reads_of_it(value: object, kind: str, stored: object, is_kept: bool) -> None:
    assert normalize_value(value, kind) == (stored, is_kept)  # type: ignore[arg-type]


@pytest.fixture
def old(tmp_path: Path) -> Team:
    """A team with a conversation, and a message that was removed last."""
    team = Team("crew", tmp_path / "old")
    with MessageHub(team, agent="lead") as hub:
        hub.register()
        hub.enroll("ann")
        for number in range(3):
            hub.send("ann", f"text {number}", conversation_id="c")
        hub.execute("DELETE FROM messages WHERE id = ?", (hub.send("ann", "gone").id,))
    return team


@pytest.fixture
def new(tmp_path: Path) -> Team:
    team = Team("crew", tmp_path / "new")
    team.create()
    return team


def copy(old: Team, new: Team, report_rows: ReportRows = lambda *_: None) -> CopyReport:
    return copy_team(str(old.database), str(new.database), "crew", (), report_rows)


def test_the_copy_continues_where_the_team_was(old: Team, new: Team) -> None:
    report = copy(old, new)

    assert (report.rows["messages"], report.rows["deliveries"], report.replaced_values) == (3, 3, {})
    with MessageHub(new, agent="ann") as ann:
        (delivery,) = ann.claim(3)
        ann.acknowledge(delivery)
        assert [each.message.content for each in ann.claim(3)] == ["text 1"]
        run_foreign_sql(
            new, "INSERT INTO messages (message_id, sender, recipient, content) VALUES ('m', 'cron', 'ann', 'x')"
        )
        assert [message.id for message in ann.queries.history(limit=1)] == [5]
        assert ann.maintenance.check_integrity() == []


def test_a_copy_that_is_complete_is_only_compared(old: Team, new: Team) -> None:
    first = copy(old, new)
    again = copy(old, new)
    assert (first.written > 6, again.written, again.rows) == (True, 0, first.rows)


@pytest.mark.parametrize("rows", [1, 4, 9])
def test_a_copy_that_was_interrupted_is_continued(
    old: Team, new: Team, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamsup.hub.engines.copying.file_rows.PAGE_ROWS", 1)

    def interrupt(_: str, walked: int, __: int) -> None:
        if walked == rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(old, new, interrupt)
    assert not new.database.exists()

    assert copy(old, new).rows["messages"] == 3
    assert [path.name for path in new.folder.iterdir() if path.is_file()] == ["messages.db"]
    assert copy(old, new).written == 0


def test_a_copy_that_is_continued_has_what_has_changed_since(
    old: Team, new: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("teamsup.hub.engines.copying.file_rows.PAGE_ROWS", 2)

    def interrupt(_: str, walked: int, total: int) -> None:
        if walked == total:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(old, new, interrupt)
    with MessageHub(old, agent="ann") as ann:
        (delivery,) = ann.claim()
        ann.acknowledge(delivery)
        ann.execute("DELETE FROM messages WHERE content = 'text 2'")

    copy(old, new)

    with MessageHub(new, agent="ann") as ann:
        assert [each.message.content for each in ann.claim(3)] == ["text 1"]


def test_odd_values_of_foreign_programs_are_copied_as_the_hub_reads_them(old: Team, new: Team) -> None:
    run_foreign_sql(old, "UPDATE messages SET hops = 'many', processed_at = 'noon', content = x'61ff' WHERE id = 1")
    run_foreign_sql(old, "INSERT INTO agent_status (agent_name) VALUES (NULL)")
    run_foreign_sql(old, "CREATE TABLE notes (note TEXT)")

    report = copy(old, new)

    assert report.replaced_values == {"messages.hops": 1, "messages.processed_at": 1, "messages.content": 1}
    assert report.left_out == ("notes",)
    sql = "SELECT hops, processed_at, content FROM messages WHERE id = 1"
    assert run_foreign_sql(new, sql) == [(0, None, f"a{BROKEN}")]


def test_a_target_with_other_rows_is_refused_and_stays(old: Team, new: Team) -> None:
    with MessageHub(new, agent="lead") as hub:
        hub.register()
    with pytest.raises(CallerError, match="has rows of its own"):
        copy(old, new)
    assert run_foreign_sql(new, "SELECT count(*) FROM messages") == [(0,)]


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_store_that_a_program_has_open_is_not_copied(old: Team, new: Team, which: str) -> None:
    with MessageHub(old if which == "old" else new, agent="lead"), pytest.raises(StoreInUse, match="open"):
        copy(old, new)


def test_no_program_writes_during_a_copy(old: Team, new: Team) -> None:
    refused = []

    def write(*_: object) -> None:
        with (
            closing(sqlite3.connect(old.database, timeout=0)) as db,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            db.execute("UPDATE messages SET status = 'processed'")
        refused.append(True)

    copy(old, new, write)
    assert refused


def test_another_database_is_not_copied(old: Team, new: Team, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as db, db:
        db.execute("CREATE TABLE notes (note TEXT)")
    other.with_name("words").write_text("words" * 1000)
    for source, words in ((other, "not the database of a team"), (tmp_path / "none", "not a file")):
        with pytest.raises(CallerError, match=words):
            copy_team(str(source), str(new.database), "crew", ())
    with pytest.raises(StoreError, match="not a SQLite database"):
        copy_team(str(tmp_path / "words"), str(new.database), "crew", ())
    with pytest.raises(CallerError, match="onto itself"):
        copy(old, old)
    with pytest.raises(StoreError, match="No such file or directory"):
        copy_team(str(old.database), str(tmp_path / "none" / "new.db"), "crew", ())
    assert not new.database.exists()
    with closing(sqlite3.connect(other)) as db, db:
        assert db.execute("SELECT count(*) FROM sqlite_master").fetchone() == (1,)


def test_tables_of_a_component_that_is_not_installed_are_not_lost(old: Team, new: Team) -> None:
    run_foreign_sql(old, "INSERT INTO schema_versions VALUES ('weather', 1)")
    with pytest.raises(CallerError, match="tables of weather, which is not installed here"):
        copy(old, new)
