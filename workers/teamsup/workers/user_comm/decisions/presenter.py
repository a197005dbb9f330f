"""Where decisions are shown to people, and their outcome told."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from teamsup.config.people_protocol import DECISION_ANSWER, DECISION_REQUEST
from teamsup.config.sections import GatewaySection
from teamsup.hub import MessageHub

from ...protocol import GATEWAY
from ..people import announcement_recipients
from . import rendering as words
from .decision import Decision, may_decide
from .table import DecisionTable, to_metadata


class DecisionPresenter:
    """Its verbs block, raise the hub's errors, and are part of the transaction of whoever calls them."""

    def __init__(self, hub: MessageHub, table: DecisionTable, gateway: Callable[[], GatewaySection]) -> None:
        self._hub = hub
        self._table = table
        self._gateway = gateway

    def show(
        self,
        decision: Decision,
        place: str,
        conversation: str | None,
        reply_to: str | None = None,
        *,
        again: bool = False,
    ) -> None:
        if self._hub.find_agent(place) is None:
            return
        on_discord = place == GATEWAY
        metadata: dict[str, Any] = {"decision": decision.number, "asked_by": decision.asked_by}
        if decision.spec.options:
            metadata["options"] = list(decision.spec.options)
        if on_discord and (ping := decision.spec.deciders_on_discord):
            metadata["ping"] = list(ping)
        is_there = self._hub.query("SELECT 1 FROM messages WHERE message_id = ?", (reply_to,))
        showing = self._hub.send(
            place,
            words.render_question(decision, datetime.now(UTC), on_discord=on_discord, again=again),
            message_type=DECISION_REQUEST,
            priority=decision.priority,
            metadata=metadata,
            conversation_id=conversation,
            reply_to=reply_to if is_there else None,
        )
        self._table.add_showing(decision.number, showing, place)

    def show_to_all(self, decision: Decision, everywhere: Sequence[str]) -> int:
        """Show it in every place where it is not shown yet; how many."""
        home = f"discord:{self._gateway().home_channel}"
        newcomers = self.new_recipients(decision, everywhere)
        for place in newcomers:
            self.show(decision, place, home if place == GATEWAY else None)
        return len(newcomers)

    def show_to_deciders(self, decision: Decision, but: str) -> None:
        """Who is named to decide what somebody else has asked need not look over their shoulder."""
        for name in decision.spec.deciders:
            for place in (name, f"console-{name}"):
                agent = self._hub.find_agent(place)
                if agent is not None and agent.kind == "console" and place != but:
                    self.show(decision, place, None)

    def unknown_deciders(self, decision: Decision) -> list[str]:
        """Who is named to decide it, and cannot as things are."""
        return [name for name in decision.spec.deciders if not self._is_known(name, self._gateway())]

    def _is_known(self, decider: str, section: GatewaySection) -> bool:
        number = decider.removeprefix("discord:")
        if number == decider:
            return any(self._hub.find_agent(name) is not None for name in (decider, f"console-{decider}"))
        if section.deciders and int(number) not in section.deciders:
            return False
        # Who has a listed role, or writes in a listed place, only Discord knows.
        if section.roles or section.channels or section.guilds or int(number) in section.users:
            return True
        return bool(self._hub.query("SELECT 1 FROM discord_people WHERE CAST(person AS TEXT) = ?", (number,)))

    def all_recipients(self) -> list[str]:
        return announcement_recipients(self._hub, home=self._gateway().home_channel != 0)

    def new_recipients(self, decision: Decision, everywhere: Sequence[str]) -> list[str]:
        if not decision.is_public:
            return []
        known = self._table.recipients_of(decision.number)
        return [place for place in everywhere if place not in known]

    def first_shown_at(self, decision: Decision) -> datetime | None:
        """When it first reached anybody who may decide it; None while it has not."""
        moments = [
            moment
            for place, moment in self._table.first_seen_by_recipient(decision.number).items()
            if may_decide(decision, place) or (place == GATEWAY and decision.spec.deciders_on_discord)
        ]
        return min(moments, default=None)

    def remind(self, decision: Decision, now: float) -> None:
        """Show it again where it has been seen; where it waits to be seen, it waits."""
        reminded = set()
        for showing, place in self._table.showings(decision.number):
            if place not in reminded and all(state.state == "done" for state in self._hub.trace(showing.message_id)):
                self.show(decision, place, showing.conversation_id, showing.reply_to, again=True)
            reminded.add(place)
        self._table.set_reminded(decision.number, now)

    def send_outcome(self, decision: Decision, but: str | None) -> None:
        """Once in each; but on Discord each message that shows it has buttons of its own."""
        told = {but} - {GATEWAY}
        for showing, place in self._table.showings(decision.number):
            if self._hub.cancel(showing.message_id) or place in told:
                continue  # nobody has seen it, or they know
            told |= {place} - {GATEWAY}
            if self._hub.find_agent(place) is not None:
                self._hub.send(
                    place,
                    words.render_outcome(decision),
                    message_type=DECISION_ANSWER,
                    metadata=to_metadata(decision),
                    conversation_id=showing.conversation_id,
                    reply_to=showing.message_id,
                )
