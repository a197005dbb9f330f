"""An export has every row of a team, and an import takes all of it or nothing."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.support import run_foreign_sql
from teamsup.hub import CallerError, MessageHub, SchemaTooNew, Team
from teamsup.hub.engines.choice import export_team, import_team
from teamsup.hub.engines.component_tables import ComponentTables
from teamsup.hub.engines.copying.row_copy import StoreInUse
from teamsup.hub.engines.copying.row_export import BrokenExport
from teamsup.hub.errors import ComponentTooNew


@pytest.fixture
def old(tmp_path: Path) -> Team:
    """A team with a conversation, and a message that was removed last."""
    team = Team("crew", tmp_path / "old")
    with MessageHub(team, agent="lead") as hub:
        hub.register()
        hub.enroll("ann")
        for number in range(3):
            hub.send("ann", f"text {number} ☕\n", conversation_id="c", metadata={"n": number})
        hub.execute("DELETE FROM messages WHERE id = ?", (hub.send("ann", "gone").id,))
    return team


@pytest.fixture
def new(tmp_path: Path) -> Team:
    team = Team("crew", tmp_path / "new")
    team.create()
    return team


def export(team: Team) -> list[str]:
    lines: list[str] = []
    export_team(team, "0.1", (), lines.append)
    return lines


def fill(team: Team, lines: list[str], components: tuple[ComponentTables, ...] = ()) -> None:
    import_team(team, "old.jsonl", io.BytesIO("".join(lines).encode("utf-8", "surrogatepass")), components)


def test_an_export_of_an_import_has_the_same_lines(old: Team, new: Team) -> None:
    lines = export(old)

    fill(new, lines)

    assert json.loads(lines[0])["team"] == "crew"
    assert export(new)[1:] == lines[1:]
    with MessageHub(new, agent="ann") as ann:
        assert ann.send("lead", "next").id == 5
        assert [each.message.content for each in ann.claim(1)] == ["text 0 ☕\n"]
        assert ann.maintenance.check_integrity() == []


def test_an_export_has_the_rows_of_one_moment(old: Team) -> None:
    lines: list[str] = []

    def send_meanwhile(line: str) -> None:
        if not lines:
            run_foreign_sql(
                old, "INSERT INTO messages (message_id, sender, recipient, content) VALUES ('m', 'x', 'ann', 'late')"
            )
        lines.append(line)

    export_team(old, "0.1", (), send_meanwhile)

    assert "late" not in "".join(lines)
    assert json.loads(lines[-1])["end"]["rows"]["messages"] == 3
    assert "late" in "".join(export(old))


def test_an_empty_database_may_be_there_already(old: Team, new: Team) -> None:
    MessageHub(new).close()

    fill(new, export(old))

    with MessageHub(new) as hub:
        assert hub.queries.stats().messages == 3


def test_a_team_with_rows_is_not_filled(old: Team) -> None:
    lines = export(old)
    with pytest.raises(CallerError, match="has rows of its own"):
        fill(old, lines)
    assert export(old)[1:] == lines[1:]


def test_a_team_that_is_in_use_is_not_filled(old: Team, new: Team) -> None:
    with MessageHub(new), pytest.raises(StoreInUse):
        fill(new, export(old))


def replace(old: str, new: str) -> Callable[[list[str]], list[str]]:
    return lambda lines: [line.replace(old, new) for line in lines]


MESSAGE = '{"table":"messages","row":'


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines: lines[:-1], "ends too early: its last line, with the counts, is missing"),
        (lambda _: [], "line 1: it is not the header of an export"),
        (lambda lines: lines[1:], "line 1: it is not the header of an export"),
        (lambda lines: [*lines[:2], lines[2][:20], *lines[3:]], "line 3: it is not JSON"),
        (lambda lines: [*lines[:2], "[]\n", *lines[2:]], "line 3: it is not a JSON object"),
        (lambda lines: [*lines[:2], *lines[3:]], "has 1 rows of agent_status, but counts 2"),
        (lambda lines: [*lines, lines[1]], r"line \d+: a line follows the last one"),
        (lambda lines: [*lines[:-1], '{"end":{}}\n'], "its last line has no counts"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], r"lines 2 to \d+: .*UNIQUE"),
        (replace(MESSAGE, '{"table":"mail","row":'), r"line \d+: it names no table that is known here"),
        (replace('"priority":', '"weight":'), r"line \d+: it has other columns than messages"),
        (replace('"id":1,', '"id":"1",'), r"line \d+: id of messages has a wrong value"),
        (replace('"id":1,', f'"id":{2**63},'), r"line \d+: id of messages has a wrong value"),
        (replace("text 1", "\\ud800"), r"lines \d+ to \d+: a text has a character that cannot be stored"),
    ],
)
def test_a_broken_export_changes_nothing_and_names_its_line(
    old: Team, new: Team, change: Callable[[list[str]], list[str]], sentence: str
) -> None:
    with pytest.raises(BrokenExport, match=f"old.jsonl.*{sentence}.*Nothing was imported") as caught:
        fill(new, change(export(old)))
    assert "\n" not in str(caught.value)
    assert not [path.name for path in new.folder.iterdir() if path.is_file()]


def test_an_interrupted_import_leaves_nothing(old: Team, new: Team) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_team(new, "old.jsonl", io.BytesIO("".join(export(old)).encode()), (), interrupt)
    assert not [path.name for path in new.folder.iterdir() if path.is_file()]


def test_an_export_of_a_newer_program_names_both_versions(old: Team, new: Team) -> None:
    for change, sentence in (
        (replace('"schema":14', '"schema":99'), "old.jsonl has schema 99, written by teamsup 0.1; this one knows 14."),
        (replace('"teamsup_export":1', '"teamsup_export":2'), "old.jsonl has format 2, .* this one knows 1."),
    ):
        with pytest.raises(SchemaTooNew, match=sentence):
            fill(new, change(export(old)))


def test_the_tables_of_a_component_are_imported_by_a_program_that_knows_them(old: Team, new: Team) -> None:
    lines = replace('"components":{}', '"components":{"greeter":2}')(export(old))
    with pytest.raises(CallerError, match="has tables of greeter, which is not installed here"):
        fill(new, lines)
    with pytest.raises(ComponentTooNew, match="has version 2 of the tables of greeter; this one knows 1"):
        fill(new, lines, (ComponentTables("greeter", (Path("1.sql"),)),))
