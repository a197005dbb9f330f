"""The agents of a team and their waiting messages, read once, for a command such as ``ps``.

A sound store is read without the hub, because importing and opening the hub takes half of the time of ``ps``. If
anything about the store is unusual, the hub reads it and reports the fault.
"""

import time
from typing import TYPE_CHECKING, NamedTuple

from ..engines.choice import read_once
from ..engines.stored_json import decode_metadata
from ..models import Agent
from ..timestamps import format_time
from .agents import SELECT_AGENTS, agent_from_row
from .undeliverable import SELECT_UNDELIVERABLE

if TYPE_CHECKING:
    from ..message_hub import MessageHub
    from ..team import Team


class HubSnapshot(NamedTuple):
    """The agents of a hub and their waiting messages at one moment."""

    agents: list[Agent]
    """All known agents, by name."""
    undeliverable: dict[str, int]
    """The names that no agent has used yet, each with the number of messages that wait for it."""


def read_snapshot(team: "Team", hub: "MessageHub | None" = None) -> HubSnapshot:
    """Read the team's hub now, or the open ``hub``. Raise StoreError and UnsafeFile as MessageHub does."""
    if hub is not None:
        return HubSnapshot(hub.agents(), hub.queries.undeliverable())
    now = format_time(time.time())
    found = read_once(team, [(SELECT_AGENTS, {"name": None, "now": now}), (SELECT_UNDELIVERABLE, ())])
    if found is None:
        from ..message_hub import MessageHub

        with MessageHub(team) as opened:
            return read_snapshot(team, opened)
    agents, undeliverable = found
    return HubSnapshot(
        [agent_from_row(row, decode_metadata(row["metadata"])) for row in agents],
        {row[0]: row[1] for row in undeliverable},
    )
