"""Bad input gets one clear sentence on stderr and an exit code of its own, and nothing else happens."""

import os
import re
from pathlib import Path

import pytest

from helpers.support import TeamsupCommand, refusal_of, run_foreign_sql
from teamsup.cli.main import main
from teamsup.hub import MessageHub
from teamsup.hub.engines.sqlite import migrations
from teamsup.hub.engines.sqlite.migrations import SCHEMA_VERSION


def test_a_team_that_never_was(teamsup: TeamsupCommand) -> None:
    for words in (["logs"], ["send", "x", "y"], ["read"], ["hub", "stats"]):
        result = teamsup.run(*words, "--team", "typo")

        assert result.returncode == os.EX_NOINPUT
        assert refusal_of(result).startswith("teamsup: There is no team 'typo' in ")
    assert list(teamsup.home.iterdir()) == []


def test_a_daemons_name_is_taken(running: TeamsupCommand) -> None:
    for words in (
        ["mcp", "--agent", "user_comm"],
        ["read", "--agent", "supervisor"],
        ["send", "x", "y", "--agent", "gateway"],
    ):
        result = running.run(*words)

        assert result.returncode == os.EX_USAGE
        assert "Traceback" not in result.stderr
    assert running.run("ps").returncode == 0


def test_an_unknown_recipient(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="gcp-monitor") as hub:
        hub.register()

    result = teamsup.run("send", "gcp-monitr", "hello")

    assert result.returncode == os.EX_NOUSER
    assert refusal_of(result) == "teamsup: There is no agent 'gcp-monitr' in this team; did you mean 'gcp-monitor'?"


def test_reading_for_nobody(teamsup: TeamsupCommand) -> None:
    MessageHub(teamsup.team).close()

    result = teamsup.run("read", "--agent", "nobody")

    assert result.returncode == os.EX_NOUSER
    assert refusal_of(result) == "teamsup: There is no agent 'nobody' in this team. List them with: teamsup ps"


@pytest.mark.parametrize("command", ["start", "stop", "ps", "restart x", "logs", "chat", "send x y", "read", "init"])
def test_a_team_name_with_a_slash(teamsup: TeamsupCommand, command: str) -> None:
    result = teamsup.run(*command.split(), "--team", "../crew")

    assert result.returncode == os.EX_USAGE
    assert refusal_of(result).startswith("teamsup: '../crew' is not a name for a team: use 1 to 64 letters")
    assert list(teamsup.home.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[team\n", "cannot be read: Expected ']'"),
        ("[tema]\n", "there is no section [tema]; did you mean team?"),
        ("[team]\nagent = []\n", "[team] has no key 'agent'; did you mean agents?"),
        ("[team]\nagents = 'lead'\n", "[team] agents must be a list, each entry text in quotes."),
        ("[team]\nagents = ['a b']\n", "'a b' is not a name for an agent"),
        ("[team]\nagents = ['gateway']\n", "[team] agents: 'gateway' is a worker's name."),
        ("[team]\nstop_seconds = true\n", "[team] stop_seconds must be a number, not True."),
        ("[team]\nstop_seconds = 0\n", "[team] stop_seconds must be above 0 and at most 3600."),
        ("[team]\nstop_seconds = nan\n", "[team] stop_seconds must be a number, not nan."),
        ("team = 3\n", "team must be a section, [team]."),
        (
            "[team]\n[message_route.a]\n[message_route.a]\n",
            "the section [message_route.a] appears twice, write all its keys in one",
        ),
        (b"\xff\xfe", "cannot be read"),
    ],
)
def test_a_broken_teamsup_toml(teamsup: TeamsupCommand, text: str | bytes, reason: str) -> None:
    teamsup.team.create()
    teamsup.team.configuration.write_bytes(text if isinstance(text, bytes) else text.encode())

    for words in (["start"], ["start", "--detach"]):
        result = teamsup.run(*words)

        assert result.returncode == os.EX_CONFIG
        assert reason in refusal_of(result)
    assert teamsup.run("ps").returncode == 3


@pytest.mark.parametrize("command", ["start", "ps", "chat", "send x y", "read", "mcp --agent lead"])
def test_a_database_of_a_newer_schema(teamsup: TeamsupCommand, command: str) -> None:
    MessageHub(teamsup.team).close()
    run_foreign_sql(teamsup.team, f"PRAGMA user_version={SCHEMA_VERSION + 1}")

    result = teamsup.run(*command.split())

    assert result.returncode == os.EX_PROTOCOL
    assert "written by a newer teamsup; this one knows" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("command", ["start", "ps", "read"])
def test_a_file_that_is_not_a_database(teamsup: TeamsupCommand, command: str) -> None:
    teamsup.team.create()
    teamsup.team.database.write_text("a letter to my aunt" * 100)

    result = teamsup.run(command)

    assert result.returncode == os.EX_IOERR
    assert refusal_of(result).endswith("messages.db is not a SQLite database.")


def test_a_home_that_is_a_file(teamsup: TeamsupCommand, tmp_path: Path) -> None:
    tmp_path.joinpath("default").write_text("")

    assert "Cannot make the folder of team 'default'" in refusal_of(teamsup.run("start"))


def test_restart_needs_a_team_that_runs(teamsup: TeamsupCommand) -> None:
    result = teamsup.run("restart", "gateway")

    assert result.returncode == 3
    assert refusal_of(result) == "teamsup: Team 'default' is not running. Start it with: teamsup start"


def test_ps_of_a_team_that_was_never_started_makes_nothing(teamsup: TeamsupCommand) -> None:
    result = teamsup.run("ps")

    assert (result.returncode, result.stdout) == (3, "")
    assert "is not running. Start it with: teamsup start\n" in result.stderr
    assert list(teamsup.home.iterdir()) == []


def test_logs_of_something_unknown(running: TeamsupCommand) -> None:
    result = running.run("logs", "postman")

    assert result.returncode == os.EX_NOINPUT
    known = "agent-runner, fork-server, gateway, monitor-bridge, supervisor, user_comm, web"
    assert refusal_of(result) == f"teamsup: There is no log of 'postman'. Known logs: {known}."


@pytest.mark.parametrize("words", ["logs -n 0", "logs -n -5", "logs -n x", "chat --timeout nan", "read --limit 0"])
def test_an_option_that_makes_no_sense(teamsup: TeamsupCommand, words: str) -> None:
    result = teamsup.run(*words.split())

    assert (result.returncode, "Traceback" in result.stderr) == (os.EX_USAGE, False)


def test_a_home_that_is_a_device() -> None:
    result = TeamsupCommand(Path("/dev/null")).run("ps")

    assert result.returncode in (3, os.EX_IOERR)
    assert "Traceback" not in result.stderr


def test_ps_shows_the_processes_also_when_the_database_cannot_be_read(
    running: TeamsupCommand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A ps of an older version than the team that runs.
    monkeypatch.setattr(migrations, "SCHEMA_VERSION", SCHEMA_VERSION - 1)
    monkeypatch.setenv("TEAMSUP_HOME", str(running.home))

    assert main(["ps", "--team", running.team.name]) == 4

    printed = capsys.readouterr()
    assert "user_comm" in printed.out
    assert "written by a newer teamsup" in printed.err


def test_an_empty_message(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="lead") as hub:
        hub.register()

    assert refusal_of(teamsup.run("send", "lead", "-")) == "teamsup: The message is empty."


ALONE = re.compile(
    '# (hub|schedule|timezone|ready|alive|depends_on|secret_variable|mapping|command|ask_people) = (?!.*(mail|sat"))'
)
"""Examples that need something that is not there, or that exclude other keys."""


def uncommented_template(teamsup: TeamsupCommand) -> str:
    """Write the template, and return it with each of its examples in force that can be beside the others."""
    assert teamsup.run("init").returncode == 0
    text = teamsup.team.configuration.read_text()
    text = text.replace('# command = ["/usr/bin', 'command = ["/usr/bin').replace('"message", "schedule"', '"message"')
    lines = [line for line in text.splitlines() if not ALONE.match(line)]
    return "\n".join(line.removeprefix("# ") if re.match(r"# ([a-z_]+ = |\[\S+\]$)", line) else line for line in lines)


def test_init_writes_a_file_whose_examples_are_right_and_replaces_none(teamsup: TeamsupCommand) -> None:
    uncommented = uncommented_template(teamsup)

    again = teamsup.run("init")
    assert (again.returncode, again.stderr.endswith("exists already; --force replaces it.\n")) == (os.EX_USAGE, True)
    teamsup.team.configuration.write_text(uncommented)
    checked = teamsup.run("config", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert teamsup.run("init", "--force").returncode == 0


@pytest.mark.slow
def test_start_accepts_the_examples_of_the_template(teamsup: TeamsupCommand) -> None:
    uncommented = uncommented_template(teamsup)
    teamsup.team.configuration.write_text(uncommented)
    (teamsup.team.folder / "watch.env").touch(0o600)
    start = teamsup.run("start", "--detach")
    try:
        # Its examples name a token and a program that are not there.
        assert "but gateway does not run: not configured: The Discord token in " in refusal_of(start)
        assert "example " in refusal_of(start)
        assert teamsup.ps()["supervisor"]["well"]
    finally:
        teamsup.run("stop")


def test_help_and_version_exist(teamsup: TeamsupCommand) -> None:
    assert teamsup.run("nonsense").returncode == os.EX_USAGE
    assert "talk to the team" in teamsup.run("--help").stdout
    assert "let a Discord user write to the team" in teamsup.run("--help").stdout
    assert "--detach" in teamsup.run("start", "--help").stdout
    assert teamsup.run("--version").stdout.startswith("teamsup 0.")


def test_output_that_nobody_reads_causes_no_traceback(teamsup: TeamsupCommand) -> None:
    with MessageHub(teamsup.team, agent="lead") as hub:
        hub.register()
    with teamsup.open("ps", "--json") as ps:
        assert ps.stdout is not None
        ps.stdout.close()
        assert ps.wait() in (3, 141)
