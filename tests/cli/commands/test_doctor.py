"""'teamsup doctor': what works, what does not, which agents cannot be reached, with the next step."""

import errno
import fcntl
import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path, PurePath
from typing import Any
from unittest import mock

import pytest

from helpers.support import TeamsupCommand, eventually, refusal_of, run_foreign_sql
from teamsup.cli.checks import team as team_check
from teamsup.cli.checks.mailbox import Mailbox, check_mailbox
from teamsup.cli.claude.mcp_check import EXPECTED_TOOLS, check_mcp_server
from teamsup.cli.claude.project_settings import effective_settings, is_teamsup_server
from teamsup.cli.commands import doctor
from teamsup.cli.main import main
from teamsup.config.components import Component
from teamsup.config.resources import resource_path
from teamsup.hub import Agent, MessageHub, Team
from teamsup.hub.engines import maintenance_progress
from teamsup.hub.wakeup.doorbell import Doorbell, Doorbells
from teamsup.status import state_file
from teamsup.status.crash import Crash
from teamsup.status.state_file import TeamState, WorkerState
from teamsup.supervisor.configuration import team_configuration
from teamsup.terminal.findings import Finding, Verdict
from teamsup.terminal.hints import command_hint, is_invocation_of

OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED
HERE = Mailbox("lead", status="online", unread=2, oldest_age=300, heartbeat_age=3, is_present=True)
GONE = Mailbox("lead", status="offline", unread=2, oldest_age=300, heartbeat_age=7200)
DAEMON = replace(HERE, name="user_comm", kind="daemon")


def call(*words: str) -> str:
    return " ".join(["teamsup", *words])


@pytest.mark.parametrize(
    ("mailbox", "verdict", "text", "hint"),
    [
        (replace(HERE, unread=0), OK, "nothing unread; it is online", ""),
        (replace(GONE, unread=0), OK, "offline, last seen 2h 0m ago", ""),
        (replace(HERE, oldest_age=5), OK, "2 unread, the oldest for 5s; it is online, it does not wait", ""),
        (
            HERE,
            FAILED,
            "but messages cannot reach it: it does not wait, no monitor runs, and no hook has run",
            "in a trusted project",
        ),
        (replace(HERE, hook_age=400.0), WARNING, "its last hook ran 6m 40s ago", "Type anything in its session"),
        (replace(HERE, is_watched=True), WARNING, "a monitor runs, but it has not read", "Look at its session"),
        (replace(HERE, is_waiting=True), FAILED, "waits for messages, but does not get them", "teamsup hub check"),
        (replace(HERE, oldest_age=None), OK, "2 unread, none can be read yet; it is online", ""),
        (
            replace(GONE, oldest_age=None),
            WARNING,
            "2 unread, none can be read yet; no session serves it",
            "Start 'claude'",
        ),
        (GONE, WARNING, "no session serves it: offline, last seen 2h 0m ago", "Start 'claude' in its project"),
        (replace(GONE, status="busy"), WARNING, "silent, last seen 2h 0m ago: its session died, or hangs", "again"),
        (
            replace(GONE, heartbeat_age=None),
            WARNING,
            "no session has ever served it",
            "teamsup init --claude --agent lead",
        ),
        (replace(DAEMON, oldest_age=5), OK, "it is online", ""),
        (DAEMON, FAILED, "it is online, but does not read", "teamsup logs user_comm"),
        (replace(GONE, kind="daemon"), WARNING, "offline, last seen 2h 0m ago", "teamsup ps lead"),
        (replace(GONE, kind="daemon", status="not configured"), WARNING, "not configured", "teamsup ps lead"),
        (replace(GONE, kind="supervisor"), WARNING, "offline", "teamsup start"),
    ],
)
def test_agents_that_cannot_be_reached_are_listed_with_the_reason(
    mailbox: Mailbox, verdict: Verdict, text: str, hint: str
) -> None:
    found = check_mailbox(mailbox, call)

    assert (found.check, found.verdict) == (mailbox.name, verdict)
    assert text in found.text
    assert hint in found.hint
    assert (found.hint == "") is (verdict is OK)


SERVER = """
import json, sys
answers = {answers!r}
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        result = answers.get(asked["method"])
        said = {{"result": result}} if result else {{"error": {{"code": -32601, "message": "no such method"}}}}
        print(json.dumps({{"jsonrpc": "2.0", "id": asked["id"], **said}}), flush=True)
"""
HELLO = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "teamsup", "version": "1"},
}
ANSWERS: dict[str, Any] = {
    "initialize": HELLO,
    "tools/list": {"tools": [{"name": name, "inputSchema": {"type": "object"}} for name in sorted(EXPECTED_TOOLS)]},
    "tools/call": {"content": [{"type": "text", "text": "alone"}]},
}
FEWER = {"tools": ANSWERS["tools/list"]["tools"][1:]}
REFUSED = {"content": [{"type": "text", "text": "the store is damaged"}], "isError": True}


@pytest.mark.parametrize(
    ("before", "answers", "verdict", "text"),
    [
        ("", {}, OK, "has its 5 tools, answers a call in"),
        ("print('Welcome!', flush=True)", {}, WARNING, "but it printed something that is not JSON"),
        ("print('Slow.', file=sys.stderr)", {}, WARNING, "but it printed: Slow."),
        ("", {"tools/list": FEWER}, FAILED, "starts, but lacks team_broadcast"),
        ("", {"tools/call": REFUSED}, FAILED, "a call of team_get_status fails: the store is damaged"),
        ("", {"tools/call": None}, FAILED, "a call of team_get_status fails: no such method"),
        ("sys.exit('teamsup: No space is left.')", {}, FAILED, "does not start: No space is left."),
        ("sys.exit(3)", {}, FAILED, "does not start: Connection closed"),
        ("print('Welcome!'); sys.exit()", {}, FAILED, "does not start: it printed something that is not JSON"),
    ],
)
def test_a_server_is_judged_by_how_far_it_came(
    before: str, answers: dict[str, Any], verdict: Verdict, text: str
) -> None:
    script = f"import sys; {before}{SERVER.format(answers=ANSWERS | answers)}"

    found = check_mcp_server([sys.executable, "-IS", "-c", script], call)

    assert (found.check, found.verdict) == ("server", verdict)
    assert text in found.text
    assert (found.hint == "") is (verdict is OK)


def test_a_server_that_cannot_be_started_or_says_nothing_is_a_failure() -> None:
    assert check_mcp_server(["/no/teamsup"], call).text == "does not start: No such file or directory"
    assert check_mcp_server(["sh", "-c", "cat > /dev/null"], call, 0.5).text == "does not start: no answer within 0 s"


@pytest.mark.parametrize(
    ("entry", "ours"),
    [
        ({"command": "teamsup", "args": ["mcp"]}, True),
        ({"command": "/v/bin/teamsup", "args": ["mcp", "--agent", "lead"]}, True),
        ({"command": "/v/bin/python", "args": ["-m", "teamsup.cli", "mcp"]}, True),
        ({"command": "uv", "args": ["run", "teamsup", "mcp", "--team", "crew"]}, True),
        ({"command": "teamsup", "args": ["watch"]}, False),
        ({"type": "http", "url": "http://localhost/teamsup/mcp"}, False),
        ({"command": 7, "args": "mcp"}, False),
        ("teamsup mcp", False),
    ],
)
def test_a_server_of_ours_is_known_by_its_command(entry: object, ours: bool) -> None:
    assert is_teamsup_server(entry) is ours


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["python3", "/v/bin/teamsup", "watch", "--agent", "lead"], "watch"),
        (["python3", "-m", "teamsup.cli", "watch"], "watch"),
        (["python3", "/v/bin/teamsup", "read", "--agent", "watch"], "read"),
    ],
)
def test_a_monitor_is_known_by_its_subcommand(words: list[str], command: str) -> None:
    assert is_invocation_of(command, words)
    assert is_invocation_of("watch", words) is (command == "watch")


def test_the_settings_of_claude_code_come_from_all_files_and_later_ones_win() -> None:
    market = {"extraKnownMarketplaces": {"teamsup": {"source": {"source": "directory", "path": "/plugin"}}}}
    user = {"enabledPlugins": {"teamsup@teamsup": False, "teamsup@fork": True, "x@y": True}, **market}
    project = {"enabledPlugins": {"teamsup@teamsup": True, "teamsup@fork": False}, "env": {"TEAMSUP_AGENT": "lead"}}
    local = {"env": {"TEAMSUP_AGENT": "scout", "OTHER": "1"}, "disabledMcpjsonServers": ["refused"]}
    mcp = {"command": "teamsup", "args": ["mcp"]}
    here = {"mcpServers": {"here's": mcp}}

    found = effective_settings(
        [user, project, local],
        {"mcpServers": {"refused": mcp, "used": mcp, "foreign": {"command": "x"}}},
        {"mcpServers": {"everywhere": mcp}, "projects": {"/p/q": here, "/p": {"hasTrustDialogAccepted": True}}},
        PurePath("/p/q"),
    )

    assert found.plugins == {"teamsup@teamsup": "/plugin"}
    assert [name for name, _ in found.servers] == ["used", "here's", "everywhere"]
    assert found.environment == {"TEAMSUP_AGENT": "scout"}
    assert found.is_trusted
    odd = effective_settings([None, [], {"env": 3, "enabledPlugins": "x"}], {"mcpServers": []}, 7, PurePath("/p"))
    assert (odd.plugins, odd.servers, odd.is_trusted) == ({}, (), False)


def test_a_line_to_paste_names_team_and_home_where_the_shell_would_look_elsewhere(tmp_path: Path) -> None:
    with mock.patch.dict(os.environ, {"TEAMSUP_HOME": str(tmp_path), "TEAMSUP_TEAM": "crew"}):
        assert command_hint(Team.named("crew"), "start") == "teamsup start"
        assert command_hint(Team.named("other"), "start") == "teamsup start --team other"
        assert command_hint(Team.named("crew", "/my teams"), "start") == "TEAMSUP_HOME='/my teams' teamsup start"


def test_the_listening_program_is_named_by_pid(tmp_path: Path) -> None:
    bells = [Doorbell(tmp_path, name) for name in ("scout", "scout", "scout-2")]
    for bell in bells:
        bell.bind()
    (tmp_path / "scout@x").touch()

    assert Doorbells(tmp_path).listener_pids("scout") == [os.getpid()] * 2
    for bell in bells:
        bell.close()
    assert Doorbells(tmp_path).listener_pids("scout") == []


def test_an_agent_whose_process_was_killed_does_not_wait_although_another_has_its_pid(team: Team) -> None:
    team.create()
    for is_dead in (False, True):
        bell = Doorbell(team.run, "scout")
        bell.bind()
        if is_dead:
            bell._socket.close()
        assert (
            doctor._read_mailbox(team, Agent("scout", "agent", "online", None, {}, 0), None).is_waiting is not is_dead
        )
        bell.close()


@dataclass(frozen=True)
class DoctorSetup(TeamsupCommand):
    """A home with a team, a project, and a PATH on which Claude Code is what the test puts there."""

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in super().environment.items() if name != "CLAUDE_CONFIG_DIR"}
        return {**kept, "HOME": str(self.home), "PATH": f"{self.home / 'bin'}:/usr/bin:/bin"}

    @property
    def project(self) -> Path:
        return self.home / "project"

    def puts_claude_on_the_path(self, script: str) -> None:
        claude = self.home / "bin" / "claude"
        claude.write_text(f"#!/bin/sh\n{script}\n")
        claude.chmod(0o755)

    def trusts(self, folder: Path) -> None:
        trusted = {"projects": {str(folder.resolve()): {"hasTrustDialogAccepted": True}}}
        (self.home / ".claude.json").write_text(json.dumps(trusted))

    def init(self, *words: str) -> None:
        assert self.calls("init", "--claude", "--project", str(self.project), *words).returncode == 0

    def calls(self, *words: str) -> subprocess.CompletedProcess[str]:
        """``teamsup`` in this process, which spares its start."""
        home = mock.patch.dict(os.environ, self.environment, clear=True)
        out, err = StringIO(), StringIO()
        with home, redirect_stdout(out), redirect_stderr(err):
            code = main(words)
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

    def doctor(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("doctor", "--project", str(self.project), *words)

    def doctor_here(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same in this process and without a trial of the server."""
        with mock.patch.object(doctor, "check_mcp_server", return_value=Finding("server", OK, "starts")):
            return self.calls("doctor", "--project", str(self.project), *words)

    def examined(self, *words: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """What doctor_here finds."""
        return found_in(self.doctor_here("--json", *words))


def found_in(result: subprocess.CompletedProcess[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the last finding of each check."""
    assert result.stderr == ""
    report = json.loads(result.stdout)
    assert report["well"] is (result.returncode == 0)
    return result.returncode, {finding["check"]: finding for finding in report["findings"]}


@pytest.fixture
def doctor_setup(tmp_path: Path) -> DoctorSetup:
    made = DoctorSetup(tmp_path / "home")
    made.project.mkdir(parents=True)
    (made.home / "bin").mkdir()
    python = made.home / "bin" / "python3"
    python.symlink_to(sys.executable)
    return made


def test_a_team_that_never_was_is_not_a_failure_and_is_not_made(doctor_setup: DoctorSetup) -> None:
    result = doctor_setup.doctor_here()

    assert result.returncode == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    at = next(at for at, line in enumerate(lines) if line.startswith("warning team there is no team 'default'"))
    assert lines[at + 1].startswith("Start it with: teamsup start")
    assert not doctor_setup.team.folder.exists()


def test_a_team_set_up_for_claude_code_is_all_well(doctor_setup: DoctorSetup) -> None:
    doctor_setup.puts_claude_on_the_path("echo '2.1.332 (Claude Code)'")
    doctor_setup.init("--agent", "scout")
    doctor_setup.trusts(doctor_setup.home)
    with MessageHub(doctor_setup.team) as hub:
        before = hub.agents(), hub.queries.stats().messages

        code, found = found_in(doctor_setup.doctor("--json"))

        assert (hub.agents(), hub.queries.stats().messages) == before, "it leaves nothing behind"
    assert code == 0
    # How quickly the server starts is the machine's.
    assert {check for check, finding in found.items() if finding["verdict"] != "ok"} - {"server"} == {"supervisor"}
    assert "2.1.332 (Claude Code)" in found["claude"]["text"]
    assert "are agent 'scout'" in found["project"]["text"]
    assert found["server"]["text"].startswith("starts in ")
    assert not [line for line in _processes() if " mcp --team " in line and str(doctor_setup.home) in line]


def _processes() -> list[str]:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()


def test_an_agent_without_a_session_is_reported_and_is_not_a_failure(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="lead") as hub:
        hub.register()
        hub.enroll("scout")
        hub.send("scout", "are you there?")

    code, found = doctor_setup.examined()

    assert code == 0
    assert found["scout"]["verdict"] == "warning"
    assert "1 unread" in found["scout"]["text"]
    assert "no session has ever served it" in found["scout"]["text"]


def test_a_session_that_has_fallen_silent_is_reported_also_without_messages(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="scout") as scout:
        scout.heartbeat("busy")
        scout.execute("UPDATE agent_status SET last_heartbeat = '2026-01-01 00:00:00'")

        code, found = doctor_setup.examined()

    assert (code, found["scout"]["verdict"]) == (0, "warning")
    assert found["scout"]["text"].startswith("silent, last seen ")
    assert "agents rm scout" in found["scout"]["hint"]


def test_a_session_that_receives_nothing_is_a_failure(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="scout") as scout:
        scout.register(pid=os.getpid())
        _wait_since_long(doctor_setup, "scout")

        code, found = doctor_setup.examined()

    assert code == 4
    assert found["scout"]["verdict"] == "FAILED"
    assert "messages cannot reach it" in found["scout"]["text"]


def test_hooks_that_ran_and_a_monitor_that_runs_are_seen(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="scout") as scout:
        scout.register(pid=os.getpid(), hooks="2020-01-01T00:00:00+00:00")
        _wait_since_long(doctor_setup, "scout")
        assert "its last hook ran" in doctor_setup.examined()[1]["scout"]["text"]

        with doctor_setup.open("watch", "--agent", "scout") as monitor:
            try:
                eventually(lambda: "a monitor runs" in doctor_setup.examined()[1]["scout"]["text"], "the monitor")
            finally:
                monitor.terminate()


def test_a_subagent_is_notified_by_the_hooks_of_its_session(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="lead") as lead, MessageHub(doctor_setup.team, agent="scout") as scout:
        lead.register(pid=os.getpid(), hooks="2020-01-01T00:00:00+00:00")
        scout.register(pid=os.getpid())

        assert "its last hook ran" in doctor_setup.examined("--agent", "scout")[1]["scout"]["text"]


def test_a_read_that_waits_is_seen(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="scout") as scout:
        scout.register()
        with doctor_setup.open("read", "--agent", "scout", "--wait", "60") as reader:
            try:
                eventually(
                    lambda: "it waits in a read" in doctor_setup.examined("--agent", "scout")[1]["scout"]["text"], "it"
                )
            finally:
                reader.terminate()


def _wait_since_long(doctor_setup: DoctorSetup, agent: str) -> None:
    """Something waits for the agent that came ten minutes ago."""
    run_foreign_sql(
        doctor_setup.team,
        "INSERT INTO messages (message_id, sender, recipient, content, created_at) VALUES (?, ?, ?, ?, ?)",
        *("old", "shell", agent, "hello", time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - 600))),
    )


def test_one_agent_can_be_asked_after_also_when_nothing_waits_for_it(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="scout") as scout:
        scout.register()
        found = doctor_setup.examined("--agent", "Scout")[1]

    assert "nothing unread; it is online" in found["scout"]["text"]
    assert "no agent has unread messages" in doctor_setup.examined()[1]["agents"]["text"]
    assert "the team does not know that name" in doctor_setup.examined("--agent", "ghost")[1]["ghost"]["text"]


def test_messages_for_an_unknown_name_are_reported(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="lead") as hub:
        hub.register()
        hub.enroll("ghost")
        hub.send("ghost", "are you there?")
        hub.maintenance.retire("ghost")

    assert doctor_setup.examined()[1]["ghost"]["text"] == "1 unread, but the team does not know that name"


def test_a_store_that_is_damaged_is_a_failure_and_nobody_is_said_to_have_read_all(doctor_setup: DoctorSetup) -> None:
    doctor_setup.team.create()
    doctor_setup.team.database.write_text("this is not a database, but long enough to be looked at as one")

    code, found = doctor_setup.examined()

    assert code == 4
    assert "is not a SQLite database" in found["team"]["text"]
    of_host = {"versions", "file system", "sockets", "inotify", "service"}
    assert {*found} - of_host == {"team", "disk", "supervisor", "server", "claude", "project"}


def test_dead_letters_are_a_warning(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="lead", create=True) as lead:
        lead.register()
        lead.send("lead", "No program can do this.")
        for _ in range(5):
            (delivery,) = lead.claim()
            lead.release(delivery, error="it cannot be read", delay=0)

    code, found = doctor_setup.examined()

    assert code == 0
    assert (found["store"]["verdict"], found["store"]["text"]) == ("warning", "1 dead letter: nobody could handle them")
    assert "teamsup hub retry ID" in found["store"]["hint"]


def test_a_row_that_belongs_to_nothing_is_a_failure_of_the_store(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="lead", create=True) as lead:
        lead.register()
        message = lead.send("lead", "hello")
    run_foreign_sql(doctor_setup.team, "DROP TRIGGER IF EXISTS messages_deleted")
    run_foreign_sql(doctor_setup.team, "UPDATE deliveries SET message = 99 WHERE message = ?", message.id)

    code, found = doctor_setup.examined()

    assert code == 4
    assert found["store"]["text"].endswith("belong to no message") or "pending messages" in found["store"]["text"]
    assert "teamsup hub restore FILE" in found["store"]["hint"]


def test_a_store_that_would_take_minutes_is_not_called_sound(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="lead", create=True) as lead:
        lead.register()
    with mock.patch.object(doctor, "_MAX_CHECKED_BYTES", 0):
        code, found = doctor_setup.examined()

    assert (found["store"]["verdict"], code) == ("warning", 0)
    assert "teamsup hub check" in found["store"]["hint"]


def test_a_folder_that_is_not_there_is_refused(doctor_setup: DoctorSetup) -> None:
    result = doctor_setup.calls("doctor", "--project", str(doctor_setup.home / "nowhere"))

    assert refusal_of(result) == f"teamsup: There is no folder {doctor_setup.home}/nowhere."


def test_a_claude_code_that_does_not_run_is_a_failure(doctor_setup: DoctorSetup) -> None:
    doctor_setup.puts_claude_on_the_path("echo 'no such interpreter' >&2; exit 3")

    code, found = doctor_setup.examined()

    assert code == 4
    assert "no such interpreter" in found["claude"]["text"]


def test_a_plugin_that_has_moved_away_is_a_failure(doctor_setup: DoctorSetup) -> None:
    copy = doctor_setup.home / "my" / "deploy" / "claude"
    shutil.copytree(resource_path("claude"), copy)
    doctor_setup.init()
    settings = doctor_setup.project / ".claude" / "settings.local.json"
    settings.write_text(settings.read_text().replace(str(resource_path("claude")), str(copy)))
    assert doctor_setup.examined()[1]["plugin"]["verdict"] == "ok"

    (copy / "hook.py").unlink()
    code, found = doctor_setup.examined()
    assert code == 4
    assert found["plugin"]["text"] == f"there is no {copy}/hook.py"
    assert found["plugin"]["hint"].endswith(f"teamsup init --claude --project {doctor_setup.project}")

    shutil.rmtree(copy)
    assert doctor_setup.examined()[1]["plugin"]["text"] == f"there is no {copy}"


def test_programs_that_the_plugin_would_not_find_are_a_failure(doctor_setup: DoctorSetup) -> None:
    doctor_setup.init()
    doctor_setup.trusts(doctor_setup.project)
    settings = doctor_setup.project / ".claude" / "settings.local.json"
    settings.write_text(settings.read_text().replace(str(Path(sys.executable).with_name("teamsup")), "/gone/teamsup"))

    with mock.patch.object(DoctorSetup, "environment", doctor_setup.environment | {"PATH": "/nowhere"}):
        assert doctor_setup.examined()[1]["plugin"]["text"] == "there is no python3 on the PATH, no /gone/teamsup"


def test_a_session_with_a_server_but_without_hooks_is_deaf(doctor_setup: DoctorSetup) -> None:
    server = {"command": "teamsup", "args": ["mcp"]}
    (doctor_setup.project / ".mcp.json").write_text(json.dumps({"mcpServers": {"my mail": server}}))

    found = doctor_setup.examined()[1]["project"]

    assert found["verdict"] == "warning"
    assert (
        "server 'my mail' in the project's .mcp.json, but no hooks and no monitor: messages cannot reach them"
        in found["text"]
    )
    assert "claude mcp remove 'my mail'; teamsup init --claude" in found["hint"]


def test_the_fault_of_a_projects_plugin_is_reported(doctor_setup: DoctorSetup) -> None:
    assert "do not take part in a team" in doctor_setup.examined()[1]["project"]["text"]
    doctor_setup.init()
    assert "does not trust this folder yet" in doctor_setup.examined()[1]["project"]["text"]
    doctor_setup.trusts(doctor_setup.project)
    assert doctor_setup.examined()[1]["project"]["verdict"] == "ok"

    settings = doctor_setup.project / ".claude" / "settings.local.json"
    now = json.loads(settings.read_text())
    now["enabledPlugins"]["teamsup@fork"] = True
    settings.write_text(json.dumps({**now, "disableAllHooks": True}))

    said = doctor_setup.doctor_here().stdout
    assert "would use several servers at once: plugin teamsup@teamsup, plugin teamsup@fork" in said
    assert "remove the others with: claude plugin disable teamsup@fork\n" in said
    assert "Claude Code has not installed teamsup@fork" in said
    assert "all hooks are switched off" in said


def test_a_fault_of_the_disk_or_of_rights_is_a_failure(doctor_setup: DoctorSetup) -> None:
    MessageHub(doctor_setup.team).close()
    doctor_setup.team.configuration.write_text("")
    assert doctor_setup.examined()[1]["disk"]["verdict"] == "ok"
    assert not list(doctor_setup.team.folder.glob(".doctor*"))

    doctor_setup.team.configuration.chmod(0o666)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with mock.patch("os.fsync", side_effect=full):
        code, found = doctor_setup.examined()

    assert code == 4
    assert found["disk"]["text"] == f"{doctor_setup.team.folder} is not writable: No space left on device"
    assert found["rights"]["hint"] == f"chmod 644 {doctor_setup.team.configuration}"
    assert not list(doctor_setup.team.folder.glob(".doctor*"))


def test_a_folder_that_others_may_write_is_a_failure_also_before_there_is_a_database(doctor_setup: DoctorSetup) -> None:
    assert "rights" not in doctor_setup.examined()[1]
    doctor_setup.team.folder.mkdir(parents=True)
    doctor_setup.team.folder.chmod(0o770)

    code, found = doctor_setup.examined()

    assert (code, found["team"]["verdict"]) == (4, "warning")
    assert found["rights"]["hint"] == f"chmod 700 {doctor_setup.team.folder}"
    subprocess.run(found["rights"]["hint"], shell=True, check=True)  # noqa: S602
    assert "rights" not in doctor_setup.examined()[1]


def test_a_mistake_in_the_configuration_is_a_failure_also_before_there_is_a_database(doctor_setup: DoctorSetup) -> None:
    doctor_setup.team.folder.mkdir(parents=True, mode=0o700)
    doctor_setup.team.configuration.write_text("[worker.own]\n")

    code, found = doctor_setup.examined()

    assert (code, found["configuration"]["verdict"]) == (4, "FAILED")


@pytest.mark.parametrize("linked", [False, True])
def test_a_folder_in_which_others_may_replace_the_team_is_a_failure(
    doctor_setup: DoctorSetup, tmp_path: Path, linked: bool
) -> None:
    MessageHub(doctor_setup.team).close()
    place = doctor_setup.team.folder.parent
    if linked:
        place = tmp_path / "it's elsewhere"
        place.mkdir()
        (place / "own.toml").touch(0o600)
        doctor_setup.team.configuration.symlink_to(place / "own.toml")
    place.chmod(0o1777)
    assert "rights" not in doctor_setup.examined()[1], "in one that is sticky only the owner may rename"
    place.chmod(0o777)

    code, found = doctor_setup.examined()

    assert code == 4
    assert found["rights"]["text"] == f"other users may replace files in {place}: 777"
    subprocess.run(found["rights"]["hint"], shell=True, check=True)  # noqa: S602
    assert "rights" not in doctor_setup.examined()[1]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder to another group")
def test_a_folder_above_may_be_written_by_a_group_of_nobody_else_and_no_other(doctor_setup: DoctorSetup) -> None:
    MessageHub(doctor_setup.team).close()
    place = doctor_setup.team.folder.parent
    place.chmod(0o770)
    os.chown(place, 0, 0)
    assert "rights" not in doctor_setup.examined()[1]

    os.chown(place, 0, 1)

    assert doctor_setup.examined()[1]["rights"]["hint"] == f"chmod go-w {place}"


def test_a_configuration_that_is_a_link_has_the_rights_of_its_file(doctor_setup: DoctorSetup, tmp_path: Path) -> None:
    MessageHub(doctor_setup.team).close()
    linked = tmp_path / "linked.toml"
    linked.touch(0o600)
    doctor_setup.team.configuration.symlink_to(linked)
    assert "rights" not in doctor_setup.examined()[1]

    linked.chmod(0o666)

    assert doctor_setup.examined()[1]["rights"]["hint"] == f"chmod 644 {doctor_setup.team.configuration}"


def test_workers_of_the_users_own_that_cannot_be_started_are_a_failure(doctor_setup: DoctorSetup) -> None:
    MessageHub(doctor_setup.team).close()
    secrets = doctor_setup.home / "open.env"
    secrets.write_text("KEY=1")
    secrets.chmod(0o644)
    doctor_setup.team.configuration.write_text(
        '[worker.fine]\ncommand = ["sleep", "1"]\n[worker.lost]\ncommand = ["./lost.sh"]\n'
        '[worker.away]\ncommand = ["sleep", "1"]\ndirectory = "/no/such/folder"\n'
        f'[worker.open]\ncommand = ["sleep", "1"]\nenv_file = "{secrets}"\n'
        '[worker.later]\ncommand = ["no-such-program"]\nautostart = false\n'
    )

    code, found = doctor_setup.examined()

    assert code == 4
    assert {
        name: (found[name]["verdict"], found[name]["text"]) for name in ("fine", "lost", "away", "open", "later")
    } == {
        "fine": ("ok", "[worker.fine] can be started"),
        "lost": ("FAILED", "[worker.lost] command: there is no program './lost.sh'"),
        "away": ("FAILED", "[worker.away] directory: there is no folder /no/such/folder"),
        "open": ("FAILED", f"[worker.open] env_file: others can read {secrets}; run chmod 600 on it"),
        "later": ("warning", "[worker.later] command: there is no program 'no-such-program'"),
    }
    doctor_setup.team.configuration.write_text("[worker.x]\n")
    assert "needs a command" in doctor_setup.examined()[1]["configuration"]["text"]


def test_subagents_with_names_that_are_not_allowed_are_reported(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="gateway") as gateway:
        gateway.register("daemon")
    folder = doctor_setup.project / ".claude" / "agents"
    folder.mkdir(parents=True)
    (folder / "scout.md").write_text("---\nname: scout\n---\nLook around.\n")
    assert "scout" not in said_of_agents(doctor_setup)
    (folder / "reviewer.md").write_text("---\nname: Code Reviewer\n---\nRead.\n")
    assert "'Code Reviewer' is not a name" in said_of_agents(doctor_setup)
    (folder / "gateway.md").write_text("No front matter.\n")

    assert "the subagent 'gateway' has the name of the team's daemon" in said_of_agents(doctor_setup)
    assert doctor_setup.calls("doctor", "--project", str(doctor_setup.project)).returncode == 4


def said_of_agents(doctor_setup: DoctorSetup) -> str:
    report = json.loads(doctor_setup.doctor_here("--json").stdout)
    return " ".join(finding["text"] for finding in report["findings"] if finding["check"] == "agents")


@pytest.mark.slow
def test_a_hub_that_another_program_holds_is_a_failure_that_names_it(doctor_setup: DoctorSetup) -> None:
    MessageHub(doctor_setup.team).close()
    code = f"import sqlite3, sys; sqlite3.connect({str(doctor_setup.team.database)!r}).execute('BEGIN IMMEDIATE');"
    with subprocess.Popen(
        [sys.executable, "-c", code + "print(flush=True); sys.stdin.read()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        found = doctor_setup.examined()[1]["team"]
        holder.terminate()

    assert found["verdict"] == "FAILED"
    assert f"Pid {holder.pid} (" in found["hint"]
    assert "holds the write lock" in found["hint"]


@pytest.mark.slow
def test_maintenance_that_goes_on_is_shown(doctor_setup: DoctorSetup) -> None:
    MessageHub(doctor_setup.team).close()
    with maintenance_progress.announce_maintenance(doctor_setup.team.run, "migration", total=10):
        found = doctor_setup.examined()[1]["maintenance"]

    assert found["verdict"] == "warning"
    assert re.match(f"pid {os.getpid()} works on it: migration for \\d+ s, 0 % done", found["text"])


def test_each_source_is_tried_by_an_alert_that_is_taken_back(
    doctor_setup: DoctorSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    secret = doctor_setup.home / "secret"
    secret.write_text("a secret of the script")
    secret.chmod(0o600)
    doctor_setup.team.folder.mkdir(parents=True)
    doctor_setup.team.configuration.write_text(
        "[worker.user_comm]\nautostart = false\n[worker.gateway]\nautostart = false\n"
        f'[monitor-bridge]\nlisten = "127.0.0.1:{port}"\n'
        f'[source.script]\nkind = "plain"\nsecret_file = "{secret}"\n'
        '[source.elsewhere]\nkind = "alertmanager"\nsecret_variable = "NOT_HERE"\n'
    )
    with monkeypatch.context() as theirs:
        theirs.setenv("NOT_HERE", "another secret")
        assert doctor_setup.run("start", "--detach").returncode == 0
    try:
        found = eventually(lambda: source_that_is(doctor_setup, "ok"), "a source that has sent an alert")
        assert "a test alert was stored in " in found["text"]
        assert found["text"].endswith(" and removed; not heard yet")
        elsewhere = doctor_setup.examined()[1]["source elsewhere"]
        assert (elsewhere["verdict"], "$NOT_HERE, which is not set here" in elsewhere["text"]) == ("warning", True)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("POST", "/script", b"The disk is full", {"Authorization": "Bearer a secret of the script"})
        assert connection.getresponse().status == 200
        connection.close()
        eventually(lambda: "last heard" in source(doctor_setup)["text"], "a source that was heard")
        secret.write_text("a secret that is new")
        refused = source(doctor_setup)
        assert (refused["verdict"], "refused with 401" in refused["text"]) == ("FAILED", True)
        with MessageHub(doctor_setup.team) as hub:
            assert [row["title"] for row in hub.query("SELECT title FROM incidents")] == ["The disk is full"]
    finally:
        doctor_setup.run("stop")
    assert "nothing listens on 127.0.0.1 port" in source(doctor_setup)["text"]


def source(doctor_setup: DoctorSetup) -> dict[str, Any]:
    return doctor_setup.examined()[1]["source script"]


def source_that_is(doctor_setup: DoctorSetup, verdict: str) -> dict[str, Any] | None:
    found = source(doctor_setup)
    return found if found["verdict"] == verdict else None


@contextmanager
def supervising(doctor_setup: DoctorSetup, *workers: WorkerState) -> Iterator[None]:
    """This process holds the team and has published that it runs these workers."""
    with open(doctor_setup.team.folder / "supervisor.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))
        lock.flush()
        state_file.write_state(doctor_setup.team, TeamState(os.getpid(), time.time(), workers))
        yield


def test_a_degraded_member_is_a_failure_with_the_reason(doctor_setup: DoctorSetup) -> None:
    with (
        MessageHub(doctor_setup.team, agent="probe") as probe,
        MessageHub(doctor_setup.team, agent="supervisor") as supervisor,
    ):
        supervisor.register("supervisor")
        probe.heartbeat("degraded", note="its camera is dark")
        with supervising(doctor_setup):
            code, found = doctor_setup.examined()

    assert code == 4
    assert (found["probe"]["verdict"], found["probe"]["text"]) == ("FAILED", "DEGRADED: its camera is dark")


def test_a_worker_that_starts_or_crashes_repeatedly_is_not_called_well(doctor_setup: DoctorSetup) -> None:
    now = time.time()

    def worker(name: str, state: str, *crashes: Crash) -> WorkerState:
        pid = None if state == "BACKOFF" else os.getpid()
        return WorkerState(name, state, pid, now - 5, 3, "exit code 1", None, crashes)

    def crash(failures: int, next_try_at: float | None) -> Crash:
        return Crash(now - 100, 1, "exit code 1", failures, next_try_at, ())

    workers = (
        worker("fine", "RUNNING"),
        worker("new", "STARTING"),
        worker("once", "STARTING", crash(1, now - 5)),
        worker("loop", "STARTING", crash(4, now - 5)),
        worker("corrected", "STARTING", crash(4, now - 90)),
        worker("given-up", "STARTING", crash(4, None)),
        worker("waiting", "BACKOFF", crash(4, now + 1000)),
    )
    with MessageHub(doctor_setup.team, agent="supervisor") as supervisor, supervising(doctor_setup, *workers):
        supervisor.register("supervisor")
        code, found = doctor_setup.examined()

    assert code == 4
    assert found["workers"]["text"] == "1 is well: fine"
    verdicts = {"new": WARNING, "once": WARNING, "corrected": WARNING, "given-up": WARNING, "loop": FAILED}
    for name, verdict in verdicts.items():
        assert (found[name]["verdict"], found[name]["text"][:12]) == (verdict, "STARTING for")
        assert f"teamsup logs {name}" in found[name]["hint"]
    assert found["once"]["text"].endswith(", after a crash: exit code 1")
    assert found["loop"]["text"].endswith(", after 4 crashes in a row, last: exit code 1")
    assert not [name for name in ("new", "corrected", "given-up") if "crash" in found[name]["text"]]
    assert found["waiting"]["verdict"] == "FAILED"
    assert found["waiting"]["text"].startswith("BACKOFF: exit code 1; next try in ")


@pytest.mark.parametrize("written", [None, "", "[worker.x]\n"])
def test_a_package_that_cannot_be_loaded_needs_a_new_start_and_no_reload(tmp_path: Path, written: str | None) -> None:
    team = Team.named("crew", tmp_path)
    if written is not None:
        team.configuration.parent.mkdir(parents=True)
        team.configuration.write_text(written)
    broken = {"mail": Component("mail", fault="The worker mail cannot be loaded from mail: no module.")}
    with (
        mock.patch.object(team_check, "installed_components", return_value=broken),
        mock.patch.object(team_configuration, "installed_components", return_value=broken),
    ):
        found = {each.check: each for each in team_check.check_configuration(team, call)}

    assert (found["mail"].verdict, found["mail"].text) == (
        FAILED,
        "The worker mail cannot be loaded from mail: no module",
    )
    assert found["mail"].hint.endswith("at its next start: teamsup stop; teamsup start")
    assert [check for check, each in found.items() if "teamsup reload" in each.hint] == (
        ["configuration"] if written else []
    )


def test_a_supervisor_that_runs_is_seen(doctor_setup: DoctorSetup) -> None:
    with MessageHub(doctor_setup.team, agent="supervisor") as supervisor:
        supervisor.register("supervisor")
        with supervising(doctor_setup):
            assert doctor_setup.examined()[1]["supervisor"]["text"] == f"runs, pid {os.getpid()}"


def test_a_copy_that_claude_code_keeps_is_the_plugin_where_no_settings_say_its_folder(
    doctor_setup: DoctorSetup,
) -> None:
    plugins = doctor_setup.home / ".claude" / "plugins"
    plugins.mkdir(parents=True)
    plugins.with_name("settings.json").write_text('{"enabledPlugins": {"teamsup@teamsup": true}}')
    installed = {"plugins": {"teamsup@teamsup": [{"installPath": str(resource_path("claude"))}]}}
    (plugins / "installed_plugins.json").write_text(json.dumps(installed))

    with mock.patch.object(DoctorSetup, "environment", doctor_setup.environment | {"TEAMSUP": "/bin/true"}):
        assert doctor_setup.examined()[1]["plugin"]["verdict"] == "ok"


def test_settings_that_claude_code_cannot_read_are_a_failure(doctor_setup: DoctorSetup) -> None:
    (doctor_setup.project / ".mcp.json").write_text("{")

    result = doctor_setup.doctor_here()

    assert result.returncode == 4
    place = f"{doctor_setup.project}/.mcp.json, line 1, column 2: Expecting property name"
    assert f"FAILED project {place}" in " ".join(result.stdout.split())

    (doctor_setup.project / ".mcp.json").write_text('{"a": 1, "a": 1e999}')
    assert doctor_setup.examined()[0] == 0


def test_the_team_of_the_project_is_looked_at_unless_another_is_named(doctor_setup: DoctorSetup) -> None:
    doctor_setup.init("--team", "crew")
    doctor_setup.trusts(doctor_setup.project)

    assert "'crew' in" in doctor_setup.examined()[1]["team"]["text"]
    found = doctor_setup.examined("--team", "default")[1]
    assert "there is no team 'default'" in found["team"]["text"]
    assert "its sessions are in team 'crew' in" in found["project"]["text"]
    assert found["project"]["hint"].endswith(f"teamsup init --claude --project {doctor_setup.project} --team default")
    with mock.patch.object(DoctorSetup, "environment", doctor_setup.environment | {"TEAMSUP_HOME": ""}):
        found = doctor_setup.examined()[1]
    assert f"TEAMSUP_HOME={doctor_setup.home} teamsup start --team crew" in found["supervisor"]["hint"]
