"""A table has one owner: the hub's are named in SQL inside the hub alone, a component's in one module of it."""

import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from helpers.source_tree import ROOT
from helpers.sql_texts import files, tables_named_in, texts_in, texts_of
from teamsup.config.components import installed_tables

HUB = ROOT / "hub" / "teamsup" / "hub"
ENGINES = HUB / "engines"
WORKERS = ROOT / "workers" / "teamsup" / "workers"
COMPONENTS = sorted(folder.parent.name for folder in WORKERS.glob("*/schema"))
# What a component hands to the hub for its maintenance names its tables once more.
DESCRIPTION = "component.py"
# The scripts of earlier versions made the tables of components too.
HISTORY = re.compile(r"\d+-.*\.sql")
_CREATED = re.compile(r"CREATE (?:VIRTUAL )?(?:TABLE|VIEW) (?:IF NOT EXISTS )?(\w+)")


def made_by(*paths: Path) -> set[str]:
    """Return the tables and views that these scripts and modules make."""
    return {table for path in paths for sql in texts_of(path) for table in _CREATED.findall(sql.text)}


@cache
def tables_of_hub() -> set[str]:
    return made_by(*(path for path in files() if path.is_relative_to(HUB) and not HISTORY.fullmatch(path.name)))


def tables_of(component: str) -> set[str]:
    return made_by(*(WORKERS / component / "schema").glob("*.sql"))


@cache
def paths_naming() -> dict[str, set[Path]]:
    """Return the modules and scripts whose SQL names a table, by table."""
    found: dict[str, set[Path]] = defaultdict(set)
    for path in files():
        for sql in texts_of(path):
            for table in tables_named_in(sql.text):
                found[table].add(path)
    return found


def test_sql_is_found() -> None:
    assert HUB / "tables" / "deliveries.py" in paths_naming()["deliveries"]
    assert {"messages", "deliveries", "agent_status", "messages_fts", "new_deliveries"} <= tables_of_hub()
    assert {"gateway", "monitor_bridge", "user_comm"} <= set(COMPONENTS)
    assert all(tables_of(component) for component in COMPONENTS)


@pytest.mark.parametrize(
    "source",
    [
        'db.query("SELECT 1 FROM mine, messages")',
        'db.query("SELECT 1 FROM mine AS a, messages AS b")',
        'db.query("SELECT 1 FROM mine JOIN messages ON a = b")',
        "db.query('SELECT 1 FROM \"messages\"')",
        'db.query("SELECT 1 FROM (SELECT 1 FROM mine) AS a, main.messages")',
        'db.query("select * from messages")',
        'db.query("Select * From messages")',
        'db.execute("UPDATE messages SET status = 1")',
        'db.execute("update or ignore messages set status = 1")',
        'db.execute("INSERT OR REPLACE INTO messages VALUES (1)")',
        'db.execute("REPLACE INTO messages VALUES (1)")',
        'db.execute("DELETE FROM mine WHERE a IN (SELECT id FROM messages)")',
        'db.execute("CREATE TRIGGER t AFTER DELETE ON messages BEGIN SELECT 1; END")',
        'db.execute("CREATE INDEX i ON messages (id)")',
        'db.execute("DROP TABLE IF EXISTS messages")',
        'TABLE = "messages"\ndb.query(f"SELECT 1 FROM {TABLE}")',
        'TABLE = "messages"\ndb.query("SELECT 1 FROM " + TABLE + " WHERE a = 1")',
        'db.query("SELECT 1 " + "FROM " + "messages")',
        'WHERE = "FROM messages WHERE a = ?"\ndb.query(f"SELECT 1 {WHERE}")',
        'sql = "SELECT 1"\nsql += " FROM messages"\ndb.query(sql)',
        'db.query(" ".join(["SELECT 1 FROM", "messages"]))',
        'db.query("SELECT 1 FROM {table}".format(table="messages"))',
        'SQL = {"a": "SELECT 1 FROM messages"}\ndb.query(SQL["a"])',
    ],
)
def test_a_table_is_seen_however_its_name_gets_into_the_sql(source: str) -> None:
    assert "messages" in {table for sql in texts_in(source) for table in tables_named_in(sql.text)}


@pytest.mark.parametrize(
    "source",
    [
        'def f(table):\n    db.query(f"SELECT 1 FROM {table}")',
        'def f(table):\n    db.query("SELECT 1 FROM " + table)',
        'def f(table):\n    db.query("SELECT 1 FROM %s" % table)',
        'def f(table):\n    db.query("SELECT 1 FROM {}".format(table))',
        'def f(kind):\n    db.query(f"SELECT 1 FROM discord_{kind} WHERE a = 1")',
        'for table in ("a", "b"):\n    db.execute(f"DELETE FROM {table}")',
    ],
)
def test_a_name_that_cannot_be_read_is_seen(source: str) -> None:
    assert any("{" in table for sql in texts_in(source) for table in tables_named_in(sql.text))


@pytest.mark.parametrize(
    "source",
    [
        '"""SELECT 1 FROM messages"""',
        'def f():\n    """Read FROM messages."""',
        'db.query("SELECT messages FROM mine ORDER BY messages")',
        "db.query(\"SELECT 'FROM messages' FROM mine -- FROM messages\")",
        'db.execute("INSERT INTO mine (messages) VALUES (1) ON CONFLICT (messages) DO UPDATE SET messages = 2")',
        'db.query("SELECT f(a, messages) FROM mine WHERE a IN (1, messages)")',
        'log("read 5 messages")',
    ],
)
def test_a_name_that_is_not_a_table_is_not_found(source: str) -> None:
    assert "messages" not in {table for sql in texts_in(source) for table in tables_named_in(sql.text)}


def test_the_tables_of_the_hub_are_named_inside_the_hub_alone() -> None:
    outside = {
        f"{path.relative_to(ROOT).as_posix()}: {table}"
        for table in tables_of_hub()
        for path in paths_naming()[table]
        if not path.is_relative_to(HUB)
    }
    assert outside == set()


def test_the_hub_names_no_table_of_a_component() -> None:
    theirs = {table for component in COMPONENTS for table in tables_of(component)}
    named = {
        f"{path.relative_to(ROOT).as_posix()}: {table}"
        for table in theirs
        for path in paths_naming()[table]
        if path.is_relative_to(HUB) and not HISTORY.fullmatch(path.name)
    }
    assert named == set()


def test_every_table_stands_in_the_sql_by_its_name() -> None:
    """Else nobody sees whose table it is. An engine makes and restores tables of which it knows only the names."""
    unknown = {
        f"{sql.place}: {table}"
        for path in files()
        if not path.is_relative_to(ENGINES)
        for sql in texts_of(path)
        if sql.is_statement
        for table in tables_named_in(sql.text)
        if "{" in table
    }
    assert unknown == set()


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_scripts_of_a_component_name_its_own_tables_alone(component: str) -> None:
    named = {
        table
        for script in (WORKERS / component).rglob("*.sql")
        for sql in texts_of(script)
        for table in tables_named_in(sql.text)
    }
    assert named == tables_of(component)


@pytest.mark.parametrize("component", COMPONENTS)
def test_the_statements_of_a_component_for_maintenance_name_only_its_own_tables(component: str) -> None:
    handed = [tables for tables in installed_tables() if WORKERS / component in tables.scripts[0].parents]
    assert len(handed) == 1
    (tables,) = handed
    named = {*tables.goes_with_message, *tables.carried_over}
    for sql in (*tables.keeps, *tables.forgets_person):
        assert tables_named_in(sql) != set()
        named |= tables_named_in(sql)
    assert named - tables_of(component) == set()


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_table_of_a_component_is_named_in_one_module_of_it(component: str) -> None:
    owners: dict[str, set[Path]] = {table: set() for table in tables_of(component)}
    for path in files():
        if path.suffix == ".py" and path.name != DESCRIPTION:
            # A module may join what a constant of the owner names.
            for sql in texts_of(path, with_imports=False):
                for table in tables_named_in(sql.text) & owners.keys():
                    owners[table].add(path)
    several = {
        table: sorted(path.relative_to(ROOT).as_posix() for path in paths)
        for table, paths in owners.items()
        if len(paths) != 1 or not all(path.is_relative_to(WORKERS / component) for path in paths)
    }
    assert several == {}
