"""``teamsup doctor``: gathers the facts from which diagnosis.py tells what is wrong, who is deaf and why."""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from teamsup.hub import Agent, MessageHub, StoreError, Team
from teamsup.hub.clock import from_text
from teamsup.hub.team import bell_name, fold_name
from teamsup.hub.wording import printable

from .. import claude_project
from ..claude_files import project_at, read_leniently, seen_in, settings_paths, user_folder, user_state
from ..command_line import command_line, installed_command
from ..diagnosis import (
    FRESH_SECONDS,
    ClaudeFacts,
    Finding,
    Mailbox,
    ProjectFacts,
    ServerFacts,
    TeamFacts,
    Verdict,
    judge,
)
from ..server_trial import try_server
from ..state_file import holder

EXIT_FAILED = 1
_SERVER_SECONDS = 20.0
_CLAUDE_SECONDS = 10.0
_PLUGIN_FILES = (".claude-plugin/plugin.json", ".mcp.json", "hooks/hooks.json")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--agent", metavar="NAME", help="only whether this one hears (default: all with unread messages)"
    )
    parser.add_argument("--project", type=Path, metavar="DIR", help="a project of Claude Code's (default: this folder)")
    parser.add_argument("--json", action="store_true", help="the same for programs")
    parser.epilog = "Exit code 0: all well, or warnings only, 1: something failed."


def run(arguments: argparse.Namespace) -> int:
    project = project_at(arguments.project)
    seen = seen_in(project)
    # As the project's sessions do, unless we are told otherwise.
    if claude_project.HOME in seen.environment:
        os.environ.setdefault("TEAMSUP_HOME", seen.environment[claude_project.HOME])
    team = Team.named(arguments.team or seen.environment.get(claude_project.TEAM))
    agents, undeliverable, trouble = _look(team)
    facts = TeamFacts(team.name, str(team.folder), team.database.exists(), trouble, holder(team))
    chosen = None if arguments.agent is None else fold_name(arguments.agent)
    if chosen is not None:
        known = any(agent.name == chosen for agent in agents)
        undeliverable = {} if known or trouble else {chosen: undeliverable.get(chosen, 0)}
    findings = judge(
        facts,
        _server(team, is_usable=facts.exists and not trouble),
        _claude(),
        _project(project, seen, team),
        [
            _mailbox(team, agent, _hooks_heard(agents, agent))
            for agent in agents
            if agent.name == chosen or (chosen is None and _matters(agent))
        ],
        undeliverable,
        partial(command_line, team),
    )
    failed = any(finding.verdict is Verdict.FAILED for finding in findings)
    if arguments.json:
        print(
            json.dumps(
                {"team": team.name, "well": not failed, "findings": [asdict(each) for each in findings]}, indent=2
            )
        )
    else:
        _print(findings)
    return EXIT_FAILED if failed else 0


def _look(team: Team) -> tuple[list[Agent], dict[str, int], str]:
    """Everybody known, what waits for nobody, and why the store cannot be used."""
    if not team.database.exists():
        return [], {}, ""
    agents: list[Agent] = []
    undeliverable: dict[str, int] = {}
    try:
        with MessageHub(team) as hub:
            agents, undeliverable = hub.agents(), dict(hub.undeliverable())
            # Whether it can be written; nobody notices a transaction without changes.
            with hub.transaction():
                pass
    except StoreError as error:
        return agents, undeliverable, str(error)
    return agents, undeliverable, ""


def _server(team: Team, *, is_usable: bool) -> ServerFacts:
    command = installed_command()
    if is_usable:
        return try_server(command, team, _SERVER_SECONDS, in_own_team=False)
    with tempfile.TemporaryDirectory(prefix="teamsup-doctor-") as home:
        return try_server(command, Team("trial", Path(home) / "trial"), _SERVER_SECONDS, in_own_team=True)


def _claude() -> ClaudeFacts:
    path = shutil.which("claude")
    if path is None:
        return ClaudeFacts()
    try:
        answer = subprocess.run(
            [path, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CLAUDE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return ClaudeFacts(path, trouble=f"no answer within {_CLAUDE_SECONDS:.0f} s")
    except OSError as error:
        return ClaudeFacts(path, trouble=str(error.strerror))
    if answer.returncode != 0:
        return ClaudeFacts(path, trouble=" ".join(answer.stderr.split())[:200] or f"exit code {answer.returncode}")
    return ClaudeFacts(path, " ".join(answer.stdout.split()))


def _project(project: Path, seen: claude_project.Seen, team: Team) -> ProjectFacts:
    files = [*settings_paths(project), project / ".mcp.json", user_state()]
    user = read_leniently(user_state())[0]
    sessions = Team.named(seen.environment.get(claude_project.TEAM))
    if home := seen.environment.get(claude_project.HOME):
        sessions = Team(sessions.name, Path(home).expanduser().absolute() / sessions.name)
    return ProjectFacts(
        folder=str(project),
        seen=seen,
        is_trusted=None if user is None else claude_project.is_trusted(user, project.resolve()),
        unreadable=tuple(trouble for file in files if (trouble := read_leniently(file)[1])),
        missing=tuple(word for plugin in seen.plugins for word in _missing(plugin, seen)),
        team="" if sessions == team else f"{sessions.name!r} in {sessions.folder}",
    )


def _missing(plugin: str, seen: claude_project.Seen) -> Iterator[str]:
    """What the plugin names and is not there."""
    place = seen.plugins[plugin] or _installed(plugin)
    if place is None:
        yield f"the folder of {plugin}"
        return
    folder = Path(place)
    if absent := [str(folder / name) for name in _PLUGIN_FILES if not (folder / name).exists()]:
        yield from absent
        return
    servers, hooks = (read_leniently(folder / name)[0] for name in _PLUGIN_FILES[1:])
    words = claude_project.programs(hooks, servers, place, {**os.environ, **seen.environment})
    for name in dict.fromkeys(command[0] for command in words):
        if shutil.which(name) is None:
            yield f"{name} on the PATH" if "/" not in name else name
    for name in dict.fromkeys(word for command in words for word in command[1:] if word.startswith(place)):
        if not Path(name).exists():
            yield name


def _installed(plugin: str) -> str | None:
    """Where Claude Code keeps its copy."""
    found = read_leniently(user_folder() / "plugins" / "installed_plugins.json")[0]
    try:
        return str(found["plugins"][plugin][-1]["installPath"])
    except (TypeError, KeyError, IndexError):
        return None


def _matters(agent: Agent) -> bool:
    """A person's terminal hears when the person looks."""
    return agent.unread > 0 and agent.kind != "console"


def _hooks_heard(agents: Iterable[Agent], agent: Agent) -> datetime | None:
    """When the session that serves the agent last heard a hook: one server speaks for all subagents of a session."""
    session = agent.metadata.get("pid")
    heard = [
        from_text(str(other.metadata["hooks"]))
        for other in agents
        if "hooks" in other.metadata and (other is agent or (session and other.metadata.get("pid") == session))
    ]
    return max((moment for moment in heard if moment), default=None)


def _mailbox(team: Team, agent: Agent, hooks: datetime | None) -> Mailbox:
    now = datetime.now(UTC)

    def age(moment: datetime | None) -> float | None:
        return None if moment is None else max(0.0, (now - moment).total_seconds())

    oldest = age(agent.oldest_unread) or 0.0
    readers = [_is_monitor(pid) for pid in _bells(team, agent.name)]
    return Mailbox(
        name=agent.name,
        kind=agent.kind,
        status=agent.status,
        unread=agent.unread,
        oldest=oldest,
        heartbeat=age(agent.last_heartbeat),
        is_present=agent.is_present(now),
        is_held=oldest > FRESH_SECONDS and _is_held(team, agent.name),
        is_waiting=False in readers,
        is_watched=True in readers,
        hooks=age(hooks),
    )


def _is_held(team: Team, agent: str) -> bool:
    with suppress(StoreError), MessageHub(team, agent=agent) as hub:
        return not hub.wait(0)
    return False


def _bells(team: Team, agent: str) -> Iterator[int]:
    """The pids of those who have a doorbell up for the agent. One that died may have left its own."""
    try:
        names = os.listdir(team.run)
    except OSError:
        return
    for name in names:
        owner, _, number = name.partition("@")
        pid = number.partition(".")[0]
        if owner == bell_name(agent) and pid.isdecimal():
            yield int(pid)


def _is_monitor(pid: int) -> bool | None:
    """Whether the process is ``teamsup watch``; None when there is no such process."""
    import psutil

    try:
        return "watch" in psutil.Process(pid).cmdline()
    except psutil.Error:
        return None


def _print(findings: list[Finding]) -> None:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        print(_line(f"{finding.verdict:9}{finding.check:{width}}  {finding.text}"))
        if finding.hint:
            print(_line(f"{'':9}{'':{width}}  {finding.hint}"))


def _line(text: str) -> str:
    return printable(text).replace("\n", " ")
