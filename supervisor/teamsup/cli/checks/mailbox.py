"""Doctor's decision whether messages can reach an agent. Pure."""

from dataclasses import dataclass

from teamsup.hub.models import PRESENCE_TIMEOUT_SECONDS, RESERVED_KINDS
from teamsup.terminal.findings import CommandHint, Finding, Verdict
from teamsup.terminal.formatting import format_duration

FRESH_SECONDS = 60.0
"""Age in seconds from which a message counts as waiting. An agent may be reading a younger message at this moment."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An agent's unread messages, and the ways by which it can learn of them. Ages are in seconds."""

    name: str
    kind: str = "agent"
    status: str = "offline"
    unread: int = 0
    oldest_age: float | None = 0.0
    """Age of the oldest message that can be read now; None if all messages are in backoff or behind an open message."""
    heartbeat_age: float | None = None
    is_present: bool = False
    is_waiting: bool = False
    """Whether the agent waits on its doorbell: in a read, or in a daemon's loop."""
    is_watched: bool = False
    """Whether a monitor would wake its session."""
    hook_age: float | None = None
    """Seconds since its last hook, or None if it never had one."""


def check_mailbox(mailbox: Mailbox, call: CommandHint) -> Finding:
    """Return the finding whether an agent can learn of its messages."""
    age = (
        "none can be read yet"
        if mailbox.oldest_age is None
        else f"the oldest for {format_duration(mailbox.oldest_age)}"
    )
    waiting = f"{mailbox.unread} unread, {age}" if mailbox.unread else "nothing unread"
    verdict, why, hint = _diagnose(mailbox, call)
    return Finding(mailbox.name, verdict, f"{waiting}; {why}", hint)


def _diagnose(mailbox: Mailbox, call: CommandHint) -> tuple[Verdict, str, str]:
    here, ways = _describe_presence(mailbox), _describe_wakeups(mailbox)
    if not mailbox.unread or (mailbox.is_present and (mailbox.oldest_age or 0.0) < FRESH_SECONDS):
        return Verdict.OK, f"{here}, {ways}" if mailbox.kind == "agent" and mailbox.is_present else here, ""
    if mailbox.kind in RESERVED_KINDS:
        if mailbox.is_present:
            return Verdict.FAILED, f"{here}, but does not read", f"See why with: {call('logs', mailbox.name)}"
        hint = f"See why with: {call('ps', mailbox.name)}; or start the team: {call('start')}"
        return Verdict.WARNING, here, hint
    if mailbox.heartbeat_age is None:
        how = call("init", "--claude", "--agent", mailbox.name)
        hint = f"Start 'claude' in its project, set up with: {how}; or let a session start a subagent of that name."
        return Verdict.WARNING, "no session has ever served it", hint
    if not mailbox.is_present:
        hint = "Start 'claude' in its project, or its subagent, again."
        return Verdict.WARNING, f"no session serves it: {here}", hint
    if mailbox.is_waiting:
        hint = f"Restart its session; if that does not help: {call('hub', 'check')}"
        return Verdict.FAILED, f"{here} and waits for messages, but does not get them", hint
    if mailbox.is_watched:
        hint = "Look at its session: it may be busy, or wait for your answer."
        return Verdict.WARNING, f"{here}, {ways}, but it has not read", hint
    if mailbox.hook_age is not None:
        hint = "Type anything in its session. Without a monitor it gets messages only in a turn, or while a read waits."
        return Verdict.WARNING, f"{here}, {ways}", hint
    hint = f"Restart its session in a trusted project with the plugin: {call('init', '--claude')}"
    return Verdict.FAILED, f"{here}, but messages cannot reach it: {ways}", hint


def _describe_presence(mailbox: Mailbox) -> str:
    if mailbox.is_present:
        return f"it is {mailbox.status}"
    if mailbox.heartbeat_age is None:
        return "never here yet"
    since = f"last seen {format_duration(mailbox.heartbeat_age)} ago"
    if mailbox.status == "offline" or mailbox.kind != "agent":
        return f"{mailbox.status}, {since}"
    return (
        f"silent, {since}: its session died, or hangs" if mailbox.heartbeat_age >= PRESENCE_TIMEOUT_SECONDS else since
    )


def _describe_wakeups(mailbox: Mailbox) -> str:
    """Return the ways by which the agent learns of messages, or a note that there are none."""
    ways = [
        *(["it waits in a read"] if mailbox.is_waiting else []),
        *(["a monitor runs"] if mailbox.is_watched else []),
        *([] if mailbox.hook_age is None else [f"its last hook ran {format_duration(mailbox.hook_age)} ago"]),
    ]
    return ", ".join(ways) or "it does not wait, no monitor runs, and no hook has run"
