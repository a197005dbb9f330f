"""A component's tables are made and migrated by the component, and the hub's maintenance respects them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers.support import run_foreign_sql
from teamsup.hub import MessageHub, Team
from teamsup.hub.engines.component_tables import ComponentTables
from teamsup.hub.errors import ComponentTooNew, UnusableComponent

Join = Callable[..., MessageHub]


@pytest.fixture
def notes(tmp_path: Path) -> ComponentTables:
    """A component that keeps notes about messages and people."""
    script = tmp_path / "1-tables.sql"
    script.write_text("CREATE TABLE notes (message INTEGER, person TEXT); CREATE INDEX notes_of ON notes (person);\n")
    return ComponentTables(
        "note-taker",
        (script,),
        goes_with_message={"notes": ("message",)},
        keeps=("SELECT message FROM notes WHERE person = 'kept'",),
        forgets_person=("DELETE FROM notes WHERE person = :name OR person = 'number ' || :id",),
    )


@pytest.fixture
def newer_notes(notes: ComponentTables, tmp_path: Path) -> ComponentTables:
    """The same component in a later version."""
    script = tmp_path / "2-colours.sql"
    script.write_text("ALTER TABLE notes ADD COLUMN colour TEXT;\n")
    return ComponentTables(notes.component, (*notes.scripts, script), goes_with_message=notes.goes_with_message)


def exchange(hub: MessageHub, count: int) -> None:
    for _ in range(count):
        hub.send(hub.agent, "x")
    for delivery in hub.claim(count):
        hub.acknowledge(delivery)


def test_its_tables_are_made_once(join: Join, notes: ComponentTables) -> None:
    lead = join("lead")
    assert lead.maintenance.component_version("note-taker") is None

    for _ in range(2):
        lead.maintenance.migrate_component(notes)

    assert lead.maintenance.component_version("note-taker") == 1
    assert lead.query("SELECT * FROM notes") == []


def test_a_later_version_keeps_the_rows_and_a_copy_from_before(
    join: Join, team: Team, notes: ComponentTables, newer_notes: ComponentTables
) -> None:
    lead = join("lead")
    lead.maintenance.migrate_component(notes)
    lead.execute("INSERT INTO notes VALUES (1, 'ann')")

    lead.maintenance.migrate_component(newer_notes)

    assert [tuple(row) for row in lead.query("SELECT * FROM notes")] == [(1, "ann", None)]
    assert len(list(team.folder.joinpath("backups").iterdir())) == 1


def test_a_script_that_fails_leaves_nothing_behind(join: Join, team: Team, notes: ComponentTables) -> None:
    lead = join("lead")
    broken = ComponentTables("broken", (*notes.scripts, notes.scripts[0]))

    with pytest.raises(
        UnusableComponent, match=r"The SQL of broken in 1-tables\.sql cannot be used: table notes already exists"
    ):
        lead.maintenance.migrate_component(broken)

    assert lead.maintenance.component_version("broken") is None
    assert run_foreign_sql(team, "SELECT count(*) FROM sqlite_master WHERE name = 'notes'") == [(0,)]


@pytest.mark.parametrize(
    "mistake",
    [
        {"goes_with_message": {"notes": ("no_such_column",)}},
        {"keeps": ("SELECT message FROM no_such_table",)},
        {"forgets_person": ("DELETE FROM notes WHERE no_such_column = :name",)},
        {"scripts": (Path("no-such-script.sql"),)},
    ],
)
def test_a_mistake_that_would_stop_maintenance_is_refused(
    join: Join, notes: ComponentTables, mistake: dict[str, Any]
) -> None:
    lead = join("lead")

    with pytest.raises(UnusableComponent, match=r"no.such"):
        lead.maintenance.migrate_component(replace(notes, **mistake))

    assert lead.maintenance.component_version("note-taker") is None


def test_a_component_older_than_its_tables_refuses_them_and_others_continue(
    join: Join, notes: ComponentTables, newer_notes: ComponentTables
) -> None:
    lead, note_taker = join("lead"), join("note-taker")
    note_taker.maintenance.use_component(notes)
    note_taker.send("lead", "a note")

    lead.maintenance.migrate_component(newer_notes)

    with pytest.raises(ComponentTooNew, match=r"The tables of note-taker have version 2, .* this one knows 1"):
        note_taker.send("lead", "another note")
    with pytest.raises(ComponentTooNew):
        join("console-ann").maintenance.use_component(notes)
    assert [delivery.message.content for delivery in lead.claim(10)] == ["a note"]


def test_its_rows_end_with_their_message_removed_by_any_program(join: Join, team: Team, notes: ComponentTables) -> None:
    lead = join("lead")
    lead.maintenance.migrate_component(notes)
    exchange(lead, 2)
    lead.execute("INSERT INTO notes VALUES (1, 'a'), (2, 'b')")

    run_foreign_sql(team, "DELETE FROM messages WHERE id = 1")

    assert [row[0] for row in lead.query("SELECT person FROM notes")] == ["b"]


def test_prune_leaves_what_a_component_keeps(join: Join, notes: ComponentTables) -> None:
    lead = join("lead")
    exchange(lead, 3)
    assert lead.maintenance.component_version("note-taker") is None
    lead.maintenance.migrate_component(notes)
    lead.execute("INSERT INTO notes VALUES (1, 'kept'), (2, 'b')")

    assert lead.maintenance.prune(keep=0, components=[notes]) == 2

    assert [message.id for message in lead.queries.history()] == [1]


def test_prune_asks_no_component_that_has_no_tables_here(join: Join, notes: ComponentTables) -> None:
    lead = join("lead")
    exchange(lead, 3)

    assert lead.maintenance.prune(keep=0, components=[notes]) == 3


@pytest.mark.parametrize(("person", "left"), [("discord:30", {"ann"}), ("ann", {"discord:30", "number 30"})])
def test_forget_reaches_a_components_tables(join: Join, notes: ComponentTables, person: str, left: set[str]) -> None:
    lead = join("lead")
    lead.maintenance.migrate_component(notes)
    lead.execute("INSERT INTO notes VALUES (1, 'ann'), (2, 'discord:30'), (3, 'number 30')")

    lead.maintenance.forget(person, [notes])

    assert {row[0] for row in lead.query("SELECT person FROM notes")} == left


def test_check_finds_rows_without_their_message(join: Join, notes: ComponentTables) -> None:
    lead = join("lead")
    lead.maintenance.migrate_component(notes)
    lead.execute("INSERT INTO notes VALUES (77, 'ann')")

    assert lead.maintenance.check_integrity([notes]) == ["1 rows of notes belong to no message."]
