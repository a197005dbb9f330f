"""``teamsup doctor``: check every part, list agents that cannot be reached, and show the remedies."""

import argparse
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from teamsup.config.components import installed_components, installed_tables, load_function
from teamsup.hub import Agent, MessageHub, SchemaTooNew, StoreError, Team
from teamsup.hub.engines.choice import has_store, read_journal_mode
from teamsup.hub.errors import ExitCode
from teamsup.hub.models import NOT_CONFIGURED, OFFLINE
from teamsup.hub.team import normalize_name
from teamsup.hub.timestamps import parse_time
from teamsup.hub.wakeup.doorbell import Doorbells
from teamsup.status.team_lock import describe_without_folder, owner_pid, owner_without_folder
from teamsup.terminal import progress
from teamsup.terminal.candidates import Kind, complete_as
from teamsup.terminal.findings import CommandHint, Finding, Verdict
from teamsup.terminal.formatting import describe_presence, format_rows, output_columns, sanitize
from teamsup.terminal.hints import command_hint, installed_command, is_invocation_of
from teamsup.terminal.json_output import add_json_option, print_json

from ..checks.machine import check_machine
from ..checks.mailbox import Mailbox, check_mailbox
from ..claude.mcp_check import check_mcp_server
from ..claude.native_teams import check_native_teams
from ..claude.project_check import check_project, check_subagent_names, read_project_settings
from ..claude.project_settings import find_project, team_of
from .service import check_service

_CLAUDE_SECONDS = 10.0
_MAX_CHECKED_BYTES = 512 * 2**20


EXAMPLES = ("teamsup doctor", "teamsup doctor --online", "teamsup doctor --agent lead")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    complete_as(
        Kind.MEMBER,
        parser.add_argument(
            "--agent", metavar="NAME", help="check only this agent (default: all agents with unread messages)"
        ),
    )
    complete_as(
        Kind.FOLDER,
        parser.add_argument("--project", type=Path, metavar="DIR", help="a Claude Code project (default: this folder)"),
    )
    parser.add_argument(
        "--online", action="store_true", help="also ask services outside of this machine, such as Discord"
    )
    add_json_option(parser)
    parser.epilog = "Exit codes: 0 all checks passed, perhaps with warnings; 4 a check failed, or got no answer."


def run(arguments: argparse.Namespace) -> int:
    project = find_project(arguments.project)
    chosen = None if arguments.agent is None else normalize_name(arguments.agent)
    team = team_of(read_project_settings(project).effective.environment, arguments.team)
    call = partial(command_hint, team)
    with progress.during("Checking"):
        hub = _read_hub(team)
        agents, trouble = hub.agents, hub.trouble
        findings = [
            *check_machine(team, hub.newest, hub.journal, datetime.now(UTC)),
            *_check_team(team, hub, call),
            *_check_store(hub, call),
            *check_service(team, call),
            check_mcp_server(installed_command(), call),
            _check_claude(),
            *check_project(project, team, call),
            *check_subagent_names(project, agents),
            *([] if trouble else _check_agents(team, agents, hub.undeliverable, chosen, call)),
            *(_run_checks("online_checks", team, agents, call) if arguments.online else ()),
        ]
    is_well = all(finding.verdict in (Verdict.OK, Verdict.WARNING) for finding in findings)
    if arguments.json:
        print_json(team.name, well=is_well, findings=findings)
    else:
        _print(findings)
    return 0 if is_well else ExitCode.UNWELL


@dataclass(frozen=True, slots=True)
class _HubState:
    """The state of the hub. ``trouble`` is the reason why it cannot be used, and ``is_outdated`` says that this program
    is too old for it. ``faults`` is None for a large store, which is not searched.
    """

    agents: list[Agent] = field(default_factory=list)
    undeliverable: dict[str, int] = field(default_factory=dict)
    trouble: str = ""
    is_outdated: bool = False
    newest: datetime | None = None
    journal: str | None = None
    dead: int = 0
    faults: list[str] | None = None
    file_bytes: int = 0


def _read_hub(team: Team) -> _HubState:
    """Return the state of the hub. A large file is not searched for faults, because that takes minutes."""
    if not has_store(team):
        return _HubState(faults=[])
    try:
        with MessageHub(team) as hub:
            # Check that it is writable; a transaction without changes has no effect.
            with hub.transaction():
                pass
            newest = hub.queries.history(limit=1)
            size = hub.queries.stats().file_bytes
            return _HubState(
                hub.agents(),
                dict(hub.queries.undeliverable()),
                newest=newest[-1].created_at if newest else None,
                journal=read_journal_mode(team),
                dead=hub.queries.count_dead_letters(),
                faults=hub.maintenance.check_integrity(installed_tables()) if size <= _MAX_CHECKED_BYTES else None,
                file_bytes=size,
            )
    except StoreError as error:
        return _HubState(trouble=str(error), is_outdated=isinstance(error, SchemaTooNew), faults=[])


def _check_store(hub: _HubState, call: CommandHint) -> list[Finding]:
    """Check the store for faults and dead letters."""
    remedy = f"Restore a backup: {call('hub', 'restore', 'FILE')}"
    if hub.journal is None:  # the faults of a server name their remedies
        remedy = "More about a server: teamsup docs scale-out"
    found = [Finding("store", Verdict.FAILED, fault.rstrip("."), remedy) for fault in hub.faults or ()]
    if hub.faults is None:
        text = f"{hub.file_bytes / 2**30:.1f} GiB are not searched for faults here"
        found.append(Finding("store", Verdict.WARNING, text, f"Search them: {call('hub', 'check')}"))
    if hub.dead:
        text = f"{hub.dead} dead letter{'' if hub.dead == 1 else 's'}: nobody could handle them"
        hint = f"List them: {call('hub', 'dead-letters')}; deliver one again: {call('hub', 'retry', 'ID')}"
        found.append(Finding("store", Verdict.WARNING, text, hint))
    return found


def _check_team(team: Team, hub: _HubState, call: CommandHint) -> list[Finding]:
    if (pid := owner_without_folder(team)) is not None:
        return [
            Finding(
                "team", Verdict.FAILED, describe_without_folder(team, pid).rstrip("."), f"See: ls -ld {team.folder}"
            )
        ]
    # These imports take a tenth of a second, and --help does not need them.
    from teamsup.status.team_status import read_team_status

    from ..checks.team import check_configuration, check_folder, check_hub, check_participants

    if not has_store(team) and not hub.trouble and owner_pid(team) is None:
        hint = f"Start it with: {call('start')}"
        new = Finding("team", Verdict.WARNING, f"there is no team {team.name!r} in {team.folder} yet", hint)
        return [new, *check_folder(team), *check_configuration(team, call), *_run_checks("checks", team, (), call)]
    well = Finding("team", Verdict.OK, f"{team.name!r} in {team.folder} can be read and written")
    team_status = read_team_status(team)
    return [
        *([] if hub.trouble else [well]),
        *check_hub(team, hub.trouble, is_outdated=hub.is_outdated),
        *check_folder(team),
        *check_native_teams(team, hub.agents),
        *check_configuration(team, call),
        *check_participants(team_status, call),
        *_run_checks("checks", team, hub.agents, call),
    ]


def _run_checks(field: str, team: Team, agents: Iterable[Agent], call: CommandHint) -> Iterator[Finding]:
    """Yield the findings of the functions that the components name in this field."""
    by_name = {agent.name: agent for agent in agents}
    for component in installed_components().values():
        if function := getattr(component, field):
            try:
                yield from load_function(function)(team, by_name, call)
            except Exception as error:
                text = f"its check fails: {type(error).__name__}: {error}"
                yield Finding(component.name, Verdict.FAILED, text, "Update it, or report that to its author.")


def _check_claude() -> Finding:
    path = shutil.which("claude")
    if path is None:
        hint = "Agents in Claude Code need it: install it, or put its folder on the PATH. Only they need it."
        return Finding("claude", Verdict.WARNING, "there is no 'claude' on the PATH", hint)
    try:
        answer = subprocess.run(
            [path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=_CLAUDE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        trouble = str(error)
    else:
        output = " ".join((answer.stdout or answer.stderr).decode(errors="replace").split())
        if answer.returncode == 0:
            return Finding("claude", Verdict.OK, f"{output}, {path}")
        trouble = output or f"exit code {answer.returncode}"
    return Finding(
        "claude", Verdict.FAILED, f"{path} does not run: {trouble}", "Try it in a terminal: claude --version"
    )


def _check_agents(
    team: Team, agents: list[Agent], undeliverable: dict[str, int], chosen: str | None, call: CommandHint
) -> list[Finding]:
    """Check the chosen agent, or all agents with unread messages except people's terminals."""
    if chosen is None:
        asked = [agent for agent in agents if agent.unread and agent.kind != "console"]
        unknown = undeliverable
    else:
        asked = [agent for agent in agents if agent.name == chosen]
        unknown = {} if asked else {chosen: undeliverable.get(chosen, 0)}
    found = [check_mailbox(_read_mailbox(team, agent, _last_hook_at(agents, agent)), call) for agent in asked]
    for name, count in unknown.items():
        hint = f"The name is misspelt, or the agent is new: {call('init', '--claude', '--agent', name)}"
        unread = f"{count} unread, but " if count else ""
        found.append(Finding(name, Verdict.WARNING, f"{unread}the team does not know that name", hint))
    # A running supervisor watches silent agents, and another finding reports them.
    found += (
        [_describe_silent(agent, call) for agent in _silent(agents)]
        if chosen is None and owner_pid(team) is None
        else []
    )
    return found or [Finding("agents", Verdict.OK, "no agent has unread messages, and none is silent")]


def _silent(agents: list[Agent]) -> list[Agent]:
    """Return the sessions without unread messages that have stopped sending heartbeats without going offline."""
    now = datetime.now(UTC)
    return [
        agent
        for agent in agents
        if agent.kind == "agent" and agent.is_watched and agent.status not in (OFFLINE, NOT_CONFIGURED)
        if agent.last_heartbeat is not None and not agent.is_present(now) and not agent.unread
    ]


def _describe_silent(agent: Agent, call: CommandHint) -> Finding:
    text = f"{describe_presence(agent, datetime.now(UTC))}: its session died, or hangs"
    hint = f"Start its session again, or let the team forget it: {call('agents', 'rm', agent.name)}"
    return Finding(agent.name, Verdict.WARNING, text, hint)


def _last_hook_at(agents: Iterable[Agent], agent: Agent) -> datetime | None:
    """Return the time of the last hook in the agent's session. One server serves all subagents of a session."""
    session = agent.metadata.get("pid")
    moments = [
        parse_time(str(other.metadata["hooks"]))
        for other in agents
        if "hooks" in other.metadata and (other is agent or (session and other.metadata.get("pid") == session))
    ]
    return max((moment for moment in moments if moment), default=None)


def _read_mailbox(team: Team, agent: Agent, hooks: datetime | None) -> Mailbox:
    now = datetime.now(UTC)

    def age(moment: datetime | None) -> float | None:
        return None if moment is None else max(0.0, (now - moment).total_seconds())

    bells = Doorbells(team.run)
    bells.ring([agent.name])  # removes a doorbell of a killed process, whose pid another process may have by now
    are_monitors = [_is_monitor(pid) for pid in bells.listener_pids(agent.name)]
    return Mailbox(
        name=agent.name,
        kind=agent.kind,
        status=agent.status,
        unread=agent.unread,
        oldest_age=age(agent.oldest_unread),
        heartbeat_age=age(agent.last_heartbeat),
        is_present=agent.is_present(now),
        is_waiting=False in are_monitors,
        is_watched=True in are_monitors,
        hook_age=age(hooks),
    )


def _is_monitor(pid: int) -> bool | None:
    """Return whether the process is ``teamsup watch``, or None if there is no such process."""
    import psutil

    try:
        return is_invocation_of("watch", psutil.Process(pid).cmdline())
    except psutil.Error:
        return None


def _print(findings: list[Finding]) -> None:
    columns = output_columns()
    cells = [[_clean(cell) for cell in (f"{each.verdict:7}", each.check, each.text)] for each in findings]
    start = 4 + max(len(verdict) + len(check) for verdict, check, _ in cells)
    for each, lines in zip(findings, format_rows(cells, columns), strict=True):
        print("\n".join(line.rstrip() for line in lines))
        if hint := _clean(each.hint):
            # Do not wrap a hint, because a person copies the command in it.
            print(" " * (start if columns is None or start + len(hint) <= columns else 4) + hint)


def _clean(text: str) -> str:
    return sanitize(text).replace("\n", " ")
