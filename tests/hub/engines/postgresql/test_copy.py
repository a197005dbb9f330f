"""A team moves from its file to a server and back, and no row is lost on the way."""

import io
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from helpers.support import TIMEOUT_SECONDS, TeamsupCommand, eventually, refusal_of, run_foreign_sql
from hub.engines.postgresql.conftest import configure
from teamsup.config.components import installed_tables
from teamsup.hub import CallerError, MessageHub, StoreError, Team
from teamsup.hub.engines.choice import copy_team, export_team, import_team
from teamsup.hub.engines.copying.file_rows import open_new_file
from teamsup.hub.engines.copying.row_copy import StoreInUse
from teamsup.hub.engines.copying.server_rows import open_rows
from teamsup.hub.engines.postgresql.address import parse_address

RunWorkers = Callable[[str], TeamsupCommand]
SMALL_PAGES = (
    "import sys; from teamsup.hub.engines.copying import file_rows, server_rows;"
    "file_rows.PAGE_ROWS = server_rows.PAGE_ROWS = 20;"
    "from teamsup.cli.command_line import main; sys.exit(main(sys.argv[1:]))"
)


def fill(team: Team, messages: int) -> Team:
    """Store a team in its folder, with tables of every component and some rows of each kind."""
    with MessageHub(team, agent="lead") as hub:
        hub.register()
        for tables in installed_tables():
            hub.maintenance.migrate_component(tables)
        for name in ("ann", "bob"):
            hub.enroll(name)
        with hub.transaction():
            for number in range(messages):
                hub.send("ann", f"text {number} ☕", conversation_id=f"c{number % 7}", metadata={"n": number})
        hub.broadcast("to all")
        hub.execute("DELETE FROM messages WHERE id = ?", (hub.send("ann", "gone").id,))
        hub.execute(
            "INSERT INTO discord_people (person, name, paired_at) VALUES (1234567890123456789, 'Ann', ?)",
            ("2026-11-30 12:00:00.000",),
        )
    return team


@pytest.fixture
def on_file(tmp_path: Path) -> Team:
    (tmp_path / "home").mkdir()
    return Team("crew", tmp_path / "home" / "crew")


@pytest.mark.slow
def test_both_engines_have_the_same_tables_and_columns(address: str, tmp_path: Path) -> None:
    """A table of one engine alone is named in its _OF_THE_ENGINE."""
    with (
        closing(open_rows(parse_address(address), "crew", alone=True, may_create=True)) as server,
        closing(open_new_file(tmp_path / "new.db")) as file,
    ):
        for rows in (server, file):
            rows.create_tables(installed_tables())
        assert server.tables() == file.tables()
        assert set(file.counters()) <= set(server.counters())


@pytest.mark.slow
def test_a_team_goes_to_a_server_and_back(on_file: Team, address: str, tmp_path: Path) -> None:
    fill(on_file, 50)
    components = installed_tables()
    there = copy_team(str(on_file.database), address, "crew", components)
    back = copy_team(address, str(tmp_path / "back.db"), "crew", components)

    assert (there.rows, there.replaced_values) == (back.rows, {})
    assert copy_team(str(on_file.database), str(tmp_path / "back.db"), "crew", components).written == 0
    with MessageHub(configure(on_file, address), agent="ann") as ann:
        assert ann.send("bob", "next").id == 53
        assert [each.message.content for each in ann.claim(1)] == ["text 0 ☕"]
        assert ann.maintenance.check_integrity(components) == []
        with pytest.raises(StoreInUse, match=r"Programs have .* open"):
            copy_team(address, str(tmp_path / "again.db"), "crew", components)


@pytest.mark.slow
def test_an_export_of_a_file_fills_a_server_and_is_exported_again(on_file: Team, address: str) -> None:
    fill(on_file, 50)
    components = installed_tables()
    first: list[str] = []
    export_team(on_file, "0.1", components, first.append)

    on_server = configure(on_file, address)
    import_team(on_server, "old.jsonl", io.BytesIO("".join(first).encode()), components)
    again: list[str] = []
    with MessageHub(on_server):  # while programs have it open
        export_team(on_server, "0.1", components, again.append)

    assert again[1:-1] == first[1:-1]
    ends = [json.loads(lines[-1])["end"] for lines in (first, again)]
    assert ends[0]["rows"] == ends[1]["rows"]
    assert ends[0]["counters"].items() <= ends[1]["counters"].items()  # a server counts in further tables
    with pytest.raises(CallerError, match="has rows of its own"):
        import_team(on_server, "old.jsonl", io.BytesIO("".join(first).encode()), components)


@pytest.mark.slow
@pytest.mark.parametrize("is_back", [False, True])
def test_a_copy_that_is_killed_anywhere_goes_on(on_file: Team, address: str, tmp_path: Path, is_back: bool) -> None:
    fill(on_file, 1500)
    places = str(on_file.database), address
    if is_back:
        copy_team(*places, "crew", installed_tables())
        places = address, str(tmp_path / "back.db")
    environment = {**TeamsupCommand(on_file.folder.parent).environment}
    command = [sys.executable, "-c", SMALL_PAGES, "hub", "copy", *places, "--team", "crew", "--json"]
    chance, kills = random.Random(1), 0  # noqa: S311
    while True:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            output, errors = process.communicate(timeout=0.15 * chance.uniform(1.1, 1.4) ** kills)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            kills += 1
            continue
        if process.returncode == StoreInUse.exit_code:  # the server has not noticed yet that we were killed
            time.sleep(0.05)
            continue
        assert process.returncode == 0, errors
        break
    assert kills > 0
    assert json.loads(output)["rows"]["deliveries"] == 1502
    assert copy_team(*places, "crew", installed_tables()).written == 0


@pytest.mark.slow
def test_no_program_opens_half_a_copy(on_file: Team, address: str, tmp_path: Path) -> None:
    fill(on_file, 5)

    def interrupt(table: str, *_: int) -> None:
        if table == "messages":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_team(str(on_file.database), address, "crew", (installed_tables()), interrupt)
    with pytest.raises(StoreError, match="not finished"):
        MessageHub(configure(Team("crew", tmp_path / "crew"), address))
    copy_team(str(on_file.database), address, "crew", installed_tables())
    MessageHub(configure(Team("crew", tmp_path / "crew"), address)).close()


@pytest.mark.slow
def test_the_copied_team_runs_and_a_running_team_is_not_copied(
    run_workers: RunWorkers, teamsup: TeamsupCommand, address: str
) -> None:
    on_file = str(teamsup.team.database)
    fill(teamsup.team, 3)
    copied = teamsup.run("hub", "copy", on_file, address, "--json")
    assert (copied.returncode, json.loads(copied.stdout)["rows"]["messages"]) == (0, 4), copied.stderr

    run_workers(f'[worker.user_comm]\nautostart = true\n[team]\nhub = "{address}"\n')
    assert teamsup.run("send", "user_comm", "Hello").returncode == 0
    eventually(lambda: "Hi there! 👋" in teamsup.run("read").stdout, "the answer")

    for places in ((address, "back.db"), (on_file, address)):
        refused = teamsup.run("hub", "copy", *places)
        assert "is run by pid" in refusal_of(refused)
        assert refused.returncode == 75


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(on_file: Team, address: str) -> None:
    fill(on_file, 3000)
    command = [sys.executable, "-c", SMALL_PAGES, "hub", "copy", str(on_file.database), address, "--team", "crew"]
    environment = TeamsupCommand(on_file.folder.parent).environment
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    eventually(lambda: run_foreign_sql_on(address), "a part of the copy")
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert (process.returncode, output) == (130, "")
    assert errors.splitlines()[-1] == "The copy is not finished. The same command continues it."


def run_foreign_sql_on(address: str) -> list[object]:
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        try:
            return list(connection.execute("SELECT 1 FROM messages LIMIT 1").fetchall())
        except psycopg.errors.UndefinedTable:
            return []


@pytest.mark.slow
def test_a_backup_of_a_server_is_a_file_and_is_restored(
    open_hub: Callable[[str], MessageHub], team: Team, tmp_path: Path
) -> None:
    lead = open_hub("lead")
    components = installed_tables()
    for tables in components:
        lead.maintenance.migrate_component(tables)
    lead.send("lead", "one")
    lead.send("lead", "two")
    teamsup = TeamsupCommand(team.folder.parent, "crew")
    file = tmp_path / "backup.db"

    assert "Wrote" in teamsup.run("hub", "backup", str(file), "--team", "crew").stdout
    assert "is there already" in refusal_of(teamsup.run("hub", "backup", str(file), "--team", "crew"))
    lead.acknowledge(lead.claim()[0])
    newer = lead.send("lead", "three")
    planned = teamsup.run("hub", "restore", str(file), "--dry-run", "--team", "crew")
    restored = teamsup.run("hub", "restore", str(file), "--yes", "--json", "--team", "crew")

    words = "newer messages removed: 1, ended deliveries open again: 1, removed messages brought back: 0"
    assert words in planned.stdout
    assert json.loads(restored.stdout)["newer_messages"] == 1, restored.stderr
    assert [delivery.message.content for delivery in lead.claim(3)] == ["one", "two"]
    assert lead.send("lead", "four").id > newer.id
    assert lead.maintenance.check_integrity(components) == []
    # The file is one of any team.
    other = Team("crew", tmp_path / "other")
    other.create()
    file.rename(other.database)
    with MessageHub(other, agent="lead") as hub:
        assert [delivery.message.content for delivery in hub.claim(3)] == ["one", "two"]
    assert run_foreign_sql(team, "SELECT count(*) FROM messages") == [(3,)]


def test_an_address_without_a_team_is_no_source(address: str, tmp_path: Path) -> None:
    with pytest.raises(CallerError, match="stores no team"):
        copy_team(address, str(tmp_path / "copy.db"), "crew", ())
    assert run_foreign_sql_on(address) == []
