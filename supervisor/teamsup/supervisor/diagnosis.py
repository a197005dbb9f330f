"""What is wrong with a team, judged from facts: what works, what does not, who is deaf and why, what to do. Pure."""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from teamsup.hub.messages import PRESENT_SECONDS, TAKEN
from teamsup.hub.wording import duration

from .claude_project import Seen

TOOLS = frozenset(
    ("team_send_message", "team_read_messages", "team_broadcast", "team_get_status", "team_update_status")
)
FRESH_SECONDS = 60.0
"""What is younger may well be read in this moment."""
_SLOW_SECONDS = 5.0

Call = Callable[..., str]
"""From words of a teamsup command to the line that a person can paste."""


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, how it ended, and the next step where there is one."""

    check: str
    verdict: Verdict
    text: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TeamFacts:
    """``trouble`` is why the store cannot be read or written."""

    name: str
    folder: str
    exists: bool
    trouble: str = ""
    supervisor: int | None = None


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One start of ``teamsup mcp`` and one call of a tool; None is what was not reached."""

    ready_seconds: float | None = None
    tools: frozenset[str] = frozenset()
    call_seconds: float | None = None
    end_seconds: float | None = None
    trouble: str = ""
    in_own_team: bool = False
    """Tried in a team of its own, because the real one cannot be used."""


@dataclass(frozen=True, slots=True)
class ClaudeFacts:
    path: str | None = None
    version: str = ""
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class ProjectFacts:
    """``unreadable`` are sentences on files of Claude Code's that are no JSON; ``missing`` are files and programs that
    the plugin names and that are not there."""

    folder: str
    seen: Seen
    is_trusted: bool | None = None
    unreadable: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    team: str = ""
    """Which team the project's sessions are in, where that is another one than is looked at."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An agent, how much waits for it, and by which ways it could hear of that. Ages are in seconds."""

    name: str
    kind: str = "agent"
    status: str = "offline"
    unread: int = 0
    oldest: float = 0.0
    heartbeat: float | None = None
    is_present: bool = False
    is_held: bool = False
    """Nothing of it can be read now: it was put off, or is behind an open message of the same conversation."""
    is_waiting: bool = False
    """Something of its own has a doorbell up: a read that waits, or a daemon's loop."""
    is_watched: bool = False
    """A monitor would wake its session."""
    hooks: float | None = None
    """When one was heard last; None for never."""


def judge(
    team: TeamFacts,
    server: ServerFacts,
    claude: ClaudeFacts,
    project: ProjectFacts,
    mailboxes: Sequence[Mailbox],
    undeliverable: dict[str, int],
    call: Call,
) -> list[Finding]:
    """All findings, in the order in which one would ask."""
    return [
        *of_team(team, call),
        of_server(server, call),
        of_claude(claude),
        *of_project(project, call),
        *(of_mailboxes(mailboxes, undeliverable, call) if mailboxes or not team.trouble else []),
    ]


def of_team(team: TeamFacts, call: Call) -> list[Finding]:
    if team.trouble:
        hint = (
            f"Until that is mended nobody can send or read: see to {team.folder}, its rights, its disk, who holds it."
        )
        return [Finding("team", Verdict.FAILED, team.trouble, hint)]
    if not team.exists:
        hint = f"Start it with: {call('start')}"
        return [Finding("team", Verdict.WARNING, f"there is no team {team.name!r} in {team.folder} yet", hint)]
    found = [Finding("team", Verdict.OK, f"{team.name!r} in {team.folder} can be read and written")]
    if team.supervisor is None:
        hint = f"Agents can still write to each other; for the daemons: {call('start')}"
        return [*found, Finding("supervisor", Verdict.WARNING, "is not running", hint)]
    return [*found, Finding("supervisor", Verdict.OK, f"runs, pid {team.supervisor}")]


def of_server(server: ServerFacts, call: Call) -> Finding:
    tried = call("mcp", "--agent", "NAME")
    if server.ready_seconds is None:
        return Finding("server", Verdict.FAILED, f"does not start: {server.trouble}", f"Try it yourself: {tried}")
    if missing := TOOLS - server.tools:
        hint = "Install teamsup anew: this one is not whole."
        return Finding("server", Verdict.FAILED, f"starts, but lacks {', '.join(sorted(missing))}", hint)
    if server.call_seconds is None:
        text = f"starts, but a call of team_get_status failed: {server.trouble}"
        return Finding("server", Verdict.FAILED, text, f"Try it yourself: {tried}")
    text = (
        f"starts in {server.ready_seconds:.2f} s, has its {len(TOOLS)} tools, answers a call in "
        f"{server.call_seconds * 1000:.0f} ms"
    )
    if server.end_seconds is None:
        hint = "Look for what it leaves behind with: ps -ef | grep teamsup"
        return Finding("server", Verdict.WARNING, f"{text}, but does not end well: {server.trouble}", hint)
    if server.in_own_team:
        text += " (in a team of its own)"
    if server.ready_seconds > _SLOW_SECONDS:
        return Finding("server", Verdict.WARNING, text, "This machine is busy: Claude Code waits 30 s for a server.")
    return Finding("server", Verdict.OK, f"{text}, ends in {server.end_seconds:.2f} s")


def of_claude(claude: ClaudeFacts) -> Finding:
    if claude.path is None:
        hint = "Agents in Claude Code need it: install it, or put its folder on the PATH. Daemons and people do not."
        return Finding("claude", Verdict.WARNING, "there is no 'claude' on the PATH", hint)
    if claude.trouble:
        hint = "Try it yourself: claude --version"
        return Finding("claude", Verdict.FAILED, f"{claude.path} does not run: {claude.trouble}", hint)
    return Finding("claude", Verdict.OK, f"{claude.version}, {claude.path}")


def of_project(project: ProjectFacts, call: Call) -> list[Finding]:
    found = [
        Finding("project", Verdict.FAILED, sentence.rstrip("."), "Claude Code reads nothing of that file: mend it.")
        for sentence in project.unreadable
    ]
    init = call("init", "--claude", "--project", shlex.quote(project.folder))
    seen = project.seen
    agent = seen.environment.get("TEAMSUP_AGENT", "lead")
    if len(seen.plugins) + len(seen.servers) > 1:
        both = ", ".join([*(f"plugin {name}" for name in seen.plugins), *(f"server {name}" for name in seen.servers)])
        hint = (
            "Keep the plugin. Take out a server with: claude mcp remove NAME; a plugin with: claude plugin disable NAME"
        )
        text = f"sessions in {project.folder} would speak with several servers at once: {both}"
        found.append(Finding("project", Verdict.WARNING, text, hint))
    elif seen.plugins:
        text = f"sessions in {project.folder} load plugin {next(iter(seen.plugins))} and are agent {agent!r}"
        found.append(Finding("project", Verdict.OK, text))
    elif seen.servers:
        text = f"sessions in {project.folder} have server {seen.servers[0]}, but no hooks and no monitor: they are deaf"
        hint = f"Take it out with: claude mcp remove NAME; then: {init}"
        found.append(Finding("project", Verdict.WARNING, text, hint))
    else:
        text = f"sessions in {project.folder} take no part in a team: neither plugin nor server"
        found.append(Finding("project", Verdict.WARNING, text, f"Have them do so with: {init}"))
    if not seen.plugins:
        return found
    if project.missing:
        text = f"the plugin names what is not there: {', '.join(project.missing)}"
        found.append(Finding("plugin", Verdict.FAILED, text, f"Where teamsup was moved or updated: {init}"))
    else:
        found.append(Finding("plugin", Verdict.OK, "its files, hooks and programs are where it says"))
    if seen.hooks_are_off:
        hint = "Take disableAllHooks out of Claude Code's settings, or agents hear only while they wait."
        found.append(Finding("plugin", Verdict.WARNING, "all hooks are switched off", hint))
    if project.is_trusted is False:
        hint = f"Start 'claude' in {project.folder} once and accept; before, it ignores the project's settings."
        found.append(Finding("project", Verdict.WARNING, "Claude Code does not trust this folder yet", hint))
    if project.team:
        text = f"its sessions are in team {project.team}, not in the one looked at here"
        hint = f"Leave out --team to look at that; or put them here with: {init}"
        found.append(Finding("project", Verdict.WARNING, text, hint))
    return found


def of_mailboxes(mailboxes: Sequence[Mailbox], undeliverable: dict[str, int], call: Call) -> list[Finding]:
    found = [of_mailbox(mailbox, call) for mailbox in mailboxes]
    for name, count in undeliverable.items():
        hint = f"A misspelt name, or an agent yet to come: {call('init', '--claude', '--agent', name)}"
        unread = f"{count} unread, but " if count else ""
        found.append(Finding(name, Verdict.WARNING, f"{unread}the team knows nobody of that name", hint))
    return found or [Finding("agents", Verdict.OK, "nobody has unread messages")]


def of_mailbox(mailbox: Mailbox, call: Call) -> Finding:
    """Whether an agent hears what waits for it."""
    ways = _ways(mailbox)
    waiting = (
        f"{mailbox.unread} unread, the oldest for {duration(mailbox.oldest)}" if mailbox.unread else "nothing unread"
    )
    here = _here(mailbox)

    def finding(verdict: Verdict, why: str, hint: str = "") -> Finding:
        return Finding(mailbox.name, verdict, f"{waiting}; {why}", hint)

    if not mailbox.unread or (mailbox.is_present and mailbox.oldest < FRESH_SECONDS):
        return finding(Verdict.OK, f"{here}, {ways}" if mailbox.kind == "agent" and mailbox.is_present else here)
    if mailbox.is_held:
        hint = "It comes by itself; what failed too often stands in: " + call("hub", "dead")
        return finding(Verdict.WARNING, "held back for later, or behind an open message of the same conversation", hint)
    if mailbox.kind in TAKEN:
        if mailbox.is_present:
            return finding(Verdict.FAILED, f"{here}, but does not read", f"See why with: {call('logs', mailbox.name)}")
        hint = f"See why with: {call('ps', mailbox.name)}; or start the team: {call('start')}"
        return finding(Verdict.WARNING, here, hint)
    if mailbox.heartbeat is None:
        how = call("init", "--claude", "--agent", mailbox.name)
        hint = f"Start 'claude' in its project, set up with: {how}; or have a session start a subagent of that name."
        return finding(Verdict.WARNING, "no session has ever served it", hint)
    if not mailbox.is_present:
        return finding(
            Verdict.WARNING, f"no session serves it: {here}", "Start 'claude' in its project, or its subagent, again."
        )
    if mailbox.is_waiting:
        hint = f"Start its session anew; if that does not help: {call('hub', 'check')}"
        return finding(Verdict.FAILED, f"{here} and waits for messages, but does not get them", hint)
    if mailbox.is_watched:
        hint = "Look at its session: it may be at something long, or a question to you may be open there."
        return finding(Verdict.WARNING, f"{here}, {ways}, but it has not read", hint)
    if mailbox.hooks is not None:
        hint = "Type anything in its session; without a monitor it hears only in a turn, or while it waits in a read."
        return finding(Verdict.WARNING, f"{here}, {ways}", hint)
    hint = f"Start its session anew in a trusted project with the plugin: {call('init', '--claude')}"
    return finding(Verdict.FAILED, f"{here}, but deaf: {ways}", hint)


def _here(mailbox: Mailbox) -> str:
    if mailbox.is_present:
        return f"it is {mailbox.status}"
    if mailbox.heartbeat is None:
        return "never here yet"
    since = f"last seen {duration(mailbox.heartbeat)} ago"
    if mailbox.status == "offline" or mailbox.kind != "agent":
        return f"{mailbox.status}, {since}"
    return f"silent, {since}: its session died, or hangs" if mailbox.heartbeat >= PRESENT_SECONDS else since


def _ways(mailbox: Mailbox) -> str:
    """By what it hears, or that there is nothing."""
    ways = [
        *(["it waits in a read"] if mailbox.is_waiting else []),
        *(["a monitor runs"] if mailbox.is_watched else []),
        *([] if mailbox.hooks is None else [f"a hook was heard {duration(mailbox.hooks)} ago"]),
    ]
    return ", ".join(ways) or "it does not wait, no monitor runs, and no hook was ever heard"
