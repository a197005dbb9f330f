"""Waiting agents for pages: a limit or a fault keeps agent-runner from starting them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from teamsup.config.entries import ActionRejected, Age, Entry, EntryAction, EntryRow, EntryState, Need, Text
from teamsup.config.startable_agents import AGENT_RUNNER, StartableAgent, list_agents, read_startable_agents
from teamsup.hub import Agent, MessageHub
from teamsup.terminal.console import ask_once

from ..run_table import AgentPause, RunTable

_ANSWER_SECONDS = 30.0
_RESUME = EntryAction("resume", "Resume")


class WaitingAgentSource:
    """Agents for which messages wait, because a limit or a fault keeps agent-runner from starting them."""

    kind = "waiting-agent"
    title = ""
    address = "/team"
    columns = ()
    filters: Mapping[str, tuple[str, ...]] = {}

    def needs(self, hub: MessageHub, now: datetime) -> Sequence[Need]:
        agents = {each.name: each for each in list_agents(hub)}
        startable = read_startable_agents(agents.values(), now)
        pauses = {each.name: each for each in RunTable(hub).pauses(now.timestamp()) if each.kind == "agent"}
        return [
            _to_waiting_need(agents[name], start, pauses.get(name), now)
            for name, start in startable.items()
            if name in agents and _needs_person(agents[name], start, pauses.get(name))
        ]

    def count_open(self, hub: MessageHub) -> int:  # noqa: ARG002
        return 0

    def rows(
        self,
        hub: MessageHub,  # noqa: ARG002
        filters: Mapping[str, str],  # noqa: ARG002
        before: str | None,  # noqa: ARG002
        limit: int,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> Sequence[EntryRow]:
        return ()

    def entry(self, hub: MessageHub, entry_id: str, now: datetime) -> Entry | None:  # noqa: ARG002
        return None

    def act(self, hub: MessageHub, entry_id: str, action: str, version: str, person: str, text: str) -> str:  # noqa: ARG002
        now = datetime.now(UTC)
        need = next((each for each in self.needs(hub, now) if each.id == entry_id), None)
        if need is None or need.version != version:
            raise ActionRejected(f"{entry_id} does not wait for that any more.")
        if action not in (each.name for each in need.actions):
            raise ActionRejected(f"{action} is not possible for {entry_id}.")
        return ask_worker(hub, AGENT_RUNNER, f"{action} {entry_id}", person)


def ask_worker(
    hub: MessageHub,
    recipient: str,
    words: str,
    person: str,
    *,
    message_type: str = "message",
    metadata: Mapping[str, object] | None = None,
) -> str:
    """Send a person's words to a worker, and return the answer. Raise ActionRejected with the worker's refusal."""
    about = {"author_name": person, **(metadata or {})}
    reply = ask_once(
        hub.team, recipient, words, _ANSWER_SECONDS, message_type=message_type, metadata=about, person=person
    )
    if reply.message_type == "error":
        raise ActionRejected(reply.content)
    return reply.content


def _needs_person(agent: Agent, start: StartableAgent, pause: AgentPause | None) -> bool:
    """Return whether messages wait for an agent that a limit or a fault keeps from starting. A person's pause is
    intended."""
    if pause is not None and pause.is_of_person:
        return False
    return bool(start.obstacle) and (agent.unread > 0 or (pause is not None and pause.is_incident))


def _to_waiting_need(agent: Agent, start: StartableAgent, pause: AgentPause | None, now: datetime) -> Need:
    count = "1 message waits" if agent.unread == 1 else f"{agent.unread} messages wait"
    oldest: Text = () if agent.oldest_unread is None else (", the oldest ", Age(agent.oldest_unread, "for"))
    is_fault = pause is not None and pause.is_incident
    # The file belongs to a person and has their notes, so the page does not change it.
    raises: Text = (f" To raise the limit, change {start.limit} of teamsup.toml and save it.",) if start.limit else ()
    return Need(
        WaitingAgentSource.kind,
        agent.name,
        agent.name,
        "cannot be started" if is_fault else "waits at its limit",
        (f"{start.obstacle[:1].upper()}{start.obstacle[1:]}. {count} for it", *oldest, ".", *raises),
        EntryState("failed", "blocked") if is_fault else EntryState("paused", "paused"),
        agent.oldest_unread or now,
        deadline=None if start.until is None else datetime.fromtimestamp(start.until, UTC),
        deadline_note="" if start.until is None else "until it goes on",
        actions=(_RESUME,) if pause is not None else (),
        version=start.obstacle if pause is None else f"{pause.reason}|{pause.since}",
        address=f"/team/{agent.name}",
    )
