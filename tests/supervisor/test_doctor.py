"""'teamsup doctor': what works, what does not, who is deaf and why, with the next step."""

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from support import Command, as_foreign_program, eventually, refusal
from teamsup.hub import MessageHub
from teamsup.supervisor.claude_files import plugin_folder
from teamsup.supervisor.claude_project import Seen, programs, seen, serves_us
from teamsup.supervisor.cli import main
from teamsup.supervisor.commands import doctor
from teamsup.supervisor.diagnosis import (
    TOOLS,
    ClaudeFacts,
    Finding,
    Mailbox,
    ProjectFacts,
    ServerFacts,
    TeamFacts,
    Verdict,
    judge,
    of_claude,
    of_mailbox,
    of_mailboxes,
    of_project,
    of_server,
    of_team,
)

OK, WARNING, FAILED = Verdict.OK, Verdict.WARNING, Verdict.FAILED
TEAM = TeamFacts("crew", "/teams/crew", exists=True, supervisor=7)
SERVER = ServerFacts(ready_seconds=0.5, tools=TOOLS, call_seconds=0.002, end_seconds=0.1)
PLUGIN = Seen({"teamsup@teamsup": "/plugin"}, (), {"TEAMSUP_AGENT": "scout"}, hooks_are_off=False)
PROJECT = ProjectFacts("/my project", PLUGIN, is_trusted=True)
HERE = Mailbox("lead", status="online", unread=2, oldest=300, heartbeat=3, is_present=True)
GONE = Mailbox("lead", status="offline", unread=2, oldest=300, heartbeat=7200)
DAEMON = replace(HERE, name="user_comm", kind="daemon")


def call(*words: str) -> str:
    return " ".join(["teamsup", *words])


@pytest.mark.parametrize(
    ("mailbox", "verdict", "text", "hint"),
    [
        (replace(HERE, unread=0), OK, "nothing unread; it is online", ""),
        (replace(GONE, unread=0), OK, "offline, last seen 2h 0m ago", ""),
        (replace(HERE, oldest=5), OK, "2 unread, the oldest for 5s; it is online, it does not wait", ""),
        (
            HERE,
            FAILED,
            "but deaf: it does not wait, no monitor runs, and no hook was ever heard",
            "in a trusted project",
        ),
        (replace(HERE, hooks=400.0), WARNING, "a hook was heard 6m 40s ago", "Type anything in its session"),
        (replace(HERE, is_watched=True), WARNING, "a monitor runs, but it has not read", "Look at its session"),
        (replace(HERE, is_waiting=True), FAILED, "waits for messages, but does not get them", "teamsup hub check"),
        (replace(HERE, is_held=True), WARNING, "held back for later", "teamsup hub dead"),
        (GONE, WARNING, "no session serves it: offline, last seen 2h 0m ago", "Start 'claude' in its project"),
        (replace(GONE, status="busy"), WARNING, "silent, last seen 2h 0m ago: its session died, or hangs", "again"),
        (replace(GONE, heartbeat=None), WARNING, "no session has ever served it", "teamsup init --claude --agent lead"),
        (replace(DAEMON, oldest=5), OK, "it is online", ""),
        (DAEMON, FAILED, "it is online, but does not read", "teamsup logs user_comm"),
        (replace(GONE, kind="daemon"), WARNING, "offline, last seen 2h 0m ago", "teamsup ps lead"),
        (replace(GONE, kind="daemon", status="not configured"), WARNING, "not configured", "teamsup ps lead"),
        (replace(GONE, kind="supervisor"), WARNING, "offline", "teamsup start"),
    ],
)
def test_who_is_deaf_and_why(mailbox: Mailbox, verdict: Verdict, text: str, hint: str) -> None:
    found = of_mailbox(mailbox, call)

    assert (found.check, found.verdict) == (mailbox.name, verdict)
    assert text in found.text
    assert hint in found.hint
    assert (found.hint == "") is (verdict is OK)


def test_a_name_that_nobody_has_is_told_with_what_waits_for_it() -> None:
    (found,) = of_mailboxes([], {"ghost": 3}, call)

    assert (found.check, found.verdict) == ("ghost", WARNING)
    assert found.text == "3 unread, but the team knows nobody of that name"
    assert of_mailboxes([], {}, call) == [Finding("agents", OK, "nobody has unread messages")]


@pytest.mark.parametrize(
    ("server", "verdict", "text"),
    [
        (SERVER, OK, "starts in 0.50 s, has its 5 tools, answers a call in 2 ms, ends in 0.10 s"),
        (replace(SERVER, in_own_team=True), OK, "(in a team of its own)"),
        (replace(SERVER, ready_seconds=9.0), WARNING, "starts in 9.00 s"),
        (
            replace(SERVER, end_seconds=None, trouble="not within 20 s"),
            WARNING,
            "but does not end well: not within 20 s",
        ),
        (replace(SERVER, call_seconds=None, trouble="boom"), FAILED, "a call of team_get_status failed: boom"),
        (replace(SERVER, tools=TOOLS - {"team_broadcast"}), FAILED, "starts, but lacks team_broadcast"),
        (ServerFacts(trouble="no such file"), FAILED, "does not start: no such file"),
    ],
)
def test_a_server_is_judged_by_how_far_it_came(server: ServerFacts, verdict: Verdict, text: str) -> None:
    found = of_server(server, call)

    assert found.verdict is verdict
    assert text in found.text
    assert (found.hint == "") is (verdict is OK)


def test_a_team_is_judged_by_whether_it_can_be_used() -> None:
    assert [found.verdict for found in of_team(TEAM, call)] == [OK, OK]
    assert [found.verdict for found in of_team(replace(TEAM, supervisor=None), call)] == [OK, WARNING]
    assert [found.verdict for found in of_team(replace(TEAM, exists=False), call)] == [WARNING]
    (found,) = of_team(replace(TEAM, trouble="messages.db is held by another program."), call)
    assert (found.verdict, found.text) == (FAILED, "messages.db is held by another program.")


def test_claude_code_is_judged_by_whether_it_runs() -> None:
    assert of_claude(ClaudeFacts()).verdict is WARNING
    assert of_claude(ClaudeFacts("/bin/claude", trouble="exit code 1")).verdict is FAILED
    assert of_claude(ClaudeFacts("/bin/claude", "2.1.330")) == Finding("claude", OK, "2.1.330, /bin/claude")


SERVERS = ("'mail' in the project's .mcp.json",)


@pytest.mark.parametrize(
    ("project", "verdicts", "text"),
    [
        (PROJECT, [OK, OK], "load plugin teamsup@teamsup and are agent 'scout'"),
        (replace(PROJECT, seen=replace(PLUGIN, plugins={})), [WARNING], "take no part in a team"),
        (replace(PROJECT, seen=replace(PLUGIN, plugins={}, servers=SERVERS)), [WARNING], "they are deaf"),
        (replace(PROJECT, seen=replace(PLUGIN, servers=SERVERS)), [WARNING, OK], "several servers at once"),
        (replace(PROJECT, missing=("/plugin/hook.py",)), [OK, FAILED], "what is not there: /plugin/hook.py"),
        (replace(PROJECT, is_trusted=False), [OK, OK, WARNING], "does not trust this folder yet"),
        (replace(PROJECT, is_trusted=None), [OK, OK], "load plugin"),
        (replace(PROJECT, seen=replace(PLUGIN, hooks_are_off=True)), [OK, OK, WARNING], "all hooks are switched off"),
        (replace(PROJECT, unreadable=("x.json, line 1.",)), [FAILED, OK, OK], "x.json, line 1"),
        (replace(PROJECT, team="'b' in /b"), [OK, OK, WARNING], "its sessions are in team 'b' in /b"),
    ],
)
def test_a_project_is_judged_by_what_claude_code_finds_there(
    project: ProjectFacts, verdicts: list[Verdict], text: str
) -> None:
    found = of_project(project, call)

    assert [each.verdict for each in found] == verdicts
    assert any(text in each.text for each in found)
    assert all((each.hint == "") is (each.verdict is OK) for each in found)


def test_commands_to_paste_bear_blanks() -> None:
    found = of_project(replace(PROJECT, missing=("/plugin/hook.py",)), call)

    assert "--project '/my project'" in found[1].hint


def test_of_a_store_that_cannot_be_used_nobody_is_said_to_have_read_all() -> None:
    found = judge(replace(TEAM, trouble="It is damaged."), SERVER, ClaudeFacts(), PROJECT, [], {}, call)

    assert [each.check for each in found] == ["team", "server", "claude", "project", "plugin"]


@pytest.mark.parametrize(
    ("entry", "ours"),
    [
        ({"command": "teamsup", "args": ["mcp"]}, True),
        ({"command": "/v/bin/teamsup", "args": ["mcp", "--agent", "lead"]}, True),
        ({"command": "/v/bin/python", "args": ["-m", "teamsup.supervisor", "mcp"]}, True),
        ({"command": "uv", "args": ["run", "teamsup", "mcp", "--team", "crew"]}, True),
        ({"command": "teamsup", "args": ["watch"]}, False),
        ({"type": "http", "url": "http://localhost/teamsup/mcp"}, False),
        ({"command": 7, "args": "mcp"}, False),
        ("teamsup mcp", False),
    ],
)
def test_a_server_of_ours_is_known_by_its_command(entry: object, ours: bool) -> None:
    assert serves_us(entry) is ours


def test_what_claude_code_finds_is_gathered_from_all_its_settings_the_last_ones_winning() -> None:
    market = {"extraKnownMarketplaces": {"teamsup": {"source": {"source": "directory", "path": "/plugin"}}}}
    user = {"enabledPlugins": {"teamsup@teamsup": False, "teamsup@fork": True, "x@y": True}, **market}
    project = {"enabledPlugins": {"teamsup@teamsup": True, "teamsup@fork": False}, "env": {"TEAMSUP_AGENT": "lead"}}
    local = {"env": {"TEAMSUP_AGENT": "scout", "OTHER": "1"}, "disabledMcpjsonServers": ["refused"]}
    mcp = {"command": "teamsup", "args": ["mcp"]}

    found = seen(
        [user, project, local],
        {"mcpServers": {"refused": mcp, "used": mcp, "foreign": {"command": "x"}}},
        {"mcpServers": {"everywhere": mcp}, "projects": {"/p": {"mcpServers": {"here": mcp}}, "/q": 3}},
        "/p",
    )

    assert found.plugins == {"teamsup@teamsup": "/plugin"}
    assert [server.split("'")[1] for server in found.servers] == ["used", "here", "everywhere"]
    assert found.environment == {"TEAMSUP_AGENT": "scout"}
    assert seen([None, [], {"env": 3, "enabledPlugins": "x"}], {"mcpServers": []}, 7, "/p").plugins == {}


def test_the_programs_of_a_plugin_are_read_as_claude_code_runs_them() -> None:
    hooks = {"hooks": {"Stop": [{"hooks": [{"command": "python3", "args": ["${CLAUDE_PLUGIN_ROOT}/hook.py"]}, 5]}, 6]}}
    servers = {"mcpServers": {"teamsup": {"command": "${TEAMSUP:-teamsup}", "args": ["--agent", "${A:-lead}"]}}}

    found = programs(hooks, servers, "/plugin", {"TEAMSUP": "/bin/teamsup"})

    assert found == [["python3", "/plugin/hook.py"], ["/bin/teamsup", "--agent", "lead"]]


@dataclass(frozen=True)
class Patient(Command):
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

    def doctor(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("doctor", "--project", str(self.project), *words)

    def doctor_here(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same in this process and without a trial of the server, which spares the start of both."""
        home = mock.patch.dict(os.environ, self.environment, clear=True)
        trial = mock.patch.object(doctor, "try_server", return_value=SERVER)
        out, err = StringIO(), StringIO()
        with home, trial, mock.patch("os.umask"), redirect_stdout(out), redirect_stderr(err):
            code = main(["doctor", "--project", str(self.project), *words])
        return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())

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
def patient(tmp_path: Path) -> Patient:
    made = Patient(tmp_path / "home")
    made.project.mkdir(parents=True)
    (made.home / "bin").mkdir()
    python = made.home / "bin" / "python3"
    python.symlink_to(sys.executable)
    return made


def test_a_team_that_never_was_is_no_failure_and_is_not_made(patient: Patient) -> None:
    result = patient.doctor()

    assert result.returncode == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("warning  team     there is no team 'default'")
    assert lines[1].strip().startswith("Start it with: teamsup start")
    assert any(line.startswith("ok       server   starts in") for line in lines)
    assert not patient.team.folder.exists()


def test_a_team_set_up_for_claude_code_is_all_well(patient: Patient) -> None:
    patient.puts_claude_on_the_path("echo '2.1.330 (Claude Code)'")
    patient.run("init", "--claude", "--project", str(patient.project), "--agent", "scout")
    trusted = {"projects": {str(patient.home.resolve()): {"hasTrustDialogAccepted": True}}}
    (patient.home / ".claude.json").write_text(json.dumps(trusted))

    code, found = found_in(patient.doctor("--json"))

    assert code == 0
    assert {check for check, finding in found.items() if finding["verdict"] != "ok"} == {"supervisor"}
    assert "2.1.330 (Claude Code)" in found["claude"]["text"]
    assert "are agent 'scout'" in found["project"]["text"]


def test_the_doctor_disturbs_nobody_and_leaves_nothing(running: Command) -> None:
    with MessageHub(running.team) as hub:
        before = {agent.name: agent.unread for agent in hub.agents()}

        result = running.run("doctor", "--project", str(running.home))

        assert "ok       supervisor  runs, pid" in result.stdout
        assert {agent.name: agent.unread for agent in hub.agents()} == before
        assert not [name for name in hub.undeliverable() if name.startswith("doctor")]
    assert not [line for line in _processes() if " mcp --team " in line and str(running.home) in line]


def _processes() -> list[str]:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()


def test_what_was_said_to_everybody_meanwhile_does_not_wait_for_the_doctor(patient: Patient) -> None:
    with MessageHub(patient.team, agent="lead") as hub:
        hub.register()
        doctor = patient.open("doctor", "--project", str(patient.project))
        eventually(lambda: any(agent.name.startswith("doctor-") for agent in hub.agents()), "its server")
        message = hub.broadcast("all hands")
        assert doctor.wait(30) == 0
        if doctor.stdout is not None:
            doctor.stdout.close()

        assert [state.recipient[:7] for state in hub.trace(message.message_id)] == ["doctor-"]
        assert [state.state for state in hub.trace(message.message_id)] == ["done"]
        assert hub.undeliverable() == {}


def test_an_agent_that_nobody_serves_is_told_and_is_no_failure(patient: Patient) -> None:
    with MessageHub(patient.team, agent="lead") as hub:
        hub.register()
        hub.enroll("scout")
        hub.send("scout", "are you there?")

    code, found = patient.examined()

    assert code == 0
    assert found["scout"]["verdict"] == "warning"
    assert "1 unread" in found["scout"]["text"]
    assert "no session has ever served it" in found["scout"]["text"]


def test_a_session_that_hears_nothing_is_a_failure(patient: Patient) -> None:
    with MessageHub(patient.team, agent="scout") as scout:
        scout.register(pid=os.getpid())
        _wait_since_long(patient, "scout")

        code, found = patient.examined()

    assert code == 1
    assert found["scout"]["verdict"] == "FAILED"
    assert "but deaf" in found["scout"]["text"]


def test_hooks_that_were_heard_and_a_monitor_that_runs_are_seen(patient: Patient) -> None:
    with MessageHub(patient.team, agent="scout") as scout:
        scout.register(pid=os.getpid(), hooks="2020-01-01T00:00:00+00:00")
        _wait_since_long(patient, "scout")
        assert "a hook was heard" in patient.examined()[1]["scout"]["text"]

        with patient.open("watch", "--agent", "scout") as monitor:
            try:
                eventually(lambda: "a monitor runs" in patient.examined()[1]["scout"]["text"], "the monitor")
            finally:
                monitor.terminate()


def test_a_subagent_hears_by_the_hooks_of_its_session(patient: Patient) -> None:
    with MessageHub(patient.team, agent="lead") as lead, MessageHub(patient.team, agent="scout") as scout:
        lead.register(pid=os.getpid(), hooks="2020-01-01T00:00:00+00:00")
        scout.register(pid=os.getpid())

        assert "a hook was heard" in patient.examined("--agent", "scout")[1]["scout"]["text"]


def test_a_read_that_waits_is_seen(patient: Patient) -> None:
    with MessageHub(patient.team, agent="scout") as scout:
        scout.register()
        with patient.open("read", "--agent", "scout", "--wait", "60") as reader:
            try:
                eventually(
                    lambda: "it waits in a read" in patient.examined("--agent", "scout")[1]["scout"]["text"], "it"
                )
            finally:
                reader.terminate()


def _wait_since_long(patient: Patient, agent: str) -> None:
    """Something waits for the agent that came ten minutes ago."""
    as_foreign_program(
        patient.team,
        "INSERT INTO messages (message_id, sender, recipient, content, created_at) VALUES (?, ?, ?, ?, ?)",
        *("old", "shell", agent, "hello", time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - 600))),
    )


def test_one_agent_can_be_asked_after_also_when_nothing_waits_for_it(patient: Patient) -> None:
    with MessageHub(patient.team, agent="scout") as scout:
        scout.register()

    found = patient.examined("--agent", "Scout")[1]

    assert "nothing unread; it is online" in found["scout"]["text"]
    assert "the team knows nobody of that name" in patient.examined("--agent", "ghost")[1]["ghost"]["text"]


def test_a_store_that_is_damaged_is_a_failure_and_the_server_is_tried_elsewhere(patient: Patient) -> None:
    patient.team.create()
    patient.team.database.write_text("this is no database, and long enough to be seen as none")

    code, found = found_in(patient.doctor("--json"))

    assert code == 1
    assert "is not a SQLite database" in found["team"]["text"]
    assert found["server"]["verdict"] == "ok"
    assert "in a team of its own" in found["server"]["text"]


def test_a_folder_that_is_not_there_is_refused(patient: Patient) -> None:
    result = patient.run("doctor", "--project", str(patient.home / "nowhere"))

    assert refusal(result) == f"teamsup: There is no folder {patient.home}/nowhere."


def test_a_claude_code_that_does_not_run_is_a_failure(patient: Patient) -> None:
    patient.puts_claude_on_the_path("echo 'no such interpreter' >&2; exit 3")

    code, found = patient.examined()

    assert code == 1
    assert "no such interpreter" in found["claude"]["text"]


def test_a_plugin_that_has_moved_away_is_a_failure(patient: Patient) -> None:
    copy = patient.home / "deploy" / "claude"
    shutil.copytree(plugin_folder(), copy)
    patient.run("init", "--claude", "--project", str(patient.project))
    settings = patient.project / ".claude" / "settings.json"
    settings.write_text(settings.read_text().replace(str(plugin_folder()), str(copy)))
    assert patient.examined()[1]["plugin"]["verdict"] == "ok"

    (copy / "hook.py").unlink()
    code, found = patient.examined()
    assert code == 1
    assert found["plugin"]["text"] == f"the plugin names what is not there: {copy}/hook.py"

    shutil.rmtree(copy)
    assert f"{copy}/.mcp.json" in patient.examined()[1]["plugin"]["text"]


def test_settings_that_claude_code_cannot_read_are_a_failure(patient: Patient) -> None:
    (patient.project / ".mcp.json").write_text("{")

    code, found = patient.examined()

    assert code == 1
    said = patient.doctor_here().stdout
    assert f"FAILED   project  {patient.project}/.mcp.json, line 1, column 2: Expecting property name" in said
    assert found["project"]["verdict"] == "warning"


def test_the_team_of_the_project_is_looked_at_unless_another_is_named(patient: Patient) -> None:
    patient.run("init", "--claude", "--project", str(patient.project), "--team", "crew")

    assert "'crew' in" in patient.examined()[1]["team"]["text"]
    found = patient.examined("--team", "default")[1]
    assert "there is no team 'default'" in found["team"]["text"]
    assert "its sessions are in team 'crew' in" in found["project"]["text"]
