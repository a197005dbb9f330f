"""Wake the idle teammates of a session: write their messages into the inbox files that Claude Code reads.

A message is written there once. It stays unread in the hub until the teammate acts.
"""

import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import anyio

from teamsup.config.loader import Config
from teamsup.hub.errors import TeamsupError
from teamsup.hub.message_hub import MessageHub
from teamsup.hub.models import Agent, WakeStep

from .native_teammates import (
    NATIVE_INBOX,
    STALE_LOCK_SECONDS,
    Teammate,
    UnusableInbox,
    find_teammates,
    put_messages,
    teams_folder,
)
from .participants import Participants, run_in_thread

_LOOK_SECONDS = 1.0
_MAX_TURN_SECONDS = 30.0
"""Seconds after which a turn counts as ended. Hooks announce messages in a turn, but an interrupted turn does not
report its end.
"""


class NativeInboxes:
    """The mailboxes of the teammates inside one session."""

    def __init__(self, participants: Participants, claude: int) -> None:
        self._participants = participants
        self._claude = claude
        self._hubs: dict[str, MessageHub] = {}
        self._put: set[str] = set()
        """The ids of messages that were put into a mailbox. They are kept because a teammate joins again in each turn,
        which resets its wake steps.
        """
        self._in_turn_since: dict[str, float] = {}
        self._failing_since: float | None = None

    async def serve(self) -> None:
        """Put messages into the mailboxes until cancelled, if ``native_inbox`` is on."""
        main = self._participants.main
        if not (main.can_read and is_wanted(main.hub)):
            return
        while True:
            await self.report(await run_in_thread(self.deliver))
            await anyio.sleep(_LOOK_SECONDS)

    def close(self, remaining: Collection[str] = ()) -> None:
        """Close the hubs of all teammates except those that remain."""
        for name in self._hubs.keys() - remaining:
            self._hubs.pop(name).close()

    def deliver(self) -> str:
        """Put messages for idle teammates into their mailboxes. Return why that is impossible, or an empty text."""
        troubles = []
        teammates = find_teammates(teams_folder(), self._claude)
        self.close({teammate.agent for teammate in teammates})
        for teammate in teammates:
            try:
                self._deliver_to(teammate)
            except UnusableInbox as error:
                troubles.append(str(error))
            except TeamsupError:
                # The hub is busy or away. The next round delivers the messages that this round has not delivered.
                continue
        return "; ".join(troubles)

    def _deliver_to(self, teammate: Teammate) -> None:
        main = self._participants.main.hub
        known = main.find_agent(teammate.agent)
        if teammate.agent == main.agent or known is None or known.kind != "agent" or self._is_in_turn(known):
            return
        hub = self._hubs.get(teammate.agent)
        if hub is None:
            hub = self._hubs[teammate.agent] = MessageHub(main.team, agent=teammate.agent, model=True)
        if hub.wait(0, step=WakeStep.WOKEN):
            # If the file cannot be written, the step is not taken either.
            with hub.transaction():
                messages = hub.wake_ladder.take_wake_step(WakeStep.WOKEN)
                put_messages(teammate.inbox, [each for each in messages if each.message_id not in self._put])
            self._put |= {each.message_id for each in messages}

    def _is_in_turn(self, agent: Agent) -> bool:
        if not (agent.is_present(datetime.now(UTC)) and agent.metadata.get("in_turn")):
            self._in_turn_since.pop(agent.name, None)
            return False
        since = self._in_turn_since.setdefault(agent.name, time.monotonic())
        return time.monotonic() - since < _MAX_TURN_SECONDS

    async def report(self, trouble: str) -> None:
        """Report a trouble to doctor if it lasts, because Claude Code holds the lock only for moments."""
        now = time.monotonic()
        self._failing_since = (self._failing_since or now) if trouble else None
        if self._failing_since is not None and now - self._failing_since < STALE_LOCK_SECONDS:
            return
        details = self._participants.main.presence_details
        if trouble != details.get(NATIVE_INBOX, ""):
            details.pop(NATIVE_INBOX, None)
            details |= {NATIVE_INBOX: trouble} if trouble else {}
            with suppress(TeamsupError):
                await self._participants.main.send_heartbeat()


def is_wanted(hub: MessageHub) -> bool:
    """Return whether [team] has native_inbox = true. In a file that cannot be read, it counts as false."""
    try:
        section: Mapping[str, Any] = Config(hub.team).tables.get("team", {})
        return section.get(NATIVE_INBOX) is True
    except (TeamsupError, AttributeError):
        return False
