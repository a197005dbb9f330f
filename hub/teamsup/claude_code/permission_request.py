"""Forward permission dialogs of an interactive session to people, while Claude Code's own dialog waits.

It is off unless the agent's section says ``ask_in_sessions``. The first answer counts: the team's, or that of the
person at the terminal. The session itself cannot decide, because user_comm does not accept an asker's own answer.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio

from teamsup.config.loader import Config
from teamsup.config.people_protocol import DECISION_ANSWER, DECISION_REQUEST, DECISION_WITHDRAWAL, USER_COMM
from teamsup.hub.errors import CallerError, TeamsupError
from teamsup.hub.message_hub import MessageHub
from teamsup.hub.models import Message
from teamsup.terminal.formatting import to_single_line
from teamsup.terminal.tool_call import MAX_SHOWN_CHARACTERS, show_input

from .participants import run_in_thread

_OPTIONS = ["allow", "deny"]
_POLL_SECONDS = 0.5
_MAX_SECONDS = 3600.0
"""Seconds for which Claude Code waits for this hook."""


@dataclass(frozen=True, slots=True)
class PermissionSettings:
    """The settings of an agent's sessions: whether people are asked for permissions, the deciders, and the
    time limit.
    """

    is_on: bool = False
    deciders: tuple[str, ...] = ()
    seconds: float = _MAX_SECONDS


def read_settings(hub: MessageHub) -> PermissionSettings:
    """Return the settings in the section [agent.NAME], whose keys agent-runner has checked."""
    try:
        section = Config(hub.team).tables.get("agent", {}).get(hub.agent, {})
        return PermissionSettings(
            section.get("ask_in_sessions") is True,
            tuple(map(str, section.get("deciders", ()))),
            min(_MAX_SECONDS, float(section.get("decision_seconds", _MAX_SECONDS))),
        )
    except (TeamsupError, AttributeError, TypeError, ValueError):
        return PermissionSettings()


async def request_permission(
    hub: MessageHub, given: Mapping[str, Any], is_awaited: Callable[[], bool]
) -> dict[str, Any]:
    """Return the hook's output with people's decision. Return an empty text if they have not decided or were not asked.

    ``is_awaited`` returns whether the hook is still waiting. Raise the hub's errors.
    """
    settings = await run_in_thread(lambda: read_settings(hub))
    tool, arguments = given.get("tool_name"), given.get("tool_input")
    if not settings.is_on or not isinstance(tool, str) or not isinstance(arguments, dict):
        return {}
    shown = show_input(arguments)
    if len(shown) > MAX_SHOWN_CHARACTERS:
        return {}
    request = await run_in_thread(lambda: _ask(hub, tool, shown, settings))
    answer = None
    try:
        with anyio.move_on_after(settings.seconds):
            while answer is None and is_awaited():
                answer = await run_in_thread(lambda: _take_answer(hub, request))
                if answer is None:
                    await anyio.sleep(_POLL_SECONDS)
    finally:
        if answer is None:
            # The dialog was answered at the terminal, or the session ends.
            with suppress(TeamsupError), anyio.CancelScope(shield=True):
                await run_in_thread(lambda: _withdraw(hub, request))
    return {} if answer is None else _output(hub, answer)


def _ask(hub: MessageHub, tool: str, shown: str, settings: PermissionSettings) -> Message:
    text = f"May {hub.agent} make this call of {to_single_line(tool, 100)}?\n{shown}\nIt counts for this call alone."
    metadata: dict[str, Any] = {"options": _OPTIONS}
    if settings.deciders:
        known = {name: hub.find_agent(name) for name in settings.deciders}
        people = [name for name, agent in known.items() if agent is None or agent.kind == "console"]
        if not people:
            raise CallerError("No person may decide: the deciders of the configuration are agents.")
        metadata["deciders"] = people
    return hub.send(
        USER_COMM,
        text,
        message_type=DECISION_REQUEST,
        priority="high",
        metadata=metadata,
        expires_in=settings.seconds,
    )


def _take_answer(hub: MessageHub, request: Message) -> Message | None:
    """Return the answer of user_comm, and end its delivery. The hook uses the answer, so the model does not have to
    read it.
    """
    for message in hub.queries.find(reply_to=request.message_id, sender=USER_COMM):
        hub.complete_unclaimed(message, outcome="used by the hook")
        if message.message_type == DECISION_ANSWER:
            return message
    return None


def _withdraw(hub: MessageHub, request: Message) -> None:
    hub.cancel(request.message_id)
    hub.send(
        USER_COMM,
        "The session no longer waits.",
        message_type=DECISION_WITHDRAWAL,
        reply_to=request.message_id,
    )


def _output(hub: MessageHub, answer: Message) -> dict[str, Any]:
    said = answer.metadata
    if said.get("state") != "decided":
        return {}
    person = str(said.get("person") or "")
    known = hub.find_agent(person) if person and not person.startswith("discord:") else None
    is_person = person.startswith(("discord:", "console-")) or (known is not None and known.kind == "console")
    if said.get("answer") == "allow" and is_person:
        decision = {"behavior": "allow"}
    else:
        decision = {"behavior": "deny", "message": f"{said.get('by')} has denied this call (#{said.get('decision')})."}
    return {"hookSpecificOutput": {"hookEventName": "PermissionRequest", "decision": decision}}
