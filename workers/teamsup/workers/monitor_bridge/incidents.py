"""What the sources say, taken in and seen through: the one door for all that hears or looks."""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from teamsup.hub import MessageHub
from teamsup.hub.clock import to_text

from . import incident
from .alert import Alert, SignOfLife
from .conversation import Conversations
from .escalation import Policy
from .incident import Incident
from .ladder import Ladder
from .routes import Routes
from .sources import News
from .taking import Taking

_KEEP_SECONDS = 90 * 86400.0
_FORGOTTEN = 500  # at once


class Incidents:
    """Takes what the sources say. May be called by several threads at once."""

    def __init__(
        self,
        hub: MessageHub,
        routes: Routes,
        unread_seconds: float,
        *,
        clock: Callable[[], float] = time.time,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._hub = hub
        self._routes = routes
        self._clock = clock
        self._changed = changed
        section = routes.section
        self.conversations = Conversations(hub)
        policy = Policy(section.act_seconds, unread_seconds, bool(section.command))
        self.ladder = Ladder(hub, self.conversations, policy, section.ping, clock)

    def take(self, source: str, items: Sequence[Alert | SignOfLife]) -> None:
        """Store and tell what a source says, all of it or nothing; the same again changes nothing but counts.

        Raises StoreError when it cannot be stored.
        """
        self.store(source, self._routes.routed(items))

    def store(self, source: str, news: News) -> None:
        """The same of what has its route already: nothing slow is done while others wait for the hub."""
        with self._hub.transaction():
            taking = Taking(self._hub, self._routes, self.conversations, source, self._clock())
            for item in news:
                taking.take(item)
            for first, due in taking.touched.items():
                if due <= taking.now:
                    self.ladder.advance(first)
            for first in taking.tests:
                self._end_test(first)
            for first in taking.may_be_over:
                self._end_if_over(first)
        self._changed()

    def close(self, numbers: Sequence[int]) -> list[Incident]:
        """End incidents that their sources have forgotten; those that were open. Raises UnknownIncident."""
        found = [incident.by_id(self._hub, number) for number in numbers]
        still_open = [each for each in found if each.is_open]
        for each in still_open:
            self.take(each.source, [Alert(each.source, each.key, is_firing=False, title=each.title)])
        return still_open

    def prune(self) -> None:
        """Forget what was over long ago."""
        before = to_text(self._clock() - _KEEP_SECONDS)
        for forget in (
            "DELETE FROM incidents WHERE id IN"
            " (SELECT id FROM incidents WHERE state = 'resolved' AND ended_at < ? LIMIT ?)",
            "DELETE FROM incident_conversations WHERE first IN (SELECT first FROM incident_conversations AS c"
            " WHERE ended_at < ? AND NOT EXISTS (SELECT 1 FROM incidents AS i WHERE i.first = c.first) LIMIT ?)",
        ):
            # In parts, so that nobody has to wait for the hub.
            while self._hub.change(forget, (before, _FORGOTTEN)) == _FORGOTTEN:
                pass

    def _end_test(self, first: int) -> None:
        """A test has arrived when agents and people have been told; nobody will say that it is over."""
        conversation = self.conversations.get(first)
        if conversation is None or incident.is_over(self._hub, first):
            return
        if not conversation.people_told:
            self.conversations.tell_people(conversation, "", ())
        now = self._clock()
        self._hub.change(
            "UPDATE incidents SET state = 'resolved', ended_at = ? WHERE first = ? AND state <> 'resolved'",
            (to_text(now), first),
        )
        self.conversations.change(first, ended_at=now, news_due=None)

    def _end_if_over(self, first: int) -> None:
        conversation = self.conversations.get(first)
        if conversation is None or conversation.is_over or not incident.is_over(self._hub, first):
            return
        now = self._clock()
        over = incident.ended_in(self._hub, first)
        self.conversations.end(conversation, over, now, datetime.fromtimestamp(now, UTC))
